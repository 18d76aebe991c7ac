using System.Diagnostics;
using System.IO.Enumeration;
using Prometheus;

namespace FastRelay.Host.Admin;

/// <summary>The process as every client library of Prometheus shows it, by the names that they have agreed on.</summary>
internal sealed class ProcessMetrics
{
    private readonly Counter _cpu;
    private readonly Gauge _resident;
    private readonly Gauge _files;

    /// <summary>Registers them.</summary>
    /// <param name="factory">Of the page.</param>
    public ProcessMetrics(MetricFactory factory)
    {
        using var process = Process.GetCurrentProcess();
        factory.CreateGauge("process_start_time_seconds", "When the process began, seconds since 1970.")
            .Set(new DateTimeOffset(process.StartTime).ToUnixTimeMilliseconds() / 1000.0);
        _cpu = factory.CreateCounter("process_cpu_seconds_total", "Processor time of the process, its own and the kernel's.");
        _resident = factory.CreateGauge("process_resident_memory_bytes", "Memory of the process that is resident, shared pages included.");
        _files = factory.CreateGauge("process_open_fds", "Open descriptors.");
        factory.CreateGauge("process_max_fds", "Descriptors that the system allows.").Set(FileLimit.Allowed());
    }

    /// <summary>Reads them.</summary>
    public void Read()
    {
        _cpu.IncTo(Environment.CpuUsage.TotalTime.TotalSeconds);
        _resident.Set(Environment.WorkingSet);
        _files.Set(OpenFiles());
    }

    // There may be tens of thousands: none of them becomes a string. The folder itself is open while it is read.
    private static int OpenFiles() => Math.Max(0, new FileSystemEnumerable<byte>("/proc/self/fd", static (ref FileSystemEntry _) => 0).Count() - 1);
}
