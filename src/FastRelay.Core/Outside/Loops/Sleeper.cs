namespace FastRelay.Outside;

/// <summary>A wait that is a field of its owner; the loop's replacement for <c>Task.Delay</c>.</summary>
public sealed class Sleeper : LoopItem
{
    private readonly LoopTimer _timer;
    private readonly Signal<bool> _signal;

    /// <summary>Creates a sleeper on a loop.</summary>
    public Sleeper(Loop loop)
    {
        _timer = new LoopTimer(loop, this);
        _signal = new Signal<bool>(loop);
    }

    /// <summary>Waits; one waiter at a time.</summary>
    /// <returns>True when the time passed, false when <see cref="Wake"/> came first.</returns>
    public ValueTask<bool> SleepAsync(long delayMs)
    {
        _signal.Reset();
        _timer.After(delayMs);
        return _signal.WaitAsync();
    }

    /// <summary>Ends a sleep early; does nothing when nobody sleeps or the time has passed.</summary>
    public void Wake()
    {
        // Armed, or due and not yet run: in both cases the sleeper has not been told anything.
        if (_signal.IsWaiting && (_timer.IsArmed || _timer.IsDue))
        {
            _timer.Cancel();
            _signal.Set(false);
        }
    }

    /// <inheritdoc/>
    protected internal override void Run() => _signal.Set(true);
}
