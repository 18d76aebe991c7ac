using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using FastRelay.Load;

namespace FastRelay.Host.Commands;

/// <summary>What a run is told.</summary>
/// <param name="Plan">The scenario.</param>
/// <param name="Messages">Messages, or sessions that are held.</param>
/// <param name="Sessions">Sessions of the source.</param>
/// <param name="Runs">Runs, each with an empty spool.</param>
/// <param name="Target">Another server instead of this relay; then the sink listens on <paramref name="SinkPort"/> and the server is to deliver there.</param>
/// <param name="SinkPort">0 for any.</param>
/// <param name="Folder">For configuration and spool.</param>
internal sealed record BenchSettings(BenchPlan Plan, long Messages, int Sessions, int Runs, LoadTarget? Target, int SinkPort, string Folder);

/// <summary>Runs a scenario once: source, relay and sink each in a process of its own.</summary>
internal sealed class BenchRun : IDisposable
{
    private const int SampleMs = 200;
    private const int QuietMs = 5000;
    private const int NothingMs = 60_000;
    private const int LongestMs = 3_600_000;

    private readonly BenchSettings _settings;
    private readonly BenchPlan _plan;
    private readonly BenchStop _stop;
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly string _folder;
    private readonly List<ProcessSample> _subject = [];
    private readonly BenchRelay? _relay;
    private readonly int _sinkPort;
    private readonly int _slowPort = BenchRelay.FreePort();
    private BenchChild? _sink;
    private BenchChild? _slowSink;
    private BenchChild? _load;
    private (string Certificate, string Key)? _tls;

    /// <summary>Prepares a run.</summary>
    /// <param name="settings">What to do.</param>
    /// <param name="number">From 1: its folder is named after it.</param>
    /// <param name="stop">Ends it early.</param>
    /// <exception cref="BenchException">The folder is there already.</exception>
    /// <exception cref="IOException">It cannot be made.</exception>
    public BenchRun(BenchSettings settings, int number, BenchStop stop)
    {
        _settings = settings;
        _plan = settings.Plan;
        _stop = stop;
        _folder = Path.Combine(settings.Folder, $"run-{number}");
        if (Path.Exists(_folder))
        {
            // A bench that was killed leaves it: its spool would be measured too, and what is in it would be deleted.
            throw new BenchException($"{_folder} is there already: remove it, or say another --folder");
        }
        Directory.CreateDirectory(_folder);
        _sinkPort = settings.SinkPort > 0 ? settings.SinkPort : BenchRelay.FreePort();
        if (settings.Target is null)
        {
            _relay = new BenchRelay(_folder, Path.Combine(_folder, "spool"), _clock, stop);
        }
    }

    /// <summary>group or none, as the relay says; unknown of another server.</summary>
    public string Sync { get; private set; } = "unknown";

    /// <summary>Runs it.</summary>
    /// <exception cref="BenchException">It cannot go on.</exception>
    public BenchRunReport Run()
    {
        _stop.ThrowIfRequested();
        if (_plan.Tls)
        {
            _tls = MakeCertificate();
        }
        bool late = _plan.Shape is BenchShape.Drain or BenchShape.Restart;
        if (_plan.HasSink && !late)
        {
            StartSinks();
        }
        _relay?.Configure(Routes(), _plan.Shape == BenchShape.Hold ? _settings.Messages : _settings.Sessions, _tls);
        _relay?.Start();
        Sync = _relay?.Sync ?? Sync;
        Look();
        long syncs = _relay?.Figure("journal_syncs_total") ?? 0;
        LoadReport load = SendAll();
        double sent = _clock.Elapsed.TotalSeconds - load.Seconds;
        ProcessSample? filled = Look();
        if (_plan.Shape == BenchShape.Restart && _relay is not null)
        {
            _relay.Child!.Kill();
            _relay.Start();
            filled = Look();
        }
        double from = sent;
        if (late)
        {
            from = _clock.Elapsed.TotalSeconds;
            StartSinks();
        }
        if (_plan.HasSink)
        {
            WaitForSink(load);
        }
        ProcessSample? end = Look();
        long syncsAfter = _relay?.Figure("journal_syncs_total") ?? 0;
        IReadOnlyList<LoadSample> sinkSamples = _sink?.Samples ?? [];
        SinkReport? sink = StopSink(_sink, Path.Combine(_folder, "sink.json"));
        SinkReport? slow = StopSink(_slowSink, Path.Combine(_folder, "slow.json"));
        return Sum(load, sink, slow, sinkSamples, filled, end, from, syncsAfter - syncs);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _load?.Dispose();
        _relay?.Dispose();
        _sink?.Dispose();
        _slowSink?.Dispose();
        Remove(_folder);
    }

    /// <summary>Removes a folder of a bench; one that cannot be removed is left for a look.</summary>
    public static void Remove(string folder)
    {
        try
        {
            Directory.Delete(folder, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It is in nobody's way: the next bench has another, or says so.
        }
    }

    private BenchRunReport Sum(
        LoadReport load, SinkReport? sink, SinkReport? slow, IReadOnlyList<LoadSample> sinkSamples, ProcessSample? filled, ProcessSample? end, double from, long syncs)
    {
        bool drains = _plan.Shape is BenchShape.Drain or BenchShape.Restart;
        bool looked = end is not null && _subject.Count > 0;
        double cpu = looked ? end!.CpuSeconds - (drains ? filled!.CpuSeconds : _subject[0].CpuSeconds) : 0;
        double last = sinkSamples.LastOrDefault(s => s.Messages > 0)?.Seconds ?? 0;
        long arrived = sink is null ? 0 : sink.Messages + (slow?.Messages ?? 0);
        long counted = Math.Max(1, drains ? arrived : load.Accepted);
        var report = new BenchRunReport
        {
            AcceptedPerSecond = load.AcceptedPerSecond,
            RelayedPerSecond = sink is null ? null : last > from ? Math.Round(sink.Messages / (last - from), 1) : 0,
            CpuMsPerThousand = looked && _plan.Shape != BenchShape.Hold ? Math.Round(cpu * 1_000_000 / counted, 2) : null,
            AnonBeforeKiB = looked ? _subject[0].AnonKiB : null,
            AnonPeakKiB = looked ? _subject.Max(s => s.AnonKiB) : null,
            RssPeakKiB = looked ? _subject.Max(s => s.RssKiB) : null,
            StartMs = _relay?.StartMs,
            SyncsPerThousand = _relay is not null && load.Accepted > 0 && _plan.Shape != BenchShape.Restart ? Math.Round(syncs * 1000.0 / load.Accepted, 1) : null,
            Missing = sink is null ? null : load.RecipientsAccepted - sink.Distinct - (slow?.Distinct ?? 0),
            Duplicates = sink is null ? null : sink.Duplicates + (slow?.Duplicates ?? 0),
            Damaged = sink is null ? null : sink.Damaged + (slow?.Damaged ?? 0),
            Load = load,
            Sink = sink,
            SlowSink = slow,
            LoadSamples = _load!.Samples,
            SinkSamples = sinkSamples,
            Subject = _subject,
        };
        return report with { Problem = ProblemOf(report) };
    }

    /// <summary>What of a run was not as it must be; null when all was.</summary>
    internal static string? ProblemOf(BenchRunReport run)
    {
        string[] problems =
        [
            run.Load is { IsClean: false } load ? load.Problem ?? "the source was refused or lost something" : "",
            run.Missing > 0 ? $"{run.Missing} recipients never arrived" : "",
            run.Duplicates > 0 ? $"{run.Duplicates} copies arrived again" : "",
            run.Damaged > 0 ? $"{run.Damaged} bodies arrived damaged" : "",
        ];
        string text = string.Join("; ", problems.Where(p => p.Length > 0));
        return text.Length == 0 ? null : text;
    }

    private IEnumerable<(string Domain, string To)> Routes()
    {
        if (!_plan.HasSink)
        {
            yield return ("*", "discard:");
            yield break;
        }
        for (int i = 0; _plan.SlowSink && i < 10; i++)
        {
            yield return ($"d{i}.test", $"smtp:[127.0.0.1]:{_slowPort}");
        }
        yield return ("*", $"smtp:[127.0.0.1]:{_sinkPort}");
    }

    private void StartSinks()
    {
        _sink = StartSink(_sinkPort, "sink", _plan.SinkScenario);
        _slowSink = _plan.SlowSink ? StartSink(_slowPort, "slow", "[[fault]]\nat = \"dot\"\ndelay = \"5s\"\n") : null;
    }

    private BenchChild StartSink(int port, string name, string scenario)
    {
        List<string> arguments = ["sink", "--port", Text(port), "--check", "--samples", "--interval", Text(SampleMs), "--json", Path.Combine(_folder, name + ".json")];
        if (scenario.Length > 0)
        {
            File.WriteAllText(Path.Combine(_folder, name + ".toml"), scenario);
            arguments.AddRange(["--scenario", Path.Combine(_folder, name + ".toml")]);
        }
        if (_tls is { } files)
        {
            arguments.AddRange(["--certificate", files.Certificate, "--key", files.Key]);
        }
        BenchChild sink = BenchChild.Start(_clock, BenchCores.Sink, arguments);
        while (!sink.Errors.StartsWith("sink on", StringComparison.Ordinal))
        {
            _stop.ThrowIfRequested();
            if (sink.HasExited)
            {
                throw new BenchException($"the sink does not start:\n{sink.Errors}");
            }
            Thread.Sleep(2);
        }
        return sink;
    }

    private LoadReport SendAll()
    {
        string report = Path.Combine(_folder, "load.json");
        string target = _settings.Target?.ToString() ?? _relay!.Smtp.ToString();
        string[] amount = _plan.Shape == BenchShape.Hold
            ? ["--sessions", Text(_settings.Messages), "--hold", "10s"]
            : ["--sessions", Text(_settings.Sessions), "--messages", Text(_settings.Messages)];
        _load = BenchChild.Start(_clock, BenchCores.Source, ["load", target, .. amount, .. _plan.Load, "--samples", "--interval", Text(SampleMs), "--json", report]);
        while (_load.Wait(SampleMs) < 0 && !_load.HasExited)
        {
            _stop.ThrowIfRequested();
            Look();
            if (_relay?.Child is { HasExited: true } relay)
            {
                throw new BenchException($"the relay ended:\n{relay.Errors}");
            }
        }
        _stop.ThrowIfRequested();
        return Read(report, LoadJson.Default.LoadReport) ?? throw new BenchException($"the source left no report:\n{_load.Errors}");
    }

    /// <summary>Until the relay's queue is empty; for another server until the sink has had nothing new for 5 s.</summary>
    private void WaitForSink(LoadReport load)
    {
        long began = _clock.ElapsedMilliseconds;
        while (_clock.ElapsedMilliseconds - began < LongestMs)
        {
            _stop.ThrowIfRequested();
            if (Look() is null && _relay is not null)
            {
                throw new BenchException($"the relay ended:\n{_relay.Child!.Errors}");
            }
            IReadOnlyList<LoadSample> samples = _sink!.Samples;
            long arrived = samples.Sum(s => s.Messages);
            bool quiet = samples.Count >= QuietMs / SampleMs && samples.TakeLast(QuietMs / SampleMs).All(s => s.Messages == 0);
            // A server may pass the recipients of one message on in several: what has arrived does not say that all has.
            if (_relay is not null ? _relay.Figure("queue_messages") == 0 : quiet && (arrived > 0 || load.Accepted == 0))
            {
                // One more interval, so that the sink's last sample is there.
                Thread.Sleep(2 * SampleMs);
                return;
            }
            if (_relay is null && arrived == 0 && _clock.ElapsedMilliseconds - began > NothingMs)
            {
                throw new BenchException($"nothing has come to the sink on port {_sinkPort} for {NothingMs / 1000} s: does {_settings.Target} deliver there?");
            }
            Thread.Sleep(SampleMs);
        }
        throw new BenchException("an hour has passed and the queue is not empty");
    }

    private static SinkReport? StopSink(BenchChild? sink, string json)
    {
        if (sink is null)
        {
            return null;
        }
        sink.Stop();
        return Read(json, LoadJson.Default.SinkReport);
    }

    private ProcessSample? Look()
    {
        ProcessSample? sample = _relay?.Child?.Look();
        if (sample is not null)
        {
            _subject.Add(sample);
        }
        return sample;
    }

    private (string Certificate, string Key) MakeCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=bench.test", key, HashAlgorithmName.SHA256);
        using X509Certificate2 certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(30));
        string certificateFile = Path.Combine(_folder, "bench.crt");
        string keyFile = Path.Combine(_folder, "bench.key");
        File.WriteAllText(certificateFile, certificate.ExportCertificatePem());
        File.WriteAllText(keyFile, key.ExportPkcs8PrivateKeyPem());
        return (certificateFile, keyFile);
    }

    /// <summary>A child's report; null when it left none, or half of one.</summary>
    private static T? Read<T>(string file, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return File.Exists(file) ? JsonSerializer.Deserialize(File.ReadAllBytes(file), type) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string Text(long value) => value.ToString(CultureInfo.InvariantCulture);
}
