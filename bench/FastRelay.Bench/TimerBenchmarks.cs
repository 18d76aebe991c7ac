using BenchmarkDotNet.Attributes;
using FastRelay.Outside;
using FastRelay.Queue;
using FastRelay.Tests.Support;

namespace FastRelay.Bench;

/// <summary>Deadlines of sessions and due times of messages, each among 100,000 others.</summary>
public class TimerBenchmarks : LoopItem
{
    private const int Others = 100_000;

    private readonly ManualLoop _manual = new();
    private readonly EntrySlab _slab = new();
    private LoopTimer[] _timers = [];
    private DueWheel _wheel = null!;
    private int _next;
    private int _fired;
    private int _now;

    /// <summary>100,000 sessions with a deadline in five minutes, 100,000 messages due within a day.</summary>
    [GlobalSetup]
    public void Fill()
    {
        _timers = [.. Enumerable.Range(0, Others).Select(_ => new LoopTimer(_manual.Loop, this))];
        foreach (LoopTimer timer in _timers)
        {
            timer.After(300_000);
        }
        _wheel = new DueWheel(_slab, 0);
        var random = new Random(1);
        for (int i = 0; i < Others; i++)
        {
            AddEntry(_slab.Allocate(), random.Next(1, 86_400));
        }
    }

    /// <summary>A session moves its deadline, as with every command.</summary>
    [Benchmark]
    public bool MoveDeadline()
    {
        LoopTimer timer = _timers[_next];
        _next = _next + 1 == Others ? 0 : _next + 1;
        timer.After(300_000);
        return timer.IsArmed;
    }

    /// <summary>A second of the queue's clock: the messages that are due come out and go back in for a day later.</summary>
    [Benchmark]
    public int TurnDueWheelASecond()
    {
        _now++;
        int out_ = 0;
        for (int budget = 256; budget > 0; budget = budget > 0 ? 0 : 256)
        {
            while (_wheel.TryNext(_now, ref budget, out int handle))
            {
                AddEntry(handle, _now + 86_400);
                out_++;
            }
        }
        return out_;
    }

    /// <inheritdoc/>
    protected internal override void Run() => _fired++;

    private void AddEntry(int handle, int due)
    {
        _slab[handle].State = EntryState.Deferred;
        _slab[handle].DueSeconds = due;
        _wheel.Add(handle);
    }
}
