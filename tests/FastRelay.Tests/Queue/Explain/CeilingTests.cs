using FastRelay.Config;
using FastRelay.Queue;
using FastRelay.Routing;
using FastRelay.Tests.Support;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>The messages a second that follow come from whatever lets the fewest go, and it is named.</summary>
public sealed class CeilingTests
{
    private const string Mx = "mx.a.test";

    /// <summary>A site of five sessions whose deliveries take 200 ms: 25 a second, were there nothing else.</summary>
    private static QueueRig Rig(Limits? limits = null, QueueOptions? options = null)
    {
        QueueRig rig = new QueueRig((options ?? new QueueOptions()) with { Jitter = 0 }, (limits ?? new Limits()) with { SegmentBytes = 4 << 20 }).Domain("a.test");
        Serve(rig);
        return rig;
    }

    private static void Serve(QueueRig rig)
    {
        rig.Accept("s@x.test", "u@a.test");
        Delivery delivery = rig.Take(Mx);
        rig.Loop.Time.Advance(200);
        rig.Loop.Settle();
        rig.Report(delivery, _ => QueueRig.Ok);
    }

    private static QueueOptions Rates(params SiteRate[] rates) => new() { Sites = [new SiteConfig("a.test", 0, 0, 0) { Rates = rates }] };

    private static (double PerSecond, string By) Of(QueueRig rig)
    {
        Explanation of = rig.Loop.Wait(rig.Queue.Explainer.OfDomainAsync("a.test"));
        return (of.CeilingPerSecond, of.CeilingBy);
    }

    [Theory]
    [InlineData(3, 15, "3 sessions of limits.send_sessions")]
    [InlineData(5, 25, "")]
    [InlineData(2_000, 25, "")]
    public void Fewer_sessions_in_all_than_the_site_may_have_are_the_ceiling(int sessions, double perSecond, string by) =>
        Assert.Equal((perSecond, by), Of(Rig(new Limits { SendSessions = sessions })));

    [Theory]
    [InlineData(2, 10, "2 messages under way of [[tenant]] \"few\"")]
    [InlineData(5, 25, "")]
    [InlineData(0, 25, "")]
    public void What_a_tenant_may_have_under_way_is_its_ceiling_and_nobody_elses(int sessions, double perSecond, string by)
    {
        QueueRig rig = Rig(options: new QueueOptions { Tenants = [new TenantConfig("few", 1, sessions)] });
        Assert.Equal((25.0, ""), Of(rig));
        rig.Tenant = "few";
        var message = rig.Accept("s@x.test", "u@a.test");
        Explanation way = Assert.Single(rig.Loop.Wait(rig.Queue.Explainer.OfMessageAsync(rig.Journal.IdOf(message), rig.Queue.Admin))!.Ways);
        Assert.Equal((perSecond, by), (way.CeilingPerSecond, way.CeilingBy));
        // Many in flight on a connection are so many messages of the tenant's.
        rig.Queue.Change(
            new QueueOptions { Jitter = 0, Tenants = [new TenantConfig("few", 1, sessions)], Sites = [new SiteConfig("a.test", 0, 0, 0) { InFlight = 8 }] },
            new Limits { SegmentBytes = 4 << 20 });
        rig.Loop.Settle();
        way = Assert.Single(rig.Loop.Wait(rig.Queue.Explainer.OfMessageAsync(rig.Journal.IdOf(message), rig.Queue.Admin))!.Ways);
        Assert.Equal(sessions > 0 ? sessions * 5 : 200, way.CeilingPerSecond);
    }

    [Theory]
    [InlineData(1_000, 5, "1kB in 10 s, of 20 octets a message lately")]
    [InlineData(5_001, 25, "")]
    [InlineData(10, 0.1, "10B in 10 s, of 20 octets a message lately")]
    public void Octets_are_a_ceiling_at_the_size_of_the_messages_that_come(long octets, double perSecond, string by)
    {
        // A message is 20 octets; one that is larger than the number goes when a whole window is free.
        (double ceiling, string comesFrom) = Of(Rig(options: Rates(new SiteRate(SiteRateUnit.Octets, octets, 10_000))));
        Assert.Equal((perSecond, by), (Math.Round(ceiling, 6), comesFrom));
    }

    [Fact]
    public void Octets_before_the_first_message_are_those_of_the_next_one()
    {
        QueueRig rig = new QueueRig(Rates(new SiteRate(SiteRateUnit.Octets, 100, 10_000)) with { Jitter = 0 }).Domain("a.test");
        rig.Accept("s@x.test", "u@a.test");
        Assert.Equal((0.5, "100B in 10 s, of 20 octets a message lately"), Of(rig));
        rig.Loop.Wait(rig.Queue.Admin.RemoveAsync(new QueueFilter()));
        rig.Loop.Settle();
        Assert.Equal((0.0, ""), Of(rig));
    }

    [Fact]
    public void Connections_are_a_ceiling_at_as_many_messages_as_one_may_serve()
    {
        QueueOptions options = Rates(new SiteRate(SiteRateUnit.Connections, 6, 60_000));
        Assert.Equal((25.0, ""), Of(Rig(options: options)));
        QueueRig rig = Rig(new Limits { MessagesPerConnection = 50 }, options);
        Assert.Equal((5.0, "6 connections in 1 min 0 s of 50 messages each at most"), Of(rig));
        // A host that closes earlier has the last word.
        rig.Dispatcher.ClosesAfter = 1;
        Assert.Equal((0.1, "6 connections in 1 min 0 s of 1 message each at most"), (Math.Round(Of(rig).PerSecond, 6), Of(rig).By));
        rig.Dispatcher.ClosesAfter = 500;
        Assert.Equal(5, Of(rig).PerSecond);
    }

    [Fact]
    public void Of_several_the_lowest_is_named()
    {
        QueueOptions options = Rates(
            new SiteRate(SiteRateUnit.Messages, 120, 10_000), new SiteRate(SiteRateUnit.Octets, 2_000, 10_000), new SiteRate(SiteRateUnit.Connections, 11, 10_000));
        Assert.Equal((10.0, "2kB in 10 s, of 20 octets a message lately"), Of(Rig(new Limits { MessagesPerConnection = 10 }, options)));
        Assert.Equal((5.5, "11 connections in 10 s of 5 messages each at most"), Of(Rig(new Limits { MessagesPerConnection = 5 }, options)));
    }
}
