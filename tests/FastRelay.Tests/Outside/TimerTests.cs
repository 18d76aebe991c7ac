using FastRelay.Outside;

namespace FastRelay.Tests.Outside;

/// <summary>Timers: never early, at most a tick late, moved, cancelled, beyond a round, after a long sleep.</summary>
public sealed class TimerTests
{
    private const int TickMs = 16;
    private const int RoundMs = 4096 * TickMs;

    [Fact]
    public void A_timer_is_never_early_and_at_most_a_tick_late()
    {
        using var rig = new ClockRig();
        for (int delay = 0; delay <= 100; delay++)
        {
            var item = new Item(rig.Loop);
            item.Timer.After(delay);
            long due = rig.Loop.NowMs + delay;
            while (item.RanAtMs < 0)
            {
                rig.Advance(1);
            }
            Assert.InRange(item.RanAtMs, due, due + TickMs);
        }
    }

    [Fact]
    public void A_timer_beyond_a_round_waits_its_time()
    {
        using var rig = new ClockRig();
        foreach (long delay in new long[] { RoundMs - TickMs, RoundMs - 1, RoundMs, RoundMs + 1, (3L * RoundMs) + 7, 3_600_000 })
        {
            var item = new Item(rig.Loop);
            item.Timer.After(delay);
            long due = rig.Loop.NowMs + delay;
            while (item.RanAtMs < 0)
            {
                rig.Advance(7);
            }
            Assert.InRange(item.RanAtMs, due, due + TickMs + 7);
        }
    }

    [Fact]
    public void Timers_that_are_due_together_fire_over_some_turns_each_once()
    {
        using var rig = new ClockRig();
        var items = new List<Item>();
        for (int i = 0; i < (2 * TimerWheel.PerTurn) + 10; i++)
        {
            items.Add(new Item(rig.Loop));
            items[^1].Timer.After(1_000);
        }
        var late = new Item(rig.Loop);
        late.Timer.After(1_000 + (2 * TickMs));
        rig.Advance(1_000 + TickMs);
        Assert.Equal(TimerWheel.PerTurn, items.Count(static item => item.RanAtMs >= 0));
        // One that is cancelled while others fire does not run.
        Item cancelled = items.First(static item => item.RanAtMs < 0);
        cancelled.Timer.Cancel();
        rig.Advance(0);
        Assert.Equal(0, rig.LastWaitMs);
        rig.Advance(0);
        Assert.Equal(items.Count - 1, items.Count(static item => item.RanAtMs >= 0));
        Assert.True(cancelled.RanAtMs < 0 && late.RanAtMs < 0);
        rig.Advance(TickMs);
        rig.Advance(TickMs);
        Assert.True(late.RanAtMs >= 0);
    }

    [Fact]
    public void After_a_long_sleep_all_that_is_due_runs_and_nothing_else()
    {
        using var rig = new ClockRig();
        List<Item> due = [];
        List<Item> notDue = [];
        var random = new Random(5);
        const long Sleep = 5L * RoundMs;
        for (int i = 0; i < 2_000; i++)
        {
            var item = new Item(rig.Loop);
            bool early = i % 2 == 0;
            item.Timer.After(early ? random.NextInt64(Sleep - TickMs) : Sleep + TickMs + random.NextInt64(2L * RoundMs));
            (early ? due : notDue).Add(item);
        }
        rig.Advance(Sleep);
        // A turn looks at some of them.
        for (int turn = 0; turn <= 2_000 / TimerWheel.PerTurn; turn++)
        {
            rig.Advance(0);
        }
        Assert.All(due, item => Assert.True(item.RanAtMs >= 0));
        Assert.All(notDue, item => Assert.True(item.RanAtMs < 0));
        for (int i = 0; i < 3 * RoundMs / 1_000; i++)
        {
            rig.Advance(1_000);
        }
        Assert.All(notDue, item => Assert.True(item.RanAtMs >= item.DueMs));
    }

    [Fact]
    public void A_timer_moved_later_keeps_its_new_time_and_moved_earlier_too()
    {
        using var rig = new ClockRig();
        var item = new Item(rig.Loop);
        item.Timer.After(50);
        item.Timer.After(300);
        rig.Advance(250);
        Assert.True(item.RanAtMs < 0);
        rig.Advance(70);
        Assert.True(item.RanAtMs >= 0);
        item.RanAtMs = -1;
        item.Timer.After(100_000);
        item.Timer.After(20);
        rig.Advance(40);
        Assert.True(item.RanAtMs >= 0);
    }

    [Fact]
    public void A_cancelled_timer_does_not_run_and_can_be_armed_again()
    {
        using var rig = new ClockRig();
        var item = new Item(rig.Loop);
        item.Timer.After(20);
        item.Timer.Cancel();
        item.Timer.Cancel();
        Assert.False(item.Timer.IsArmed);
        rig.Advance(100);
        Assert.True(item.RanAtMs < 0);
        item.Timer.After(20);
        rig.Advance(40);
        Assert.True(item.RanAtMs >= 0);
    }

    [Fact]
    public void A_timer_cancelled_or_moved_between_being_due_and_its_turn_does_not_run()
    {
        using var rig = new ClockRig();
        var victim = new Item(rig.Loop);
        var moved = new Item(rig.Loop);
        var culprit = new Item(rig.Loop)
        {
            OnRun = () =>
            {
                victim.Timer.Cancel();
                moved.Timer.After(1_000);
            },
        };
        // All are due at once; whichever order the wheel has, the culprit acts first from the queue.
        rig.Loop.Enqueue(culprit);
        victim.Timer.After(10);
        moved.Timer.After(10);
        rig.Advance(100);
        Assert.True(culprit.RanAtMs >= 0);
        Assert.True(victim.RanAtMs < 0);
        Assert.True(moved.RanAtMs < 0);
        rig.Advance(1_016);
        Assert.True(victim.RanAtMs < 0);
        Assert.True(moved.RanAtMs >= 0);
    }

    [Fact]
    public void The_loop_sleeps_until_the_next_timer_and_for_ever_without_one()
    {
        using var rig = new ClockRig();
        rig.Advance(1);
        Assert.Equal(-1, rig.LastWaitMs);
        var item = new Item(rig.Loop);
        item.Timer.After(1_000);
        rig.Advance(0);
        Assert.InRange(rig.LastWaitMs, 1_000, 1_000 + TickMs);
        rig.Advance(rig.LastWaitMs);
        Assert.True(item.RanAtMs >= 0);
    }

    [Fact]
    public void Timers_agree_with_a_sorted_list_over_a_long_random_life()
    {
        using var rig = new ClockRig();
        var random = new Random(42);
        var items = new Item[200];
        var due = new long[items.Length];
        for (int i = 0; i < items.Length; i++)
        {
            items[i] = new Item(rig.Loop);
            due[i] = long.MaxValue;
        }
        for (int step = 0; step < 50_000; step++)
        {
            int i = random.Next(items.Length);
            switch (random.Next(4))
            {
                case 0:
                    items[i].Timer.Cancel();
                    due[i] = long.MaxValue;
                    break;
                case 1 or 2:
                    long delay = random.Next(3) == 0 ? random.NextInt64(3L * RoundMs) : random.Next(500);
                    items[i].Timer.After(delay);
                    due[i] = rig.Loop.NowMs + delay;
                    items[i].RanAtMs = -1;
                    break;
                default:
                    rig.Advance(random.Next(100) == 0 ? random.NextInt64(2L * RoundMs) : random.Next(40));
                    for (int j = 0; j < items.Length; j++)
                    {
                        if (items[j].RanAtMs >= 0)
                        {
                            Assert.True(items[j].RanAtMs >= due[j], "early");
                            items[j].RanAtMs = -1;
                            due[j] = long.MaxValue;
                        }
                        Assert.True(due[j] == long.MaxValue || due[j] > rig.Loop.NowMs - TickMs, "late");
                    }
                    break;
            }
        }
    }

    private sealed class Item : LoopItem
    {
        private readonly Loop _loop;
        private readonly long _madeAtMs;

        public Item(Loop loop)
        {
            _loop = loop;
            _madeAtMs = loop.NowMs;
            Timer = new LoopTimer(loop, this);
        }

        public LoopTimer Timer { get; }

        public long RanAtMs { get; set; } = -1;

        /// <summary>When it was to run, as last armed.</summary>
        public long DueMs => Timer.IsArmed ? Timer.DueMs : _madeAtMs;

        public Action? OnRun { get; init; }

        protected internal override void Run()
        {
            RanAtMs = _loop.NowMs;
            OnRun?.Invoke();
        }
    }
}
