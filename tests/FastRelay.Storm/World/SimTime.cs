namespace FastRelay.Storm;

/// <summary>Virtual time: moves only when the universe moves it.</summary>
public sealed class SimTime : TimeProvider
{
    private static readonly DateTimeOffset Start = new(2026, 3, 28, 23, 50, 0, TimeSpan.Zero);

    /// <summary>Nanoseconds since the universe began.</summary>
    public long NowNs { get; private set; }

    /// <summary>Milliseconds since the universe began.</summary>
    public long NowMs => NowNs / 1_000_000;

    public override long TimestampFrequency => 1_000_000_000;

    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    public void MoveTo(long ns)
    {
        if (ns > NowNs)
        {
            NowNs = ns;
        }
    }

    public override long GetTimestamp() => NowNs;

    public override DateTimeOffset GetUtcNow() => Start.AddTicks(NowNs / 100);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        throw new NotSupportedException("timers belong to the loop");
}
