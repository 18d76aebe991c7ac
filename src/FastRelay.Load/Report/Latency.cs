using System.Diagnostics;
using HdrHistogram;

namespace FastRelay.Load;

/// <summary>Percentiles of a latency, µs. All 0 when nothing was recorded.</summary>
/// <param name="Count">Values.</param>
/// <param name="Min">Least.</param>
/// <param name="Mean">Arithmetic mean.</param>
/// <param name="P50">Half are at most this.</param>
/// <param name="P90">90 %.</param>
/// <param name="P99">99 %.</param>
/// <param name="P999">99.9 %.</param>
/// <param name="Max">Greatest.</param>
public sealed record LatencyFigures(long Count, long Min, double Mean, long P50, long P90, long P99, long P999, long Max);

/// <summary>One point of a percentile curve.</summary>
/// <param name="Percentile">0 to 100.</param>
/// <param name="Microseconds">Value.</param>
public sealed record LatencyPoint(double Percentile, long Microseconds);

/// <summary>A histogram from 1 µs to an hour with three significant digits (HdrHistogram); recording allocates nothing.</summary>
public sealed class Latency
{
    private const long Most = 3_600_000_000;
    private static readonly double[] s_curve = [0, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 99.999, 100];
    private readonly LongHistogram _histogram = new(1, Most, 3);

    /// <summary>Records the time between two stamps of <see cref="Stopwatch"/>.</summary>
    public void Record(long fromTimestamp, long toTimestamp) => Record((toTimestamp - fromTimestamp) * 1_000_000 / Stopwatch.Frequency);

    /// <summary>Records microseconds; what lies outside is recorded at the bound.</summary>
    public void Record(long microseconds) => _histogram.RecordValue(Math.Clamp(microseconds, 1, Most));

    /// <summary>Forgets everything.</summary>
    public void Reset() => _histogram.Reset();

    /// <summary>The figures so far.</summary>
    public LatencyFigures Figures() => _histogram.TotalCount == 0
        ? new LatencyFigures(0, 0, 0, 0, 0, 0, 0, 0)
        : new LatencyFigures(_histogram.TotalCount, At(0), Math.Round(_histogram.GetMean(), 1), At(50), At(90), At(99), At(99.9), At(100));

    /// <summary>The curve so far; empty when nothing was recorded.</summary>
    public IReadOnlyList<LatencyPoint> Curve() => _histogram.TotalCount == 0 ? [] : [.. s_curve.Select(p => new LatencyPoint(p, At(p)))];

    private long At(double percentile) => _histogram.GetValueAtPercentile(percentile);
}
