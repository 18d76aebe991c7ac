using FastRelay.Journal;

namespace FastRelay.Tests.Journal;

public class RoundTripTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(4096)]
    [InlineData(28 * 1024)]
    [InlineData(32 * 1024)]
    [InlineData(100_000)]
    [InlineData(3_000_000)]
    public void A_committed_body_is_read_back_whole_before_and_after_a_restart(int length)
    {
        JournalRig rig = new JournalRig(8 << 20).Open();
        byte[] body = JournalRig.Body(length);
        MessageHandle message = rig.Commit(body, "one@example.net");
        MessageId id = rig.Journal.IdOf(message);
        Assert.Equal(BodyStatus.Ok, rig.Read(message, out byte[] read));
        Assert.Equal(body, read);
        Assert.Equal(length, rig.Journal.BodyLength(message));

        JournalRig next = rig.Crash().Open();
        SeenMessage seen = Assert.Single(next.Replayed);
        Assert.Equal(id, seen.Id);
        Assert.Equal("sender@example.org", seen.From);
        Assert.Equal(["one@example.net"], seen.Recipients);
        Assert.Equal([0], seen.Pending);
        Assert.Equal(BodyStatus.Ok, next.Read(seen.Handle, out byte[] again));
        Assert.Equal(body, again);
        Assert.Equal(0, next.Report.DamagedGroups);
    }

    [Fact]
    public void A_delivered_message_is_gone_and_stays_gone()
    {
        JournalRig rig = new JournalRig().Open();
        MessageHandle message = rig.Commit(JournalRig.Body(500), "one@example.net", "two@example.net");
        MessageId id = rig.Journal.IdOf(message);
        rig.Deliver(message, 0);
        Assert.Equal(1, rig.Journal.PendingCount(message));
        Assert.False(rig.Journal.IsPending(message, 0));
        Assert.True(rig.Journal.IsPending(message, 1));
        rig.Deliver(message, 1);
        Assert.False(rig.Journal.TryFind(id, out _));
        rig.Settle();
        Assert.Empty(rig.Crash().Open().Replayed);
    }

    [Fact]
    public void Deferrals_holds_and_partial_deliveries_survive_a_restart()
    {
        JournalRig rig = new JournalRig().Open();
        MessageHandle message = rig.Commit(JournalRig.Body(500), "one@example.net", "two@example.net", "three@example.org");
        rig.Deliver(message, 0);
        rig.Defer(message, 1234567, 3, "451 come back", 1, 2);
        rig.Journal.SetHold(message, true);
        rig.Settle();
        SeenMessage seen = Assert.Single(rig.Crash().Open().Replayed);
        Assert.Equal([1, 2], seen.Pending);
        Assert.True(seen.Hold);
        Assert.Equal(3, seen.Attempts);
        Assert.Equal(1234567, seen.NextDue);
        Assert.Equal("451 come back", seen.Reason);
    }

    [Fact]
    public void A_clean_end_is_seen_and_ids_never_repeat()
    {
        JournalRig rig = new JournalRig().Open();
        MessageHandle message = rig.Commit(JournalRig.Body(10), "one@example.net");
        MessageId first = rig.Journal.IdOf(message);
        rig.Close();
        JournalRig next = rig.Crash().Open();
        Assert.True(next.Report.CleanEnd);
        MessageId second = next.Journal.IdOf(next.Commit(JournalRig.Body(10), "one@example.net"));
        Assert.True(second.Value > first.Value);
        next.Settle();
        Assert.Equal(2, next.Crash().Open().Replayed.Count);
    }
}
