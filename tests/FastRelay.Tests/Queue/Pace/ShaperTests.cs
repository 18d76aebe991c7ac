using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Queue;
using FastRelay.Smtp;
using FastRelay.Tests.Support;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>A site that says that mail comes too fast is given it more slowly, and its mail does not pay for it with a retry interval.</summary>
public sealed class ShaperTests
{
    private const string Mx = "mx.a.test";
    private const string TooFast = "4.7.28 rate limit exceeded";
    private static readonly Outcome s_tooFast = OutcomePolicy.From(SmtpStage.Mail, 450, new EnhancedCode(4, 7, 28));

    private static QueueRig Rig(params SiteConfig[] sites) =>
        new QueueRig(new QueueOptions { Jitter = 0, Sites = sites, ReplyRules = ProviderRules.All }).Domain("a.test");

    private static SiteView View(QueueRig rig) => rig.ViewOf(Mx);

    private static Explanation Explain(QueueRig rig) => rig.Loop.Wait(rig.Queue.Explainer.OfDomainAsync("a.test"));

    private static void Pass(QueueRig rig, long ms)
    {
        rig.Loop.Time.Advance(ms);
        rig.Loop.Settle();
    }

    [Fact]
    public void What_is_refused_for_the_rate_alone_is_the_first_to_go_when_the_rate_allows()
    {
        QueueRig rig = Rig();
        rig.Accept("s@x.test", "1@a.test");
        rig.Accept("s@x.test", "2@a.test");
        rig.Report(rig.Take(Mx), _ => s_tooFast, TooFast);
        Assert.Equal((2L, 0L, 1L), (rig.Queue.Ready, rig.Queue.Deferred, rig.Counters.RateRefusals));
        Assert.False(rig.Queue.TryTake(rig.SiteOf(Mx), out _));
        Pass(rig, 999);
        Assert.False(rig.Queue.TryTake(rig.SiteOf(Mx), out _));
        Pass(rig, 1);
        Assert.Equal("1@a.test", rig.Deliver(Mx));
        Assert.Equal(SiteGear.Normal, View(rig).Gear);
    }

    [Fact]
    public void What_was_in_flight_together_keeps_its_order_refused_or_not_attempted()
    {
        QueueRig rig = Rig();
        for (int i = 1; i <= 6; i++)
        {
            rig.Accept("s@x.test", $"{i}@a.test");
        }
        Delivery[] flight = [.. Enumerable.Range(0, 5).Select(_ => rig.Take(Mx))];
        for (int i = 0; i < 3; i++)
        {
            rig.Report(flight[i], _ => s_tooFast, TooFast);
        }
        // The connection ends: the last one goes back first.
        rig.Queue.Release(flight[4]);
        rig.Queue.Release(flight[3]);
        rig.Loop.Settle();
        Pass(rig, 60_000);
        Assert.Equal(["1@a.test", "2@a.test", "3@a.test", "4@a.test", "5@a.test", "6@a.test"], Enumerable.Range(0, 6).Select(_ =>
        {
            Pass(rig, 60_000);
            return rig.Deliver(Mx);
        }));
    }

    [Fact]
    public void One_that_was_refused_and_is_gone_is_nobodys_neighbour()
    {
        QueueRig rig = Rig();
        MessageHandle[] all = [.. Enumerable.Range(1, 4).Select(i => rig.Accept("s@x.test", $"{i}@a.test"))];
        Delivery[] flight = [.. Enumerable.Range(0, 3).Select(_ => rig.Take(Mx))];
        rig.Report(flight[0], _ => s_tooFast, TooFast);
        rig.Report(flight[1], _ => s_tooFast, TooFast);
        Assert.Equal(1, rig.Loop.Wait(rig.Queue.Admin.RemoveAsync(new QueueFilter { Id = rig.Journal.IdOf(all[1]) })));
        rig.Report(flight[2], _ => s_tooFast, TooFast);
        Assert.Equal(["1@a.test", "3@a.test", "4@a.test"], Enumerable.Range(0, 3).Select(_ =>
        {
            Pass(rig, 60_000);
            return rig.Deliver(Mx);
        }));
    }

    [Fact]
    public void What_is_refused_again_waits_by_itself_and_others_are_tried()
    {
        QueueRig rig = Rig();
        rig.Accept("s@x.test", "1@a.test");
        rig.Accept("s@x.test", "2@a.test");
        rig.Report(rig.Take(Mx), _ => s_tooFast, TooFast);
        Pass(rig, 1_000);
        rig.Report(rig.Take(Mx), _ => s_tooFast, TooFast);
        Assert.Equal((1L, 1L), (rig.Queue.Ready, rig.Queue.Deferred));
        Pass(rig, 2_000);
        Assert.Equal("2@a.test", rig.Deliver(Mx));
        rig.Loop.Pass(9_000);
        Assert.Equal(0, rig.Queue.Deferred);
        Assert.Equal("1@a.test", rig.Report(rig.Take(Mx), _ => s_tooFast, TooFast));
        // The third time: twice as long, and the waits of the schedule are the most.
        rig.Loop.Pass(18_000);
        Assert.Equal(1, rig.Queue.Deferred);
        rig.Loop.Pass(3_000);
        Assert.Equal(0, rig.Queue.Deferred);
    }

    [Fact]
    public void Who_is_put_off_for_something_else_too_waits_as_usual()
    {
        QueueRig rig = Rig();
        rig.Accept("s@x.test", "1@a.test", "2@a.test");
        Outcome lost = OutcomePolicy.From(SmtpStage.Rcpt, OutcomeCause.ConnectionLost);
        rig.Report(rig.Take(Mx), to => to[0] == '1' ? lost : s_tooFast, TooFast);
        Assert.Equal((1L, 1L), (rig.Queue.Deferred, rig.Counters.RateRefusals));
        rig.Loop.Pass(299_000);
        Assert.Equal(1, rig.Queue.Deferred);
        rig.Loop.Pass(2_000);
        Assert.Equal(0, rig.Queue.Deferred);
    }

    [Theory]
    [InlineData(450, "4.7.1 Error: too much mail from 192.0.2.1", true)]
    [InlineData(421, "4.7.0 Rate limit exceeded, closing connection", true)]
    [InlineData(451, "4.7.1 You are sending too fast", true)]
    [InlineData(452, "4.3.2 throttled", true)]
    [InlineData(451, "4.7.1 Hourly limit for your address is used up", true)]
    [InlineData(451, "4.7.1 Greylisted, slow down", false)]
    [InlineData(450, "4.2.1 The user you are trying to contact is receiving mail too quickly", false)]
    [InlineData(452, "4.2.2 mailbox is over its message limit", false)]
    [InlineData(452, "4.5.3 Too many recipients, rate limit", false)]
    [InlineData(421, "4.7.0 Too many messages on this connection", false)]
    [InlineData(421, "4.7.0 Too many connections from your address", false)]
    [InlineData(451, "4.7.0 put off: reputation", false)]
    [InlineData(550, "5.7.1 rate limit", false)]
    public void The_words_of_any_host_about_the_rate_are_known_and_others_are_not_taken_for_them(int code, string reply, bool isForRate)
    {
        QueueRig rig = Rig();
        rig.Accept("s@x.test", "1@a.test");
        rig.Report(rig.Take(Mx), _ => OutcomePolicy.From(SmtpStage.Rcpt, code, default), reply);
        Assert.Equal((isForRate ? 1 : 0, isForRate), (rig.Queue.PacedSites, View(rig).Learned is not null));
    }

    [Fact]
    public void A_421_for_the_rate_to_the_first_message_of_a_connection_is_no_failure_of_the_site()
    {
        QueueRig rig = Rig();
        rig.Accept("s@x.test", "1@a.test");
        Outcome closing = OutcomePolicy.From(SmtpStage.Mail, 421, new EnhancedCode(4, 7, 28));
        Delivery delivery = rig.Take(Mx);
        rig.Report(delivery, _ => closing, TooFast);
        rig.Queue.SiteFailed(rig.SiteOf(Mx), closing, "4.7.28 rate limit exceeded"u8, counted: true);
        Assert.Equal((0, SiteGear.Normal, 1_000L), (View(rig).Failures, View(rig).Gear, View(rig).Learned!.ClosedMs));
        // At the banner it is the same.
        Pass(rig, 1_000);
        rig.Queue.SiteFailed(rig.SiteOf(Mx), OutcomePolicy.From(SmtpStage.Banner, 421, default), "4.7.28 rate limit exceeded"u8);
        Assert.Equal((0, SiteGear.Normal, 2_000L, 2L), (View(rig).Failures, View(rig).Gear, View(rig).Learned!.ClosedMs, View(rig).Learned!.Refused));
        // Something else is a failure now as before.
        Pass(rig, 2_000);
        rig.Queue.SiteFailed(rig.SiteOf(Mx), OutcomePolicy.From(SmtpStage.Connect, OutcomeCause.ConnectTimeout), "no answer"u8);
        Assert.Equal((1, SiteGear.Backoff), (View(rig).Failures, View(rig).Gear));
    }

    [Fact]
    public void A_message_that_was_not_attempted_goes_on_and_the_site_has_learned()
    {
        QueueRig rig = Rig();
        rig.Accept("s@x.test", "1@a.test");
        Delivery delivery = rig.Take(Mx);
        rig.Queue.SiteReplied(delivery.Site, OutcomePolicy.From(SmtpStage.Mail, 421, new EnhancedCode(4, 7, 28)), "4.7.28 rate limit exceeded"u8, delivery.TakenMs);
        rig.Queue.Release(delivery);
        rig.Loop.Settle();
        Assert.Equal((1L, 1_000L), (rig.Queue.Ready, View(rig).Learned!.ClosedMs));
        Pass(rig, 1_000);
        Assert.Equal("1@a.test", rig.Deliver(Mx));
    }

    [Fact]
    public void Explain_shows_the_learned_rate_with_its_reason_and_what_follows()
    {
        QueueRig rig = Rig();
        for (int i = 0; i < 121; i++)
        {
            rig.Accept("s@x.test", "1@a.test");
            rig.Loop.Time.Advance(500);
            if (i < 120)
            {
                rig.Deliver(Mx);
            }
        }
        rig.Report(rig.Take(Mx), _ => s_tooFast, TooFast);
        Explanation closed = Explain(rig);
        Assert.Equal((WaitKind.Rate, "the rate that its hosts have been seen to allow, 120 messages a minute; one tries again in 1000 ms, because: 450 4.7.28 rate limit exceeded"), (closed.Waits.For, closed.Waits.Text));
        LearnedRateView view = closed.Site!.Learned!;
        Assert.Equal((0L, 1_000L, 0L, 14_400_000L, 1L, "450 4.7.28 rate limit exceeded"), (view.SinceMs, view.ClosedMs, view.GrowsMs, view.ForgottenMs, view.Refused, view.Reason));
        Pass(rig, 1_000);
        rig.Deliver(Mx);
        rig.Accept("s@x.test", "1@a.test");
        Explanation open = Explain(rig);
        Assert.StartsWith("the rate that its hosts have been seen to allow, 110.4 messages a minute; the next goes in ", open.Waits.Text);
        Assert.Equal(("the learned rate", -1L), (open.CeilingBy, open.Site!.Learned!.ClosedMs));
        Assert.InRange(open.CeilingPerSecond, 1.8, 1.85);
        Assert.InRange(open.Site.Learned.GrowsMs, 25_000, 28_000);
        LimitUse use = open.Limits.Single(limit => limit.Name == "messages in 1 min, learned");
        Assert.Equal((1L, 111L, true), (use.Used, use.Most, use.Binds));
    }

    [Fact]
    public void What_was_learned_outlives_the_mail_and_a_reload_and_ends_by_time_or_by_retry()
    {
        QueueRig rig = Rig();
        rig.Accept("s@x.test", "1@a.test");
        rig.Report(rig.Take(Mx), _ => s_tooFast, TooFast);
        rig.Loop.Wait(rig.Queue.Admin.RemoveAsync(new QueueFilter()));
        rig.SiteOf(Mx).Sessions = 0;
        rig.Queue.Change(new QueueOptions { Jitter = 0, ReplyRules = ProviderRules.All }, new FastRelay.Limits { SegmentBytes = 4 << 20 });
        rig.Loop.Pass(3 * 3_600_000, 10_000);
        Assert.Equal(1, rig.Queue.PacedSites);
        rig.Loop.Pass(2 * 3_600_000, 10_000);
        Assert.Equal((0, 0), (rig.Queue.PacedSites, rig.Queue.SiteCount));
        rig.Accept("s@x.test", "1@a.test");
        rig.Report(rig.Take(Mx), _ => s_tooFast, TooFast);
        Assert.False(rig.Queue.TryTake(rig.SiteOf(Mx), out _));
        rig.Loop.Wait(rig.Queue.Admin.RetryAsync(new QueueFilter()));
        Assert.Equal(0, rig.Queue.PacedSites);
        rig.Deliver(Mx);
    }

    [Fact]
    public void Octets_are_counted_when_a_message_is_begun_and_connections_when_they_are_dialled()
    {
        var rates = new SiteConfig("a.test", 0, 0, 0)
        {
            Rates = [new SiteRate(SiteRateUnit.Octets, 200, 10_000), new SiteRate(SiteRateUnit.Connections, 10, 60_000)],
        };
        QueueRig rig = Rig(rates);
        for (int i = 0; i < 3; i++)
        {
            rig.Accept("s@x.test", "1@a.test");
        }
        // A message is 20 octets, twice the bucket: it wants the bucket empty for as long as the rest takes.
        rig.Deliver(Mx);
        Assert.False(rig.Queue.TryTake(rig.SiteOf(Mx), out _));
        Explanation of = Explain(rig);
        Assert.StartsWith("the rate of its site, 200B in 10 s by [[site]] \"a.test\"; the next goes in ", of.Waits.Text);
        LimitUse octets = of.Limits.Single(limit => limit.Name == "octets in 10 s of [[site]]");
        LimitUse connections = of.Limits.Single(limit => limit.Name == "connections in 1 min 0 s of [[site]]");
        Assert.Equal((20L, 200L, true), (octets.Used, octets.Most, octets.Binds));
        Assert.Equal((1L, 10L, true), (connections.Used, connections.Most, connections.Binds));
        Pass(rig, 1_600);
        rig.Deliver(Mx);
    }

    [Fact]
    public void No_more_connections_are_made_than_their_rate_allows_and_idle_ones_are_woken_without_it()
    {
        QueueRig rig = Rig(new SiteConfig("a.test", 0, 0, 0) { Rates = [new SiteRate(SiteRateUnit.Connections, 10, 60_000)] });
        for (int i = 0; i < 30; i++)
        {
            rig.Accept("s@x.test", "1@a.test");
        }
        Site site = rig.SiteOf(Mx);
        Assert.Equal(1, site.Sessions);
        Pass(rig, 5_980);
        Assert.Equal(1, site.Sessions);
        Pass(rig, 40);
        Assert.Equal(2, site.Sessions);
        WaitReason wait = Explain(rig).Waits;
        Assert.StartsWith("the rate of its site, 10 connections in 1 min 0 s by [[site]] \"a.test\"; the next is dialled in ", wait.Text);
        // The second address of a session that was counted before is one more.
        site.Dialled();
        site.Dialled();
        site.Dialled();
        rig.Accept("s@x.test", "1@a.test");
        Pass(rig, 6_020);
        Assert.Equal(2, site.Sessions);
        Pass(rig, 6_020);
        Assert.Equal(3, site.Sessions);
        // One that rests is put to work at once.
        site.Idle++;
        int calls = rig.Dispatcher.Calls.Count;
        rig.Accept("s@x.test", "1@a.test");
        Assert.Equal((calls + 1, 0, 3), (rig.Dispatcher.Calls.Count, site.Idle, site.Sessions));
    }

    [Fact]
    public void Nothing_is_allocated_for_a_message_by_rates_that_are_configured_or_learned()
    {
        var rates = new SiteConfig("a.test", 0, 1_000, 1_000)
        {
            Rates = [new SiteRate(SiteRateUnit.Octets, 50 << 20, 1_000), new SiteRate(SiteRateUnit.Connections, 10_000, 1_000)],
        };
        QueueRig rig = Rig(rates);
        rig.Output.Keep = false;
        rig.Accept("s@x.test", "u@a.test");
        rig.Report(rig.Take(Mx), _ => s_tooFast, TooFast);
        Pass(rig, 1_000);
        rig.Deliver(Mx);
        var probe = new AllocationProbe(rig);
        for (int i = 0; i < 1_500; i++)
        {
            Pass(rig, 2_000);
            probe.Once(Mx);
        }
        long before = probe.Allocated;
        for (int i = 0; i < 1_000; i++)
        {
            Pass(rig, 2_000);
            probe.Once(Mx);
        }
        Assert.Equal(1, rig.Queue.PacedSites);
        // The smallest object is 24 octets: one for each message would be 24,000. Once in a while a list of the clock's grows.
        Assert.InRange(probe.Allocated - before, 0, 4_000);
    }
}
