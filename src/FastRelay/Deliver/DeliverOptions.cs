using System.Net;
using System.Security.Cryptography.X509Certificates;
using FastRelay.Config;

namespace FastRelay.Deliver;

/// <summary>What the configuration says about delivering.</summary>
public sealed record DeliverOptions
{
    /// <summary>What EHLO says: our own domain, or an address literal.</summary>
    public required string HelloName { get; init; }

    /// <summary>The address that connections come from; null leaves it to the system.</summary>
    public IPAddress? Source { get; init; }

    /// <summary>The authorities that <see cref="Routing.TlsPolicy.Verified"/> trusts; null takes those of the system.</summary>
    public X509Certificate2Collection? Authorities { get; init; }

    /// <summary>What becomes of 8-bit content for a host without 8BITMIME where neither site nor route says.</summary>
    public EightBitMode EightBit { get; init; }

    /// <summary>How long a host whose handshake failed is sent to in clear by opportunistic TLS, ms.</summary>
    public long ClearAfterFailureMs { get; init; } = 3_600_000;
}
