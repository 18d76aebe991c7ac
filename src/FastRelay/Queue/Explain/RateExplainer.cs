using System.Globalization;
using FastRelay.Config;
using FastRelay.Routing;

namespace FastRelay.Queue;

/// <summary>What rates do to a site, in words: the part of <see cref="Explainer"/> that speaks for <see cref="Shaper"/>.</summary>
internal sealed class RateExplainer(QueueState queue)
{
    /// <summary>The rate that the site's ready mail waits for; null when it waits for none.</summary>
    public WaitReason? Waits(Site site)
    {
        if (queue.Shaper.WaitMs(site, out RateBucket? by) is > 0 and long waitMs)
        {
            return new WaitReason(WaitKind.Rate, by is not null ? Configured(site, by) + $"; the next goes in {waitMs} ms" : Learned(site.Budget.Learned!, waitMs));
        }
        return NeedsDial(site) && queue.Shaper.DialWaitMs(site.Budget, out by) is > 0 and long dialMs
            ? new WaitReason(WaitKind.Rate, Configured(site, by!) + $"; the next is dialled in {dialMs} ms")
            : null;
    }

    // Its next message finds no idle connection, and may have another.
    private bool NeedsDial(Site site) => site.Idle == 0 && site.Budget.Active < queue.Sites.Budgets.LimitOf(site.Budget);

    /// <summary>Adds the site's rates, each with what was begun in its last window; the one that binds says so.</summary>
    public void AddUses(Site site, List<LimitUse> uses)
    {
        long now = queue.World.Loop.NowMs;
        bool waits = queue.Shaper.WaitMs(site, out RateBucket? by) > 0;
        RateBucket? byDial = null;
        if (NeedsDial(site))
        {
            queue.Shaper.DialWaitMs(site.Budget, out byDial);
        }
        foreach (RateBucket bucket in site.Budget.Pace?.Buckets ?? [])
        {
            string name = $"{UnitOf(bucket.Rate)} in {Explainer.Span(bucket.Rate.WindowMs)} of [[site]]";
            uses.Add(new LimitUse(name, bucket.Used(now), bucket.Rate.Count) { Binds = bucket == by || bucket == byDial });
        }
        if (site.Budget.Learned is { } learned)
        {
            uses.Add(new LimitUse("messages in 1 min, learned", learned.Used(now), (long)Math.Ceiling(learned.PerMinute)) { Binds = waits && by is null });
        }
    }

    /// <summary>Messages a second that the site can have, and what this comes from; empty where it is what its sessions carry.</summary>
    /// <param name="site">The site.</param>
    /// <param name="lane">Whose mail is asked about; null for anybody's.</param>
    public (double PerSecond, string By) Ceiling(Site site, TenantLane? lane)
    {
        SiteBudget budget = site.Budget;
        double ofSession = budget.ServiceMs > 0 ? 1000 / budget.ServiceMs : 0;
        int inFlight = Math.Max(1, site.InFlightMost);
        (double PerSecond, string By) lowest = (site.Limit * inFlight * ofSession, "");
        if (ofSession > 0)
        {
            Lower(ref lowest, queue.Limits.SendSessions * inFlight * ofSession, $"{queue.Limits.SendSessions} sessions of limits.send_sessions");
            if (lane?.Tenant is { Sessions: > 0 } tenant)
            {
                // Each of its messages that is under way counts.
                Lower(ref lowest, tenant.Sessions * ofSession, $"{tenant.Sessions} messages under way of [[tenant]] \"{tenant.Name}\"");
            }
        }
        foreach (RateBucket bucket in budget.Pace?.Buckets ?? [])
        {
            (double messages, string of) = MessagesOf(bucket.Rate, site);
            if (messages > 0)
            {
                Lower(ref lowest, messages * 1000.0 / bucket.Rate.WindowMs, $"{bucket.Rate.Amount} in {Explainer.Span(bucket.Rate.WindowMs)}{of}");
            }
        }
        if (budget.Learned is { } learned)
        {
            Lower(ref lowest, learned.PerMinute / 60, "the learned rate");
        }
        return lowest;
    }

    /// <summary>Messages that a rate allows in its window, and what that rests on; 0 where it is not known.</summary>
    private (double Messages, string Of) MessagesOf(SiteRate rate, Site site)
    {
        switch (rate.Unit)
        {
            case SiteRateUnit.Messages:
                return (rate.Count, "");
            case SiteRateUnit.Connections:
                int most = MessagesOfConnection(site);
                return ((double)rate.Count * most, $" of {most} {(most == 1 ? "message" : "messages")} each at most");
            default:
                double octets = Math.Round(queue.Shaper.MessageOctets(site));
                // What is larger than the number goes when a whole window is free.
                return octets > 0 ? (Math.Max(1, rate.Count / octets), string.Create(CultureInfo.InvariantCulture, $", of {octets:N0} octets a message lately")) : (0, "");
        }
    }

    /// <summary>Messages that a connection to the best of its hosts may serve: our bound, or less where the host has shown one.</summary>
    private int MessagesOfConnection(Site site)
    {
        int most = 1;
        foreach (PlanHost host in site.Plan.Hosts)
        {
            if (host.Preference == site.Plan.Hosts[0].Preference)
            {
                int shown = queue.Sites.Dispatcher?.MemoryOf(host.Name, site.Plan.Tls).MessagesMost ?? 0;
                most = Math.Max(most, shown > 0 ? Math.Min(shown, queue.Limits.MessagesPerConnection) : queue.Limits.MessagesPerConnection);
            }
        }
        return most;
    }

    private static void Lower(ref (double PerSecond, string By) lowest, double perSecond, string by)
    {
        if (lowest.PerSecond == 0 || perSecond < lowest.PerSecond)
        {
            lowest = (perSecond, by);
        }
    }

    private static string Configured(Site site, RateBucket bucket) =>
        $"the rate of its site, {bucket.Rate.Amount} in {Explainer.Span(bucket.Rate.WindowMs)} by [[site]] \"{site.Rule!.Match}\"";

    private static string Learned(LearnedRate learned, long waitMs) => string.Create(CultureInfo.InvariantCulture,
        $"the rate that its hosts have been seen to allow, {learned.PerMinute:#,0.#} messages a minute; {(learned.IsClosed ? "one tries again" : "the next goes")} in {waitMs} ms")
        + Explainer.Because(learned.Reason);

    private static string UnitOf(SiteRate rate) => rate.Unit switch
    {
        SiteRateUnit.Messages => "messages",
        SiteRateUnit.Connections => "connections",
        _ => "octets",
    };
}
