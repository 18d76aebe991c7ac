using System.Globalization;
using FastRelay.Config;

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
        bool needsDial = site.Idle == 0 && site.Budget.Active < queue.Sites.Budgets.LimitOf(site.Budget);
        return needsDial && queue.Shaper.DialWaitMs(site.Budget, out by) is > 0 and long dialMs
            ? new WaitReason(WaitKind.Rate, Configured(site, by!) + $"; the next is dialled in {dialMs} ms")
            : null;
    }

    /// <summary>Adds the site's rates, each with what was begun in its last window; the one that binds says so.</summary>
    public void AddUses(Site site, List<LimitUse> uses)
    {
        long now = queue.World.Loop.NowMs;
        bool waits = queue.Shaper.WaitMs(site, out RateBucket? by) > 0;
        queue.Shaper.DialWaitMs(site.Budget, out RateBucket? byDial);
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

    /// <summary>Messages a second that the site can have, and the rate that this comes from; empty where it comes from the sessions.</summary>
    public static (double PerSecond, string By) Ceiling(Site site)
    {
        (double PerSecond, string By) lowest = (site.Budget.ServiceMs > 0 ? site.Limit * Math.Max(1, site.InFlightMost) * 1000 / site.Budget.ServiceMs : 0, "");
        foreach (RateBucket bucket in site.Budget.Pace?.Buckets ?? [])
        {
            if (bucket.Rate.Unit == SiteRateUnit.Messages)
            {
                Lower(ref lowest, bucket.Rate.Count * 1000.0 / bucket.Rate.WindowMs, $"{bucket.Rate.Amount} in {Explainer.Span(bucket.Rate.WindowMs)}");
            }
        }
        if (site.Budget.Learned is { } learned)
        {
            Lower(ref lowest, learned.PerMinute / 60, "the learned rate");
        }
        return lowest;
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
