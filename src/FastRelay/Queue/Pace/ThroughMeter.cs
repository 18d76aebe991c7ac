namespace FastRelay.Queue;

/// <summary>
/// What got through to a site lately: since when, and how many. The time grows to a minute, or to what 40 messages take
/// when that is longer, and is then halved with the count, so that a burst behind quiet hours is soon seen as one. A gap
/// of a minute begins anew. 24 octets in every site.
/// </summary>
internal struct ThroughMeter
{
    private const long LongMs = 60_000;
    private const int Many = 40;
    private const long StaleMs = 3_600_000;
    private long _sinceMs;
    private long _lastMs;

    /// <summary>Messages since <see cref="SinceMs"/>.</summary>
    public int Count { get; private set; }

    /// <summary>Since when; means nothing while <see cref="Count"/> is 0.</summary>
    public readonly long SinceMs => _sinceMs;

    /// <summary>What it says now: hours ago is no measure of a rate, and hourly caps rest on less.</summary>
    public readonly ThroughMeter At(long nowMs) => nowMs - _lastMs > StaleMs ? default : this;

    /// <summary>A message got through.</summary>
    public void Add(long nowMs)
    {
        if (Count == 0 || nowMs - _lastMs > LongMs)
        {
            _sinceMs = nowMs;
            Count = 0;
        }
        _lastMs = nowMs;
        Count++;
        if (nowMs - _sinceMs > LongMs && Count >= Many)
        {
            Count /= 2;
            _sinceMs += (nowMs - _sinceMs) / 2;
        }
    }
}
