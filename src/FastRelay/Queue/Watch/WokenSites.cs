namespace FastRelay.Queue;

/// <summary>Sites that are to be looked at in this turn, each once.</summary>
internal struct WokenSites
{
    private Site? _first;
    private Site? _last;

    /// <summary>How many there are.</summary>
    public int Count { get; private set; }

    /// <summary>Puts a site at the end, where it is not in the list yet.</summary>
    /// <returns>False when it was.</returns>
    public bool Add(Site site)
    {
        if (site.WakeQueued)
        {
            return false;
        }
        site.WakeQueued = true;
        Count++;
        if (_last is null)
        {
            _first = site;
        }
        else
        {
            _last.NextToWake = site;
        }
        _last = site;
        return true;
    }

    /// <summary>Takes the first out; only while there is one.</summary>
    public Site Take()
    {
        Site site = _first!;
        _first = site.NextToWake;
        _last = _first is null ? null : _last;
        site.NextToWake = null;
        site.WakeQueued = false;
        Count--;
        return site;
    }

    /// <summary>Walks the list: true when a site is in it, whatever it says itself.</summary>
    public readonly bool Holds(Site site)
    {
        Site? one = _first;
        while (one is not null && one != site)
        {
            one = one.NextToWake;
        }
        return one is not null;
    }
}
