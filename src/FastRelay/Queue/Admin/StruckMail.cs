using FastRelay.Journal;

namespace FastRelay.Queue;

/// <summary>
/// Recipients that the operator has struck out of an entry, to be removed or bounced while others stay: a route's mail may be for
/// many domains. They are settled as what is settled without an attempt, between two states of their entry. Loop thread.
/// </summary>
internal static class StruckMail
{
    /// <summary>Strikes out: what waits is settled at once, and what is being delivered when it comes back.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="handle">An entry with other recipients too.</param>
    /// <param name="recipients">Pending ones of it.</param>
    /// <param name="text">What their sender is told; null where nobody is.</param>
    /// <returns>False when that was so already.</returns>
    public static bool Strike(QueueState queue, int handle, ReadOnlySpan<int> recipients, byte[]? text)
    {
        ref Entry entry = ref queue.Slab[handle];
        EntryExtra extra = queue.Extra(handle);
        Dictionary<int, byte[]?> struck = extra.Struck ?? [];
        bool changed = false;
        foreach (int recipient in recipients)
        {
            // Between two slices of the operator's work it may have been settled.
            bool waits = queue.Journal.IsPending(new MessageHandle(entry.Message), recipient) && !extra.Failed.Contains(recipient);
            // What he has removed is not bounced any more; what he bounces he may still remove.
            if (waits && (text is null || !struck.TryGetValue(recipient, out byte[]? before) || before is not null))
            {
                changed |= !struck.TryGetValue(recipient, out before) || !before.AsSpan().SequenceEqual(text);
                struck[recipient] = text;
            }
        }
        if (!changed)
        {
            return false;
        }
        extra.Struck = struck;
        extra.StruckAgainSeconds = 0;
        EntryState state = entry.State;
        if (state is not (EntryState.Ready or EntryState.Deferred or EntryState.Held))
        {
            return true;
        }
        queue.TakeOut(handle);
        if (state == EntryState.Held)
        {
            queue.Hold(handle);
            return true;
        }
        GoFirst(queue, handle, state == EntryState.Deferred ? entry.DueSeconds : 0);
        return true;
    }

    /// <summary>An entry that goes to another state settles first whom the operator has struck out.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="handle">In no list.</param>
    /// <param name="goesOnSeconds">When its others go on, on the loop's scale in seconds; 0 at once.</param>
    /// <param name="rests">It does not come back here by itself, as from a hold.</param>
    /// <returns>True when it does, and goes on by <see cref="GoOn"/>.</returns>
    public static bool GoFirst(QueueState queue, int handle, int goesOnSeconds, bool rests = false)
    {
        if (queue.ExtraOrNone(handle) is not { Struck: { } struck } extra
            || (!rests && queue.NowSeconds < extra.StruckAgainSeconds && struck.Count < queue.Slab[handle].Pending))
        {
            return false;
        }
        extra.GoesOnSeconds = Math.Max(extra.GoesOnSeconds, goesOnSeconds);
        queue.Settle(handle);
        return true;
    }

    /// <summary>An entry's report is over: who is settled, or waits to be told of, is struck out no more.</summary>
    /// <returns>False when nobody was struck out.</returns>
    public static bool Settled(QueueState queue, int handle, ReadOnlySpan<RecipientOutcome> outcomes)
    {
        if (queue.ExtraOrNone(handle) is not { Struck: { } struck } extra)
        {
            return false;
        }
        foreach (ref readonly RecipientOutcome outcome in outcomes)
        {
            if (outcome.Result != RecipientResult.Deferred)
            {
                struck.Remove(outcome.Index);
            }
        }
        foreach (int failed in extra.Failed)
        {
            struck.Remove(failed);
        }
        extra.Struck = struck.Count > 0 ? struck : null;
        return true;
    }

    /// <summary>The others go on as they would have, also while the sender of those who are struck out cannot be told.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="handle">In no list.</param>
    /// <param name="untoldMs">After how long it is tried again to tell the sender, who could not be told; else 0.</param>
    public static void GoOn(QueueState queue, int handle, long untoldMs)
    {
        EntryExtra extra = queue.Extra(handle);
        if (untoldMs > 0)
        {
            ref Entry entry = ref queue.Slab[handle];
            if (extra.Struck is null || extra.Struck.Count >= entry.Pending || (entry.Flags & (EntryFlags.Holding | EntryFlags.Removing)) != 0
                || queue.NowSeconds >= entry.ExpireSeconds || queue.Destinations[entry.Destination].IsSettledByPlan)
            {
                // There are no others, or none that would be sent.
                queue.Defer(handle, untoldMs, pastExpiry: true);
                return;
            }
            extra.StruckAgainSeconds = queue.NowSeconds + (int)(untoldMs / 1000);
        }
        long delayMs = Math.Max(0, extra.GoesOnSeconds - queue.NowSeconds) * 1000L;
        extra.GoesOnSeconds = 0;
        queue.Reporter.MoveOn(handle, delayMs, ReadyPlace.Released);
    }

    /// <summary>True for a recipient that is struck out without anybody being told.</summary>
    public static bool IsRemoved(QueueState queue, int handle, int recipient) =>
        queue.ExtraOrNone(handle)?.Struck is { } struck && struck.TryGetValue(recipient, out byte[]? text) && text is null;
}
