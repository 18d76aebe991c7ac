using FastRelay.Journal;

namespace FastRelay.Tests.Journal;

/// <summary>
/// Every call that can meet a full disk does, for a while: what was answered 250 stays, what deliveries come to is not
/// forgotten, and when there is room again mail is taken without a restart.
/// </summary>
public class NoSpaceTests
{
    private const int Enospc = 28;
    private const int Edquot = 122;

    public static TheoryData<DiskAction, int> Calls
    {
        get
        {
            var calls = new TheoryData<DiskAction, int>();
            foreach (DiskAction action in new[] { DiskAction.Open, DiskAction.Write, DiskAction.Sync, DiskAction.Zero, DiskAction.Rename, DiskAction.SyncDirectory })
            {
                calls.Add(action, Enospc);
                calls.Add(action, Edquot);
            }
            return calls;
        }
    }

    [Theory]
    [MemberData(nameof(Calls))]
    public void Whichever_call_finds_no_space_delivery_goes_on_and_accepting_resumes_by_itself(DiskAction call, int errno)
    {
        JournalRig rig = new JournalRig().Open();
        MessageHandle[] before = [.. Enumerable.Range(0, 40).Select(i => rig.Commit(JournalRig.Body(1_000, i), $"before{i}@example.net"))];
        var taken = new List<MessageId>();
        bool full = true;
        int met = 0;
        rig.Disk.Fault = (action, _) =>
        {
            int error = full && action == call ? errno : 0;
            met += error != 0 ? 1 : 0;
            return error;
        };
        // Enough to need new segments, spares, and the room of old ones; half of what was there is delivered meanwhile.
        for (int i = 0; i < 400; i++)
        {
            CommitResult result = rig.Wait(rig.Begin(out MessageId id, JournalRig.Body(28_000), "during@example.net"));
            if (result.Status == JournalStatus.Ok)
            {
                taken.Add(id);
                if (i % 2 == 0)
                {
                    taken.Remove(id);
                    rig.Deliver(result.Message, 0);
                }
            }
            if (i < before.Length / 2)
            {
                rig.Deliver(before[i], 0);
            }
            rig.Pass(i % 20 == 0 ? 500 : 0);
        }
        rig.Settle();
        Assert.True(met > 0, "the call was never made");
        full = false;
        rig.Pass(70_000);
        Assert.Equal(JournalStatus.Ok, rig.Journal.Admission);
        Assert.True(rig.Journal.HasOutcomeRoom);
        rig.Commit(JournalRig.Body(1_000), "after@example.net");
        rig.Settle();
        JournalRig next = rig.Crash().Open();
        string[] expected = [.. Enumerable.Range(20, 20).Select(static i => $"before{i}@example.net"), "after@example.net"];
        Assert.Equal(expected, next.Replayed.Select(static message => message.Recipients[0]).Where(static name => name != "during@example.net"));
        Assert.Equal(taken, next.Replayed.Where(static message => message.Recipients[0] == "during@example.net").Select(static message => message.Id));
        Assert.Equal(0, next.Report.DamagedGroups);
    }

    [Fact]
    public void A_bounce_is_taken_on_a_disk_that_takes_no_mail_and_settles_what_it_reports()
    {
        JournalRig rig = new JournalRig().Open();
        MessageHandle failed = rig.Commit(JournalRig.Body(1_000), "one@example.net", "two@example.net");
        rig.Disk.FreeBytes = 0;
        rig.Pass(2_000);
        while (rig.Wait(rig.Begin(JournalRig.Body(28_000), "filler@example.net")).Status == JournalStatus.Ok)
        {
            Assert.True(rig.Journal.Stats.Segments < 100, "the disk never fills");
        }
        Assert.Equal(JournalStatus.Full, rig.Journal.Admission);
        var writer = new MessageWriter(rig.Journal);
        writer.Begin();
        Assert.Equal(JournalStatus.Ok, rig.Fill(writer, JournalRig.Body(20_000)));
        var envelope = new EnvelopeBuilder();
        envelope.Start(default, EnvelopeFlags.Bounce, "[bounce]"u8, default);
        Assert.True(envelope.TryAddRecipient("sender@example.org"u8));
        CommitResult bounce = rig.Wait(writer.CommitAsync(envelope, failed, [1]));
        Assert.Equal(JournalStatus.Ok, bounce.Status);
        rig.Deliver(bounce.Message, 0);
        rig.Deliver(failed, 0);
        rig.Settle();
        Assert.DoesNotContain(rig.Crash().Open().Replayed, static message => message.Recipients[0] is "one@example.net" or "sender@example.org");
    }
}
