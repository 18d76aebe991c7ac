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

    /// <summary>What it came to for which of the messages that were selected.</summary>
    public required DeedTally Tally { get; init; }
}

/// <summary>What the operator has done to an entry. Loop thread.</summary>
public sealed class QueueDeed
{
    /// <summary>Words of recipient bits that are no garbage: the recipients of nearly every message.</summary>
    private const int WordsOnStack = 16;

    private readonly Func<QueueState, int, BodyReader?, DeedResult> _do;

    private QueueDeed(Func<QueueState, int, DeedResult> act)
        : this((queue, handle, _) => act(queue, handle))
    {
    }

    private QueueDeed(Func<QueueState, int, BodyReader?, DeedResult> act) => _do = act;

    /// <summary>It has to know the recipients of a message with several destinations.</summary>
    internal bool ReadsEnvelope { get; private init; }

    /// <summary>It writes to the journal, and waits while the disk is behind.</summary>
    internal bool IsRecorded { get; private init; }

    /// <summary>Nothing: it is counted.</summary>
    public static QueueDeed Look { get; } = new(static (_, _) => DeedResult.Seen);

    /// <summary>See <see cref="QueueAdmin.RetryAsync"/>.</summary>
    public static QueueDeed Retry { get; } = new(DoRetry);

    /// <summary>See <see cref="QueueAdmin.RemoveAsync"/>.</summary>
    public static QueueDeed Remove { get; } = new(DoRemove);

    /// <summary>See <see cref="QueueAdmin.HoldAsync"/>.</summary>
    public static QueueDeed Hold { get; } = new(DoHold) { ReadsEnvelope = true, IsRecorded = true };

    /// <summary>See <see cref="QueueAdmin.ReleaseAsync"/>.</summary>
    public static QueueDeed Release { get; } = new(DoRelease) { ReadsEnvelope = true, IsRecorded = true };

    /// <summary>See <see cref="QueueAdmin.BounceAsync"/>.</summary>
    public static QueueDeed Bounce(string text)
    {
        byte[] ascii = Encoding.ASCII.GetBytes(text);
        return new QueueDeed((queue, handle) => DoBounce(queue, handle, ascii));
    }

    /// <summary>See <see cref="QueueAdmin.MoveAsync"/>.</summary>
    /// <param name="target">Where to; null takes moves back.</param>
    /// <param name="unixMs">When the operator said so, Unix ms.</param>
    public static QueueDeed Move(MoveTarget? target, long unixMs) =>
        new((queue, handle, body) => DoMove(queue, handle, target, unixMs, body)) { ReadsEnvelope = true, IsRecorded = true };

    /// <summary>Does it.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="handle">The entry.</param>
    /// <param name="body">With the envelope of a message with several destinations, when <see cref="ReadsEnvelope"/>; else null.</param>
    internal DeedResult Do(QueueState queue, int handle, BodyReader? body) => _do(queue, handle, body);

    private static DeedResult DoMove(QueueState queue, int handle, MoveTarget? target, long unixMs, BodyReader? body)
    {
        ref Entry entry = ref queue.Slab[handle];
        if (entry.IsEnding || queue.Moves.IsThere(handle, target))
        {
            return entry.IsEnding ? DeedResult.Ending : DeedResult.Already;
        }
        DeedResult result = WhenDone(entry.State);
        queue.Moves.Move(handle, target, unixMs, body);
        return result;
    }

    private static DeedResult DoRetry(QueueState queue, int handle)
    {
        ref Entry entry = ref queue.Slab[handle];
        if (entry.IsEnding)
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
        if (entry.State == EntryState.InFlight)
        {
            entry.Flags |= EntryFlags.RetryWanted;
        }
        return entry.IsHeld ? DeedResult.Held : WhenDone(entry.State);
    }

    private static DeedResult DoRemove(QueueState queue, int handle)
    {
        ref Entry entry = ref queue.Slab[handle];
        DeedResult result = entry.IsDropped ? DeedResult.Already : WhenDone(entry.State);
        // Also what was to be bounced, and has not been yet: the last word counts.
        entry.Flags = (entry.Flags & ~EntryFlags.Bouncing) | EntryFlags.Removing;
        Settle(queue, handle, entry.State);
        return result;
    }

    private static DeedResult DoBounce(QueueState queue, int handle, byte[] text)
    {
        ref Entry entry = ref queue.Slab[handle];
        if ((entry.Flags & EntryFlags.Removing) != 0)
        {
            return entry.IsDropped ? DeedResult.Ending : DeedResult.Already;
        }
        DeedResult result = WhenDone(entry.State);
        entry.Flags |= EntryFlags.Bouncing;
        entry.Reason = queue.Reasons.Add(text);
        Settle(queue, handle, entry.State);
        return result;
    }

    private static DeedResult WhenDone(EntryState state) => state == EntryState.InFlight ? DeedResult.Later : DeedResult.Done;

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
        if (entry.IsEnding || entry.IsHeld)
        {
            return entry.IsEnding ? DeedResult.Ending : DeedResult.Already;
        }
        RecordHold(queue, in entry, true, body);
        if (entry.State == EntryState.InFlight)
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
        if (entry.IsEnding || !entry.IsHeld)
        {
            return entry.IsEnding ? DeedResult.Ending : DeedResult.Already;
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
