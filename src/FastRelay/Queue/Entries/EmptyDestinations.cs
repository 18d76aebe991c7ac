namespace FastRelay.Queue;

/// <summary>Destinations without entries, the one that has been empty for longest first: linked through themselves.</summary>
internal sealed class EmptyDestinations
{
    private Destination? _last;

    /// <summary>Empty for longest; null when there is none.</summary>
    public Destination? First { get; private set; }

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
