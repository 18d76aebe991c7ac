using System.Runtime.InteropServices;
using FastRelay.Config;

namespace FastRelay.Host;

/// <summary>Open files that the system allows this process, and the limits that must fit into them.</summary>
public static partial class FileLimit
{
    private const int RLIMIT_NOFILE = 7;

    /// <summary>Sessions below which a relay is not worth starting.</summary>
    private const int FewestSessions = 64;

    /// <summary>What is allowed now; 1024 when the system does not say.</summary>
    public static long Allowed() => GetLimit(RLIMIT_NOFILE, out ResourceLimit limit) == 0 ? (long)Math.Min(limit.Soft, long.MaxValue) : 1024;

    /// <summary>Raises the soft limit to the hard one.</summary>
    /// <returns>What is allowed now.</returns>
    public static long Raise()
    {
        if (GetLimit(RLIMIT_NOFILE, out ResourceLimit limit) != 0)
        {
            return 1024;
        }
        if (limit.Soft < limit.Hard)
        {
            ResourceLimit wanted = limit with { Soft = limit.Hard };
            limit = SetLimit(RLIMIT_NOFILE, wanted) == 0 ? wanted : limit;
        }
        return (long)Math.Min(limit.Soft, long.MaxValue);
    }

    /// <summary>
    /// Fits the limits to what is allowed: what the configuration sets is given or refused, a default is lowered with a
    /// warning.
    /// </summary>
    /// <param name="config">As read.</param>
    /// <param name="allowed">Open files.</param>
    /// <param name="warning">What was lowered; null when nothing was.</param>
    /// <param name="error">Why it cannot start; null when it can.</param>
    public static RelayConfig Fit(RelayConfig config, long allowed, out string? warning, out string? error)
    {
        warning = null;
        error = null;
        long needed = MemoryEstimate.Descriptors(config);
        if (needed <= allowed)
        {
            return config;
        }
        // Mail that comes in has to go out: both kinds of sessions shrink by the same share, and name servers are asked less only then.
        RelayConfig fitted = Shrink(["send_sessions", "receive_sessions"], config, allowed, ref warning);
        fitted = Shrink(["dns_queries"], fitted, allowed, ref warning);
        if (MemoryEstimate.Descriptors(fitted) > allowed)
        {
            warning = null;
            error = $"the limits need {needed} open files and the system allows {allowed}: raise the hard limit (ulimit -Hn, LimitNOFILE= of systemd) or lower limits.receive_sessions ({config.Limits.ReceiveSessions}) and limits.send_sessions ({config.Limits.SendSessions})";
            return config;
        }
        warning = $"the system allows {allowed} open files and the default limits need {needed}: lowered {warning}; raise the hard limit (ulimit -Hn, LimitNOFILE= of systemd) to have them all";
        return fitted;
    }

    /// <summary>Lowers limits that the configuration does not set, each by the same share, to the floor at most.</summary>
    /// <param name="keys">The smallest first: what its floor takes is missing in the others.</param>
    /// <param name="config">With what was lowered before.</param>
    /// <param name="allowed">Open files.</param>
    /// <param name="warning">Takes what is lowered.</param>
    private static RelayConfig Shrink(string[] keys, RelayConfig config, long allowed, ref string? warning)
    {
        LimitRow[] rows = [.. keys.Where(key => !config.LimitsSet.Contains(key)).Select(static key => LimitTable.Find(key)!)];
        long over = MemoryEstimate.Descriptors(config) - allowed;
        long total = rows.Sum(row => row.Get(config.Limits));
        long room = total - over;
        if (over <= 0)
        {
            return config;
        }
        Limits limits = config.Limits;
        for (int i = 0; i < rows.Length; i++)
        {
            long now = rows[i].Get(limits);
            long share = i == rows.Length - 1 ? room : now * room / total;
            long lowered = Math.Min(now, Math.Max(FewestSessions, share));
            room -= lowered;
            total -= now;
            if (lowered < now)
            {
                limits = rows[i].Set(limits, lowered);
                warning = $"{(warning is null ? "" : warning + ", ")}{rows[i].Key} {now} -> {lowered}";
            }
        }
        return config with { Limits = limits };
    }

    [LibraryImport("libc", EntryPoint = "getrlimit")]
    private static partial int GetLimit(int resource, out ResourceLimit limit);

    [LibraryImport("libc", EntryPoint = "setrlimit")]
    private static partial int SetLimit(int resource, in ResourceLimit limit);

    // struct rlimit of 64-bit Linux: two unsigned longs.
    [StructLayout(LayoutKind.Sequential)]
    private record struct ResourceLimit(ulong Soft, ulong Hard);
}
