namespace FastRelay.Queue;

/// <summary>
/// Entries in pages of 4,096, with a free list: adding and freeing allocate nothing once the pages are there. Pages
/// are outside the collector's heap.
/// </summary>
internal sealed class EntrySlab
{
    private const int PageBits = 12;
    private const int PageSize = 1 << PageBits;
    private NativeArray<Entry>[] _pages = new NativeArray<Entry>[16];
    private int _pageCount;
    private int _next = 1;
    private int _free;

    /// <summary>Entries in use.</summary>
    public int Count { get; private set; }

    /// <summary>All handles are below this.</summary>
    public int End => _next;

    /// <summary>The entry of a handle, in use or not; 1 to <see cref="End"/> - 1.</summary>
    public ref Entry this[int handle] => ref _pages[handle >> PageBits][handle & (PageSize - 1)];

    /// <summary>Takes an entry; all its fields are zero.</summary>
    public int Allocate()
    {
        Count++;
        if (_free != 0)
        {
            int reused = _free;
            ref Entry entry = ref this[reused];
            _free = entry.Next;
            entry = default;
            return reused;
        }
        int handle = _next++;
        if (handle >> PageBits == _pageCount)
        {
            if (_pageCount == _pages.Length)
            {
                Array.Resize(ref _pages, _pages.Length * 2);
            }
            _pages[_pageCount++] = new NativeArray<Entry>(PageSize);
        }
        return handle;
    }

    /// <summary>Gives an entry back.</summary>
    public void Release(int handle)
    {
        ref Entry entry = ref this[handle];
        Check.That(entry.State != EntryState.Free, "an entry is freed once");
        entry = default;
        entry.Next = _free;
        _free = handle;
        Count--;
    }
}

/// <summary>Where an entry that is ready stands among the others of its destination.</summary>
internal enum ReadyPlace : byte
{
    /// <summary>Behind all.</summary>
    Last,

    /// <summary>Before all.</summary>
    First,

    /// <summary>It was refused for the rate: before all, but for those that were refused so before it. They keep their order.</summary>
    Refused,

    /// <summary>It was not attempted: before all, but for those that were refused for the rate.</summary>
    Released,
}

/// <summary>A list of entries, first in, first out, linked through <see cref="Entry.Next"/> and <see cref="Entry.Previous"/>. The default value is empty.</summary>
internal struct EntryList
{
    private int _last;
    private int _lastRefused;

    /// <summary>The first entry, or 0.</summary>
    public int First { get; private set; }

    /// <summary>Entries in the list.</summary>
    public int Count { get; private set; }

    /// <summary>Adds at the end.</summary>
    public void AddLast(EntrySlab slab, int handle)
    {
        ref Entry entry = ref slab[handle];
        entry.Next = 0;
        entry.Previous = _last;
        if (_last == 0)
        {
            First = handle;
        }
        else
        {
            slab[_last].Next = handle;
        }
        _last = handle;
        Count++;
    }

    /// <summary>Adds where it belongs.</summary>
    public void Add(EntrySlab slab, int handle, ReadyPlace place)
    {
        if (place == ReadyPlace.Last)
        {
            AddLast(slab, handle);
            return;
        }
        AddBehind(slab, handle, place == ReadyPlace.First ? 0 : _lastRefused);
        _lastRefused = place == ReadyPlace.Refused ? handle : _lastRefused;
    }

    /// <summary>Adds behind an entry of the list, or at the front behind 0.</summary>
    private void AddBehind(EntrySlab slab, int handle, int before)
    {
        ref Entry entry = ref slab[handle];
        int next = before == 0 ? First : slab[before].Next;
        entry.Previous = before;
        entry.Next = next;
        if (next == 0)
        {
            _last = handle;
        }
        else
        {
            slab[next].Previous = handle;
        }
        if (before == 0)
        {
            First = handle;
        }
        else
        {
            slab[before].Next = handle;
        }
        Count++;
    }

    /// <summary>Takes one out, wherever it stands.</summary>
    public void Remove(EntrySlab slab, int handle)
    {
        ref Entry entry = ref slab[handle];
        _lastRefused = _lastRefused == handle ? entry.Previous : _lastRefused;
        if (entry.Previous == 0)
        {
            First = entry.Next;
        }
        else
        {
            slab[entry.Previous].Next = entry.Next;
        }
        if (entry.Next == 0)
        {
            _last = entry.Previous;
        }
        else
        {
            slab[entry.Next].Previous = entry.Previous;
        }
        entry.Next = entry.Previous = 0;
        Count--;
        Check.That(Count >= 0, "a list has no fewer than no entries");
    }
}
