using FastRelay.Outside;

namespace FastRelay.Journal;

/// <summary>Tells the index and the waiting sessions what became of a group.</summary>
internal sealed class GroupResult(MessageIndex index)
{
    // An outcome touches its message, its node, the node before it and their segments.
    private const int PlaceCost = 3;
    private const int AnswerCost = 1;

    /// <summary>Records copied forward.</summary>
    public long Moved { get; private set; }

    /// <summary>The group is durable at a place: records get their places, then waiters their answers, in order and a slice a turn.</summary>
    /// <param name="group">The group.</param>
    /// <param name="segment">Where it lies.</param>
    /// <param name="at">Where in it.</param>
    /// <param name="placed">Records that have their places; counted up.</param>
    /// <param name="slice">Of the turn.</param>
    /// <returns>False when there is more to do in another turn.</returns>
    public bool Apply(GroupBuffer group, SegmentFile segment, long at, ref int placed, Slice slice)
    {
        while (placed < group.StagedCount)
        {
            if (slice.IsOver)
            {
                return false;
            }
            ref StagedRecord record = ref group.Staged(placed++);
            ref IndexEntry entry = ref index[record.Slot];
            if (entry.Id == record.Id)
            {
                Place(record, ref entry, group, segment.Slot, at + record.Offset);
            }
            slice.Spend(PlaceCost);
        }
        while (group.FirstWaiter is not null)
        {
            if (slice.IsOver)
            {
                return false;
            }
            MessageWriter writer = group.TakeWaiter();
            writer.Finish(JournalStatus.Ok, Commit(writer, segment.Slot, at));
            slice.Spend(AnswerCost);
        }
        return true;
    }

    /// <summary>The group is not durable: mail in it fails, and so does every open message with a chunk in it; what is owed stays.</summary>
    public void Fail(GroupBuffer group, Staging staging)
    {
        for (int i = 0; i < group.StagedCount; i++)
        {
            ref StagedRecord record = ref group.Staged(i);
            if (record.Kind == StagedKind.Chunk && index[record.Slot].Id == record.Id)
            {
                index[record.Slot].Flags |= EntryFlags.Failed;
            }
        }
        FailWaiters(group);
        staging.KeepOwed(group);
        foreach (GroupBuffer later in staging.Closed)
        {
            FailBroken(later);
        }
    }

    /// <summary>All mail that a group holds fails.</summary>
    public static void FailWaiters(GroupBuffer group)
    {
        while (group.FirstWaiter is not null)
        {
            group.TakeWaiter().Finish(JournalStatus.Failed, MessageHandle.None);
        }
    }

    /// <summary>The message goes when no recipient is left or it was set aside, and no bounce is deciding about it.</summary>
    public void RemoveIfDone(int slot)
    {
        ref IndexEntry entry = ref index[slot];
        if (entry.Settling == 0 && ((entry.Flags & EntryFlags.Aside) != 0 || index.PendingCount(slot) == 0))
        {
            index.Remove(slot);
        }
    }

    private static void FailBroken(GroupBuffer group)
    {
        MessageWriter? next;
        for (MessageWriter? writer = group.TakeWaiters(); writer is not null; writer = next)
        {
            next = writer.NextWaiter;
            if (writer.IsBroken)
            {
                RecordHeader.MakeVoid(group.Bytes(writer.RecordOffset, RecordHeader.Pad(writer.RecordLength)));
                writer.NextWaiter = null;
                writer.Finish(JournalStatus.Failed, MessageHandle.None);
            }
            else
            {
                group.AddWaiter(writer);
            }
        }
    }

    private void Place(in StagedRecord record, ref IndexEntry entry, GroupBuffer group, int segment, long at)
    {
        switch (record.Kind)
        {
            case StagedKind.Chunk:
                index.PlaceNode(record.Node, segment, at, record.Length);
                break;
            case StagedKind.Outcome:
                index.OutcomeIsDurable(record.Slot);
                index.Deferrals.Take(record.Slot, OutcomeFacts.Read(group.Bytes(record.Offset, record.Length)), segment, at, record.Length);
                break;
            case StagedKind.HeadCopy when entry.Segment == record.FromSegment && entry.Offset == record.FromOffset:
                index.PlaceHead(record.Slot, segment, at, record.Length);
                Moved++;
                break;
            case StagedKind.NodeCopy when index.Node(record.Node) is var node && node.Segment == record.FromSegment && node.Offset == record.FromOffset:
                index.PlaceNode(record.Node, segment, at, record.Length);
                Moved++;
                break;
            default:
                break;
        }
    }

    private MessageHandle Commit(MessageWriter writer, int segment, long at)
    {
        int slot = index.Commit(writer.Slot, writer.Id.Value, writer.Recipients, writer.ArrivalMs, writer.Length);
        index.PlaceHead(slot, segment, at + writer.RecordOffset, writer.RecordLength);
        if (writer.SettlesSlot >= 0)
        {
            foreach (int recipient in writer.Settled)
            {
                index.Settle(writer.SettlesSlot, recipient);
            }
        }
        return new MessageHandle(slot);
    }

    /// <summary>A bounce is decided: the original is no longer kept for it.</summary>
    public void ReleaseSettled(int slot)
    {
        index[slot].Settling--;
        RemoveIfDone(slot);
    }
}
