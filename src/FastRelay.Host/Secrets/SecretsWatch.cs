using System.Security.Cryptography;
using FastRelay.Config;
using FastRelay.Outside;
using FastRelay.Receive;
using FastRelay.Routing;

namespace FastRelay.Host.Secrets;

/// <summary>
/// Looks every now and then whether the files with certificates, ours to clients and to next hops, users and the admin's token have changed, and puts what they
/// hold in force. A file that is wrong, or half written, changes nothing: it is named in the log once and looked at again.
/// </summary>
public sealed class SecretsWatch : IDisposable
{
    /// <summary>Octets of a file whose content is compared; of a larger one it is time and size.</summary>
    public const int DigestedBytesMax = 1 << 20;

    private RelayConfig _config;
    private readonly Relay _relay;
    private readonly Timer _timer;
    private readonly Lock _lock = new();
    private string _seen;
    private string _complaint = "";
    private string _tokenSeen;
    private string _tokenComplaint = "";

    /// <summary>Begins to look.</summary>
    /// <param name="config">In force; names the files.</param>
    /// <param name="seen">Their <see cref="Fingerprint"/> from before they were read.</param>
    /// <param name="relay">Is told.</param>
    /// <param name="every">How often.</param>
    public SecretsWatch(RelayConfig config, string seen, Relay relay, TimeSpan every)
    {
        _config = config;
        _relay = relay;
        _seen = seen;
        _tokenSeen = TokenFingerprint();
        _timer = new Timer(_ => Look(), null, every, every);
    }

    /// <summary>Told the admin's token when its file holds another one.</summary>
    public Action<string>? TokenRenewed { get; set; }

    /// <summary>Another configuration is in force.</summary>
    /// <param name="config">Names the files.</param>
    /// <param name="seen">Their <see cref="Fingerprint"/> from before they were read.</param>
    public void Use(RelayConfig config, string seen)
    {
        lock (_lock)
        {
            _config = config;
            _seen = seen;
            _complaint = "";
            LookAtToken();
        }
    }

    /// <summary>Looks now.</summary>
    public void Look()
    {
        lock (_lock)
        {
            LookAtToken();
            string now = Fingerprint(_config);
            if (now == _seen)
            {
                return;
            }
            if (Load(out ServerTls? tls, out UserTable? users, out Dictionary<string, ClientCertificate>? certificates) is { } problem)
            {
                if (problem != _complaint)
                {
                    _relay.Log.Warn("renewal_failed"u8).Add("error"u8, problem).Write();
                }
                _complaint = problem;
                return;
            }
            _seen = now;
            _complaint = "";
            _relay.Renew(_config, tls, users, certificates);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _timer.Dispose();

    /// <summary>
    /// What the files are and hold. Taken before they are read: what changes meanwhile is looked at again. Time and size alone would
    /// miss a secret of the same length that is put there in the same tick, or with the time of the one before (cp -p, rsync -t).
    /// Of a link it is what it leads to: Kubernetes mounts a secret behind links, and renews it by moving one of them.
    /// </summary>
    public static string Fingerprint(RelayConfig config) => string.Join('|', config.Tls.Pairs.Concat(config.ClientPairs).SelectMany(static pair => (string[])[pair.Certificate, pair.Key]).Append(config.UsersFile).OfType<string>().Select(Seen));

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

    // A variable of the environment is what it was when we were started.
    private string TokenFingerprint() => _config.AdminTokenFile is { } path && SecretPlace.VariableOf(path) is null ? Seen(path) : "";

    // By itself: a certificate that is wrong keeps no operator out.
    private void LookAtToken()
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

    private string? Load(out ServerTls? tls, out UserTable? users, out Dictionary<string, ClientCertificate>? certificates)
    {
        tls = null;
        users = null;
        certificates = null;
        try
        {
            tls = TlsFiles.Server(_config.Tls, asks: _config.RelayCertificates.Count > 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            return $"tls: {e.Message}";
        }
        return TlsFiles.TryClients(_config, out certificates, out string problem) && UserFile.TryLoad(_config, out users, out problem) ? null : problem;
    }
}
