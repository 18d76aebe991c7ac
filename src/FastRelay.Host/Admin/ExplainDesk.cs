using FastRelay.Journal;
using FastRelay.Outside;
using FastRelay.Queue;
using FastRelay.Routing;

namespace FastRelay.Host.Admin;

/// <summary>Turns what the queue explains into what is shown. Loop thread.</summary>
/// <param name="queue">Explains.</param>
/// <param name="view">Shows a message.</param>
internal sealed class ExplainDesk(MessageQueue queue, Func<QueuedMessage, QueueItem> view)
{
    /// <summary>An id, an address, a domain or a site; null when it is an id or a site that is not there.</summary>
    public async ValueTask<ExplainView?> ExplainAsync(string target)
    {
        if (target.Length == MessageId.TextLength && MessageId.TryParse(target, out MessageId id))
        {
            return await queue.Explainer.OfMessageAsync(id, queue.Admin) is { } explained
                ? new ExplainView(target, view(explained.Message), [.. explained.Ways.Select(Way)])
                : null;
        }
        const string Site = "site:";
        bool named = target.StartsWith(Site, StringComparison.Ordinal);
        string domain = target[(target.LastIndexOf('@') + 1)..].ToLowerInvariant().TrimEnd('.');
        // A site of one host has that host's name, which may be a domain with mail of its own: that one is meant then.
        if (named || !await queue.Explainer.KnowsAsync(domain))
        {
            if (await queue.Explainer.OfSiteAsync(named ? target[Site.Length..] : target) is { } site)
            {
                return new ExplainView(target, null, [Way(site)]);
            }
            if (named)
            {
                return null;
            }
        }
        if (!DomainNames.IsHostName(domain) && !DomainNames.TryParseLiteral(domain, out _))
        {
            return null;
        }
        ExplainWay first = Way(await queue.Explainer.OfDomainAsync(domain));
        return new ExplainView(target, null, [first, .. (await queue.Explainer.OthersOfAsync(domain)).Select(Way)]);
    }

    private static ExplainWay Way(Explanation of) => new(
        of.Destination,
        of.Waits.For.ToString().ToLowerInvariant(),
        of.Waits.Text,
        of.NextHop,
        of.Plan.Credentials?.User,
        of.Pattern.Length > 0 ? of.Pattern : null,
        of.Plan.Tls.ToString().ToLowerInvariant(),
        Router.Name(of.Plan.Status),
        of.Plan.Reason.Length > 0 ? of.Plan.Reason : null,
        of.PlanLeftMs == long.MaxValue ? null : of.PlanLeftMs / 1000,
        [.. of.Plan.Hosts.Zip(of.Remembered, Host)],
        [.. of.Dns.Select(Record)],
        of.Site is { } site ? Site(site) : null,
        of.Entries,
        of.Ready,
        [.. of.Limits.Select(static use => new ExplainLimit(use.Name, use.Used, use.Most, use.Binds))],
        of.DeliveryMs > 0 ? Math.Round(of.DeliveryMs, 1) : null,
        of.CeilingPerSecond > 0 ? Math.Round(of.CeilingPerSecond, of.CeilingPerSecond < 1 ? 4 : 1) : null)
    {
        TlsBy = of.TlsBy,
        Certificate = of.Plan.Certificate is { } own ? new ExplainCertificate(own.File, own.Subject, own.EndsUtc) : null,
        Budget = of.Budget is { } budget ? Budget(budget) : null,
        CeilingBy = of.CeilingBy.Length > 0 ? of.CeilingBy : null,
        Tenant = of.Tenant.Length > 0 ? of.Tenant : null,
        Source = of.Source.Length > 0 ? of.Source : null,
        MovedTo = of.MovedTo.Length > 0 ? of.MovedTo : null,
        Moved = of.MovedTo.Length > 0 ? DateTimeOffset.FromUnixTimeMilliseconds(of.MovedUnixMs) : null,
    };

    private static ExplainHost Host(PlanHost host, HostMemory memory) => new(host.Preference, host.Name, [.. host.Addresses.Select(static a => a.ToString())])
    {
        ClearSeconds = Seconds(memory.ClearMs),
        AvoidedSeconds = Seconds(memory.AvoidedMs),
        AloneSeconds = Seconds(memory.AloneMs),
        ClosesAfter = memory.MessagesMost > 0 ? memory.MessagesMost : null,
        ClosesSeconds = Seconds(memory.MessagesMs),
    };

    // What holds for less than a second holds.
    private static long? Seconds(long ms) => ms > 0 ? (ms + 999) / 1000 : null;

    /// <summary>A site as the admin shows it.</summary>
    public static ExplainSite Site(SiteView site) => new(
        site.Key,
        site.Provider.Length > 0 ? site.Provider : null,
        site.Gear.ToString().ToLowerInvariant(),
        site.Reason.Length > 0 ? site.Reason : null,
        site.GearMs == long.MaxValue ? null : site.GearMs / 1000,
        site.Failures,
        site.Ready,
        site.InFlight,
        site.Sessions)
    {
        Limit = site.Limit,
        Sites = site.Sites > 0 ? site.Sites : null,
        Deferred = site.Deferred,
        Stopped = site.Stopped,
        ReadyHigh = site.ReadyHigh,
        ReadyLow = site.ReadyLow,
        Taken = site.Taken,
        Rate = site.Learned is { } rate ? Rate(rate) : null,
    };

    private static ExplainBudget Budget(BudgetView budget) => new(
        budget.Key,
        budget.Sites,
        budget.Waiting,
        budget.Sessions,
        budget.Idle,
        budget.Limit,
        budget.Gear.ToString().ToLowerInvariant(),
        budget.Reason.Length > 0 ? budget.Reason : null,
        budget.GearMs == long.MaxValue ? null : budget.GearMs / 1000);

    private static ExplainRate Rate(LearnedRateView rate) => new(
        Math.Round(rate.PerMinute, 1),
        rate.Used,
        rate.SinceMs / 1000,
        rate.ClosedMs >= 0 ? rate.ClosedMs : null,
        rate.ClosedMs >= 0 ? null : rate.GrowsMs / 1000,
        rate.ForgottenMs / 1000,
        rate.Refused,
        rate.Reason);

    private static ExplainDns Record(CachedRecord record) => new(
        record.Name,
        record.Type switch
        {
            DnsType.Mx => "MX",
            DnsType.A => "A",
            _ => "AAAA",
        },
        record.Answer.Status switch
        {
            DnsStatus.Ok => "ok",
            DnsStatus.NoData => "no-data",
            DnsStatus.NxDomain => "no-such-name",
            DnsStatus.ServFail => "failed",
            DnsStatus.Timeout => "timeout",
            _ => "bad",
        },
        record.Type == DnsType.Mx
            ? [.. record.Answer.Mx.OrderBy(static mx => mx.Preference).Select(static mx => $"{mx.Preference} {(mx.Host.Length == 0 ? "." : mx.Host)}")]
            : [.. record.Answer.Addresses.Select(static a => a.ToString())],
        record.LeftMs / 1000,
        record.Stale);
}
