using FastRelay.Journal;

namespace FastRelay.Tests.Journal;

public class ReclaimTests
{
    [Fact]
    public void Segments_of_delivered_mail_are_used_again()
    {
        JournalRig rig = new JournalRig().Open();
        byte[] body = JournalRig.Body(20_000);
        for (int i = 0; i < 2000; i++)
        {
            rig.Deliver(rig.Commit(body, "one@example.net"), 0);
        }
        rig.Settle();
        Assert.Equal(0, rig.Journal.Stats.LiveBytes);
        Assert.True(rig.Journal.Stats.Recycled > 10);
        Assert.InRange(rig.Journal.Stats.Segments + rig.Journal.Stats.Spares, 2, 8);
        Assert.Empty(rig.Crash().Open().Replayed);
    }

    [Fact]
    public void Live_messages_are_carried_forward_with_their_state_and_their_segments_come_back()
    {
        JournalRig rig = new JournalRig().Open();
        byte[] small = JournalRig.Body(900, 3);
        byte[] large = JournalRig.Body(150_000, 4);
        string[] many = [.. Enumerable.Range(0, 150).Select(static i => $"r{i}@example.net")];
        MessageHandle deferred = rig.Commit(small, "one@example.net", "two@example.net", "three@example.net");
        MessageHandle big = rig.Commit(large, "big@example.net");
        MessageHandle wide = rig.Commit(small, many);
        rig.Deliver(deferred, 0);
        rig.Defer(deferred, 111, 1, "first", 1);
        rig.Defer(deferred, 222, 2, "second", 2);
        rig.Deliver(wide, [.. Enumerable.Range(0, 140)]);
        rig.Defer(wide, 333, 3, "wide", 140, 149);
        rig.Move(wide, "smtp:[192.0.2.1]", 7_000, 4, "moved", 141, 142, 143);
        rig.Move(wide, "", 8_000, 4, "back", 142);
        rig.Journal.Holds.Set(big, true);
        rig.Journal.Holds.Set(deferred, [1UL << 2], true);
        rig.Journal.Holds.Set(wide, [0, 0, 1UL << (145 - 128)], true);
        byte[] filler = JournalRig.Body(25_000);
        for (int i = 0; i < 3000; i++)
        {
            rig.Deliver(rig.Commit(filler, "x@example.net"), 0);
        }
        rig.Settle();
        Assert.True(rig.Journal.Stats.Moved > 10, "nothing was moved");
        Assert.InRange(rig.Journal.Stats.Segments, 1, 8);
        CheckAll(rig, deferred, big, wide, small, large);

        JournalRig next = rig.Crash().Open();
        Assert.Equal(3, next.Replayed.Count);
        Assert.Equal([1, 2], next.Replayed[0].Pending);
        Assert.Equal("second", next.Replayed[0].Reason);
        Assert.Equal([[2], [0], [145]], next.Replayed.Select(static one => one.Held));
        Assert.Equal([140, 141, 142, 143, 144, 145, 146, 147, 148, 149], next.Replayed[2].Pending);
        Assert.Equal("wide", next.Replayed[2].Reason);
        CheckAll(next, next.Replayed[0].Handle, next.Replayed[1].Handle, next.Replayed[2].Handle, small, large);
        Assert.True(next.Journal.TryGetDeferred(next.Replayed[0].Handle, 1, out DeferredSet set));
        Assert.Equal(111, set.NextDueUnixMs);
        Assert.Equal(["", "smtp:[192.0.2.1]", "", "smtp:[192.0.2.1]", ""], Enumerable.Range(140, 5).Select(i => next.MovedTo(next.Replayed[2].Handle, i)));
        Assert.False(next.Journal.TryGetDeferred(next.Replayed[2].Handle, 144, out _));
    }

    [Fact]
    public void A_body_that_is_carried_forward_damaged_is_never_sent()
    {
        JournalRig rig = new JournalRig().Open();
        byte[] body = JournalRig.Body(900, 5);
        MessageHandle message = rig.Commit(body, "one@example.net");
        rig.Settle();
        byte[] content = rig.Disk.Content("0000000000000001.seg");
        content[content.AsSpan().IndexOf(body) + 450] ^= 1;
        for (int i = 0; i < 3000; i++)
        {
            rig.Deliver(rig.Commit(JournalRig.Body(25_000), "x@example.net"), 0);
        }
        rig.Settle();
        Assert.True(rig.Journal.Stats.Moved > 0, "nothing was moved");
        Assert.Equal(BodyStatus.Corrupt, rig.Read(message, out _));
    }

    [Fact]
    public void A_copy_that_rots_after_it_was_carried_on_harms_nobody()
    {
        JournalRig rig = new JournalRig().Open();
        byte[] body = JournalRig.Body(900, 5);
        MessageHandle message = rig.Commit(body, "one@example.net");
        rig.Settle();
        rig.Commit(JournalRig.Body(900, 6), "stuck@example.net");
        rig.Settle();
        // An envelope that cannot be read cannot be carried on: the segment stays, and is gone through again and again.
        const string Oldest = "0000000000000001.seg";
        byte[] content = rig.Disk.Content(Oldest);
        content[content.AsSpan().IndexOf("stuck@"u8)] ^= 1;
        Work(rig, 3000);
        Assert.True(rig.Journal.Stats.Moved > 0, "nothing was moved");
        content[content.AsSpan().IndexOf(body) + 450] ^= 1;
        Work(rig, 3000);
        Assert.Contains(Oldest, rig.Disk.Names);
        Assert.Equal(BodyStatus.Ok, rig.Read(message, out byte[] read));
        Assert.Equal(body, read);
    }

    private static void Work(JournalRig rig, int messages)
    {
        for (int i = 0; i < messages; i++)
        {
            rig.Deliver(rig.Commit(JournalRig.Body(25_000), "x@example.net"), 0);
        }
        rig.Settle();
    }

    [Fact]
    public void A_directory_whose_sync_fails_after_a_removal_stops_no_reclaim()
    {
        JournalRig rig = new JournalRig().Open();
        var queued = new List<MessageHandle>();
        for (int i = 0; i < 900; i++)
        {
            queued.Add(rig.Commit(JournalRig.Body(25_000), "x@example.net"));
        }
        Assert.True(rig.Journal.Stats.Segments > 8);
        bool removed = false;
        int failures = 0;
        rig.Disk.Fault = (action, _) =>
        {
            removed |= action == DiskAction.Delete;
            return action == DiskAction.SyncDirectory && removed && failures++ == 0 ? 5 : 0;
        };
        queued.ForEach(message => rig.Deliver(message, 0));
        rig.Settle();
        for (int i = 0; i < 5; i++)
        {
            rig.Pass(2_000);
        }
        Assert.True(failures > 0, "nothing failed");
        Assert.InRange(rig.Journal.Stats.Segments + rig.Journal.Stats.Spares, 2, 6);
        Assert.Empty(rig.Crash().Open().Replayed);
    }

    [Fact]
    public void A_close_waits_for_a_read_of_reclaim_and_ends_with_it()
    {
        JournalRig rig = new JournalRig().Open();
        rig.Commit(JournalRig.Body(900, 5), "one@example.net");
        // Nothing that is to be read comes back until the close has begun.
        for (int i = 0; i < 3000; i++)
        {
            Task<CommitResult> commit = rig.Begin(JournalRig.Body(25_000), "x@example.net").AsTask();
            WriteOnly(rig);
            rig.Deliver(commit.Result.Message, 0);
        }
        Task closed = rig.Journal.CloseAsync().AsTask();
        WriteOnly(rig);
        Assert.False(closed.IsCompleted, "no read was under way");
        rig.Settle();
        Assert.True(closed.IsCompletedSuccessfully);
        Assert.Single(rig.Crash().Open().Replayed);
    }

    private static void WriteOnly(JournalRig rig)
    {
        do
        {
            rig.Manual.Settle();
        }
        while (rig.Disk.RunWriteJob());
    }

    [Fact]
    public void A_pinned_segment_is_never_recycled()
    {
        JournalRig rig = new JournalRig().Open();
        byte[] body = JournalRig.Body(20_000, 9);
        MessageHandle message = rig.Commit(body, "one@example.net");
        BodyReader reader = rig.Journal.OpenBody();
        reader.Start(message);
        Assert.Equal(BodyStatus.Ok, rig.Wait(reader.PrepareAsync()));
        Assert.True(reader.TryNext(out ReadOnlyMemory<byte> piece));
        rig.Deliver(message, 0);
        for (int i = 0; i < 1500; i++)
        {
            rig.Deliver(rig.Commit(JournalRig.Body(20_000), "x@example.net"), 0);
        }
        rig.Settle();
        Assert.Equal(0, rig.Journal.Stats.Recycled);
        Assert.Equal(body, piece.ToArray());
        reader.Close();
        rig.Deliver(rig.Commit(body, "x@example.net"), 0);
        rig.Settle();
        Assert.True(rig.Journal.Stats.Recycled > 10);
    }

    [Fact]
    public void A_bounce_settles_what_it_reports_in_its_own_record()
    {
        JournalRig rig = new JournalRig().Open();
        MessageHandle original = rig.Commit(JournalRig.Body(100), "one@example.net", "two@example.net");
        rig.Deliver(original, 0);
        var writer = new MessageWriter(rig.Journal);
        writer.Begin();
        "report"u8.CopyTo(writer.GetSpan(6));
        writer.Advance(6);
        var envelope = new EnvelopeBuilder();
        envelope.Start(default, EnvelopeFlags.Bounce, "[bounce]"u8, default);
        envelope.TryAddRecipient("sender@example.org"u8);
        MessageId id = rig.Journal.IdOf(original);
        Task<CommitResult> commit = writer.CommitAsync(envelope, original, [1]).AsTask();
        Assert.True(rig.Journal.IsPending(original, 1));
        rig.Settle();
        Assert.Equal(JournalStatus.Ok, commit.Result.Status);
        Assert.False(rig.Journal.TryFind(id, out _));
        SeenMessage seen = Assert.Single(rig.Crash().Open().Replayed);
        Assert.Equal("", seen.From);
        Assert.Equal(["sender@example.org"], seen.Recipients);
    }

    [Fact]
    public void A_bounce_that_fails_settles_nothing()
    {
        JournalRig rig = new JournalRig().Open();
        MessageHandle original = rig.Commit(JournalRig.Body(100), "one@example.net");
        var writer = new MessageWriter(rig.Journal);
        writer.Begin();
        bool failed = false;
        rig.Disk.Fault = (action, _) =>
        {
            int errno = !failed && action == DiskAction.Sync ? 5 : 0;
            failed |= errno != 0;
            return errno;
        };
        CommitResult result = rig.Wait(writer.CommitAsync(JournalRig.Envelope("", "sender@example.org"), original, [0]));
        Assert.Equal(JournalStatus.Failed, result.Status);
        Assert.True(rig.Journal.IsPending(original, 0));
        rig.Deliver(original, 0);
        rig.Settle();
        Assert.Equal(0, rig.Journal.Stats.Messages);
    }

    [Fact]
    public void An_abandoned_large_message_leaves_nothing_behind()
    {
        JournalRig rig = new JournalRig(8 << 20).Open();
        var writer = new MessageWriter(rig.Journal);
        for (int i = 0; i < 3; i++)
        {
            writer.Begin();
            rig.Fill(writer, JournalRig.Body(200_000));
            if (i == 1)
            {
                rig.Settle();
            }
            writer.Abandon();
            rig.Settle();
            Assert.Equal(0, rig.Journal.Stats.LiveBytes);
        }
        Assert.Empty(rig.Crash().Open().Replayed);
    }

    private static void CheckAll(JournalRig rig, MessageHandle deferred, MessageHandle big, MessageHandle wide, byte[] small, byte[] large)
    {
        Assert.Equal(BodyStatus.Ok, rig.Read(deferred, out byte[] read));
        Assert.Equal(small, read);
        Assert.Equal(BodyStatus.Ok, rig.Read(big, out read));
        Assert.Equal(large, read);
        Assert.Equal(BodyStatus.Ok, rig.Read(wide, out read));
        Assert.Equal(small, read);
        Assert.Equal(10, rig.Journal.PendingCount(wide));
        Assert.Equal(2, rig.Journal.PendingCount(deferred));
    }
}
