namespace FastRelay.Queue;

/// <summary>Destinations without entries, the one that has been empty for longest first: linked through themselves.</summary>
internal sealed class EmptyDestinations
{
    /// <summary>Destinations, about 1 KiB each, past which empty ones are forgotten soon.</summary>
    internal const int Many = 100_000;

    internal const long SoonMs = 10_000;
    private Destination? _last;

    /// <summary>Empty for longest; null when there is none.</summary>
    public Destination? First { get; private set; }

    /// <summary>The one to forget next; null when none has been empty for long enough.</summary>
    /// <param name="nowMs">The loop's time.</param>
    /// <param name="afterMs">For how long it must have been empty.</param>
    /// <param name="count">Destinations in all: when there are many, a client that may name tenants names a new one with every message.</param>
    public Destination? Due(long nowMs, long afterMs, int count) =>
        First is { } first && nowMs - first.EmptySinceMs >= (count > Many ? Math.Min(SoonMs, afterMs) : afterMs) ? first : null;

    /// <summary>It has become empty.</summary>
    public void Add(Destination destination, long nowMs)
    {
        destination.InEmptyList = true;
        destination.EmptySinceMs = nowMs;
        destination.PreviousEmpty = _last;
        if (_last is null)
        {
            First = destination;
        }
        else
        {
            _last.NextEmpty = destination;
        }
        _last = destination;
    }

    /// <summary>It has an entry, or is forgotten.</summary>
    public void Remove(Destination destination)
    {
        if (destination.PreviousEmpty is null)
        {
            First = destination.NextEmpty;
        }
        else
        {
            destination.PreviousEmpty.NextEmpty = destination.NextEmpty;
        }
        if (destination.NextEmpty is null)
        {
            _last = destination.PreviousEmpty;
        }
        else
        {
            destination.NextEmpty.PreviousEmpty = destination.PreviousEmpty;
        }
        destination.NextEmpty = destination.PreviousEmpty = null;
        destination.InEmptyList = false;
    }
}
