using System.Globalization;
using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Outside;
using FastRelay.Routing;

namespace FastRelay.Queue;

/// <summary>
/// Answers "why is this message still here?": follows the way that the queue itself would go, in the same order, and
/// names the first thing that stops it. Loop thread only; changes nothing, except that a domain without a plan is
/// planned, which may ask DNS.
/// </summary>
public sealed class Explainer
{
    /// <summary>Destinations of one message that are explained; a message to thousands of domains is not one screen.</summary>
    public const int WaysShown = 20;

    private const int HostsAsked = 10;
    private readonly QueueState _queue;
    private readonly Router _router;
    private readonly Loop _loop;
    private readonly BusySites _views;
    private readonly QueueWalk _walk;
    private readonly RateExplainer _rates;

    internal Explainer(QueueState queue, Router router)
    {
        _queue = queue;
        _views = new BusySites(queue);
        _walk = new QueueWalk(queue);
        _rates = new RateExplainer(queue);
        _router = router;
        _loop = queue.World.Loop;
    }

    /// <summary>A domain or address literal, whether mail for it is queued or not.</summary>
    /// <param name="domain">Lower case, without the final dot; a literal with its brackets.</param>
    public async ValueTask<Explanation> OfDomainAsync(string domain)
    {
        _loop.CheckThread();
        Destination? destination = await _walk.BusiestHeadAsync(domain);
        Route route = destination?.Route ?? _router.FixedRoute(domain) ?? _router.MxRoute(domain);
        if ((PlanInForce(destination) ?? PlanToCome(destination)) is not { } plan)
        {
            plan = await _router.PlanAsync(route);
            // Asking takes its time, in which mail may have come or gone.
            destination = await _walk.BusiestHeadAsync(domain);
        }
        return Explain(route, destination, plan, _router.PatternOf(domain), null);
    }

    /// <summary>The other ways of a domain's mail: those of other sources, and of other tenants; at most <see cref="WaysShown"/>.</summary>
    public async ValueTask<IReadOnlyList<Explanation>> OthersOfAsync(string domain)
    {
        _loop.CheckThread();
        Destination? shown = await _walk.BusiestHeadAsync(domain);
        List<Destination> others = await _walk.SomeOfAsync(domain, WaysShown, other => other != shown && other.Entries > 0 && other.Plan is not null);
        return [.. others.Where(static other => other.Plan is not null).Select(other => Explain(other.Route, other, other.Plan!, _router.PatternOf(domain), null))];
    }

    /// <summary>True for a domain that mail is known for, or that a row of the route table sends somewhere.</summary>
    public async ValueTask<bool> KnowsAsync(string domain) => _router.FixedRoute(domain) is not null || await _walk.KnowsAsync(domain);

    /// <summary>The site of a name, or for a provider's the one of its sites that has most to do; null when there is none.</summary>
    public async ValueTask<Explanation?> OfSiteAsync(string key)
    {
        _loop.CheckThread();
        Site? one = _queue.Sites.Find(key) ?? (_queue.Sites.Budgets.Find(key) is { } budget ? await _walk.BusiestAsync(budget) : null);
        if (one is not { } site)
        {
            return null;
        }
        Destination? first = site.Turn ?? await _walk.AtAsync(site);
        return first is null
            ? null
            : Explain(first.Route, first, site.Plan, first.Route.Domain.Length > 0 ? _router.PatternOf(first.Route.Domain) : first.Route.Pattern, null);
    }

    /// <summary>A message, each of its destinations for itself, at most <see cref="WaysShown"/>; null when it is not in the queue.</summary>
    public async ValueTask<ExplainedMessage?> OfMessageAsync(MessageId id, QueueAdmin admin)
    {
        if (await admin.ShowAsync(id) is not { } message)
        {
            return null;
        }
        var ways = new List<Explanation>();
        foreach (QueuedDestination shown in message.Destinations.Take(WaysShown))
        {
            string recipient = shown.Recipients.Count > 0 ? shown.Recipients[0] : "";
            string domain = recipient[(recipient.LastIndexOf('@') + 1)..].ToLowerInvariant().TrimEnd('.');
            if (shown.IsFailed)
            {
                // In no entry any more: its way is explained as for mail that comes next.
                Explanation next = await OfDomainAsync(domain);
                ways.Add(next with { Waits = OfEntry(shown, next.Waits) });
                continue;
            }
            Plan plan = PlanInForce(shown.Of) ?? PlanToCome(shown.Of) ?? await _router.PlanAsync(shown.Of.Route);
            ways.Add(Explain(shown.Of.Route, shown.Of, plan, _router.PatternOf(domain), shown));
        }
        return new ExplainedMessage(message, ways);
    }

    // What the queue itself would go by: an expired plan is renewed before anything is done by it, and while DNS fails
    // the failure is what is waited for.
    private Plan? PlanInForce(Destination? destination) => destination?.Plan is { } plan
        && (plan.ExpiresMs > _loop.NowMs || (plan.Status == PlanStatus.Temporary && destination.DnsRetryMs != long.MaxValue)) ? plan : null;

    // While the queue asks DNS for it nothing else is known, and servers that say nothing would keep whoever asks here waiting as well.
    private static Plan? PlanToCome(Destination? destination) => destination is not { Planning: true } ? null
        : destination.Plan is null ? new Plan(destination.Route, PlanStatus.Temporary, "", null, [], 0, "")
        : destination.Plan.Status == PlanStatus.Temporary ? destination.Plan : null;

    private Explanation Explain(Route route, Destination? destination, Plan plan, string pattern, QueuedDestination? entry)
    {
        EgressSource? source = destination is null ? _queue.Sources.Table.Of(route, _queue.Tenants.Of(default))?[0] : destination.Source;
        Site? site = destination?.Site ?? _queue.Sites.Find(Site.KeyOf(plan, source));
        WaitReason shared = OfReady(destination, plan, site);
        (double perSecond, string by) = site is not null && site.BackoffUntilMs <= _loop.NowMs && !_queue.Gears.IsSuspended(site)
            ? _rates.Ceiling(site, destination?.Lane)
            : (0, "");
        return new Explanation
        {
            Destination = route.Key,
            Pattern = destination is { MovedTo.Length: > 0 } ? "" : pattern,
            MovedTo = destination?.MovedTo ?? "",
            MovedUnixMs = destination?.Head.MovedUnixMs ?? 0,
            NextHop = route.NextHop.ToString(),
            Source = source is null ? "" : Describe(source),
            Tenant = destination?.Tenant.Name ?? "",
            TlsBy = plan.TlsRule.Length > 0 ? $"[[site]] \"{plan.TlsRule}\"" : route.OwnTls ? $"the row \"{(destination is { MovedTo.Length: > 0 } ? route.Pattern : pattern)}\" of [[route]]" : "[deliver]",
            Plan = plan,
            Remembered = [.. plan.Hosts.Select(host => _queue.Sites.Dispatcher?.MemoryOf(host.Name, plan.Tls) ?? default)],
            PlanLeftMs = plan.ExpiresMs == long.MaxValue ? long.MaxValue : Math.Max(0, plan.ExpiresMs - _loop.NowMs),
            Dns = CachedOf(route, plan),
            Entries = destination?.Entries ?? 0,
            Ready = destination?.Ready ?? 0,
            Site = site is null ? null : _views.View(site),
            Budget = site is null ? null : _views.BudgetOf(site),
            Limits = LimitsOf(site, destination?.Lane),
            Waits = entry is null ? shared : OfEntry(entry, shared),
            DeliveryMs = site?.Budget.ServiceMs ?? 0,
            CeilingPerSecond = perSecond,
            CeilingBy = by,
        };
    }

    private WaitReason OfEntry(QueuedDestination entry, WaitReason shared) => entry.State switch
    {
        QueuedState.Held => new WaitReason(WaitKind.Hold, "the operator, who holds it: fastrelay queue release lets it go"),
        QueuedState.InFlight => new WaitReason(WaitKind.Nothing, "nothing: it is being delivered now" + entry.Order switch
        {
            QueueOrder.Hold => "; the operator has held what is left of it then",
            QueueOrder.Remove => "; the operator has removed what is left of it then",
            QueueOrder.Bounce => "; the operator has bounced what is left of it then",
            _ => "",
        }),
        QueuedState.Ending when entry.IsFailed => new WaitReason(WaitKind.Bounces, "its sender to be told: it has " + entry.Reason),
        QueuedState.Ending => new WaitReason(WaitKind.Settling, "its turn to be settled: it is expired, refused by its route, or being removed"),
        QueuedState.Deferred => new WaitReason(
            WaitKind.Time,
            $"the time of attempt {entry.Attempts + 1}, in {Span(entry.NextUnixMs - _queue.UnixMs)}{Because(entry.Reason)}"),
        _ => shared,
    };

    /// <summary>The order is that of <see cref="DestinationTable.HasReady"/> and <see cref="SiteTable"/>: plan, disk, suspension, backoff, sessions, turn.</summary>
    private WaitReason OfReady(Destination? destination, Plan plan, Site? site)
    {
        if (_queue.Stopping)
        {
            return new WaitReason(WaitKind.Start, "the next start: the relay is stopping, and takes up no delivery");
        }
        if (destination is { Ready: > 0, InSite: false, Planning: true })
        {
            return new WaitReason(WaitKind.Dns, "DNS, being asked for its hosts");
        }
        if (plan.Status == PlanStatus.Temporary)
        {
            long again = destination?.DnsRetryMs ?? long.MaxValue;
            string when = again == long.MaxValue ? "being asked" : $"asked again in {Span(again - _loop.NowMs)}";
            return new WaitReason(WaitKind.Dns, $"DNS, {when}{Because(plan.Reason)}");
        }
        if (!_queue.MayFail)
        {
            return new WaitReason(WaitKind.Bounces, $"the bounces: {_queue.Limits.BouncesWaiting} failures (limits.bounces_waiting) wait for theirs, and nothing is begun that may fail");
        }
        if (plan.Status is PlanStatus.Discard or PlanStatus.Error)
        {
            return new WaitReason(WaitKind.Settling, plan.Status == PlanStatus.Discard ? "nothing: its route discards it" : "nothing: its route refuses it: " + plan.Reason);
        }
        if (plan.Status != PlanStatus.Ok)
        {
            return new WaitReason(WaitKind.Settling, $"nothing: it goes back to its sender at once ({Router.Name(plan.Status)}): {plan.Reason}");
        }
        if (_queue.HasJournal && !_queue.Journal.HasOutcomeRoom)
        {
            return new WaitReason(WaitKind.Disk, "the disk: the spool cannot record what deliveries come to, so none is begun");
        }
        if (destination is { Tenant: { IsSuspended: true } tenant })
        {
            return new WaitReason(WaitKind.Suspension, tenant.SuspendedUntilMs == long.MaxValue
                ? $"the operator, who has suspended tenant \"{tenant.Name}\": fastrelay queue resume --tenant \"{tenant.Name}\" ends it"
                : $"the end of the suspension of tenant \"{tenant.Name}\" by the operator, in {Span(tenant.SuspendedUntilMs - _loop.NowMs)}");
        }
        if (site is not null)
        {
            return OfSite(site, destination);
        }
        return _queue.Gears.Suspensions.Of(plan, destination?.Source) is { } suspended
            ? new WaitReason(WaitKind.Suspension, $"the operator, who has suspended \"{suspended.Name}\": the next message for it will wait")
            : new WaitReason(WaitKind.Nothing, "nothing: the next message for it goes at once");
    }

    private WaitReason OfSite(Site site, Destination? destination)
    {
        long now = _loop.NowMs;
        SiteBudget budget = site.Budget;
        // Who is stopped: the hosts of this site, or all that share its budget.
        string Whose(long untilMs, long sharedMs) => budget.IsShared && untilMs == sharedMs ? budget.Key : "the site";
        if (_queue.Gears.IsSuspended(site))
        {
            return new WaitReason(WaitKind.Suspension, site.SuspendedUntilMs == long.MaxValue
                ? $"the operator: fastrelay queue resume ends the suspension of its site{Because(site.SuspendReason)}"
                : $"the end of {Whose(site.SuspendedUntilMs, budget.Brake.SuspendedUntilMs)}'s suspension, in {Span(site.SuspendedUntilMs - now)}{Because(site.SuspendReason)}");
        }
        if (site.BackoffUntilMs > now)
        {
            string failures = site.Failures > 0 ? $" after {site.Failures} {(site.Failures == 1 ? "failure" : "failures in a row")}" : "";
            return new WaitReason(WaitKind.Backoff, $"the end of {Whose(site.BackoffUntilMs, budget.Brake.BackoffUntilMs)}'s backoff, in {Span(site.BackoffUntilMs - now)}{failures}{Because(site.BackoffReason)}");
        }
        if (destination is { Ready: > 0, Lane: { Open: 0 } lane, InSite: true })
        {
            return new WaitReason(WaitKind.Session, $"its tenant: {lane.InFlight} of its messages are under way at this site, and [[tenant]] \"{lane.Tenant.Name}\" may have {lane.Tenant.Sessions}");
        }
        if (site.Ready == 0)
        {
            return new WaitReason(WaitKind.Nothing, "nothing: the next message for it goes at once");
        }
        if (site.Place == SitePlace.Room)
        {
            return new WaitReason(WaitKind.Connection, $"a free connection: all {_queue.Limits.SendSessions} of limits.send_sessions are in use");
        }
        if ((_rates.Waits(site) ?? OfSessions(site)) is { } held)
        {
            return held;
        }
        string urgent = site.Lanes.ReadyHigh + site.Lanes.ReadyLow == 0 ? "" : $" ({site.Lanes.ReadyHigh} of high priority, {site.Lanes.ReadyLow} of low)";
        return new WaitReason(WaitKind.Turn, $"its turn among the {site.Ready} that are ready for its site{urgent}{(site.Lanes.Count > 1 ? $", of {site.Lanes.Count} tenants who take turns" : "")}");
    }

    private WaitReason? OfSessions(Site site)
    {
        SiteBudget budget = site.Budget;
        if (BudgetTable.IsTried(site) && site.Active > 0)
        {
            return new WaitReason(WaitKind.Session, site.Failures > 0 ? "the one session that tries the site again after its backoff" : "the one session that tries its hosts, of which none has served yet");
        }
        int limit = _queue.Sites.Budgets.LimitOf(budget);
        int most = _queue.Sites.Budgets.MostOf(budget);
        if (budget.Active < limit && (site.Idle > 0 || budget.Sessions < limit))
        {
            return null;
        }
        string whose = budget.IsShared ? budget.Key : "the site";
        string which = budget.Brake.Failures > 0 ? $"the one session that tries {whose} again after its backoff"
            : _queue.Gears.Of(site) == SiteGear.Slow ? $"a session: all {limit} that a rule leaves {whose} for {Span(budget.SlowUntilMs - _loop.NowMs)} are at work{Because(budget.SlowReason)}"
            : limit >= most ? $"a session: all {limit} of {(site.Rule is { Sessions: > 0 } by ? $"[[site]] \"{by.Match}\"" : "limits.send_sessions_per_site")} are at work"
            : $"a session: all {limit} that {whose} has been seen to bear are at work; {limit} more deliveries add one";
        return new WaitReason(WaitKind.Session, which + (budget.IsShared ? $"; {budget.Waiting} of the {budget.Sites} sites of {budget.Key} take turns" : ""));
    }

    private List<LimitUse> LimitsOf(Site? site, TenantLane? lane)
    {
        Limits limits = _queue.Limits;
        var uses = new List<LimitUse>();
        if (site is not null)
        {
            SiteBudget budget = site.Budget;
            uses.Add(new LimitUse(budget.IsShared ? $"sessions of {budget.Key}" : "site sessions", budget.Active, budget.IsShared ? _queue.Sites.Budgets.LimitOf(budget) : site.Limit));
            uses.Add(new LimitUse(site.Rule is { Sessions: > 0 } ? "sessions of [[site]]" : "send_sessions_per_site", budget.Active, _queue.Sites.Budgets.MostOf(budget)));
            _rates.AddUses(site, uses);
        }
        if (site is { InFlightMost: > 1, Budget: { } shared })
        {
            uses.Add(new LimitUse("in_flight, all its sessions", shared.InFlight, uses[0].Most * site.InFlightMost));
        }
        if (lane is { Tenant.Sessions: > 0 })
        {
            uses.Add(new LimitUse("sessions of [[tenant]]", lane.InFlight, lane.Tenant.Sessions));
        }
        uses.Add(new LimitUse("send_sessions", _queue.Counters.SessionsOut, limits.SendSessions));
        uses.Add(new LimitUse("dns_queries", _router.Cache.InFlight, limits.DnsQueries));
        return uses;
    }

    private List<CachedRecord> CachedOf(Route route, Plan plan)
    {
        var records = new List<CachedRecord>();
        string name = route.NextHop.Kind == NextHopKind.Mx ? route.Domain : route.NextHop.Host;
        if (route.NextHop.LookupMx)
        {
            Look(name, DnsType.Mx, records);
        }
        IEnumerable<string> hosts = plan.Hosts.Count > 0 ? plan.Hosts.Select(static host => host.Name)
            : records.Count > 0 && records[0].Answer.Mx.Count > 0 ? records[0].Answer.Mx.OrderBy(static mx => mx.Preference).Select(static mx => mx.Host)
            : [name];
        foreach (string host in hosts.Take(HostsAsked))
        {
            if (_router.Families != DeliverFamilies.Ipv6)
            {
                Look(host, DnsType.A, records);
            }
            if (_router.Families != DeliverFamilies.Ipv4)
            {
                Look(host, DnsType.Aaaa, records);
            }
        }
        return records;
    }

    private void Look(string name, DnsType type, List<CachedRecord> into)
    {
        if (_router.Cache.TryPeek(name, type, out CachedAnswer answer))
        {
            into.Add(new CachedRecord(name, type, answer.Answer, Math.Max(0, answer.ExpiresMs - _loop.NowMs), answer.Stale));
        }
    }

    private static string Describe(EgressSource source) =>
        $"{source.Name} ({string.Join(", ", new[] { source.Ipv4, source.Ipv6 }.Where(static address => address is not null))})";

    internal static string Because(string reason) => reason.Length == 0 ? "" : ", because: " + reason;

    /// <summary>A time span for people, in its two largest units.</summary>
    internal static string Span(long ms)
    {
        long s = Math.Max(0, (ms + 999) / 1000);
        return string.Create(CultureInfo.InvariantCulture, $"{(s < 60 ? $"{s} s"
            : s < 3600 ? $"{s / 60} min {s % 60} s"
            : s < 86_400 ? $"{s / 3600} h {s % 3600 / 60} min"
            : $"{s / 86_400} d {s % 86_400 / 3600} h")}");
    }
}
