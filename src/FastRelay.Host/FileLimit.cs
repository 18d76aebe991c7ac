using System.Runtime.InteropServices;
using FastRelay.Config;

namespace FastRelay.Host;

/// <summary>Open files that the system allows this process, and the limits that must fit into them.</summary>
public static partial class FileLimit
{
    private const int RLIMIT_NOFILE = 7;

    /// <summary>Sessions below which a relay is not worth starting.</summary>
    private const int FewestSessions = 64;

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
        // The defaults shrink in the order in which a relay misses them least.
        RelayConfig fitted = config;
        foreach (string key in (ReadOnlySpan<string>)["receive_sessions", "send_sessions", "dns_queries"])
        {
            LimitRow row = LimitTable.Find(key)!;
            long over = MemoryEstimate.Descriptors(fitted) - allowed;
            long now = row.Get(fitted.Limits);
            if (over > 0 && now > FewestSessions && !config.LimitsSet.Contains(key))
            {
                long lowered = Math.Max(FewestSessions, now - over);
                fitted = fitted with { Limits = row.Set(fitted.Limits, lowered) };
                warning = $"{(warning is null ? "" : warning + ", ")}{key} {now} -> {lowered}";
            }
        }
        if (MemoryEstimate.Descriptors(fitted) > allowed)
        {
            warning = null;
            error = $"the limits need {needed} open files and the system allows {allowed}: raise the hard limit (ulimit -Hn, LimitNOFILE= of systemd) or lower limits.receive_sessions ({config.Limits.ReceiveSessions}) and limits.send_sessions ({config.Limits.SendSessions})";
            return config;
        }
        warning = $"the system allows {allowed} open files and the default limits need {needed}: lowered {warning}; raise the hard limit (ulimit -Hn, LimitNOFILE= of systemd) to have them all";
        return fitted;
    }

    [LibraryImport("libc", EntryPoint = "getrlimit")]
    private static partial int GetLimit(int resource, out ResourceLimit limit);

    [LibraryImport("libc", EntryPoint = "setrlimit")]
    private static partial int SetLimit(int resource, in ResourceLimit limit);

    // struct rlimit of 64-bit Linux: two unsigned longs.
    [StructLayout(LayoutKind.Sequential)]
    private record struct ResourceLimit(ulong Soft, ulong Hard);
}
