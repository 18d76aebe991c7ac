using System.CommandLine;
using System.Security.Cryptography.X509Certificates;
using FastRelay.Config;
using FastRelay.Host.Admin;
using FastRelay.Host.Reload;
using FastRelay.Host.Secrets;
using FastRelay.Host.Systemd;
using FastRelay.Observe;
using FastRelay.Outside;
using FastRelay.Outside.Linux;
using FastRelay.Receive;
using FastRelay.Routing;

namespace FastRelay.Host.Commands;

/// <summary><c>fastrelay serve</c>: runs the relay on this thread until a signal ends it.</summary>
public static class ServeCommand
{
    /// <summary>The admin's end is waited for so long, ms.</summary>
    private const int AdminMs = 2 * AdminServer.StopMs;

    /// <summary>The command.</summary>
    public static Command Build()
    {
        var command = new TaughtCommand(
            "serve",
            "Runs the relay. It says on one screen (standard error) what it does for whom, writes its log to standard output, and stops on SIGTERM or SIGINT once the replies that it owes or is owed are there.",
            "fastrelay serve                                # this host only, on 127.0.0.1:2525, spool in ./spool",
            "fastrelay serve --config /etc/fastrelay.toml",
            "fastrelay serve -c relay.toml > relay.log      # the log alone, without the start screen");
        Option<string?> config = ConfigFile.Option();
        command.Options.Add(config);
        command.SetAction(result => Run(result.GetValue(config), result.InvocationConfiguration.Error));
        return command;
    }

    private static int Run(string? path, TextWriter error)
    {
        // Before anything that may take long.
        using var signals = new ServeSignals();
        string? journal = Environment.GetEnvironmentVariable("JOURNAL_STREAM");
        error = LinuxOutput.LeadsTo(2, journal) ? new JournalText(error) : error;
        var warnings = new List<string>();
        RelayConfig? config = ConfigFile.Load(path, error, warnings);
        if (config is null)
        {
            return ExitCode.BadConfig;
        }
        // Before the first certificate is looked at.
        string? bundle = TrustStore.Prepare(config.Tls.Authorities);
        string[] problems = [.. ConfigFiles.Problems(config, path)];
        foreach (string problem in problems)
        {
            error.WriteLine(problem);
        }
        if (problems.Length > 0)
        {
            return ExitCode.BadConfig;
        }
        long files = FileLimit.Raise();
        config = FileLimit.Fit(config, files, out string? lowered, out string? tooFew);
        if (tooFew is not null)
        {
            error.WriteLine($"fastrelay: {tooFew}");
            return ExitCode.BadConfig;
        }
        warnings.AddRange(ConfigFiles.Warnings(config));
        if (lowered is not null)
        {
            warnings.Add(lowered);
        }
        IReadOnlyList<int> sockets = ActivationSockets.FromEnvironment();
        if (ActivationSockets.Problem(sockets, config) is { } unserved)
        {
            error.WriteLine($"fastrelay: {unserved}");
            return ExitCode.BadConfig;
        }
        Check.OnFatal = message => error.WriteLine($"fastrelay: {message}");
        World world = LinuxWorld.Create(new LinuxOptions { DnsServers = config.DnsServers, DnsTimeoutMs = config.Limits.DnsTimeoutMs, Listening = sockets, JournalStream = journal });
        try
        {
            return Serve(world, config, path, files, new StartScreen(config, files, bundle) { Warnings = warnings }, signals, error);
        }
        finally
        {
            LinuxWorld.Dispose(world);
        }
    }

    private static int Serve(World world, RelayConfig config, string? path, long files, StartScreen screen, ServeSignals signals, TextWriter error)
    {
        string seen = SecretsWatch.Fingerprint(config);
        ServerTls? tls = TlsFiles.Server(config.Tls, asks: config.RelayCertificates.Count > 0);
        X509Certificate2Collection? authorities = TlsFiles.Authorities(config.Tls);
        if (!TlsFiles.TryClients(config, out Dictionary<string, ClientCertificate> certificates, out string problem) || !UserFile.TryLoad(config, out UserTable? users, out problem))
        {
            error.WriteLine($"{path ?? "fastrelay"}: {problem}");
            return ExitCode.BadConfig;
        }
        string? token = null;
        if (config.AdminTokenFile is { } tokens && (token = TokenFile.Load(tokens, out problem)) is null)
        {
            // Read once, here: a file that is half written when the spool has been read must not leave the admin without a guard.
            error.WriteLine($"{path ?? "fastrelay"}: {problem}");
            return ExitCode.BadConfig;
        }
        AppendFile? events = null;
        Func<Relay, EventStream>? open = config.EventsFile is { } file ? relay => OpenEvents(file, relay, error, out events) : null;
        try
        {
            RelayStartResult started = Relay.Start(world, config, tls, authorities, users, static route => PasswordFile.Load(route, out _), certificates, open);
            if (started.Relay is { } relay)
            {
                return Run(world, relay, path, files, screen, signals, error, seen, token, events);
            }
            error.WriteLine($"fastrelay: {started.Error}");
            return ExitCode.Failure;
        }
        finally
        {
            events?.Dispose();
        }
    }

    private static int Run(World world, Relay relay, string? path, long files, StartScreen screen, ServeSignals signals, TextWriter error, string seen, string? token, AppendFile? events)
    {
        RelayConfig config = relay.Config;
        // The doors are open: everything below may take its time, nobody waits for it.
        string[] listening = [.. relay.Receiver.EndPoints.Select(e => e.ToString())];
        var source = new FigureSource(world, relay.Counters, relay.Queue, relay.Journal, relay.Router);
        using var secrets = new SecretsWatch(config, seen, relay, TimeSpan.FromSeconds(2));
        using ServiceNotifier notifier = ServiceNotifier.FromEnvironment();
        using var reloader = new ConfigReloader(path, files, relay, secrets, notifier) { Reopens = events };
        var desk = new RelayDesk(source, config, listening, reloader.ReloadAsync, () => reloader.Effective, relay.Log.Tracer) { ConfigPath = path is null ? null : Path.GetFullPath(path), Log = relay.Log, Terms = () => secrets.Terms };
        using AdminServer? admin = config is { AdminHttp: null, AdminSocket: null } ? null : new AdminServer(config.AdminHttp, config.AdminSocket, config.HostName, desk, token);
        secrets.TokenRenewed = renewed => admin?.Renew(renewed);
        Task open = admin is null ? Task.CompletedTask : Task.Run(() => OpenAdminAsync(admin, relay, error));
        Task? closing = null;
        relay.DoorsClosed = () => closing = CloseAdmin(admin, open);
        using ServeSignals until = signals.Attach(relay, desk, reloader, secrets, notifier);
        error.Write(screen.Write(relay, listening));
        Warn(relay, screen.Warnings);
        notifier.Ready($"{relay.Journal.Stats.Messages} messages queued, listening on {string.Join(", ", listening)}");
        new LoopWatchdog(world.Loop, notifier, LoopWatchdog.Interval(
            Environment.GetEnvironmentVariable("WATCHDOG_USEC"), Environment.GetEnvironmentVariable("WATCHDOG_PID"), Environment.ProcessId)).Start();
        try
        {
            world.Loop.Run();
        }
        catch (CheckFailedException e)
        {
            // Our own state is not what we thought: the journal knows better, and the next start reads it.
            error.WriteLine($"fastrelay: {e}");
            relay.Log.Error("fatal"u8).Add("error"u8, e.Message).Write();
            return ExitCode.Failure;
        }
        relay.Log.Events?.End();
        // Begun when the doors were closed, beside the relay's own end. Who asks then has no claim on the time of clients.
        (closing ?? CloseAdmin(admin, open)).Wait(AdminMs);
        return ExitCode.Ok;
    }

    private static Task CloseAdmin(AdminServer? admin, Task open) => admin is null ? Task.CompletedTask : Task.Run(async () =>
    {
        await open;
        await admin.StopAsync();
    });

    /// <summary>What the start screen has too: whoever starts it by a service manager reads the log.</summary>
    internal static void Warn(Relay relay, IEnumerable<string> warnings)
    {
        foreach (string warning in warnings)
        {
            relay.Log.Warn("config_warning"u8).Add("note"u8, warning).Write();
        }
    }

    private static EventStream OpenEvents(string path, Relay relay, TextWriter error, out AppendFile? file)
    {
        EventAge? age = path == "-" ? null : new EventAge(relay.World.Time, relay.Config.EventsAgeMs);
        file = age is null ? null : new AppendFile(path, Limits.EventBytes, age);
        if (file is { Errno: not 0 })
        {
            // Mail goes on: events wait, and the file is tried again until it opens.
            string problem = $"events.file {path}: {ErrnoText.Of(file.Errno)}";
            error.WriteLine($"warning: {problem}");
            relay.Log.Warn("events_failed"u8).Add("error"u8, problem).Write();
        }
        return new EventStream(file ?? relay.World.Output, relay.World.Time, relay.Counters, relay.Log, age);
    }

    private static async Task OpenAdminAsync(AdminServer admin, Relay relay, TextWriter error)
    {
        foreach (string problem in await admin.StartAsync())
        {
            // Mail goes on without its admin; an operator who misses it finds both lines.
            await error.WriteLineAsync($"warning: {problem}");
            relay.Log.Warn("admin_failed"u8).Add("error"u8, problem).Write();
        }
        if (admin.EndPoint is { } address)
        {
            relay.Log.Line("admin"u8).Add("http"u8, address).Write();
        }
        if (admin.SocketPath is { } socket)
        {
            relay.Log.Line("admin"u8).Add("socket"u8, socket).Write();
        }
    }
}
