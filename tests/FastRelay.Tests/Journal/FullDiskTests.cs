using FastRelay.Journal;

namespace FastRelay.Tests.Journal;

public class FullDiskTests
{
    [Fact]
    public void A_full_disk_refuses_mail_records_outcomes_and_takes_mail_again_when_there_is_room()
    {
        JournalRig rig = new JournalRig().Open();
        rig.Disk.TotalBytes = 1 << 30;
        rig.Disk.FreeBytes = 3 << 20;
        var handles = new List<MessageHandle>();
        byte[] body = JournalRig.Body(28_000);
        CommitResult result;
        while ((result = rig.Wait(rig.Begin(body, "one@example.net"))).Status == JournalStatus.Ok)
        {
            handles.Add(result.Message);
            rig.Pass(500);
            Assert.True(handles.Count < 1000, "the disk never fills");
        }
        Assert.Equal(JournalStatus.Full, result.Status);
        rig.Pass(2000);
        Assert.Equal(JournalStatus.Full, rig.Journal.Admission);
        Assert.True(rig.Journal.HasOutcomeRoom);
        rig.Disk.FreeBytes = 0;

        // A restart on the full disk still delivers.
        JournalRig next = rig.Crash().Open();
        Assert.Equal(handles.Count, next.Replayed.Count);
        next.Pass(2000);
        Assert.Equal(JournalStatus.Full, next.Journal.Admission);
        foreach (SeenMessage message in next.Replayed)
        {
            Assert.Equal(BodyStatus.Ok, next.Read(message.Handle, out _));
            next.Deliver(message.Handle, 0);
            next.Settle();
        }
        Assert.True(next.Journal.Stats.Recycled > 0);
        Assert.Empty(next.Crash().Open().Replayed);
        next.Disk.FreeBytes = 1 << 30;
        next.Pass(5000);
        next.Pass(next.Journal.Admission == JournalStatus.Ok ? 0 : 5000);
        Assert.Equal(JournalStatus.Ok, next.Journal.Admission);
        next.Commit(body, "again@example.net");
    }

    [Fact]
    public void Below_the_free_floor_mail_is_refused()
    {
        JournalRig rig = new JournalRig().Open();
        Assert.Equal(JournalStatus.Ok, rig.Journal.Admission);
        rig.Disk.FreeBytes = 10 << 20;
        rig.Pass(2000);
        _ = rig.Journal.Admission;
        rig.Settle();
        Assert.Equal(JournalStatus.Full, rig.Journal.Admission);
        rig.Disk.FreeBytes = 1 << 30;
        rig.Pass(2000);
        _ = rig.Journal.Admission;
        rig.Settle();
        Assert.Equal(JournalStatus.Ok, rig.Journal.Admission);
    }

    [Fact]
    public void The_bounds_of_the_queue_are_kept()
    {
        JournalRig rig = new JournalRig(limits: new Limits { QueueEntries = 2 }).Open();
        MessageHandle first = rig.Commit(JournalRig.Body(10), "one@example.net");
        Assert.Equal(JournalStatus.Ok, rig.Journal.Admission);
        rig.Commit(JournalRig.Body(10), "one@example.net");
        Assert.Equal(JournalStatus.Full, rig.Journal.Admission);
        rig.Deliver(first, 0);
        Assert.Equal(JournalStatus.Ok, rig.Journal.Admission);

        rig = new JournalRig(limits: new Limits { QueueBytes = 50_000 }).Open();
        rig.Commit(JournalRig.Body(30_000), "one@example.net");
        Assert.Equal(JournalStatus.Ok, rig.Journal.Admission);
        rig.Commit(JournalRig.Body(30_000), "one@example.net");
        Assert.Equal(JournalStatus.Full, rig.Journal.Admission);
    }

    [Fact]
    public void A_large_message_that_meets_the_full_disk_is_refused_and_leaves_its_room()
    {
        JournalRig rig = new JournalRig().Open();
        rig.Disk.FreeBytes = 0;
        var writer = new MessageWriter(rig.Journal);
        writer.Begin();
        Assert.Equal(JournalStatus.Full, rig.Fill(writer, JournalRig.Body(20 << 20)));
        writer.Abandon();
        rig.Settle();
        Assert.Equal(0, rig.Journal.Stats.LiveBytes);
        rig.Commit(JournalRig.Body(10), "small@example.net");
    }
}
