namespace FastRelay.Queue;

/// <summary>The first entry of each message, by the message's slot in the journal's index: 4 bytes a slot, in pages.</summary>
internal sealed class MessageEntries
{
    private const int PageBits = 14;
    private const int PageSize = 1 << PageBits;
    private NativeArray<int>?[] _pages = new NativeArray<int>?[16];

    /// <summary>Slots are below this.</summary>
    public int End { get; private set; }

    /// <summary>The first entry of a slot, or 0.</summary>
    public int this[int slot]
    {
        get => slot < End ? _pages[slot >> PageBits]![slot & (PageSize - 1)] : 0;
        set
        {
            if (slot >= End)
            {
                Grow(slot);
            }
            _pages[slot >> PageBits]![slot & (PageSize - 1)] = value;
        }
    }

    private void Grow(int slot)
    {
        int pages = (slot >> PageBits) + 1;
        if (pages > _pages.Length)
        {
            Array.Resize(ref _pages, Math.Max(pages, _pages.Length * 2));
        }
        for (int page = End >> PageBits; page < pages; page++)
        {
            _pages[page] ??= new NativeArray<int>(PageSize);
        }
        End = pages << PageBits;
    }
}
