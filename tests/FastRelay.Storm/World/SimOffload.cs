using FastRelay.Outside;

namespace FastRelay.Storm;

/// <summary>Runs jobs inline and completes them through the run queue.</summary>
public sealed class SimOffload(SimHost host) : Offload
{
    public override void Submit(OffloadJob job)
    {
        host.Loop.CheckThread();
        Execute(job);
        host.Loop.Enqueue(job);
    }
}
