using System.Runtime.CompilerServices;

namespace FastRelay.Journal;

/// <summary>
/// Unmanaged structs in pages, named by int: no object an entry, nothing for the collector to walk, no copying when it
/// grows. A freed entry's first four bytes link the free list, so the first field of <typeparamref name="T"/> must be
/// an int that means nothing in a free entry.
/// </summary>
internal sealed class Slab<T>
    where T : unmanaged
{
    private const int PageBits = 12;
    private const int PageMask = (1 << PageBits) - 1;
    private NativeArray<T>[] _pages = new NativeArray<T>[16];
    private int _pageCount;
    private int _used;
    private int _free = -1;

    /// <summary>Entries in use.</summary>
    public int Count { get; private set; }

    /// <summary>Slots that were ever used are below this.</summary>
    public int Bound => _used;

    /// <summary>An entry in place.</summary>
    public ref T this[int slot]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => ref _pages[slot >> PageBits][slot & PageMask];
    }

    /// <summary>Takes a slot; its content is whatever it was, the caller writes all of it.</summary>
    public int Allocate()
    {
        Count++;
        if (_free >= 0)
        {
            int slot = _free;
            _free = Unsafe.As<T, int>(ref this[slot]);
            return slot;
        }
        if (_used == _pageCount << PageBits)
        {
            AddPage();
        }
        return _used++;
    }

    /// <summary>Gives a slot back.</summary>
    public void Free(int slot)
    {
        Check.That(Count > 0);
        Count--;
        ref T entry = ref this[slot];
        entry = default;
        Unsafe.As<T, int>(ref entry) = _free;
        _free = slot;
    }

    private void AddPage()
    {
        if (_pageCount == _pages.Length)
        {
            Array.Resize(ref _pages, _pages.Length * 2);
        }
        _pages[_pageCount++] = new NativeArray<T>(1 << PageBits);
    }
}
