using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using FastRelay.Routing;

namespace FastRelay.Deliver;

/// <summary>TLS of outgoing connections: when it is used, what is verified, and which hosts could not do it.</summary>
public sealed class ClientTls
{
    /// <summary>Hosts that are remembered at most; past it the oldest half is forgotten.</summary>
    private const int RememberedMax = 10_000;

    private readonly Dictionary<string, long> _clearUntil = new(StringComparer.Ordinal);

    /// <summary>Creates the rules.</summary>
    public ClientTls(DeliverOptions options) => Options = options;

    /// <summary>What new handshakes go by.</summary>
    public DeliverOptions Options { get; set; }

    /// <summary>When a connection to a host uses STARTTLS.</summary>
    public StartTlsUse UseFor(TlsPolicy policy, string host, long nowMs) => policy switch
    {
        TlsPolicy.None => StartTlsUse.Never,
        TlsPolicy.Implicit => StartTlsUse.Implicit,
        TlsPolicy.Opportunistic => IsClear(host, nowMs) ? StartTlsUse.Never : StartTlsUse.WhenOffered,
        _ => StartTlsUse.Always,
    };

    /// <summary>Remembers that a host's handshake failed.</summary>
    public void Remember(string host, long nowMs)
    {
        if (_clearUntil.Count >= RememberedMax)
        {
            long middle = nowMs + (Options.ClearAfterFailureMs / 2);
            foreach ((string name, long until) in _clearUntil)
            {
                if (until <= middle)
                {
                    _clearUntil.Remove(name);
                }
            }
            if (_clearUntil.Count >= RememberedMax)
            {
                _clearUntil.Clear();
            }
        }
        _clearUntil[host] = nowMs + Options.ClearAfterFailureMs;
    }

    /// <summary>For how long a host is still dialled in clear where TLS is opportunistic, ms; 0 when it is not.</summary>
    public long ClearForMs(string host, long nowMs) => Math.Max(0, _clearUntil.GetValueOrDefault(host) - nowMs);

    /// <summary>A host that was given clear text since its handshake failed asks for TLS: it gets a handshake again.</summary>
    public void Forget(string host) => _clearUntil.Remove(host);

    /// <summary>The options of one handshake. RFC 8996: nothing below TLS 1.2.</summary>
    /// <param name="policy">Only <see cref="TlsPolicy.Verified"/> and <see cref="TlsPolicy.Implicit"/> look at the certificate: chain and name.</param>
    /// <param name="host">The MX host's or the route's name; also sent as SNI.</param>
    /// <param name="certificate">Who we are if the host asks; null for nobody.</param>
    public SslClientAuthenticationOptions For(TlsPolicy policy, string host, ClientCertificate? certificate = null)
    {
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = host,
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            EncryptionPolicy = EncryptionPolicy.RequireEncryption,
            // Given whole, and not chosen by a callback: the runtime then files sessions under it, and one that was made with
            // it is resumed with no other and with none (docs/decisions/0018).
            ClientCertificateContext = certificate?.Context,
        };
        // A certificate may name an address to fetch its issuer from: whoever shows one must not make us ask there.
        options.CertificateChainPolicy = new X509ChainPolicy { RevocationMode = X509RevocationMode.NoCheck, DisableCertificateDownloads = true };
        if (Options.Authorities is { } authorities)
        {
            options.CertificateChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            options.CertificateChainPolicy.CustomTrustStore.AddRange(authorities);
        }
        if (policy is not (TlsPolicy.Verified or TlsPolicy.Implicit))
        {
            options.RemoteCertificateValidationCallback = AcceptAny;
        }
        return options;
    }

    // Encryption without verification resists listeners, not liars: any certificate is better than clear text.
    private static bool AcceptAny(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors) => certificate is not null;

    private bool IsClear(string host, long nowMs)
    {
        if (!_clearUntil.TryGetValue(host, out long until))
        {
            return false;
        }
        if (nowMs < until)
        {
            return true;
        }
        _clearUntil.Remove(host);
        return false;
    }
}
