using System.Text;
using FastRelay.Journal;
using FastRelay.Routing;

namespace FastRelay.Queue;

/// <summary>
/// Mail that the operator has moved to another next hop (docs/decisions/0023). An entry that is moved changes its destination for
/// one that serves the same recipients by another route; the journal keeps it with the last outcome of each recipient. Loop thread.
/// </summary>
internal sealed class MoveTable(QueueState queue, Router router)
{
    /// <summary>Recipients that one record of a move names.</summary>
    private const int PieceMax = 100;

    private RecipientOutcome[] _named = new RecipientOutcome[16];

    /// <summary>True when an entry goes elsewhere, or back, once its delivery is over.</summary>
    public bool IsWanted(int handle) => queue.ExtraOrNone(handle) is { MoveWanted: true };

    /// <summary>Where an entry is moved to: what is wanted of one that is being delivered.</summary>
    public RecordedMove NoteOf(int handle)
    {
        if (queue.ExtraOrNone(handle) is { MoveWanted: true } extra)
        {
            return extra.MoveTo is null ? default : new RecordedMove(extra.MoveTo.Utf8Text, extra.MovedUnixMs);
        }
        Destination head = queue.Destinations[queue.Slab[handle].Destination].Head;
        return head.MoveTarget is null ? default : new RecordedMove(head.MoveTarget.Utf8Text, head.MovedUnixMs);
    }

    /// <summary>What the journal is to keep of an entry that is put off: where it is moved to, or that the operator fails it.</summary>
    public RecordedMove RecordOf(int handle) =>
        queue.Slab[handle].IsBounced ? new RecordedMove(RecordedMove.Bounce, queue.UnixMs) : NoteOf(handle);

    /// <summary>True when moving an entry there would change nothing.</summary>
    public bool IsThere(int handle, MoveTarget? target)
    {
        MoveTarget? now = queue.ExtraOrNone(handle) is { MoveWanted: true } extra
            ? extra.MoveTo
            : queue.Destinations[queue.Slab[handle].Destination].Head.MoveTarget;
        return now?.Text == target?.Text;
    }

    /// <summary>
    /// Moves an entry and records it: at once and to be tried at once, one that is held stays held, and one that is being
    /// delivered goes there with what is left of it.
    /// </summary>
    /// <param name="handle">Not one that is being settled as a whole.</param>
    /// <param name="target">Where; null for what the configuration says.</param>
    /// <param name="unixMs">When the operator said so.</param>
    /// <param name="body">With the envelope; may be null when the message has this destination alone.</param>
    public void Move(int handle, MoveTarget? target, long unixMs, BodyReader? body)
    {
        ref Entry entry = ref queue.Slab[handle];
        EntryState state = entry.State;
        EntryExtra extra = queue.Extra(handle);
        (extra.MoveWanted, extra.MoveTo, extra.MovedUnixMs) = (true, target, unixMs);
        Record(handle, in entry, body, queue.UnixMs);
        if (state is EntryState.InFlight or EntryState.Settling)
        {
            return;
        }
        queue.TakeOut(handle);
        Landed(handle);
        if (state == EntryState.Held)
        {
            queue.Hold(handle);
        }
        else
        {
            queue.MakeReady(handle);
        }
    }

    /// <summary>An entry is in no list: goes where it was to go when its delivery is over.</summary>
    /// <returns>True when it was to go anywhere.</returns>
    public bool Landed(int handle)
    {
        if (queue.ExtraOrNone(handle) is not { MoveWanted: true } extra)
        {
            return false;
        }
        ref Entry entry = ref queue.Slab[handle];
        // All who are left are tried there, also those whom this round has put off already.
        entry.Attempts += (entry.Flags & EntryFlags.RoundDeferred) != 0 && entry.Attempts < ushort.MaxValue ? (ushort)1 : (ushort)0;
        // With Removing it means that the operator's bounce is owed.
        entry.Flags &= (entry.Flags & EntryFlags.Removing) != 0 ? ~EntryFlags.RoundDeferred : ~(EntryFlags.RoundDeferred | EntryFlags.RetryWanted);
        Redirect(handle, extra.MoveTo, extra.MovedUnixMs);
        (extra.Cursor, extra.NextCursor, extra.MoveWanted, extra.MoveTo) = (0, -1, false, null);
        if (extra is { Failed.Count: 0, Struck: null })
        {
            queue.DropExtra(handle);
        }
        return true;
    }

    /// <summary>Gives an entry that is in no list the destination of a target; that of its home when the target's row is gone.</summary>
    public void Redirect(int handle, MoveTarget? target, long unixMs)
    {
        Destination from = queue.Destinations[queue.Slab[handle].Destination];
        Destination to = target is null ? from.Home : Of(from.Home, target) ?? from.Home;
        if (to != from.Home)
        {
            to.MovedUnixMs = Math.Max(to.MovedUnixMs, unixMs);
        }
        queue.Sources.Move(handle, from, queue.Sources.AnyWayOf(to));
    }

    /// <summary>What the journal has kept of a recipient's move; null when it has none, or it cannot be read.</summary>
    /// <param name="home">By which the recipient goes without it.</param>
    /// <param name="move">As it was recorded.</param>
    public static MoveTarget? Recall(Destination home, in RecordedMove move)
    {
        if (move.Target.IsEmpty)
        {
            return null;
        }
        if (home.LastMove is { } last && move.Target.SequenceEqual(last.Utf8Text))
        {
            return last;
        }
        foreach (Destination moved in home.Home.Moved ?? [])
        {
            if (move.Target.SequenceEqual(moved.MoveTarget!.Utf8Text))
            {
                return moved.MoveTarget;
            }
        }
        return MoveTarget.TryParse(Encoding.UTF8.GetString(move.Target), out MoveTarget? target, out _) ? target : null;
    }

    /// <summary>Where moved mail of a home goes; null when the target has no route.</summary>
    private Destination? Of(Destination home, MoveTarget target)
    {
        foreach (Destination known in home.Moved ?? [])
        {
            if (known.MoveTarget!.Text == target.Text)
            {
                return known;
            }
        }
        if (target.RouteBy(router) is { } route)
        {
            return queue.Destinations.MakeMoved(home, target, route);
        }
        queue.Log.Warn("move_ended"u8).Add("destination"u8, home.Key).Add("to"u8, target.Text).Add("reason"u8, "no row of the configuration has this pattern and names a host"u8).Write();
        return null;
    }

    /// <summary>
    /// Records that an entry waits, of whose attempt nobody reports: a start goes by it. Not for a message with several destinations,
    /// whose envelope would have to be read for it, nor on a disk that takes nothing.
    /// </summary>
    public void RecordWait(int handle, long dueUnixMs)
    {
        ref Entry entry = ref queue.Slab[handle];
        if ((entry.Flags & EntryFlags.Shared) == 0 && queue.Journal.HasOutcomeRoom)
        {
            Record(handle, in entry, null, dueUnixMs);
        }
    }

    /// <summary>Records that the operator fails an entry, with his words as its reason: its bounce may have to wait, and a start is not to deliver it.</summary>
    /// <param name="handle">In any state.</param>
    /// <param name="body">As for <see cref="Move"/>.</param>
    public void RecordBounce(int handle, BodyReader? body)
    {
        ref Entry entry = ref queue.Slab[handle];
        Record(handle, in entry, body, queue.UnixMs);
    }

    /// <summary>
    /// One outcome for all who are left, with the attempts that were made: it is the last word on each of them. Also for those
    /// whose bounce is not durable: if a crash brings them back, they are where the others are.
    /// </summary>
    private void Record(int handle, in Entry entry, BodyReader? body, long dueUnixMs)
    {
        var message = new MessageHandle(entry.Message);
        int count = 0;
        if ((entry.Flags & EntryFlags.Shared) == 0)
        {
            int recipients = queue.Journal.RecipientCount(message);
            for (int i = 0; i < recipients; i++)
            {
                count = Name(message, i, count);
            }
        }
        else
        {
            Destination destination = queue.Destinations[entry.Destination];
            foreach (EnvelopeRecipient recipient in body!.Envelope)
            {
                count = destination.Serves(recipient.Mailbox) ? Name(message, recipient.Index, count) : count;
            }
        }
        if (count > 0)
        {
            int attempts = Math.Min(ushort.MaxValue, entry.Attempts + ((entry.Flags & EntryFlags.RoundDeferred) != 0 ? 1 : 0));
            // In pieces: a start reads a record once for each recipient in it.
            for (int from = 0; from < count; from += PieceMax)
            {
                queue.Journal.RecordOutcome(message, _named.AsSpan(from, Math.Min(PieceMax, count - from)), dueUnixMs, attempts, queue.Reasons.Text(entry.Reason), RecordOf(handle));
            }
        }
    }

    private int Name(MessageHandle message, int recipient, int count)
    {
        if (!queue.Journal.IsPending(message, recipient))
        {
            return count;
        }
        if (count == _named.Length)
        {
            Array.Resize(ref _named, count * 2);
        }
        _named[count] = new RecipientOutcome(recipient, RecipientResult.Deferred);
        return count + 1;
    }
}
