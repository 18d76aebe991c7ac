using System.Text;
using FastRelay.Config;

namespace FastRelay.Receive;

/// <summary>
/// Whose mail a client sends (docs/decisions/0014): its user's, its row's of <c>[[relay_for]]</c>, its listener's, or the default tenant's;
/// and how urgent it is (docs/decisions/0024).
/// </summary>
/// <param name="injectors">The rows, in order; the first that a client belongs to counts.</param>
/// <param name="header">Name of the header field that clients may name another tenant in, when their row or listener says so.</param>
/// <param name="priorityHeader">The same for the priority.</param>
/// <param name="tenants">What is said about tenants.</param>
public sealed class TenantPolicy(
    IReadOnlyList<InjectorConfig> injectors,
    string header,
    string priorityHeader = "X-FastRelay-Priority",
    IReadOnlyList<TenantConfig>? tenants = null)
{
    private readonly InjectorConfig[] _rows = [.. injectors];
    private readonly Dictionary<string, MailPriority> _urgent = (tenants ?? []).Where(static tenant => tenant.Priority is not null)
        .ToDictionary(static tenant => tenant.Name, static tenant => tenant.Priority!.Value, StringComparer.Ordinal);

    /// <summary>No rows.</summary>
    public static TenantPolicy None { get; } = new([], "X-FastRelay-Tenant");

    /// <summary>Name of the header field that names a tenant.</summary>
    public byte[] Header { get; } = Encoding.ASCII.GetBytes(header);

    /// <summary>Name of the header field that names a priority.</summary>
    public byte[] PriorityHeader { get; } = Encoding.ASCII.GetBytes(priorityHeader);

    /// <summary>The tenant of a client; no allocation.</summary>
    /// <param name="client">Who is there.</param>
    /// <param name="into">At least <see cref="Limits.TenantBytes"/>.</param>
    /// <param name="mayName">It may name another in the header of a message.</param>
    /// <returns>Octets of the name; 0 for the default tenant.</returns>
    public int Of(ReceiveClient client, Span<byte> into, out bool mayName)
    {
        InjectorConfig? row = RowOf(client);
        mayName = row?.TenantHeader == true || (IsKnown(client) && client.Listener?.TenantHeader == true);
        string name = row is { Tenant.Length: > 0 } ? row.Tenant
            : client.User is { } user && TenantName.IsValid(user) ? user
            : client.Listener?.Tenant ?? "";
        return Encoding.ASCII.GetBytes(name, into);
    }

    /// <summary>How urgent a client's mail is by its row or its listener; null when neither says so.</summary>
    /// <param name="client">Who is there.</param>
    /// <param name="mayName">It may name another in the header of a message.</param>
    public MailPriority? PriorityOf(ReceiveClient client, out bool mayName)
    {
        InjectorConfig? row = RowOf(client);
        mayName = row?.PriorityHeader == true || (IsKnown(client) && client.Listener?.PriorityHeader == true);
        return row?.Priority ?? client.Listener?.Priority;
    }

    /// <summary>How urgent a tenant's mail is where nothing else says so.</summary>
    public MailPriority PriorityOf(ReadOnlySpan<byte> tenant)
    {
        Span<char> name = stackalloc char[Limits.TenantBytes];
        int length = Encoding.Latin1.GetChars(tenant, name);
        return _urgent.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(name[..length], out MailPriority priority) ? priority : MailPriority.Normal;
    }

    // A listener speaks of its own clients; strangers who send to a recipient domain come through it too.
    private static bool IsKnown(ReceiveClient client) => client.Trusted || client.User is not null || client.Certificate is not null;

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
