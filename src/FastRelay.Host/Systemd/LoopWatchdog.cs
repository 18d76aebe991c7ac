using System.Globalization;
using FastRelay.Outside;

namespace FastRelay.Host.Systemd;

/// <summary>
/// Says from the loop itself that the loop turns, twice as often as the service manager wants to hear it (WatchdogSec=): a
/// loop that stands still says nothing and is started again.
/// </summary>
/// <param name="loop">That must turn.</param>
/// <param name="notifier">Tells.</param>
/// <param name="everyMs">0 says nothing.</param>
public sealed class LoopWatchdog(Loop loop, ServiceNotifier notifier, long everyMs) : LoopItem
{
    private LoopTimer? _timer;

    /// <summary>How often, ms, by WATCHDOG_USEC and WATCHDOG_PID of the environment; 0 when nobody watches.</summary>
    /// <param name="microseconds">WATCHDOG_USEC.</param>
    /// <param name="process">WATCHDOG_PID; null counts for every process.</param>
    /// <param name="own">Our process id.</param>
    public static long Interval(string? microseconds, string? process, int own) =>
        long.TryParse(microseconds, NumberStyles.None, CultureInfo.InvariantCulture, out long whole) && whole > 0
            && (process is null || process == own.ToString(CultureInfo.InvariantCulture))
            ? Math.Max(1, whole / 2_000)
            : 0;

    /// <summary>Begins; on the loop's thread.</summary>
    public void Start()
    {
        if (everyMs > 0)
        {
            _timer = new LoopTimer(loop, this);
            Run();
        }
    }

    /// <inheritdoc/>
    protected override void Run()
    {
        notifier.Alive();
        _timer!.After(everyMs);
    }
}
