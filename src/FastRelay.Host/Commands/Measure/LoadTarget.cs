using System.Globalization;
using System.Net;
using System.Net.Sockets;
using FastRelay.Config;
using FastRelay.Outside;
using FastRelay.Routing;

namespace FastRelay.Host.Commands;

/// <summary>Whom a source sends to: an address, or a host's name that is looked up once.</summary>
/// <param name="Host">The address or the name, without a final dot: what a certificate has to be valid for.</param>
/// <param name="Port">TCP port.</param>
/// <param name="Address">Null for a name.</param>
internal sealed record LoadTarget(string Host, int Port, IPAddress? Address)
{
    private const int SmtpPort = 25;

    /// <summary>Reads <c>192.0.2.1:2525</c>, <c>[::1]:25</c> or <c>mx.example.com:25</c>; port 25 when there is none.</summary>
    /// <param name="what">Stands before what is wrong: the option with a space, or nothing.</param>
    /// <param name="text">As given.</param>
    /// <exception cref="LoadUsageException">It is neither.</exception>
    public static LoadTarget Parse(string what, string text)
    {
        if (ConfigText.TryParseEndPoint(text, SmtpPort, out IPEndPoint? endPoint))
        {
            return new LoadTarget(endPoint!.Address.ToString(), endPoint.Port, endPoint.Address);
        }
        string[] parts = text.Split(':');
        string name = parts[0].EndsWith('.') ? parts[0][..^1] : parts[0];
        int port = SmtpPort;
        bool hasPort = parts.Length == 1
            || (parts.Length == 2 && int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out port) && port is > 0 and <= IPEndPoint.MaxPort);
        // No top-level domain is a number: 127.1 and 300.0.0.1 are addresses that went wrong.
        if (!hasPort || !DomainNames.IsHostName(name) || name[(name.LastIndexOf('.') + 1)..].All(char.IsAsciiDigit))
        {
            throw new LoadUsageException($"{what}{text}: must be an address or a host's name, with a port, as in 127.0.0.1:2525 or mx.example.com:25");
        }
        return new LoadTarget(name.ToLowerInvariant(), port, null);
    }

    /// <summary>
    /// The addresses, of one family: that of <paramref name="family"/>, else IPv4 where there is any. Asks for A and AAAA, and runs
    /// the loop until both are answered. On the loop's thread, before it runs.
    /// </summary>
    /// <param name="world">Of its resolver.</param>
    /// <param name="family">That of the source addresses; null for either.</param>
    /// <param name="problem">Why there are none, with the name; empty when there are.</param>
    public IReadOnlyList<IPEndPoint> Resolve(World world, AddressFamily? family, out string problem)
    {
        if (Address is not null)
        {
            problem = "";
            return [new IPEndPoint(Address, Port)];
        }
        Task<(DnsAnswer A, DnsAnswer Aaaa)> both = AskAsync(world.Resolver);
        while (!both.IsCompleted)
        {
            world.Loop.Turn(canSleep: true);
        }
        (DnsAnswer four, DnsAnswer six) = both.GetAwaiter().GetResult();
        IReadOnlyList<IPAddress> found = family switch
        {
            AddressFamily.InterNetwork => four.Addresses,
            AddressFamily.InterNetworkV6 => six.Addresses,
            _ => four.Addresses.Count > 0 ? four.Addresses : six.Addresses,
        };
        problem = found.Count > 0 ? "" : $"{Host}: {Reason(four, six)}";
        return [.. found.Select(address => new IPEndPoint(address, Port))];
    }

    /// <inheritdoc/>
    public override string ToString() => Address is null ? $"{Host}:{Port}" : new IPEndPoint(Address, Port).ToString();

    private static string Reason(DnsAnswer four, DnsAnswer six)
    {
        if (four.Addresses.Count + six.Addresses.Count > 0)
        {
            return "has no address of the family that --source has";
        }
        DnsStatus status = four.Status is DnsStatus.NoData or DnsStatus.NxDomain ? six.Status : four.Status;
        return status switch
        {
            DnsStatus.NxDomain => "there is no such host",
            DnsStatus.NoData => "has no address",
            DnsStatus.Timeout => "no name server answers",
            _ => "the name servers answer with an error",
        };
    }

    private async Task<(DnsAnswer A, DnsAnswer Aaaa)> AskAsync(Resolver resolver)
    {
        if (Host == "localhost" || Host.EndsWith(".localhost", StringComparison.Ordinal))
        {
            // These are this host, and nobody is asked (RFC 6761 6.3).
            return (Says(IPAddress.Loopback), Says(IPAddress.IPv6Loopback));
        }
        ValueTask<DnsAnswer> four = resolver.QueryAsync(Host, DnsType.A);
        ValueTask<DnsAnswer> six = resolver.QueryAsync(Host, DnsType.Aaaa);
        return (await four, await six);
    }

    private static DnsAnswer Says(IPAddress address) => new(DnsStatus.Ok, 0, [], [address]);
}
