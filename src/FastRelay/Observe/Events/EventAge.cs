using System.Buffers.Text;
using FastRelay.Outside;

namespace FastRelay.Observe;

/// <summary>
/// The bound in age of the events that wait for a disk or a reader: what is older is lost, and a <c>gap</c> in its place says
/// how many were and since when. A failure never is: it may be the only notice of it, and what follows it waits. Used by the thread that writes; <see cref="TakeLost"/> by any.
/// </summary>
/// <param name="time">Wall clock, the one of the lines' <c>ts</c>.</param>
/// <param name="maxAgeMs">Older lines are lost, ms.</param>
public sealed class EventAge(TimeProvider time, long maxAgeMs) : StaleLines
{
    private const int StampBytes = 24;
    private readonly LogStamp _oldest = new();
    private readonly LogStamp _now = new();
    private readonly byte[] _since = new byte[StampBytes];
    private readonly byte[] _gap = new byte[InsteadBytes];
    private long _missing;
    private long _lost;

    private static ReadOnlySpan<byte> Head => "{\"ts\":\""u8;

    private static ReadOnlySpan<byte> IsGap => "\",\"event\":\"gap\",\"lost\":"u8;

    private static ReadOnlySpan<byte> IsFailure => "\",\"event\":\"failed\""u8;

    private static ReadOnlySpan<byte> Since => ",\"since\":\""u8;

    /// <summary>Events that were lost since this was last asked; those that a gap had counted before are not among them.</summary>
    public long TakeLost() => Interlocked.Exchange(ref _lost, 0);

    /// <inheritdoc/>
    public override bool Take(ReadOnlySpan<byte> line)
    {
        ReadOnlySpan<byte> stamp = line.Slice(Head.Length, StampBytes);
        // As text they are in order of time.
        if (stamp.SequenceCompareTo(_oldest.Of(time.GetUtcNow().AddMilliseconds(-maxAgeMs))) >= 0)
        {
            return false;
        }
        ReadOnlySpan<byte> rest = line[(Head.Length + StampBytes)..];
        if (rest.StartsWith(IsFailure))
        {
            // With bounce = "event" nobody else is told, and its recipient waits for this line.
            return false;
        }
        long count = 1;
        if (rest.StartsWith(IsGap) && Utf8Parser.TryParse(rest[IsGap.Length..], out count, out int digits))
        {
            stamp = rest.Slice(IsGap.Length + digits + Since.Length, StampBytes);
        }
        else
        {
            Interlocked.Increment(ref _lost);
        }
        if (_missing == 0)
        {
            stamp.CopyTo(_since);
        }
        _missing += count;
        return true;
    }

    /// <inheritdoc/>
    public override int Instead(Span<byte> into)
    {
        if (_missing == 0)
        {
            return 0;
        }
        ReadOnlySpan<byte> line = EventLine.Gap(_gap, _now.Of(time.GetUtcNow()), _missing, _since);
        line.CopyTo(into);
        _missing = 0;
        return line.Length;
    }
}
