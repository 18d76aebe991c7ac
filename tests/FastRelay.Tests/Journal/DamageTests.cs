using FastRelay.Journal;

namespace FastRelay.Tests.Journal;

public class DamageTests
{
    private const string First = "0000000000000001.seg";

    [Fact]
    public void A_tail_torn_at_any_sector_keeps_every_group_before_it_and_only_whole_messages_of_it()
    {
        JournalRig rig = new JournalRig().Open();
        byte[] one = JournalRig.Body(3000, 1);
        rig.Commit(one, "one@example.net");
        int before = End(rig);
        byte[] empty = rig.Disk.Content(First).AsSpan(before).ToArray();
        var bodies = new Dictionary<string, byte[]> { ["one@example.net"] = one };
        for (int i = 2; i < 6; i++)
        {
            bodies[$"m{i}@example.net"] = JournalRig.Body(2500, i);
            _ = rig.Begin(bodies[$"m{i}@example.net"], $"m{i}@example.net").AsTask();
        }
        rig.Settle();
        int after = End(rig);
        Assert.True(after - before > 10_000);
        int payloadEnd = before + 64 + BitConverter.ToInt32(rig.Disk.Content(First), before + 12);
        for (int cut = before; cut <= after; cut += 512)
        {
            JournalRig next = rig.Crash();
            empty.AsSpan(0, after - cut).CopyTo(next.Disk.Content(First).AsSpan(cut));
            next.Open();
            Assert.Contains(next.Replayed, static message => message.Recipients[0] == "one@example.net");
            int whole = cut < before + 512 ? 0 : Math.Min(4, (cut - before - 64) / 2660);
            Assert.True(next.Replayed.Count - 1 >= whole, $"cut at {cut}: {next.Replayed.Count - 1} of {whole} whole messages");
            Assert.Equal(cut == before || cut >= payloadEnd ? 0 : 1, next.Report.TornGroups);
            Assert.Equal(0, next.Report.DamagedGroups);
            foreach (SeenMessage message in next.Replayed)
            {
                Assert.Equal(BodyStatus.Ok, next.Read(message.Handle, out byte[] read));
                Assert.Equal(bodies[message.Recipients[0]], read);
            }
            next.Commit(one, "later@example.net");
            JournalRig third = next.Crash().Open();
            Assert.Equal(next.Replayed.Count + 1, third.Replayed.Count);
            Assert.Equal(0, third.Report.TornGroups + third.Report.DamagedGroups);
        }
    }

    [Fact]
    public void A_flipped_bit_anywhere_loses_at_most_its_own_message_and_never_delivers_damage()
    {
        JournalRig rig = new JournalRig().Open();
        var bodies = new Dictionary<string, byte[]>();
        for (int i = 0; i < 6; i++)
        {
            bodies[$"m{i}@example.net"] = JournalRig.Body(1500, i);
            rig.Commit(bodies[$"m{i}@example.net"], $"m{i}@example.net");
        }
        rig.Settle();
        int end = End(rig);
        for (int at = 0; at < end; at += at % 4096 < 256 ? 7 : 61)
        {
            JournalRig next = rig.Crash();
            next.Disk.Content(First)[at] ^= 0x10;
            next.Open();
            int intact = 0;
            foreach (SeenMessage message in next.Replayed)
            {
                BodyStatus status = next.Read(message.Handle, out byte[] read);
                if (status == BodyStatus.Ok)
                {
                    Assert.Equal(bodies[message.Recipients[0]], read);
                    intact++;
                }
                else
                {
                    Assert.Equal(BodyStatus.Corrupt, status);
                }
            }
            Assert.True(intact >= bodies.Count - 1, $"flip at {at}: {intact} messages left");
        }
    }

    [Fact]
    public void A_body_that_rots_while_the_relay_runs_is_not_delivered_once_it_is_cold()
    {
        JournalRig rig = new JournalRig().Open();
        rig.Commit(JournalRig.Body(3000), "one@example.net");
        JournalRig next = rig.Crash().Open();
        next.Disk.Content(First)[4096 + 2000] ^= 1;
        Assert.Equal(BodyStatus.Corrupt, next.Read(next.Replayed[0].Handle, out _));
        BodyReader reader = next.Journal.OpenBody();
        reader.Start(next.Replayed[0].Handle);
        next.Wait(reader.PrepareAsync());
        Assert.True(reader.HasEnvelope);
        Assert.True("sender@example.org"u8.SequenceEqual(reader.Envelope.ReversePath));
        reader.Close();
    }

    [Fact]
    public void A_zeroed_group_in_the_middle_is_named_and_the_others_are_kept()
    {
        JournalRig rig = new JournalRig().Open();
        for (int i = 0; i < 5; i++)
        {
            rig.Commit(JournalRig.Body(100), $"m{i}@example.net");
        }
        JournalRig next = rig.Crash();
        next.Disk.Content(First).AsSpan(4096 * 3, 4096).Clear();
        next.Open();
        Assert.Equal(["m0@example.net", "m1@example.net", "m3@example.net", "m4@example.net"], next.Replayed.Select(static message => message.Recipients[0]));
        Assert.Equal(2, next.Report.DamagedGroups);
        Assert.Contains(next.Report.Notes, static note => note.Contains("no group can be read from 12288", StringComparison.Ordinal));
    }

    [Fact]
    public void A_lost_segment_header_does_not_lose_its_groups()
    {
        JournalRig rig = new JournalRig().Open();
        while (rig.Journal.Stats.Segments < 3)
        {
            rig.Commit(JournalRig.Body(28 * 1024), "one@example.net");
        }
        long messages = rig.Journal.Stats.Messages;
        foreach (string name in rig.Disk.Names.Where(static name => name.EndsWith(".seg", StringComparison.Ordinal)).ToArray())
        {
            JournalRig next = rig.Crash();
            next.Disk.Content(name).AsSpan(0, 4096).Fill(0xEE);
            next.Open();
            Assert.Equal(messages, next.Replayed.Count);
            next.Commit(JournalRig.Body(10), "more@example.net");
            Assert.Equal(messages + 1, next.Crash().Open().Replayed.Count);
        }
    }

    [Fact]
    public void A_missing_segment_is_named_and_the_others_are_kept()
    {
        JournalRig rig = new JournalRig().Open();
        while (rig.Journal.Stats.Segments < 4)
        {
            rig.Commit(JournalRig.Body(28 * 1024), "one@example.net");
        }
        JournalRig next = rig.Crash();
        next.Disk.Delete(Path.Combine(JournalRig.Spool, "0000000000000002.seg"));
        next.Open();
        Assert.InRange(next.Replayed.Count, 1, rig.Journal.Stats.Messages - 1);
        Assert.Contains(next.Report.Notes, static note => note.Contains("missing", StringComparison.Ordinal));
    }

    [Fact]
    public void What_a_recycled_file_held_before_never_comes_back()
    {
        JournalRig rig = new JournalRig().Open();
        byte[] body = JournalRig.Body(3000);
        var handles = new Queue<MessageHandle>();
        // The same sizes again and again, so that old records lie where new ones may be expected.
        while (rig.Journal.Stats.Recycled < 6)
        {
            handles.Enqueue(rig.Commit(body, "one@example.net"));
            if (handles.Count > 5)
            {
                rig.Deliver(handles.Dequeue(), 0);
            }
        }
        rig.Settle();
        JournalRig next = rig.Crash().Open();
        Assert.Equal(5, next.Replayed.Count);
        // The last group torn in every way, over the old content.
        string last = rig.Disk.Names.Last(static name => name.EndsWith(".seg", StringComparison.Ordinal));
        for (int i = 0; i < 8; i++)
        {
            _ = rig.Begin(body, "new@example.net").AsTask();
        }
        byte[] old = (byte[])rig.Disk.Content(last).Clone();
        rig.Settle();
        byte[] now = rig.Disk.Content(last);
        int from = old.AsSpan().CommonPrefixLength(now);
        for (int keep = 0; keep < 64; keep++)
        {
            JournalRig torn = rig.Crash();
            byte[] content = torn.Disk.Content(last);
            var random = new Random(keep);
            for (int at = from & ~511; at < content.Length && at < from + 40_000; at += 512)
            {
                if (random.Next(2) == 0)
                {
                    old.AsSpan(at, 512).CopyTo(content.AsSpan(at));
                }
            }
            torn.Open();
            Assert.InRange(torn.Replayed.Count, 5, 13);
            Assert.Equal(torn.Replayed.Count, torn.Replayed.Select(static message => message.Id).Distinct().Count());
            Assert.Equal(torn.Replayed.Count - 5, torn.Replayed.Count(static message => message.Recipients[0] == "new@example.net"));
        }
    }

    [Fact]
    public void What_a_start_counts_on_is_written_again_because_a_failed_sync_may_have_lost_it()
    {
        JournalRig rig = new JournalRig().Open();
        rig.Commit(JournalRig.Body(100), "one@example.net");
        rig.Disk.Fault = static (action, _) => action == DiskAction.Sync ? 5 : 0;
        _ = rig.Begin(JournalRig.Body(100), "two@example.net").AsTask();
        rig.Settle();
        // The process ends; the system lives on and shows what never reached the disk, clean.
        JournalRig next = rig.Crash(keepUnsynced: true);
        next.Disk.ForgetDurable(First, rig.Crash().Disk.Content(First));
        next.Open();
        Assert.Equal(2, next.Replayed.Count);
        Assert.Equal(2, next.Crash().Open().Replayed.Count);
    }

    [Fact]
    public void The_inspector_names_the_damage_that_a_start_would_meet()
    {
        JournalRig rig = new JournalRig().Open();
        for (int i = 0; i < 4; i++)
        {
            rig.Commit(JournalRig.Body(100), "one@example.net");
        }
        rig.Disk.Content(First)[(4096 * 2) + 200] ^= 1;
        rig.Disk.Content(First).AsSpan(4096 * 3, 64).Clear();
        var conditions = new Conditions();
        Assert.Equal("", JournalInspector.Inspect(rig.Disk, JournalRig.Spool, conditions));
        Assert.Equal(["whole", "damaged", "hole", "missing groups before"], conditions.Seen);
    }

    private static int End(JournalRig rig) => (int)(4096 + rig.Journal.Stats.Bytes);

    private sealed class Conditions : IJournalVisitor
    {
        public List<string> Seen { get; } = [];

        public void Segment(in InspectedSegment segment)
        {
        }

        public void Group(in InspectedGroup group) => Seen.Add(group.Condition);

        public void Record(in InspectedRecord record)
        {
        }

        public void Unreadable(long offset, long bytes)
        {
        }

        public void Note(string text)
        {
        }
    }
}
