using FastRelay.Config;
using FastRelay.Outside;
using FastRelay.Queue;
using FastRelay.Routing;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>Whatever stops a message, explain names it, and names nothing else.</summary>
public class ExplainerTests
{
    private readonly QueueRig _rig;

    public ExplainerTests()
    {
        RouteRule[] rules =
        [
            new("void.test", new NextHop(NextHopKind.Discard, "", 0, false, ""), TlsPolicy.None),
            new(".closed.test", new NextHop(NextHopKind.Error, "", 0, false, "5.1.2 no such system"), TlsPolicy.Opportunistic),
        ];
        var limits = new Limits { SegmentBytes = 4 << 20, SendSessionsPerSite = 6, SendSessions = 50 };
        _rig = new QueueRig(new QueueOptions { Jitter = 0 }, limits, rules).Domain("a.test");
    }

    private Explanation Of(string domain) => _rig.Loop.Wait(_rig.Queue.Explainer.OfDomainAsync(domain));

    private WaitReason WaitOf(FastRelay.Journal.MessageHandle message) =>
        Assert.Single(_rig.Loop.Wait(_rig.Queue.Explainer.OfMessageAsync(_rig.Journal.IdOf(message), _rig.Queue.Admin))!.Ways).Waits;

    [Fact]
    public void A_domain_without_mail_is_planned_and_would_go_at_once()
    {
        Explanation of = Of("a.test");
        Assert.Equal((WaitKind.Nothing, "a.test", "", "mx:", 0), (of.Waits.For, of.Destination, of.Pattern, of.NextHop, of.Entries));
        Assert.Equal("mx.a.test", Assert.Single(of.Plan.Hosts).Name);
        Assert.Null(of.Site);
        Assert.InRange(of.PlanLeftMs, 1, 86_400_000);
        Assert.Equal(
            [("a.test", DnsType.Mx, DnsStatus.Ok), ("mx.a.test", DnsType.A, DnsStatus.Ok), ("mx.a.test", DnsType.Aaaa, DnsStatus.NoData)],
            of.Dns.Select(r => (r.Name, r.Type, r.Answer.Status)));
        Assert.Equal(["send_sessions", "dns_queries"], of.Limits.Select(l => l.Name));
    }

    [Fact]
    public void Explaining_from_the_cache_asks_and_counts_nothing()
    {
        _rig.Accept("s@x.test", "u@a.test");
        (long hits, long misses) = (_rig.Router.Cache.Hits, _rig.Router.Cache.Misses);
        Assert.Equal(3, Of("a.test").Dns.Count);
        Assert.Equal((hits, misses), (_rig.Router.Cache.Hits, _rig.Router.Cache.Misses));
    }

    [Fact]
    public void Routes_are_named_by_their_row()
    {
        Explanation gone = Of("void.test");
        Assert.Equal(("void.test", "discard:", WaitKind.Settling), (gone.Pattern, gone.NextHop, gone.Waits.For));
        Explanation closed = Of("x.closed.test");
        Assert.Equal((".closed.test", "nothing: its route refuses it: 5.1.2 no such system"), (closed.Pattern, closed.Waits.Text));
    }

    [Fact]
    public void A_domain_that_takes_no_mail_says_so()
    {
        _rig.Dns.Mx("null.test", "null");
        Explanation of = Of("null.test");
        Assert.Equal((WaitKind.Settling, PlanStatus.NullMx), (of.Waits.For, of.Plan.Status));
        Assert.Contains("null-mx", of.Waits.Text);
    }

    [Fact]
    public void Dns_that_fails_is_what_mail_waits_for()
    {
        _rig.Dns.Mx("broken.test", "servfail");
        var message = _rig.Accept("s@x.test", "u@broken.test");
        WaitReason wait = WaitOf(message);
        Assert.Equal(WaitKind.Dns, wait.For);
        Assert.Matches("^DNS, asked again in .*, because: MX of broken.test: the server failed$", wait.Text);
    }

    [Fact]
    public void Dns_that_says_nothing_is_said_at_once()
    {
        _rig.Dns.Hangs.Add("silent.test");
        var message = _rig.Accept("s@x.test", "u@silent.test");
        Assert.Equal(new WaitReason(WaitKind.Dns, "DNS, being asked for its hosts"), WaitOf(message));
        Explanation of = Of("silent.test");
        Assert.Equal((WaitKind.Dns, PlanStatus.Temporary, 0, 1), (of.Waits.For, of.Plan.Status, of.Plan.Hosts.Count, of.Ready));
    }

    [Fact]
    public void An_expired_plan_is_asked_for_again_as_the_queue_itself_would()
    {
        _rig.Dns.Mx("later.test", "null");
        Assert.Equal(WaitKind.Settling, Of("later.test").Waits.For);
        _rig.Accept("s@x.test", "u@later.test");
        _rig.Loop.Settle();
        _rig.Domain("later.test");
        _rig.Loop.Time.Advance(3_700_000);
        Assert.Equal((WaitKind.Nothing, PlanStatus.Ok), (Of("later.test").Waits.For, Of("later.test").Plan.Status));
    }

    [Fact]
    public void A_route_names_its_row_also_when_its_site_is_asked_for()
    {
        RouteRule[] rules = [new(".far.test", new NextHop(NextHopKind.Smtp, "192.0.2.1", 25, false, ""), TlsPolicy.Opportunistic)];
        var rig = new QueueRig(new QueueOptions { Jitter = 0 }, rules: rules);
        rig.Accept("s@x.test", "u@a.far.test");
        Assert.True(rig.Loop.Wait(rig.Queue.Explainer.KnowsAsync("b.far.test")));
        Assert.False(rig.Loop.Wait(rig.Queue.Explainer.KnowsAsync("far.test")));
        Assert.Equal(".far.test", rig.Loop.Wait(rig.Queue.Explainer.OfSiteAsync("smtp:[192.0.2.1]:25"))!.Pattern);
    }

    [Fact]
    public void Deferred_mail_waits_for_its_time_and_says_who_deferred_it()
    {
        var message = _rig.Accept("s@x.test", "u@a.test");
        _rig.Report(_rig.Take("mx.a.test"), _ => QueueRig.Later, "mailbox busy");
        Assert.Equal(new WaitReason(WaitKind.Time, "the time of attempt 2, in 5 min 0 s, because: mailbox busy"), WaitOf(message));
        Assert.Equal(WaitKind.Nothing, Of("a.test").Waits.For);
    }

    [Fact]
    public void Held_and_flying_mail_are_told_apart_from_waiting_mail()
    {
        var held = _rig.Accept("s@x.test", "u@a.test");
        _rig.Loop.Wait(_rig.Queue.Admin.HoldAsync(new QueueFilter { Id = _rig.Journal.IdOf(held) }));
        var flying = _rig.Accept("s@x.test", "u@a.test");
        _rig.Take("mx.a.test");
        Assert.Equal((WaitKind.Hold, WaitKind.Nothing), (WaitOf(held).For, WaitOf(flying).For));
        _rig.Loop.Wait(_rig.Queue.Admin.HoldAsync(new QueueFilter()));
        Assert.Equal("nothing: it is being delivered now; the operator has held what is left of it then", WaitOf(flying).Text);
        _rig.Loop.Wait(_rig.Queue.Admin.BounceAsync(new QueueFilter(), "no"));
        Assert.EndsWith("; the operator has bounced what is left of it then", WaitOf(flying).Text, StringComparison.Ordinal);
        _rig.Loop.Wait(_rig.Queue.Admin.RemoveAsync(new QueueFilter()));
        Assert.EndsWith("; the operator has removed what is left of it then", WaitOf(flying).Text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_backoff_is_named_with_its_failures_and_reason()
    {
        _rig.Accept("s@x.test", "u@a.test");
        _rig.Queue.SiteFailed(_rig.SiteOf("mx.a.test"), QueueRig.Unreachable, "no answer to the connect"u8);
        Explanation of = Of("a.test");
        Assert.Equal(WaitKind.Backoff, of.Waits.For);
        Assert.Matches("^the end of the site's backoff, in .* after 1 failure, because: no answer to the connect$", of.Waits.Text);
        Assert.Equal(0, of.CeilingPerSecond);
    }

    [Fact]
    public void Sessions_that_are_all_at_work_are_the_limit_that_binds()
    {
        for (int i = 0; i < 20; i++)
        {
            _rig.Commit("s@x.test", "u@a.test");
        }
        _rig.Loop.Settle();
        Explanation of = Of("a.test");
        Assert.Equal(WaitKind.Session, of.Waits.For);
        LimitUse bound = of.Limits.Single(l => l.Binds);
        Assert.Equal(("site sessions", 5L, 5L), (bound.Name, bound.Used, bound.Most));
        Assert.Contains("all 5 that the site has been seen to bear", of.Waits.Text);
    }

    [Fact]
    public void A_full_house_is_told_from_a_busy_site()
    {
        _rig.Dispatcher.Room = 2;
        for (int i = 0; i < 20; i++)
        {
            _rig.Commit("s@x.test", "u@a.test");
        }
        _rig.Loop.Settle();
        WaitReason wait = Of("a.test").Waits;
        Assert.Equal((WaitKind.Connection, "a free connection: all 50 of limits.send_sessions are in use"), (wait.For, wait.Text));
    }

    [Fact]
    public void A_relay_that_stops_says_that_nothing_is_begun()
    {
        var message = _rig.Accept("s@x.test", "u@a.test");
        _rig.Queue.Stopping = true;
        Assert.Equal(WaitKind.Start, WaitOf(message).For);
    }

    [Fact]
    public void A_spool_that_takes_no_outcomes_is_what_mail_waits_for()
    {
        var message = _rig.Accept("s@x.test", "u@a.test");
        _rig.Disk.Fault = new DiskError(5, "write");
        Delivery delivery = _rig.Take("mx.a.test");
        var next = WaitingBehind(delivery);
        Assert.Equal(new WaitReason(WaitKind.Disk, "the disk: the spool cannot record what deliveries come to, so none is begun"), WaitOf(message));
        Assert.False(next);
        _rig.Disk.Fault = default;
        _rig.Loop.Pass(60_000);
        Assert.NotEqual(WaitKind.Disk, WaitOf(message).For);
    }

    // Puts a delivery off, which is owed to a disk that takes nothing; true when another may be taken all the same.
    private bool WaitingBehind(in Delivery delivery)
    {
        _rig.Report(delivery, _ => QueueRig.Later);
        _rig.Loop.Wait(_rig.Queue.Admin.RetryAsync(new QueueFilter()));
        _rig.Loop.Settle();
        return _rig.Queue.TryTake(_rig.SiteOf("mx.a.test"), out _);
    }

    [Fact]
    public void Bounces_that_have_to_catch_up_are_named_with_their_bound()
    {
        var message = _rig.Accept("s@x.test", "u@a.test");
        _rig.Bounces.Room = false;
        Assert.Equal((WaitKind.Bounces, true), (WaitOf(message).For, WaitOf(message).Text.Contains("limits.bounces_waiting", StringComparison.Ordinal)));
        // Then what fails is tried again later, and nothing has to wait.
        _rig.Bounces.Stuck = true;
        Assert.Equal(WaitKind.Turn, WaitOf(message).For);
    }

    [Fact]
    public void Mail_that_a_session_is_about_to_take_waits_for_its_turn()
    {
        _rig.Accept("s@x.test", "u@a.test");
        var second = _rig.Accept("s@x.test", "u@a.test");
        Assert.Equal(new WaitReason(WaitKind.Turn, "its turn among the 2 that are ready for its site"), WaitOf(second));
    }

    [Fact]
    public void Mail_that_is_being_settled_says_so()
    {
        _rig.Bounces.Room = false;
        var message = _rig.Accept("s@x.test", "u@b.closed.test");
        Assert.Equal(WaitKind.Bounces, WaitOf(message).For);
        _rig.Queue.Stopping = true;
        var removed = _rig.Accept("s@x.test", "u@a.test");
        _rig.Loop.Wait(_rig.Queue.Admin.RemoveAsync(new QueueFilter { Id = _rig.Journal.IdOf(removed) }));
        Assert.Equal(new WaitReason(WaitKind.Settling, "its turn to be settled: it is expired, refused by its route, or being removed"), WaitOf(removed));
    }

    [Fact]
    public void The_ceiling_follows_from_the_sessions_and_what_a_delivery_takes()
    {
        _rig.Accept("s@x.test", "u@a.test");
        Delivery delivery = _rig.Take("mx.a.test");
        _rig.Loop.Time.Advance(200);
        _rig.Loop.Settle();
        _rig.Report(delivery, _ => QueueRig.Ok);
        Explanation of = Of("a.test");
        Assert.Equal((200, 25), (of.DeliveryMs, of.CeilingPerSecond));
    }

    [Fact]
    public void Many_messages_in_flight_raise_the_ceiling_and_are_a_limit_of_their_own()
    {
        var options = new QueueOptions { Jitter = 0, Sites = [new SiteConfig("a.test", 0, 0, 0) { InFlight = 8 }] };
        QueueRig rig = new QueueRig(options).Domain("a.test");
        rig.Accept("s@x.test", "u@a.test");
        Delivery delivery = rig.Take("mx.a.test");
        rig.Loop.Time.Advance(200);
        rig.Loop.Settle();
        rig.Report(delivery, _ => QueueRig.Ok);
        Explanation of = rig.Loop.Wait(rig.Queue.Explainer.OfDomainAsync("a.test"));
        Assert.Equal(25 * 8, of.CeilingPerSecond);
        Assert.Contains(of.Limits, limit => limit is { Name: "in_flight, all its sessions", Used: 0, Most: 5 * 8 });
    }

    [Fact]
    public void A_site_is_explained_by_its_name_and_an_unknown_one_is_not()
    {
        _rig.Accept("s@x.test", "u@a.test");
        Assert.Equal("a.test", _rig.Loop.Wait(_rig.Queue.Explainer.OfSiteAsync("mx.a.test"))!.Destination);
        Assert.Null(_rig.Loop.Wait(_rig.Queue.Explainer.OfSiteAsync("mx.b.test")));
        Assert.Null(_rig.Loop.Wait(_rig.Queue.Explainer.OfMessageAsync(new FastRelay.Journal.MessageId(1UL << 40), _rig.Queue.Admin)));
    }
}
