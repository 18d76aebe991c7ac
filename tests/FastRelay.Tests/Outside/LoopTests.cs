using FastRelay.Outside;

namespace FastRelay.Tests.Outside;

/// <summary>The run queue, posts from other threads, signals and sleepers, on a clock that the test moves.</summary>
public sealed class LoopTests
{
    [Fact]
    public void Items_run_in_order_and_what_they_queue_waits_for_the_next_turn()
    {
        using var rig = new ClockRig();
        List<string> ran = [];
        var later = new Item(() => ran.Add("later"));
        rig.Loop.Enqueue(new Item(() => { ran.Add("a"); rig.Loop.Enqueue(later); }));
        rig.Loop.Enqueue(new Item(() => ran.Add("b")));
        rig.Loop.Turn(canSleep: false);
        Assert.Equal(["a", "b"], ran);
        rig.Loop.Turn(canSleep: false);
        Assert.Equal(["a", "b", "later"], ran);
    }

    [Fact]
    public void What_is_done_at_one_moment_sees_one_time_and_afterwards_it_goes_on()
    {
        using var rig = new ClockRig();
        long before = rig.Loop.NowMs;
        rig.Pass(5);
        rig.Loop.AtOneMoment(() =>
        {
            Assert.Equal(before + 5, rig.Loop.NowMs);
            rig.Pass(100);
            rig.Loop.AtOneMoment(() => Assert.Equal(before + 5, rig.Loop.NowMs));
            Assert.Equal(before + 5, rig.Loop.NowMs);
        });
        Assert.Equal(before + 105, rig.Loop.NowMs);
    }

    [Fact]
    public void An_item_that_is_queued_twice_runs_once()
    {
        using var rig = new ClockRig();
        int ran = 0;
        var item = new Item(() => ran++);
        rig.Loop.Enqueue(item);
        rig.Loop.Enqueue(item);
        rig.Loop.Post(item);
        rig.Loop.Turn(canSleep: false);
        rig.Loop.Turn(canSleep: false);
        Assert.Equal(1, ran);
    }

    [Fact]
    public void The_queue_grows_and_keeps_its_order()
    {
        using var rig = new ClockRig();
        List<int> ran = [];
        for (int i = 0; i < 5_000; i++)
        {
            int number = i;
            rig.Loop.Enqueue(new Item(() => ran.Add(number)));
            if (i == 700)
            {
                rig.Loop.Turn(canSleep: false);
            }
        }
        rig.Loop.Turn(canSleep: false);
        Assert.Equal(Enumerable.Range(0, 5_000), ran);
    }

    [Fact]
    public void Posts_are_served_in_the_order_in_which_they_were_made()
    {
        using var rig = new ClockRig();
        List<int> ran = [];
        for (int i = 0; i < 10; i++)
        {
            int number = i;
            rig.Loop.Post(new Item(() => ran.Add(number)));
        }
        rig.Loop.Turn(canSleep: false);
        Assert.Equal(Enumerable.Range(0, 10), ran);
    }

    [Fact]
    public void A_seed_picks_the_order_and_the_same_seed_picks_the_same()
    {
        static List<int> Order(int seed)
        {
            using var rig = new ClockRig(new Random(seed));
            List<int> ran = [];
            for (int i = 0; i < 20; i++)
            {
                int number = i;
                rig.Loop.Enqueue(new Item(() => ran.Add(number)));
            }
            rig.Loop.Turn(canSleep: false);
            return ran;
        }
        Assert.Equal(Order(7), Order(7));
        Assert.NotEqual(Order(7), Order(8));
        Assert.Equal(Enumerable.Range(0, 20), Order(7).Order());
    }

    [Fact]
    public void A_call_from_another_thread_is_caught()
    {
        using var rig = new ClockRig();
        Exception? caught = null;
        var thread = new Thread(() => caught = Record.Exception(() => rig.Loop.Enqueue(new Item(() => { }))));
        thread.Start();
        thread.Join();
        Assert.IsType<CheckFailedException>(caught);
    }

    [Fact]
    public void A_signal_that_is_set_before_the_wait_is_remembered()
    {
        using var rig = new ClockRig();
        var signal = new Signal<int>(rig.Loop);
        signal.Set(1);
        signal.Set(2);
        Task<int> wait = signal.WaitAsync().AsTask();
        Assert.True(wait.IsCompleted);
        Assert.Equal(2, wait.Result);
        wait = signal.WaitAsync().AsTask();
        Assert.False(wait.IsCompleted);
        signal.Set(3);
        Assert.False(wait.IsCompleted);
        rig.Loop.Turn(canSleep: false);
        Assert.Equal(3, wait.Result);
    }

    [Fact]
    public void Two_waiters_on_one_signal_are_our_own_defect()
    {
        using var rig = new ClockRig();
        var signal = new Signal<int>(rig.Loop);
        Task<int> first = signal.WaitAsync().AsTask();
        Assert.Throws<CheckFailedException>(() => { _ = signal.WaitAsync().AsTask(); });
        Assert.False(first.IsCompleted);
    }

    [Fact]
    public void A_sleeper_sleeps_its_time_and_not_less()
    {
        using var rig = new ClockRig();
        var sleeper = new Sleeper(rig.Loop);
        Task<bool> sleep = sleeper.SleepAsync(100).AsTask();
        rig.Advance(99);
        Assert.False(sleep.IsCompleted);
        rig.Advance(20);
        rig.Loop.Turn(canSleep: false);
        Assert.True(sleep.Result);
    }

    [Fact]
    public void A_woken_sleeper_says_so_and_its_old_deadline_does_not_end_the_next_sleep()
    {
        using var rig = new ClockRig();
        var sleeper = new Sleeper(rig.Loop);
        Task<bool> sleep = sleeper.SleepAsync(100).AsTask();
        sleeper.Wake();
        rig.Loop.Turn(canSleep: false);
        Assert.False(sleep.Result);
        sleep = sleeper.SleepAsync(500).AsTask();
        rig.Advance(200);
        rig.Loop.Turn(canSleep: false);
        Assert.False(sleep.IsCompleted);
        sleeper.Wake();
        sleeper.Wake();
        rig.Loop.Turn(canSleep: false);
        Assert.False(sleep.Result);
    }

    [Fact]
    public void Posts_from_threads_never_lose_a_wake_up()
    {
        using var poller = new FastRelay.Outside.Linux.EpollPoller();
        var loop = new Loop(TimeProvider.System, poller);
        const int Posts = 20_000;
        int[] sent = new int[3];
        int[] seen = new int[3];
        Thread[] threads = new Thread[3];
        Item[] items = new Item[3];
        for (int i = 0; i < 3; i++)
        {
            int me = i;
            items[i] = new Item(() => Volatile.Write(ref seen[me], Volatile.Read(ref sent[me])));
            threads[i] = new Thread(() =>
            {
                for (int n = 1; n <= Posts; n++)
                {
                    Volatile.Write(ref sent[me], n);
                    loop.Post(items[me]);
                    if (n % 64 == 0)
                    {
                        // Let the loop fall asleep now and then: what comes next has to wake it.
                        while (Volatile.Read(ref seen[me]) != n)
                        {
                            Thread.Yield();
                        }
                    }
                }
            });
        }
        var guard = new Thread(() =>
        {
            foreach (Thread thread in threads)
            {
                thread.Join();
            }
            loop.Stop();
        });
        foreach (Thread thread in threads)
        {
            thread.Start();
        }
        guard.Start();
        // A lost wake-up would leave a thread waiting for ever, and this with it.
        loop.Run();
        loop.Turn(canSleep: false);
        Assert.All(seen, last => Assert.Equal(Posts, last));
    }

    [Fact]
    public void Stop_ends_a_loop_that_sleeps()
    {
        using var poller = new FastRelay.Outside.Linux.EpollPoller();
        var loop = new Loop(TimeProvider.System, poller);
        var thread = new Thread(loop.Run);
        thread.Start();
        Thread.Sleep(20);
        loop.Stop();
        Assert.True(thread.Join(30_000));
    }

    [Fact]
    public void The_longest_turn_is_known_and_long_ones_are_counted()
    {
        using var rig = new ClockRig();
        foreach (int ms in new[] { 5, 10, 15, 7 })
        {
            // Two items of one turn: what the turn took is both.
            rig.Loop.Enqueue(new Item(() => rig.Pass(ms - 2)));
            rig.Loop.Enqueue(new Item(() => rig.Pass(2)));
            rig.Loop.Turn(canSleep: false);
        }
        Assert.Equal(15_000, rig.Loop.LongestTurnUs);
        Assert.Equal(1, rig.Loop.Stalls);
    }

    private sealed class Item(Action run) : LoopItem
    {
        protected internal override void Run() => run();
    }
}
