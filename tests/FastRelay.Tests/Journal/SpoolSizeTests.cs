using FastRelay.Journal;

namespace FastRelay.Tests.Journal;

/// <summary>What a spool takes on disk beside what is live in it.</summary>
public class SpoolSizeTests
{
    private const int SegmentBytes = 2 << 20;
    private const int Watches = 64;
    private const int Life = 28;
    private const int DeferredAWatch = 10;
    private const int BodyBytes = 28_000;

    /// <summary>
    /// Eight days of mail, in watches of three hours: one in a hundred is deferred, tried every twelve hours, and delivered
    /// after three and a half days. What waits is spread thinly over everything that was ever written.
    /// </summary>
    [Fact]
    public void With_one_in_a_hundred_deferred_for_days_the_spool_stays_under_twice_what_is_live()
    {
        JournalRig rig = new JournalRig(SegmentBytes).Open();
        var waiting = new Queue<(int Watch, MessageHandle Message)>();
        byte[] body = JournalRig.Body(BodyBytes);
        int seen = 0;
        for (int watch = 0; watch < Watches; watch++)
        {
            for (int i = 0; i < DeferredAWatch * 100; i++)
            {
                MessageHandle message = rig.Commit(body, "one@example.net");
                if (i % 100 == 0)
                {
                    rig.Defer(message, 1_900_000_000_000, 1, "450 4.2.1 later", 0);
                    waiting.Enqueue((watch, message));
                }
                else
                {
                    rig.Deliver(message, 0);
                }
            }
            foreach ((int since, MessageHandle message) in waiting.Where(w => watch > w.Watch && (watch - w.Watch) % 4 == 0))
            {
                rig.Defer(message, 1_900_000_000_000, 1 + ((watch - since) / 4), "450 4.2.1 later", 0);
            }
            while (waiting.Count > 0 && watch - waiting.Peek().Watch >= Life)
            {
                rig.Deliver(waiting.Dequeue().Message, 0);
            }
            rig.Manual.Time.Advance(3 * 3_600_000);
            rig.Settle();
            if (watch > Life)
            {
                seen++;
                JournalStats stats = rig.Journal.Stats;
                long used = (long)(stats.Segments - 1) * SegmentBytes;
                Assert.True(used <= 2 * stats.LiveBytes, $"watch {watch}: {stats.Segments - 1} segments before the open one, {used} bytes, for {stats.LiveBytes} live");
                Assert.InRange(stats.Spares, 1, 4);
            }
        }
        Assert.Equal(Watches - Life - 1, seen);
        Assert.True(rig.Journal.Stats.Recycled > 500, "reclaim hardly ran");
        // Carried forward many times, and nothing was lost on the way.
        JournalRig next = rig.Crash().Open();
        Assert.Equal(waiting.Count, next.Replayed.Count);
        foreach ((SeenMessage message, (int since, _)) in next.Replayed.Zip(waiting))
        {
            Assert.Equal(1 + ((Watches - 1 - since) / 4), message.Attempts);
            Assert.Equal(BodyStatus.Ok, next.Read(message.Handle, out byte[] read));
            Assert.Equal(body, read);
        }
    }
}
