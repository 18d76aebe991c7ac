using System.Net;

namespace FastRelay.Config;

/// <summary>One <c>[[source]]</c>: who we are to the hosts that are sent to.</summary>
/// <param name="Name">As <see cref="TenantName"/> wants it; no pool has the same.</param>
/// <param name="Ipv4">The address of connections to IPv4 hosts; null where it makes none.</param>
/// <param name="Ipv6">The address of connections to IPv6 hosts; null where it makes none. At least one of the two is there.</param>
/// <param name="Ehlo">What EHLO says, a host name in lower case; null for our host name.</param>
/// <param name="Weight">Its share of each pool that it is in, 1 to <see cref="SourceReader.WeightMax"/>.</param>
public sealed record SourceConfig(string Name, IPAddress? Ipv4, IPAddress? Ipv6, string? Ehlo, int Weight);

/// <summary>One <c>[[pool]]</c>.</summary>
/// <param name="Name">As a source's; no source has the same.</param>
/// <param name="Sources">Names of sources, 1 to <see cref="SourceReader.PoolMax"/>, each once.</param>
public sealed record PoolConfig(string Name, IReadOnlyList<string> Sources);
