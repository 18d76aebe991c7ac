using FastRelay.Journal;

namespace FastRelay.Queue;

/// <summary>The times of an entry on the loop's scale, from those that are stored by the wall clock.</summary>
internal readonly struct EntryTimes(QueueState queue)
{
    /// <summary>When a message is given up, in seconds.</summary>
    public int ExpireSeconds(long arrivalUnixMs)
    {
        long age = Math.Max(0, queue.UnixMs - arrivalUnixMs);
        return (int)((queue.World.Loop.NowMs + Math.Max(0, queue.Options.ExpireMs - age) + 999) / 1000);
    }

    /// <summary>When a recipient is due by what was recorded of its last attempt, on the loop's scale in seconds.</summary>
    public int RecallAttempt(in ReplayState state, int index, out int attempts, out int reason)
    {
        if (!state.TryGetDeferred(index, out DeferredSet set))
        {
            attempts = reason = 0;
            return queue.NowSeconds;
        }
        attempts = Math.Clamp(set.Attempts, 0, ushort.MaxValue);
        reason = set.Reason.IsEmpty ? 0 : queue.Reasons.Add(set.Reason);
        // A stored time further off than the longest wait comes from a clock that has jumped.
        long wait = Math.Clamp(set.NextDueUnixMs - queue.UnixMs, 0, queue.Options.LongestWaitMs);
        return (int)((queue.World.Loop.NowMs + wait + 999) / 1000);
    }
}
