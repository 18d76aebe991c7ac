using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>
/// Half a million messages through MX delivery: every one arrives once, memory stays flat, and every 250 has its sync.
/// <c>FASTRELAY_VOLUME</c> sets another number.
/// </summary>
[Collection(nameof(Alone))]
public sealed class VolumeTests : IDisposable
{
    private static readonly int s_messages = int.Parse(Environment.GetEnvironmentVariable("FASTRELAY_VOLUME") ?? "500000", CultureInfo.InvariantCulture);
    private readonly IPAddress _address = Place.NewAddress();
    private readonly int _port = Place.FreePort();
    private readonly NsdServer _dns;

    public VolumeTests() => _dns = new NsdServer(("volume.test", $"@ MX 10 sink\nsink A {_address}"));

    public void Dispose() => _dns.Dispose();

    [Fact]
    public void Every_message_arrives_once_and_memory_stays_flat()
    {
        using var sink = new VolumeSink(_address, _port, deferPercent: 5);
        using var relay = new RelayProcess(RelayProcess.MxConfig(_dns, _port)).Start();
        var watch = Stopwatch.StartNew();
        using Process source = SmtpSource.Start(relay.Address, relay.Port, s_messages);
        Task<string> error = source.StandardError.ReadToEndAsync();
        long rssAfterWarmUp = 0;
        long highest = 0;
        while (!source.HasExited)
        {
            Thread.Sleep(200);
            Assert.False(relay.HasExited, relay.Log);
            if (rssAfterWarmUp == 0 && sink.Accepted > s_messages / 10)
            {
                rssAfterWarmUp = relay.StatusKiB("RssAnon");
            }
            highest = Math.Max(highest, relay.StatusKiB("RssAnon"));
        }
        Assert.True(source.ExitCode == 0, error.Result);
        relay.WaitForEmptyQueue(120);
        highest = Math.Max(highest, relay.StatusKiB("RssAnon"));
        double seconds = watch.Elapsed.TotalSeconds;
        Assert.Equal(s_messages, sink.Distinct);
        Assert.Equal(0, sink.Duplicates);
        Assert.Equal(1, sink.Contents);
        Assert.InRange(sink.DeferredIds, s_messages / 40, s_messages / 10);
        Assert.True(highest - rssAfterWarmUp < 10 * 1024, $"RssAnon grew from {rssAfterWarmUp} KiB after the first tenth to {highest} KiB");
        double cpu = CpuSeconds(relay.Pid);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{s_messages} messages, {sink.DeferredIds} of them deferred at first: {s_messages / seconds:F0}/s, {cpu / s_messages * 1e6:F1} ms CPU per 1,000, RssAnon {rssAfterWarmUp} -> {highest} KiB"));
    }

    [Fact]
    public void Every_250_comes_after_its_write_and_its_sync()
    {
        using var sink = new VolumeSink(_address, _port);
        using var relay = new RelayProcess(RelayProcess.MxConfig(_dns, _port));
        string trace = Path.Combine(relay.Folder, "trace");
        relay.Start("strace", "-f", "-y", "-s", "65536", "-e", "trace=write,pwrite64,pwritev,writev,fdatasync,fsync,sendto,sendmsg", "-o", trace);
        SmtpSource.Run(relay.Address, relay.Port, 100, sessions: 4);
        relay.WaitForEmptyQueue(60);
        relay.Signal("TERM");
        Tool.Until(() => relay.HasExited, 30, () => "strace goes on");
        (int good, string first) = CheckOrder(File.ReadLines(trace));
        Assert.True(first.Length == 0, first);
        Assert.Equal(100, good);
    }

    /// <summary>For each id: a write to a file of the spool that holds it, then a sync that returned 0, then the 250.</summary>
    private static (int Good, string FirstBad) CheckOrder(IEnumerable<string> trace)
    {
        var written = new HashSet<string>();
        var synced = new HashSet<string>();
        var unfinished = new Dictionary<string, string>();
        int good = 0;
        foreach (string raw in trace)
        {
            string line = raw;
            string thread = line.Split(' ')[0];
            if (line.EndsWith("<unfinished ...>", StringComparison.Ordinal))
            {
                unfinished[thread] = line[..^"<unfinished ...>".Length];
                // A reply counts from its start, a write and a sync from their end.
                if (!line.Contains("250 2.0.0 queued as", StringComparison.Ordinal))
                {
                    continue;
                }
            }
            else if (line.Contains("resumed>", StringComparison.Ordinal) && unfinished.Remove(thread, out string? start))
            {
                if (start.Contains("250 2.0.0 queued as", StringComparison.Ordinal))
                {
                    continue;
                }
                line = start + line;
            }
            if (line.Contains("/spool/", StringComparison.Ordinal) && line.Contains("write", StringComparison.Ordinal) && !Failed(line))
            {
                foreach (Match match in Regex.Matches(line, @" id ([0-9A-Z]{13})"))
                {
                    written.Add(match.Groups[1].Value);
                }
            }
            else if (Regex.IsMatch(line, @"f(data)?sync\(.*/spool/") && line.TrimEnd().EndsWith("= 0", StringComparison.Ordinal))
            {
                synced.UnionWith(written);
                written.Clear();
            }
            else
            {
                foreach (Match match in Regex.Matches(line, @"250 2\.0\.0 queued as ([0-9A-Z]+)"))
                {
                    if (!synced.Contains(match.Groups[1].Value))
                    {
                        return (good, $"250 for {match.Groups[1].Value} before its sync: {line[..Math.Min(300, line.Length)]}");
                    }
                    good++;
                }
            }
        }
        return (good, "");
    }

    private static bool Failed(string line) => Regex.IsMatch(line, @"= -1 E\w+ \(");

    private static double CpuSeconds(int pid)
    {
        string[] fields = File.ReadAllText($"/proc/{pid}/stat").Split(") ")[1].Split(' ');
        return (double.Parse(fields[11], CultureInfo.InvariantCulture) + double.Parse(fields[12], CultureInfo.InvariantCulture)) / 100;
    }
}
