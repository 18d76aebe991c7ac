namespace FastRelay.Queue;

/// <summary>Sites that are to be looked at in this turn, each once.</summary>
internal struct WokenSites
{
    private Site? _first;
    private Site? _last;

    /// <summary>Puts a site at the end, where it is not in the list yet.</summary>
    /// <returns>False when it was.</returns>
    public bool Add(Site site)
    {
        if (site.WakeQueued)
        {
            return false;
        }
        site.WakeQueued = true;
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

    /// <summary>Takes the list, linked by <see cref="Site.NextToWake"/>, and begins another.</summary>
    public Site? TakeAll()
    {
        Site? first = _first;
        _first = _last = null;
        return first;
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
