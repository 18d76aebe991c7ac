namespace FastRelay.Queue;

/// <summary>Where a site waits. It waits in one place at a time.</summary>
internal enum SitePlace : byte
{
    /// <summary>It does not wait.</summary>
    None,

    /// <summary>For room: in <see cref="SiteTable"/>, for one of all connections.</summary>
    Room,

    /// <summary>In its budget, for its first turn since it had nothing to send.</summary>
    Fresh,

    /// <summary>In its budget, for another turn.</summary>
    Again,

    /// <summary>In its budget, for a turn that a tenant wants who has mail for few of its sites.</summary>
    Guest,

    /// <summary>In its budget, for more sessions than it has.</summary>
    More,

    /// <summary>In its budget, for nothing but the rate of connections.</summary>
    Dial,
}

/// <summary>Sites that wait for the same thing, each once, the longest first. Every step is O(1) and allocates nothing.</summary>
/// <param name="place">Which.</param>
internal struct SiteQueue(SitePlace place)
{
    private Site? _last;

    /// <summary>Who waits longest; null when nobody does.</summary>
    public Site? First { get; private set; }

    /// <summary>How many wait.</summary>
    public int Count { get; private set; }

    /// <summary>Puts a site that does not wait yet at the end, or in front of all.</summary>
    public void Add(Site site, bool first = false)
    {
        Check.That(site.Place == SitePlace.None, "a site waits in one place");
        site.Place = place;
        Count++;
        if (First is null)
        {
            First = _last = site;
        }
        else if (first)
        {
            site.NextWaiting = First;
            First.PreviousWaiting = site;
            First = site;
        }
        else
        {
            site.PreviousWaiting = _last;
            _last!.NextWaiting = site;
            _last = site;
        }
    }

    /// <summary>Takes a site out.</summary>
    public void Remove(Site site)
    {
        Check.That(site.Place == place);
        Count--;
        if (site.PreviousWaiting is { } before)
        {
            before.NextWaiting = site.NextWaiting;
        }
        else
        {
            First = site.NextWaiting;
        }
        if (site.NextWaiting is { } after)
        {
            after.PreviousWaiting = site.PreviousWaiting;
        }
        else
        {
            _last = site.PreviousWaiting;
        }
        site.NextWaiting = site.PreviousWaiting = null;
        site.Place = SitePlace.None;
    }
}
