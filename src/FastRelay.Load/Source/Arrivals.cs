using System.Diagnostics;

namespace FastRelay.Load;

/// <summary>
/// When the messages of an open loop should start. The schedule depends on the rate alone and never on the server: that
/// is what keeps the latencies free of coordinated omission.
/// </summary>
public sealed class Arrivals
{
    private readonly double _interval;
    private readonly Random? _random;
    private readonly long _start;
    private double _next;

    /// <summary>Makes a schedule.</summary>
    /// <param name="rate">Messages a second, above 0.</param>
    /// <param name="random">Draws exponential gaps; null for even ones.</param>
    /// <param name="start">The first arrival, on <see cref="Stopwatch"/>'s scale.</param>
    public Arrivals(double rate, Random? random, long start)
    {
        Check.That(rate > 0);
        _interval = Stopwatch.Frequency / rate;
        _random = random;
        _start = start;
    }

    /// <summary>The next arrival.</summary>
    public long Next => _start + (long)_next;

    /// <summary>Goes to the one after.</summary>
    public void Advance() => _next += _random is null ? _interval : -Math.Log(1 - _random.NextDouble()) * _interval;
}
