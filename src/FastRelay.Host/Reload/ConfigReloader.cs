using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using FastRelay.Config;
using FastRelay.Host.Admin;
using FastRelay.Host.Commands;
using FastRelay.Host.Secrets;
using FastRelay.Host.Systemd;
using FastRelay.Outside;
using FastRelay.Outside.Linux;
using FastRelay.Receive;
using FastRelay.Routing;

namespace FastRelay.Host.Reload;

/// <summary>
/// Reads the configuration of a running relay again, wholly and as <c>check</c> does, and puts it in force on the loop. One
/// that is wrong, or cannot be read in time, changes nothing. One at a time; any thread but the loop's.
/// </summary>
/// <param name="path">The file that <c>serve</c> was given; null when there was none.</param>
/// <param name="files">Open files that the system allows.</param>
/// <param name="relay">Running.</param>
/// <param name="secrets">Told which files count now.</param>
/// <param name="notifier">Tells the service manager.</param>
public sealed class ConfigReloader(string? path, long files, Relay relay, SecretsWatch secrets, ServiceNotifier notifier) : IDisposable
{
    /// <summary>Readings that files without an end may hold up at the same time: each keeps a thread.</summary>
    public const int StuckMax = 4;

    private readonly SemaphoreSlim _one = new(1, 1);
    private volatile RelayConfig _running = relay.Config;
    private int _stuck;

    /// <summary>How long the files may take to be read.</summary>
    internal TimeSpan ReadPatience { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long the loop may take to begin.</summary>
    internal TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Opened anew with each reload, also one that fails: logs are rotated by SIGHUP.</summary>
    internal AppendFile? Reopens { get; init; }

    /// <summary>What is in force, as TOML.</summary>
    public string Effective => EffectiveConfig.Write(_running);

    /// <summary>Reads and changes.</summary>
    /// <exception cref="AdminException">Nothing was changed: every error of the file, one a line.</exception>
    /// <exception cref="TimeoutException">The relay stops, or is very busy.</exception>
    public async Task<ReloadView> ReloadAsync()
    {
        Reopens?.Reopen();
        if (!await _one.WaitAsync(2 * (ReadPatience + Patience)))
        {
            const string Busy = "another reload is still under way";
            relay.Log.Error("reload_failed"u8).Add("error"u8, Busy).Write();
            throw new AdminException(Busy);
        }
        string status = "not reloaded, goes on as before";
        notifier.Reloading();
        try
        {
            ReloadView done = await ReadAndChangeAsync();
            status = "reloaded";
            foreach (ConfigChange change in done.Changed)
            {
                relay.Log.Line("config"u8).Add("key"u8, change.Key).Add("before"u8, change.Before ?? "").Add("after"u8, change.After ?? "").Write();
            }
            foreach (string note in done.Notes)
            {
                relay.Log.Warn("reload"u8).Add("note"u8, note).Write();
            }
            return done;
        }
        catch (Exception e)
        {
            status += ": " + e.Message.Split('\n')[0];
            foreach (string line in e.Message.Split('\n'))
            {
                relay.Log.Error("reload_failed"u8).Add("error"u8, line).Write();
            }
            if (e is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
            {
                throw new AdminException($"{path}: a file cannot be read, or changed while it was read: {e.Message}");
            }
            throw;
        }
        finally
        {
            notifier.Ready(status);
            _one.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _one.Dispose();

    private async Task<ReloadView> ReadAndChangeAsync()
    {
        Reading read = await ReadInTimeAsync();
        long kept = await ChangeAsync(read);
        if (kept > 0)
        {
            read.Notes.Add($"{kept} queued deliveries have a route that is not in the table any more: they keep it until a restart");
        }
        IReadOnlyList<ConfigChange> changed = ConfigReload.Compare(read.Before, read.After);
        if (changed.Any(static change => change.Key == "queue.expire"))
        {
            read.Notes.Add("queue.expire: mail that is queued expires as it was to when it came; a restart reckons anew");
        }
        return new ReloadView(changed, read.Restart, read.Notes);
    }

    // On a thread of its own, which a disk that does not answer may keep. What it reads too late is dropped.
    private async Task<Reading> ReadInTimeAsync()
    {
        if (Volatile.Read(ref _stuck) >= StuckMax)
        {
            throw new AdminException($"{path}: {StuckMax} reloads before this one still wait for their files: only a restart reads them now");
        }
        var mark = new PlainFile.Bookmark();
        Task<Reading> reading = Task.Factory.StartNew(() => PlainFile.Noting(mark, Read), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        try
        {
            return await reading.WaitAsync(ReadPatience);
        }
        catch (TimeoutException)
        {
            if (reading.IsCompleted)
            {
                // In the last moment.
                return await reading;
            }
            Interlocked.Increment(ref _stuck);
            _ = reading.ContinueWith(_ => Interlocked.Decrement(ref _stuck), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            throw new AdminException(string.Create(CultureInfo.InvariantCulture, $"{mark.Path}: could not be read within {ReadPatience.TotalSeconds} s"));
        }
    }

    private Reading Read()
    {
        if (path is null)
        {
            throw new AdminException("this relay was started without a configuration file: there is nothing to read again");
        }
        ConfigResult read = ConfigFile.Read(path);
        if (read.Config is not { } wanted)
        {
            throw new AdminException(string.Join('\n', read.Errors));
        }
        ThrowOn(ConfigFiles.Problems(wanted, path));
        var notes = new List<string>(read.Warnings.Select(static warning => warning.ToString()));
        RelayConfig next = FileLimit.Fit(ConfigReload.Merge(_running, wanted), files, out string? lowered, out string? tooFew);
        if (tooFew is not null)
        {
            throw new AdminException($"{path}: {tooFew}");
        }
        if (lowered is not null)
        {
            notes.Add(lowered);
        }
        // What it keeps may name files that are gone. The admin's token is not read again.
        ThrowOn(ConfigFiles.Problems(next with { AdminTokenFile = null }, path));
        string after = EffectiveConfig.Write(next);
        notes.AddRange(ConfigFiles.Warnings(next));
        string seen = SecretsWatch.Fingerprint(next);
        ServerTls? tls = TlsFiles.Server(next.Tls, asks: next.RelayCertificates.Count > 0);
        X509Certificate2Collection? authorities = TlsFiles.Authorities(next.Tls);
        if (!TlsFiles.TryClients(next, out Dictionary<string, ClientCertificate> certificates, out string problem) || !UserFile.TryLoad(next, out UserTable? users, out problem))
        {
            throw new AdminException($"{path}: {problem}");
        }
        // Files are read here: on the loop nothing may wait for a disk.
        var logins = new Dictionary<RouteConfig, Credentials?>();
        foreach (RouteConfig route in next.Routes.Where(static route => route.User is not null))
        {
            logins[route] = PasswordFile.Load(route, out _);
        }
        return new Reading(next, notes, Effective, after, seen, tls, authorities, users, certificates, logins)
        {
            Terms = CertificateTerm.All(next),
            Restart = ConfigReload.Compare(after, EffectiveConfig.Write(FileLimit.Fit(wanted, files, out _, out _))),
        };
    }

    private async Task<long> ChangeAsync(Reading read)
    {
        RouteTable before = await AdminRequest<RouteTable>.AskAsync(relay.World.Loop, () => ValueTask.FromResult(relay.Router.Table), Patience);
        if (Relay.Routes(read.Next, read.Logins.GetValueOrDefault, read.Certificates, before, out RouteTable? routes) is { } wrong)
        {
            throw new AdminException(wrong);
        }
        long kept = await AdminRequest<long>.AskAsync(relay.World.Loop, () => relay.ReloadAsync(read.Next, routes!, read.Tls, read.Authorities, read.Users), Patience, finishes: true);
        if (kept < 0)
        {
            throw new AdminException("the relay stops");
        }
        _running = read.Next;
        secrets.Use(read.Next, read.Seen, read.Terms);
        return kept;
    }

    /// <summary>All that a reload has read, checked.</summary>
    private sealed record Reading(
        RelayConfig Next,
        List<string> Notes,
        string Before,
        string After,
        string Seen,
        ServerTls? Tls,
        X509Certificate2Collection? Authorities,
        UserTable? Users,
        Dictionary<string, ClientCertificate> Certificates,
        Dictionary<RouteConfig, Credentials?> Logins)
    {
        public required IReadOnlyList<CertificateTerm> Terms { get; init; }

        public required IReadOnlyList<ConfigChange> Restart { get; init; }
    }

    private static void ThrowOn(IEnumerable<string> problems)
    {
        string text = string.Join('\n', problems);
        if (text.Length > 0)
        {
            throw new AdminException(text);
        }
    }
}
