using FastRelay.Config;
using FastRelay.Queue;
using FastRelay.Routing;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>A site's rate: never more in any window, not much less, and nothing that waits for it is lost or spins.</summary>
public class SitePaceTests
{
    private static QueueRig Rig(params SiteConfig[] rules) => new QueueRig(new QueueOptions { Jitter = 0, Sites = rules }).Domain("a.test");

    [Theory]
    [InlineData(1, 1_000)]
    [InlineData(7, 1_000)]
    [InlineData(19, 60_000)]
    [InlineData(39, 1_000)]
    [InlineData(1_000, 1_000)]
    [InlineData(20, 60_000)]
    [InlineData(40, 60_000)]
    [InlineData(600, 60_000)]
    [InlineData(10_000, 86_400_000)]
    public void No_window_holds_more_than_its_number_and_a_busy_one_nearly_all(int messages, long windowMs)
    {
        var pace = new RateBucket(new SiteRate(SiteRateUnit.Messages, messages, windowMs));
        var begun = new List<long>();
        var random = new Random(messages);
        for (long now = 0; now < 5 * windowMs;)
        {
            long wait = pace.WaitMs(now);
            if (wait == 0)
            {
                pace.Took(now);
                begun.Add(now);
                continue;
            }
            // Sometimes nobody comes for a while, which is when a bucket fills.
            now += random.Next(100) == 0 ? windowMs / 3 : wait;
        }
        for (int i = 0; i + messages < begun.Count; i++)
        {
            Assert.True(begun[i + messages] - begun[i] >= windowMs, $"{messages + 1} messages from {begun[i]} to {begun[i + messages]}");
        }
        var steady = new RateBucket(new SiteRate(SiteRateUnit.Messages, messages, windowMs));
        int count = 0;
        for (long now = 0; now < 10 * windowMs; count++)
        {
            now += steady.WaitMs(now);
            steady.Took(now);
        }
        Assert.InRange(count, (int)(9.3 * messages), (10 * messages) + 1);
    }

    [Fact]
    public void Mail_beyond_the_rate_waits_goes_on_by_itself_and_says_so()
    {
        QueueRig rig = Rig(new SiteConfig("a.test", 0, 10, 1_000));
        for (int i = 0; i < 5; i++)
        {
            rig.Commit("s@x.test", "u@a.test");
        }
        rig.Loop.Settle();
        rig.Deliver("mx.a.test");
        Assert.False(rig.Queue.TryTake(rig.SiteOf("mx.a.test"), out _));
        WaitReason wait = rig.Loop.Wait(rig.Queue.Explainer.OfDomainAsync("a.test")).Waits;
        Assert.Equal((WaitKind.Rate, "the rate of its site, 10 messages in 1 s by [[site]] \"a.test\"; the next goes in 100 ms"), (wait.For, wait.Text));
        int calls = rig.Dispatcher.Calls.Count;
        rig.Loop.Settle();
        Assert.Equal(calls, rig.Dispatcher.Calls.Count);
        for (int i = 1; i < 5; i++)
        {
            rig.Loop.Time.Advance(100);
            rig.Loop.Settle();
            rig.Deliver("mx.a.test");
        }
        Assert.Equal(0, rig.Messages);
    }

    [Fact]
    public void No_connection_is_made_for_mail_that_may_not_go_yet()
    {
        QueueRig rig = Rig(new SiteConfig("a.test", 0, 10, 1_000));
        rig.Accept("s@x.test", "u@a.test");
        rig.Deliver("mx.a.test");
        rig.SiteOf("mx.a.test").Sessions--;
        int calls = rig.Dispatcher.Calls.Count;
        rig.Accept("s@x.test", "u@a.test");
        Assert.Equal(calls, rig.Dispatcher.Calls.Count);
        // A timer is up to 16 ms late.
        rig.Loop.Time.Advance(116);
        rig.Loop.Settle();
        Assert.Equal(calls + 1, rig.Dispatcher.Calls.Count);
    }

    [Fact]
    public void A_later_look_that_was_asked_for_first_does_not_make_mail_wait()
    {
        // A step is 1,579 ms, and two may go at once.
        QueueRig rig = Rig(new SiteConfig("a.test", 0, 40, 60_000));
        for (int i = 0; i < 2; i++)
        {
            rig.Accept("s@x.test", "u@a.test");
            rig.Deliver("mx.a.test");
        }
        Site site = rig.SiteOf("mx.a.test");
        site.Sessions--;
        rig.Loop.Settle();
        int calls = rig.Dispatcher.Calls.Count;
        // Without mail the site is looked at when nothing counts any more, two steps from now; what comes may go after one.
        rig.Accept("s@x.test", "u@a.test");
        Assert.Equal((calls, 1), (rig.Dispatcher.Calls.Count, site.Ready));
        rig.Loop.Time.Advance(1_600);
        rig.Loop.Settle();
        Assert.Equal(calls + 1, rig.Dispatcher.Calls.Count);
    }

    [Fact]
    public void Sessions_of_a_rule_bound_a_site_in_place_of_the_limit()
    {
        QueueRig rig = Rig(new SiteConfig("a.test", 2, 0, 0));
        for (int i = 0; i < 50; i++)
        {
            rig.Commit("s@x.test", "u@a.test");
        }
        rig.Loop.Settle();
        Assert.Equal((2, 2), (rig.SiteOf("mx.a.test").Sessions, rig.SiteOf("mx.a.test").Limit));
        Explanation of = rig.Loop.Wait(rig.Queue.Explainer.OfDomainAsync("a.test"));
        Assert.Equal("a session: all 2 of [[site]] \"a.test\" are at work", of.Waits.Text);
    }

    [Fact]
    public void The_first_rule_that_matches_counts_and_a_name_is_matched_by_whole_labels()
    {
        QueueRig rig = Rig(new SiteConfig("x.a.test", 3, 0, 0), new SiteConfig("a.test", 4, 0, 0), new SiteConfig("mx.a.test", 5, 0, 0));
        rig.Domain("nota.test").Accept("s@x.test", "u@a.test");
        rig.Accept("s@x.test", "u@nota.test");
        Assert.Equal(4, rig.SiteOf("mx.a.test").Rule!.Sessions);
        Assert.Null(rig.SiteOf("mx.nota.test").Rule);
    }

    [Theory]
    [InlineData(1_000, 10_000)]
    [InlineData(50 << 20, 3_600_000)]
    public void No_window_holds_more_octets_than_its_number_though_messages_are_of_every_size(int octets, long windowMs)
    {
        var bucket = new RateBucket(new SiteRate(SiteRateUnit.Octets, octets, windowMs));
        var begun = new List<(long At, long Octets)>();
        var random = new Random(octets);
        long next = octets / 100;
        for (long now = 0; now < 20 * windowMs;)
        {
            long wait = bucket.WaitMs(now, next);
            if (wait > 0)
            {
                now += random.Next(50) == 0 ? windowMs / 3 : wait;
                continue;
            }
            bucket.Took(now, next);
            begun.Add((now, next));
            // Mostly small ones, some as large as the number.
            next = random.Next(10) == 0 ? octets / random.Next(1, 4) : random.Next(1, octets / 50);
        }
        long sum = 0;
        int first = 0;
        foreach ((long at, long size) in begun)
        {
            sum += size;
            for (; begun[first].At <= at - windowMs; first++)
            {
                sum -= begun[first].Octets;
            }
            Assert.True(sum <= octets, $"{sum} octets in the window that ends at {at}");
        }
        Assert.True(begun.Sum(static one => one.Octets) > 5L * octets);
        // What is larger than the number goes all the same, with a window for itself.
        var large = new RateBucket(new SiteRate(SiteRateUnit.Octets, octets, windowMs));
        large.Took(0, 3L * octets);
        Assert.InRange(large.WaitMs(0, 3L * octets), 3 * windowMs, 5 * windowMs);
    }

    [Fact]
    public void Several_rates_hold_at_once()
    {
        QueueRig rig = Rig(new SiteConfig("a.test", 0, 600, 60_000) { Rates = [new SiteRate(SiteRateUnit.Messages, 30, 3_600_000)] });
        for (int i = 0; i < 5; i++)
        {
            rig.Commit("s@x.test", "u@a.test");
        }
        rig.Loop.Settle();
        rig.Deliver("mx.a.test");
        Assert.False(rig.Queue.TryTake(rig.SiteOf("mx.a.test"), out _));
        Explanation of = rig.Loop.Wait(rig.Queue.Explainer.OfDomainAsync("a.test"));
        Assert.StartsWith("the rate of its site, 30 messages in 1 h 0 min by [[site]]", of.Waits.Text);
        Assert.Equal([false, true], of.Limits.Where(static use => use.Name.StartsWith("messages in", StringComparison.Ordinal)).Select(static use => use.Binds));
        Assert.Equal((30 / 3600.0, "30 messages in 1 h 0 min"), (of.CeilingPerSecond, of.CeilingBy));
    }
}
