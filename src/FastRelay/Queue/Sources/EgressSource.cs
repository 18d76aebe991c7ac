using System.Net;
using System.Net.Sockets;
using System.Text;
using FastRelay.Config;

namespace FastRelay.Queue;

/// <summary>Who we are to the hosts of a site: limits, connections and backoff belong to the site and its source together.</summary>
public sealed class EgressSource
{
    internal EgressSource(SourceConfig config)
    {
        Name = config.Name;
        Ipv4 = config.Ipv4;
        Ipv6 = config.Ipv6;
        Weight = config.Weight;
        Utf8Name = Encoding.ASCII.GetBytes(Name);
        Ehlo = config.Ehlo is null ? null : Encoding.ASCII.GetBytes(config.Ehlo);
    }

    /// <summary>Its name.</summary>
    public string Name { get; }

    /// <summary>The address of connections to IPv4 hosts; null where it makes none.</summary>
    public IPAddress? Ipv4 { get; }

    /// <summary>The address of connections to IPv6 hosts; null where it makes none.</summary>
    public IPAddress? Ipv6 { get; }

    /// <summary>What EHLO says; null for our host name.</summary>
    public byte[]? Ehlo { get; }

    internal int Weight { get; }

    internal byte[] Utf8Name { get; }

    /// <summary>The address for a host; of the other family when it has none of the host's, so that binding fails and nothing leaves from elsewhere.</summary>
    public IPAddress For(AddressFamily family) => (family == AddressFamily.InterNetwork ? Ipv4 ?? Ipv6 : Ipv6 ?? Ipv4)!;

    /// <summary>True when it has an address for a host.</summary>
    public bool Serves(AddressFamily family) => (family == AddressFamily.InterNetwork ? Ipv4 : Ipv6) is not null;
}
