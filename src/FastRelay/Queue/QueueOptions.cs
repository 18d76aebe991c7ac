using FastRelay.Config;

namespace FastRelay.Queue;

/// <summary>What the configuration says about retrying.</summary>
public sealed record QueueOptions
{
    private readonly long _siteBackoffMs;
    private readonly long _dnsRetryMs;
    private readonly long _sweepMs;

    /// <summary>Waits between attempts for a message, ms; the last repeats. Default 5, 10, 20, 40 minutes, 1 hour, 2 hours.</summary>
    public IReadOnlyList<long> RetryMs { get; init; } = [300_000, 600_000, 1_200_000, 2_400_000, 3_600_000, 7_200_000];

    /// <summary>A message is given up this long after its arrival, ms. Default 5 days (RFC 5321 4.5.4.1: at least 4 to 5).</summary>
    public long ExpireMs { get; init; } = 432_000_000;

    /// <summary>The sender is told, once, that a message waits this long after its arrival, ms; 0 for never.</summary>
    public long WarnMs { get; init; }

    /// <summary>How far a wait may differ from the schedule, as a part of it: 0.2 is 20 % to either side.</summary>
    public double Jitter { get; init; } = 0.2;

    /// <summary>The first wait of a site that cannot be reached, ms; doubles up to the last of <see cref="RetryMs"/>. By default 30 s, or the first of those when that is less.</summary>
    public long SiteBackoffMs
    {
        get => _siteBackoffMs > 0 ? _siteBackoffMs : Math.Min(30_000, RetryMs[0]);
        init => _siteBackoffMs = value;
    }

    /// <summary>The first wait of a destination whose DNS does not answer, ms. By default as for a site.</summary>
    public long DnsRetryMs
    {
        get => _dnsRetryMs > 0 ? _dnsRetryMs : Math.Min(30_000, RetryMs[0]);
        init => _dnsRetryMs = value;
    }

    /// <summary>The longest such wait, ms.</summary>
    public long DnsRetryCapMs { get; init; } = 1_800_000;

    /// <summary>How often entries are looked at for expiry, ms. By default a minute, or a tenth of <see cref="ExpireMs"/> when that is less.</summary>
    public long SweepMs
    {
        get => _sweepMs > 0 ? _sweepMs : Math.Clamp(ExpireMs / 10, 1_000, 60_000);
        init => _sweepMs = value;
    }

    /// <summary>A destination or site that has had no mail for this long is forgotten, ms.</summary>
    public long ForgetMs { get; init; } = 600_000;

    /// <summary>What is allowed for sites; the first that matches one is its rule.</summary>
    public IReadOnlyList<SiteConfig> Sites { get; init; } = [];

    /// <summary>How failures are told, where the tenant does not say so.</summary>
    public BounceNotice Bounce { get; init; }

    /// <summary>Weights and bounds of tenants; each name once.</summary>
    public IReadOnlyList<TenantConfig> Tenants { get; init; } = [];

    /// <summary>Sources.</summary>
    public IReadOnlyList<SourceConfig> Sources { get; init; } = [];

    /// <summary>Pools of them.</summary>
    public IReadOnlyList<PoolConfig> Pools { get; init; } = [];

    /// <summary>The source or pool of mail whose route and tenant name none; empty for none.</summary>
    public string Source { get; init; } = "";

    /// <summary>What replies do to sites; the first that matches counts.</summary>
    public IReadOnlyList<ReplyRuleConfig> ReplyRules { get; init; } = [];

    /// <summary>Where the operator's suspensions of sites are kept; null keeps them in memory only.</summary>
    public string? SuspensionsFile { get; init; }

    /// <summary>The longest wait that the schedule can come to, ms.</summary>
    public long LongestWaitMs
    {
        get
        {
            long longest = 0;
            foreach (long wait in RetryMs)
            {
                longest = Math.Max(longest, wait);
            }
            return (long)(longest * (1 + Jitter));
        }
    }

    /// <summary>The wait after a number of attempts, with jitter, ms; never below 1 s.</summary>
    /// <param name="attempts">1 after the first.</param>
    /// <param name="random">For the jitter.</param>
    /// <param name="inDoubt">True when the next hop may have the message: the wait is never shorter than the schedule says.</param>
    public long RetryAfterMs(int attempts, Random random, bool inDoubt = false)
    {
        long wait = RetryMs[Math.Clamp(attempts - 1, 0, RetryMs.Count - 1)];
        long jittered = Jittered(wait, random);
        return Math.Max(1_000, inDoubt ? Math.Max(wait, jittered) : jittered);
    }

    /// <summary>A wait that starts short and doubles with each failure up to a cap, with jitter, ms.</summary>
    /// <param name="firstMs">After the first failure.</param>
    /// <param name="capMs">The most, before jitter.</param>
    /// <param name="failures">1 after the first.</param>
    /// <param name="random">For the jitter.</param>
    public long BackoffMs(long firstMs, long capMs, int failures, Random random)
    {
        long wait = firstMs;
        for (int i = 1; i < failures && wait < capMs; i++)
        {
            wait *= 2;
        }
        return Math.Max(1, Jittered(Math.Min(wait, Math.Max(firstMs, capMs)), random));
    }

    private long Jittered(long wait, Random random) => (long)(wait * (1 + (Jitter * ((2 * random.NextDouble()) - 1))));
}
