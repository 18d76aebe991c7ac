namespace FastRelay.Outside;

/// <summary>
/// One thing that a <see cref="Loop"/> will run: embedded in its owner (a session, a delivery, a commit), so that
/// queues of items are bounded by construction and never allocate.
/// </summary>
public abstract class LoopItem
{
    /// <summary>1 while in a queue: an item is queued at most once, whoever asks and however often.</summary>
    internal int Queued;

    /// <summary>Link of the list of items posted by other threads.</summary>
    internal LoopItem? NextPosted;

    /// <summary>Called on the loop's thread at the top of the stack.</summary>
    protected internal abstract void Run();
}
