using System.Text;
using FastRelay.Journal;

namespace FastRelay.Queue;

/// <summary>What came of a part of a deed.</summary>
/// <param name="Count">Messages for which it was done.</param>
/// <param name="Next">Where the next part begins; -1 when this was the last.</param>
/// <param name="End">Places of the queue's index: how far <paramref name="Next"/> is of the whole.</param>
public readonly record struct QueuePart(long Count, int Next, int End)
{
    /// <summary><see cref="QueueFilter.Before"/> of the parts that follow: mail that came after the first is none of theirs.</summary>
    public MessageId Before { get; init; }

    /// <summary>Messages of which something was left alone: it can only be changed as a whole, and has recipients whom the filter does not select.</summary>
    public long Left { get; init; }

    /// <summary>What it came to for which of the messages that were selected.</summary>
    public required DeedTally Tally { get; init; }
}

/// <summary>What the operator has done to an entry. Loop thread.</summary>
public sealed class QueueDeed
{
    /// <summary>Words of recipient bits that are no garbage: the recipients of nearly every message.</summary>
    private const int WordsOnStack = 16;

    private readonly Func<QueueState, PickedEntry, BodyReader?, DeedResult> _do;

    private QueueDeed(Func<QueueState, int, DeedResult> act)
        : this((queue, picked, _) => act(queue, picked.Handle))
    {
    }

    private QueueDeed(Func<QueueState, PickedEntry, BodyReader?, DeedResult> act) => _do = act;

    /// <summary>It is done to an entry as a whole, and not to one that has recipients whom the filter does not select.</summary>
    internal bool IsForWhole { get; private init; }

    /// <summary>It has to know the recipients of a message with several destinations.</summary>
    internal bool ReadsEnvelope { get; private init; }

    /// <summary>It writes to the journal, and waits while the disk is behind.</summary>
    internal bool IsRecorded { get; private init; }

    /// <summary>Nothing: it is counted.</summary>
    public static QueueDeed Look { get; } = new(static (QueueState _, int _) => DeedResult.Seen);

    /// <summary>See <see cref="QueueAdmin.RetryAsync"/>.</summary>
    public static QueueDeed Retry { get; } = new(DoRetry);

    /// <summary>See <see cref="QueueAdmin.RemoveAsync"/>.</summary>
    public static QueueDeed Remove { get; } = new(static (queue, picked, _) => DoRemove(queue, picked));

    /// <summary>See <see cref="QueueAdmin.HoldAsync"/>.</summary>
    public static QueueDeed Hold { get; } = new(static (queue, picked, body) => DoHold(queue, picked.Handle, body)) { ReadsEnvelope = true, IsRecorded = true };

    /// <summary>See <see cref="QueueAdmin.ReleaseAsync"/>.</summary>
    public static QueueDeed Release { get; } = new(static (queue, picked, body) => DoRelease(queue, picked.Handle, body)) { ReadsEnvelope = true, IsRecorded = true };

    /// <summary>See <see cref="QueueAdmin.BounceAsync"/>.</summary>
    public static QueueDeed Bounce(string text)
    {
        byte[] ascii = Encoding.ASCII.GetBytes(text);
        return new QueueDeed((queue, picked, body) => DoBounce(queue, picked, ascii, body)) { ReadsEnvelope = true, IsRecorded = true };
    }

    /// <summary>See <see cref="QueueAdmin.MoveAsync"/>.</summary>
    /// <param name="target">Where to; null takes moves back.</param>
    /// <param name="unixMs">When the operator said so, Unix ms.</param>
    public static QueueDeed Move(MoveTarget? target, long unixMs) =>
        new((queue, picked, body) => DoMove(queue, picked.Handle, target, unixMs, body)) { ReadsEnvelope = true, IsRecorded = true, IsForWhole = true };

    /// <summary>Does it.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="picked">The entry, and who of it.</param>
    /// <param name="body">With the envelope of a message with several destinations, when <see cref="ReadsEnvelope"/>; else null.</param>
    internal DeedResult Do(QueueState queue, PickedEntry picked, BodyReader? body) => _do(queue, picked, body);

    private static DeedResult DoMove(QueueState queue, int handle, MoveTarget? target, long unixMs, BodyReader? body)
    {
        ref Entry entry = ref queue.Slab[handle];
        bool ending = IsEnding(queue, handle);
        if (ending || queue.Moves.IsThere(handle, target))
        {
            return ending ? DeedResult.Ending : DeedResult.Already;
        }
        DeedResult result = WhenDone(entry.State);
        queue.Moves.Move(handle, target, unixMs, body);
        return result;
    }

    private static DeedResult DoRetry(QueueState queue, int handle)
    {
        ref Entry entry = ref queue.Slab[handle];
        if (IsEnding(queue, handle))
        {
            return DeedResult.Ending;
        }
        Destination destination = queue.Destinations[entry.Destination];
        queue.Destinations.Forgive(destination);
        if (destination.Site is { } site)
        {
            queue.Sites.Dispatcher?.ForgiveHosts(site);
            if (queue.Gears.Of(site) != SiteGear.Normal || site.Budget.Learned is not null)
            {
                queue.Backoffs.Forgive(site);
            }
        }
        if (entry.State == EntryState.Deferred)
        {
            queue.TakeOut(handle);
            queue.MakeReady(handle);
            return DeedResult.Done;
        }
        if (entry.IsHeld)
        {
            return DeedResult.Held;
        }
        if (entry.State is EntryState.InFlight or EntryState.Settling)
        {
            entry.Flags |= EntryFlags.RetryWanted;
        }
        return WhenDone(entry.State);
    }

    private static DeedResult DoRemove(QueueState queue, PickedEntry picked)
    {
        int handle = picked.Handle;
        ref Entry entry = ref queue.Slab[handle];
        // What is being settled ends by being removed, whatever it was settled for.
        DeedResult result = entry.IsDropped ? DeedResult.Already : entry.State == EntryState.InFlight ? DeedResult.Later : DeedResult.Done;
        if (picked.Only is { } only)
        {
            return !entry.IsDropped && StruckMail.Strike(queue, handle, only, null) ? result : DeedResult.Already;
        }
        // Also what was to be bounced, and has not been yet: the last word counts.
        entry.Flags = (entry.Flags & ~EntryFlags.Bouncing) | EntryFlags.Removing;
        if (queue.ExtraOrNone(handle) is { } extra)
        {
            extra.Struck = null;
        }
        Settle(queue, handle, entry.State);
        return result;
    }

    private static DeedResult DoBounce(QueueState queue, PickedEntry picked, byte[] text, BodyReader? body)
    {
        int handle = picked.Handle;
        ref Entry entry = ref queue.Slab[handle];
        if ((entry.Flags & EntryFlags.Removing) != 0)
        {
            return entry.IsDropped ? DeedResult.Ending : DeedResult.Already;
        }
        DeedResult result = WhenDone(entry.State);
        if (picked.Only is { } only)
        {
            return StruckMail.Strike(queue, handle, only, text) ? result : DeedResult.Already;
        }
        entry.Flags |= EntryFlags.Bouncing;
        entry.Reason = queue.Reasons.Add(text);
        queue.Moves.RecordBounce(handle, body);
        Settle(queue, handle, entry.State);
        return result;
    }

    private static DeedResult WhenDone(EntryState state) => state is EntryState.InFlight or EntryState.Settling ? DeedResult.Later : DeedResult.Done;

    /// <summary>Where only some of its recipients are struck out, the others go on.</summary>
    private static bool IsEnding(QueueState queue, int handle) =>
        queue.Slab[handle].IsEnding && ((queue.Slab[handle].Flags & EntryFlags.Removing) != 0 || queue.ExtraOrNone(handle) is not { Struck: not null });

    private static void Settle(QueueState queue, int handle, EntryState state)
    {
        if (state is EntryState.Ready or EntryState.Deferred or EntryState.Held)
        {
            queue.TakeOut(handle);
            queue.Settle(handle);
        }
    }

    private static DeedResult DoHold(QueueState queue, int handle, BodyReader? body)
    {
        ref Entry entry = ref queue.Slab[handle];
        bool ending = IsEnding(queue, handle);
        if (ending || entry.IsHeld)
        {
            return ending ? DeedResult.Ending : DeedResult.Already;
        }
        RecordHold(queue, in entry, true, body);
        if (entry.State is EntryState.InFlight or EntryState.Settling)
        {
            entry.Flags |= EntryFlags.Holding;
            return DeedResult.Later;
        }
        queue.TakeOut(handle);
        queue.Hold(handle);
        return DeedResult.Done;
    }

    private static DeedResult DoRelease(QueueState queue, int handle, BodyReader? body)
    {
        ref Entry entry = ref queue.Slab[handle];
        bool ending = IsEnding(queue, handle);
        if (ending || !entry.IsHeld)
        {
            return ending ? DeedResult.Ending : DeedResult.Already;
        }
        RecordHold(queue, in entry, false, body);
        entry.Flags &= ~EntryFlags.Holding;
        if (entry.State == EntryState.Held)
        {
            queue.TakeOut(handle);
            queue.MakeReady(handle);
        }
        return DeedResult.Done;
    }

    /// <summary>
    /// For the recipients of the entry alone: the message's others are none of its business. Also for those whose bounce is not
    /// durable: if a crash brings them back, they are where the others are.
    /// </summary>
    private static void RecordHold(QueueState queue, in Entry entry, bool hold, BodyReader? body)
    {
        var message = new MessageHandle(entry.Message);
        if ((entry.Flags & EntryFlags.Shared) == 0)
        {
            queue.Journal.Holds.Set(message, hold);
            return;
        }
        int count = (queue.Journal.RecipientCount(message) + 63) / 64;
        Span<ulong> recipients = count <= WordsOnStack ? stackalloc ulong[count] : new ulong[count];
        recipients.Clear();
        Destination destination = queue.Destinations[entry.Destination];
        foreach (EnvelopeRecipient recipient in body!.Envelope)
        {
            recipients[recipient.Index >> 6] |= destination.Serves(recipient.Mailbox) ? 1UL << (recipient.Index & 63) : 0;
        }
        queue.Journal.Holds.Set(message, recipients, hold);
    }
}
