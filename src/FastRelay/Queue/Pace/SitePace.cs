using FastRelay.Config;

namespace FastRelay.Queue;

/// <summary>The rates of a <c>[[site]]</c>, which hold all at once. Messages and octets are counted when a transaction begins, connections when they are dialled.</summary>
internal sealed class SitePace
{
    private readonly RateBucket[] _buckets;

    private SitePace(RateBucket[] buckets)
    {
        _buckets = buckets;
        CountsOctets = Array.Exists(buckets, static bucket => bucket.Rate.Unit == SiteRateUnit.Octets);
        MessagesPerSecond = buckets.Where(static bucket => bucket.Rate.Unit == SiteRateUnit.Messages)
            .Select(static bucket => bucket.Rate.Count * 1000.0 / bucket.Rate.WindowMs).DefaultIfEmpty(double.MaxValue).Min();
    }

    /// <summary>The rates, in the order of the configuration.</summary>
    public IReadOnlyList<RateBucket> Buckets => _buckets;

    /// <summary>The lowest of the rates of messages; <see cref="double.MaxValue"/> where there is none.</summary>
    public double MessagesPerSecond { get; }

    /// <summary>The size of a message matters.</summary>
    public bool CountsOctets { get; }

    /// <summary>Empty buckets for the rates of a rule; null when it has none.</summary>
    public static SitePace? Of(SiteConfig? rule)
    {
        RateBucket[] buckets = rule is null ? [] : [.. rule.AllRates.Select(static rate => new RateBucket(rate))];
        return buckets.Length > 0 ? new SitePace(buckets) : null;
    }

    /// <summary>How long the next message has to wait, ms.</summary>
    /// <param name="nowMs">The loop's time.</param>
    /// <param name="octets">Its size.</param>
    /// <param name="by">The rate that makes it wait longest; null when it may go now.</param>
    public long WaitMs(long nowMs, long octets, out RateBucket? by)
    {
        by = null;
        long waitMs = 0;
        foreach (RateBucket bucket in _buckets)
        {
            if (bucket.Rate.Unit != SiteRateUnit.Connections && bucket.WaitMs(nowMs, AmountOf(bucket, octets)) is var ms && ms > waitMs)
            {
                (waitMs, by) = (ms, bucket);
            }
        }
        return waitMs;
    }

    /// <summary>How long the next connection has to wait, ms, and for which rate.</summary>
    public long DialWaitMs(long nowMs, out RateBucket? by)
    {
        by = null;
        long waitMs = 0;
        foreach (RateBucket bucket in _buckets)
        {
            if (bucket.Rate.Unit == SiteRateUnit.Connections && bucket.WaitMs(nowMs) is var ms && ms > waitMs)
            {
                (waitMs, by) = (ms, bucket);
            }
        }
        return waitMs;
    }

    /// <summary>How long what was begun still counts, ms; 0 when nothing does.</summary>
    public long OwesMs(long nowMs)
    {
        long owesMs = 0;
        foreach (RateBucket bucket in _buckets)
        {
            owesMs = Math.Max(owesMs, bucket.OwesMs(nowMs));
        }
        return owesMs;
    }

    /// <summary>Lets nothing go at once.</summary>
    public void Fill(long nowMs)
    {
        foreach (RateBucket bucket in _buckets)
        {
            bucket.Fill(nowMs);
        }
    }

    /// <summary>A message was begun.</summary>
    public void Took(long nowMs, long octets)
    {
        foreach (RateBucket bucket in _buckets)
        {
            if (bucket.Rate.Unit != SiteRateUnit.Connections)
            {
                bucket.Took(nowMs, AmountOf(bucket, octets));
            }
        }
    }

    /// <summary>A message that was begun was not attempted.</summary>
    public void GaveBack(long octets)
    {
        foreach (RateBucket bucket in _buckets)
        {
            if (bucket.Rate.Unit != SiteRateUnit.Connections)
            {
                bucket.GaveBack(AmountOf(bucket, octets));
            }
        }
    }

    /// <summary>A connection was dialled, or is about to be.</summary>
    public void Dialled(long nowMs)
    {
        foreach (RateBucket bucket in _buckets)
        {
            if (bucket.Rate.Unit == SiteRateUnit.Connections)
            {
                bucket.Took(nowMs);
            }
        }
    }

    private static long AmountOf(RateBucket bucket, long octets) => bucket.Rate.Unit == SiteRateUnit.Octets ? octets : 1;
}
