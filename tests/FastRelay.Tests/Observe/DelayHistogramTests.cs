using FastRelay.Observe;

namespace FastRelay.Tests.Observe;

public sealed class DelayHistogramTests
{
    [Fact]
    public void A_delay_on_a_bound_is_within_it_and_one_past_the_last_is_counted_too()
    {
        var delays = new DelayHistogram();
        foreach (long ms in DelayHistogram.BoundsMs)
        {
            delays.Add(ms);
            delays.Add(ms + 1);
        }
        DelayCounts read = delays.Read();
        Assert.Equal([1, .. Enumerable.Repeat(2L, DelayHistogram.BoundsMs.Length - 1), 1], read.Counts);
        Assert.Equal(5, read.SumsMs[0]);
        Assert.Equal(86_400_001, read.SumsMs[^1]);
        // What was read stays as it was.
        delays.Add(1);
        Assert.Equal((1, 2), (read.Counts[0], delays.Read().Counts[0]));
    }

    [Fact]
    public void A_clock_that_was_put_back_makes_no_negative_delay()
    {
        var delays = new DelayHistogram();
        delays.Add(-5_000);
        Assert.Equal((1, 0), (delays.Read().Counts[0], delays.Read().SumsMs[0]));
    }

    [Fact]
    public void The_bounds_rise()
    {
        long[] bounds = DelayHistogram.BoundsMs.ToArray();
        Assert.Equal(bounds.Distinct().Order(), bounds);
    }

    [Fact]
    public void Adding_allocates_nothing()
    {
        var delays = new DelayHistogram();
        delays.Add(1);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1_000; i++)
        {
            delays.Add(i * 100_000);
        }
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }
}
