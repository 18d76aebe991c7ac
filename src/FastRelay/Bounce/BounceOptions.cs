namespace FastRelay.Bounce;

/// <summary>What bounces have to know.</summary>
public sealed record BounceOptions
{
    /// <summary>Our name: sender, reporting MTA and message ids.</summary>
    public required string Hostname { get; init; }

    /// <summary>Bounces written at once; the rest waits in order.</summary>
    public int AtOnce { get; init; } = 4;

    /// <summary>Failed recipients that may wait for their bounces, those whose bounce is at work included: each is in memory only.</summary>
    public int Waiting { get; init; } = 10_000;

    /// <summary>Bounces and warnings begun in any minute, 1 or more; see <see cref="Limits.BouncesPerMinute"/>.</summary>
    public int PerMinute { get; init; } = 6_000;

    /// <summary>The same of those tenants who have a rate of their own.</summary>
    public IReadOnlyDictionary<string, int> TenantsPerMinute { get; init; } = new Dictionary<string, int>();

    /// <summary>The first wait after the journal took none, ms; doubles up to <see cref="RetryCapMs"/>.</summary>
    public int RetryMs { get; init; } = 1_000;

    /// <summary>The longest such wait, ms.</summary>
    public int RetryCapMs { get; init; } = 60_000;
}
