using System.CommandLine;
using System.Net;
using System.Security.Cryptography;
using System.Text.Json;
using FastRelay.Config;
using FastRelay.Host.Secrets;
using FastRelay.Load;
using FastRelay.Outside;
using FastRelay.Outside.Linux;

namespace FastRelay.Host.Commands;

/// <summary><c>fastrelay sink</c>: takes mail and keeps none of it.</summary>
internal static class SinkCommand
{
    private static readonly Option<string[]> s_listen = new("--listen", "-l") { Description = "Address and port; may be given several times. Default 127.0.0.1:2600", HelpName = "ADDRESS:PORT" };
    private static readonly Option<int?> s_port = new("--port", "-p") { Description = "Port on 127.0.0.1; 0 for any", HelpName = "PORT" };
    private static readonly Option<bool> s_check = new("--check") { Description = "Verify what `fastrelay load` put into each message: body checksum, duplicates, time on the way" };
    private static readonly Option<long?> s_copies = new("--copies") { Description = "End when so many copies have come, one for each recipient of each message; without it only a signal ends it", HelpName = "N" };
    private static readonly Option<string?> s_scenario = new("--scenario") { Description = "TOML: rate caps, greylisting, errors, tarpits, stalls, early closes", HelpName = "FILE" };
    private static readonly Option<string?> s_certificate = new("--certificate") { Description = "PEM certificate: offers STARTTLS", HelpName = "FILE" };
    private static readonly Option<string?> s_key = new("--key") { Description = "Its private key, PEM", HelpName = "FILE" };
    private static readonly Option<bool> s_implicit = new("--implicit-tls") { Description = "TLS from the first octet" };
    private static readonly Option<int?> s_seed = new("--seed") { Description = "Draws the scenario's odds the same way each time; drawn itself unless given, and in the report", HelpName = "N" };

    /// <summary>The command.</summary>
    public static Command Build()
    {
        var command = new TaughtCommand(
            "sink",
            "Takes mail by SMTP and throws it away: counts, checks, and behaves like a real provider when a scenario says so. Ends on SIGINT or SIGTERM, or after --copies, with a summary as JSON on standard output; exit code 1 when anything was damaged or came twice, or a signal came before the copies.",
            "fastrelay sink --port 2600                        # takes everything",
            "fastrelay sink --port 2600 --check                # and verifies what `fastrelay load` sent",
            "fastrelay sink -l 127.0.0.2:25 -l 127.0.0.3:25 --scenario provider.toml");
        command.Options.Add(s_listen);
        command.Options.Add(s_port);
        command.Options.Add(s_check);
        command.Options.Add(s_copies);
        command.Options.Add(s_scenario);
        command.Options.Add(s_certificate);
        command.Options.Add(s_key);
        command.Options.Add(s_implicit);
        command.Options.Add(s_seed);
        LoadOutput.AddTo(command);
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult result)
    {
        TextWriter error = result.InvocationConfiguration.Error;
        SinkOptions? options;
        LoadOutput output;
        try
        {
            options = Options(result, error);
            output = new LoadOutput(result);
        }
        catch (LoadUsageException e)
        {
            error.WriteLine($"fastrelay: {e.Message}");
            error.WriteLine("try: fastrelay sink --help");
            return ExitCode.Usage;
        }
        if (options is null)
        {
            return ExitCode.Usage;
        }
        FileLimit.Raise();
        Check.OnFatal = message => error.WriteLine($"fastrelay: {message}");
        World world = LinuxWorld.Create(new LinuxOptions()) with { Random = new Random(options.Seed) };
        try
        {
            SinkServer? server = SinkServer.Start(world, options, out string problem);
            if (server is null)
            {
                error.WriteLine($"fastrelay: {problem}");
                return ExitCode.Failure;
            }
            error.WriteLine($"sink on {string.Join(", ", server.EndPoints)}");
            var sampler = new Sampler(world.Loop, output.IntervalMs, server.Counters.Recent, () => new LoadSums(
                server.Counters.Messages, server.Counters.MessagesRefused, server.Counters.Broken, server.Counters.Sessions));
            output.Run(world, sampler, () => LoadScreen.Draw(server, sampler), onSignal: _ => world.Loop.Stop());
            sampler.Finish();
            SinkReport report = SinkReport.Of(server, sampler, Versions.Product);
            bool written = output.Write(JsonSerializer.Serialize(report, LoadJson.Default.SinkReport));
            return written && report.IsComplete && report.Damaged == 0 && report.Duplicates == 0 ? ExitCode.Ok : ExitCode.Failure;
        }
        finally
        {
            LinuxWorld.Dispose(world);
        }
    }

    /// <summary>What it is told; null when the scenario's file is wrong, which has been said.</summary>
    /// <exception cref="LoadUsageException">Anything else is.</exception>
    private static SinkOptions? Options(ParseResult result, TextWriter error)
    {
        var listen = new List<IPEndPoint>();
        foreach (string text in result.GetValue(s_listen) ?? [])
        {
            if (!ConfigText.TryParseEndPoint(text, 2600, out IPEndPoint? endPoint))
            {
                throw new LoadUsageException($"--listen {text}: must be an address with a port, as in 127.0.0.1:2600");
            }
            listen.Add(endPoint!);
        }
        if (result.GetValue(s_port) is { } port)
        {
            listen.Add(new IPEndPoint(IPAddress.Loopback, LoadText.Port("--port", port)));
        }
        if (listen.Count == 0)
        {
            listen.Add(new IPEndPoint(IPAddress.Loopback, 2600));
        }
        string? certificate = result.GetValue(s_certificate);
        string? key = result.GetValue(s_key);
        if ((certificate is null) != (key is null) || (result.GetValue(s_implicit) && certificate is null))
        {
            throw new LoadUsageException("--certificate and --key belong together, and --implicit-tls needs them");
        }
        SinkScenario? scenario = result.GetValue(s_scenario) is { } path ? SinkScenarioFile.Load(path, error) : new SinkScenario();
        return scenario is null ? null : new SinkOptions
        {
            Listen = listen,
            Scenario = scenario,
            ScenarioName = result.GetValue(s_scenario),
            // Drawn when none is given, and in the report: what happened can be repeated.
            Seed = result.GetValue(s_seed) ?? Random.Shared.Next(),
            Check = result.GetValue(s_check),
            Copies = result.GetValue(s_copies) is { } copies ? LoadText.AtLeast("--copies", copies, 1) : null,
            Tls = Tls(certificate, key),
            ImplicitTls = result.GetValue(s_implicit),
        };
    }

    private static ServerTls? Tls(string? certificate, string? key)
    {
        try
        {
            return TlsFiles.Server(new TlsConfig { Certificate = certificate, Key = key }, asks: false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            throw new LoadUsageException($"--certificate {certificate}, --key {key}: {e.Message}");
        }
    }
}
