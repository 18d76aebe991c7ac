using FastRelay.Queue;

namespace FastRelay.Tests.Support;

/// <summary>A change of the configuration, waited for.</summary>
internal static class QueueChanges
{
    /// <summary>Turns the loop until all of it is in force.</summary>
    public static long Change(this MessageQueue queue, QueueOptions options, Limits limits)
    {
        Task<long> change = queue.ChangeAsync(options, limits).AsTask();
        while (!change.IsCompleted)
        {
            queue.State.World.Loop.Turn(canSleep: false);
        }
        return change.GetAwaiter().GetResult();
    }
}
