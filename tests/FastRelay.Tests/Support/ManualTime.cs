using FastRelay.Outside;

namespace FastRelay.Tests.Support;

/// <summary>A clock that moves when it is told to; the wall clock can jump on its own.</summary>
public sealed class ManualTime : TimeProvider
{
    private long _ticks;
    private DateTimeOffset _wall = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => _ticks;

    public override DateTimeOffset GetUtcNow() => _wall;

    public void Advance(long milliseconds)
    {
        _ticks += milliseconds * TimeSpan.TicksPerMillisecond;
        _wall = _wall.AddMilliseconds(milliseconds);
    }

    public void JumpWall(TimeSpan by) => _wall += by;
}

/// <summary>Nothing ever comes from outside.</summary>
public sealed class QuietPoller : Poller
{
    public override void Poll(Loop loop, int timeoutMs)
    {
    }

    public override void Wake()
    {
    }

    public override void Dispose()
    {
    }
}

/// <summary>A loop on a manual clock, turned by the test.</summary>
public sealed class ManualLoop
{
    public ManualLoop()
    {
        // As in production: what is awaited comes back from the loop, not from the test runner's own queue.
        SynchronizationContext.SetSynchronizationContext(null);
        Loop = new Loop(Time, new QuietPoller());
        Loop.Adopt();
    }

    public ManualTime Time { get; } = new();

    public Loop Loop { get; }

    /// <summary>Turns until nothing is queued.</summary>
    public void Settle()
    {
        SynchronizationContext.SetSynchronizationContext(null);
        for (int i = 0; i < 100_000; i++)
        {
            if (!Loop.Turn(canSleep: false) && Loop.QueueLength == 0)
            {
                return;
            }
        }
        throw new InvalidOperationException("the loop does not come to rest");
    }

    /// <summary>Lets time pass in steps, so that timers fire in their order.</summary>
    public void Pass(long milliseconds, long step = 1000)
    {
        Settle();
        for (long passed = 0; passed < milliseconds; passed += step)
        {
            Time.Advance(Math.Min(step, milliseconds - passed));
            Settle();
        }
    }

    /// <summary>The result of an operation that ends by itself.</summary>
    public T Wait<T>(ValueTask<T> operation)
    {
        Task<T> task = operation.AsTask();
        Settle();
        return task.IsCompleted ? task.GetAwaiter().GetResult() : throw new InvalidOperationException("it does not end");
    }
}
