using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using DnsClient;
using FastRelay.Config;
using FastRelay.Outside.Linux;
using FastRelay.Routing;

namespace FastRelay.Host.Commands;

/// <summary>
/// <c>fastrelay check --network</c>: what of the network would keep mail from being delivered, or from being believed. It
/// asks the configured name servers and connects once to an exchanger of the domain that it is given, up to its banner.
/// </summary>
/// <param name="config">Our name, source address, name servers and port.</param>
/// <param name="authorities">The bundle of certificate authorities; null when none was found.</param>
/// <param name="output">A line for each thing that was looked at.</param>
public sealed class NetworkCheck(RelayConfig config, string? authorities, TextWriter output)
{
    private const int HostsTried = 3;

    // The resolver of the relay, without its cache: the same servers, the same rules.
    private readonly LookupClient _dns = new(Options(config, config.DnsServers.Count > 0 ? config.DnsServers : LinuxResolver.SystemServers));
    private int _failures;

    /// <summary>Looks at everything.</summary>
    /// <param name="domain">Whose exchangers are asked for and connected to.</param>
    /// <returns>True when nothing was found that keeps mail from being delivered.</returns>
    public async Task<bool> RunAsync(string domain)
    {
        if (authorities is null)
        {
            Warn("authorities", "no bundle of certificate authorities was found: routes with tls = \"verified\" deliver nothing; set [tls] ca");
        }
        else
        {
            Good("authorities", authorities);
        }
        IReadOnlyList<string> hosts = await ExchangersAsync(domain);
        IPEndPoint? local = hosts.Count > 0 ? await ConnectAsync(hosts) : null;
        IReadOnlyList<IPAddress>? named = await AddressesAsync(config.HostName);
        if (named is { Count: 0 })
        {
            Warn("name", $"{config.HostName} has no address in DNS: many hosts refuse a client that says such a name in EHLO");
        }
        else if (named is not null)
        {
            Good("name", $"{config.HostName} is {string.Join(", ", named)}");
        }
        if (local is not null && named is not null)
        {
            await ReverseAsync(local.Address, named);
        }
        return _failures == 0;
    }

    private static LookupClientOptions Options(RelayConfig config, IReadOnlyList<IPEndPoint> servers) => new([.. servers])
    {
        AutoResolveNameServers = false,
        UseCache = false,
        Retries = 1,
        Timeout = TimeSpan.FromMilliseconds(config.Limits.DnsTimeoutMs),
        ThrowDnsErrors = false,
    };

    private async Task<IReadOnlyList<string>> ExchangersAsync(string domain)
    {
        string servers = string.Join(", ", _dns.NameServers.Select(static server => server.ToString()));
        long started = Stopwatch.GetTimestamp();
        if (await AskAsync(domain, QueryType.MX) is not { } answer)
        {
            Bad("resolver", $"no name server answers ({servers}): nothing can be delivered by MX");
            return [];
        }
        Good("resolver", string.Create(CultureInfo.InvariantCulture, $"{servers} answered for {domain} in {Stopwatch.GetElapsedTime(started).TotalMilliseconds:F0} ms"));
        string[] hosts = [.. answer.Answers.MxRecords().OrderBy(static mx => mx.Preference).Select(static mx => mx.Exchange.Value.TrimEnd('.')).Where(static host => host.Length > 0)];
        if (hosts.Length == 0)
        {
            Bad("exchangers", $"{domain} has no MX host to try ({answer.Header.ResponseCode}): give another one with --domain");
        }
        return hosts;
    }

    // One that lets us as far as its banner settles it; one that is down itself says nothing.
    private async Task<IPEndPoint?> ConnectAsync(IReadOnlyList<string> hosts)
    {
        var failures = new List<string>();
        foreach (string host in hosts.Take(HostsTried))
        {
            IPAddress? address = (await AddressesAsync(host))?.FirstOrDefault(a => config.Deliver.Source is not { } source || source.AddressFamily == a.AddressFamily);
            if (address is null)
            {
                failures.Add($"{host} has no address of ours' family");
                continue;
            }
            var end = new IPEndPoint(address, config.Deliver.Port);
            using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            using var patience = new CancellationTokenSource(config.Limits.ConnectTimeoutMs);
            try
            {
                if (config.Deliver.Source is { } source)
                {
                    socket.Bind(new IPEndPoint(source, 0));
                }
                await socket.ConnectAsync(end, patience.Token);
                byte[] banner = new byte[512];
                int length = await socket.ReceiveAsync(banner, patience.Token);
                string text = QueueListCommand.Printable(Encoding.Latin1.GetString(banner, 0, length).Split('\r', '\n')[0]);
                var local = (IPEndPoint)socket.LocalEndPoint!;
                if (text.StartsWith("220", StringComparison.Ordinal))
                {
                    Good($"port {end.Port}", $"{host} ({end}) from {local.Address} says: {text}");
                    return local;
                }
                failures.Add($"{host} ({end}) from {local.Address} says: {(length == 0 ? "nothing, and closes" : text)}");
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException)
            {
                failures.Add($"{host} ({end}): {(e is SocketException ? e.Message : "no answer in " + ConfigText.FormatDuration(config.Limits.ConnectTimeoutMs))}");
            }
        }
        Bad($"port {config.Deliver.Port}", $"no exchanger can be reached; networks often block port 25, ask the provider or use a smarthost: {string.Join("; ", failures)}");
        return null;
    }

    private async Task ReverseAsync(IPAddress own, IReadOnlyList<IPAddress> named)
    {
        if (AddressRules.IsPrivate(own) && !config.Deliver.AllowPrivate)
        {
            Warn("PTR", $"connections leave from {own}, which a gateway translates: look at the PTR of the public address by hand, it must name {config.HostName}");
            return;
        }
        if (await AskAsync(own.GetArpaName(), QueryType.PTR) is not { } answer)
        {
            Warn("PTR", $"no answer for the PTR of {own}");
            return;
        }
        string[] names = [.. answer.Answers.PtrRecords().Select(static ptr => ptr.PtrDomainName.Value.TrimEnd('.').ToLowerInvariant())];
        if (names.Length == 0)
        {
            Warn("PTR", $"{own} has no PTR: large providers refuse its mail; ask whoever gave you the address to set it to {config.HostName}");
        }
        else if (!names.Contains(config.HostName))
        {
            Warn("PTR", $"{own} is {string.Join(", ", names)}, and EHLO says {config.HostName}: make them the same");
        }
        else if (!named.Contains(own))
        {
            Warn("PTR", $"{own} is {config.HostName}, but that name is {string.Join(", ", named)}: add {own} to its addresses");
        }
        else
        {
            Good("PTR", $"{own} is {config.HostName}, and back");
        }
    }

    /// <summary>Null when no server answers.</summary>
    private async Task<IReadOnlyList<IPAddress>?> AddressesAsync(string name)
    {
        IDnsQueryResponse? four = await AskAsync(name, QueryType.A);
        IDnsQueryResponse? six = await AskAsync(name, QueryType.AAAA);
        return four is null && six is null
            ? null
            : [.. (four?.Answers.ARecords() ?? []).Select(static a => a.Address), .. (six?.Answers.AaaaRecords() ?? []).Select(static a => a.Address)];
    }

    private async Task<IDnsQueryResponse?> AskAsync(string name, QueryType type)
    {
        try
        {
            IDnsQueryResponse answer = await _dns.QueryAsync(name, type);
            return answer.Header.ResponseCode is DnsHeaderResponseCode.NoError or DnsHeaderResponseCode.NotExistentDomain ? answer : null;
        }
        catch (Exception e) when (e is DnsResponseException or SocketException or OperationCanceledException)
        {
            return null;
        }
    }

    private void Good(string what, string text) => Line("ok", what, text);

    private void Warn(string what, string text) => Line("warning", what, text);

    private void Bad(string what, string text)
    {
        _failures++;
        Line("FAILED", what, text);
    }

    private void Line(string verdict, string what, string text) => output.WriteLine($"{verdict,-8} {what,-12} {text}");
}
