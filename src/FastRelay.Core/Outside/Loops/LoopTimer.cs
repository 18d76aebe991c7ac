namespace FastRelay.Outside;

/// <summary>
/// A deadline embedded in its owner. When due, <paramref name="onDue"/> is run from the loop's queue. Arming, moving and
/// disarming cost a few writes: sessions move theirs with every command. A timer that is moved or cancelled between
/// being due and its turn in the queue does not run. An owner of which there are thousands derives from it instead.
/// </summary>
/// <param name="loop">The loop that owns it.</param>
/// <param name="onDue">Run when the time has come; it sees <see cref="IsArmed"/> false. Null where <see cref="OnDue"/> is replaced.</param>
public class LoopTimer(Loop loop, LoopItem? onDue) : LoopItem
{
    internal LoopTimer? Next;
    internal LoopTimer? Previous;
    internal int Slot = -1;

    /// <summary>True from being due until it ran, was moved or was cancelled.</summary>
    internal bool IsDue;

    /// <summary>Due time on the loop's <see cref="Loop.NowMs"/> scale; <see cref="long.MaxValue"/> when not armed.</summary>
    public long DueMs { get; internal set; } = long.MaxValue;

    /// <summary>True from <see cref="After"/> until due or <see cref="Cancel"/>.</summary>
    public bool IsArmed => DueMs != long.MaxValue;

    /// <summary>Arms, or moves, to <paramref name="delayMs"/> milliseconds from now (0 or more; later by up to 16 ms, never earlier).</summary>
    public void After(long delayMs) => loop.SetTimer(this, loop.NowMs + delayMs);

    /// <summary>Disarms.</summary>
    public void Cancel() => loop.CancelTimer(this);

    /// <summary>The loop that owns it.</summary>
    protected Loop Loop => loop;

    /// <inheritdoc/>
    protected internal sealed override void Run()
    {
        if (IsDue)
        {
            IsDue = false;
            OnDue();
        }
    }

    /// <summary>The time has come.</summary>
    protected virtual void OnDue() => onDue!.Run();
}
