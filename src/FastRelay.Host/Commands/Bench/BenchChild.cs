using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using FastRelay.Load;

namespace FastRelay.Host.Commands;

/// <summary>CPU and memory of a process at one moment.</summary>
/// <param name="Seconds">From the start of the run.</param>
/// <param name="CpuSeconds">User and system time so far.</param>
/// <param name="RssKiB">Resident, shared pages included.</param>
/// <param name="AnonKiB">Resident and its own (RssAnon).</param>
internal sealed record ProcessSample(double Seconds, double CpuSeconds, long RssKiB, long AnonKiB);

/// <summary>One process of a bench: a source, a sink or the relay, all of this same binary.</summary>
internal sealed partial class BenchChild : IDisposable
{
    private const int SIGTERM = 15;

    private readonly Process _process;
    private readonly Stopwatch _clock;
    private readonly List<LoadSample> _samples = [];
    private readonly List<string> _errors = [];

    private BenchChild(Process process, Stopwatch clock)
    {
        _process = process;
        _clock = clock;
    }

    /// <summary>Lines of standard error.</summary>
    public string Errors
    {
        get
        {
            lock (_errors)
            {
                return string.Join('\n', _errors);
            }
        }
    }

    /// <summary>The samples that it wrote, their times from the start of the run.</summary>
    public IReadOnlyList<LoadSample> Samples
    {
        get
        {
            lock (_samples)
            {
                return [.. _samples];
            }
        }
    }

    /// <summary>It has ended.</summary>
    public bool HasExited => _process.HasExited;

    /// <summary>Starts this binary with a command; it ends with this process, however that ends. Main thread.</summary>
    /// <param name="clock">The run's clock.</param>
    /// <param name="cores">Where it may run.</param>
    /// <param name="arguments">Command and options.</param>
    public static BenchChild Start(Stopwatch clock, BenchCores cores, params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        foreach (string argument in BenchTie.Words.Concat(arguments))
        {
            start.ArgumentList.Add(argument);
        }
        var child = new BenchChild(cores.Within(() => Process.Start(start)!), clock);
        child._process.OutputDataReceived += (_, line) => child.Take(line.Data);
        child._process.ErrorDataReceived += (_, line) =>
        {
            lock (child._errors)
            {
                if (line.Data is not null && child._errors.Count < 200)
                {
                    child._errors.Add(line.Data);
                }
            }
        };
        child._process.BeginOutputReadLine();
        child._process.BeginErrorReadLine();
        return child;
    }

    /// <summary>CPU and memory now; null when it has ended.</summary>
    public ProcessSample? Look()
    {
        try
        {
            _process.Refresh();
            double cpu = _process.TotalProcessorTime.TotalSeconds;
            long rss = _process.WorkingSet64 / 1024;
            // .NET has no name for what is the process's own alone.
            string? anon = File.ReadLines($"/proc/{_process.Id}/status").FirstOrDefault(line => line.StartsWith("RssAnon:", StringComparison.Ordinal));
            return new ProcessSample(Math.Round(_clock.Elapsed.TotalSeconds, 3), cpu, rss, anon is null ? 0 : KiB(anon));
        }
        catch (Exception e) when (e is IOException or InvalidOperationException or Win32Exception)
        {
            return null;
        }
    }

    /// <summary>SIGTERM, and waits for the end.</summary>
    public int Stop()
    {
        if (!_process.HasExited)
        {
            _ = SendSignal(_process.Id, SIGTERM);
        }
        return Wait(60_000);
    }

    /// <summary>SIGKILL.</summary>
    public void Kill()
    {
        _process.Kill();
        Wait(10_000);
    }

    /// <summary>Waits for its own end; below 0 when it does not come.</summary>
    public int Wait(int milliseconds) => _process.WaitForExit(milliseconds) ? _process.ExitCode : -1;

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_process.HasExited)
        {
            Kill();
        }
        _process.Dispose();
    }

    private void Take(string? line)
    {
        if (line is null || !line.StartsWith("{\"seconds\":", StringComparison.Ordinal) || JsonSerializer.Deserialize(line, LoadJson.Lines.LoadSample) is not { } sample)
        {
            return;
        }
        lock (_samples)
        {
            _samples.Add(sample with { Seconds = Math.Round(_clock.Elapsed.TotalSeconds, 3) });
        }
    }

    private static long KiB(string line) => long.Parse(line.Split(':')[1].Replace("kB", "", StringComparison.Ordinal), NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture);

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int SendSignal(int pid, int signal);
}
