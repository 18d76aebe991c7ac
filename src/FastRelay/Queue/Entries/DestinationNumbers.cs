namespace FastRelay.Queue;

/// <summary>Destinations by the numbers that entries know them by; a number is used again when its destination is forgotten.</summary>
internal sealed class DestinationNumbers
{
    private readonly Stack<int> _free = new();
    private Destination?[] _all = new Destination?[64];
    private int _next = 1;

    public Destination this[int number] => _all[number]!;

    /// <summary>By number; null where there is none.</summary>
    public ReadOnlySpan<Destination?> Places => _all.AsSpan(0, Math.Min(_next, _all.Length));

    /// <summary>The number for the next destination, which <see cref="Set"/> follows.</summary>
    public int Take() => _free.Count > 0 ? _free.Pop() : _next++;

    public void Set(Destination destination)
    {
        if (destination.Number >= _all.Length)
        {
            Array.Resize(ref _all, _all.Length * 2);
        }
        _all[destination.Number] = destination;
    }

    public void Free(Destination destination)
    {
        _all[destination.Number] = null;
        _free.Push(destination.Number);
    }
}
