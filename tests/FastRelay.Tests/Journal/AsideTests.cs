using FastRelay.Journal;

namespace FastRelay.Tests.Journal;

/// <summary>What is damaged is kept for the operator, and never stands in the way of what is good.</summary>
public class AsideTests
{
    private const string First = "0000000000000001.seg";

    [Fact]
    public void Good_messages_are_carried_past_a_damaged_one_and_the_segment_is_kept_aside()
    {
        JournalRig rig = new JournalRig().Open();
        Three(rig);
        JournalRig next = rig.Crash();
        Damage(next, "two@example.net");
        next.Open();
        Assert.Equal(["one@example.net", "three@example.net"], next.Replayed.Select(static m => m.Recipients[0]));
        Assert.Equal(1, next.Report.UnreadableRecords);
        Assert.Contains(next.Report.Notes, static note => note.Contains(First, StringComparison.Ordinal) && note.Contains("hold a record that cannot be read", StringComparison.Ordinal));
        byte[] before = (byte[])next.Disk.Content(First).Clone();
        Fill(next, 1_500);
        Assert.Equal(1, next.Journal.Stats.KeptAside);
        Assert.Equal(2, next.Journal.Stats.Messages);
        Assert.InRange(next.Journal.Stats.Segments, 1, 8);
        Assert.Equal(before[..16_384], next.Disk.Content("0000000000000001.damaged")[..16_384]);
        JournalRig third = next.Crash().Open();
        Assert.Equal(["one@example.net", "three@example.net"], third.Replayed.Select(static m => m.Recipients[0]));
        Assert.Equal(0, third.Report.DamagedGroups);
        Assert.Contains(third.Report.Notes, static note => note.Contains("0000000000000001.damaged: a damaged segment, kept for you", StringComparison.Ordinal));
        foreach (SeenMessage message in third.Replayed)
        {
            Assert.Equal(BodyStatus.Ok, third.Read(message.Handle, out byte[] body));
            Assert.Equal(JournalRig.Body(3_000, message.Recipients[0][0]), body);
        }
    }

    [Fact]
    public void A_damaged_body_is_known_to_be_damaged_wherever_it_is_moved_and_its_segment_is_kept()
    {
        JournalRig rig = new JournalRig().Open();
        Three(rig);
        JournalRig next = rig.Crash();
        next.Disk.Content(First)[4096 + 64 + 2000] ^= 1;
        next.Open();
        Assert.Equal(3, next.Replayed.Count);
        Assert.Equal(1, next.Report.DamagedMessages);
        Fill(next, 1_500);
        Assert.Equal(1, next.Journal.Stats.KeptAside);
        Assert.Equal(3, next.Journal.Stats.Messages);
        int damaged = next.Replayed.Count(m => next.Read(m.Handle, out _) == BodyStatus.Corrupt);
        Assert.Equal(1, damaged);
        JournalRig third = next.Crash().Open();
        Assert.Equal(1, third.Replayed.Count(m => third.Read(m.Handle, out _) == BodyStatus.Corrupt));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void So_many_damaged_segments_are_kept_and_no_more(int most)
    {
        JournalRig rig = new JournalRig(limits: new Limits { DamagedSegments = most }).Open();
        while (rig.Journal.Stats.Segments < 4)
        {
            rig.Commit(JournalRig.Body(28 * 1024), "one@example.net");
        }
        JournalRig next = rig.Crash();
        next.Disk.Content(First)[4096 + 200] ^= 1;
        next.Disk.Content("0000000000000002.seg")[4096 + 200] ^= 1;
        next.Open();
        foreach (SeenMessage message in next.Replayed)
        {
            next.Deliver(message.Handle, 0);
        }
        Fill(next, 300);
        Assert.Equal(most, next.Journal.Stats.KeptAside);
        Assert.Equal(most, next.Disk.Names.Count(static name => name.EndsWith(".damaged", StringComparison.Ordinal)));
    }

    [Fact]
    public void A_message_whose_envelope_rots_is_set_aside_and_is_back_when_it_can_be_read_after_all()
    {
        JournalRig rig = new JournalRig().Open();
        Three(rig);
        JournalRig next = rig.Crash().Open();
        MessageHandle two = next.Replayed[1].Handle;
        int at = Damage(next, "two@example.net");
        BodyReader reader = next.Journal.OpenBody();
        reader.Start(two);
        Assert.Equal(BodyStatus.Corrupt, next.Wait(reader.PrepareAsync()));
        Assert.False(reader.HasEnvelope);
        Assert.Contains($"{First} at ", reader.Damage, StringComparison.Ordinal);
        next.Journal.SetAside(two);
        reader.Close();
        Assert.False(next.Journal.TryFind(next.Replayed[1].Id, out _));
        next.Disk.Content(First)[at] ^= 1;
        Assert.Equal(3, next.Crash(keepUnsynced: true).Open().Replayed.Count);
        Fill(next, 1_500);
        Assert.Equal(1, next.Journal.Stats.KeptAside);
        Assert.Equal(2, next.Journal.Stats.Messages);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_message_set_aside_while_a_bounce_settles_a_part_of_it_goes_when_the_bounce_is_decided(bool durable)
    {
        JournalRig rig = new JournalRig().Open();
        MessageHandle message = rig.Commit(JournalRig.Body(100), "one@example.net", "two@example.net");
        MessageId id = rig.Journal.IdOf(message);
        rig.Disk.Fault = (action, _) => action == DiskAction.Sync && !durable ? 5 : 0;
        var writer = new MessageWriter(rig.Journal);
        writer.Begin();
        EnvelopeBuilder bounce = JournalRig.Envelope("", "sender@example.org");
        ValueTask<CommitResult> commit = writer.CommitAsync(bounce, message, [0]);
        rig.Journal.SetAside(message);
        Assert.False(rig.Journal.TryFind(id, out _));
        Assert.Equal(1, rig.Journal.Stats.Messages);
        CommitResult result = rig.Wait(commit);
        Assert.Equal(durable ? JournalStatus.Ok : JournalStatus.Failed, result.Status);
        Assert.Equal(durable ? 1 : 0, rig.Journal.Stats.Messages);
        if (durable)
        {
            rig.Deliver(result.Message, 0);
        }
        Assert.Equal(0, rig.Journal.Stats.Messages);
        Assert.Equal(0, rig.Journal.Stats.LiveBytes);
        Assert.False(rig.Journal.TryFind(id, out _));
    }

    private static void Three(JournalRig rig)
    {
        foreach (string name in new[] { "one", "two", "three" })
        {
            _ = rig.Begin(JournalRig.Body(3_000, name[0]), $"{name}@example.net").AsTask();
        }
        rig.Settle();
        Assert.Equal(1, rig.Journal.Stats.Groups);
        // A group behind it: damage in the last group of all looks like a torn write.
        rig.Deliver(rig.Commit(JournalRig.Body(10), "last@example.net"), 0);
        rig.Settle();
    }

    private static int Damage(JournalRig rig, string text)
    {
        byte[] content = rig.Disk.Content(First);
        int at = content.AsSpan().IndexOf(System.Text.Encoding.ASCII.GetBytes(text));
        content[at] ^= 1;
        return at;
    }

    private static void Fill(JournalRig rig, int messages)
    {
        byte[] filler = JournalRig.Body(25_000);
        for (int i = 0; i < messages; i++)
        {
            rig.Deliver(rig.Commit(filler, "x@example.net"), 0);
        }
        rig.Settle();
    }
}
