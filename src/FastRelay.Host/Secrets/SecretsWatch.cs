using System.Security.Cryptography;
using FastRelay.Config;
using FastRelay.Outside;
using FastRelay.Receive;
using FastRelay.Routing;

namespace FastRelay.Host.Secrets;

/// <summary>
/// Looks every now and then whether the files with certificates, ours to clients and to next hops, users and the admin's token have changed, and puts what they
/// hold in force. A file that is wrong, or half written, changes nothing: it is named in the log once and looked at again. It keeps none of another
/// kind waiting: a partner's certificate that is wrong leaves no removed user in.
/// </summary>
public sealed class SecretsWatch : IDisposable
{
    /// <summary>Octets of a file whose content is compared; of a larger one it is time and size.</summary>
    public const int DigestedBytesMax = 1 << 20;

    /// <summary>The listeners' certificates, ours to next hops, and users, in the order of a fingerprint; no path holds what stands between them.</summary>
    private const int Kinds = 3;

    private const char BetweenKinds = '\0';

    private volatile RelayConfig _config;
    private readonly Relay _relay;
    private readonly Timer _timer;
    private readonly TimeProvider _time;
    // Nobody reads a file under the first, which a reload takes: a disk that does not answer keeps a look waiting, and no more.
    private readonly Lock _lock = new();
    private readonly Lock _tokenLock = new();
    private int _looking;
    private string _seen;
    private readonly string[] _complaints = new string[Kinds];
    private string _tokenSeen;
    private string _tokenComplaint = "";
    private volatile IReadOnlyList<CertificateTerm> _terms;
    private DateTimeOffset _told;

    /// <summary>Begins to look.</summary>
    /// <param name="config">In force; names the files.</param>
    /// <param name="seen">Their <see cref="Fingerprint"/> from before they were read.</param>
    /// <param name="relay">Is told.</param>
    /// <param name="every">How often.</param>
    /// <param name="time">Says whether a certificate has ended; the relay's unless given.</param>
    public SecretsWatch(RelayConfig config, string seen, Relay relay, TimeSpan every, TimeProvider? time = null)
    {
        _config = config;
        _relay = relay;
        _seen = seen;
        _tokenSeen = TokenFingerprint();
        _terms = CertificateTerm.All(config);
        // Whoever started us has said what is to be said of them today.
        _time = time ?? relay.World.Time;
        _told = _time.GetUtcNow();
        _timer = new Timer(_ => Look(), null, every, every);
    }

    /// <summary>From when to when the certificates in force hold, the first to end first. Any thread.</summary>
    public IReadOnlyList<CertificateTerm> Terms => _terms;

    /// <summary>Told the admin's token when its file holds another one.</summary>
    public Action<string>? TokenRenewed { get; set; }

    /// <summary>Another configuration is in force.</summary>
    /// <param name="config">Names the files.</param>
    /// <param name="seen">Their <see cref="Fingerprint"/> from before they were read.</param>
    /// <param name="terms">Of their certificates.</param>
    public void Use(RelayConfig config, string seen, IReadOnlyList<CertificateTerm> terms)
    {
        lock (_lock)
        {
            _config = config;
            _seen = seen;
            _terms = terms;
            Array.Clear(_complaints);
        }
        _ = Task.Run(LookAtToken);
    }

    /// <summary>Looks now, unless a look is under way.</summary>
    public void Look()
    {
        if (Interlocked.Exchange(ref _looking, 1) != 0)
        {
            return;
        }
        try
        {
            LookAtToken();
            LookAtFiles();
        }
        finally
        {
            Volatile.Write(ref _looking, 0);
        }
    }

    // A relay may run for longer than a certificate: what ends is told every day, and of what was just renewed at once.
    private void TellTerms(RelayConfig config, bool renewed)
    {
        DateTimeOffset now = _time.GetUtcNow();
        if (!renewed && now - _told < TimeSpan.FromDays(1))
        {
            return;
        }
        _told = now;
        IReadOnlyList<CertificateTerm> terms = CertificateTerm.All(config);
        lock (_lock)
        {
            if (!ReferenceEquals(config, _config))
            {
                // A reload was quicker, and has told.
                return;
            }
            _terms = terms;
        }
        foreach (string doubt in terms.Select(term => term.Doubt(now.UtcDateTime)).OfType<string>())
        {
            _relay.Log.Warn("config_warning"u8).Add("note"u8, doubt).Write();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _timer.Dispose();

    /// <summary>
    /// What the files are and hold. Taken before they are read: what changes meanwhile is looked at again. Time and size alone would
    /// miss a secret of the same length that is put there in the same tick, or with the time of the one before (cp -p, rsync -t).
    /// Of a link it is what it leads to: Kubernetes mounts a secret behind links, and renews it by moving one of them.
    /// </summary>
    public static string Fingerprint(RelayConfig config) => string.Join(BetweenKinds,
        SeenOf(config.Tls.Pairs), SeenOf(config.ClientPairs), config.UsersFile is { } users ? Seen(users) : "");

    private static string SeenOf(IEnumerable<KeyPairConfig> pairs) =>
        string.Join('|', pairs.SelectMany(static pair => (string[])[pair.Certificate, pair.Key]).Select(Seen));

    private static string Seen(string path)
    {
        try
        {
            var named = new FileInfo(path);
            var info = named.ResolveLinkTarget(returnFinalTarget: true) as FileInfo ?? named;
            return info.Exists ? $"{info.FullName} {info.LastWriteTimeUtc.Ticks} {info.Length} {DigestOf(info)}" : "none";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "none";
        }
    }

    // Nothing for what is no file of a secret's size: a pipe, which would be waited for, has no length.
    private static string DigestOf(FileInfo file)
    {
        if (file.Length is 0 or > DigestedBytesMax)
        {
            return "";
        }
        using FileStream content = file.OpenRead();
        return Convert.ToHexString(SHA256.HashData(content));
    }

    private void LookAtFiles()
    {
        RelayConfig config;
        string before;
        lock (_lock)
        {
            (config, before) = (_config, _seen);
        }
        string[] now = Fingerprint(config).Split(BetweenKinds);
        string[] seen = before.Split(BetweenKinds);
        ServerTls? tls = null;
        Dictionary<string, ClientCertificate>? certificates = null;
        UserTable? users = null;
        bool renews = Renews(0, () => LoadTls(config, out tls)) | Renews(1, LoadClients) | Renews(2, LoadUsers);
        lock (_lock)
        {
            if (ReferenceEquals(config, _config) && before == _seen)
            {
                _seen = string.Join(BetweenKinds, seen);
            }
        }
        if (renews)
        {
            // Of another configuration by now: then they are dropped there.
            _relay.Renew(config, tls, users, certificates);
        }
        TellTerms(config, renewed: tls is not null || certificates is not null);

        bool Renews(int kind, Func<string> load)
        {
            if (now[kind] == seen[kind])
            {
                return false;
            }
            string problem = load();
            if (problem.Length > 0 && problem != _complaints[kind])
            {
                _relay.Log.Warn("renewal_failed"u8).Add("error"u8, problem).Write();
            }
            _complaints[kind] = problem;
            seen[kind] = problem.Length > 0 ? seen[kind] : now[kind];
            return problem.Length == 0;
        }

        string LoadClients()
        {
            if (TlsFiles.TryClients(config, out Dictionary<string, ClientCertificate> all, out string problem))
            {
                certificates = all;
            }
            return problem;
        }

        string LoadUsers()
        {
            _ = UserFile.TryLoad(config, out users, out string problem);
            return problem;
        }
    }

    private static string LoadTls(RelayConfig config, out ServerTls? tls)
    {
        tls = null;
        try
        {
            tls = TlsFiles.Server(config.Tls, asks: config.RelayCertificates.Count > 0);
            return "";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            return $"tls: {e.Message}";
        }
    }

    // A variable of the environment is what it was when we were started.
    private string TokenFingerprint() => _config.AdminTokenFile is { } path && SecretPlace.VariableOf(path) is null ? Seen(path) : "";

    // By itself: a certificate that is wrong keeps no operator out.
    private void LookAtToken()
    {
        lock (_tokenLock)
        {
            string now = TokenFingerprint();
            if (now.Length == 0 || now == _tokenSeen)
            {
                return;
            }
            if (TokenFile.Load(_config.AdminTokenFile!, out string problem) is not { } token)
            {
                if (problem != _tokenComplaint)
                {
                    _relay.Log.Warn("renewal_failed"u8).Add("error"u8, problem).Write();
                }
                _tokenComplaint = problem;
                return;
            }
            _tokenSeen = now;
            _tokenComplaint = "";
            TokenRenewed?.Invoke(token);
            _relay.Log.Line("renewed"u8).Add("key"u8, "admin.token_file").Write();
        }
    }
}
