using System.Runtime.InteropServices;
using FastRelay.Config;
using FastRelay.Outside;

namespace FastRelay.Queue;

/// <summary>What the sites that wait in a budget wait for.</summary>
internal enum BudgetBind : byte
{
    /// <summary>Nothing, or nobody waits.</summary>
    None,

    /// <summary>Its backoff or suspension.</summary>
    Gear,

    /// <summary>One of its sessions.</summary>
    Session,

    /// <summary>A rate of messages or octets.</summary>
    Rate,
}

/// <summary>
/// What may be asked of hosts that count as one: sessions, rates, the learned rate, and the gears of rules. The sites of a
/// large provider, one for each set of hosts, share one for each source; any other site has its own. It owns no connection:
/// those belong to the sites, whose turns it gives.
/// </summary>
public sealed class SiteBudget
{
    /// <summary>How long a site goes on when others of its budget wait, from its first message on, ms: some ten messages for a connection.</summary>
    internal const long TurnMs = 2_000;

    /// <summary>A tenant with mail for no more of its sites than this does not wait for a round over all that wait (docs/decisions/0032).</summary>
    internal const int FewSites = 20;

    private SiteQueue _guests = new(SitePlace.Guest);
    private SiteQueue _fresh = new(SitePlace.Fresh);
    private SiteQueue _again = new(SitePlace.Again);
    private SiteQueue _more = new(SitePlace.More);
    private SiteQueue _dial = new(SitePlace.Dial);
    private bool _againNext;
    private bool _guestNext;
    private Dictionary<Tenant, int>? _tenantSites;

    internal SiteBudget(string key, string provider, string source)
    {
        Key = key;
        Provider = provider;
        Source = source;
    }

    /// <summary>The provider, with a slash and the source behind it where there is one; the site's key where nobody shares it.</summary>
    public string Key { get; }

    /// <summary>Whose hosts share it; empty for that of one site.</summary>
    public string Provider { get; }

    /// <summary>True when the sites of a provider share it.</summary>
    public bool IsShared => Provider.Length > 0;

    /// <summary>The operator's rule for it; null when there is none.</summary>
    public SiteConfig? Rule { get; internal set; }

    /// <summary>Connections of its sites, being dialled, in use or idle.</summary>
    public int Sessions { get; internal set; }

    /// <summary>Those of them that are idle.</summary>
    public int Idle { get; internal set; }

    /// <summary>Deliveries of its sites under way.</summary>
    public int InFlight { get; internal set; }

    /// <summary>Name of the source; empty where there is none.</summary>
    internal string Source { get; }

    /// <summary>Sites that have it.</summary>
    internal int Sites { get; set; }

    /// <summary>Entries of their destinations, in all states.</summary>
    internal long Entries { get; set; }

    /// <summary>See <see cref="Site.Stacked"/>.</summary>
    internal int Stacked { get; set; }

    /// <summary>Sessions at work or about to be.</summary>
    internal int Active => Sessions - Idle;

    /// <summary>Sessions that were put to work and have taken nothing yet.</summary>
    internal int Coming => Active - InFlight + Stacked;

    /// <summary>When the last of them was, on the loop's scale.</summary>
    internal long SentAtMs { get; set; }

    /// <summary>The concurrency that the hosts have been seen to bear.</summary>
    internal double Window { get; set; }

    /// <summary>Until when a failure does not narrow the window again, on the loop's scale: it is of the cohort that has.</summary>
    internal long NarrowedUntilMs { get; set; }

    /// <summary>What a delivery takes a session, ms: a mean in which the last 16 count most; 0 before the first.</summary>
    internal double ServiceMs { get; set; }

    /// <summary>Octets of a message: a mean in which the last 16 count most; 0 before the first, and where no rate counts octets.</summary>
    internal double MessageOctets { get; set; }

    /// <summary>Transactions in which it took mail, since the start.</summary>
    internal long Taken { get; set; }

    /// <summary>What rules, the provider's name in a suspension, and several sites that are refused in a row have done.</summary>
    internal Brake Brake { get; } = new();

    /// <summary>Sites whose hosts have refused us with a reply, since one has served.</summary>
    internal int Refusals { get; set; }

    /// <summary>Until when it gets at most <see cref="SlowMost"/> sessions, on the loop's scale.</summary>
    internal long SlowUntilMs { get; set; }

    internal long SlowedAtMs { get; set; }

    internal int SlowMost { get; set; }

    internal string SlowReason { get; set; } = "";

    /// <summary>By the number of a rule that takes several replies: when the first came, and how many.</summary>
    internal Dictionary<int, (long SinceMs, int Count)>? RuleCounts { get; set; }

    /// <summary>Whose numbers those are: a change of the rules begins anew.</summary>
    internal ReplyRules? RuleCountsOf { get; set; }

    /// <summary>The rates of its rule; null when it has none.</summary>
    internal SitePace? Pace { get; set; }

    /// <summary>The rate that the hosts have been seen to allow; null while none has refused anything for it.</summary>
    internal LearnedRate? Learned { get; set; }

    /// <summary>What got through lately.</summary>
    internal ThroughMeter Through;

    /// <summary>A rate holds for it.</summary>
    internal bool IsPaced => Pace is not null || Learned is not null;

    /// <summary>Has it looked at again, at the earliest of the times that were asked for.</summary>
    internal LoopTimer? LookTimer { get; set; }

    /// <summary>What those who wait wait for.</summary>
    internal BudgetBind Binds { get; set; }

    /// <summary>Sites with idle connections, the longest idle first; null where nobody shares it.</summary>
    internal LinkedList<Site>? IdleSites { get; set; }

    /// <summary>Idle connections that were asked to end, to make room for those of other sites.</summary>
    internal int Closing { get; set; }

    /// <summary>Its sites that wait for room, out of turn.</summary>
    internal int Starved { get; set; }

    /// <summary>Sites that wait for their turn.</summary>
    internal int Waiting => _guests.Count + _fresh.Count + _again.Count + _more.Count + _dial.Count;

    /// <summary>Some wait for nothing but the rate of connections.</summary>
    internal bool WantDial => _dial.Count > 0;

    /// <summary>Must a site leave its turn to another? Yes when its time is over, and what it would use is what the others wait for.</summary>
    internal bool IsTurnOver(Site site, long nowMs)
    {
        int itself = site.Place is SitePlace.Guest or SitePlace.Fresh or SitePlace.Again or SitePlace.More ? 1 : 0;
        if (Binds is BudgetBind.Session or BudgetBind.Rate && nowMs >= site.TurnUntilMs && _guests.Count + _fresh.Count + _again.Count + _more.Count > itself)
        {
            return true;
        }
        if (site.TurnUntilMs == long.MaxValue)
        {
            site.TurnUntilMs = nowMs + TurnMs;
        }
        return false;
    }

    /// <summary>
    /// A site waits for its turn. Those with mail of a tenant who has some for few sites are served in turns with all others, so that
    /// a backlog for a thousand sites is nobody else's. Of these others, those that had nothing to send until now and those that have had a turn are served in
    /// turns, so that one message for one site does not wait until each of a thousand backlogs has been served. Those that
    /// have a session and want more come when nobody is without.
    /// </summary>
    /// <param name="site">The site.</param>
    /// <param name="first">Its turn is not over: it only had to wait.</param>
    internal void Wait(Site site, bool first)
    {
        if (site.Active > 0)
        {
            // One that need not be dialled is held up by none that must.
            _more.Add(site, first || site.Idle > 0);
        }
        else if (site.Lanes.HasGuest)
        {
            _guests.Add(site, first);
        }
        else if (site.TurnUntilMs == 0)
        {
            _fresh.Add(site);
        }
        else
        {
            _again.Add(site, first);
        }
    }

    /// <summary>It waits for the rate of connections, and holds up nobody who has one.</summary>
    internal void WaitToDial(Site site)
    {
        Leave(site);
        _dial.Add(site);
    }

    /// <summary>It does not wait any longer.</summary>
    internal void Leave(Site site)
    {
        switch (site.Place)
        {
            case SitePlace.Guest:
                _guests.Remove(site);
                break;
            case SitePlace.Fresh:
                _fresh.Remove(site);
                break;
            case SitePlace.Again:
                _again.Remove(site);
                break;
            case SitePlace.More:
                _more.Remove(site);
                break;
            case SitePlace.Dial:
                _dial.Remove(site);
                break;
            default:
                break;
        }
    }

    /// <summary>Whose turn it is; null when nobody waits.</summary>
    /// <param name="mayDial">The rate of connections allows another.</param>
    internal Site? Next(bool mayDial) => mayDial && _dial.First is { } dial ? dial
        : (_guestNext ? _guests.First ?? NextOfAll : NextOfAll ?? _guests.First) ?? _more.First;

    private Site? NextOfAll => _againNext ? _again.First ?? _fresh.First : _fresh.First ?? _again.First;

    /// <summary>A site has had its turn: the next is one of the other kind.</summary>
    internal void Pass(Site site)
    {
        _guestNext = site.Place is SitePlace.Fresh or SitePlace.Again || (_guestNext && site.Place != SitePlace.Guest);
        _againNext = site.Place == SitePlace.Fresh || (_againNext && site.Place != SitePlace.Again);
    }

    /// <summary>A tenant has something that may be taken at one more of its sites.</summary>
    /// <returns>True when those are few.</returns>
    internal bool Opened(Tenant tenant) => ++CollectionsMarshal.GetValueRefOrAddDefault(_tenantSites ??= [], tenant, out _) <= FewSites;

    /// <summary>Sites where a tenant has something that may be taken; 0 where nobody shares the budget.</summary>
    internal int SitesOf(Tenant tenant) => _tenantSites?.GetValueOrDefault(tenant) ?? 0;

    /// <summary>At one of its sites it has nothing any more.</summary>
    internal void Closed(Tenant tenant)
    {
        ref int sites = ref CollectionsMarshal.GetValueRefOrNullRef(_tenantSites!, tenant);
        if (--sites == 0)
        {
            _tenantSites!.Remove(tenant);
        }
    }
}
