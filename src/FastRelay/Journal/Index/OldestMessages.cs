namespace FastRelay.Journal;

/// <summary>
/// Which committed message arrived first, without an order that each message would pay for: a page of slots knows a time that
/// none of its messages arrived before. Adding lowers it, removing leaves it as it is; a page whose first has gone is looked
/// through when somebody asks and no other page is known to be older. So a question costs no more than the removals since the
/// last one, and a part of it is bounded. Loop thread.
/// </summary>
/// <param name="entries">The index's.</param>
internal sealed class OldestMessages(Slab<IndexEntry> entries)
{
    /// <summary>A page is 4,096 slots: 256 KiB of entries, which take some 30 us to look through.</summary>
    private const int PageBits = 12;

    // Of each page, a bound below which none of it arrived, and who did at that time when it was set. MaxValue: nobody is there.
    private long[] _arrivalMs = [];
    private int[] _slots = [];
    private int _pages;

    /// <summary>A message is committed.</summary>
    public void Add(int slot, long arrivalMs)
    {
        int page = slot >> PageBits;
        if (page >= _pages)
        {
            Grow(page + 1);
        }
        if (arrivalMs < _arrivalMs[page])
        {
            (_arrivalMs[page], _slots[page]) = (arrivalMs, slot);
        }
    }

    /// <summary>The slot of the message that arrived first; -1 when there is none.</summary>
    /// <param name="pages">Pages that are looked through at most.</param>
    /// <param name="slot">It.</param>
    /// <returns>False when there are more to look through: ask again.</returns>
    public bool TryFind(int pages, out int slot)
    {
        while (true)
        {
            int first = -1;
            long firstMs = long.MaxValue;
            for (int page = 0; page < _pages; page++)
            {
                if (_arrivalMs[page] < firstMs)
                {
                    (first, firstMs) = (page, _arrivalMs[page]);
                }
            }
            slot = first < 0 ? -1 : _slots[first];
            // Another message that took the slot over and arrived in the same millisecond is as old.
            if (first < 0 || (IsThere(slot) && entries[slot].ArrivalMs == firstMs))
            {
                return true;
            }
            if (pages-- == 0)
            {
                slot = -1;
                return false;
            }
            LookThrough(first);
        }
    }

    private void LookThrough(int page)
    {
        (_arrivalMs[page], _slots[page]) = (long.MaxValue, -1);
        int end = Math.Min((page + 1) << PageBits, entries.Bound);
        for (int slot = page << PageBits; slot < end; slot++)
        {
            if (IsThere(slot) && entries[slot].ArrivalMs < _arrivalMs[page])
            {
                (_arrivalMs[page], _slots[page]) = (entries[slot].ArrivalMs, slot);
            }
        }
    }

    private bool IsThere(int slot) => entries[slot].Id != 0 && (entries[slot].Flags & (EntryFlags.Open | EntryFlags.Aside)) == 0;

    private void Grow(int pages)
    {
        if (pages > _arrivalMs.Length)
        {
            Array.Resize(ref _arrivalMs, Math.Max(pages, 2 * _arrivalMs.Length));
            Array.Resize(ref _slots, _arrivalMs.Length);
        }
        Array.Fill(_arrivalMs, long.MaxValue, _pages, pages - _pages);
        _pages = pages;
    }
}
