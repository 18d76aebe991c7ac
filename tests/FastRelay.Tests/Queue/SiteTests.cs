using FastRelay.Journal;
using FastRelay.Queue;
using FastRelay.Tests.Support;
using Xunit;

namespace FastRelay.Tests.Queue;

public class SiteTests
{
    [Fact]
    public void Destinations_of_a_site_take_turns()
    {
        QueueRig rig = new QueueRig().Domain("a.test", "mx.shared.test").Domain("b.test", "mx.shared.test").Domain("c.test", "mx.shared.test");
        for (int i = 0; i < 100; i++)
        {
            rig.Accept("s@x.test", $"{i}@a.test");
        }
        rig.Accept("s@x.test", "1@b.test");
        rig.Accept("s@x.test", "1@c.test");
        rig.Accept("s@x.test", "2@c.test");
        Assert.Equal(103, rig.SiteOf("mx.shared.test").Ready);
        string[] order = [.. Enumerable.Range(0, 8).Select(_ => rig.Deliver("mx.shared.test"))];
        Assert.Equal(["0@a.test", "1@b.test", "1@c.test", "1@a.test", "2@c.test", "2@a.test", "3@a.test", "4@a.test"], order);
    }

    [Fact]
    public void Sessions_are_asked_for_up_to_the_work_and_the_limit()
    {
        QueueRig rig = new QueueRig().Domain("a.test");
        for (int i = 1; i <= 8; i++)
        {
            rig.Accept("s@x.test", $"{i}@a.test");
            Assert.Equal(Math.Min(i, 5), rig.SiteOf("mx.a.test").Sessions);
        }
    }

    [Theory]
    [InlineData(2, 1)]
    [InlineData(3, 2)]
    public void A_site_that_answers_quickly_is_left_so_many_for_each_busy_session(int waiting, int sessions)
    {
        QueueRig rig = new QueueRig(limits: new Limits { SegmentBytes = 4 << 20, JoinedAhead = 2 }).Domain("a.test");
        rig.Accept("s@x.test", "0@a.test");
        Site site = rig.SiteOf("mx.a.test");
        rig.Take("mx.a.test");
        site.QuickUntilMs = rig.Loop.Loop.NowMs + Site.QuickMs;
        for (int i = 0; i < waiting; i++)
        {
            rig.Accept("s@x.test", $"{i}@a.test");
        }
        Assert.Equal((waiting, sessions), (site.Ready, site.Sessions));
    }

    [Fact]
    public void A_site_that_stops_answering_quickly_gets_the_sessions_it_may_have()
    {
        QueueRig rig = new QueueRig().Domain("a.test");
        rig.Accept("s@x.test", "0@a.test");
        Site site = rig.SiteOf("mx.a.test");
        rig.Take("mx.a.test");
        site.QuickUntilMs = rig.Loop.Loop.NowMs + Site.QuickMs;
        rig.Accept("s@x.test", "1@a.test", "2@a.test");
        rig.Accept("s@x.test", "3@a.test");
        Assert.Equal(1, site.Sessions);
        rig.Loop.Time.Advance(Site.QuickMs + 16);
        rig.Loop.Settle();
        Assert.Equal(3, site.Sessions);
    }

    [Fact]
    public void With_no_message_joined_ahead_each_gets_a_session()
    {
        QueueRig rig = new QueueRig(limits: new Limits { SegmentBytes = 4 << 20, JoinedAhead = 0 }).Domain("a.test");
        rig.Accept("s@x.test", "0@a.test");
        Site site = rig.SiteOf("mx.a.test");
        rig.Take("mx.a.test");
        site.QuickUntilMs = rig.Loop.Loop.NowMs + Site.QuickMs;
        rig.Accept("s@x.test", "1@a.test");
        Assert.Equal(2, site.Sessions);
    }

    [Fact]
    public void An_idle_session_is_woken_before_another_is_made()
    {
        QueueRig rig = new QueueRig().Domain("a.test");
        rig.Accept("s@x.test", "1@a.test");
        rig.Deliver("mx.a.test");
        Site site = rig.SiteOf("mx.a.test");
        Assert.False(rig.Queue.TryTake(site, out _));
        site.Idle++;
        rig.Accept("s@x.test", "2@a.test");
        Assert.Equal((1, 0, 2), (site.Sessions, site.Idle, rig.Dispatcher.Calls.Count));
    }

    [Fact]
    public void Concurrency_grows_with_success_and_halves_with_failure()
    {
        QueueRig rig = new QueueRig(limits: new Limits { SegmentBytes = 4 << 20, SendSessionsPerSite = 8 }).Domain("a.test");
        rig.Accept("s@x.test", "1@a.test");
        Site site = rig.SiteOf("mx.a.test");
        Assert.Equal(5, site.Limit);
        for (int i = 0; i < 6; i++)
        {
            rig.Deliver("mx.a.test");
            rig.Accept("s@x.test", "1@a.test");
        }
        Assert.Equal(6, site.Limit);
        for (int i = 0; i < 40; i++)
        {
            rig.Deliver("mx.a.test");
            rig.Accept("s@x.test", "1@a.test");
        }
        Assert.Equal(8, site.Limit);
        rig.Queue.SiteFailed(site, QueueRig.Unreachable, "no answer"u8);
        Assert.Equal((1, false), (site.Limit, site.CanRun));
        rig.Loop.Pass(40_000);
        rig.Deliver("mx.a.test");
        Assert.Equal(4, site.Limit);
    }

    [Fact]
    public void A_site_backs_off_on_its_own_schedule_and_touches_no_message()
    {
        QueueRig rig = new QueueRig(new QueueOptions { Jitter = 0 }).Domain("a.test");
        MessageHandle deferred = rig.Accept("s@x.test", "later@a.test");
        rig.Report(rig.Take("mx.a.test"), _ => QueueRig.Later);
        long due = rig.ShowOne(deferred).NextUnixMs;
        MessageHandle ready = rig.Accept("s@x.test", "1@a.test");
        Site site = rig.SiteOf("mx.a.test");
        rig.Dispatcher.Calls.Clear();
        long[] waits = [30, 60, 120, 240];
        foreach (long wait in waits)
        {
            site.Sessions = 0;
            rig.Loop.Settle();
            rig.Dispatcher.Calls.Clear();
            rig.Queue.SiteFailed(site, QueueRig.Unreachable, "no answer"u8);
            // The rest of a cohort fails as well: it counts once.
            rig.Queue.SiteFailed(site, QueueRig.Unreachable, "no answer"u8);
            site.Sessions = 0;
            QueuedDestination shown = rig.ShowOne(ready);
            Assert.Equal((QueuedState.Ready, 0, "no answer"), (shown.State, shown.Attempts, shown.Reason));
            if (wait < 240)
            {
                Assert.Equal(due, rig.ShowOne(deferred).NextUnixMs);
            }
            rig.Loop.Pass((wait * 1000) - 1000);
            Assert.Empty(rig.Dispatcher.Calls);
            rig.Loop.Pass(1_100);
            Assert.Single(rig.Dispatcher.Calls);
        }
        rig.Deliver("mx.a.test");
        Assert.Equal((0, ""), (site.Failures, site.BackoffReason));
    }

    [Fact]
    public void One_failure_among_deliveries_that_work_only_slows_a_site_down()
    {
        QueueRig rig = new QueueRig(new QueueOptions { Jitter = 0 }).Domain("a.test");
        for (int i = 0; i < 10; i++)
        {
            rig.Accept("s@x.test", $"{i}@a.test");
        }
        Site site = rig.SiteOf("mx.a.test");
        Delivery flying = rig.Take("mx.a.test");
        rig.Queue.SiteFailed(site, QueueRig.Unreachable, "421 too many connections"u8);
        Assert.Equal((0, 2, false), (site.Failures, site.Limit, site.CanRun));
        Assert.True(rig.Queue.TryTake(site, out Delivery second));
        rig.Report(flying, _ => QueueRig.Ok);
        rig.Report(second, _ => QueueRig.Ok);
        site.Sessions = 1;
        rig.Loop.Pass(5_100);
        Assert.True(site.BackoffReason.Length == 0 && site.Sessions > 1);
    }

    [Fact]
    public void A_site_that_judges_recipients_is_alive()
    {
        QueueRig rig = new QueueRig(new QueueOptions { Jitter = 0 }).Domain("a.test");
        rig.Accept("s@x.test", "later@a.test");
        Site site = rig.SiteOf("mx.a.test");
        rig.Queue.SiteFailed(site, QueueRig.Unreachable, "no answer"u8);
        rig.Loop.Pass(31_000);
        rig.Report(rig.Take("mx.a.test"), _ => QueueRig.Later);
        Assert.Equal(0, site.Failures);
    }

    [Fact]
    public void A_site_without_room_is_asked_again_when_there_is_room()
    {
        QueueRig rig = new QueueRig().Domain("a.test").Domain("b.test");
        rig.Dispatcher.Room = 0;
        rig.Accept("s@x.test", "1@a.test");
        rig.Accept("s@x.test", "1@b.test");
        Assert.Empty(rig.Dispatcher.Calls);
        rig.Dispatcher.Room = 1;
        rig.Queue.RoomAgain();
        rig.Loop.Settle();
        Assert.Equal(["mx.a.test"], rig.Dispatcher.Calls);
        rig.Dispatcher.Room = 5;
        rig.Queue.RoomAgain();
        rig.Loop.Settle();
        Assert.Equal(["mx.a.test", "mx.b.test"], rig.Dispatcher.Calls);
    }

    [Fact]
    public void A_destination_moves_to_its_new_site_as_a_whole_when_its_MX_change()
    {
        QueueRig rig = new QueueRig();
        rig.Dns.Mx("a.test", "10 old.test", 60).A("old.test", "8.8.8.8", 60).Aaaa("old.test", "nodata", 60).A("new.test", "8.8.8.9", 60);
        rig.Accept("s@x.test", "1@a.test");
        rig.Accept("s@x.test", "2@a.test");
        rig.Dns.Mx("a.test", "10 new.test", 60);
        rig.Loop.Pass(61_000);
        Site old = rig.SiteOf("old.test");
        Assert.Equal(2, old.Ready);
        Delivery flying = rig.Take("old.test");
        rig.Loop.Settle();
        Assert.Equal((0, 1, 1), (old.Ready, old.InFlight, rig.SiteOf("new.test").Ready));
        rig.Report(flying, _ => QueueRig.Ok);
        Assert.Equal("2@a.test", rig.Deliver("new.test"));
        old.Sessions = 0;
        rig.Loop.Settle();
        Assert.Null(rig.Queue.State.Sites.Find("old.test"));
    }

    [Fact]
    public void An_idle_site_is_not_dialled_by_an_expired_plan()
    {
        QueueRig rig = new QueueRig();
        rig.Dns.Mx("a.test", "10 mx.test", 60).A("mx.test", "8.8.8.8", 60).Aaaa("mx.test", "nodata", 60);
        rig.Accept("s@x.test", "1@a.test");
        rig.Deliver("mx.test");
        rig.SiteOf("mx.test").Sessions = 0;
        rig.Loop.Pass(61_000);
        rig.Dispatcher.Calls.Clear();
        rig.Dns.Hold = true;
        rig.Accept("s@x.test", "2@a.test");
        Assert.Empty(rig.Dispatcher.Calls);
        rig.Dns.Hold = false;
        rig.Dns.A("mx.test", "8.8.4.4", 60).LetGo();
        rig.Loop.Settle();
        Assert.Equal(["mx.test"], rig.Dispatcher.Calls);
        Assert.Equal("8.8.4.4:25", rig.SiteOf("mx.test").Plan.Hosts[0].Addresses[0].ToString());
    }

    [Fact]
    public void What_has_been_empty_for_long_is_forgotten()
    {
        QueueRig rig = new QueueRig();
        for (int i = 0; i < 300; i++)
        {
            rig.Domain($"d{i}.test");
            rig.Accept("s@x.test", $"u@d{i}.test");
            rig.Deliver($"mx.d{i}.test");
            rig.SiteOf($"mx.d{i}.test").Sessions = 0;
        }
        Assert.Equal((300, 300), (rig.Queue.DestinationCount, rig.Queue.SiteCount));
        rig.Loop.Pass(720_000, 30_000);
        Assert.Equal((0, 0), (rig.Queue.DestinationCount, rig.Queue.SiteCount));
        rig.Accept("s@x.test", "u@d7.test");
        rig.Deliver("mx.d7.test");
        Assert.Equal(0, rig.Messages);
    }

    [Fact]
    public void The_way_of_a_known_destination_allocates_nothing()
    {
        QueueRig rig = new QueueRig().Domain("a.test");
        rig.Output.Keep = false;
        var probe = new AllocationProbe(rig);
        for (int i = 0; i < 2_000; i++)
        {
            probe.Once("mx.a.test");
        }
        long before = probe.Allocated;
        for (int i = 0; i < 1_000; i++)
        {
            probe.Once("mx.a.test");
        }
        Assert.Equal(0, probe.Allocated - before);
        Assert.Equal(0, rig.Messages);
    }
}
