using System.Net.Security;

namespace FastRelay.Outside;

/// <summary>
/// What a server shows of itself in handshakes: one certificate for clients that name nobody or somebody unknown, others
/// by the name that a client asks for (SNI, RFC 6066 3). Read-only; replaced as a whole when files change.
/// </summary>
public sealed class ServerTls
{
    private readonly Dictionary<string, SslServerAuthenticationOptions> _byName;

    /// <summary>Makes it.</summary>
    /// <param name="usual">The default.</param>
    /// <param name="byName">Others by name in A-labels: <c>mail.example.net</c>, or <c>*.example.net</c> for one label in place of the asterisk (RFC 9525 6.3).</param>
    public ServerTls(SslServerAuthenticationOptions usual, IEnumerable<KeyValuePair<string, SslServerAuthenticationOptions>>? byName = null)
    {
        Usual = usual;
        _byName = new Dictionary<string, SslServerAuthenticationOptions>(StringComparer.OrdinalIgnoreCase);
        foreach ((string name, SslServerAuthenticationOptions options) in byName ?? [])
        {
            // The first that has a name keeps it.
            _byName.TryAdd(name, options);
        }
    }

    /// <summary>For clients that name nobody, or somebody unknown.</summary>
    public SslServerAuthenticationOptions Usual { get; }

    /// <summary>True when the name that a client asks for may matter.</summary>
    public bool ByName => _byName.Count > 0;

    /// <summary>For a client that asks for a name: the exact one, else the wildcard one level up, else the default.</summary>
    public SslServerAuthenticationOptions For(string name)
    {
        if (_byName.TryGetValue(name, out SslServerAuthenticationOptions? exact))
        {
            return exact;
        }
        int dot = name.IndexOf('.', StringComparison.Ordinal);
        return dot > 0 && dot < 64 && _byName.TryGetValue("*" + name[dot..], out SslServerAuthenticationOptions? wild) ? wild : Usual;
    }
}
