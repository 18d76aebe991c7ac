using System.Text;
using FastRelay.Config;

namespace FastRelay.Receive;

/// <summary>Whose mail a client sends (docs/decisions/0014): its user's, its row's of <c>[[relay_for]]</c>, its listener's, or the default tenant's.</summary>
/// <param name="injectors">The rows, in order; the first that a client belongs to counts.</param>
/// <param name="header">Name of the header field that clients may name another in, when their row or listener says so.</param>
public sealed class TenantPolicy(IReadOnlyList<InjectorConfig> injectors, string header)
{
    private readonly InjectorConfig[] _rows = [.. injectors];

    /// <summary>No rows.</summary>
    public static TenantPolicy None { get; } = new([], "X-FastRelay-Tenant");

    /// <summary>Name of the header field.</summary>
    public byte[] Header { get; } = Encoding.ASCII.GetBytes(header);

    /// <summary>The tenant of a client; no allocation.</summary>
    /// <param name="client">Who is there.</param>
    /// <param name="into">At least <see cref="Limits.TenantBytes"/>.</param>
    /// <param name="mayName">It may name another in the header of a message.</param>
    /// <returns>Octets of the name; 0 for the default tenant.</returns>
    public int Of(ReceiveClient client, Span<byte> into, out bool mayName)
    {
        InjectorConfig? row = RowOf(client);
        // A listener speaks of its own clients; strangers who send to a recipient domain come through it too.
        bool known = client.Trusted || client.User is not null || client.Certificate is not null;
        mayName = row?.TenantHeader == true || (known && client.Listener?.TenantHeader == true);
        string name = row is { Tenant.Length: > 0 } ? row.Tenant
            : client.User is { } user && TenantName.IsValid(user) ? user
            : client.Listener?.Tenant ?? "";
        return Encoding.ASCII.GetBytes(name, into);
    }

    // Who has proved who it is, is that and not one of its network.
    private InjectorConfig? RowOf(ReceiveClient client)
    {
        foreach (InjectorConfig row in _rows)
        {
            if (client.User is not null ? row.Users
                : client.Certificate is { } fingerprint ? row.Certificates.Contains(fingerprint)
                : client is { Trusted: true, Address: { } address } && RelayPolicy.Holds(row.Networks, address))
            {
                return row;
            }
        }
        return null;
    }
}
