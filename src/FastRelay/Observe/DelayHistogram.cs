namespace FastRelay.Observe;

/// <summary>
/// How long mail took from its 250 to its delivery, by recipient, since the start: a count and a sum for each of a few spans.
/// Adding allocates nothing. Loop thread.
/// </summary>
public sealed class DelayHistogram
{
    private readonly long[] _counts = new long[BoundsMs.Length + 1];
    private readonly long[] _sumsMs = new long[BoundsMs.Length + 1];

    /// <summary>Where a span ends, itself included, ms; a last one has no end. From what a smarthost next door takes to a day of retries.</summary>
    public static ReadOnlySpan<long> BoundsMs =>
        [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 1_800_000, 7_200_000, 28_800_000, 86_400_000];

    /// <summary>A recipient is delivered.</summary>
    /// <param name="ms">Since the message arrived; a clock that was put back makes it less than nothing, which counts as 0.</param>
    public void Add(long ms)
    {
        ms = Math.Max(0, ms);
        ReadOnlySpan<long> bounds = BoundsMs;
        int span = 0;
        while (span < bounds.Length && ms > bounds[span])
        {
            span++;
        }
        _counts[span]++;
        _sumsMs[span] += ms;
    }

    /// <summary>All of this moment.</summary>
    public DelayCounts Read() => new([.. _counts], [.. _sumsMs]);
}

/// <summary>What a <see cref="DelayHistogram"/> held at one moment.</summary>
/// <param name="Counts">Recipients of each span; the last is that without an end.</param>
/// <param name="SumsMs">Their delays together, ms.</param>
public sealed record DelayCounts(IReadOnlyList<long> Counts, IReadOnlyList<long> SumsMs);
