using FastRelay.Journal;

namespace FastRelay.Tests.Journal;

/// <summary>Damaged segments are kept while there is room, and given up for room to record what deliveries come to.</summary>
public class EvidenceTests
{
    private const string First = "0000000000000001.seg";
    private const string Kept = "0000000000000001.damaged";

    [Fact]
    public void The_oldest_goes_first_one_at_a_time_and_one_that_is_gone_already_harms_nobody()
    {
        JournalRig rig = new();
        int done = 0;
        var evidence = new Evidence(rig.Disk) { Done = () => done++ };
        evidence.GiveUpOne();
        Assert.False(evidence.Busy);
        foreach (string name in new[] { "1.damaged", "2.damaged", "3.damaged" })
        {
            rig.Disk.Put($"{JournalRig.Spool}/{name}", new byte[100]);
            evidence.Add($"{JournalRig.Spool}/{name}");
        }
        long free = rig.Disk.FreeBytes;
        evidence.GiveUpOne();
        evidence.GiveUpOne();
        Assert.True(evidence.Busy);
        rig.Settle();
        Assert.False(evidence.Busy);
        Assert.Equal(["2.damaged", "3.damaged"], rig.Disk.Names);
        Assert.Equal(free + 100, rig.Disk.FreeBytes);
        rig.Disk.Delete($"{JournalRig.Spool}/2.damaged");
        evidence.GiveUpOne();
        rig.Settle();
        rig.Disk.Fault = static (action, _) => action == DiskAction.Delete ? 5 : 0;
        evidence.GiveUpOne();
        rig.Settle();
        Assert.Equal((0, 3, false), (evidence.Count, done, evidence.Busy));
    }

    [Fact]
    public void On_a_disk_without_room_for_outcomes_what_was_kept_goes_and_outcomes_are_recorded()
    {
        JournalRig rig = WithOneKept();
        MessageHandle waiting = rig.Commit(JournalRig.Body(1_000), "waiting@example.net");
        // With the kept segment it is just enough for a spare.
        rig.Disk.FreeBytes = 100_000;
        rig.Pass(2_000);
        int fillers = 0;
        while (rig.Wait(rig.Begin(JournalRig.Body(28_000), "filler@example.net")).Status == JournalStatus.Ok)
        {
            Assert.True(++fillers < 1_000, $"the disk never fills: {rig.Journal.Stats}");
        }
        Assert.Equal(1, rig.Journal.Stats.KeptAside);
        // Outcomes alone use the reserve up: the evidence makes room for the next.
        int attempts = 0;
        while (rig.Journal.Stats.KeptAside > 0)
        {
            Assert.True(rig.Journal.HasOutcomeRoom);
            rig.Defer(waiting, 1_900_000_000_000, ++attempts, new string('r', 400), 0);
            rig.Settle();
            if (attempts % 100 == 0)
            {
                rig.Pass(1_000);
            }
            Assert.True(attempts < 10_000, $"nothing was given up: {rig.Journal.Stats}");
        }
        rig.Pass(2_000);
        Assert.DoesNotContain(Kept, rig.Disk.Names);
        Assert.True(rig.Journal.HasOutcomeRoom);
        Assert.Equal(1, rig.Journal.Stats.Spares);
        rig.Defer(waiting, 1_900_000_000_000, ++attempts, "the last word", 0);
        rig.Settle();
        SeenMessage seen = Assert.Single(rig.Crash().Open().Replayed, static message => message.Recipients[0] == "waiting@example.net");
        Assert.Equal((attempts, "the last word"), (seen.Attempts, seen.Reason));
    }

    /// <summary>A journal that has set one damaged segment aside.</summary>
    private static JournalRig WithOneKept()
    {
        JournalRig rig = new JournalRig().Open();
        rig.Commit(JournalRig.Body(3_000), "one@example.net");
        rig.Deliver(rig.Commit(JournalRig.Body(10), "last@example.net"), 0);
        rig.Settle();
        JournalRig next = rig.Crash();
        next.Disk.Content(First)[4096 + 64 + 2_000] ^= 1;
        next.Open();
        next.Deliver(next.Replayed[0].Handle, 0);
        for (int i = 0; i < 200; i++)
        {
            next.Deliver(next.Commit(JournalRig.Body(28_000), "x@example.net"), 0);
        }
        next.Settle();
        Assert.Contains(Kept, next.Disk.Names);
        return next;
    }
}
