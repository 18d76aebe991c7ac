using System.Diagnostics;
using System.Runtime.InteropServices;
using FastRelay.Outside;

namespace FastRelay.Load;

/// <summary>
/// Wakes a loop at times finer than its timers, which tick in 16 ms: a thread that sleeps and posts. Arrivals closer
/// than <see cref="LeastMicroseconds"/> are served together, late by at most that; the lag is measured and reported.
/// </summary>
internal sealed partial class Pacer : IDisposable
{
    /// <summary>Shortest wait, µs.</summary>
    public const int LeastMicroseconds = 500;

    private readonly Loop _loop;
    private readonly LoopItem _onDue;
    private readonly AutoResetEvent _armed = new(false);
    private readonly Thread _thread;
    private long _due;
    private volatile bool _stopping;

    public Pacer(Loop loop, LoopItem onDue)
    {
        _loop = loop;
        _onDue = onDue;
        _thread = new Thread(Work) { IsBackground = true, Name = "pacer" };
        _thread.Start();
    }

    /// <summary>Asks for one wake-up at a time on <see cref="Stopwatch"/>'s scale.</summary>
    public void Arm(long due)
    {
        Volatile.Write(ref _due, due);
        _armed.Set();
    }

    public void Dispose()
    {
        _stopping = true;
        _armed.Set();
        _thread.Join();
        _armed.Dispose();
    }

    private void Work()
    {
        while (true)
        {
            _armed.WaitOne();
            if (_stopping)
            {
                return;
            }
            long wait = (Volatile.Read(ref _due) - Stopwatch.GetTimestamp()) * 1_000_000 / Stopwatch.Frequency;
            while (wait > 100_000 && !_stopping)
            {
                _armed.WaitOne(50);
                wait = (Volatile.Read(ref _due) - Stopwatch.GetTimestamp()) * 1_000_000 / Stopwatch.Frequency;
            }
            if (_stopping)
            {
                return; // the wait above has taken the call to look
            }
            _ = Sleep((uint)Math.Clamp(wait, LeastMicroseconds, 100_000));
            _loop.Post(_onDue);
        }
    }

    [LibraryImport("libc", EntryPoint = "usleep")]
    private static partial int Sleep(uint microseconds);
}
