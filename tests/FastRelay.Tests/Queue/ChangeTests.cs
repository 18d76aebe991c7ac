using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Queue;
using FastRelay.Routing;
using FastRelay.Smtp;
using FastRelay.Tests.Support;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>The configuration changes while mail is queued.</summary>
public class ChangeTests
{
    private static readonly Limits s_limits = new() { SegmentBytes = 4 << 20 };

    private static RouteRule Rule(string pattern, string to, Credentials? credentials = null)
    {
        Assert.True(NextHop.TryParse(to, out NextHop hop, out string error), error);
        return new RouteRule(pattern, hop, TlsPolicy.Opportunistic, credentials);
    }

    private static long Change(QueueRig rig, QueueOptions options, Limits limits, params RouteRule[] rules)
    {
        rig.Router.Change(new RouterOptions { OwnNames = ["relay.test"], Rules = rules }, limits);
        long kept = rig.Queue.Change(options, limits);
        rig.Loop.Settle();
        return kept;
    }

    private static long Change(QueueRig rig, params RouteRule[] rules) => Change(rig, new QueueOptions(), s_limits, rules);

    [Fact]
    public void Queued_mail_follows_its_row_to_another_host()
    {
        var rig = new QueueRig(rules: [Rule("*", "smtp:[192.0.2.1]:25")]);
        rig.Accept("s@x.test", "1@a.test", "2@b.test");
        Assert.True(rig.HasWork("smtp:[192.0.2.1]:25"));
        Assert.Equal(0, Change(rig, Rule("*", "smtp:[192.0.2.2]:25")));
        Assert.False(rig.HasWork("smtp:[192.0.2.1]:25"));
        Assert.Equal("1@a.test 2@b.test", rig.Deliver("smtp:[192.0.2.2]:25"));
        Assert.Equal(0, rig.Messages);
        rig.Accept("s@x.test", "3@a.test");
        Assert.Equal("3@a.test", rig.Deliver("smtp:[192.0.2.2]:25"));
        Assert.Empty(rig.Bounces.Seen);
    }

    [Fact]
    public void A_domain_s_mail_takes_the_way_that_new_mail_takes_and_each_recipient_goes_once()
    {
        QueueRig rig = new QueueRig(rules: [Rule("r.test", "smtp:[192.0.2.1]:25")]).Domain("a.test").Domain("b.test");
        MessageHandle message = rig.Accept("s@x.test", "1@a.test", "2@r.test", "3@b.test");
        Delivery underWay = rig.Take("mx.b.test");
        // a.test moves to the host that r.test had, and r.test elsewhere.
        Assert.Equal(0, Change(rig, Rule("a.test", "smtp:[192.0.2.1]:25"), Rule("r.test", "smtp:[192.0.2.2]:25")));
        Assert.Equal("1@a.test", rig.Deliver("smtp:[192.0.2.1]:25"));
        Assert.False(rig.HasWork("smtp:[192.0.2.1]:25"));
        Assert.Equal("2@r.test", rig.Deliver("smtp:[192.0.2.2]:25"));
        Assert.Equal(["3@b.test"], rig.ShowOne(message).Recipients);
        // What was taken before goes on, and waits as usual.
        Assert.Equal("3@b.test", rig.Report(underWay, _ => QueueRig.Later));
        Assert.Equal(QueuedState.Deferred, rig.ShowOne(message).State);
        rig.Loop.Pass(400_000);
        Assert.Equal("3@b.test", rig.Deliver("mx.b.test"));
        Assert.Equal(0, rig.Messages);
    }

    [Fact]
    public void Mail_of_a_row_that_is_gone_keeps_its_route_and_is_found_by_its_domain()
    {
        QueueRig rig = new QueueRig(rules: [Rule("a.test", "smtp:[192.0.2.1]:25")]).Domain("a.test");
        MessageHandle old = rig.Accept("s@x.test", "1@a.test");
        Assert.Equal(1, Change(rig));
        MessageHandle made = rig.Accept("s@x.test", "2@a.test");
        Assert.Equal(2, rig.Loop.Wait(rig.Queue.Admin.CountAsync(new QueueFilter { Domain = "a.test" })));
        Assert.Equal("smtp:[192.0.2.1]:25", rig.ShowOne(old).Key);
        Assert.Equal("a.test", rig.ShowOne(made).Key);
        Assert.Equal("1@a.test", rig.Deliver("smtp:[192.0.2.1]:25"));
        Assert.Equal("2@a.test", rig.Deliver("mx.a.test"));
        // A destination that nothing needs any more is forgotten.
        Assert.Equal(2, rig.Queue.DestinationCount);
        rig.Loop.Pass(1_300_000);
        Assert.Equal(0, rig.Queue.DestinationCount);
    }

    [Fact]
    public void The_same_table_changes_nothing()
    {
        var rig = new QueueRig(rules: [Rule("*", "smtp:[192.0.2.1]:25", new Credentials("u", "p", new byte[32]))]);
        rig.Accept("s@x.test", "1@a.test");
        RouteTable table = rig.Router.Table;
        Assert.Equal(0, Change(rig, Rule("*", "smtp:[192.0.2.1]:25", new Credentials("u", "p", new byte[32]))));
        Assert.Same(table, rig.Router.Table);
        Assert.Equal(1, rig.Queue.DestinationCount);
        Assert.Equal(0, Change(rig, Rule("*", "smtp:[192.0.2.1]:25", new Credentials("u", "other", new byte[32]))));
        Assert.NotSame(table, rig.Router.Table);
    }

    [Fact]
    public void Another_password_is_used_for_what_is_queued()
    {
        var other = new Credentials("u", "other", new byte[32]);
        var rig = new QueueRig(rules: [Rule("*", "smtp:[192.0.2.1]:25", new Credentials("u", "p", new byte[32]))]);
        rig.Accept("s@x.test", "1@a.test");
        Change(rig, Rule("*", "smtp:[192.0.2.1]:25", other));
        Assert.Same(other, rig.SiteOf("smtp:[192.0.2.1]:25 user=u").Plan.Credentials);
    }

    [Fact]
    public void A_login_that_was_refused_is_tried_at_once_with_another_password_only()
    {
        var rig = new QueueRig(rules: [Rule("*", "smtp:[192.0.2.1]:25", new Credentials("u", "p", new byte[32]))]);
        rig.Accept("s@x.test", "1@a.test");
        Site site = rig.SiteOf("smtp:[192.0.2.1]:25 user=u");
        rig.Queue.SiteFailed(site, OutcomePolicy.From(SmtpStage.Auth, 535, default), "no"u8);
        site.Sessions--;
        Change(rig, new QueueOptions(), s_limits with { SendSessionsPerSite = 7 }, Rule("*", "smtp:[192.0.2.1]:25", new Credentials("u", "p", new byte[32])));
        Assert.Equal((1, 0), (site.Failures, site.Sessions));
        Change(rig, Rule("*", "smtp:[192.0.2.1]:25", new Credentials("u", "other", new byte[32])));
        Assert.Equal((0, 1), (site.Failures, site.Sessions));
    }

    [Fact]
    public void Mail_that_waits_for_dns_is_planned_anew_at_once()
    {
        QueueRig rig = new();
        rig.Dns.Mx("a.test", "servfail");
        MessageHandle message = rig.Accept("s@x.test", "1@a.test");
        Assert.Contains("a.test", rig.ShowOne(message).Reason);
        Assert.Equal(0, Change(rig, Rule("a.test", "smtp:[192.0.2.1]:25")));
        Assert.Equal("1@a.test", rig.Deliver("smtp:[192.0.2.1]:25"));
    }

    [Fact]
    public void A_plan_that_is_being_made_while_the_table_changes_is_made_again()
    {
        QueueRig rig = new QueueRig().Domain("a.test");
        rig.Commit("s@x.test", "1@a.test");
        // The question is on its way; its answer is for a way that is none any more.
        rig.Router.Change(new RouterOptions { Rules = [Rule("a.test", "smtp:[192.0.2.1]:25")] }, s_limits);
        rig.Queue.Change(new QueueOptions(), s_limits);
        rig.Loop.Settle();
        Assert.Equal("1@a.test", rig.Deliver("smtp:[192.0.2.1]:25"));
        Assert.Equal(0, rig.Messages);
    }

    [Fact]
    public void Limits_and_rules_hold_for_sites_that_are_there()
    {
        QueueRig rig = new QueueRig().Domain("a.test");
        rig.Accept("s@x.test", "1@a.test");
        Site site = rig.SiteOf("mx.a.test");
        Assert.True(site.Limit > 2);
        Change(rig, new QueueOptions(), s_limits with { SendSessionsPerSite = 2 });
        Assert.Equal(2, site.Limit);
        Change(rig, new QueueOptions { Sites = [new SiteConfig("a.test", 1, 0, 0)] }, s_limits);
        Assert.Equal(1, site.Limit);
        Change(rig, new QueueOptions(), s_limits);
        Assert.True(site.Limit > 2);
        Assert.Null(site.Rule);
    }

    [Fact]
    public void A_rate_that_is_new_begins_full_and_one_that_stays_goes_on()
    {
        QueueRig rig = new QueueRig().Domain("a.test");
        rig.Accept("s@x.test", "1@a.test");
        rig.Accept("s@x.test", "2@a.test");
        var options = new QueueOptions { Sites = [new SiteConfig("a.test", 0, 60, 60_000)] };
        Change(rig, options, s_limits);
        Site site = rig.SiteOf("mx.a.test");
        SitePace pace = site.Budget.Pace!;
        Assert.False(rig.Queue.TryTake(site, out _));
        rig.Loop.Pass(1_200);
        rig.Deliver("mx.a.test");
        Change(rig, options, s_limits);
        Assert.Same(pace, site.Budget.Pace);
        rig.Loop.Pass(10_000);
        rig.Deliver("mx.a.test");
        Assert.Equal(0, rig.Messages);
    }
}
