using System.Security.Cryptography;
using FastRelay.Config;
using FastRelay.Outside;
using FastRelay.Receive;

namespace FastRelay.Host.Secrets;

/// <summary>
/// Looks every now and then whether the files with certificates and users have changed, and puts what they hold in
/// force. A file that is wrong, or half written, changes nothing: it is named in the log once and looked at again.
/// </summary>
public sealed class SecretsWatch : IDisposable
{
    private RelayConfig _config;
    private readonly Relay _relay;
    private readonly Timer _timer;
    private readonly Lock _lock = new();
    private string _seen;
    private string _complaint = "";

    /// <summary>Begins to look.</summary>
    /// <param name="config">Names the files.</param>
    /// <param name="relay">Is told.</param>
    /// <param name="every">How often.</param>
    public SecretsWatch(RelayConfig config, Relay relay, TimeSpan every)
    {
        _config = config;
        _relay = relay;
        _seen = Fingerprint();
        _timer = new Timer(_ => Look(always: false), null, every, every);
    }

    /// <summary>Another configuration is in force, with what its files hold now.</summary>
    public void Use(RelayConfig config)
    {
        lock (_lock)
        {
            _config = config;
            _seen = Fingerprint();
            _complaint = "";
        }
    }

    /// <summary>Looks now.</summary>
    /// <param name="always">Read the files though they look unchanged.</param>
    public void Look(bool always)
    {
        lock (_lock)
        {
            string now = Fingerprint();
            if (!always && now == _seen)
            {
                return;
            }
            if (Load(out ServerTls? tls, out UserTable? users) is { } problem)
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
            _relay.Renew(tls, users);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _timer.Dispose();

    private string? Load(out ServerTls? tls, out UserTable? users)
    {
        tls = null;
        users = null;
        try
        {
            tls = TlsFiles.Server(_config.Tls, asks: _config.RelayCertificates.Count > 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            return $"tls: {e.Message}";
        }
        if (_config.UsersFile is { } path)
        {
            users = UserFile.Load(path, out string problem);
            return users is null ? problem : null;
        }
        return null;
    }

    private string Fingerprint() => string.Join('|', _config.Tls.Pairs.SelectMany(static pair => (string[])[pair.Certificate, pair.Key]).Append(_config.UsersFile).OfType<string>().Select(path =>
    {
        var info = new FileInfo(path);
        return info.Exists ? $"{info.LastWriteTimeUtc.Ticks} {info.Length}" : "none";
    }));
}
