using FastRelay.Outside;
using FastRelay.Routing;

namespace FastRelay.Queue;

/// <summary>
/// All destinations: found by a recipient's domain without allocating, planned one at a time each and a bounded number
/// at once, asked again on a schedule of their own when DNS does not answer.
/// </summary>
internal sealed class DestinationTable
{
    private readonly QueueState _queue;
    private readonly Router _router;
    private readonly Loop _loop;
    private readonly EmptyDestinations _empty = new();
    private int _config;
    private int _routesOf;

    public DestinationTable(QueueState queue, Router router)
    {
        _queue = queue;
        _router = router;
        _loop = queue.World.Loop;
        Plans = new PlanQueue(queue, router, Apply);
    }

    /// <summary>Those that are being planned, and that wait for it.</summary>
    public PlanQueue Plans { get; }

    /// <summary>Plans them.</summary>
    public Router Router => _router;

    public int Count { get; private set; }

    /// <summary>All of them by number: those that get new mail, and those that get none, since it goes elsewhere since a change or they hold what was moved.</summary>
    public Places<Destination> Places { get; } = new();

    /// <summary>All of them.</summary>
    public IEnumerable<Destination> All => Places.All;

    public Destination this[int number] => Places[number]!;

    /// <summary>The destination of a message's recipient, by the way that is chosen for the message; made when it is new.</summary>
    /// <param name="tenant">Whose message it is.</param>
    /// <param name="mailbox">The recipient.</param>
    /// <param name="order">The message's number.</param>
    public Destination Of(Tenant tenant, ReadOnlySpan<byte> mailbox, long order) => _queue.Sources.WayOf(HeadOf(tenant, mailbox), order);

    private Destination HeadOf(Tenant tenant, ReadOnlySpan<byte> mailbox)
    {
        Span<char> buffer = stackalloc char[DomainNames.MaxLength];
        int length = DomainNames.DomainOf(mailbox, buffer);
        ReadOnlySpan<char> domain = length <= 0 ? Destination.Unroutable : buffer[..length];
        if (tenant.TryFind(domain, out Destination? known))
        {
            Update(known!);
            if (!known!.IsLeft)
            {
                return known;
            }
        }
        if (_router.FixedRoute(domain) is { } route)
        {
            if (!tenant.TryFind(route, out Destination? byRoute))
            {
                return Make(tenant, route);
            }
            Update(byRoute!);
            return byRoute!;
        }
        return Make(tenant, _router.MxRoute(domain.ToString()));
    }

    /// <summary>
    /// The configuration is another: each destination is to be brought under it before new mail comes to it, or the recipients of one
    /// message would be gathered by two route tables, and some of them twice.
    /// </summary>
    /// <param name="plansHold">Routes, and what plans are made by, are as they were.</param>
    public void Change(bool plansHold)
    {
        _config++;
        if (!plansHold)
        {
            _routesOf = _config;
            Plans.Changed();
        }
    }

    /// <summary>
    /// Brings a destination under the configuration of now. Mail that is queued keeps the
    /// recipients that it was gathered with. A domain's takes the way that new mail to it takes; a route's takes the way that its
    /// row has now, and stays with the old one when the row is gone; what the operator has moved stays moved.
    /// </summary>
    /// <param name="head">With the ways of its sources.</param>
    public void Update(Destination head)
    {
        if (head.ConfigOf == _config)
        {
            return;
        }
        bool plansHold = head.ConfigOf >= _routesOf;
        head.ConfigOf = _config;
        if (!plansHold)
        {
            Reroute(head);
            head.Others?.ForEach(Reroute);
        }
        bool moves = Assign(head);
        foreach (Destination way in head.Others ?? [])
        {
            moves |= Assign(way);
        }
        if (!plansHold || moves)
        {
            Forget(head);
            head.Others?.ForEach(Forget);
        }
    }

    /// <summary>Entries of a head and its ways whose route is not in the table any more: they keep it.</summary>
    public static long KeptOf(Destination head)
    {
        long kept = head.KeepsRoute ? head.Entries : 0;
        foreach (Destination way in head.Others ?? [])
        {
            kept += way.KeepsRoute ? way.Entries : 0;
        }
        return kept;
    }

    /// <returns>True when it leaves from elsewhere now.</returns>
    private bool Assign(Destination way)
    {
        EgressSource? before = way.Source;
        _queue.Sources.Assign(way);
        return way.Source != before;
    }

    private void Reroute(Destination destination)
    {
        if (!destination.IsLeft && IsLeftNow(destination))
        {
            destination.IsLeft = true;
            if (destination.Head == destination)
            {
                destination.Tenant.Remove(destination);
            }
        }
        Route? next = destination.Head.MoveTarget is { } target ? target.RouteBy(_router)
            : destination.Origin.NextHop.Kind == NextHopKind.Mx
            ? _router.FixedRoute(destination.Origin.Domain) ?? _router.MxRoute(destination.Origin.Domain)
            : _router.Table.Successor(destination.Route);
        destination.KeepsRoute = next is null;
        destination.Route = next ?? destination.Route;
    }

    private bool IsLeftNow(Destination destination) => destination.Origin.NextHop.Kind == NextHopKind.Mx
        ? _router.FixedRoute(destination.Origin.Domain) is not null
        : destination.Table != _router.Table;

    /// <summary>Forgets a plan; what it decided stays undecided until the next one is there. The site keeps its memory.</summary>
    private void Forget(Destination destination)
    {
        if (destination.InSite)
        {
            destination.Site!.Leave(destination);
        }
        destination.Plan = null;
        destination.DnsFailures = 0;
        destination.DnsTimer?.Cancel();
        if (destination.Ready > 0)
        {
            Renew(destination);
        }
    }

    public void Entered(Destination destination)
    {
        destination.Entries++;
        if (destination.InEmptyList)
        {
            _empty.Remove(destination);
        }
    }

    public void Left(Destination destination)
    {
        destination.Entries--;
        Check.That(destination.Entries >= 0, "a destination has no fewer than no entries");
        if (destination.Entries == 0)
        {
            destination.DnsTimer?.Cancel();
            _empty.Add(destination, _loop.NowMs);
        }
    }

    /// <summary>Forgets some of the destinations that have been empty for long.</summary>
    /// <returns>True when there may be more to forget.</returns>
    public bool ForgetEmpty(int budget)
    {
        while (_empty.Due(_loop.NowMs, _queue.Options.ForgetMs, Count) is { } destination)
        {
            if (budget-- == 0)
            {
                return true;
            }
            _empty.Remove(destination);
            if (destination.Planning || destination.Settling || destination.Others is { Count: > 0 } || destination.Moved is { Count: > 0 })
            {
                _empty.Add(destination, _loop.NowMs);
                continue;
            }
            Unlink(destination);
            if (!destination.IsLeft && destination.Head == destination)
            {
                destination.Tenant.Remove(destination);
            }
            destination.MovedFrom?.Moved!.Remove(destination);
            SourceChoice.Forget(destination);
            Count--;
            if (--destination.Tenant.Destinations == 0)
            {
                _queue.Tenants.Forget(destination.Tenant);
            }
            Places.Free(destination.Number);
        }
        return false;
    }

    /// <summary>Called when a destination that is not in its site's ring has ready work.</summary>
    public void HasReady(Destination destination)
    {
        Plan? plan = destination.Plan;
        bool expired = plan is null or { Status: PlanStatus.Temporary } || plan.ExpiresMs <= _loop.NowMs;
        if (destination.IsSettledByPlan && !expired)
        {
            _queue.Settler.Add(destination);
            return;
        }
        if (plan is { Status: PlanStatus.Ok } && destination.Site is { } site && (!expired || site.Active > 0))
        {
            // Connections that are there serve on while an expired plan is renewed; new ones wait for the new plan.
            site.Join(destination);
            _queue.Sites.Wake(site);
        }
        if (expired && destination.DnsRetryMs == long.MaxValue)
        {
            Renew(destination);
        }
    }

    /// <summary>Plans a destination, unless that is under way.</summary>
    public void Renew(Destination destination) => Plans.Renew(destination);

    /// <summary>Asks DNS again at once, when it had failed; the operator's wish.</summary>
    public void Forgive(Destination destination)
    {
        destination.DnsFailures = 0;
        destination.DnsTimer?.Cancel();
        if (destination.Plan is { Status: not PlanStatus.Ok } && destination.Ready > 0)
        {
            Renew(destination);
        }
    }

    private void Apply(Destination destination, Plan plan)
    {
        destination.Plan = plan;
        destination.DnsTimer?.Cancel();
        if (plan.Status == PlanStatus.Ok)
        {
            destination.DnsFailures = 0;
            Site site = _queue.Sites.Get(plan, destination.Source);
            if (destination.Site != site)
            {
                Unlink(destination);
                destination.Site = site;
                site.Lanes.Link(destination);
                site.Destinations++;
            }
            if (destination.Ready > 0)
            {
                if (!destination.InSite)
                {
                    site.Join(destination);
                }
                _queue.Sites.Wake(site);
            }
            return;
        }
        Unlink(destination);
        if (plan.Status == PlanStatus.Temporary)
        {
            if (destination.Entries > 0)
            {
                WaitForDns(destination, plan);
            }
            return;
        }
        destination.DnsFailures = 0;
        if (destination.Ready > 0)
        {
            _queue.Settler.Add(destination);
        }
    }

    private void WaitForDns(Destination destination, Plan plan)
    {
        destination.DnsFailures++;
        QueueOptions options = _queue.Options;
        long wait = options.BackoffMs(options.DnsRetryMs, options.DnsRetryCapMs, destination.DnsFailures, _queue.World.Random);
        destination.DnsTimer ??= new LoopTimer(_loop, new DnsRetry(this, destination));
        destination.DnsTimer.After(wait);
        _queue.Log.Warn("dns_deferred"u8).Add("destination"u8, destination.Key).Add("ready"u8, destination.Ready)
            .Add("failures"u8, destination.DnsFailures).AddSeconds("wait"u8, wait).Add("dsn"u8, "4.4.3"u8).Add("reason"u8, plan.Reason).Write();
    }

    private void Unlink(Destination destination)
    {
        if (destination.Site is not { } site)
        {
            return;
        }
        if (destination.InSite)
        {
            site.Leave(destination);
        }
        site.Lanes.Unlink(destination);
        destination.Site = null;
        site.Destinations--;
        _queue.Sites.Wake(site);
    }

    /// <summary>A way from another source.</summary>
    public Destination MakeWay(Destination head, EgressSource source)
    {
        Destination way = Make(new Destination(Places.Take(), head, source));
        (head.Others ??= []).Add(way);
        return way;
    }

    /// <summary>What mail that the operator moves from a head goes to.</summary>
    public Destination MakeMoved(Destination home, MoveTarget target, Route route)
    {
        Destination made = Make(new Destination(Places.Take(), home, target, route));
        (home.Moved ??= []).Add(made);
        return made;
    }

    private Destination Make(Tenant tenant, Route route)
    {
        Destination head = Make(new Destination(Places.Take(), tenant, route, _router.Table));
        tenant.Add(head);
        return head;
    }

    private Destination Make(Destination made)
    {
        Places.Set(made.Number, made);
        made.ConfigOf = _config;
        made.Tenant.Destinations++;
        Count++;
        _queue.Sources.Assign(made);
        _empty.Add(made, _loop.NowMs);
        return made;
    }

    private sealed class DnsRetry(DestinationTable table, Destination destination) : LoopItem
    {
        protected override void Run()
        {
            if (destination.Ready > 0)
            {
                table.Renew(destination);
            }
        }
    }
}
