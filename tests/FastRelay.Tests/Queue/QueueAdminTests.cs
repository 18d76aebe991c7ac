using FastRelay.Journal;
using FastRelay.Observe;
using FastRelay.Queue;
using Xunit;

namespace FastRelay.Tests.Queue;

public class QueueAdminTests
{
    private readonly QueueRig _rig = new QueueRig(new QueueOptions { Jitter = 0 }).Domain("a.test").Domain("b.test");

    private string List(QueueFilter filter, int max = 1000) =>
        string.Join(" ", _rig.Loop.Wait(_rig.Queue.Admin.ListAsync(filter, max)).Messages
            .Select(message => $"{message.Sender}>{string.Join("+", message.Destinations.OrderBy(d => d.Key, StringComparer.Ordinal).Select(d => $"{d.Key}:{d.State}"))}"));

    private long Do(Func<QueueAdmin, ValueTask<long>> operation)
    {
        long count = _rig.Loop.Wait(operation(_rig.Queue.Admin));
        _rig.Loop.Settle();
        return count;
    }

    [Fact]
    public void Listings_select_by_every_condition()
    {
        _rig.Accept("1@x.test", "u@a.test");
        _rig.Report(_rig.Take("mx.a.test"), _ => QueueRig.Later);
        _rig.Accept("2@x.test", "u@a.test", "u@b.test");
        _rig.Accept("", "u@b.test");
        Assert.Equal("1@x.test>a.test:Deferred 2@x.test>a.test:Ready+b.test:Ready >b.test:Ready", List(new QueueFilter()));
        Assert.Equal("2@x.test>a.test:Ready+b.test:Ready", List(new QueueFilter { Sender = "2@X.test" }));
        Assert.Equal(">b.test:Ready", List(new QueueFilter { Sender = "<>" }));
        Assert.Equal("1@x.test>a.test:Deferred 2@x.test>a.test:Ready", List(new QueueFilter { Domain = "A.Test." }));
        Assert.Equal("", List(new QueueFilter { Domain = "unknown.test" }));
        Assert.Equal("2@x.test>b.test:Ready >b.test:Ready", List(new QueueFilter { Site = "mx.b.test" }));
        Assert.Equal("1@x.test>a.test:Deferred", List(new QueueFilter { State = QueuedState.Deferred }));
        Assert.Equal(new QueueCounts(3, 0, 1, 0, 0, 2, 2), _rig.Queue.Admin.Counts());
        Assert.Equal(3, Do(admin => admin.CountAsync(new QueueFilter())));
        Assert.Equal(1, Do(admin => admin.CountAsync(new QueueFilter { Sender = "1@x.test" })));
    }

    [Fact]
    public void Looking_for_a_sender_allocates_nothing_for_a_message_of_another()
    {
        const int messages = 2_000;
        for (int i = 0; i < messages; i++)
        {
            _rig.Commit($"somebody-with-a-long-name-{i}@x.test", "u@a.test");
        }
        var filter = new QueueFilter { Sender = "nobody@x.test" };
        Assert.Equal(0, Do(admin => admin.CountAsync(filter)));
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Equal(0, Do(admin => admin.CountAsync(filter)));
        // The search itself, and what the rig takes to wait for it; a string for each sender would be 90 octets a message.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, messages * 16);
    }

    [Fact]
    public void One_message_is_shown_with_what_is_known_of_it()
    {
        MessageHandle message = _rig.Accept("s@x.test", "u@a.test", "v@a.test");
        QueuedMessage shown = _rig.Show(message);
        Assert.Equal((_rig.Journal.IdOf(message), 20L, "s@x.test"), (shown.Id, shown.Size, shown.Sender));
        QueuedDestination destination = Assert.Single(shown.Destinations);
        Assert.Equal(("a.test", "mx.a.test", 0L, 2), (destination.Key, destination.Site, destination.NextUnixMs, destination.RecipientCount));
        Assert.Equal(shown.ArrivalUnixMs + 432_000_000, destination.ExpiresUnixMs, 2_000d);
        Assert.Null(_rig.Loop.Wait(_rig.Queue.Admin.ShowAsync(new MessageId(1UL << 40))));
    }

    [Fact]
    public void Pages_cover_the_whole_queue_once()
    {
        for (int i = 0; i < 95; i++)
        {
            _rig.Commit($"{i}@x.test", "u@a.test");
        }
        _rig.Loop.Settle();
        var seen = new List<string>();
        int from = 0;
        do
        {
            QueueListing page = _rig.Loop.Wait(_rig.Queue.Admin.ListAsync(new QueueFilter(), 10, from));
            Assert.InRange(page.Messages.Count, 0, 10);
            seen.AddRange(page.Messages.Select(message => message.Sender));
            from = page.Next;
        }
        while (from >= 0);
        Assert.Equal(95, seen.Count);
        Assert.Equal(95, seen.Distinct().Count());
    }

    [Fact]
    public void A_part_of_the_index_is_listed_and_says_how_far_it_is()
    {
        for (int i = 0; i < 40; i++)
        {
            _rig.Commit($"{i}@x.test", "u@a.test");
        }
        _rig.Loop.Settle();
        QueueListing part = _rig.Loop.Wait(_rig.Queue.Admin.ListAsync(new QueueFilter(), 100, 10, 5));
        Assert.Equal((5, 15), (part.Messages.Count, part.Next));
        Assert.True(part.End >= 40);
        // Also where nothing is found.
        part = _rig.Loop.Wait(_rig.Queue.Admin.ListAsync(new QueueFilter { State = QueuedState.Held }, 100, 10, 5));
        Assert.Equal((0, 15), (part.Messages.Count, part.Next));
    }

    [Fact]
    public void The_oldest_message_is_known_whatever_goes_and_comes()
    {
        Assert.Null(_rig.Loop.Wait(_rig.Queue.Admin.OldestAsync()));
        MessageHandle first = _rig.Accept("1@x.test", "u@a.test");
        MessageId firstId = _rig.Journal.IdOf(first);
        _rig.Loop.Pass(5_000);
        MessageHandle second = _rig.Accept("2@x.test", "u@a.test");
        MessageId secondId = _rig.Journal.IdOf(second);
        Assert.Equal((firstId, _rig.Journal.ArrivalUnixMs(first)), _rig.Loop.Wait(_rig.Queue.Admin.OldestAsync()));
        // What is held counts, and so does what is under way.
        _rig.Loop.Wait(_rig.Queue.Admin.HoldAsync(new QueueFilter { Id = firstId }));
        Assert.Equal(firstId, _rig.Loop.Wait(_rig.Queue.Admin.OldestAsync())!.Value.Id);
        _rig.Loop.Wait(_rig.Queue.Admin.RemoveAsync(new QueueFilter { Id = firstId }));
        _rig.Loop.Settle();
        Assert.Equal(secondId, _rig.Loop.Wait(_rig.Queue.Admin.OldestAsync())!.Value.Id);
        _rig.Deliver("mx.a.test");
        _rig.Loop.Settle();
        Assert.Null(_rig.Loop.Wait(_rig.Queue.Admin.OldestAsync()));
    }

    [Fact]
    public void While_the_oldest_message_cannot_be_found_it_is_the_one_that_was_found_last()
    {
        const int Page = 4_096;
        MessageIndex index = _rig.Journal.Index;
        // Ten pages, the first of each of which is the oldest there and goes: more than one turn of the loop looks through.
        int[] slots = [.. Enumerable.Range(0, 10 * Page).Select(i => index.Commit(-1, (1UL << 40) + (ulong)i, 1, i % Page == 0 ? 1_000 + i : 500_000, 0))];
        (MessageId Id, long ArrivalUnixMs)? first = _rig.Loop.Wait(_rig.Queue.Admin.OldestAsync());
        Assert.Equal((1UL << 40, 1_000L), (first!.Value.Id.Value, first.Value.ArrivalUnixMs));
        foreach (int slot in slots.Where(static (_, i) => i % Page == 0))
        {
            index.Remove(slot);
        }
        Assert.Equal(first, _rig.Loop.Wait(_rig.Queue.Admin.OldestAsync(turns: 0)));
        Assert.Equal(500_000, _rig.Loop.Wait(_rig.Queue.Admin.OldestAsync())!.Value.ArrivalUnixMs);
        foreach (int slot in slots.Where(static (_, i) => i % Page != 0))
        {
            index.Remove(slot);
        }
        // Ten pages are looked through again, and nobody is there: that is known, and not only not found.
        Assert.Null(_rig.Loop.Wait(_rig.Queue.Admin.OldestAsync()));
        Assert.Null(_rig.Loop.Wait(_rig.Queue.Admin.OldestAsync(turns: 0)));
    }

    [Fact]
    public void How_long_mail_took_is_counted_for_each_recipient_that_is_delivered()
    {
        _rig.Accept("s@x.test", "1@a.test", "2@a.test", "no@a.test");
        _rig.Loop.Pass(2_000);
        _rig.Report(_rig.Take("mx.a.test"), static to => to.StartsWith("no", StringComparison.Ordinal) ? QueueRig.Never : QueueRig.Ok);
        DelayCounts delays = _rig.Counters.Delays.Read();
        Assert.Equal(2, delays.Counts.Sum());
        Assert.Equal(2, delays.Counts[DelayHistogram.BoundsMs.IndexOf(2_500)]);
        Assert.InRange(delays.SumsMs.Sum(), 4_000, 4_400);
    }

    [Fact]
    public void A_retry_makes_deferred_mail_ready_and_ends_backoffs()
    {
        _rig.Dns.Mx("c.test", "servfail");
        _rig.Accept("s@x.test", "u@a.test");
        _rig.Report(_rig.Take("mx.a.test"), _ => QueueRig.Later);
        _rig.Accept("s@x.test", "u@b.test");
        Site b = _rig.SiteOf("mx.b.test");
        _rig.Queue.SiteFailed(b, QueueRig.Unreachable, "down"u8);
        _rig.Accept("s@x.test", "u@c.test");
        int asked = _rig.Dns.Asked.Count;
        _rig.Loop.Pass(6_000);
        Assert.Equal(3, Do(admin => admin.RetryAsync(new QueueFilter())));
        Assert.Equal((0L, true, 0), (_rig.Queue.Deferred, _rig.HasWork("mx.a.test"), b.Failures));
        Assert.True(b.BackoffUntilMs <= _rig.Loop.Loop.NowMs);
        Assert.Equal(asked + 1, _rig.Dns.Asked.Count);
    }

    [Fact]
    public void A_retry_of_what_is_in_flight_follows_its_deferral_at_once()
    {
        _rig.Accept("s@x.test", "u@a.test");
        Delivery delivery = _rig.Take("mx.a.test");
        Assert.Equal(1, Do(admin => admin.RetryAsync(new QueueFilter { Domain = "a.test" })));
        _rig.Report(delivery, _ => QueueRig.Later);
        Assert.Equal(1, _rig.Take("mx.a.test").Attempts);
    }

    [Fact]
    public void Removed_mail_is_gone_and_nobody_is_told()
    {
        MessageHandle first = _rig.Accept("s@x.test", "u@a.test", "u@b.test");
        _rig.Accept("s@x.test", "u@b.test");
        Assert.Equal(1, Do(admin => admin.RemoveAsync(new QueueFilter { Domain = "a.test" })));
        Assert.Equal((2, 1), (_rig.Queue.Entries, _rig.Journal.PendingCount(first)));
        Assert.Equal(2, Do(admin => admin.RemoveAsync(new QueueFilter())));
        Assert.Equal((0, 0L), (_rig.Queue.Entries, _rig.Messages));
        Assert.Empty(_rig.Bounces.Seen);
        Assert.Equal(3, _rig.Output.Lines.Count(line => line.Contains("removed by the operator", StringComparison.Ordinal)));
    }

    [Fact]
    public void What_is_in_flight_is_removed_when_it_comes_back()
    {
        _rig.Accept("s@x.test", "u@a.test");
        Delivery delivery = _rig.Take("mx.a.test");
        Do(admin => admin.RemoveAsync(new QueueFilter()));
        Assert.Equal(1, _rig.Queue.Entries);
        _rig.Report(delivery, _ => QueueRig.Later);
        Assert.Equal((0, 0L), (_rig.Queue.Entries, _rig.Messages));
    }

    [Fact]
    public void What_is_in_flight_is_held_when_it_comes_back()
    {
        MessageHandle message = _rig.Accept("s@x.test", "u@a.test");
        Delivery delivery = _rig.Take("mx.a.test");
        Do(admin => admin.HoldAsync(new QueueFilter()));
        _rig.Report(delivery, _ => QueueRig.Later);
        Assert.Equal(QueuedState.Held, _rig.ShowOne(message).State);
    }

    [Fact]
    public void Work_on_many_messages_is_spread_over_turns()
    {
        for (int i = 0; i < 3_000; i++)
        {
            _rig.Commit("s@x.test", "u@a.test");
        }
        _rig.Loop.Settle();
        Task<long> removal = _rig.Queue.Admin.RemoveAsync(new QueueFilter()).AsTask();
        int turns = 0;
        while (_rig.Queue.Entries > 0)
        {
            _rig.Loop.Loop.Turn(canSleep: false);
            Assert.True(turns++ < 10_000);
        }
        _rig.Loop.Settle();
        Assert.True(removal.IsCompleted);
        Assert.InRange(turns, 10, 10_000);
    }

    [Fact]
    public void Sites_are_shown_busiest_first()
    {
        _rig.Accept("s@x.test", "1@a.test");
        _rig.Accept("s@x.test", "1@b.test");
        _rig.Accept("s@x.test", "2@b.test");
        Assert.Equal(["mx.b.test", "mx.a.test"], _rig.Loop.Wait(_rig.Queue.Admin.BusiestSitesAsync(5)).Select(site => site.Key));
    }

    [Fact]
    public void An_action_on_a_long_queue_lets_the_sessions_run_between_its_slices()
    {
        const int Messages = 1_000;
        for (int i = 0; i < Messages; i++)
        {
            _rig.Commit("s@x.test", "u@a.test");
        }
        _rig.Loop.Settle();
        Task<long> hold = _rig.Queue.Admin.HoldAsync(new QueueFilter()).AsTask();
        long held = _rig.Queue.Admin.Counts().Held;
        Assert.InRange(held, 1, 128);
        int turns = 0;
        while (!hold.IsCompleted)
        {
            _rig.Loop.Loop.Turn(canSleep: false);
            long now = _rig.Queue.Admin.Counts().Held;
            Assert.InRange(now - held, 0, 128);
            held = now;
            turns++;
        }
        Assert.Equal((Messages, Messages), (held, hold.Result));
        Assert.InRange(turns, Messages / 128, Messages);
    }
}
