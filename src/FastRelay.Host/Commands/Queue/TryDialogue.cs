using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using FastRelay.Config;
using FastRelay.Deliver;
using FastRelay.Host.Admin;
using FastRelay.Host.Secrets;
using FastRelay.Routing;

namespace FastRelay.Host.Commands;

/// <summary>
/// Holds the dialogue of a delivery up to the point where a message would follow, and shows it. It goes by the machine
/// and the TLS rules of a delivery, over sockets of its own, so that it can be had while the relay's sessions are all busy.
/// </summary>
/// <param name="config">Our name, source address, certification authorities and passwords.</param>
/// <param name="output">Where it is shown.</param>
public sealed class TryDialogue(RelayConfig config, TextWriter output)
{
    private readonly ClientTls _tls = new(new DeliverOptions { HelloName = config.HostName, Authorities = TlsFiles.Authorities(config.Tls) });
    private Credentials? _credentials;
    private ClientCertificate? _certificate;
    private TlsPolicy _policy;
    private SourceConfig? _source;

    /// <summary>Tries the hosts in the order of a delivery until one comes to the point.</summary>
    /// <param name="way">Hosts, TLS policy and user.</param>
    /// <param name="recipient">Asked for by RCPT, a mailbox without brackets; empty ends when mail could begin.</param>
    /// <returns>True when a host would take mail (for the recipient).</returns>
    public async Task<bool> RunAsync(ExplainWay way, string recipient)
    {
        _policy = PolicyOf(way.Tls);
        _source = config.Sources.FirstOrDefault(one => one.Name == way.Source?.Split(' ')[0]);
        (ExplainHost Host, string Address)[] all =
            [.. way.Hosts.SelectMany(static host => host.Addresses.Select(address => (host, address))).Take(config.Limits.MxAddressesTried)];
        if (all.Length == 0)
        {
            Say('=', $"there is no host to connect to: {way.PlanReason ?? way.Plan}");
            return false;
        }
        if ((way.User is not null && !HasPassword(way)) || (way.Certificate is { } own && !HasCertificate(own)))
        {
            return false;
        }
        foreach ((ExplainHost host, string address) in all)
        {
            TryConnection last = await ConnectAsync(host.Name, IPEndPoint.Parse(address), _tls.UseFor(_policy, host.Name, 0), recipient);
            if (last.MayGoInClear)
            {
                Say('=', "the handshake failed, and this route's tls = \"opportunistic\": a delivery goes on in clear, and so does this");
                last = await ConnectAsync(host.Name, IPEndPoint.Parse(address), StartTlsUse.Never, recipient);
            }
            if (last.Taken is { } taken)
            {
                return taken;
            }
            if (last.LoginRefused)
            {
                Say('=', "no other host is tried: a wrong password that is tried often locks the account");
                return false;
            }
        }
        return false;
    }

    private bool HasPassword(ExplainWay way)
    {
        string problem = "the running relay has it, and this configuration has no route with it";
        _credentials = config.Routes.FirstOrDefault(route => route.User == way.User && (way.Pattern is null || route.Domain == way.Pattern)) is { } found
            ? PasswordFile.Load(found, out problem)
            : null;
        if (_credentials is null)
        {
            Say('=', $"no password for user {way.User}: {problem}");
        }
        return _credentials is not null;
    }

    private bool HasCertificate(ExplainCertificate own)
    {
        string problem = "the running relay has it, and this configuration has no route with it";
        _certificate = config.ClientPairs.FirstOrDefault(pair => pair.Certificate == own.File) is { } found ? TlsFiles.Client(found, out problem) : null;
        if (_certificate is null)
        {
            Say('=', $"no certificate for hosts that ask: {problem}");
        }
        return _certificate is not null;
    }

    private async Task<TryConnection> ConnectAsync(string host, IPEndPoint end, StartTlsUse use, string recipient)
    {
        var connection = new TryConnection(_source?.Ehlo is { } ehlo ? config with { HostName = ehlo } : config, Say) { Options = () => _tls.For(_policy, host, _certificate) };
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        long started = Stopwatch.GetTimestamp();
        try
        {
            bool four = end.AddressFamily == AddressFamily.InterNetwork;
            IPAddress? from = _source is { } named ? (four ? named.Ipv4 ?? named.Ipv6 : named.Ipv6 ?? named.Ipv4) : config.Deliver.Source;
            // A source that is named is kept to: nothing leaves from elsewhere.
            if (from is not null && (_source is not null || from.AddressFamily == end.AddressFamily))
            {
                socket.Bind(new IPEndPoint(from, 0));
            }
            Say('=', $"connecting to {host} ({end})");
            using var patience = new CancellationTokenSource(config.Limits.ConnectTimeoutMs);
            await socket.ConnectAsync(end, patience.Token);
            Say('=', string.Create(CultureInfo.InvariantCulture, $"connected from {Shown((IPEndPoint)socket.LocalEndPoint!)} in {Stopwatch.GetElapsedTime(started).TotalMilliseconds:F0} ms"));
            await connection.TalkAsync(new NetworkStream(socket), use, _credentials, recipient);
        }
        catch (OperationCanceledException)
        {
            Say('=', string.Create(CultureInfo.InvariantCulture, $"no answer in {Stopwatch.GetElapsedTime(started).TotalSeconds:F0} s"));
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            Say('=', e.GetBaseException().Message);
        }
        return connection;
    }

    private static TlsPolicy PolicyOf(string name) => name switch
    {
        "none" => TlsPolicy.None,
        "required" => TlsPolicy.Required,
        "verified" => TlsPolicy.Verified,
        "implicit" => TlsPolicy.Implicit,
        _ => TlsPolicy.Opportunistic,
    };

    // A socket of both families names an IPv4 address as an IPv6 one.
    private static IPEndPoint Shown(IPEndPoint end) => new(AddressRules.Normal(end.Address), end.Port);

    private void Say(char who, string text) => output.WriteLine($"{who} {QueueListCommand.Printable(text)}");
}
