using System.Net;

namespace FastRelay.Config;

/// <summary>One <c>[[listen]]</c>.</summary>
/// <param name="Address">Address and port; port 0 lets the system choose.</param>
/// <param name="Tls">What it offers.</param>
public sealed record ListenConfig(IPEndPoint Address, ListenTls Tls)
{
    /// <summary>
    /// A submission service (RFC 6409): where users are configured only they may send, and a missing Date or Message-ID
    /// is added.
    /// </summary>
    public bool Submission { get; init; }

    /// <summary>
    /// Connections begin with a PROXY header, and only proxies in these networks may send one; null where clients come by
    /// themselves.
    /// </summary>
    public IReadOnlyList<IPNetwork>? Proxies { get; init; }

    /// <summary>Content with a bare CR or LF is refused (550 5.6.11) and not repaired.</summary>
    public bool RefuseBareNewlines { get; init; }

    /// <summary>Whose mail it is that comes here from somebody who is no tenant by himself; empty for the default tenant.</summary>
    public string Tenant { get; init; } = "";

    /// <summary>Clients here that may relay to anybody name the tenant in the header of a message.</summary>
    public bool TenantHeader { get; init; }

    /// <summary>How urgent the mail of its clients is; null when it does not say.</summary>
    public MailPriority? Priority { get; init; }

    /// <summary>Clients here that may relay to anybody name the priority in the header of a message.</summary>
    public bool PriorityHeader { get; init; }
}
