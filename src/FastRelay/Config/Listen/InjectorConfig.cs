using System.Net;

namespace FastRelay.Config;

/// <summary>A row of <c>[[relay_for]]</c> that says whose mail its clients send; the first that a client belongs to counts.</summary>
/// <param name="Networks">Clients at these addresses.</param>
/// <param name="Users">All users who have authenticated.</param>
/// <param name="Certificates">Owners of these certificates; fingerprints as in <see cref="RelayConfig.RelayCertificates"/>.</param>
/// <param name="Tenant">Their tenant; empty when the row names none.</param>
/// <param name="TenantHeader">They may name another in the header of a message.</param>
public sealed record InjectorConfig(IReadOnlyList<IPNetwork> Networks, bool Users, IReadOnlyList<string> Certificates, string Tenant, bool TenantHeader)
{
    /// <summary>How urgent their mail is; null when the row does not say.</summary>
    public MailPriority? Priority { get; init; }

    /// <summary>They may name another in the header of a message.</summary>
    public bool PriorityHeader { get; init; }

    /// <summary>It says something about its clients' mail.</summary>
    public bool Speaks => this is not { Tenant: "", TenantHeader: false, Priority: null, PriorityHeader: false };
}
