using FastRelay.Config;
using FastRelay.Outside;
using FastRelay.Routing;

namespace FastRelay.Queue;

/// <summary>
/// A set of hosts that several destinations share, and who we are to them: connections and a backoff of its hosts belong to it, and
/// what may be asked of them to its <see cref="SiteBudget"/>. The tenants of its ready destinations take turns, and within each its
/// destinations.
/// </summary>
public sealed class Site
{
    /// <summary>How long after a quick answer a site counts as quick, ms.</summary>
    public const long QuickMs = 20;

    private readonly SiteTable _table;

    internal Site(SiteTable table, Plan plan, string key, int number)
    {
        _table = table;
        Plan = plan;
        Key = key;
        Number = number;
    }

    /// <summary>Name of its set of hosts, or the route's text; with a slash and the source behind it where there is one.</summary>
    public string Key { get; }

    internal int Number { get; }

    /// <summary>Who we are to its hosts; null for what <c>[deliver]</c> says.</summary>
    public EgressSource? Source
    {
        get => _source;
        internal set
        {
            CountSessions(-_sessions);
            _source = value;
            CountSessions(_sessions);
        }
    }

    /// <summary>The hosts; always one with status Ok.</summary>
    public Plan Plan { get; internal set; }

    /// <summary>What may be asked of its hosts, and of those that count as one with them.</summary>
    public SiteBudget Budget => BudgetOrNone!;

    internal SiteBudget? BudgetOrNone { get; private set; }

    /// <summary>Connections to it, being dialled, in use or idle. Deliver counts it up when it starts a session and down when the session has ended.</summary>
    public int Sessions
    {
        get => _sessions;
        set
        {
            Check.That(value >= 0, "a site has no fewer than no sessions");
            bool fewer = value < _sessions;
            Budget.Sessions += value - _sessions;
            CountSessions(value - _sessions);
            _sessions = value;
            if (fewer)
            {
                Budget.Closing = Math.Max(0, Budget.Closing - 1);
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
            bool more = value > _idle;
            Budget.Idle += value - _idle;
            _idle = value;
            ListIdle();
            if (more && (Ready > 0 || Budget.Waiting > 0 || Destinations == 0))
            {
                _table.Wake(this);
            }
        }
    }

    /// <summary>Deliveries that wait for nothing but a session.</summary>
    public int Ready => Lanes.Ready;

    /// <summary>Deliveries that wait until fewer of their tenant's are under way here.</summary>
    public int Capped => Lanes.Capped;

    /// <summary>Deliveries that wait until their tenant, whom the operator has suspended, is resumed.</summary>
    public int Stopped => Lanes.Stopped;

    /// <summary>Deliveries taken and not yet reported.</summary>
    public int InFlight
    {
        get => _inFlight;
        internal set
        {
            Check.That(value >= 0, "a site has no fewer than no deliveries");
            Budget.InFlight += value - _inFlight;
            _inFlight = value;
        }
    }

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
            Budget.Stacked += value - _stacked;
            _stacked = value;
        }
    }

    /// <summary>Sessions that it may have at work just now, if the others of its <see cref="Budget"/> leave them: adapts to what is borne, at most <see cref="Limits.SendSessionsPerSite"/>.</summary>
    public int Limit => _table.Budgets.LimitOf(this);

    /// <summary>Messages that one connection may have in flight; 1 or less for one after another.</summary>
    public int InFlightMost => Rule is { InFlight: > 0 } rule ? rule.InFlight : Plan.InFlight;

    /// <summary>How long its next connection has to wait for the rates of connections, ms.</summary>
    public long DialWaitMs => _table.Shaper.DialWaitMs(Budget, out _);

    /// <summary>What becomes of 8-bit content for a host without 8BITMIME; null where neither site nor route says.</summary>
    public EightBitMode? EightBit => Rule?.EightBit ?? Plan.EightBit;

    /// <summary>True when another session may be put to work: not stopping, not backing off, below <see cref="Limit"/>.</summary>
    public bool CanRun => _table.Budgets.CanRun(this);

    /// <summary>Why it, or all that share its budget, back off; empty when they do not.</summary>
    public string BackoffReason => LaterBackoff.BackoffReason(_table.NowMs);

    /// <summary>Until when, on the loop's scale; in the past when they do not.</summary>
    public long BackoffUntilMs => LaterBackoff.BackoffUntilMs;

    /// <summary>Failures in a row, of its hosts or of all that share its budget.</summary>
    public int Failures => Math.Max(Brake.Failures, Budget.Brake.Failures);

    /// <summary>Until when it gets nothing, on the loop's scale; <see cref="long.MaxValue"/> until the operator resumes it, 0 when it is not suspended.</summary>
    public long SuspendedUntilMs => LaterSuspension.SuspendedUntilMs;

    /// <summary>Why; empty when it is not.</summary>
    public string SuspendReason => LaterSuspension.SuspendReason;

    /// <summary>What its own hosts, and the operator by its name, have done.</summary>
    internal Brake Brake { get; } = new();

    private Brake LaterBackoff => Budget.Brake.BackoffUntilMs > Brake.BackoffUntilMs ? Budget.Brake : Brake;

    private Brake LaterSuspension => Budget.Brake.SuspendedUntilMs > Brake.SuspendedUntilMs ? Budget.Brake : Brake;

    /// <summary>Deliveries taken from it since the start.</summary>
    internal long Begun { get; set; }

    /// <summary>What the watchdog saw of it: <see cref="Begun"/>, since when it has not changed and nothing held the site back, and its last look.</summary>
    internal long WatchBegun { get; set; } = -1;

    internal long WatchSinceMs { get; set; }

    internal int WatchRound { get; set; } = -1;

    /// <summary>Destinations that are linked to it.</summary>
    public int Destinations { get; internal set; }

    /// <summary>Their entries, in all states.</summary>
    public long Entries
    {
        get => _entries;
        internal set
        {
            Budget.Entries += value - _entries;
            _entries = value;
        }
    }

    /// <summary>Its last answer to a final dot came at once; busy connections may be left more until then, on the loop's scale.</summary>
    public long QuickUntilMs { get; internal set; }

    private EgressSource? _source;
    private int _sessions;
    private int _idle;
    private int _inFlight;
    private int _stacked;
    private long _entries;
    private LinkedListNode<Site>? _idleNode;

    /// <summary>Sessions at work or about to be.</summary>
    internal int Active => _sessions - _idle;

    /// <summary>The operator's rule for it; null when there is none.</summary>
    public SiteConfig? Rule => Budget.Rule;

    /// <summary>Its hosts have taken or judged a message since they failed last.</summary>
    internal bool HasServed { get; set; }

    /// <summary>
    /// Until when it takes messages although others wait for their turn, on the loop's scale: <see cref="long.MaxValue"/> when that
    /// begins with the next, 0 when it had nothing to send since it last did.
    /// </summary>
    internal long TurnUntilMs { get; set; }

    /// <summary>
    /// Addresses that were dialled in vain by a try that the rate of connections has interrupted: the next session goes on behind them. Null
    /// while none has. Deliver's.
    /// </summary>
    internal List<PlanAddress>? Tried { get; set; }

    /// <summary>Until when that says anything about them, on the loop's scale.</summary>
    internal long TriedUntilMs { get; set; }

    /// <summary>Connections that count already and are still to be dialled.</summary>
    internal int DialsAhead { get; set; }

    /// <summary>The number of the configuration that its plan was made by, see <see cref="PlanQueue.Changes"/>.</summary>
    internal int PlanOf { get; set; }

    /// <summary>Has the site looked at again, at the earliest of the times that were asked for.</summary>
    internal LoopTimer? LookTimer { get; set; }

    /// <summary>The destination whose turn is next.</summary>
    internal Destination? Turn => Lanes.Turn;

    /// <summary>The same, asked by a session: with nothing to send its own turn among the sites of its budget ends.</summary>
    internal Destination? NextTurn()
    {
        if (Turn is null)
        {
            TurnUntilMs = 0;
        }
        return Turn;
    }

    /// <summary>Its ready work, by tenant.</summary>
    internal SiteLanes Lanes { get; } = new();

    internal Site? NextToWake { get; set; }

    internal bool WakeQueued { get; set; }

    /// <summary>Where it waits, with its neighbours there.</summary>
    internal SitePlace Place { get; set; }

    internal Site? NextWaiting { get; set; }

    internal Site? PreviousWaiting { get; set; }

    /// <summary>Takes another budget, and what it has in use along.</summary>
    internal void Move(SiteBudget budget)
    {
        Count(-1);
        BudgetOrNone?.Leave(this);
        if (_idleNode is { List: { } list })
        {
            list.Remove(_idleNode);
        }
        BudgetOrNone = budget;
        Lanes.Share(budget.IsShared ? budget : null);
        Count(1);
        ListIdle();
    }

    private void Count(int sign)
    {
        if (BudgetOrNone is { } budget)
        {
            budget.Sites += sign;
            budget.Sessions += sign * _sessions;
            budget.Idle += sign * _idle;
            budget.InFlight += sign * _inFlight;
            budget.Stacked += sign * _stacked;
            budget.Entries += sign * _entries;
            budget.Starved += Place == SitePlace.Room ? sign : 0;
        }
    }

    private void CountSessions(int sessions)
    {
        if (_source is { } source)
        {
            source.Counts.Sessions += sessions;
        }
    }

    // Where sites share a budget, an idle connection of one may have to make room for another's.
    private void ListIdle()
    {
        if (!Budget.IsShared)
        {
            return;
        }
        if (_idle > 0 && _idleNode?.List is null)
        {
            (Budget.IdleSites ??= new LinkedList<Site>()).AddLast(_idleNode ??= new LinkedListNode<Site>(this));
        }
        else if (_idle == 0 && _idleNode is { List: { } list })
        {
            list.Remove(_idleNode);
        }
    }

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
        if (Lanes.Landed(lane))
        {
            _table.Wake(this);
        }
    }
}
