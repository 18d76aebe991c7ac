using FastRelay.Observe;

namespace FastRelay.Host.Admin;

/// <summary>The message in the queue that arrived first.</summary>
/// <param name="Id">As its client was told it.</param>
/// <param name="Arrived">UTC.</param>
/// <param name="AgeSeconds">Since then.</param>
public sealed record OldestView(string Id, DateTimeOffset Arrived, double AgeSeconds);

/// <summary>How long mail took from its arrival to its delivery, by recipient, since the start.</summary>
/// <param name="BoundsSeconds">Where each span ends, itself included; a last one has no end.</param>
/// <param name="Counts">Recipients of each span: one more than there are ends.</param>
/// <param name="SumSeconds">All delays together.</param>
public sealed record DelayView(IReadOnlyList<double> BoundsSeconds, IReadOnlyList<long> Counts, double SumSeconds)
{
    /// <summary>What the relay counts, in seconds.</summary>
    public static DelayView Of(DelayCounts delays) =>
        new([.. DelayHistogram.BoundsMs.ToArray().Select(static ms => ms / 1000.0)], delays.Counts, delays.SumsMs.Sum() / 1000.0);
}
