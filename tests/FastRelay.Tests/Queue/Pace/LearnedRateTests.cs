using FastRelay.Queue;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>What a refusal teaches, and how it is unlearned: pure, by numbers.</summary>
public sealed class LearnedRateTests
{
    private const long HourMs = 3_600_000;

    private static ThroughMeter Through(int count, long fromMs, long toMs)
    {
        var meter = new ThroughMeter();
        for (int i = 0; i < count; i++)
        {
            meter.Add(fromMs + ((toMs - fromMs) * i / Math.Max(1, count - 1)));
        }
        return meter;
    }

    /// <summary>A rate of 600 a minute that a first refusal has closed at one minute.</summary>
    private static LearnedRate Closed(out ThroughMeter through)
    {
        through = Through(600, 100, 60_000);
        var rate = new LearnedRate(60_000, in through);
        Assert.True(rate.Refuse(60_000, 59_950, HourMs));
        return rate;
    }

    private static LearnedRate Open()
    {
        LearnedRate rate = Closed(out ThroughMeter through);
        Assert.True(rate.GotThrough(61_000, 60_900, in through));
        return rate;
    }

    [Fact]
    public void One_message_at_a_time_tries_a_site_that_refuses_later_each_time_up_to_five_minutes()
    {
        LearnedRate rate = Closed(out _);
        long now = 60_000;
        foreach (long pauseMs in (ReadOnlySpan<long>)[1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, LearnedRate.PauseMsMax, LearnedRate.PauseMsMax])
        {
            Assert.Equal((true, pauseMs), (rate.IsClosed, rate.WaitMs(now)));
            now += pauseMs;
            rate.Took(now);
            // The next one waits for the answer, or as long again when none comes.
            Assert.Equal(pauseMs, rate.WaitMs(now));
            Assert.True(rate.Refuse(now + 40, now, HourMs));
            now += 40;
        }
        Assert.Equal(12, rate.Refused);
    }

    [Fact]
    public void What_was_under_way_together_is_counted_and_teaches_nothing_new()
    {
        LearnedRate rate = Closed(out ThroughMeter through);
        double before = rate.PerMinute;
        Assert.False(rate.Refuse(60_010, 59_990, HourMs));
        Assert.False(rate.Refuse(60_010, 60_000, HourMs));
        Assert.False(rate.Refuse(60_010, -1, HourMs));
        Assert.False(rate.GotThrough(60_010, 59_999, in through));
        Assert.Equal((4, true, before, 990L), (rate.Refused, rate.IsClosed, rate.PerMinute, rate.WaitMs(60_010)));
        Assert.True(rate.Refuse(61_000, -1, HourMs));
        Assert.Equal(2_000, rate.WaitMs(61_000));
    }

    [Fact]
    public void A_short_refusal_costs_eight_per_cent_and_a_long_one_makes_the_rate_what_got_through_in_the_whole_time()
    {
        Assert.Equal(600 * 0.92, Open().PerMinute, 600 * 0.02);
        // 1,000 in 3 s, then closed for as long as a window of a minute takes to empty.
        ThroughMeter burst = Through(1_000, 0, 3_000);
        var rate = new LearnedRate(3_000, in burst);
        Assert.Equal(20_000, rate.PerMinute, 1.0);
        Assert.True(rate.Refuse(3_000, 2_990, HourMs));
        Assert.True(rate.Refuse(34_000, 33_960, HourMs));
        Assert.True(rate.GotThrough(62_000, 61_960, in burst));
        Assert.Equal(1_000 * 60.0 / 62, rate.PerMinute, 1.0);
    }

    [Fact]
    public void The_next_goes_when_the_rate_has_room_and_no_earlier()
    {
        LearnedRate rate = Open();
        double stepMs = 60_000 / rate.PerMinute;
        int begun = 0;
        for (long now = 61_000; now < 65_500; now += 16)
        {
            for (; rate.WaitMs(now) == 0; begun++)
            {
                rate.Took(now);
            }
        }
        Assert.InRange(begun, (4_500 / stepMs) - 2, (4_500 / stepMs) + 1);
        Assert.InRange(rate.Used(65_500), begun - 5, begun);
    }

    /// <summary>Takes a part of what the rate allows, for a time.</summary>
    private static long Use(LearnedRate rate, long now, long forMs, double part = 1)
    {
        double next = now;
        for (long end = now + forMs; next < end; next += 60_000 / rate.PerMinute / part)
        {
            rate.Took((long)next);
        }
        return (long)next;
    }

    [Fact]
    public void It_creeps_twenty_steps_then_leaps_and_grows_only_while_it_is_used()
    {
        LearnedRate rate = Open();
        double first = rate.PerMinute;
        Assert.InRange(rate.GrowsInMs(61_000), 5_000, 5_600);
        long now = Use(rate, 61_000, 60_000, 0.5);
        Assert.Equal(first, rate.PerMinute);
        // Fifty messages at 9 a second take more than 5 s; twenty such steps some 105 s.
        now = Use(rate, now, 60_000);
        Assert.InRange(rate.PerMinute, first * 1.04, first * 1.06);
        now = Use(rate, now, 45_000);
        Assert.InRange(rate.PerMinute, first * 1.09, first * 1.12);
        Use(rate, now, 60_000);
        Assert.True(rate.PerMinute > first * 1.5, $"{rate.PerMinute} from {first}");
    }

    [Fact]
    public void It_is_never_below_one_a_minute_and_never_above_what_anybody_sends()
    {
        var none = new ThroughMeter();
        var rate = new LearnedRate(0, in none);
        long now = 0;
        for (int i = 0; i < 100; i++)
        {
            Assert.True(rate.Refuse(now, now, HourMs));
            now += 100 * HourMs;
            Assert.True(rate.GotThrough(now, now - 1, in none));
            now++;
        }
        Assert.Equal(1, rate.PerMinute, 6);
        for (int i = 0; i < 400 && rate.PerMinute < 6_000_000; i++)
        {
            now = Use(rate, now, 60_000 / (long)Math.Max(1, rate.PerMinute / 100_000), 1.1);
        }
        Assert.Equal(LearnedRate.MostPerMs * 60_000, rate.PerMinute, 1.0);
    }

    [Fact]
    public void It_is_forgotten_when_nothing_was_refused_for_long_enough()
    {
        LearnedRate rate = Closed(out _);
        Assert.Equal((false, HourMs), (rate.IsOver(60_000), rate.KeptMs(60_000)));
        Assert.True(rate.Refuse(61_000, 60_990, 2 * HourMs));
        Assert.False(rate.IsOver(61_000 + (2 * HourMs) - 1));
        Assert.True(rate.IsOver(61_000 + (2 * HourMs)));
    }

    [Fact]
    public void A_burst_behind_quiet_hours_is_seen_as_one()
    {
        var meter = new ThroughMeter();
        for (long now = 0; now < HourMs; now += 30_000)
        {
            meter.Add(now);
        }
        Assert.InRange(meter.Count, 20, 40);
        for (int i = 0; i < 1_000; i++)
        {
            meter.Add(HourMs + (i * 3));
        }
        Assert.InRange(meter.Count, 900, 1_000);
        Assert.InRange((double)meter.Count / (HourMs + 3_000 - meter.SinceMs), 0.01, 0.34);
        meter.Add(2 * HourMs);
        Assert.Equal((1, 2 * HourMs), (meter.Count, meter.SinceMs));
    }
}
