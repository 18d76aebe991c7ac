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
        rig.Journal.Holds.Set(message, true);
        rig.Settle();
        SeenMessage seen = Assert.Single(rig.Crash().Open().Replayed);
        Assert.Equal([1, 2], seen.Pending);
        Assert.True(seen.Hold);
        Assert.Equal(3, seen.Attempts);
        Assert.Equal(1234567, seen.NextDue);
        Assert.Equal("451 come back", seen.Reason);
    }

    public static TheoryData<int> Sizes => [2, 63, 64, 65, 150];

    [Theory]
    [MemberData(nameof(Sizes))]
    public void A_hold_is_for_the_recipients_that_it_names(int count)
    {
        JournalRig rig = new JournalRig().Open();
        MessageHandle message = rig.Commit(JournalRig.Body(500), [.. Enumerable.Range(0, count).Select(static i => $"r{i}@example.net")]);
        int last = count - 1;
        Set(0, last, true);
        Assert.Equal(count == 2 ? [0, 1] : [0, last], Restarted());
        Set(0, 0, false);
        Assert.Equal([last], Restarted());
        // All at once, as older releases did, and one of them released: the others stay held.
        rig.Journal.Holds.Set(message, true);
        Set(1, 1, false);
        Assert.Equal(Enumerable.Range(0, count).Where(static i => i != 1), Restarted());
        Set(1, 1, true);
        Assert.Equal(Enumerable.Range(0, count), Restarted());
        rig.Deliver(message, 0);
        Set(last, last, false);
        Assert.Equal(Enumerable.Range(1, last - 1), Restarted());
        Assert.Equal(count > 2, rig.Journal.Holds.Has(message));
        rig.Journal.Holds.Set(message, false);
        Assert.Empty(Restarted());

        void Set(int first, int second, bool hold)
        {
            var words = new ulong[(count + 63) / 64];
            words[first / 64] |= 1UL << (first % 64);
            words[second / 64] |= 1UL << (second % 64);
            rig.Journal.Holds.Set(message, words, hold);
        }

        int[] Restarted()
        {
            rig.Settle();
            rig = rig.Crash().Open();
            SeenMessage seen = Assert.Single(rig.Replayed);
            message = seen.Handle;
            Assert.All(seen.Pending, i => Assert.Equal(seen.Held.Contains(i), rig.Journal.Holds.Has(message, i)));
            return seen.Held;
        }
    }

    [Fact]
    public void The_bits_of_a_hold_go_with_their_message()
    {
        JournalRig rig = new JournalRig().Open();
        MessageHandle message = rig.Commit(JournalRig.Body(10), "one@example.net", "two@example.net");
        rig.Journal.Holds.Set(message, [1], true);
        rig.Deliver(message, 0, 1);
        rig.Settle();
        MessageHandle next = rig.Commit(JournalRig.Body(10), "one@example.net", "two@example.net");
        Assert.Equal(message, next);
        Assert.False(rig.Journal.Holds.Has(next) || rig.Journal.Holds.Has(next, 0));
        long written = rig.Journal.Stats.Records;
        rig.Journal.Holds.Set(next, [3], false);
        rig.Settle();
        Assert.Equal(written, rig.Journal.Stats.Records);
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
