namespace FastRelay.Queue;

/// <summary>
/// Destinations, sites or tenants by number, from 1 on; a number is used again when its owner is forgotten. In pages, so that growing copies
/// nothing, and whoever looks through all of them does so by number, a slice a turn, without a copy.
/// </summary>
/// <typeparam name="T">What has a number.</typeparam>
internal sealed class Places<T>
    where T : class
{
    private const int PageBits = 10;
    private const int PageMask = (1 << PageBits) - 1;
    private readonly Stack<int> _free = new();
    private T?[][] _pages = new T?[16][];
    private int _pageCount;

    /// <summary>Numbers are below this.</summary>
    public int End { get; private set; } = 1;

    /// <summary>Who has a number below <see cref="End"/>; null when nobody has.</summary>
    public T? this[int number] => _pages[number >> PageBits][number & PageMask];

    /// <summary>All of them, by number.</summary>
    public IEnumerable<T> All
    {
        get
        {
            for (int number = 1; number < End; number++)
            {
                if (this[number] is { } one)
                {
                    yield return one;
                }
            }
        }
    }

    /// <summary>The number for the next one, which <see cref="Set"/> follows.</summary>
    public int Take()
    {
        if (_free.Count > 0)
        {
            return _free.Pop();
        }
        if (End >> PageBits == _pageCount)
        {
            if (_pageCount == _pages.Length)
            {
                Array.Resize(ref _pages, _pages.Length * 2);
            }
            _pages[_pageCount++] = new T?[1 << PageBits];
        }
        return End++;
    }

    public void Set(int number, T one) => _pages[number >> PageBits][number & PageMask] = one;

    public void Free(int number)
    {
        _pages[number >> PageBits][number & PageMask] = null;
        _free.Push(number);
    }
}
