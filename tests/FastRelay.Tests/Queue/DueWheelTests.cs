using FastRelay.Queue;
using Xunit;

namespace FastRelay.Tests.Queue;

public class DueWheelTests
{
    [Theory]
    [InlineData(1, 300, 50)]
    [InlineData(2, 70_000, 3_000)]
    [InlineData(3, 20_000_000, 500_000)]
    [InlineData(4, 2_000, 1)]
    [InlineData(5, 600, 255)]
    [InlineData(6, 40_000_000, 17_000_000)]
    public void Entries_come_out_never_early_and_never_lost(int seed, int range, int step)
    {
        var random = new Random(seed);
        var slab = new EntrySlab();
        int now = random.Next(100_000);
        var wheel = new DueWheel(slab, now);
        var twin = new Dictionary<int, int>();
        for (int round = 0; round < 400; round++)
        {
            for (int i = random.Next(30); i > 0; i--)
            {
                int handle = slab.Allocate();
                slab[handle].State = EntryState.Deferred;
                slab[handle].DueSeconds = Math.Max(0, now - 5 + random.Next(range));
                wheel.Add(handle);
                twin.Add(handle, slab[handle].DueSeconds);
            }
            foreach (int handle in twin.Keys.Where(_ => random.Next(20) == 0).ToArray())
            {
                wheel.Remove(handle);
                slab.Release(handle);
                twin.Remove(handle);
            }
            Assert.Equal(twin.Count, wheel.Count);
            if (twin.Count > 0)
            {
                Assert.True(wheel.NextSeconds() <= Math.Max(now, twin.Values.Min()), "the wheel would be looked at too late");
            }
            // Either straight to some later second, or from hint to hint as the timer does it.
            int target = now + random.Next(step + 1);
            while (now < target)
            {
                now = random.Next(2) == 0 ? target : Math.Clamp(wheel.NextSeconds(), now + 1, target);
                Drain(wheel, slab, twin, now, random);
                Assert.DoesNotContain(twin.Values, due => due <= now);
            }
        }
    }

    private static void Drain(DueWheel wheel, EntrySlab slab, Dictionary<int, int> twin, int now, Random random)
    {
        int turns = 0;
        int budget;
        do
        {
            budget = random.Next(1, 50);
            while (wheel.TryNext(now, ref budget, out int handle))
            {
                Assert.True(twin.Remove(handle, out int due));
                Assert.True(due <= now, "an entry came out early");
                slab.Release(handle);
            }
            Assert.True(turns++ < 100_000);
        }
        while (budget <= 0);
    }

    [Fact]
    public void An_empty_wheel_has_no_next_second()
    {
        var wheel = new DueWheel(new EntrySlab(), 77);
        int budget = 10;
        Assert.Equal(int.MaxValue, wheel.NextSeconds());
        Assert.False(wheel.TryNext(1_000_000, ref budget, out _));
    }

    [Fact]
    public void What_is_overdue_comes_out_at_once()
    {
        var slab = new EntrySlab();
        var wheel = new DueWheel(slab, 1000);
        int handle = slab.Allocate();
        slab[handle].DueSeconds = 3;
        wheel.Add(handle);
        int budget = 10;
        Assert.True(wheel.TryNext(1000, ref budget, out int taken));
        Assert.Equal(handle, taken);
    }

    [Fact]
    public void A_slot_of_many_is_spread_over_budgets()
    {
        var slab = new EntrySlab();
        var wheel = new DueWheel(slab, 0);
        for (int i = 0; i < 10_000; i++)
        {
            int handle = slab.Allocate();
            slab[handle].DueSeconds = 300;
            wheel.Add(handle);
        }
        int got = 0;
        int turns = 0;
        for (int budget = 256; got < 10_000; budget = 256, turns++)
        {
            int before = budget;
            int inTurn = 0;
            while (wheel.TryNext(300, ref budget, out _))
            {
                inTurn++;
            }
            got += inTurn;
            Assert.True(inTurn <= before);
            Assert.True(budget <= 0 || got == 10_000);
        }
        // Each is touched twice: moved down, then taken out.
        Assert.InRange(turns, 2 * 10_000 / 256, (2 * 10_000 / 256) + 2);
        Assert.Equal(0, wheel.Count);
    }

    [Fact]
    public void The_wheel_allocates_nothing()
    {
        var slab = new EntrySlab();
        var wheel = new DueWheel(slab, 0);
        int handle = slab.Allocate();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int now = 0; now < 100_000; now += 700)
        {
            slab[handle].DueSeconds = now + 650;
            wheel.Add(handle);
            int budget = 100;
            while (!wheel.TryNext(now + 700, ref budget, out _))
            {
                budget = 100;
            }
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
