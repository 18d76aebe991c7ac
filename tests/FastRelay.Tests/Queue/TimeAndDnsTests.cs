using FastRelay.Journal;
using FastRelay.Queue;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>DNS trouble, expiry, clocks that jump, and restarts.</summary>
public class TimeAndDnsTests
{
    private static readonly QueueOptions s_short = new() { Jitter = 0, ExpireMs = 3_600_000 };

    [Fact]
    public void Mail_waits_while_DNS_fails_and_goes_when_it_answers()
    {
        QueueRig rig = new(new QueueOptions { Jitter = 0 });
        rig.Dns.Mx("a.test", "servfail");
        MessageHandle message = rig.Accept("s@x.test", "u@a.test");
        Assert.Contains("the server failed", rig.ShowOne(message).Reason, StringComparison.Ordinal);
        Assert.Single(rig.Dns.Asked);
        rig.Loop.Pass(29_000);
        rig.Accept("s@x.test", "v@a.test");
        Assert.Single(rig.Dns.Asked);
        rig.Loop.Pass(2_000);
        Assert.Equal(2, rig.Dns.Asked.Count);
        rig.Loop.Pass(58_000);
        Assert.Equal(2, rig.Dns.Asked.Count);
        rig.Domain("a.test");
        rig.Loop.Pass(2_500);
        Assert.Equal(2, rig.SiteOf("mx.a.test").Ready);
        Assert.Equal(0, rig.Take("mx.a.test").Attempts);
    }

    [Fact]
    public void One_plan_serves_all_that_came_while_it_was_made()
    {
        QueueRig rig = new QueueRig().Domain("a.test");
        rig.Dns.Hold = true;
        for (int i = 0; i < 50; i++)
        {
            rig.Accept("s@x.test", $"{i}@a.test");
        }
        Assert.Single(rig.Dns.Asked);
        rig.Dns.Hold = false;
        rig.Dns.LetGo();
        rig.Loop.Settle();
        Assert.Equal(50, rig.SiteOf("mx.a.test").Ready);
        Assert.Equal(3, rig.Dns.Asked.Count);
    }

    [Theory]
    [InlineData("nxdomain", "NoSuchDomain 5.1.2")]
    [InlineData("null", "NullMx 5.1.10")]
    [InlineData("10 relay.test", "MailLoop 5.4.6")]
    [InlineData("10 private.test", "ConnectFailed 5.4.4")]
    [InlineData("10 nowhere.test", "NoSuchDomain 5.4.4")]
    public void What_DNS_says_for_good_fails_the_message(string mx, string bounce)
    {
        QueueRig rig = new();
        rig.Dns.Mx("a.test", mx).A("private.test", "10.0.0.1");
        rig.Accept("s@x.test", "u@a.test", "v@a.test");
        Assert.Equal(2, rig.Bounces.Seen.Count);
        Assert.StartsWith("0 " + bounce, rig.Bounces.Seen[0], StringComparison.Ordinal);
        Assert.Equal(0, rig.Queue.Entries);
        Assert.Contains(rig.Output.Lines, line => line.Contains("event=delivery status=failed", StringComparison.Ordinal) && line.Contains("to=u@a.test", StringComparison.Ordinal));
        // The answer holds for its TTL: the next message fails without another question.
        int asked = rig.Dns.Asked.Count;
        rig.Accept("s@x.test", "w@a.test");
        Assert.Equal((3, asked), (rig.Bounces.Seen.Count, rig.Dns.Asked.Count));
    }

    [Fact]
    public void Many_failures_at_once_are_spread_over_turns()
    {
        QueueRig rig = new();
        rig.Dns.Mx("a.test", "nxdomain").Hold = true;
        for (int i = 0; i < 1_000; i++)
        {
            rig.Commit("s@x.test", $"{i}@a.test");
        }
        rig.Dns.Hold = false;
        rig.Dns.LetGo();
        int most = 0;
        for (int turn = 0; rig.Bounces.Seen.Count < 1_000; turn++)
        {
            int before = rig.Bounces.Seen.Count;
            rig.Loop.Loop.Turn(canSleep: false);
            most = Math.Max(most, rig.Bounces.Seen.Count - before);
            Assert.True(turn < 1_000);
        }
        Assert.InRange(most, 1, 256);
        Assert.Equal(0, rig.Queue.Entries);
    }

    [Fact]
    public void A_deferred_message_gets_its_last_attempt_when_it_expires()
    {
        QueueRig rig = new QueueRig(s_short).Domain("a.test");
        MessageHandle message = rig.Accept("s@x.test", "u@a.test");
        var attempts = new List<long>();
        for (long second = 0; rig.Bounces.Seen.Count == 0; second++)
        {
            if (rig.HasWork("mx.a.test"))
            {
                attempts.Add(second);
                rig.Report(rig.Take("mx.a.test"), _ => QueueRig.Later, "451 not yet");
            }
            rig.Loop.Pass(1_000);
            Assert.True(second < 4_000);
        }
        Assert.Equal([0, 300, 900, 2_100, 3_600], attempts.Select(at => at / 10 * 10));
        Assert.Equal("0 Expired 5.4.7 mx.test (8.8.8.8) 451 not yet", Assert.Single(rig.Bounces.Seen));
        Assert.Equal((0, 1), (rig.Queue.Entries, rig.Journal.PendingCount(message)));
    }

    [Fact]
    public void Mail_expires_while_DNS_fails()
    {
        QueueRig rig = new(s_short);
        rig.Dns.Mx("a.test", "timeout");
        rig.Accept("s@x.test", "u@a.test");
        rig.Loop.Pass(3_590_000, 10_000);
        Assert.Empty(rig.Bounces.Seen);
        rig.Loop.Pass(80_000, 10_000);
        Assert.Contains("no server answered in time", Assert.Single(rig.Bounces.Seen), StringComparison.Ordinal);
        Assert.Contains("Expired", rig.Bounces.Seen[0], StringComparison.Ordinal);
        Assert.Equal(0, rig.Queue.Entries);
    }

    [Fact]
    public void Mail_expires_while_its_site_backs_off()
    {
        QueueRig rig = new QueueRig(s_short).Domain("a.test");
        rig.Accept("s@x.test", "u@a.test");
        Site site = rig.SiteOf("mx.a.test");
        for (int minute = 0; minute < 59; minute++)
        {
            rig.Queue.SiteFailed(site, QueueRig.Unreachable, "no route"u8);
            rig.Loop.Pass(60_000, 20_000);
        }
        Assert.Empty(rig.Bounces.Seen);
        rig.Queue.SiteFailed(site, QueueRig.Unreachable, "no route"u8);
        rig.Loop.Pass(150_000, 10_000);
        Assert.Contains("no route", Assert.Single(rig.Bounces.Seen), StringComparison.Ordinal);
        Assert.Equal((0, 0), (rig.Queue.Entries, site.Ready));
    }

    [Fact]
    public void Mail_that_is_passed_over_expires_an_hour_late_at_the_latest()
    {
        QueueRig rig = new QueueRig(s_short).Domain("a.test");
        rig.Accept("s@x.test", "u@a.test");
        rig.Loop.Pass(3_700_000, 20_000);
        Assert.Empty(rig.Bounces.Seen);
        rig.Loop.Pass(3_700_000, 20_000);
        Assert.Single(rig.Bounces.Seen);
    }

    [Fact]
    public void Ready_work_that_nothing_looks_at_is_found_and_set_going()
    {
        QueueRig rig = new QueueRig().Domain("a.test");
        rig.Accept("s@x.test", "u@a.test");
        rig.SiteOf("mx.a.test").Leave(rig.Queue.State.Destinations.All.First(static one => one.Key == "a.test"));
        Assert.False(rig.HasWork("mx.a.test"));
        rig.Loop.Pass(61_000);
        Assert.Single(rig.Output.Lines, line => line.Contains("event=stuck state=ready what=a.test", StringComparison.Ordinal));
        rig.Deliver("mx.a.test");
        Assert.Equal(0, rig.Messages);
    }

    [Fact]
    public void Held_mail_waits_for_the_operator()
    {
        QueueRig rig = new QueueRig(s_short).Domain("a.test");
        MessageHandle message = rig.Accept("s@x.test", "u@a.test");
        Assert.Equal(1, rig.Loop.Wait(rig.Queue.Admin.HoldAsync(new QueueFilter())));
        rig.Loop.Pass(8_000_000, 60_000);
        Assert.Equal((QueuedState.Held, 0), (rig.ShowOne(message).State, rig.Bounces.Seen.Count));
        Assert.Equal(1, rig.Loop.Wait(rig.Queue.Admin.ReleaseAsync(new QueueFilter())));
        rig.Deliver("mx.a.test");
        Assert.Equal(0, rig.Messages);
    }

    [Theory]
    [InlineData(-3_600)]
    [InlineData(3_600)]
    [InlineData(315_360_000)]
    public void A_jump_of_the_wall_clock_neither_floods_nor_freezes(int seconds)
    {
        QueueRig rig = new QueueRig(new QueueOptions { Jitter = 0 }).Domain("a.test");
        rig.Accept("s@x.test", "u@a.test");
        rig.Report(rig.Take("mx.a.test"), _ => QueueRig.Later);
        rig.Loop.Time.JumpWall(TimeSpan.FromSeconds(seconds));
        rig.Loop.Pass(299_000, 1_000);
        Assert.Equal((1, 0), (rig.Queue.Deferred, rig.Bounces.Seen.Count));
        rig.Loop.Pass(2_000);
        Assert.True(rig.HasWork("mx.a.test"));
    }

    [Fact]
    public void A_restart_keeps_attempts_due_time_reason_and_hold()
    {
        QueueRig rig = new QueueRig(new QueueOptions { Jitter = 0 }).Domain("a.test").Domain("b.test");
        MessageHandle deferred = rig.Accept("s@x.test", "later@a.test", "ok@a.test", "other@b.test");
        rig.Report(rig.Take("mx.a.test"), DeliveryLifeTests.Judge, "451 come back");
        MessageHandle held = rig.Accept("", "u@b.test");
        rig.Loop.Wait(rig.Queue.Admin.HoldAsync(new QueueFilter { Id = rig.Journal.IdOf(held) }));
        MessageId deferredId = rig.Journal.IdOf(deferred);
        MessageId heldId = rig.Journal.IdOf(held);
        rig.Loop.Pass(100_000);

        QueueRig next = new(new QueueOptions { Jitter = 0 }, after: rig);
        next.Loop.Settle();
        Assert.Equal(3, next.Queue.Entries);
        QueuedMessage shown = next.Loop.Wait(next.Queue.Admin.ShowAsync(deferredId))!;
        QueuedDestination a = Assert.Single(shown.Destinations, destination => destination.Key == "a.test");
        Assert.Equal((QueuedState.Deferred, 1, "451 come back"), (a.State, a.Attempts, a.Reason));
        Assert.Equal(["later@a.test"], a.Recipients);
        Assert.Equal(QueuedState.Ready, Assert.Single(shown.Destinations, destination => destination.Key == "b.test").State);
        Assert.Equal(QueuedState.Held, Assert.Single(next.Loop.Wait(next.Queue.Admin.ShowAsync(heldId))!.Destinations).State);
        Assert.Equal("other@b.test", next.Deliver("mx.b.test"));
        next.Loop.Pass(198_000);
        Assert.False(next.HasWork("mx.a.test"));
        next.Loop.Pass(4_000);
        Assert.Equal("later@a.test", next.Deliver("mx.a.test"));
        Assert.Equal(1, next.Messages);
    }

    [Fact]
    public void A_stored_time_from_a_clock_that_was_ahead_is_cut_to_the_longest_wait()
    {
        QueueRig rig = new QueueRig(new QueueOptions { Jitter = 0 }).Domain("a.test");
        rig.Loop.Time.JumpWall(TimeSpan.FromDays(4));
        rig.Accept("s@x.test", "later@a.test");
        rig.Report(rig.Take("mx.a.test"), DeliveryLifeTests.Judge);
        rig.Loop.Time.JumpWall(TimeSpan.FromDays(-4));
        QueueRig next = new(new QueueOptions { Jitter = 0 }, after: rig);
        next.Loop.Pass(7_199_000, 30_000);
        Assert.Equal(1, next.Queue.Deferred);
        next.Loop.Pass(31_000);
        Assert.True(next.HasWork("mx.a.test"));
    }
}
