using System.Net;
using System.Text;

namespace FastRelay.Receive;

/// <summary>Who may relay: decided once for a connection by its address, and for everyone else by the recipient's domain.</summary>
/// <param name="networks">Clients in these networks may send to anybody.</param>
/// <param name="recipientDomains">Anybody may send to these domains: exact (<c>example.com</c>) or with all below (<c>.example.com</c>); lower case.</param>
/// <param name="users">Users who have authenticated may send to anybody, from anywhere.</param>
/// <param name="certificates">SHA-256 fingerprints, lower-case hex, of clients' certificates that may send to anybody, from anywhere.</param>
public sealed class RelayPolicy(IReadOnlyList<IPNetwork> networks, IReadOnlyList<string> recipientDomains, bool users = false, IReadOnlyList<string>? certificates = null)
{
    private readonly HashSet<string> _certificates = [.. certificates ?? []];
    private readonly byte[][] _domains = [.. recipientDomains.Select(Encoding.ASCII.GetBytes)];

    /// <summary>Loopback only: the default, which is nobody's open relay.</summary>
    public static RelayPolicy Loopback { get; } = new([IPNetwork.Parse("127.0.0.0/8"), IPNetwork.Parse("::1/128")], []);

    /// <summary>The networks, for the start screen.</summary>
    public IReadOnlyList<IPNetwork> Networks => networks;

    /// <summary>The recipient domains, for the start screen.</summary>
    public IReadOnlyList<string> RecipientDomains => recipientDomains;

    /// <summary>Users may relay.</summary>
    public bool Users => users;

    /// <summary>The fingerprint itself when a client that showed this certificate may send to any recipient; else null.</summary>
    public string? Trusted(string? fingerprint) => fingerprint is not null && _certificates.Contains(fingerprint) ? fingerprint : null;

    /// <summary>True when a client at this address may send to any recipient. An IPv4-mapped IPv6 address counts as its IPv4 one.</summary>
    public bool Trusts(IPAddress client) => Holds(networks, client);

    /// <summary>True when one of the networks holds the address. An IPv4-mapped IPv6 address counts as its IPv4 one.</summary>
    internal static bool Holds(IReadOnlyList<IPNetwork> networks, IPAddress client) => Narrowest(networks, client) >= 0;

    /// <summary>Bits of the narrowest of the networks that hold the address; -1 when none does. An IPv4-mapped IPv6 address counts as its IPv4 one.</summary>
    internal static int Narrowest(IReadOnlyList<IPNetwork> networks, IPAddress client)
    {
        if (client.IsIPv4MappedToIPv6)
        {
            client = client.MapToIPv4();
        }
        int bits = -1;
        // By number: this is asked for each message, and an enumerator of a list is an object.
        for (int i = 0; i < networks.Count; i++)
        {
            bits = networks[i].PrefixLength > bits && networks[i].Contains(client) ? networks[i].PrefixLength : bits;
        }
        return bits;
    }

    /// <summary>
    /// True when anybody may send to this recipient. Local parts that another host might read as a route of their own
    /// (<c>user%other@here</c>, <c>other!user@here</c>, <c>"user@other"@here</c>) are never accepted from strangers.
    /// </summary>
    public bool AcceptsFromAnyone(ReadOnlySpan<byte> localPart, ReadOnlySpan<byte> domain)
    {
        if (_domains.Length == 0 || localPart.IndexOfAny("%!@"u8) >= 0)
        {
            return false;
        }
        foreach (byte[] allowed in _domains)
        {
            if (allowed[0] == (byte)'.'
                ? domain.Length > allowed.Length && Ascii.EqualsIgnoreCase(domain[^allowed.Length..], allowed)
                : Ascii.EqualsIgnoreCase(domain, allowed))
            {
                return true;
            }
        }
        return false;
    }
}
