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
/// asks the configured name servers and connects once to an exchanger of the domain that it is given, up to its banner;
/// where there are sources, once from each address of each.
/// </summary>
/// <param name="config">Our names, source addresses, name servers and port.</param>
/// <param name="authorities">The bundle of certificate authorities; null when none was found.</param>
/// <param name="output">A line for each thing that was looked at.</param>
public sealed class NetworkCheck(RelayConfig config, string? authorities, TextWriter output)
{
    private const int HostsTried = 3;

    // The servers of the relay, without its cache.
    private readonly IReadOnlyList<IPEndPoint> _servers = config.DnsServers.Count > 0 ? config.DnsServers : LinuxResolver.SystemServers;
    private LookupClient? _dns;
    private readonly Dictionary<string, IReadOnlyList<IPAddress>?> _addresses = [];
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
        else if (ConfigFiles.BundleProblem("bundle", authorities) is { } problem)
        {
            // What [tls] ca names was looked at before.
            Bad("authorities", problem + "; routes with tls = \"verified\" deliver nothing");
        }
        else
        {
            Good("authorities", authorities);
        }
        IReadOnlyList<string> hosts = await ExchangersAsync(domain);
        foreach (IGrouping<string, Way> source in Ways().GroupBy(static way => way.Prefix))
        {
            await LookAsync([.. source], hosts);
        }
        return _failures == 0;
    }

    /// <summary>One source: each of its addresses, and its name.</summary>
    private async Task LookAsync(IReadOnlyList<Way> ways, IReadOnlyList<string> hosts)
    {
        var locals = new List<IPAddress?>();
        foreach (Way way in ways)
        {
            IPAddress? local = hosts.Count > 0 ? await ConnectAsync(way, hosts) : null;
            // A source's PTR can be asked for without a connection.
            locals.Add(way.Prefix.Length > 0 ? way.Address : local);
        }
        (string prefix, string name) = (ways[0].Prefix, ways[0].Name);
        if (await AddressesAsync(name) is not { } named)
        {
            return;
        }
        if (named.Count == 0)
        {
            Warn("name", $"{prefix}{name} has no address in DNS: many hosts refuse a client that says such a name in EHLO");
        }
        else
        {
            Good("name", $"{prefix}{name} is {string.Join(", ", named)}");
        }
        for (int i = 0; i < ways.Count; i++)
        {
            if (locals[i] is { } own)
            {
                await ReverseAsync(ways[i], own, named);
            }
        }
    }

    /// <summary>Each address that mail leaves from: those of every source, and what is used where none is named.</summary>
    private IEnumerable<Way> Ways()
    {
        bool always = config.Deliver.SourceName.Length > 0 || config.Routes.Any(static route => route is { Domain: "*", Source.Length: > 0 });
        if (config.Sources.Count == 0 || !always)
        {
            yield return new Way("", config.Deliver.Source, config.HostName, false);
        }
        foreach (SourceConfig source in config.Sources)
        {
            foreach (IPAddress address in new[] { source.Ipv4, source.Ipv6 }.OfType<IPAddress>())
            {
                yield return new Way($"{source.Name}: ", address, source.Ehlo ?? config.HostName, source is { Ipv4: not null, Ipv6: not null });
            }
        }
    }

    private static LookupClientOptions Options(RelayConfig config, IReadOnlyList<IPEndPoint> servers) => new([.. servers])
    {
        AutoResolveNameServers = false,
        UseCache = false,
        Retries = 1,
        Timeout = TimeSpan.FromMilliseconds(config.Limits.DnsTimeoutMs),
        ExtendedDnsBufferSize = LinuxResolver.UdpBytes,
        ThrowDnsErrors = false,
    };

    private async Task<IReadOnlyList<string>> ExchangersAsync(string domain)
    {
        string shown = QueueListCommand.Printable(domain);
        // One that the relay would not ask for either; the client of DNS knows more that it cannot put into a question.
        bool isName = DomainNames.IsHostName(domain.EndsWith('.') ? domain.AsSpan()[..^1] : domain);
        string servers = string.Join(", ", isName ? await ServersAsync(domain) : _servers);
        long started = Stopwatch.GetTimestamp();
        Answer answer = isName ? await AskAsync(domain, QueryType.MX) : new Answer(Verdict.NoName, null, "");
        if (answer.Verdict == Verdict.NoName)
        {
            Bad("exchangers", $"\"{shown}\" is no domain that can be asked for: give one of letters, digits and hyphens (or its xn-- form) with --domain");
            return [];
        }
        if (answer.Verdict == Verdict.Silence)
        {
            Bad("resolver", $"no name server answers ({servers}): nothing can be delivered by MX");
            return [];
        }
        Good("resolver", string.Create(CultureInfo.InvariantCulture, $"{servers} answered for {shown} in {Stopwatch.GetElapsedTime(started).TotalMilliseconds:F0} ms"));
        if (answer.Response is null)
        {
            Bad("exchangers", $"name servers answer {answer.Code} for {shown}: its mail waits until they answer; give another one with --domain");
            return [];
        }
        string[] hosts = [.. answer.Response.Answers.MxRecords().OrderBy(static mx => mx.Preference).Select(static mx => mx.Exchange.Value.TrimEnd('.')).Where(static host => DomainNames.IsHostName(host))];
        if (hosts.Length == 0)
        {
            Bad("exchangers", $"{shown} has no MX host to try ({answer.Code}): give another one with --domain");
        }
        return hosts;
    }

    /// <summary>Asks each server by itself: the relay, like DnsClient, goes on to the next one without a word.</summary>
    /// <returns>Those that answer, who are asked from now on; all when none does.</returns>
    private async Task<IReadOnlyList<IPEndPoint>> ServersAsync(string domain)
    {
        List<IPEndPoint> good = [];
        foreach (IPEndPoint server in _servers)
        {
            _dns = new LookupClient(Options(config, [server]));
            if ((await AskAsync(domain, QueryType.MX)).Verdict != Verdict.Silence)
            {
                good.Add(server);
            }
        }
        if (good.Count is 0)
        {
            return _servers;
        }
        foreach (IPEndPoint server in _servers.Except(good))
        {
            Warn("resolver", $"{server} does not answer: every half minute a query waits {ConfigText.FormatDuration(config.Limits.DnsTimeoutMs)} for it; mend it, or take it off the list");
        }
        _dns = new LookupClient(Options(config, good));
        return good;
    }

    // One that lets us as far as its banner settles it; one that is down itself says nothing.
    private async Task<IPAddress?> ConnectAsync(Way way, IReadOnlyList<string> hosts)
    {
        var failures = new List<string>();
        int tried = 0;
        int otherFamily = 0;
        foreach (string host in hosts)
        {
            IReadOnlyList<IPAddress>? all = await AddressesAsync(host);
            IPAddress? address = Tried(all ?? []).FirstOrDefault(a => way.Address is not { } source || source.AddressFamily == a.AddressFamily);
            if (address is null)
            {
                // A host of the other family is not for this address, and does not count as tried.
                tried += all is { Count: > 0 } ? 0 : 1;
                otherFamily += all is { Count: > 0 } ? 1 : 0;
                failures.Add(all is null ? $"the addresses of {host} are not to be had" : $"{host} has no address of ours' family");
            }
            else
            {
                tried++;
                (IPAddress? local, string said) = await BannerAsync(way, host, new IPEndPoint(address, config.Deliver.Port));
                if (local is not null)
                {
                    Good($"port {config.Deliver.Port}", way.Prefix + said);
                    return local;
                }
                failures.Add(said);
            }
            if (tried == HostsTried)
            {
                break;
            }
        }
        if (way.HasOther && tried == 0 && otherFamily > 0)
        {
            Warn($"port {config.Deliver.Port}", $"{way.Prefix}no exchanger has an address of the family of {way.Address}: nothing was tried from it; give another one with --domain");
            return null;
        }
        Bad($"port {config.Deliver.Port}", $"{way.Prefix}no exchanger can be reached{(way.Prefix.Length > 0 ? $" from {way.Address}" : "")}; networks often block port 25, ask the provider or use a smarthost: {string.Join("; ", failures)}");
        return null;
    }

    /// <summary>As deliveries do: those of the families that are tried, the first one first.</summary>
    private IEnumerable<IPAddress> Tried(IEnumerable<IPAddress> all) => config.Deliver.Families switch
    {
        DeliverFamilies.Ipv4 => all.Where(static a => a.AddressFamily == AddressFamily.InterNetwork),
        DeliverFamilies.Ipv6 => all.Where(static a => a.AddressFamily == AddressFamily.InterNetworkV6),
        DeliverFamilies.Ipv6First => all.OrderBy(static a => a.AddressFamily == AddressFamily.InterNetwork),
        _ => all,
    };

    /// <summary>One connection, up to the banner.</summary>
    /// <returns>Our address when the banner is as it should be, and what there is to say.</returns>
    private async Task<(IPAddress? Local, string Said)> BannerAsync(Way way, string host, IPEndPoint end)
    {
        using var socket = new Socket(end.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        using var patience = new CancellationTokenSource(config.Limits.ConnectTimeoutMs);
        try
        {
            if (way.Address is { } source)
            {
                socket.Bind(new IPEndPoint(source, 0));
            }
            await socket.ConnectAsync(end, patience.Token);
            byte[] banner = new byte[512];
            int length = await socket.ReceiveAsync(banner, patience.Token);
            string text = QueueListCommand.Printable(Encoding.Latin1.GetString(banner, 0, length).Split('\r', '\n')[0]);
            IPAddress local = ((IPEndPoint)socket.LocalEndPoint!).Address;
            bool greeted = text.StartsWith("220", StringComparison.Ordinal);
            return (greeted ? local : null, $"{host} ({end}) from {local} says: {(length == 0 ? "nothing, and closes" : text)}");
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressNotAvailable && way.Address is not null)
        {
            return (null, $"{host} ({end}): {way.Address} is no address of this host");
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException)
        {
            return (null, $"{host} ({end}): {(e is SocketException ? e.Message : "no answer in " + ConfigText.FormatDuration(config.Limits.ConnectTimeoutMs))}");
        }
    }

    private async Task ReverseAsync(Way way, IPAddress own, IReadOnlyList<IPAddress> named)
    {
        (string prefix, string name) = (way.Prefix, way.Name);
        if (AddressRules.IsPrivate(own) && !config.Deliver.AllowPrivate)
        {
            Warn("PTR", $"{prefix}connections leave from {own}, which a gateway translates: look at the PTR of the public address by hand, it must name {name}");
            return;
        }
        if ((await AskAsync(own.GetArpaName(), QueryType.PTR)).Response is not { } answer)
        {
            Warn("PTR", $"{prefix}no answer for the PTR of {own}");
            return;
        }
        string[] names = [.. answer.Answers.PtrRecords().Select(static ptr => ptr.PtrDomainName.Value.TrimEnd('.').ToLowerInvariant())];
        if (names.Length == 0)
        {
            Warn("PTR", $"{prefix}{own} has no PTR: large providers refuse its mail; ask whoever gave you the address to set it to {name}");
        }
        else if (!names.Contains(name))
        {
            Warn("PTR", $"{prefix}{own} is {string.Join(", ", names)}, and EHLO says {name}: make them the same");
        }
        else if (!named.Contains(own))
        {
            Warn("PTR", named.Count == 0 ? $"{prefix}{own} is {name}, but that name has no address: give it {own}"
                : $"{prefix}{own} is {name}, but that name is {string.Join(", ", named)}: add {own} to its addresses");
        }
        else
        {
            Good("PTR", $"{prefix}{own} is {name}, and back");
        }
    }

    /// <summary>Null when no server gives an answer.</summary>
    private async Task<IReadOnlyList<IPAddress>?> AddressesAsync(string name)
    {
        if (_addresses.TryGetValue(name, out IReadOnlyList<IPAddress>? known))
        {
            return known;
        }
        IDnsQueryResponse? four = (await AskAsync(name, QueryType.A)).Response;
        IDnsQueryResponse? six = (await AskAsync(name, QueryType.AAAA)).Response;
        return _addresses[name] = four is null && six is null
            ? null
            : [.. (four?.Answers.ARecords() ?? []).Select(static a => a.Address), .. (six?.Answers.AaaaRecords() ?? []).Select(static a => a.Address)];
    }

    private async Task<Answer> AskAsync(string name, QueryType type)
    {
        try
        {
            _dns ??= new LookupClient(Options(config, _servers));
            IDnsQueryResponse answer = await _dns.QueryAsync(name, type);
            string code = answer.Header.ResponseCode.ToString();
            return answer.Header.ResponseCode is DnsHeaderResponseCode.NoError or DnsHeaderResponseCode.NotExistentDomain
                ? new Answer(Verdict.Answered, answer, code)
                : new Answer(Verdict.Answered, null, code);
        }
        catch (ArgumentException)
        {
            return new Answer(Verdict.NoName, null, "");
        }
        catch (DnsResponseException e) when (e.Code is not (DnsResponseCode.ConnectionTimeout or DnsResponseCode.Unassigned))
        {
            return new Answer(Verdict.Answered, null, e.Code.ToString());
        }
        catch (Exception e) when (e is DnsResponseException or SocketException or OperationCanceledException)
        {
            return new Answer(Verdict.Silence, null, "");
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

    /// <summary>Where mail leaves from.</summary>
    /// <param name="Prefix">The source's name before what is said of it; empty for what is used where none is named.</param>
    /// <param name="Address">Ours; null for the system's choice.</param>
    /// <param name="Name">What EHLO says.</param>
    /// <param name="HasOther">The source has an address of the other family too.</param>
    private sealed record Way(string Prefix, IPAddress? Address, string Name, bool HasOther);

    private enum Verdict
    {
        /// <summary>A server said something, be it only a code.</summary>
        Answered,

        /// <summary>No server says anything.</summary>
        Silence,

        /// <summary>It is no name: no server was asked.</summary>
        NoName,
    }

    /// <summary>What asking came to.</summary>
    /// <param name="Verdict">Who answered.</param>
    /// <param name="Response">What is there, be it nothing; null when the code says that the server does not know.</param>
    /// <param name="Code">The response code, for people.</param>
    private readonly record struct Answer(Verdict Verdict, IDnsQueryResponse? Response, string Code);
}
