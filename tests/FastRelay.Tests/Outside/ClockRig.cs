using FastRelay.Outside;

namespace FastRelay.Tests.Outside;

/// <summary>A loop on a clock that only the test moves, with a poller that has no events.</summary>
internal sealed class ClockRig : IDisposable
{
    private readonly Clock _clock = new();
    private readonly NoEvents _poller = new();

    public ClockRig(Random? pick = null) => Loop = new Loop(_clock, _poller, pick);

    public Loop Loop { get; }

    /// <summary>How long the loop wanted to sleep, ms, when last allowed to.</summary>
    public int LastWaitMs => _poller.LastWaitMs;

    /// <summary>Moves the clock, and turns the loop once.</summary>
    public void Advance(long milliseconds)
    {
        _clock.NowMs += milliseconds;
        Loop.Turn(canSleep: true);
    }

    /// <summary>Moves the clock under whoever runs.</summary>
    public void Pass(long milliseconds) => _clock.NowMs += milliseconds;

    public void Dispose() => _poller.Dispose();

    private sealed class Clock : TimeProvider
    {
        public long NowMs { get; set; } = 12_345;

        public override long TimestampFrequency => 1_000;

        public override long GetTimestamp() => NowMs;
    }

    private sealed class NoEvents : Poller
    {
        public int LastWaitMs { get; private set; }

        public override void Poll(Loop loop, int timeoutMs) => LastWaitMs = timeoutMs;

        public override void Wake()
        {
        }

        public override void Dispose()
        {
        }
    }
}
