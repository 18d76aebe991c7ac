using System.Net;
using System.Net.Sockets;
using System.Text;
using FastRelay.Config;
using FastRelay.Smtp;

namespace FastRelay.Queue;

/// <summary>Who we are to the hosts of a site: limits, connections and backoff belong to the site and its source together.</summary>
public sealed class EgressSource
{
    /// <param name="config">As the configuration says it.</param>
    /// <param name="before">The one of the same name until now, whose counts go on; null when there was none.</param>
    internal EgressSource(SourceConfig config, EgressSource? before)
    {
        Config = config;
        Counts = before?.Counts ?? new SourceCounts();
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

    /// <summary>What came of its deliveries, and what it has in use; those of its name go on over a reload.</summary>
    public SourceCounts Counts { get; }

    internal SourceConfig Config { get; }

    internal int Weight { get; }

    internal byte[] Utf8Name { get; }

    /// <summary>The address for a host; of the other family when it has none of the host's, so that binding fails and nothing leaves from elsewhere.</summary>
    public IPAddress For(AddressFamily family) => (family == AddressFamily.InterNetwork ? Ipv4 ?? Ipv6 : Ipv6 ?? Ipv4)!;

    /// <summary>An attempt for a recipient from it is over.</summary>
    internal void Count(OutcomeClass outcome)
    {
        Counts.Delivered += outcome == OutcomeClass.Delivered ? 1 : 0;
        Counts.Deferred += outcome == OutcomeClass.Deferred ? 1 : 0;
        Counts.Failed += outcome == OutcomeClass.Failed ? 1 : 0;
    }
}

/// <summary>Counts of a source. Loop thread.</summary>
public sealed class SourceCounts
{
    /// <summary>Recipients delivered from it.</summary>
    public long Delivered { get; internal set; }

    /// <summary>Attempts for a recipient from it that were put off.</summary>
    public long Deferred { get; internal set; }

    /// <summary>Recipients that failed for good from it.</summary>
    public long Failed { get; internal set; }

    /// <summary>Connections from it now.</summary>
    public long Sessions { get; internal set; }

    /// <summary>Entries of the queue that leave from it as it stands: messages, each once for each destination.</summary>
    public long Entries { get; internal set; }
}
