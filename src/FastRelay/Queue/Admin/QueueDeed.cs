using System.Text;
using FastRelay.Journal;

namespace FastRelay.Queue;

/// <summary>What came of a part of a deed.</summary>
/// <param name="Count">Messages selected.</param>
/// <param name="Next">Where the next part begins; -1 when this was the last.</param>
/// <param name="End">Places of the queue's index: how far <paramref name="Next"/> is of the whole.</param>
public readonly record struct QueuePart(long Count, int Next, int End)
{
    /// <summary><see cref="QueueFilter.Before"/> of the parts that follow: mail that came after the first is none of theirs.</summary>
    public MessageId Before { get; init; }

    /// <summary>Messages of which something was left alone: it can only be changed as a whole, and has recipients whom the filter does not select.</summary>
    public long Left { get; init; }
}

/// <summary>What the operator has done to an entry. Loop thread.</summary>
public sealed class QueueDeed
{
    private readonly Func<QueueState, PickedEntry, BodyReader?, bool> _do;

    private QueueDeed(Func<QueueState, int, bool> act)
        : this((queue, picked, _) => act(queue, picked.Handle))
    {
    }

    private QueueDeed(Func<QueueState, PickedEntry, BodyReader?, bool> act) => _do = act;

    /// <summary>It is done to an entry as a whole, and not to one that has recipients whom the filter does not select.</summary>
    internal bool IsForWhole { get; private init; }

    /// <summary>It has to know the recipients of a message with several destinations.</summary>
    internal bool ReadsEnvelope { get; private init; }

    /// <summary>It writes to the journal, and waits while the disk is behind.</summary>
    internal bool IsRecorded { get; private init; }

    /// <summary>Nothing: it is counted.</summary>
    public static QueueDeed Look { get; } = new(static (_, _) => false);

    /// <summary>See <see cref="QueueAdmin.RetryAsync"/>.</summary>
    public static QueueDeed Retry { get; } = new(DoRetry);

    /// <summary>See <see cref="QueueAdmin.RemoveAsync"/>.</summary>
    public static QueueDeed Remove { get; } = new(static (queue, picked, _) => DoRemove(queue, picked));

    /// <summary>See <see cref="QueueAdmin.HoldAsync"/>.</summary>
    public static QueueDeed Hold { get; } = new(DoHold) { IsRecorded = true };

    /// <summary>See <see cref="QueueAdmin.ReleaseAsync"/>.</summary>
    public static QueueDeed Release { get; } = new(DoRelease) { IsRecorded = true };

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
    /// <returns>True when it cost what a change costs.</returns>
    internal bool Do(QueueState queue, PickedEntry picked, BodyReader? body) => _do(queue, picked, body);

    private static bool DoMove(QueueState queue, int handle, MoveTarget? target, long unixMs, BodyReader? body)
    {
        ref Entry entry = ref queue.Slab[handle];
        bool settling = entry.State == EntryState.Settling && queue.ExtraOrNone(handle) is not { Struck: not null };
        if ((entry.Flags & EntryFlags.Removing) != 0 || settling || queue.Moves.IsThere(handle, target))
        {
            return false;
        }
        queue.Moves.Move(handle, target, unixMs, body);
        return true;
    }

    private static bool DoRetry(QueueState queue, int handle)
    {
        ref Entry entry = ref queue.Slab[handle];
        if ((entry.Flags & EntryFlags.Removing) != 0)
        {
            return false;
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
        }
        else if (entry.State is EntryState.InFlight or EntryState.Settling)
        {
            entry.Flags |= EntryFlags.RetryWanted;
        }
        return true;
    }

    private static bool DoRemove(QueueState queue, PickedEntry picked)
    {
        int handle = picked.Handle;
        ref Entry entry = ref queue.Slab[handle];
        if (picked.Only is { } only)
        {
            if (!entry.IsDropped)
            {
                StruckMail.Strike(queue, handle, only, null);
            }
            return true;
        }
        // Also what was to be bounced, and has not been yet: the last word counts.
        entry.Flags = (entry.Flags & ~EntryFlags.Bouncing) | EntryFlags.Removing;
        if (queue.ExtraOrNone(handle) is { } extra)
        {
            extra.Struck = null;
        }
        Settle(queue, handle, entry.State);
        return true;
    }

    private static bool DoBounce(QueueState queue, PickedEntry picked, byte[] text, BodyReader? body)
    {
        int handle = picked.Handle;
        ref Entry entry = ref queue.Slab[handle];
        if ((entry.Flags & EntryFlags.Removing) != 0)
        {
            return false;
        }
        if (picked.Only is { } only)
        {
            StruckMail.Strike(queue, handle, only, text);
            return true;
        }
        entry.Flags |= EntryFlags.Bouncing;
        entry.Reason = queue.Reasons.Add(text);
        queue.Moves.RecordBounce(handle, body);
        Settle(queue, handle, entry.State);
        return true;
    }

    private static void Settle(QueueState queue, int handle, EntryState state)
    {
        if (state is EntryState.Ready or EntryState.Deferred or EntryState.Held)
        {
            queue.TakeOut(handle);
            queue.Settle(handle);
        }
    }

    private static bool DoHold(QueueState queue, int handle)
    {
        ref Entry entry = ref queue.Slab[handle];
        if ((entry.Flags & EntryFlags.Removing) != 0)
        {
            return false;
        }
        queue.Journal.SetHold(new MessageHandle(entry.Message), true);
        if (entry.State is EntryState.Ready or EntryState.Deferred)
        {
            queue.TakeOut(handle);
            queue.Hold(handle);
        }
        else if (entry.State is EntryState.InFlight or EntryState.Settling)
        {
            entry.Flags |= EntryFlags.Holding;
        }
        return true;
    }

    private static bool DoRelease(QueueState queue, int handle)
    {
        ref Entry entry = ref queue.Slab[handle];
        queue.Journal.SetHold(new MessageHandle(entry.Message), false);
        entry.Flags &= ~EntryFlags.Holding;
        if (entry.State == EntryState.Held)
        {
            queue.TakeOut(handle);
            queue.MakeReady(handle);
        }
        return true;
    }
}
