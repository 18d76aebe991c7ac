using FastRelay.Config;

namespace FastRelay.Queue;

/// <summary>
/// Keeps a site below a number in any window of time, wherever the window begins: a leaky bucket of a twentieth of the
/// number or a little more, refilled with the rest. In a window W at most the bucket B and W / step are begun, and step is
/// W / (N - B). What is larger than the bucket first waits until the bucket has been empty for what it has too much, so
/// that the window holds; what is larger than the number goes when a whole window is free. A restart begins anew.
/// </summary>
internal sealed class RateBucket
{
    private readonly long _bucket;
    private readonly double _stepMs;
    private double _emptyAtMs = double.MinValue;
    private WindowCount _used;

    /// <summary>An empty bucket.</summary>
    public RateBucket(SiteRate rate)
    {
        Rate = rate;
        // What comes due in 32 ms fits too: the loop's timers are up to 16 ms late.
        _bucket = Math.Max(Math.Max(1, rate.Count / 20), (long)Math.Ceiling(rate.Count * 32.0 / rate.WindowMs));
        // One at a time paces exactly: in any window of N steps N are begun.
        _stepMs = (double)rate.WindowMs / (_bucket == 1 ? rate.Count : rate.Count - _bucket);
    }

    /// <summary>What it keeps.</summary>
    public SiteRate Rate { get; }

    /// <summary>How long the next has to wait, ms; 0 when it may go now.</summary>
    /// <param name="nowMs">The loop's time.</param>
    /// <param name="amount">1, or its octets.</param>
    public long WaitMs(long nowMs, long amount = 1) =>
        (long)Math.Max(0, Math.Ceiling(_emptyAtMs + ((Math.Min(amount, Rate.Count) - _bucket) * _stepMs) - nowMs));

    /// <summary>How long what was begun still counts, ms; 0 when nothing does.</summary>
    public long OwesMs(long nowMs) => (long)Math.Max(0, Math.Ceiling(_emptyAtMs - nowMs));

    /// <summary>About how much was begun in the last window.</summary>
    public long Used(long nowMs) => _used.InLast(nowMs, Rate.WindowMs);

    /// <summary>Lets nothing go at once: what was begun under another rate is not known here.</summary>
    public void Fill(long nowMs) => _emptyAtMs = nowMs + (_bucket * _stepMs);

    /// <summary>What was begun was not attempted: it does not count.</summary>
    public void GaveBack(long amount = 1) => _emptyAtMs -= amount * _stepMs;

    /// <summary>It was begun.</summary>
    public void Took(long nowMs, long amount = 1)
    {
        _emptyAtMs = Math.Max(_emptyAtMs, nowMs) + (amount * _stepMs);
        _used.Add(nowMs, Rate.WindowMs, amount);
    }
}
