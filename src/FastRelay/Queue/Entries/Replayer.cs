using FastRelay.Journal;

namespace FastRelay.Queue;

/// <summary>Rebuilds the entries of a message at a start, from what the journal knows of it.</summary>
internal sealed class Replayer(QueueState queue)
{
    /// <summary>See <see cref="IReplay.Message"/>.</summary>
    public void Message(MessageHandle message, in Envelope envelope, in ReplayState state)
    {
        long order = ++queue.LastOrder;
        EntryFlags flags = envelope.ReversePath.IsEmpty ? EntryFlags.NullReversePath : EntryFlags.None;
        int expire = queue.ExpireSecondsOf(envelope.ArrivalUnixMs);
        Tenant tenant = queue.Tenants.Of(envelope.Tenant);
        int first = 0;
        bool shared = false;
        long movedUnixMs = 0;
        Destination? only = null;
        foreach (EnvelopeRecipient recipient in envelope)
        {
            Destination destination = queue.Destinations.Of(tenant, recipient.Mailbox, order);
            // Settled recipients count as well: they must be told from the pending ones of another destination.
            shared |= only is not null && only != destination;
            only ??= destination;
            if (!state.IsPending(recipient.Index))
            {
                continue;
            }
            bool isNew = destination.LastAdded != order;
            bool tried = state.TryGetDeferred(recipient.Index, out DeferredSet set);
            int due = tried ? DueSeconds(set) : queue.NowSeconds;
            if (isNew)
            {
                destination.LastAdded = order;
                destination.LastEntry = first = queue.New(message, destination, expire, flags, envelope.Priority);
                queue.Slab[first].DueSeconds = due;
            }
            // Where a change of the table has joined one who is held with others, all are: what goes out cannot be taken back.
            queue.Slab[destination.LastEntry].Flags |= state.IsHeld(recipient.Index) ? EntryFlags.Holding : EntryFlags.None;
            MoveTarget? move = tried ? MoveTable.Recall(destination, set.Move) : null;
            // All of a destination go one way: where a change of the table has joined those who were moved with others, the table decides.
            destination.LastMove = isNew || destination.LastMove?.Text == move?.Text ? move : null;
            movedUnixMs = move is null ? movedUnixMs : Math.Max(movedUnixMs, set.Move.UnixMs);
            ref Entry entry = ref queue.Slab[destination.LastEntry];
            // So it is with what is to be bounced: nobody is failed of whom the operator has not said so.
            bool bounced = tried && set.Move.IsBounce && (isNew || entry.IsBounced);
            entry.Flags = bounced ? entry.Flags | EntryFlags.Bouncing : entry.Flags & ~EntryFlags.Bouncing;
            entry.Pending++;
            // The earliest of its recipients decides: one that was not tried in the last round is ready.
            entry.DueSeconds = Math.Min(entry.DueSeconds, due);
            entry.Attempts = (ushort)Math.Max(entry.Attempts, tried ? Math.Clamp(set.Attempts, 0, ushort.MaxValue) : 0);
            entry.Reason = tried && !set.Reason.IsEmpty ? queue.Reasons.Add(set.Reason) : entry.Reason;
        }
        for (int handle = first; handle != 0; handle = queue.Slab[handle].NextOfMessage)
        {
            queue.Slab[handle].Flags |= (shared ? EntryFlags.Shared : EntryFlags.None)
                | (queue.Warner.IsOld(in queue.Slab[handle], queue.NowSeconds, envelope.ArrivalUnixMs) ? EntryFlags.Warned : EntryFlags.None);
            if (queue.Destinations[queue.Slab[handle].Destination].LastMove is { } move)
            {
                queue.Moves.Redirect(handle, move, movedUnixMs);
            }
            GoOn(handle);
        }
    }

    /// <summary>To where it was before the start.</summary>
    private void GoOn(int handle)
    {
        ref Entry entry = ref queue.Slab[handle];
        int waitSeconds = entry.DueSeconds - queue.NowSeconds;
        if (entry.IsBounced)
        {
            queue.Settle(handle);
        }
        else if ((entry.Flags & EntryFlags.Holding) != 0)
        {
            entry.Flags &= ~EntryFlags.Holding;
            queue.Hold(handle);
        }
        else if (waitSeconds > 0)
        {
            queue.Defer(handle, waitSeconds * 1000L);
        }
        else
        {
            queue.MakeReady(handle);
        }
    }

    /// <summary>When what was recorded of the last attempt is due, on the loop's scale in seconds.</summary>
    private int DueSeconds(in DeferredSet set)
    {
        // A stored time further off than the longest wait comes from a clock that has jumped.
        long wait = Math.Clamp(set.NextDueUnixMs - queue.UnixMs, 0, queue.Options.LongestWaitMs);
        return (int)((queue.World.Loop.NowMs + wait + 999) / 1000);
    }
}
