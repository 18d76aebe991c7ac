using FastRelay.Journal;
using FastRelay.Outside;

namespace FastRelay.Tests.Journal;

/// <summary>Each recipient's last due time is its own, however many there are and in whatever order records come.</summary>
public class WideMessageTests
{
    [Theory]
    [InlineData(64)]
    [InlineData(65)]
    [InlineData(500)]
    public void Each_of_many_recipients_keeps_its_own_due_time_over_a_restart(int recipients)
    {
        JournalRig rig = new JournalRig().Open();
        MessageHandle message = rig.Commit(JournalRig.Body(100), Names(recipients));
        for (int i = 0; i < recipients; i++)
        {
            rig.Defer(message, 1000 + i, 1, "own", i);
        }
        rig.Settle();
        rig.Deliver(message, recipients - 1);
        rig.Defer(message, 9_000, 2, "again", 0);
        rig.Settle();
        JournalRig next = rig.Crash().Open();
        MessageHandle back = next.Replayed[0].Handle;
        Assert.False(next.Journal.TryGetDeferred(back, recipients - 1, out _));
        Assert.Equal(9_000, Due(next, back, 0));
        for (int i = 1; i < recipients - 1; i++)
        {
            Assert.Equal(1000 + i, Due(next, back, i));
        }
    }

    [Theory]
    [InlineData(10)]
    [InlineData(150)]
    public void An_outcome_that_is_copied_forward_does_not_replace_a_later_one(int recipients)
    {
        JournalRig rig = new JournalRig().Open();
        MessageHandle message = rig.Commit(JournalRig.Body(100), Names(recipients));
        rig.Defer(message, 111, 1, "first", [.. Enumerable.Range(0, recipients)]);
        rig.Settle();
        Fill(rig, 100);
        rig.Defer(message, 222, 2, "second", recipients - 1);
        Fill(rig, 2_000);
        Assert.True(rig.Journal.Stats.Recycled > 10);
        Assert.Equal(111, Due(rig, message, 0));
        Assert.Equal(222, Due(rig, message, recipients - 1));
        JournalRig next = rig.Crash().Open();
        MessageHandle back = next.Replayed[0].Handle;
        Assert.Equal(111, Due(next, back, 0));
        Assert.Equal(222, Due(next, back, recipients - 1));
    }

    [Theory]
    [InlineData(10)]
    [InlineData(150)]
    public void Outcomes_that_come_before_their_message_stay_apart(int recipients)
    {
        var segments = new SegmentTable();
        var index = new MessageIndex(segments);
        MemoryDisk disk = new JournalRig().Disk;
        Assert.True(disk.Open("/1.seg", DiskOpen.CreateNew, out DiskFile? made).Ok);
        Assert.True(made!.Map(out DiskMap? map).Ok);
        var file = new SegmentFile(made, map!, "/1.seg");
        segments.Add(file);
        int segment = file.Slot;
        int slot = index.AddOpen(7);
        Take(index, slot, segment, 4096, [.. Enumerable.Range(0, recipients)]);
        Take(index, slot, segment, 8192, recipients - 1);
        Take(index, slot, segment, 12_288, recipients - 2, recipients + 1_000);
        Assert.Equal(slot, index.Commit(slot, 7, recipients, 0, 0));
        Assert.Equal(4096, Place(index, slot, recipients - 3));
        Assert.Equal(8192, Place(index, slot, recipients - 1));
        Assert.Equal(12_288, Place(index, slot, recipients - 2));
        Take(index, slot, segment, 16_384, recipients - 1, recipients - 2);
        Assert.Equal(-1, index.Deferrals.NodeAt(slot, segment, 8192));
        Assert.Equal(-1, index.Deferrals.NodeAt(slot, segment, 12_288));
        index.Remove(slot);
        Assert.Equal(0, segments.LiveBytes);
    }

    private static string[] Names(int count) => [.. Enumerable.Range(0, count).Select(static i => $"r{i}@example.net")];

    private static void Fill(JournalRig rig, int messages)
    {
        byte[] filler = JournalRig.Body(25_000);
        for (int i = 0; i < messages; i++)
        {
            rig.Deliver(rig.Commit(filler, "x@example.net"), 0);
        }
        rig.Settle();
    }

    private static long Due(JournalRig rig, MessageHandle message, int recipient)
    {
        Assert.True(rig.Journal.TryGetDeferred(message, recipient, out DeferredSet set));
        return set.NextDueUnixMs;
    }

    private static long Place(MessageIndex index, int slot, int recipient) => index.Node(index.Deferrals.NodeOf(slot, recipient)).Offset;

    private static void Take(MessageIndex index, int slot, int segment, long offset, params int[] recipients)
    {
        RecipientOutcome[] outcomes = [.. recipients.Select(static i => new RecipientOutcome(i, RecipientResult.Deferred))];
        byte[] record = new byte[OutcomeFacts.RecordBytes(outcomes.Length, 0)];
        OutcomeFacts.Write(record, outcomes, 1, offset, default);
        index.Deferrals.Take(slot, OutcomeFacts.Read(record), segment, offset, record.Length);
    }
}
