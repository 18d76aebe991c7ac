namespace FastRelay.Outside;

/// <summary>CPU-heavy work that would stall a loop: private-key operations, certificate chains.</summary>
public abstract class OffloadJob : LoopItem
{
    /// <summary>Runs on a pool thread; then <see cref="LoopItem.Run"/> runs on the loop.</summary>
    protected internal abstract void Execute();
}

/// <summary>A bounded pool for <see cref="OffloadJob"/>s. The simulator runs them inline.</summary>
public abstract class Offload
{
    /// <summary>Queues a job; loop thread.</summary>
    public abstract void Submit(OffloadJob job);

    /// <summary>Runs the pool's part of a job, for implementations that live in other assemblies.</summary>
    protected static void Execute(OffloadJob job) => job.Execute();
}
