namespace FastRelay.Routing;

/// <summary>What a delivery asks of TLS (RFC 3207).</summary>
public enum TlsPolicy : byte
{
    /// <summary>STARTTLS is never used.</summary>
    None,

    /// <summary>Used when offered, never verified; a failed handshake is redialled in clear.</summary>
    Opportunistic,

    /// <summary>Must be used, not verified; without it the delivery is deferred.</summary>
    Required,

    /// <summary>Must be used, with a certificate that verifies for the host's name; otherwise deferred.</summary>
    Verified,

    /// <summary>As <see cref="Verified"/>, from the first octet (RFC 8314 3.3), usually on port 465.</summary>
    Implicit,
}
