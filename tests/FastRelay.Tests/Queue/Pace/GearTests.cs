using FastRelay.Config;
using FastRelay.Queue;
using FastRelay.Smtp;
using FastRelay.Tests.Support;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>What hosts reply shifts a site into a lower gear, with a reason and an end; nothing else does, and nothing is lost.</summary>
public class GearTests
{
    private static readonly Outcome s_busy = OutcomePolicy.From(SmtpStage.Rcpt, 451, new EnhancedCode(4, 7, 28));

    private static QueueRig Rig(params ReplyRuleConfig[] rules) => new QueueRig(new QueueOptions { Jitter = 0, ReplyRules = rules }).Domain("a.test");

    private static ReplyRuleConfig Rule(ReplyAction action, string match = @"^451 4\.7\.28 ", int count = 1, long windowMs = 0, string site = "", long forMs = 60_000) =>
        new(site, match, count, windowMs, action, forMs);

    private static void Refuse(QueueRig rig, string reply = "4.7.28 too fast", Outcome? outcome = null)
    {
        rig.Accept("s@x.test", "u@a.test");
        rig.Report(rig.Take("mx.a.test"), _ => outcome ?? s_busy, reply);
        rig.SiteOf("mx.a.test").Sessions--;
        rig.Loop.Settle();
    }

    private static SiteView View(QueueRig rig) => rig.ViewOf("mx.a.test");

    private static WaitReason Waits(QueueRig rig) => rig.Loop.Wait(rig.Queue.Explainer.OfDomainAsync("a.test")).Waits;

    [Fact]
    public void A_suspension_stops_the_site_for_its_time_and_says_why()
    {
        QueueRig rig = Rig(Rule(ReplyAction.Suspend));
        Refuse(rig);
        int calls = rig.Dispatcher.Calls.Count;
        rig.Accept("s@x.test", "v@a.test");
        Assert.Equal((calls, 1L), (rig.Dispatcher.Calls.Count, rig.Counters.RuleShifts));
        Assert.False(rig.Queue.TryTake(rig.SiteOf("mx.a.test"), out _));
        Assert.Equal(new SiteView("mx.a.test", "", 1, 0, 0, 5, 0, SiteGear.Suspended, 60_000, "451 4.7.28 too fast"), View(rig));
        Assert.Equal(new WaitReason(WaitKind.Suspension, "the end of the site's suspension, in 1 min 0 s, because: 451 4.7.28 too fast"), Waits(rig));
        rig.Loop.Time.Advance(59_000);
        rig.Loop.Settle();
        Assert.Equal(calls, rig.Dispatcher.Calls.Count);
        rig.Loop.Time.Advance(1_020);
        rig.Loop.Settle();
        Assert.Equal(calls + 1, rig.Dispatcher.Calls.Count);
        Assert.Equal((SiteGear.Normal, ""), (View(rig).Gear, View(rig).Reason));
        Assert.Equal("v@a.test", rig.Deliver("mx.a.test"));
    }

    [Fact]
    public void A_backoff_by_rule_lasts_though_others_are_served_and_one_session_tries_first()
    {
        QueueRig rig = Rig(Rule(ReplyAction.Backoff));
        rig.Accept("s@x.test", "1@a.test");
        rig.Accept("s@x.test", "2@a.test");
        Delivery first = rig.Take("mx.a.test");
        Delivery second = rig.Take("mx.a.test");
        rig.Report(first, _ => s_busy, "4.7.28 too fast");
        rig.Report(second, _ => QueueRig.Ok);
        rig.SiteOf("mx.a.test").Sessions = 0;
        rig.Loop.Settle();
        Assert.Equal((SiteGear.Backoff, 60_000L, "451 4.7.28 too fast"), (View(rig).Gear, View(rig).GearMs, View(rig).Reason));
        for (int i = 0; i < 5; i++)
        {
            rig.Accept("s@x.test", "v@a.test");
        }
        Assert.Equal((WaitKind.Backoff, 0), (Waits(rig).For, rig.SiteOf("mx.a.test").Sessions));
        rig.Loop.Time.Advance(60_020);
        rig.Loop.Settle();
        Assert.Equal((1, SiteGear.Backoff, 0L), (rig.SiteOf("mx.a.test").Sessions, View(rig).Gear, View(rig).GearMs));
        rig.Deliver("mx.a.test");
        Assert.Equal(SiteGear.Normal, View(rig).Gear);
        Assert.True(rig.SiteOf("mx.a.test").Sessions > 1);
    }

    [Fact]
    public void A_slowed_site_gets_half_of_its_sessions_until_the_time_is_over()
    {
        QueueRig rig = Rig(Rule(ReplyAction.Slow));
        Refuse(rig);
        for (int i = 0; i < 20; i++)
        {
            rig.Accept("s@x.test", "v@a.test");
        }
        Assert.Equal((2, SiteGear.Slow), (rig.SiteOf("mx.a.test").Sessions, View(rig).Gear));
        Assert.Equal(new WaitReason(WaitKind.Session, "a session: all 2 that a rule leaves the site for 1 min 0 s are at work, because: 451 4.7.28 too fast"), Waits(rig));
        rig.Loop.Time.Advance(60_020);
        rig.Loop.Settle();
        Assert.True(rig.SiteOf("mx.a.test").Sessions >= 5);
    }

    [Fact]
    public void Those_that_were_under_way_together_slow_a_site_once()
    {
        QueueRig rig = Rig(Rule(ReplyAction.Slow));
        for (int i = 0; i < 4; i++)
        {
            rig.Accept("s@x.test", "u@a.test");
        }
        Delivery[] flying = [.. Enumerable.Range(0, 4).Select(_ => rig.Take("mx.a.test"))];
        foreach (Delivery delivery in flying)
        {
            rig.Report(delivery, _ => s_busy, "4.7.28 too fast");
        }
        Assert.Equal((1L, 2), (rig.Counters.RuleShifts, rig.SiteOf("mx.a.test").Limit));
        rig.SiteOf("mx.a.test").Sessions = 1;
        rig.Loop.Time.Advance(11_000);
        rig.Loop.Settle();
        Refuse(rig);
        Assert.Equal((2L, 1), (rig.Counters.RuleShifts, rig.SiteOf("mx.a.test").Limit));
    }

    [Theory]
    [InlineData(3, 1_000, 3, 400, true)]
    [InlineData(3, 1_000, 3, 600, false)]
    [InlineData(3, 1_000, 2, 10, false)]
    public void A_rule_that_takes_several_replies_wants_them_in_its_window(int count, long windowMs, int replies, int apartMs, bool shifted)
    {
        QueueRig rig = Rig(Rule(ReplyAction.Suspend, count: count, windowMs: windowMs));
        for (int i = 0; i < replies; i++)
        {
            Assert.Equal(0, rig.Counters.RuleShifts);
            Refuse(rig);
            rig.Loop.Time.Advance(apartMs);
            rig.Loop.Settle();
        }
        Assert.Equal(shifted ? 1 : 0, rig.Counters.RuleShifts);
    }

    [Fact]
    public void The_first_rule_that_matches_decides_and_ignore_takes_a_reply_away()
    {
        QueueRig rig = Rig(Rule(ReplyAction.Ignore, "BUSY HERE", forMs: 0), Rule(ReplyAction.Suspend, "busy", site: "b.test"), Rule(ReplyAction.Suspend, "^451 .*busy", site: "a.test"));
        Refuse(rig, "4.7.28 busy here");
        Assert.Equal(0, rig.Counters.RuleShifts);
        Refuse(rig, "4.7.28 quite busy");
        Assert.Equal((1L, SiteGear.Suspended), (rig.Counters.RuleShifts, View(rig).Gear));
    }

    [Fact]
    public void Many_recipients_refused_by_one_reply_and_what_is_taken_count_once_and_not_at_all()
    {
        QueueRig rig = Rig(Rule(ReplyAction.Suspend, ".", count: 2, windowMs: 60_000));
        rig.Accept("s@x.test", "1@a.test", "2@a.test", "3@a.test");
        rig.Report(rig.Take("mx.a.test"), _ => s_busy);
        rig.Accept("s@x.test", "1@a.test");
        rig.Deliver("mx.a.test");
        Assert.Equal(0, rig.Counters.RuleShifts);
        Refuse(rig);
        Assert.Equal(1, rig.Counters.RuleShifts);
    }

    [Fact]
    public void A_banner_that_refuses_is_judged_by_the_rules_before_the_usual_backoff()
    {
        QueueRig rig = Rig(Rule(ReplyAction.Suspend, "^554 ", forMs: 3_600_000));
        rig.Accept("s@x.test", "u@a.test");
        Site site = rig.SiteOf("mx.a.test");
        rig.Queue.SiteFailed(site, OutcomePolicy.From(SmtpStage.Banner, 554, default), "go away"u8);
        Assert.Equal((SiteGear.Suspended, 3_600_000L, 0), (View(rig).Gear, View(rig).GearMs, View(rig).Failures));
    }

    [Fact]
    public void Retry_ends_what_a_rule_has_done_and_mail_of_a_suspended_site_expires()
    {
        QueueRig rig = new QueueRig(new QueueOptions { Jitter = 0, ExpireMs = 3_600_000, ReplyRules = [Rule(ReplyAction.Suspend, forMs: 86_400_000)] }).Domain("a.test");
        Refuse(rig);
        rig.Loop.Wait(rig.Queue.Admin.RetryAsync(new QueueFilter { Domain = "a.test" }));
        Assert.Equal(SiteGear.Normal, View(rig).Gear);
        Refuse(rig);
        rig.Loop.Pass(2 * 3_600_000, 10_000);
        Assert.Equal(0, rig.Queue.Entries);
        Assert.All(rig.Bounces.Seen, seen => Assert.Contains("Expired", seen, StringComparison.Ordinal));
    }

    [Fact]
    public void A_site_without_mail_keeps_its_suspension()
    {
        QueueRig rig = Rig(Rule(ReplyAction.Suspend, forMs: 3_600_000));
        rig.Accept("s@x.test", "u@a.test");
        rig.Report(rig.Take("mx.a.test"), _ => OutcomePolicy.From(SmtpStage.Rcpt, 551, default), "4.7.28");
        Assert.Equal(0, rig.Counters.RuleShifts);
        Refuse(rig);
        rig.Loop.Wait(rig.Queue.Admin.RemoveAsync(new QueueFilter()));
        rig.Loop.Pass(1_800_000, 10_000);
        rig.Accept("s@x.test", "u@a.test");
        Assert.InRange(View(rig).GearMs, 1_700_000, 1_800_000);
    }

    [Fact]
    public void A_backoff_by_rule_holds_for_connections_that_are_open()
    {
        QueueRig rig = Rig(Rule(ReplyAction.Backoff));
        for (int i = 0; i < 3; i++)
        {
            rig.Accept("s@x.test", "u@a.test");
        }
        Site site = rig.SiteOf("mx.a.test");
        rig.Report(rig.Take("mx.a.test"), _ => s_busy, "4.7.28 too fast");
        Assert.False(rig.Queue.TryTake(site, out _));
        rig.Loop.Time.Advance(60_020);
        rig.Loop.Settle();
        rig.Deliver("mx.a.test");
        rig.Report(rig.Take("mx.a.test"), _ => s_busy, "4.7.28 too fast");
        rig.Accept("s@x.test", "u@a.test");
        Assert.False(rig.Queue.TryTake(site, out _));
        rig.Loop.Wait(rig.Queue.Admin.RetryAsync(new QueueFilter()));
        rig.Deliver("mx.a.test");
    }

    [Fact]
    public void A_slowed_site_s_connections_rest_until_no_more_work_than_may()
    {
        QueueRig rig = Rig(Rule(ReplyAction.Slow));
        for (int i = 0; i < 20; i++)
        {
            rig.Accept("s@x.test", "u@a.test");
        }
        Site site = rig.SiteOf("mx.a.test");
        Assert.Equal(5, site.Sessions);
        rig.Report(rig.Take("mx.a.test"), _ => s_busy, "4.7.28 too fast");
        for (; site.Idle < 3; site.Idle++)
        {
            Assert.False(rig.Queue.TryTake(site, out _));
        }
        rig.Loop.Settle();
        Assert.Equal((5, 3), (site.Sessions, site.Idle));
        rig.Deliver("mx.a.test");
        rig.Loop.Time.Advance(60_020);
        rig.Loop.Settle();
        Assert.Equal(0, site.Idle);
    }

    [Fact]
    public void A_site_without_mail_keeps_its_backoff()
    {
        QueueRig rig = Rig(Rule(ReplyAction.Backoff, forMs: 3_600_000));
        Refuse(rig);
        rig.Loop.Wait(rig.Queue.Admin.RemoveAsync(new QueueFilter()));
        rig.Loop.Pass(1_800_000, 10_000);
        rig.Accept("s@x.test", "u@a.test");
        Assert.InRange(View(rig).GearMs, 1_700_000, 1_800_000);
    }

    [Fact]
    public void Each_different_reply_of_a_transaction_is_judged()
    {
        QueueRig rig = Rig(Rule(ReplyAction.Suspend, count: 2, windowMs: 60_000));
        rig.Accept("s@x.test", "1@a.test", "2@a.test", "3@a.test");
        Outcome full = OutcomePolicy.From(SmtpStage.Rcpt, 450, new EnhancedCode(4, 2, 1));
        rig.Report(rig.Take("mx.a.test"), to => to[0] == '1' ? full : s_busy, "4.7.28 too fast");
        Assert.Equal(0, rig.Counters.RuleShifts);
        rig.Accept("s@x.test", "1@a.test", "2@a.test", "3@a.test");
        rig.Report(rig.Take("mx.a.test"), to => to[0] == '1' ? full : s_busy, "4.7.28 too fast");
        Assert.Equal(1, rig.Counters.RuleShifts);
    }

    [Theory]
    [InlineData("^445 ", 1)]
    [InlineData("^446 ", 0)]
    public void Sixteen_different_replies_of_a_transaction_are_judged_and_no_more(string match, long shifts)
    {
        QueueRig rig = Rig(Rule(ReplyAction.Suspend, match));
        rig.Accept("s@x.test", [.. Enumerable.Range(430, 17).Select(code => code + "@a.test")]);
        rig.Report(rig.Take("mx.a.test"), to => OutcomePolicy.From(SmtpStage.Rcpt, int.Parse(to[..3], System.Globalization.CultureInfo.InvariantCulture), default));
        Assert.Equal(shifts, rig.Counters.RuleShifts);
    }

    [Fact]
    public void Other_rules_do_not_go_on_with_the_counts_of_earlier_ones()
    {
        QueueRig rig = Rig(Rule(ReplyAction.Suspend, "fast", count: 2, windowMs: 60_000));
        Refuse(rig);
        rig.Queue.Change(new QueueOptions { Jitter = 0, ReplyRules = [Rule(ReplyAction.Suspend, "too", count: 2, windowMs: 60_000)] }, new FastRelay.Limits { SegmentBytes = 4 << 20 });
        rig.Loop.Settle();
        Refuse(rig);
        Assert.Equal(0, rig.Counters.RuleShifts);
        Refuse(rig);
        Assert.Equal(1, rig.Counters.RuleShifts);
    }

    [Fact]
    public void Rules_that_a_reload_leaves_as_they_are_go_on_counting()
    {
        QueueRig rig = Rig(Rule(ReplyAction.Suspend, "fast", count: 2, windowMs: 60_000));
        Refuse(rig);
        rig.Queue.Change(new QueueOptions { Jitter = 0, ReplyRules = [Rule(ReplyAction.Suspend, "fast", count: 2, windowMs: 60_000)] }, new FastRelay.Limits { SegmentBytes = 4 << 20 });
        rig.Loop.Settle();
        Refuse(rig);
        Assert.Equal(1, rig.Counters.RuleShifts);
    }

    // A pattern takes 1 to 3 MB and 4 to 16 ms of the loop.
    [Fact]
    public void A_reload_compiles_no_pattern_again()
    {
        QueueRig rig = Rig([.. ProviderRules.All]);
        Refuse(rig, "4.3.0 busy");
        rig.Queue.Change(new QueueOptions { Jitter = 0, ReplyRules = [Rule(ReplyAction.Suspend, "^999 "), .. ProviderRules.All] }, new FastRelay.Limits { SegmentBytes = 4 << 20 });
        rig.Loop.Settle();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Refuse(rig, "4.3.0 busy");
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 600_000); // one was added, of 200,000
    }

    [Fact]
    public void The_end_of_a_suspension_is_seen_though_the_site_is_slow_for_longer()
    {
        QueueRig rig = Rig(Rule(ReplyAction.Slow, "slow", forMs: 600_000), Rule(ReplyAction.Suspend, "stop"));
        Refuse(rig, "4.7.28 slow");
        Refuse(rig, "4.7.28 stop");
        rig.Accept("s@x.test", "u@a.test");
        // Something else, like a rate, has it looked at before.
        rig.Queue.State.Sites.LookAgain(rig.SiteOf("mx.a.test"), 20);
        rig.Loop.Time.Advance(40);
        rig.Loop.Settle();
        int calls = rig.Dispatcher.Calls.Count;
        rig.Loop.Time.Advance(60_000);
        rig.Loop.Settle();
        Assert.Equal(calls + 1, rig.Dispatcher.Calls.Count);
    }

    [Fact]
    public void An_operator_s_shorter_suspension_does_not_shorten_a_rule_s()
    {
        QueueRig rig = Rig(Rule(ReplyAction.Suspend, forMs: 3_600_000));
        Refuse(rig);
        Assert.Equal("", rig.Loop.Wait(rig.Queue.SiteAdmin.SuspendAsync("a.test", 60_000)));
        Assert.Equal((3_600_000L, "451 4.7.28 too fast"), (View(rig).GearMs, View(rig).Reason));
        // Retry ends what the rule has done, and no more.
        rig.Accept("s@x.test", "u@a.test");
        rig.Loop.Wait(rig.Queue.Admin.RetryAsync(new QueueFilter()));
        Assert.Equal((60_000L, "the operator has suspended \"a.test\""), (View(rig).GearMs, View(rig).Reason));
        Assert.Equal("", rig.Loop.Wait(rig.Queue.SiteAdmin.SuspendAsync("a.test", 30_000)));
        Assert.Equal(30_000L, View(rig).GearMs);
    }

    [Fact]
    public void The_rules_for_providers_know_their_documented_replies()
    {
        (string Mx, int Code, string Text, SiteGear Gear)[] cases =
        [
            ("gmail-smtp-in.l.google.com", 421, "4.7.28 [192.0.2.1] Our system has detected an unusual rate of unsolicited mail", SiteGear.Backoff),
            ("gmail-smtp-in.l.google.com", 550, "5.1.1 The email account that you tried to reach does not exist", SiteGear.Normal),
            ("gmail-smtp-in.l.google.com", 450, "4.2.1 The user you are trying to contact is receiving mail too quickly", SiteGear.Normal),
            ("outlook-com.olc.protection.outlook.com", 451, "4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation", SiteGear.Backoff),
            ("a-test.mail.protection.outlook.com", 550, "5.7.606 Access denied, banned sending IP [192.0.2.1]", SiteGear.Suspended),
            ("mta5.am0.yahoodns.net", 421, "4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred", SiteGear.Backoff),
            ("mta5.am0.yahoodns.net", 421, "4.7.1 [TS03] All messages from 192.0.2.1 will be permanently deferred", SiteGear.Suspended),
            ("mx1.mxge.comcast.net", 421, "Too many sessions opened", SiteGear.Slow),
            ("smtp-in.orange.fr", 421, "4.7.0 too many connections, slow down. OFR004_104 [104]", SiteGear.Slow),
            ("mx.b.test", 421, "4.7.28 somebody else's words", SiteGear.Normal),
        ];
        foreach ((string mx, int code, string text, SiteGear gear) in cases)
        {
            QueueRig rig = new QueueRig(new QueueOptions { Jitter = 0, ReplyRules = ProviderRules.All }).Domain("a.test", mx);
            rig.Accept("s@x.test", "u@a.test");
            rig.Report(rig.Take(mx), _ => OutcomePolicy.From(SmtpStage.Rcpt, code, default), text);
            Assert.Equal((mx, text, gear), (mx, text, rig.ViewOf(mx).Gear));
        }
    }
}
