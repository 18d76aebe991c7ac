using FastRelay.Config;
using FastRelay.Queue;
using FastRelay.Routing;
using FastRelay.Smtp;
using FastRelay.Tests.Support;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>
/// A thousand customers of one provider, each with an MX of its own, are one to it: sessions, rates, gears and suspensions hold over all
/// of them together, and they take turns.
/// </summary>
public class ProviderTests
{
    private const int Customers = 1_000;

    private static readonly Limits s_limits = new() { SegmentBytes = 4 << 20 };

    private static readonly Outcome s_banner = OutcomePolicy.From(SmtpStage.Banner, 554, new EnhancedCode(5, 7, 1));

    private static string Mx(int customer) => $"c{customer}-test.mail.protection.outlook.com";

    private static QueueRig Rig(QueueOptions? options = null, int customers = Customers)
    {
        var rig = new QueueRig(options ?? new QueueOptions { Jitter = 0 }, s_limits);
        for (int i = 0; i < customers; i++)
        {
            rig.Domain($"c{i}.test", Mx(i));
        }
        return rig;
    }

    /// <summary>So many messages for each customer.</summary>
    private static void Fill(QueueRig rig, int customers = Customers, int each = 1, int from = 0)
    {
        for (int i = 0; i < customers * each; i++)
        {
            rig.Commit("s@x.test", $"u{i}@c{from + (i % customers)}.test");
        }
        rig.Loop.Settle();
    }

    private static SiteBudget Budget(QueueRig rig, string key = "outlook.com") => rig.Queue.State.Sites.Budgets.Find(key)!;

    /// <summary>The most in any window that begins with one of them.</summary>
    private static int MostIn(List<long> times, long windowMs)
    {
        int most = 0;
        for (int first = 0, next = 0; first < times.Count; first++)
        {
            while (next < times.Count && times[next] < times[first] + windowMs)
            {
                next++;
            }
            most = Math.Max(most, next - first);
        }
        return most;
    }

    [Fact]
    public void Sessions_hold_over_all_customers_and_each_is_served()
    {
        QueueRig rig = Rig();
        var courier = new Courier(rig);
        Fill(rig, each: 3);
        Assert.Equal((Customers, 1), (rig.Queue.SiteCount, rig.Queue.State.Sites.Budgets.Shared.Count));
        Assert.Equal(Customers, Budget(rig).Sites);
        courier.Run(60_000);
        Assert.Equal(0, rig.Messages);
        Assert.Equal(3 * Customers, courier.Begun.Count);
        // It begins with five and is seen to bear more, up to limits.send_sessions_per_site, idle ones counted.
        Assert.Equal(s_limits.SendSessionsPerSite, courier.MostOpen);
        // A connection was dialled once for each customer: none lost its turn in the middle of its mail.
        Assert.InRange(courier.Dials.Count, Customers, Customers * 11 / 10);
        QueueRules.Hold(rig);
    }

    [Fact]
    public void A_backlog_for_few_customers_leaves_the_others_their_turns()
    {
        QueueRig rig = Rig(customers: 60);
        var courier = new Courier(rig);
        Fill(rig, customers: 40, each: 500);
        courier.Run(30_000);
        long at = rig.Loop.Loop.NowMs;
        // Two messages for customers who had nothing until now do not wait for the turns of forty backlogs.
        Fill(rig, customers: 1, from: 50);
        Fill(rig, customers: 1, from: 51);
        courier.Run(10_000);
        foreach (int customer in (int[])[50, 51])
        {
            (long begunMs, _) = courier.Begun.Find(begun => begun.Site == Mx(customer));
            Assert.InRange(begunMs, at, at + 2_500);
        }
        courier.Run(60_000);
        int[] each = [.. Enumerable.Range(0, 40).Select(customer => courier.Begun.Count(begun => begun.Site == Mx(customer)))];
        Assert.True(each.Min() * 2 > each.Max(), $"between {each.Min()} and {each.Max()} messages for each customer");
        Assert.InRange(courier.MostOpen, 1, s_limits.SendSessionsPerSite);
        // Turns cost connections, but no more than a tenth of what there is to send.
        Assert.True(courier.Dials.Count * 10 < courier.Begun.Count, $"{courier.Dials.Count} connections for {courier.Begun.Count} messages");
        QueueRules.Hold(rig);
    }

    [Fact]
    public void A_rate_holds_over_all_customers()
    {
        var options = new QueueOptions { Jitter = 0, Sites = [new SiteConfig("outlook.com", 10, 600, 60_000) { Rates = [SiteRate.Parse("100 connections/10s")!] }] };
        QueueRig rig = Rig(options);
        var courier = new Courier(rig);
        Fill(rig);
        courier.Run(60_000);
        Assert.InRange(courier.Begun.Count, 540, 600);
        courier.Run(60_000);
        Assert.Equal(0, rig.Messages);
        Assert.Equal(Customers, courier.Begun.Count);
        Assert.InRange(MostIn([.. courier.Begun.Select(static begun => begun.AtMs)], 60_000), 540, 600);
        Assert.InRange(MostIn(courier.Dials, 10_000), 90, 100);
        Assert.InRange(courier.MostOpen, 2, 10);
    }

    [Fact]
    public void Connections_that_may_not_be_dialled_hold_up_nobody_who_has_one()
    {
        var options = new QueueOptions { Jitter = 0, Sites = [new SiteConfig("outlook.com", 0, 0, 0) { Rates = [SiteRate.Parse("1 connections/1m")!] }] };
        QueueRig rig = Rig(options, customers: 3);
        var courier = new Courier(rig) { KeepMs = 100_000 };
        Fill(rig, customers: 1, each: 1_500);
        courier.Run(2_000);
        Fill(rig, customers: 2, from: 1);
        courier.Run(50_000);
        Assert.Single(courier.Dials);
        Assert.InRange(courier.Begun.Count, 480, 520);
        courier.Run(75_000);
        Assert.Equal(2, courier.Begun.Count(static begun => begun.Site != Mx(0)));
        Assert.InRange(courier.Begun.Count, 1_230, 1_280);
    }

    [Fact]
    public void What_a_host_says_of_the_rate_is_learned_for_all()
    {
        QueueRig rig = Rig(new QueueOptions { Jitter = 0, ReplyRules = ProviderRules.All });
        var courier = new Courier(rig);
        Fill(rig, each: 2);
        courier.Run(5_000);
        courier.Refuses = static _ => (OutcomePolicy.From(SmtpStage.Mail, 450, new EnhancedCode(4, 7, 1)), "4.7.1 Message rate exceeded, slow down");
        courier.Run(1_000);
        Assert.Equal(1, rig.Queue.PacedSites);
        Assert.True(Budget(rig).Learned!.IsClosed);
        int before = courier.Begun.Count;
        courier.Run(30_000);
        // One tries for all, after 1, 2, 4, 8 and 16 s, and not one of each customer.
        Assert.InRange(courier.Begun.Count - before, 3, 6);
        courier.Refuses = static _ => null;
        courier.Run(20 * 60_000);
        Assert.Equal(0, rig.Messages);
    }

    [Fact]
    public void A_rule_that_one_customers_host_sets_off_stops_all()
    {
        var rule = new ReplyRuleConfig("outlook.com", "S3150", 1, 0, ReplyAction.Suspend, 600_000);
        QueueRig rig = Rig(new QueueOptions { Jitter = 0, ReplyRules = [rule] });
        var courier = new Courier(rig);
        Fill(rig, each: 2);
        courier.Run(1_000);
        courier.Refuses = static domain => domain == "c300.test" ? (OutcomePolicy.From(SmtpStage.Mail, 451, new EnhancedCode(4, 7, 650)), "4.7.650 the mail server is throttled (S3150)") : null;
        courier.Run(15_000);
        Assert.Equal(SiteGear.Suspended, rig.Queue.State.Gears.Of(Budget(rig)).Gear);
        Assert.Equal(SiteGear.Suspended, rig.Queue.State.Gears.Of(rig.SiteOf(Mx(999))));
        int before = courier.Begun.Count;
        Assert.True(before < 1_000, $"{before} begun");
        courier.Refuses = static _ => null;
        courier.Run(580_000);
        Assert.Equal(before, courier.Begun.Count);
        courier.Run(100_000);
        Assert.True(courier.Begun.Count > 1_900, $"{courier.Begun.Count} begun");
    }

    [Fact]
    public void Three_customers_that_refuse_us_stop_all_and_one_that_does_not_answer_stops_none()
    {
        QueueRig rig = Rig(customers: 100);
        var courier = new Courier(rig) { RefusesDial = static site => site == Mx(3) ? QueueRig.Unreachable : null };
        Fill(rig, customers: 100);
        courier.Run(20_000);
        Assert.Equal((99, SiteGear.Normal), (courier.Begun.Count, rig.Queue.State.Gears.Of(Budget(rig)).Gear));
        Assert.Equal(SiteGear.Backoff, rig.Queue.State.Gears.Of(rig.SiteOf(Mx(3))));
        Assert.Equal(SiteGear.Normal, rig.Queue.State.Gears.Of(rig.SiteOf(Mx(4))));
        // Our address is refused, which no rule knows.
        courier.RefusesDial = static _ => s_banner;
        courier.Run(20_000);
        int dials = courier.Dials.Count;
        Fill(rig, customers: 90, from: 10);
        courier.Run(25_000);
        Assert.InRange(courier.Dials.Count - dials, 3, 25);
        Assert.Equal(SiteGear.Backoff, rig.Queue.State.Gears.Of(rig.SiteOf(Mx(99))));
        Assert.Equal("554 5.7.1 refused", rig.Queue.State.Gears.Of(Budget(rig)).Reason);
        dials = courier.Dials.Count;
        courier.Run(60_000);
        // Then one of them tries for all.
        Assert.InRange(courier.Dials.Count - dials, 1, 3);
        courier.RefusesDial = static _ => null;
        courier.Run(600_000);
        Assert.Equal(0, rig.Messages);
        QueueRules.Hold(rig);
    }

    [Fact]
    public void One_customer_that_refuses_us_for_hours_stops_nobody_else()
    {
        QueueRig rig = Rig(customers: 2);
        var courier = new Courier(rig) { RefusesDial = static site => site == Mx(0) ? s_banner : null };
        Fill(rig, customers: 1);
        // Alone, at night: nobody else's mail ends the row of its refusals.
        courier.Run(3_600_000);
        Assert.True(courier.Dials.Count > 3, $"{courier.Dials.Count} dials");
        Assert.Equal(SiteGear.Normal, rig.Queue.State.Gears.Of(Budget(rig)).Gear);
        Fill(rig, customers: 1, from: 1);
        courier.Run(2_000);
        Assert.Single(courier.Begun);
        QueueRules.Hold(rig);
    }

    [Theory]
    [InlineData("outlook.com", 0)]
    [InlineData("mail.protection.outlook.com", 0)]
    [InlineData("c5-test.mail.protection.outlook.com", 99)]
    public void The_operator_suspends_all_by_the_providers_name_and_one_by_its_own(string name, int begun)
    {
        QueueRig rig = Rig(customers: 100);
        var courier = new Courier(rig);
        rig.Loop.Wait(rig.Queue.SiteAdmin.SuspendAsync(name, 0));
        Fill(rig, customers: 100);
        courier.Run(20_000);
        Assert.Equal(begun, courier.Begun.Count);
        Assert.Equal(SiteGear.Suspended, rig.Queue.State.Gears.Of(rig.SiteOf(Mx(5))));
        Assert.Equal(name == "outlook.com", rig.Queue.State.Gears.Of(Budget(rig)).Gear == SiteGear.Suspended);
        rig.Loop.Wait(rig.Queue.SiteAdmin.ResumeAsync(name));
        courier.Run(20_000);
        Assert.Equal((100, 0L), (courier.Begun.Count, rig.Messages));
    }

    [Fact]
    public void A_domain_that_moves_to_another_provider_is_counted_there_with_all_that_it_has()
    {
        QueueRig rig = Rig(customers: 3);
        Fill(rig, customers: 3, each: 100);
        Site old = rig.SiteOf(Mx(1));
        Assert.True(old.Sessions > 0);
        rig.Dns.Mx("c1.test", "10 aspmx.l.google.com", 86_400).A("aspmx.l.google.com", "8.8.4.4", 86_400).Aaaa("aspmx.l.google.com", "nodata", 3_600);
        rig.Loop.Pass(86_500_000, 60_000);
        // Its connections serve on until the new plan is there.
        Delivery delivery = rig.Take(Mx(1));
        rig.Loop.Settle();
        rig.Report(delivery, static _ => QueueRig.Ok);
        Site moved = rig.SiteOf("aspmx.l.google.com");
        Assert.Equal(("google.com", 1, 99), (moved.Budget.Key, moved.Budget.Sites, moved.Ready));
        Assert.Equal((0, 0), (old.Ready, old.Destinations));
        old.Sessions = 0;
        rig.Loop.Settle();
        Assert.Equal((2, 0), (Budget(rig).Sites, Budget(rig).InFlight));
        QueueRules.Hold(rig);
    }

    [Fact]
    public void A_reload_takes_sites_with_what_they_have_in_use_into_other_budgets()
    {
        QueueRig rig = new QueueRig(new QueueOptions { Jitter = 0 }, s_limits).Domain("a.test", "mx.a.test").Domain("b.test", "mx.b.test");
        var courier = new Courier(rig);
        for (int i = 0; i < 4_000; i++)
        {
            rig.Commit("s@x.test", $"u{i}@{"ab"[i % 2]}.test");
        }
        courier.Run(1_000);
        Assert.Empty(rig.Queue.State.Sites.Budgets.Shared);
        Reload(new QueueOptions { Jitter = 0, Sites = [new SiteConfig("ab.test", 3, 0, 0)] }, ("a.test", "ab.test"), ("b.test", "ab.test"));
        SiteBudget shared = Budget(rig, "ab.test");
        Assert.Equal((2, rig.SiteOf("mx.a.test").Sessions + rig.SiteOf("mx.b.test").Sessions, 3), (shared.Sites, shared.Sessions, rig.SiteOf("mx.a.test").Limit));
        // What is at work goes on to the end of its turn.
        courier.Run(4_000);
        Assert.InRange(shared.Active, 1, 3);
        // A part of a provider's hosts that a [[site]] names is counted for itself.
        Reload(new QueueOptions { Jitter = 0, Sites = [new SiteConfig("mx.a.test", 2, 0, 0)] }, ("a.test", "ab.test"), ("b.test", "ab.test"));
        Assert.Equal(("ab.test:mx.a.test", 2), (rig.SiteOf("mx.a.test").Budget.Key, rig.SiteOf("mx.a.test").Limit));
        Assert.Equal(("ab.test", 1), (rig.SiteOf("mx.b.test").Budget.Key, shared.Sites));
        courier.Run(2_000);
        Reload(new QueueOptions { Jitter = 0 });
        Assert.Empty(rig.Queue.State.Sites.Budgets.Shared);
        courier.Run(90_000);
        Assert.Equal(0, rig.Messages);
        QueueRules.Hold(rig);

        void Reload(QueueOptions options, params (string, string)[] providers)
        {
            rig.Router.Change(new RouterOptions { OwnNames = ["relay.test"], Providers = providers }, s_limits);
            rig.Queue.Change(options, s_limits);
            rig.Loop.Settle();
            QueueRules.Hold(rig);
        }
    }

    [Fact]
    public void Explain_names_both_and_the_busiest_are_shown_as_one()
    {
        QueueRig rig = Rig(new QueueOptions { Jitter = 0, Sites = [new SiteConfig("outlook.com", 4, 0, 0)] }, customers: 100);
        var courier = new Courier(rig);
        Fill(rig, customers: 100, each: 3);
        courier.Run(1_000);
        Explanation of = rig.Loop.Wait(rig.Queue.Explainer.OfDomainAsync("c99.test"));
        Assert.Equal((Mx(99), "outlook.com", 3), (of.Site!.Key, of.Site.Provider, of.Site.Ready));
        Assert.Equal(("outlook.com", 100, 4, 4, SiteGear.Normal), (of.Budget!.Key, of.Budget.Sites, of.Budget.Sessions, of.Budget.Limit, of.Budget.Gear));
        Assert.InRange(of.Budget.Waiting, 50, 100);
        Assert.Equal(WaitKind.Session, of.Waits.For);
        Assert.Equal($"a session: all 4 of [[site]] \"outlook.com\" are at work; {of.Budget.Waiting} of the 100 sites of outlook.com take turns", of.Waits.Text);
        Assert.Equal(("sessions of outlook.com", 4L), (of.Limits[0].Name, of.Limits[0].Most));
        Assert.Equal("outlook.com", rig.Loop.Wait(rig.Queue.Explainer.OfSiteAsync("outlook.com"))!.Budget!.Key);
        long left = rig.Queue.Ready + rig.Queue.InFlight;
        SiteView shown = Assert.Single(rig.Loop.Wait(rig.Queue.Admin.BusiestSitesAsync(5)));
        Assert.Equal(("outlook.com", "outlook.com", 100, left, 0L), (shown.Key, shown.Provider, shown.Sites, shown.Ready + shown.InFlight, shown.Deferred));
        Assert.Equal((4, 4, 300 - left), (shown.Sessions, shown.Limit, shown.Taken));
        Assert.Equal(left, rig.Loop.Wait(rig.Queue.Admin.CountAsync(new QueueFilter { Site = "outlook.com" })));
        rig.Loop.Wait(rig.Queue.SiteAdmin.SuspendAsync("outlook.com", 0));
        Assert.Equal((SiteGear.Suspended, long.MaxValue), (rig.Loop.Wait(rig.Queue.Admin.BusiestSitesAsync(5))[0].Gear, rig.Loop.Wait(rig.Queue.Admin.BusiestSitesAsync(5))[0].GearMs));
    }

    [Fact]
    public void What_waits_for_its_sites_is_shown_together_by_priority_and_with_that_of_suspended_tenants()
    {
        QueueRig rig = Rig(customers: 2);
        rig.Dispatcher.Room = 0;
        rig.Loop.Wait(rig.Queue.SiteAdmin.SuspendAsync("tenant:acme", 0));
        foreach ((MailPriority priority, string tenant) in ((MailPriority, string)[])[(MailPriority.High, ""), (MailPriority.Low, ""), (MailPriority.Normal, ""), (MailPriority.Normal, "acme")])
        {
            (rig.Priority, rig.Tenant) = (priority, tenant);
            Fill(rig, customers: 2);
        }
        SiteView shown = Assert.Single(rig.Loop.Wait(rig.Queue.Admin.BusiestSitesAsync(5)));
        Assert.Equal((2, 6, 2, 2, 2L), (shown.Sites, shown.Ready, shown.ReadyHigh, shown.ReadyLow, shown.Stopped));
        QueueRules.Hold(rig);
    }

    [Fact]
    public void Each_source_has_a_budget_of_its_own_with_the_provider()
    {
        var options = new QueueOptions
        {
            Jitter = 0,
            Sources = [new SourceConfig("blue", System.Net.IPAddress.Parse("192.0.2.1"), null, null, 1), new SourceConfig("green", System.Net.IPAddress.Parse("192.0.2.2"), null, null, 1)],
            Pools = [new PoolConfig("both", ["blue", "green"])],
            Source = "both",
            Sites = [new SiteConfig("outlook.com", 4, 0, 0)],
        };
        QueueRig rig = Rig(options, customers: 50);
        var courier = new Courier(rig);
        rig.Loop.Wait(rig.Queue.SiteAdmin.SuspendAsync("outlook.com/blue", 0));
        Fill(rig, customers: 50, each: 8);
        Assert.Equal(["outlook.com/blue", "outlook.com/green"], rig.Queue.State.Sites.Budgets.Shared.Select(static one => one.Key).Order(StringComparer.Ordinal));
        Assert.Equal((50, 100), (rig.Loop.Wait(rig.Queue.SiteAdmin.MatchingAsync("outlook.com/blue")), rig.Loop.Wait(rig.Queue.SiteAdmin.MatchingAsync("outlook.com"))));
        courier.Run(10_000);
        Assert.Equal(4, courier.MostOpen);
        Assert.DoesNotContain(courier.Begun, static begun => begun.Site.EndsWith("/blue", StringComparison.Ordinal));
        rig.Loop.Wait(rig.Queue.SiteAdmin.ResumeAsync("outlook.com/blue"));
        courier.Run(60_000);
        Assert.Equal((8, 0L), (courier.MostOpen, rig.Messages));
    }

    [Fact]
    public void The_last_site_of_a_budget_keeps_what_it_has_learned()
    {
        QueueRig rig = Rig(new QueueOptions { Jitter = 0, ForgetMs = 1_000, SweepMs = 1_000, ReplyRules = ProviderRules.All }, customers: 20);
        var courier = new Courier(rig) { Refuses = static domain => domain == "c1.test" ? (OutcomePolicy.From(SmtpStage.Mail, 450, new EnhancedCode(4, 7, 1)), "4.7.1 Message rate exceeded") : null };
        Fill(rig, customers: 20);
        courier.Run(2_000);
        courier.Refuses = static _ => null;
        courier.Run(120_000);
        Assert.Equal((0L, 1, 1), (rig.Messages, rig.Queue.SiteCount, rig.Queue.PacedSites));
        rig.Loop.Pass(86_400_000, 60_000);
        Assert.Equal((0, 0, 0), (rig.Queue.SiteCount, rig.Queue.PacedSites, rig.Queue.State.Sites.Budgets.Shared.Count));
    }
}
