using FastRelay.Config;
using FastRelay.Outside;
using FastRelay.Routing;

namespace FastRelay.Queue;

/// <summary>
/// A set of hosts that several destinations share, and who we are to them: connections, concurrency and backoff belong to it. The
/// tenants of its ready destinations take turns, and within each its destinations.
/// </summary>
public sealed class Site
{
    /// <summary>How long after a quick answer a site counts as quick, ms.</summary>
    public const long QuickMs = 20;

    private readonly SiteTable _table;

    internal Site(SiteTable table, Plan plan, string key)
    {
        _table = table;
        Plan = plan;
        Key = key;
    }

    /// <summary>Name of its set of hosts, or the route's text; with a slash and the source behind it where there is one.</summary>
    public string Key { get; }

    /// <summary>Who we are to its hosts; null for what <c>[deliver]</c> says.</summary>
    public EgressSource? Source { get; internal set; }

    /// <summary>The hosts; always one with status Ok.</summary>
    public Plan Plan { get; internal set; }

    /// <summary>Connections to it, being dialled, in use or idle. Deliver counts it up when it starts a session and down when the session has ended.</summary>
    public int Sessions
    {
        get => _sessions;
        set
        {
            Check.That(value >= 0, "a site has no fewer than no sessions");
            bool fewer = value < _sessions;
            _sessions = value;
            if (fewer)
            {
                _table.Wake(this);
            }
        }
    }

    /// <summary>
    /// Those of <see cref="Sessions"/> that are connected, found nothing to take, and wait to be woken by
    /// <see cref="Dispatcher.Dispatch"/>. Deliver counts it up and down.
    /// </summary>
    public int Idle
    {
        get => _idle;
        set
        {
            Check.That(value >= 0, "a site has no fewer than no idle sessions");
            _idle = value;
        }
    }

    /// <summary>Deliveries that wait for nothing but a session.</summary>
    public int Ready => Lanes.Ready;

    /// <summary>Deliveries that wait until fewer of their tenant's are under way here.</summary>
    public int Capped => Lanes.Capped;

    /// <summary>Deliveries that wait until their tenant, whom the operator has suspended, is resumed.</summary>
    public int Stopped => Lanes.Stopped;

    /// <summary>Deliveries taken and not yet reported.</summary>
    public int InFlight { get; internal set; }

    /// <summary>
    /// Those of <see cref="InFlight"/> that are beyond the first of their session: many in flight on one connection keep one
    /// session busy. Deliver counts it up and down.
    /// </summary>
    public int Stacked
    {
        get => _stacked;
        set
        {
            Check.That(value >= 0, "a site has no fewer than no stacked deliveries");
            _stacked = value;
        }
    }

    /// <summary>Sessions that may work at once just now: adapts to what the site bears, at most <see cref="Limits.SendSessionsPerSite"/>.</summary>
    public int Limit => _table.LimitOf(this);

    /// <summary>Messages that one connection may have in flight; 1 or less for one after another.</summary>
    public int InFlightMost => Rule is { InFlight: > 0 } rule ? rule.InFlight : Plan.InFlight;

    /// <summary>How long its next connection has to wait for the rates of connections, ms.</summary>
    public long DialWaitMs => _table.Shaper.DialWaitMs(this, out _);

    /// <summary>What becomes of 8-bit content for a host without 8BITMIME; null where neither site nor route says.</summary>
    public EightBitMode? EightBit => Rule?.EightBit ?? Plan.EightBit;

    /// <summary>True when another session may be put to work: not stopping, not backing off, below <see cref="Limit"/>.</summary>
    public bool CanRun => _table.CanRun(this);

    /// <summary>Why it backs off; empty when it does not.</summary>
    public string BackoffReason { get; internal set; } = "";

    /// <summary>Until when, on the loop's scale; 0 when it does not.</summary>
    public long BackoffUntilMs { get; internal set; }

    /// <summary>Failures in a row.</summary>
    public int Failures { get; internal set; }

    /// <summary>Only time, or the operator, ends its backoff: it refused our login, or a rule said so.</summary>
    internal bool BackoffLasts { get; set; }

    /// <summary>Until when a rule's backoff keeps even its open connections from taking anything, on the loop's scale; 0 when none does.</summary>
    internal long StoppedUntilMs { get; set; }

    /// <summary>Until when it gets nothing, on the loop's scale; <see cref="long.MaxValue"/> until the operator resumes it, 0 when it is not suspended.</summary>
    public long SuspendedUntilMs { get; internal set; }

    /// <summary>Why; empty when it is not.</summary>
    public string SuspendReason { get; internal set; } = "";

    internal bool SuspendedByOperator { get; set; }

    /// <summary>Until when it gets at most <see cref="SlowMost"/> sessions, on the loop's scale.</summary>
    internal long SlowUntilMs { get; set; }

    internal long SlowedAtMs { get; set; }

    internal int SlowMost { get; set; }

    internal string SlowReason { get; set; } = "";

    /// <summary>By the number of a rule that takes several replies: when the first came, and how many.</summary>
    internal Dictionary<int, (long SinceMs, int Count)>? RuleCounts { get; set; }

    /// <summary>Transactions in which it took mail, since the start.</summary>
    internal long Taken { get; set; }

    /// <summary>Deliveries taken from it since the start.</summary>
    internal long Begun { get; set; }

    /// <summary>What the watchdog saw of it: <see cref="Begun"/>, since when it has not changed and nothing held the site back, and its last look.</summary>
    internal long WatchBegun { get; set; } = -1;

    internal long WatchSinceMs { get; set; }

    internal int WatchRound { get; set; } = -1;

    /// <summary>Destinations that are linked to it.</summary>
    public int Destinations { get; internal set; }

    /// <summary>Its last answer to a final dot came at once; busy connections may be left more until then, on the loop's scale.</summary>
    public long QuickUntilMs { get; internal set; }

    private int _sessions;
    private int _idle;
    private int _stacked;

    /// <summary>Sessions at work or about to be.</summary>
    internal int Active => _sessions - _idle;

    /// <summary>The concurrency that the site has been seen to bear.</summary>
    internal double Window { get; set; }

    /// <summary>What a delivery takes a session, ms: a mean in which the last 16 count most; 0 before the first.</summary>
    internal double ServiceMs { get; set; }

    /// <summary>The operator's rule for it; null when there is none.</summary>
    public SiteConfig? Rule { get; internal set; }

    /// <summary>The rates of its rule; null when it has none.</summary>
    internal SitePace? Pace { get; set; }

    /// <summary>The rate that its hosts have been seen to allow; null while none has refused anything for it.</summary>
    internal LearnedRate? Learned { get; set; }

    /// <summary>What got through lately.</summary>
    internal ThroughMeter Through;

    /// <summary>Connections that count already and are still to be dialled.</summary>
    internal int DialsAhead { get; set; }

    /// <summary>A rate holds for it.</summary>
    internal bool IsPaced => Pace is not null || Learned is not null;

    /// <summary>Its plan was made before the configuration changed: the next one takes its place, however long it holds.</summary>
    internal bool IsPlanOld { get; set; }

    internal LoopTimer? Timer { get; set; }

    /// <summary>Has the site looked at again, at the earliest of the times that were asked for.</summary>
    internal LoopTimer? LookTimer { get; set; }

    /// <summary>The destination whose turn is next.</summary>
    internal Destination? Turn => Lanes.Turn;

    /// <summary>Its ready work, by tenant.</summary>
    internal SiteLanes Lanes { get; } = new();

    internal Site? NextToWake { get; set; }

    internal bool WakeQueued { get; set; }

    internal Site? NextStarved { get; set; }

    internal bool IsStarved { get; set; }

    /// <summary>A connection to it is dialled; Deliver's.</summary>
    public void Dialled() => _table.Shaper.Dialled(this);

    internal static string KeyOf(Plan plan, EgressSource? source) => source is null ? plan.SiteKey : $"{plan.SiteKey}/{source.Name}";

    /// <summary>Adds a destination with ready work; its turn comes last.</summary>
    internal void Join(Destination destination)
    {
        Check.That(!destination.InSite);
        Lanes.Join(destination);
    }

    /// <summary>Takes a destination out, with what it still has ready.</summary>
    internal void Leave(Destination destination)
    {
        Check.That(destination.InSite);
        Lanes.Leave(destination);
    }

    /// <summary>A delivery that was taken is over.</summary>
    internal void Landed(TenantLane lane)
    {
        InFlight--;
        Check.That(InFlight >= 0, "a site has no fewer than no deliveries");
        if (Lanes.Landed(lane))
        {
            _table.Wake(this);
        }
    }
}
