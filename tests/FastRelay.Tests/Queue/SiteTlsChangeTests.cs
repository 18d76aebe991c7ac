using FastRelay.Config;
using FastRelay.Queue;
using FastRelay.Routing;
using FastRelay.Tests.Support;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>What is asked of TLS at a site changes while mail is queued and connections are kept.</summary>
public class SiteTlsChangeTests
{
    private static readonly Limits s_limits = new() { SegmentBytes = 4 << 20 };
    private static readonly SiteConfig s_strict = new("host.test", 0, 0, 0) { Tls = DeliverTls.Verified };

    private static void Change(QueueRig rig, params SiteConfig[] sites)
    {
        rig.Router.Change(new RouterOptions { OwnNames = ["relay.test"], Sites = sites }, s_limits);
        rig.Queue.Change(new QueueOptions { Sites = sites }, s_limits);
        rig.Loop.Settle();
    }

    [Fact]
    public void Queued_mail_goes_by_the_new_policy_and_an_idle_connection_of_the_old_one_is_closed()
    {
        QueueRig rig = new QueueRig().Domain("a.test", "mx.host.test");
        rig.Accept("s@x.test", "1@a.test");
        Delivery first = rig.Take("mx.host.test");
        rig.Report(first, _ => QueueRig.Ok);
        Site old = rig.SiteOf("mx.host.test");
        old.Idle++;
        Change(rig, s_strict);
        rig.Accept("s@x.test", "2@a.test");
        Assert.Contains("close mx.host.test", rig.Dispatcher.Calls);
        Assert.Equal((0, 0), (old.Sessions, old.Idle));
        Assert.Equal(TlsPolicy.Verified, rig.SiteOf("mx.host.test tls=verified").Plan.Tls);
        Assert.Equal("2@a.test", rig.Deliver("mx.host.test tls=verified"));
        Assert.False(rig.HasWork("mx.host.test"));
        Assert.Equal(0, rig.Messages);
    }

    [Fact]
    public void Mail_that_waits_is_not_taken_by_a_session_that_was_dialled_before()
    {
        QueueRig rig = new QueueRig().Domain("a.test", "mx.host.test");
        rig.Accept("s@x.test", "1@a.test");
        Site old = rig.SiteOf("mx.host.test");
        Change(rig, s_strict);
        // The session comes to take, and there is nothing for it any more.
        Assert.False(rig.Queue.TryTake(old, out _));
        Assert.Equal("1@a.test", rig.Deliver("mx.host.test tls=verified"));
    }

    [Fact]
    public void Explain_says_what_is_asked_and_who_says_so()
    {
        QueueRig rig = new QueueRig(rules: [new RouteRule("b.test", NextHop.Mx, TlsPolicy.Required) { OwnTls = true }]).Domain("a.test", "mx.host.test").Domain("b.test", "mx.host.test");
        Assert.Equal((TlsPolicy.Opportunistic, "[deliver]"), Of(rig, "a.test"));
        Assert.Equal((TlsPolicy.Required, "the row \"b.test\" of [[route]]"), Of(rig, "b.test"));
        SiteConfig[] sites = [s_strict with { Tls = DeliverTls.None }];
        rig.Router.Change(new RouterOptions { Rules = [new RouteRule("b.test", NextHop.Mx, TlsPolicy.Required) { OwnTls = true }], Sites = sites }, s_limits);
        rig.Queue.Change(new QueueOptions { Sites = sites }, s_limits);
        Assert.Equal((TlsPolicy.None, "[[site]] \"host.test\""), Of(rig, "a.test"));
        Assert.Equal((TlsPolicy.Required, "the row \"b.test\" of [[route]]"), Of(rig, "b.test"));
    }

    private static (TlsPolicy, string) Of(QueueRig rig, string domain)
    {
        Explanation of = rig.Loop.Wait(rig.Queue.Explainer.OfDomainAsync(domain));
        return (of.Plan.Tls, of.TlsBy);
    }
}
