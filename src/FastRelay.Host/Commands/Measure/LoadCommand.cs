using System.CommandLine;
using System.Net;
using System.Text.Json;
using FastRelay.Load;
using FastRelay.Outside;
using FastRelay.Outside.Linux;

namespace FastRelay.Host.Commands;

/// <summary><c>fastrelay load</c>: sends mail to a server and measures it.</summary>
internal static class LoadCommand
{
    private static readonly Argument<string> s_target = new("target") { Description = "Host and port of the server; port 25 unless given. A name is looked up once, before the run: connections take its IPv4 addresses in turn, its IPv6 ones where there are no others or --source is IPv6", HelpName = "HOST[:PORT]" };
    private static readonly Option<long?> s_messages = new("--messages", "-m") { Description = "Messages in all; default 1000 unless --duration is given", HelpName = "N" };
    private static readonly Option<string?> s_duration = new("--duration", "-d") { Description = "Start no message after this long, as in 30s", HelpName = "TIME" };
    private static readonly Option<int> s_sessions = new("--sessions", "-s") { Description = "Connections at once; with --rate the most there may be", HelpName = "N", DefaultValueFactory = _ => 64 };
    private static readonly Option<long> s_perSession = new("--per-session") { Description = "Messages of a connection before QUIT; 0 for all", HelpName = "N" };
    private static readonly Option<double> s_rate = new("--rate", "-r") { Description = "Open loop: messages offered a second, however the server answers; latencies count from the intended start", HelpName = "N" };
    private static readonly Option<bool> s_poisson = new("--poisson") { Description = "With --rate: random arrivals instead of even ones" };
    private static readonly Option<string?> s_hold = new("--hold") { Description = "Send nothing: open the sessions, hold them idle this long, ask each NOOP", HelpName = "TIME" };
    private static readonly Option<string[]> s_source = new("--source") { Description = "Source address or network, as in 127.0.1.0/24; its addresses are taken in turn", HelpName = "ADDRESS[/BITS]" };
    private static readonly Option<string> s_from = new("--from", "-f") { Description = "Reverse-path", HelpName = "ADDRESS", DefaultValueFactory = _ => "source@load.test" };
    private static readonly Option<string[]> s_to = new("--to", "-t") { Description = "Recipient; several are taken in turn. {} becomes a number below --spread", HelpName = "ADDRESS", DefaultValueFactory = _ => ["user@sink.test"] };
    private static readonly Option<int> s_spread = new("--spread") { Description = "How many different recipients {} in --to makes", HelpName = "N", DefaultValueFactory = _ => 1 };
    private static readonly Option<int> s_recipients = new("--recipients") { Description = "Recipients of each message", HelpName = "N", DefaultValueFactory = _ => 1 };
    private static readonly Option<string> s_size = new("--size") { Description = "Size of messages: 4KiB, a range 1KiB-100KiB, or a mix with weights 2KiB:70,50KiB:25,5MiB:5", HelpName = "SIZE", DefaultValueFactory = _ => "4KiB" };
    private static readonly Option<string[]> s_eml = new("--eml") { Description = "Real messages instead: files, or folders of *.eml", HelpName = "PATH" };
    private static readonly Option<bool> s_noPipelining = new("--no-pipelining") { Description = "One command at a time" };
    private static readonly Option<string> s_tls = LoadText.Choice("--tls", "none", "starttls", "implicit");
    private static readonly Option<bool> s_verify = new("--verify") { Description = "With --tls: refuse a certificate that is not valid for the host as it was given, name or address, by the system's authorities or those of SSL_CERT_FILE" };
    private static readonly Option<string?> s_auth = new("--auth") { Description = "User for AUTH PLAIN; the password is taken from FASTRELAY_LOAD_PASSWORD", HelpName = "USER" };
    private static readonly Option<string> s_timeout = new("--timeout") { Description = "Wait for any reply", HelpName = "TIME", DefaultValueFactory = _ => "5m" };
    private static readonly Option<int> s_seed = new("--seed") { Description = "Draws sizes and arrivals the same way each time", HelpName = "N", DefaultValueFactory = _ => 1 };

    /// <summary>The command.</summary>
    public static Command Build()
    {
        var command = new TaughtCommand(
            "load",
            "Sends mail to a server and measures it. Prints a report as JSON; exit code 0 when everything was accepted, 1 when anything was refused or lost or a signal ended it early, 2 for wrong usage.",
            "fastrelay load 127.0.0.1:2525 -m 100000                     # closed loop, 64 sessions, 4 KiB",
            "fastrelay load 127.0.0.1:2525 -r 500 -d 60s -s 1000         # open loop: 500 messages a second for a minute",
            "fastrelay load 127.0.0.1:2525 -s 19000 --hold 30s --source 127.0.1.0/24",
            "fastrelay load 127.0.0.1:2525 --tls starttls --size 1KiB-1MiB --json report.json",
            "fastrelay load mx.example.com:25 -m 100 --tls starttls --verify   # a host by its name, and a certificate for it");
        command.Arguments.Add(s_target);
        foreach (Option option in (ReadOnlySpan<Option>)[
            s_messages, s_duration, s_sessions, s_perSession, s_rate, s_poisson, s_hold, s_source, s_from, s_to, s_spread, s_recipients,
            s_size, s_eml, s_noPipelining, s_tls, s_verify, s_auth, s_timeout, s_seed])
        {
            command.Options.Add(option);
        }
        LoadOutput.AddTo(command);
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult result)
    {
        TextWriter error = result.InvocationConfiguration.Error;
        LoadTarget target;
        LoadOptions options;
        LoadOutput output;
        try
        {
            target = LoadTarget.Parse("", result.GetValue(s_target)!);
            options = Options(result, target);
            output = new LoadOutput(result);
        }
        catch (LoadUsageException e)
        {
            error.WriteLine($"fastrelay: {e.Message}");
            error.WriteLine("try: fastrelay load --help");
            return ExitCode.Usage;
        }
        if (options.TlsOptions is not null)
        {
            TrustStore.Prepare();
        }
        long files = FileLimit.Raise();
        if (options.Sessions + 16 > files)
        {
            error.WriteLine($"fastrelay: {options.Sessions} sessions need more than the {files} open files that the system allows (ulimit -Hn)");
            return ExitCode.Usage;
        }
        Check.OnFatal = message => error.WriteLine($"fastrelay: {message}");
        World world = LinuxWorld.Create(new LinuxOptions());
        try
        {
            IReadOnlyList<IPEndPoint> targets = target.Resolve(world, options.Sources.Count > 0 ? options.Sources[0].AddressFamily : null, out string problem);
            if (targets.Count == 0)
            {
                error.WriteLine($"fastrelay: {problem}");
                return ExitCode.Failure;
            }
            return Measure(output, world, options with { Targets = targets }, error);
        }
        finally
        {
            LinuxWorld.Dispose(world);
        }
    }

    private static int Measure(LoadOutput output, World world, LoadOptions options, TextWriter error)
    {
        var run = new LoadRun(world, options, world.Loop.Stop);
        var sampler = new Sampler(world.Loop, output.IntervalMs, run.Counters.Recent, () => new LoadSums(
            run.Counters.Accepted, run.Counters.Refused, run.Counters.Lost, run.Counters.Sessions));
        run.Start();
        output.Run(world, sampler, () => LoadScreen.Draw(run, sampler), count =>
        {
            if (count == 1)
            {
                run.StopEarly();
            }
            else
            {
                run.Abort();
            }
        });
        sampler.Finish();
        LoadReport report = LoadReport.Of(run, sampler, Versions.Product);
        bool written = output.Write(JsonSerializer.Serialize(report, LoadJson.Default.LoadReport));
        if (report.Problem is not null)
        {
            error.WriteLine($"fastrelay: {report.Problem}");
        }
        if (report.Bottleneck is not null)
        {
            error.WriteLine($"warning: {report.Bottleneck}");
        }
        return report.IsClean && written ? ExitCode.Ok : ExitCode.Failure;
    }

    /// <summary>All but the addresses of the target.</summary>
    private static LoadOptions Options(ParseResult result, LoadTarget target)
    {
        long duration = LoadText.Duration("--duration", result.GetValue(s_duration));
        long hold = LoadText.Duration("--hold", result.GetValue(s_hold));
        long messages = result.GetValue(s_messages) is { } given ? LoadText.AtLeast("--messages", given, 1) : duration > 0 || hold > 0 ? 0 : 1000;
        double rate = result.GetValue(s_rate);
        if (rate is < 0 or > 1_000_000 || double.IsNaN(rate))
        {
            throw new LoadUsageException("--rate must be 0 to 1000000");
        }
        if (result.GetValue(s_poisson) && rate == 0)
        {
            throw new LoadUsageException("--poisson draws the arrivals of an open loop: give it a --rate");
        }
        if (hold > 0 && rate > 0)
        {
            throw new LoadUsageException("--hold sends nothing: it cannot have a --rate");
        }
        LoadTls tls = result.GetValue(s_tls) switch { "starttls" => LoadTls.StartTls, "implicit" => LoadTls.Implicit, _ => LoadTls.None };
        var options = new LoadOptions
        {
            Targets = [],
            Name = target.Address is null ? target.ToString() : null,
            Messages = messages,
            DurationMs = hold > 0 && duration == 0 ? 60_000 : duration,
            Sessions = (int)LoadText.AtLeast("--sessions", result.GetValue(s_sessions), 1),
            MessagesPerSession = LoadText.AtLeast("--per-session", result.GetValue(s_perSession), 0),
            Rate = rate,
            Poisson = result.GetValue(s_poisson),
            HoldMs = hold,
            Sources = LoadText.Sources(result.GetValue(s_source) ?? []),
            From = LoadText.Mailbox("--from", result.GetValue(s_from)!),
            To = LoadText.Recipients(result.GetValue(s_to)!, (int)LoadText.Within("--spread", result.GetValue(s_spread), 1, LoadText.RecipientsMax)),
            Recipients = (int)LoadText.Within("--recipients", result.GetValue(s_recipients), 1, LoadText.RecipientsMax),
            Sizes = LoadText.Sizes(result.GetValue(s_size)!),
            Files = LoadText.Files(result.GetValue(s_eml) ?? []),
            Pipelining = !result.GetValue(s_noPipelining),
            Tls = tls,
            TlsOptions = tls == LoadTls.None ? null : LoadText.Tls(target.Host, result.GetValue(s_verify)),
            AuthPlain = result.GetValue(s_auth) is { } user ? LoadText.AuthPlain(user, Environment.GetEnvironmentVariable("FASTRELAY_LOAD_PASSWORD")) : null,
            ReplyTimeoutMs = (int)LoadText.Duration("--timeout", result.GetValue(s_timeout)),
            Seed = result.GetValue(s_seed),
        };
        return options;
    }
}
