using FastRelay.Outside;
using FastRelay.Routing;

namespace FastRelay.Queue;

/// <summary>
/// A domain, an address literal or a route, with a tenant: what is planned as one. It holds its ready messages and its DNS state, and
/// is linked to its site as a whole.
/// </summary>
public sealed class Destination
{
    /// <summary>Stands for a domain that no route can be found for; no plan accepts it as a name.</summary>
    internal const string Unroutable = "?";

    /// <summary>Its ready work, by the rank of its priority.</summary>
    internal ReadyLanes Lanes;

    private EgressSource? _source;
    private Site? _site;
    private int _entries;

    internal Destination(int number, Tenant tenant, Route route, RouteTable table, Destination? head = null)
    {
        Tenant = tenant;
        Head = head ?? this;
        Number = number;
        Route = route;
        Origin = route;
        Table = table;
    }

    /// <summary>A way from another source: what it serves is its head's, and so is whether new mail comes to it.</summary>
    internal Destination(int number, Destination head, EgressSource source)
        : this(number, head.Tenant, head.Origin, head.Table, head)
    {
        Route = head.Route;
        IsLeft = head.IsLeft;
        KeepsRoute = head.KeepsRoute;
        Source = source;
    }

    /// <summary>Where the operator has moved mail of a destination to: what it serves is its home's, and new mail does not come to it.</summary>
    internal Destination(int number, Destination home, MoveTarget target, Route route)
        : this(number, home.Tenant, home.Origin, home.Table)
    {
        Route = route;
        IsLeft = true;
        MovedFrom = home;
        MoveTarget = target;
    }

    /// <summary>Its identity: lower-case domain, or the route's text.</summary>
    public string Key => Route.Key;

    /// <summary>Whose mail it is for.</summary>
    public Tenant Tenant { get; }

    /// <summary>Who we are to its hosts; null for what <c>[deliver]</c> says.</summary>
    public EgressSource? Source
    {
        get => _source;
        internal set
        {
            Count(-_entries);
            _source = value;
            Count(_entries);
        }
    }

    /// <summary>What it may leave from; null where no source is named.</summary>
    internal EgressSource[]? Pool { get; set; }

    /// <summary>The one by which its tenant's recipients are looked up: itself, but for the ways of other sources.</summary>
    internal Destination Head { get; }

    /// <summary>Of a head with several sources the way of each, made when it is first chosen; by the place in <see cref="Pool"/>.</summary>
    internal Destination?[]? Ways { get; set; }

    /// <summary>Of a head, the ways that are not itself, also those of sources that are gone.</summary>
    internal List<Destination>? Others { get; set; }

    /// <summary>The destination by which its mail goes when the operator has not moved it.</summary>
    internal Destination Home => Head.MovedFrom ?? Head;

    /// <summary>Of a head that holds moved mail, the one that it was moved from.</summary>
    internal Destination? MovedFrom { get; }

    /// <summary>Of a head that holds moved mail, where it goes.</summary>
    internal MoveTarget? MoveTarget { get; }

    /// <summary>Of a head, those that hold mail that was moved from it.</summary>
    internal List<Destination>? Moved { get; set; }

    /// <summary>When mail was last moved here, Unix ms; 0 for never.</summary>
    public long MovedUnixMs { get; internal set; }

    /// <summary>What <c>queue move</c> was told; empty where the configuration decides.</summary>
    public string MovedTo => Head.MoveTarget?.Text ?? "";

    /// <summary>Of a head, order number of the last message that a way was chosen for, and the way.</summary>
    internal long LastChosen { get; set; }

    internal Destination? LastWay { get; set; }

    /// <summary>Its way out; another one after a change of the configuration.</summary>
    public Route Route { get; internal set; }

    /// <summary>The route that it was made for: with <see cref="Table"/> it says for ever which recipients are its own.</summary>
    internal Route Origin { get; }

    /// <summary>The route table that was in force when it was made.</summary>
    internal RouteTable Table { get; }

    /// <summary>New mail goes to another destination; this one ends with its mail.</summary>
    internal bool IsLeft { get; set; }

    /// <summary>The row of its route is gone.</summary>
    internal bool KeepsRoute { get; set; }

    /// <summary>The plan in force; null before the first.</summary>
    public Plan? Plan { get; internal set; }

    /// <summary>The site of that plan; null while there is none.</summary>
    public Site? Site
    {
        get => _site;
        internal set
        {
            CountAtSite(-_entries);
            _site = value;
            CountAtSite(_entries);
        }
    }

    /// <summary>Entries in all states.</summary>
    public int Entries
    {
        get => _entries;
        internal set
        {
            Tenant.Entries += value - _entries;
            Count(value - _entries);
            CountAtSite(value - _entries);
            _entries = value;
        }
    }

    /// <summary>Entries that wait for nothing but their turn.</summary>
    public int Ready => Lanes[0].List.Count + Lanes[1].List.Count + Lanes[2].List.Count;

    /// <summary>The first of the most urgent that are ready; 0 when none is.</summary>
    internal int FirstReady => Lanes[0].List.First is int high and not 0 ? high : Lanes[1].List.First is int normal and not 0 ? normal : Lanes[2].List.First;

    /// <summary>When DNS is asked again after it failed, on the loop's scale; <see cref="long.MaxValue"/> when it has not failed.</summary>
    public long DnsRetryMs => DnsTimer?.DueMs ?? long.MaxValue;

    /// <summary>Why its mail waits for DNS; empty when it does not.</summary>
    public string DnsReason => Plan is { Status: PlanStatus.Temporary } plan ? plan.Reason : "";

    internal int Number { get; }

    /// <summary>Of a head, the number of the configuration that it was brought under.</summary>
    internal int ConfigOf { get; set; }

    /// <summary>Planning waits for its turn or is under way.</summary>
    internal bool Planning { get; set; }

    /// <summary>Since when its plan is being made, on the loop's scale; -1 while none is.</summary>
    internal long PlanSinceMs { get; set; } = -1;

    /// <summary>Plans of it that were begun: one that was given up has no say when it comes after all.</summary>
    internal int PlanNumber { get; set; }

    internal int DnsFailures { get; set; }

    internal LoopTimer? DnsTimer { get; set; }

    /// <summary>Next of those that wait for planning.</summary>
    internal Destination? NextToPlan { get; set; }

    /// <summary>Next of those whose mail is settled without an attempt.</summary>
    internal Destination? NextToSettle { get; set; }

    internal bool Settling { get; set; }

    /// <summary>Its tenant's place at its site; null while it has no site.</summary>
    internal TenantLane? Lane { get; set; }

    /// <summary>Its ready work takes turns at its site.</summary>
    internal bool InSite { get; set; }

    /// <summary>Order number of the last message that was added, and its entry: finds the entry of a message's next recipient at once.</summary>
    internal long LastAdded { get; set; }

    internal int LastEntry { get; set; }

    /// <summary>While a message is replayed: where all its recipients of this destination looked at so far were moved to.</summary>
    internal MoveTarget? LastMove { get; set; }

    /// <summary>Since when it has no entry, on the loop's scale.</summary>
    internal long EmptySinceMs { get; set; }

    /// <summary>The list of those without entries, oldest first.</summary>
    internal Destination? NextEmpty { get; set; }

    internal Destination? PreviousEmpty { get; set; }

    internal bool InEmptyList { get; set; }

    /// <summary>True when a recipient belongs to it.</summary>
    public bool Serves(ReadOnlySpan<byte> mailbox)
    {
        Span<char> buffer = stackalloc char[DomainNames.MaxLength];
        int length = DomainNames.DomainOf(mailbox, buffer);
        ReadOnlySpan<char> domain = length <= 0 ? Unroutable : buffer[..length];
        Route? route = Table.FixedRoute(domain);
        return Origin.NextHop.Kind == NextHopKind.Mx
            ? route is null && domain.SequenceEqual(Origin.Domain)
            : route == Origin;
    }

    private void Count(int entries)
    {
        if (_source is { } source)
        {
            source.Counts.Entries += entries;
        }
    }

    private void CountAtSite(int entries)
    {
        if (_site is { } site)
        {
            site.Entries += entries;
        }
    }

    /// <summary>True when its mail needs no attempt: every message is failed, or thrown away, by the plan.</summary>
    internal bool IsSettledByPlan => Plan is { Status: not (PlanStatus.Ok or PlanStatus.Temporary) };
}
