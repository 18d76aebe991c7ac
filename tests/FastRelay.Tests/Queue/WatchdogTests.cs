using System.Runtime.CompilerServices;
using System.Text;
using FastRelay.Journal;
using FastRelay.Outside;
using FastRelay.Queue;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>Planted faults are found and healed, and what is only slow is left alone.</summary>
public class WatchdogTests
{
    private const int BoundMs = 60_000;
    private static readonly Limits s_limits = new() { SegmentBytes = 4 << 20, WatchdogMs = BoundMs };

    private static QueueRig Rig(QueueOptions? options = null) => new QueueRig(options ?? new QueueOptions { SweepMs = 3_600_000 }, s_limits).Domain("a.test");

    private static string[] Found(QueueRig rig) => [.. rig.Output.Lines.Where(static line => line.Contains("event=stuck", StringComparison.Ordinal))];

    [Fact]
    public void A_delivery_that_nobody_works_at_is_tried_again_and_its_late_report_does_not_count()
    {
        QueueRig rig = Rig();
        rig.Accept("s@x.test", "u@a.test", "v@a.test");
        rig.Dispatcher.Holds = false;
        Delivery lost = rig.Take("mx.a.test");
        rig.Loop.Pass(BoundMs / 2, 1_000);
        Assert.Empty(Found(rig));
        rig.Loop.Pass(BoundMs + 2_000, 1_000);
        Assert.Contains("state=delivering what=", Assert.Single(Found(rig)), StringComparison.Ordinal);
        Assert.Equal((1, 1, 0L, 1L), (rig.Counters.Stuck, rig.Counters.InDoubt, rig.Queue.InFlight, rig.Queue.Deferred));
        Assert.Equal(0, rig.SiteOf("mx.a.test").InFlight);
        QueueRules.Hold(rig);
        // It comes after all.
        Assert.Equal("", rig.Report(lost, _ => QueueRig.Ok));
        Assert.Equal(1, rig.Messages);
        // Once; whoever says it again is wrong as ever.
        Assert.Throws<CheckFailedException>(() => rig.Queue.Release(lost));
        Assert.Equal(1, rig.Output.Lines.Count(static line => line.Contains("event=late_report", StringComparison.Ordinal)));
        QueueRules.Hold(rig);
        rig.Loop.Pass(400_000, 1_000);
        Assert.Equal("u@a.test v@a.test", rig.Deliver("mx.a.test"));
        Assert.Equal((0L, 1L), (rig.Messages, rig.Counters.Stuck));
    }

    [Theory]
    [InlineData(1, true)]
    [InlineData(2, false)]
    public void The_wait_of_one_that_was_given_up_is_recorded_for_a_message_of_one_destination(int destinations, bool recorded)
    {
        QueueRig rig = Rig().Domain("b.test");
        MessageHandle message = rig.Accept("s@x.test", [.. ((string[])["u@a.test", "v@b.test"]).Take(destinations)]);
        rig.Dispatcher.Holds = false;
        rig.Take("mx.a.test");
        rig.Loop.Pass(BoundMs + (BoundMs / 2) + 2_000, 1_000);
        Assert.Contains("state=delivering", Assert.Single(Found(rig)), StringComparison.Ordinal);
        Assert.Equal(recorded, rig.Journal.TryGetDeferred(message, 0, out DeferredSet set));
        Assert.Equal((recorded ? 1 : 0, recorded), (set.Attempts, set.NextDueUnixMs > rig.World.Time.GetUtcNow().ToUnixTimeMilliseconds()));
    }

    [Fact]
    public void A_long_delivery_with_a_session_is_left_alone()
    {
        QueueRig rig = Rig();
        rig.Accept("s@x.test", "u@a.test");
        Delivery slow = rig.Take("mx.a.test");
        rig.Loop.Pass(100 * BoundMs, 10_000);
        Assert.Empty(Found(rig));
        Assert.Equal("u@a.test", rig.Report(slow, _ => QueueRig.Ok));
        Assert.Equal(0, rig.Messages);
    }

    [Fact]
    public void A_plan_that_never_comes_is_made_again_and_the_old_one_does_not_count()
    {
        QueueRig rig = Rig();
        rig.Dns.Mx("slow.test", "10 mx.slow.test", 86_400).A("mx.slow.test", "8.8.8.8", 86_400).Aaaa("mx.slow.test", "nodata", 3_600);
        rig.Dns.Hold = true;
        rig.Accept("s@x.test", "u@slow.test");
        Destination destination = rig.Queue.State.Destinations.All.First(static one => one.Key == "slow.test");
        Assert.True(destination.Planning);
        // As if its task had been lost: nobody will say how the plan ended.
        destination.PlanNumber++;
        rig.Dns.Hold = false;
        rig.Dns.LetGo();
        rig.Loop.Pass(BoundMs / 2, 1_000);
        Assert.Null(destination.Plan);
        rig.Loop.Pass(BoundMs + 2_000, 1_000);
        Assert.Contains("state=planning what=slow.test", Assert.Single(Found(rig)), StringComparison.Ordinal);
        Assert.Equal("u@slow.test", rig.Deliver("mx.slow.test"));
        Assert.Equal((0L, 1L), (rig.Messages, rig.Counters.Stuck));
    }

    [Fact]
    public void A_plan_whose_questions_wait_is_left_alone_for_longer()
    {
        QueueRig rig = Rig();
        rig.Dns.Hold = true;
        rig.Accept("s@x.test", "u@slow.test");
        rig.Loop.Pass(5 * BoundMs, 1_000);
        Assert.Empty(Found(rig));
        rig.Dns.Hold = false;
        rig.Dns.LetGo();
        rig.Loop.Settle();
        Assert.Equal(0, rig.Counters.Stuck);
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_timer")]
    private static extern ref LoopTimer TimerOf(QueueClock clock);

    [Fact]
    public void A_wheel_that_stands_still_is_turned()
    {
        QueueRig rig = Rig();
        rig.Accept("s@x.test", "u@a.test");
        rig.Report(rig.Take("mx.a.test"), _ => QueueRig.Later);
        // As if its timer had never been set.
        TimerOf(rig.Queue.State.Clock).Cancel();
        rig.Loop.Pass(400_000, 1_000);
        Assert.Contains("state=deferred", Assert.Single(Found(rig)), StringComparison.Ordinal);
        rig.Deliver("mx.a.test");
        Assert.Equal(0, rig.Messages);
    }

    [Fact]
    public void Mail_that_is_to_end_is_ended_when_its_waking_was_lost()
    {
        QueueRig rig = Rig();
        rig.Accept("s@x.test", "u@a.test");
        rig.Bounces.Room = false;
        rig.Loop.Wait(rig.Queue.Admin.RemoveAsync(new QueueFilter()));
        rig.Loop.Pass(3 * BoundMs, 1_000);
        // While bounces have to catch up it waits for them.
        Assert.Empty(Found(rig));
        // There is room again, and nobody said so.
        rig.Bounces.Room = true;
        rig.Loop.Pass(BoundMs / 2, 1_000);
        Assert.Equal(1, rig.Messages);
        rig.Loop.Pass(2 * BoundMs, 1_000);
        Assert.Contains("state=ending", Assert.Single(Found(rig)), StringComparison.Ordinal);
        Assert.Equal(0, rig.Messages);
    }

    [Fact]
    public void A_site_whose_waking_is_lost_is_looked_at()
    {
        QueueRig rig = Rig();
        rig.Accept("s@x.test", "u@a.test");
        rig.Deliver("mx.a.test");
        Site site = rig.SiteOf("mx.a.test");
        site.Sessions = 0;
        rig.Loop.Settle();
        rig.Dispatcher.Calls.Clear();
        // It says that it waits to be looked at, and is in no list.
        site.WakeQueued = true;
        rig.Accept("s@x.test", "u@a.test");
        rig.Loop.Pass(BoundMs / 2, 1_000);
        Assert.Empty(rig.Dispatcher.Calls);
        rig.Loop.Pass(2 * BoundMs, 1_000);
        Assert.Equal(["mx.a.test"], rig.Dispatcher.Calls);
        Assert.Contains("state=ready what=mx.a.test", Assert.Single(Found(rig)), StringComparison.Ordinal);
        rig.Deliver("mx.a.test");
        Assert.Equal(0, rig.Messages);
    }

    [Fact]
    public void A_backoff_whose_timer_is_lost_ends()
    {
        QueueRig rig = Rig();
        rig.Accept("s@x.test", "u@a.test");
        Site site = rig.SiteOf("mx.a.test");
        rig.Queue.SiteFailed(site, QueueRig.Unreachable, "no route"u8);
        site.Sessions = 0;
        Assert.True(site.BackoffUntilMs > 0);
        rig.Loop.Settle();
        site.Brake.BackOff(rig.Loop.Loop.NowMs + (100 * BoundMs), "no route", lasts: false);
        site.LookTimer!.Cancel();
        rig.Loop.Pass(3 * BoundMs, 1_000);
        Assert.Contains("state=ready what=mx.a.test", Assert.Single(Found(rig)), StringComparison.Ordinal);
        rig.Deliver("mx.a.test");
        Assert.Equal(0, rig.Messages);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Sites_that_wait_for_their_turn_in_a_budget_are_left_alone_while_it_is_looked_at(bool room)
    {
        QueueRig rig = Provider(3);
        SiteBudget budget = rig.Queue.State.Sites.Budgets.Find("outlook.com")!;
        budget.Window = 1;
        budget.Brake.BackOff(rig.Loop.Loop.NowMs + 1_000, "refused", lasts: false);
        Commit(rig, 3);
        Assert.Equal(3, budget.Waiting);
        rig.Dispatcher.Room = room ? 0 : int.MaxValue;
        rig.Counters.SessionsOut = room ? 1 : 0;
        rig.Loop.Pass(2_000, 100);
        // One is at work, or waits for room, and the others wait for it.
        Assert.Equal(room ? (0, 2, 1) : (1, 2, 0), (budget.Active, budget.Waiting, budget.Starved));
        Assert.False(budget.LookTimer!.IsArmed);
        QueueRules.Hold(rig);
        rig.Loop.Pass(20 * BoundMs, 1_000);
        Assert.Empty(Found(rig));
        Assert.Equal(0, rig.Counters.Stuck);
        QueueRules.Hold(rig);
    }

    [Fact]
    public void Sites_that_wait_in_a_budget_that_nothing_looks_at_are_found_and_served()
    {
        QueueRig rig = Provider(2);
        SiteBudget budget = rig.Queue.State.Sites.Budgets.Find("outlook.com")!;
        budget.Brake.BackOff(rig.Loop.Loop.NowMs + (100 * BoundMs), "refused", lasts: false);
        Commit(rig, 2);
        Assert.Equal((0, 2, true), (budget.Active, budget.Waiting, budget.LookTimer!.IsArmed));
        budget.LookTimer.Cancel();
        rig.Loop.Pass(3 * BoundMs, 1_000);
        // Each is said, and with the backoff over both are served.
        Assert.All(Found(rig), static line => Assert.Contains("state=ready what=c", line, StringComparison.Ordinal));
        Assert.Equal(2, rig.Counters.Stuck);
        Assert.Equal([Mx(0), Mx(1)], rig.Dispatcher.Calls.Order());
        rig.Deliver(Mx(0));
        rig.Deliver(Mx(1));
        Assert.Equal(0, rig.Messages);
        QueueRules.Hold(rig);
    }

    private static string Mx(int site) => $"c{site}-test.mail.protection.outlook.com";

    /// <summary>Sites of one provider that have served.</summary>
    private static QueueRig Provider(int sites)
    {
        QueueRig rig = Rig();
        for (int i = 0; i < sites; i++)
        {
            rig.Domain($"c{i}.test", Mx(i));
        }
        Commit(rig, sites);
        for (int i = 0; i < sites; i++)
        {
            rig.Deliver(Mx(i));
            rig.SiteOf(Mx(i)).Sessions = 0;
            rig.Accept("s@x.test", $"u@c{i}.test");
            rig.Deliver(Mx(i));
            rig.SiteOf(Mx(i)).Sessions = 0;
        }
        rig.Loop.Settle();
        rig.Dispatcher.Calls.Clear();
        return rig;
    }

    private static void Commit(QueueRig rig, int sites)
    {
        for (int i = 0; i < sites; i++)
        {
            rig.Commit("s@x.test", $"u@c{i}.test");
        }
        rig.Loop.Settle();
    }

    [Fact]
    public void What_waits_for_time_for_dns_or_for_the_operator_is_left_alone()
    {
        QueueRig rig = Rig(new QueueOptions());
        rig.Dns.Mx("dark.test", "servfail", 60);
        rig.Accept("1@x.test", "u@a.test");
        rig.Accept("2@x.test", "u@dark.test");
        Held(rig, "3@x.test", "u@a.test");
        rig.Report(rig.Take("mx.a.test"), _ => QueueRig.Later);
        rig.Queue.SiteFailed(rig.SiteOf("mx.a.test"), QueueRig.Unreachable, Encoding.ASCII.GetBytes("no route"));
        rig.SiteOf("mx.a.test").Sessions = 0;
        rig.Loop.Pass(20 * BoundMs, 1_000);
        rig.SiteOf("mx.a.test").Sessions = 0;
        rig.Queue.Stopping = true;
        rig.Loop.Pass(20 * BoundMs, 1_000);
        Assert.Empty(Found(rig));
        Assert.Equal(0, rig.Counters.Stuck);
    }

    private static void Held(QueueRig rig, string from, string to)
    {
        MessageHandle message = rig.Accept(from, to);
        rig.Loop.Wait(rig.Queue.Admin.HoldAsync(new QueueFilter { Id = rig.Journal.IdOf(message) }));
    }
}
