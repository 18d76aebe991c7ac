namespace FastRelay.Queue;

/// <summary>Sites that want a session and wait for room, each once, the longest first.</summary>
internal struct StarvedSites
{
    private Site? _first;
    private Site? _last;

    public readonly bool Any => _first is not null;

    /// <summary>Puts a site at the end, where it does not wait yet.</summary>
    public void Add(Site site)
    {
        if (site.IsStarved)
        {
            return;
        }
        site.IsStarved = true;
        if (_last is null)
        {
            _first = site;
        }
        else
        {
            _last.NextStarved = site;
        }
        _last = site;
    }

    /// <summary>Takes the first out; null when none waits.</summary>
    public Site? Take()
    {
        if (_first is { } site)
        {
            _first = site.NextStarved;
            _last = _first is null ? null : _last;
            site.NextStarved = null;
            site.IsStarved = false;
            return site;
        }
        return null;
    }
}
