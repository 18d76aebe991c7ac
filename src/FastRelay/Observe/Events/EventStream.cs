using FastRelay.Outside;

namespace FastRelay.Observe;

/// <summary>
/// What became of mail, one JSON line an event, for programs: each acceptance, delivery, deferral and failure of a
/// recipient, and each bounce. It never waits: an event that finds no room is counted, and before the next one that does a
/// <c>gap</c> says how many are missing and since when. Writing allocates nothing. Loop thread.
/// </summary>
/// <param name="sink">Takes whole lines.</param>
/// <param name="time">Wall clock for <c>ts</c>.</param>
/// <param name="counters">Counts events and those that were lost.</param>
/// <param name="log">Told of a gap's begin and end.</param>
/// <param name="age">The bound in age of what waits in the sink; null for none.</param>
public sealed class EventStream(Output sink, TimeProvider time, Counters counters, Log log, EventAge? age = null)
{
    /// <summary>Octets of one line.</summary>
    public const int LineBytes = 8_192;

    private readonly byte[] _line = new byte[LineBytes];
    private readonly byte[] _gap = new byte[256];
    private readonly LogStamp _stamp = new();
    private readonly byte[] _since = new byte[24];
    private long _lost;

    /// <summary>Begins a line.</summary>
    /// <param name="name">Its <c>event</c>.</param>
    public EventLine Begin(ReadOnlySpan<byte> name) => new(this, _line, _stamp.Of(time.GetUtcNow()), name);

    /// <summary>Nothing follows: says what is still missing.</summary>
    public void End()
    {
        CountOld();
        TryTellGap();
    }

    /// <summary>True when one more line would find room now, with the gap that may have to be told before it, and with a line of the log where that goes the same way.</summary>
    public bool HasRoom => sink.HasRoom(3L * LineBytes);

    /// <summary>Waits for <see cref="HasRoom"/>: a start may, which tells faster than any disk writes.</summary>
    /// <returns>False when there was none for ten seconds.</returns>
    internal bool WaitForRoom() => sink.WaitForRoom(3L * LineBytes, TimeSpan.FromSeconds(10));

    /// <summary>Where the stream ends now: what was written before is in the system's hands when <see cref="IsPassed"/> says so.</summary>
    public long Mark => sink.Taken;

    /// <summary>True when a kill of the process would not lose the lines before a <see cref="Mark"/> any more.</summary>
    public bool IsPassed(long mark) => sink.Passed >= mark;

    /// <summary>No line is missing of which no gap has told yet.</summary>
    public bool IsWhole => _lost == 0;

    /// <summary>Asks that what was written so far be made durable, where it goes to a file; <see cref="IsKept"/> says when. Never waits.</summary>
    public void Keep() => sink.MakeDurable();

    /// <summary>True when neither a kill nor, where lines go to a file, a power cut would lose the lines before a <see cref="Mark"/> any more.</summary>
    public bool IsKept(long mark) => sink.Kept >= mark;

    /// <summary>The log that is told of the stream.</summary>
    internal Log Log => log;

    /// <summary>Says what a start has told again.</summary>
    /// <param name="told">Events.</param>
    /// <param name="gaps">Gaps among them.</param>
    internal void Recovered(long told, long gaps)
    {
        counters.EventsRecovered += told;
        log.Line("events_recovered"u8).Add("events"u8, told).Add("gaps"u8, gaps).Write();
    }

    /// <returns>False when it found no room.</returns>
    internal bool Take(ReadOnlySpan<byte> line)
    {
        CountOld();
        if (TryTellGap() && sink.TryWrite(line))
        {
            counters.Events++;
            return true;
        }
        if (_lost++ == 0)
        {
            _stamp.Of(time.GetUtcNow()).CopyTo(_since);
            log.Warn("events_lost"u8).Add("reason"u8, "the reader or the disk is too slow"u8).Write();
        }
        counters.EventsLost++;
        return false;
    }

    /// <summary>What grew too old is known to the thread that writes; it is counted with the next event.</summary>
    private void CountOld()
    {
        if (age?.TakeLost() is > 0 and var lost)
        {
            counters.EventsLost += lost;
            log.Warn("events_lost"u8).Add("reason"u8, "older than events.max_age"u8).Add("lost"u8, lost).Write();
        }
    }

    private bool TryTellGap()
    {
        if (_lost == 0)
        {
            return true;
        }
        // In a buffer of its own: the line that waits to be written is in the other one.
        if (!sink.TryWrite(EventLine.Gap(_gap, _stamp.Of(time.GetUtcNow()), _lost, _since)))
        {
            return false;
        }
        log.Line("events_go_on"u8).Add("lost"u8, _lost).Write();
        _lost = 0;
        return true;
    }
}
