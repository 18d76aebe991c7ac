using System.Diagnostics;
using FastRelay.Outside;

namespace FastRelay.Load;

/// <summary>The sums of a run at one moment; a sample is the difference of two.</summary>
/// <param name="Messages">Accepted.</param>
/// <param name="Refused">Refused.</param>
/// <param name="Lost">Lost.</param>
/// <param name="Sessions">Open now.</param>
public readonly record struct LoadSums(long Messages, long Refused, long Lost, long Sessions);

/// <summary>
/// Looks at a run once an interval, on its loop, and ten times a second at the loop itself: a loop that is late with its
/// timers, or a process that uses a whole core, is what the run measures, and not the server.
/// </summary>
public sealed class Sampler : LoopItem
{
    private const int ProbeMs = 100;
    private const int TickMs = 16;

    private readonly LoopTimer _timer;
    private readonly Func<LoadSums> _sums;
    private readonly Latency _recent;
    private readonly int _intervalMs;
    private readonly List<LoadSample> _samples = [];
    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly TimeSpan _cpuStart = Environment.CpuUsage.TotalTime;
    private LoadSums _before;
    private TimeSpan _cpuBefore = Environment.CpuUsage.TotalTime;
    private long _timestampBefore = Stopwatch.GetTimestamp();
    private long _probe = Stopwatch.GetTimestamp();
    private double _lagMs;

    /// <summary>Starts sampling; on the loop's thread, or before it runs.</summary>
    /// <param name="loop">The loop of the run.</param>
    /// <param name="intervalMs">Length of an interval, ms; at least 100.</param>
    /// <param name="recent">Latencies of the interval under way; reset with each.</param>
    /// <param name="sums">Asked once an interval.</param>
    public Sampler(Loop loop, int intervalMs, Latency recent, Func<LoadSums> sums)
    {
        _intervalMs = Math.Max(intervalMs, ProbeMs);
        _recent = recent;
        _sums = sums;
        _timer = new LoopTimer(loop, this);
        _timer.After(ProbeMs);
    }

    /// <summary>Told of each sample, on the loop.</summary>
    public Action<LoadSample>? OnSample { get; set; }

    /// <summary>All samples so far; at most <see cref="SamplesMax"/>.</summary>
    public IReadOnlyList<LoadSample> Samples => _samples;

    /// <summary>The last one; null before the first. Any thread.</summary>
    public LoadSample? Last { get; private set; }

    /// <summary>Longest lag of the loop, ms.</summary>
    public double WorstLagMs { get; private set; }

    /// <summary>CPU time of this process since the start.</summary>
    public TimeSpan Cpu => Environment.CpuUsage.TotalTime - _cpuStart;

    /// <summary>Seconds since the start.</summary>
    public double Seconds => Stopwatch.GetElapsedTime(_start).TotalSeconds;

    /// <summary>Samples kept: a day of seconds.</summary>
    public const int SamplesMax = 86_400;

    /// <summary>Takes the last, shorter sample and ends.</summary>
    public void Finish()
    {
        _timer.Cancel();
        Sample();
    }

    /// <summary>The probe is due.</summary>
    protected override void Run()
    {
        double late = Stopwatch.GetElapsedTime(_probe).TotalMilliseconds - ProbeMs - TickMs;
        _lagMs = Math.Max(_lagMs, late);
        WorstLagMs = Math.Max(WorstLagMs, late);
        _probe = Stopwatch.GetTimestamp();
        if (Stopwatch.GetElapsedTime(_timestampBefore).TotalMilliseconds >= _intervalMs - (ProbeMs / 2))
        {
            Sample();
        }
        _timer.After(ProbeMs);
    }

    private void Sample()
    {
        LoadSums now = _sums();
        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        double seconds = Stopwatch.GetElapsedTime(_timestampBefore).TotalSeconds;
        LatencyFigures figures = _recent.Figures();
        _recent.Reset();
        var sample = new LoadSample(
            Math.Round(Seconds, 3), now.Messages - _before.Messages, now.Refused - _before.Refused, now.Lost - _before.Lost, now.Sessions,
            figures.P50, figures.P99, figures.Max, Math.Round((cpu - _cpuBefore).TotalSeconds / seconds, 3), Math.Round(Math.Max(_lagMs, 0), 1));
        _before = now;
        _cpuBefore = cpu;
        _timestampBefore = Stopwatch.GetTimestamp();
        _lagMs = 0;
        if (_samples.Count < SamplesMax)
        {
            _samples.Add(sample);
        }
        Last = sample;
        OnSample?.Invoke(sample);
    }
}
