using System.Diagnostics.CodeAnalysis;
using FastRelay.Queue;

namespace FastRelay.Deliver;

/// <summary>The connections that are kept for the next message, by site. Loop thread; nothing here allocates but for a site that has none.</summary>
internal sealed class IdleSessions
{
    private readonly Dictionary<Site, SendSession> _first = [];

    /// <summary>How many.</summary>
    public int Count { get; private set; }

    /// <summary>A site that has one; null when none has.</summary>
    public Site? AnySite
    {
        get
        {
            foreach (Site site in _first.Keys)
            {
                return site;
            }
            return null;
        }
    }

    /// <summary>The one that was kept last of a site.</summary>
    public bool TryFind(Site site, [NotNullWhen(true)] out SendSession? session) => _first.TryGetValue(site, out session);

    /// <summary>Keeps one.</summary>
    public void Add(SendSession session, Site site)
    {
        session.NextIdle = _first.GetValueOrDefault(site);
        _first[site] = session;
        Count++;
        site.Idle++;
    }

    /// <summary>One is not kept any longer: it is woken, or has waited long enough.</summary>
    public void Remove(SendSession session, Site site)
    {
        SendSession at = _first[site];
        if (at != session)
        {
            while (at.NextIdle != session)
            {
                at = at.NextIdle!;
            }
            at.NextIdle = session.NextIdle;
        }
        else if (session.NextIdle is { } next)
        {
            _first[site] = next;
        }
        else
        {
            _first.Remove(site);
        }
        session.NextIdle = null;
        Count--;
        site.Idle--;
    }
}
