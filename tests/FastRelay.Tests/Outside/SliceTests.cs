using FastRelay.Outside;

namespace FastRelay.Tests.Outside;

/// <summary>Work in slices: so many steps a turn, fewer where they take their time, and some in each turn.</summary>
public sealed class SliceTests : IDisposable
{
    private readonly Clock _clock = new();
    private readonly NoEvents _poller = new();
    private readonly Loop _loop;

    public SliceTests() => _loop = new Loop(_clock, _poller);

    public void Dispose() => _poller.Dispose();

    /// <summary>Steps that one turn takes, each of which lasts for so long, behind what others do in it.</summary>
    private int StepsOfTurn(Slice slice, long stepNs, int cost = 1, long othersUs = 0)
    {
        int taken = 0;
        _loop.Enqueue(new Item(() =>
        {
            _clock.Ns += othersUs * 1_000;
            while (!slice.IsOver)
            {
                taken++;
                _clock.Ns += stepNs;
                slice.Spend(cost);
            }
        }));
        _loop.Turn(canSleep: false);
        return taken;
    }

    [Fact]
    public void A_turn_takes_its_steps_and_the_next_turn_as_many()
    {
        var slice = new Slice(_loop, 100);
        Assert.Equal([100, 100, 50, 1], [StepsOfTurn(slice, 0), StepsOfTurn(slice, 0), StepsOfTurn(slice, 0, cost: 2), StepsOfTurn(slice, 0, cost: 1_000)]);
    }

    [Fact]
    public void Steps_that_take_long_are_fewer()
    {
        var slice = new Slice(_loop);
        // 400 us of 1 us each, and what passes until the clock is looked at.
        Assert.InRange(StepsOfTurn(slice, 1_000), 400, 432);
        // One step of 8 that takes a millisecond is followed by three more at most.
        Assert.InRange(StepsOfTurn(slice, 1_000_000, cost: 8), 1, 4);
        Assert.Equal(Slice.Steps, StepsOfTurn(slice, 100));
    }

    [Fact]
    public void Behind_what_others_do_there_is_time_for_some()
    {
        var slice = new Slice(_loop);
        Assert.InRange(StepsOfTurn(slice, 1_000, othersUs: 250), 150, 182);
        Assert.InRange(StepsOfTurn(slice, 1_000, othersUs: 5_000), 100, 132);
    }

    [Fact]
    public async Task Whoever_paces_goes_on_in_the_next_turn()
    {
        var slice = new Slice(_loop, 10);
        var turns = new List<long>();
        async Task WorkAsync()
        {
            for (int i = 0; i < 35; i++)
            {
                turns.Add(_loop.Turns);
                await slice.PaceAsync();
            }
        }
        Task work = Task.CompletedTask;
        _loop.Enqueue(new Item(() => work = WorkAsync()));
        for (int i = 0; i < 5; i++)
        {
            _loop.Turn(canSleep: false);
        }
        await work;
        Assert.Equal([10, 10, 10, 5], turns.GroupBy(static turn => turn).Select(static turn => turn.Count()));
    }

    [Fact]
    public void What_a_turn_used_of_the_processor_is_known_apart_from_what_it_took()
    {
        _loop.Enqueue(new Item(() =>
        {
            _clock.Ns += 3_000_000;
            _poller.Cpu += 500_000;
        }));
        _loop.Turn(canSleep: false);
        Assert.Equal((3_000, 500), (_loop.LongestTurnUs, _loop.LongestTurnCpuUs));
        _loop.Enqueue(new Item(() =>
        {
            _clock.Ns += 900_000;
            _poller.Cpu += 900_000;
        }));
        _loop.Turn(canSleep: false);
        Assert.Equal((3_000, 900, 0), (_loop.LongestTurnUs, _loop.LongestTurnCpuUs, _loop.TurnUs));
    }

    private sealed class Item(Action run) : LoopItem
    {
        protected internal override void Run() => run();
    }

    private sealed class Clock : TimeProvider
    {
        public long Ns { get; set; } = 1_000_000_000;

        public override long TimestampFrequency => 1_000_000_000;

        public override long GetTimestamp() => Ns;
    }

    private sealed class NoEvents : Poller
    {
        public long Cpu { get; set; }

        public override long CpuNs => Cpu;

        public override void Poll(Loop loop, int timeoutMs)
        {
        }

        public override void Wake()
        {
        }

        public override void Dispose()
        {
        }
    }
}
