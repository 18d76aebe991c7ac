using FastRelay.Config;

namespace FastRelay.Queue;

/// <summary>
/// Keeps a site below a number of messages in any window of time, wherever the window begins: a leaky bucket of a
/// twentieth of the number or a little more, refilled with the rest. In a window W at most the bucket B and W / step are begun, and step is
/// W / (N - B). Counted from the start of a transaction; a restart begins anew.
/// </summary>
internal sealed class SitePace
{
    private readonly double _stepMs;
    private readonly double _slackMs;
    private double _emptyAtMs = double.MinValue;

    /// <summary>An empty bucket.</summary>
    /// <param name="rule">With a number of messages.</param>
    public SitePace(SiteConfig rule)
    {
        // What comes due in 32 ms fits too: the loop's timers are up to 16 ms late.
        int bucket = Math.Max(Math.Max(1, rule.Messages / 20), (int)Math.Ceiling(rule.Messages * 32.0 / rule.WindowMs));
        // One at a time paces exactly: in any window of N steps N are begun.
        _stepMs = (double)rule.WindowMs / (bucket == 1 ? rule.Messages : rule.Messages - bucket);
        _slackMs = (bucket - 1) * _stepMs;
    }

    /// <summary>How long the next message has to wait, ms; 0 when it may go now.</summary>
    public long WaitMs(long nowMs) => (long)Math.Max(0, Math.Ceiling(_emptyAtMs - _slackMs - nowMs));

    /// <summary>How long what was begun still counts, ms; 0 when nothing does.</summary>
    public long OwesMs(long nowMs) => (long)Math.Max(0, Math.Ceiling(_emptyAtMs - nowMs));

    /// <summary>Lets nothing go at once: what was begun under another rate is not known here.</summary>
    public void Fill(long nowMs) => _emptyAtMs = nowMs + _slackMs + _stepMs;

    /// <summary>A message was begun.</summary>
    public void Took(long nowMs) => _emptyAtMs = Math.Max(_emptyAtMs, nowMs) + _stepMs;
}
