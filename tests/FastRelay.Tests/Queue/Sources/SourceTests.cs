using System.Net;
using System.Text;
using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Queue;
using FastRelay.Routing;
using FastRelay.Tests.Support;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>Mail leaves from the sources of its pool by weight, each with limits and backoff of its own.</summary>
public class SourceTests
{
    private static readonly SourceConfig[] s_sources =
    [
        new("blue", IPAddress.Parse("192.0.2.1"), null, "blue.relay.test", 3),
        new("green", IPAddress.Parse("192.0.2.2"), IPAddress.Parse("2001:db8::2"), null, 1),
        new("alone", IPAddress.Parse("192.0.2.3"), null, null, 1),
    ];

    private static QueueOptions Options(string usual = "both", params TenantConfig[] tenants) => new()
    {
        Sources = s_sources,
        Pools = [new PoolConfig("both", ["blue", "green"])],
        Source = usual,
        Tenants = tenants,
        Jitter = 0,
        RetryMs = [60_000],
    };

    private readonly EnvelopeBuilder _envelope = new();
    private int _slot;

    private void Add(QueueRig rig, int count, params string[] to)
    {
        _envelope.Start("s@x.test"u8, EnvelopeFlags.None, "192.0.2.1:4711"u8, "client.test"u8);
        foreach (string one in to)
        {
            _envelope.TryAddRecipient(Encoding.ASCII.GetBytes(one));
        }
        _envelope.SetArrival(rig.Queue.State.UnixMs);
        for (int i = 0; i < count; i++)
        {
            rig.Queue.Add(new MessageHandle(++_slot), _envelope.View);
        }
        rig.Loop.Settle();
    }

    private static int Ready(QueueRig rig, string site) => rig.Queue.State.Sites.Find(site) is { } found ? found.Ready : 0;

    [Fact]
    public void A_tenants_source_is_that_of_its_new_mail_before_the_walk_of_a_reload_comes_to_it()
    {
        QueueRig rig = new QueueRig(Options("blue")).Domain("a.test");
        for (int i = 0; i < 400; i++)
        {
            rig.Tenant = $"t{i}";
            rig.Commit("s@x.test", "u@a.test");
        }
        MessageHandle late = rig.Store("s@x.test", "u@a.test");
        rig.Loop.Settle();
        Assert.Equal(400, Ready(rig, "mx.a.test/blue"));
        Task<long> change = rig.Queue.ChangeAsync(Options("blue", new TenantConfig("t399", 1, 0) { Source = "green" }), rig.Queue.State.Limits, plansHold: true).AsTask();
        Assert.False(change.IsCompleted);
        rig.Add(late);
        rig.Loop.Settle();
        Assert.True(change.IsCompletedSuccessfully);
        Assert.Equal((399, 2), (Ready(rig, "mx.a.test/blue"), Ready(rig, "mx.a.test/green")));
    }

    [Fact]
    public void Messages_are_spread_by_weight_and_every_site_has_its_source()
    {
        QueueRig rig = new QueueRig(Options()).Domain("a.test");
        Add(rig, 4_000, "u@a.test");
        int blue = Ready(rig, "mx.a.test/blue");
        Assert.Equal(4_000, blue + Ready(rig, "mx.a.test/green"));
        // 3:1, within five standard deviations of 27.
        Assert.InRange(blue, 3_000 - 137, 3_000 + 137);
        Assert.Equal(("blue", "blue.relay.test"), (rig.SiteOf("mx.a.test/blue").Source!.Name, Encoding.ASCII.GetString(rig.SiteOf("mx.a.test/blue").Source!.Ehlo!)));
        Assert.Null(rig.SiteOf("mx.a.test/green").Source!.Ehlo);
        Assert.Equal((2, 2), (rig.Queue.DestinationCount, rig.Queue.SiteCount));
        // Each has its own sessions.
        Assert.Contains("mx.a.test/blue", rig.Dispatcher.Calls);
        Assert.Contains("mx.a.test/green", rig.Dispatcher.Calls);
        QueueRules.Hold(rig, journal: false);
    }

    [Fact]
    public void All_recipients_of_a_message_at_one_destination_go_one_way()
    {
        QueueRig rig = new QueueRig(Options()).Domain("a.test").Domain("b.test");
        for (int i = 0; i < 20; i++)
        {
            rig.Accept("s@x.test", "1@a.test", "1@b.test", "2@a.test", "2@b.test");
        }
        Assert.Equal(40, rig.Queue.Entries);
        int seen = 0;
        foreach (string site in new[] { "mx.a.test/blue", "mx.a.test/green", "mx.b.test/blue", "mx.b.test/green" })
        {
            while (rig.HasWork(site))
            {
                string to = rig.Deliver(site);
                Assert.Equal(site[3] == 'a' ? "1@a.test 2@a.test" : "1@b.test 2@b.test", to);
                seen++;
            }
        }
        Assert.Equal((40, 0), (seen, (int)rig.Messages));
    }

    [Fact]
    public void The_route_says_more_than_the_tenant_and_the_tenant_more_than_the_rest()
    {
        var rules = new[] { new RouteRule("routed.test", NextHop.Mx, TlsPolicy.Opportunistic) { Source = "green" } };
        Assert.True(NextHop.TryParse("smtp:[192.0.2.9]:25", out NextHop host, out _));
        rules = [.. rules, new RouteRule("host.test", host, TlsPolicy.Opportunistic) { Source = "blue" }];
        QueueRig rig = new QueueRig(Options("alone", new TenantConfig("acme", 1, 0) { Source = "blue" }), rules: rules).Domain("routed.test").Domain("a.test");
        rig.Accept("s@x.test", "u@a.test", "u@routed.test", "u@host.test");
        rig.Tenant = "acme";
        rig.Accept("s@x.test", "u@a.test", "u@routed.test");
        Assert.Equal(
            ["mx.a.test/alone", "mx.a.test/blue", "mx.routed.test/green", "smtp:[192.0.2.9]:25 source=blue/blue"],
            rig.Queue.State.Sites.All.Select(static site => site.Key).Order(StringComparer.Ordinal));
        Assert.Equal(2, rig.SiteOf("mx.routed.test/green").Ready);
        Assert.Null(new SourceTable(new QueueOptions()).Of(rig.Router.MxRoute("a.test"), new Tenant("", 1)));
    }

    [Fact]
    public void While_one_source_backs_off_the_others_go_on()
    {
        QueueRig rig = new QueueRig(Options()).Domain("a.test");
        Add(rig, 100, "u@a.test");
        int waiting = Ready(rig, "mx.a.test/blue");
        Assert.True(waiting > 0);
        rig.Queue.SiteFailed(rig.SiteOf("mx.a.test/blue"), QueueRig.Unreachable, "connect: timed out"u8);
        Assert.Equal((SiteGear.Backoff, SiteGear.Normal), (rig.Queue.State.Gears.Of(rig.SiteOf("mx.a.test/blue")), rig.Queue.State.Gears.Of(rig.SiteOf("mx.a.test/green"))));
        // New mail avoids it at once, ...
        Add(rig, 50, "u@a.test");
        Assert.Equal((waiting, 150 - waiting), (Ready(rig, "mx.a.test/blue"), Ready(rig, "mx.a.test/green")));
        // ... and what was ready for it does so at the next sweep, when it is still stopped.
        rig.SiteOf("mx.a.test/blue").Budget.Brake.BackOff(rig.Loop.Loop.NowMs + 300_000, "by a rule", lasts: true);
        rig.Loop.Pass(61_000, 1_000);
        Assert.Equal((0, 150), (Ready(rig, "mx.a.test/blue"), Ready(rig, "mx.a.test/green")));
        QueueRules.Hold(rig, journal: false);
        // When all are stopped, weights count again: nobody knows who is free first.
        rig.SiteOf("mx.a.test/green").Budget.Brake.BackOff(rig.Loop.Loop.NowMs + 300_000, "by a rule", lasts: true);
        Add(rig, 400, "u@a.test");
        Assert.InRange(Ready(rig, "mx.a.test/blue"), 300 - 44, 300 + 44);
    }

    [Fact]
    public void A_message_may_leave_from_another_source_when_it_is_tried_again()
    {
        QueueRig rig = new QueueRig(Options()).Domain("a.test");
        MessageHandle message = rig.Accept("s@x.test", "u@a.test");
        var sites = new HashSet<string>();
        for (int i = 0; i < 40 && sites.Count < 2; i++)
        {
            string site = rig.HasWork("mx.a.test/blue") ? "mx.a.test/blue" : "mx.a.test/green";
            sites.Add(site);
            Assert.Equal("u@a.test", rig.Report(rig.Take(site), _ => QueueRig.Later));
            Assert.Equal(QueuedState.Deferred, rig.ShowOne(message).State);
            QueueRules.Hold(rig);
            rig.Loop.Pass(61_000, 1_000);
        }
        Assert.Equal(2, sites.Count);
    }

    [Fact]
    public void The_operator_suspends_a_source_everywhere_or_at_one_site()
    {
        QueueRig rig = new QueueRig(Options()).Domain("a.test").Domain("b.test");
        Add(rig, 50, "u@a.test");
        Add(rig, 50, "u@b.test");
        Assert.Equal("", rig.Loop.Wait(rig.Queue.SiteAdmin.SuspendAsync("source:blue", 0)));
        Assert.Equal((true, false), (rig.Queue.State.Gears.IsSuspended(rig.SiteOf("mx.a.test/blue")), rig.Queue.State.Gears.IsSuspended(rig.SiteOf("mx.a.test/green"))));
        Assert.True(rig.Queue.State.Gears.IsSuspended(rig.SiteOf("mx.b.test/blue")));
        Assert.Equal("", rig.Loop.Wait(rig.Queue.SiteAdmin.ResumeAsync("source:blue")));
        Assert.Equal("", rig.Loop.Wait(rig.Queue.SiteAdmin.SuspendAsync("mx.a.test/blue", 0)));
        Assert.Equal((true, false), (rig.Queue.State.Gears.IsSuspended(rig.SiteOf("mx.a.test/blue")), rig.Queue.State.Gears.IsSuspended(rig.SiteOf("mx.b.test/blue"))));
        Assert.False(rig.Queue.State.Gears.IsSuspended(rig.SiteOf("mx.a.test/green")));
    }

    [Fact]
    public void A_change_of_the_pools_moves_what_is_queued()
    {
        QueueRig rig = new QueueRig(Options()).Domain("a.test");
        Add(rig, 100, "u@a.test");
        QueueOptions options = Options();
        rig.Queue.Change(options with { Pools = [new PoolConfig("both", ["green", "alone"])], Sources = [.. s_sources[1..]] }, new Limits());
        rig.Loop.Settle();
        Assert.Equal(0, Ready(rig, "mx.a.test/blue"));
        Assert.Equal(100, Ready(rig, "mx.a.test/green") + Ready(rig, "mx.a.test/alone"));
        Add(rig, 50, "u@a.test");
        Assert.True(Ready(rig, "mx.a.test/alone") > 0);
        rig.Queue.Change(options with { Source = "" }, new Limits());
        rig.Loop.Settle();
        Assert.Equal(150, Ready(rig, "mx.a.test"));
        QueueRules.Hold(rig, journal: false);
    }

    [Fact]
    public void A_source_that_is_there_but_named_no_more_is_left_by_queued_and_by_new_mail()
    {
        QueueRig rig = new QueueRig(Options("blue")).Domain("a.test");
        Add(rig, 50, "u@a.test");
        Assert.Equal(50, Ready(rig, "mx.a.test/blue"));
        rig.Queue.Change(Options("green"), new Limits());
        rig.Loop.Settle();
        Add(rig, 50, "u@a.test");
        Assert.Equal((0, 100), (Ready(rig, "mx.a.test/blue"), Ready(rig, "mx.a.test/green")));
        QueueRules.Hold(rig, journal: false);
    }

    [Fact]
    public void Ways_are_forgotten_with_their_last_mail()
    {
        QueueRig rig = new QueueRig(Options()).Domain("a.test");
        for (int i = 0; i < 20; i++)
        {
            rig.Accept("s@x.test", "u@a.test");
        }
        Assert.Equal(2, rig.Queue.DestinationCount);
        foreach (string site in new[] { "mx.a.test/blue", "mx.a.test/green" })
        {
            while (rig.HasWork(site))
            {
                rig.Deliver(site);
            }
            rig.SiteOf(site).Sessions = 0;
        }
        rig.Loop.Pass(1_900_000, 30_000);
        Assert.Equal((0, 0), (rig.Queue.DestinationCount, rig.Queue.SiteCount));
        rig.Accept("s@x.test", "u@a.test");
        QueueRules.Hold(rig);
    }

    [Fact]
    public void The_way_of_a_message_is_chosen_without_allocating()
    {
        QueueRig rig = new QueueRig(Options()).Domain("a.test");
        Add(rig, 100, "u@a.test");
        _envelope.Start("s@x.test"u8, EnvelopeFlags.None, "192.0.2.1:4711"u8, "client.test"u8);
        _envelope.TryAddRecipient("u@a.test"u8);
        Envelope view = _envelope.View;
        Destination head = rig.Queue.State.Destinations.All.First(static one => one.Key == "a.test");
        long before = GC.GetAllocatedBytesForCurrentThread();
        int blue = 0;
        for (int i = 0; i < 1_000; i++)
        {
            blue += rig.Queue.State.Sources.WayOf(head, 1_000_000 + i).Source!.Name == "blue" ? 1 : 0;
        }
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.InRange(blue, 650, 850);
    }

    [Fact]
    public void What_came_of_attempts_is_counted_by_source_and_outlasts_a_reload()
    {
        QueueRig rig = new QueueRig(Options("green")).Domain("a.test");
        rig.Accept("s@x.test", "1@a.test", "2@a.test", "3@a.test");
        rig.Report(rig.Take("mx.a.test/green"), static to => to[0] switch { '1' => QueueRig.Ok, '2' => QueueRig.Later, _ => QueueRig.Never });
        rig.Queue.Change(Options("green"), new Limits());
        rig.Loop.Settle();
        EgressSource green = rig.Queue.Sources[1];
        Assert.Equal(("green", 1L, 1L, 1L), (green.Name, green.Counts.Delivered, green.Counts.Deferred, green.Counts.Failed));
        Assert.Equal(0, rig.Queue.Sources[0].Counts.Delivered);
        Assert.Equal((1L, 0L), (green.Counts.Entries, rig.Queue.Sources[0].Counts.Entries));
        rig.SiteOf("mx.a.test/green").Sessions = 2;
        Assert.Equal((2L, 0L), (green.Counts.Sessions, rig.Queue.Sources[0].Counts.Sessions));
        QueueRules.Hold(rig);
        Assert.Contains(rig.Output.Lines, static line => line.Contains("event=delivery status=delivered", StringComparison.Ordinal) && line.Contains("site=mx.a.test/green source=green", StringComparison.Ordinal));
    }

    [Fact]
    public void Explain_names_the_source_of_each_way_and_of_mail_that_is_to_come()
    {
        QueueRig rig = new QueueRig(Options()).Domain("a.test");
        Assert.Equal("blue (192.0.2.1)", rig.Loop.Wait(rig.Queue.Explainer.OfDomainAsync("a.test")).Source);
        for (int i = 0; i < 20; i++)
        {
            rig.Accept("s@x.test", "u@a.test");
        }
        Explanation first = rig.Loop.Wait(rig.Queue.Explainer.OfDomainAsync("a.test"));
        Explanation other = Assert.Single(rig.Loop.Wait(rig.Queue.Explainer.OthersOfAsync("a.test")));
        Assert.Equal(["blue (192.0.2.1)", "green (192.0.2.2, 2001:db8::2)"], new[] { first.Source, other.Source }.Order());
        Assert.Equal(["mx.a.test/blue", "mx.a.test/green"], new[] { first.Site!.Key, other.Site!.Key }.Order());
        Assert.Equal(20, first.Entries + other.Entries);
        Assert.Empty(rig.Loop.Wait(rig.Queue.Explainer.OthersOfAsync("b.test")));
    }
}
