using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using FastRelay.Outside;
using FastRelay.Outside.Linux;

namespace FastRelay.Host.Commands;

/// <summary><c>fastrelay bench</c>: source, relay and sink in a process each, and a report.</summary>
internal static class BenchCommand
{
    private const int RunsMax = 1000;

    private static readonly Argument<string> s_scenario = new("scenario") { Description = string.Join(", ", BenchPlan.All.Select(p => p.Name)), HelpName = "SCENARIO" };
    private static readonly Option<long?> s_messages = new("--messages", "-m") { Description = "Messages of a run, or sessions that are held, instead of the scenario's", HelpName = "N" };
    private static readonly Option<int?> s_sessions = new("--sessions", "-s") { Description = "Sessions of the source instead of the scenario's", HelpName = "N" };
    private static readonly Option<int> s_runs = new("--runs") { Description = $"Runs, each with an empty spool; up to {RunsMax}", HelpName = "N", DefaultValueFactory = _ => 1 };
    private static readonly Option<string?> s_target = new("--target") { Description = $"Another server instead of this relay, by address or name (looked up as `fastrelay load` does); it must deliver to --sink-port of this host, where the scenario has a sink. Not for {string.Join(", ", BenchPlan.All.Where(p => p.OwnRelay is not null).Select(p => p.Name))}", HelpName = "HOST[:PORT]" };
    private static readonly Option<int> s_sinkPort = new("--sink-port") { Description = "Where the sink listens; any port unless --target is given", HelpName = "PORT" };
    private static readonly Option<string?> s_folder = new("--folder") { Description = "Where spools and configurations are; a fresh folder below the current one unless given", HelpName = "FOLDER" };
    private static readonly Option<string?> s_json = new("--json") { Description = "The report for programs; standard output unless given", HelpName = "FILE" };
    private static readonly Option<string?> s_html = new("--html") { Description = "The report as one page with charts", HelpName = "FILE" };

    /// <summary>The command.</summary>
    public static Command Build()
    {
        var command = new TaughtCommand(
            "bench",
            "Measures this relay, or another server, by a scenario: source, relay and sink run in a process each. The report names the machine, the file system and the sync mode.",
            "fastrelay bench accept --html accept.html",
            "fastrelay bench relay --runs 3 --folder /var/tmp/bench --json relay.json --html relay.html",
            "fastrelay bench drain -m 1000000",
            "fastrelay bench relay --target 127.0.0.1:2625 --sink-port 2600   # a server that relays to 2600");
        command.Arguments.Add(s_scenario);
        foreach (Option option in (ReadOnlySpan<Option>)[s_messages, s_sessions, s_runs, s_target, s_sinkPort, s_folder, s_json, s_html])
        {
            command.Options.Add(option);
        }
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult result)
    {
        TextWriter error = result.InvocationConfiguration.Error;
        string? given = result.GetValue(s_folder);
        BenchSettings settings;
        try
        {
            settings = Settings(result, given, error);
        }
        catch (LoadUsageException e)
        {
            error.WriteLine($"fastrelay: {e.Message}");
            error.WriteLine("try: fastrelay bench --help");
            return ExitCode.Usage;
        }
        using var stop = new BenchStop();
        try
        {
            return Measure(result, settings, stop, error);
        }
        catch (Exception e) when (e is BenchException or IOException or UnauthorizedAccessException)
        {
            // On a terminal its processes get the signal too, and may seem to have failed.
            error.WriteLine($"fastrelay: {(stop.IsRequested ? "stopped by a signal" : e.Message)}");
            return ExitCode.Failure;
        }
        finally
        {
            if (given is null)
            {
                BenchRun.Remove(settings.Folder);
            }
        }
    }

    /// <summary>What is to be done, and the folder made for it.</summary>
    /// <exception cref="LoadUsageException">It makes no sense, or cannot be.</exception>
    private static BenchSettings Settings(ParseResult result, string? folder, TextWriter error)
    {
        string name = result.GetValue(s_scenario)!;
        BenchPlan plan = BenchPlan.All.FirstOrDefault(p => p.Name == name)
            ?? throw new LoadUsageException($"there is no scenario {name}; there are:\n{string.Join('\n', BenchPlan.All.Select(p => $"  {p.Name,-11} {p.About}"))}");
        LoadTarget? target = result.GetValue(s_target) is { } text ? LoadTarget.Parse("--target ", text) : null;
        if (target is not null && plan.OwnRelay is { } reason)
        {
            throw new LoadUsageException($"{name} cannot be run with --target: {reason}");
        }
        int sinkPort = LoadText.Port("--sink-port", result.GetValue(s_sinkPort));
        if (target is not null && plan.HasSink && sinkPort == 0)
        {
            throw new LoadUsageException($"{name} has a sink: say with --sink-port where {target} delivers to");
        }
        long messages = LoadText.AtLeast("--messages", result.GetValue(s_messages) ?? plan.Messages, 1);
        int sessions = (int)LoadText.AtLeast("--sessions", result.GetValue(s_sessions) ?? plan.Sessions, 1);
        int runs = (int)LoadText.Within("--runs", result.GetValue(s_runs), 1, RunsMax);
        string work = Path.GetFullPath(string.IsNullOrEmpty(folder) ? $"bench-{Environment.ProcessId}" : folder);
        if (folder is not null)
        {
            // A report may lie in it.
            Make(work);
        }
        ReportFile.CheckPath("--json", result.GetValue(s_json));
        ReportFile.CheckPath("--html", result.GetValue(s_html));
        long files = FileLimit.Raise();
        if (plan.Shape == BenchShape.Hold && messages > files - 500)
        {
            // The relay needs a few hundred for itself beside its sessions.
            messages = files - 500;
            error.WriteLine($"warning: the system allows {files} open files: {messages} sessions");
        }
        Make(work);
        return new BenchSettings(plan, messages, sessions, runs, target, sinkPort, work);
    }

    private static void Make(string folder)
    {
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LoadUsageException($"--folder {folder}: {e.Message}");
        }
    }

    /// <summary>Looks a name up before anything is started for it.</summary>
    /// <exception cref="BenchException">It has no address.</exception>
    private static void LookUp(LoadTarget target)
    {
        World world = LinuxWorld.Create(new LinuxOptions());
        try
        {
            if (target.Resolve(world, null, out string problem).Count == 0)
            {
                throw new BenchException(problem);
            }
        }
        finally
        {
            LinuxWorld.Dispose(world);
        }
    }

    private static int Measure(ParseResult result, BenchSettings settings, BenchStop stop, TextWriter error)
    {
        MachineFacts machine = MachineFacts.Read(settings.Folder);
        if (settings.Target is not null)
        {
            LookUp(settings.Target);
            // Its spool is its own affair.
            machine = machine with { FileSystem = "unknown", Journalled = null };
        }
        string sync = "unknown";
        string? broken = null;
        DateTimeOffset started = DateTimeOffset.UtcNow;
        var done = new List<BenchRunReport>();
        for (int i = 1; i <= settings.Runs; i++)
        {
            try
            {
                using var run = new BenchRun(settings, i, stop);
                BenchRunReport report = run.Run();
                sync = run.Sync;
                done.Add(report);
                error.WriteLine(Line(settings.Plan.Name, i, settings.Runs, report));
            }
            catch (Exception e) when (done.Count > 0 && (e is BenchException or IOException or UnauthorizedAccessException))
            {
                // The runs before it are worth their report.
                broken = $"run {i}: {(stop.IsRequested ? "stopped by a signal" : e.Message)}";
                error.WriteLine($"fastrelay: {broken}");
                break;
            }
        }
        var all = new BenchReport
        {
            Scenario = settings.Plan.Name,
            About = settings.Plan.About,
            Subject = settings.Target is null ? $"fastrelay {Versions.Product}" : settings.Target.ToString(),
            Sync = sync,
            Problem = broken,
            Started = started,
            Messages = settings.Messages,
            Sessions = settings.Plan.Shape == BenchShape.Hold ? (int)settings.Messages : settings.Sessions,
            Machine = machine,
            Runs = done,
        };
        string json = JsonSerializer.Serialize(all, BenchJson.Default.BenchReport);
        bool written = ReportFile.Write(result.GetValue(s_json), json, result.InvocationConfiguration.Output, error)
            & (result.GetValue(s_html) is not { } page || ReportFile.TryWrite(page, BenchPage.Write(all), error));
        bool good = written && broken is null && done.TrueForAll(r => r.Problem is null);
        return good ? ExitCode.Ok : ExitCode.Failure;
    }

    private static string Line(string scenario, int number, int runs, BenchRunReport report)
    {
        var line = new StringBuilder();
        line.Append(CultureInfo.InvariantCulture, $"{scenario} {number} of {runs}: accepted {report.AcceptedPerSecond:F0}/s");
        Add(" at the sink", report.RelayedPerSecond, "F0", "/s");
        Add(" CPU", report.CpuMsPerThousand, "F1", " ms for 1,000");
        Add(" own memory", report.AnonPeakKiB / 1024.0, "F1", " MiB");
        Add(" start", report.StartMs, "F0", " ms");
        return line.Append(report.Problem is null ? "" : ", PROBLEM: " + report.Problem).ToString();

        void Add(string name, double? value, string format, string unit)
        {
            if (value is { } known)
            {
                line.Append(',').Append(name).Append(' ').Append(known.ToString(format, CultureInfo.InvariantCulture)).Append(unit);
            }
        }
    }
}
