using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using FastRelay.Config;
using FastRelay.Host.Admin;
using FastRelay.Host.Secrets;

namespace FastRelay.Host.Commands;

/// <summary>
/// Holds the dialogue of a delivery up to the point where a message would follow, and shows it. A conversation for one
/// operator: it shares nothing with the relay's own sessions, so that it can be had while they are all busy.
/// </summary>
/// <param name="config">Our name, source address and certification authorities.</param>
/// <param name="output">Where it is shown.</param>
public sealed class TryDialogue(RelayConfig config, TextWriter output)
{
    private const int AddressesTried = 5;
    private const int LineBytes = 8_192;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    /// <summary>Tries the hosts in their order until one answers.</summary>
    /// <param name="way">Hosts and TLS policy.</param>
    /// <param name="recipient">Asked for by RCPT; empty ends after EHLO.</param>
    /// <returns>True when a host would take mail (for the recipient).</returns>
    public async Task<bool> RunAsync(ExplainWay way, string recipient)
    {
        (ExplainHost Host, string Address)[] all = [.. way.Hosts.SelectMany(static host => host.Addresses.Select(address => (host, address))).Take(AddressesTried)];
        if (all.Length == 0)
        {
            Say('=', $"there is no host to connect to: {way.PlanReason ?? way.Plan}");
            return false;
        }
        foreach ((ExplainHost host, string address) in all)
        {
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            long started = Stopwatch.GetTimestamp();
            try
            {
                IPEndPoint end = IPEndPoint.Parse(address);
                if (config.Deliver.Source is { } source && source.AddressFamily == end.AddressFamily)
                {
                    socket.Bind(new IPEndPoint(source, 0));
                }
                Say('=', $"connecting to {host.Name} ({address})");
                using var patience = new CancellationTokenSource(s_patience);
                await socket.ConnectAsync(end, patience.Token);
                Say('=', $"connected from {socket.LocalEndPoint} in {Stopwatch.GetElapsedTime(started).TotalMilliseconds:F0} ms");
                if (await TalkAsync(new NetworkStream(socket), host.Name, way, recipient) is { } taken)
                {
                    return taken;
                }
            }
            catch (OperationCanceledException)
            {
                Say('=', $"no answer in {s_patience.TotalSeconds:F0} s");
            }
            catch (Exception e) when (e is SocketException or IOException or AuthenticationException)
            {
                Say('=', e.GetBaseException().Message);
            }
        }
        return false;
    }

    // Null when the host did not come to the point, and the next one is to be asked.
    private async Task<bool?> TalkAsync(Stream stream, string host, ExplainWay way, string recipient)
    {
        string tls = way.Tls;
        string ehlo = $"EHLO {config.HostName}";
        if (tls == "implicit")
        {
            stream = await ShakeAsync(stream, host, verify: true);
        }
        if (await ReadAsync(stream) is not { Code: 220 } || await AskAsync(stream, ehlo) is not { Code: 250 } hello)
        {
            await AskAsync(stream, "QUIT");
            return null;
        }
        bool offered = hello.Lines.Any(static line => line.AsSpan(Math.Min(4, line.Length)).Trim().Equals("STARTTLS", StringComparison.OrdinalIgnoreCase));
        if (tls is not ("none" or "implicit") && offered)
        {
            if (await AskAsync(stream, "STARTTLS") is not { Code: 220 })
            {
                Say('=', tls == "opportunistic" ? "a delivery goes on in clear" : $"this route's tls = \"{tls}\" wants it: mail is deferred");
                return null;
            }
            stream = await ShakeAsync(stream, host, tls == "verified");
            if (await AskAsync(stream, ehlo) is not { Code: 250 })
            {
                return null;
            }
        }
        else if (tls is "required" or "verified")
        {
            Say('=', $"STARTTLS is not offered, and this route's tls = \"{tls}\" wants it: mail is deferred");
            await AskAsync(stream, "QUIT");
            return null;
        }
        if (way.User is { } user)
        {
            Say('=', $"a delivery authenticates as {user} here; a try does not");
            await AskAsync(stream, "QUIT");
            return true;
        }
        bool taken = true;
        if (recipient.Length > 0 && recipient.All(static c => c is > ' ' and not ('<' or '>') && !char.IsControl(c)))
        {
            taken = await AskAsync(stream, "MAIL FROM:<>") is { Code: 250 } && await AskAsync(stream, $"RCPT TO:<{recipient}>") is { Code: 250 or 251 };
        }
        await AskAsync(stream, "QUIT");
        return taken;
    }

    private async Task<SslStream> ShakeAsync(Stream stream, string host, bool verify)
    {
        SslPolicyErrors problems = SslPolicyErrors.None;
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = host,
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            RemoteCertificateValidationCallback = (_, _, _, errors) =>
            {
                problems = errors;
                return !verify || errors == SslPolicyErrors.None;
            },
        };
        if (TlsFiles.Authorities(config.Tls) is { } authorities)
        {
            options.CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
                DisableCertificateDownloads = true,
            };
            options.CertificateChainPolicy.CustomTrustStore.AddRange(authorities);
        }
        var secure = new SslStream(stream);
        using var patience = new CancellationTokenSource(s_patience);
        await secure.AuthenticateAsClientAsync(options, patience.Token);
        Say('=', $"{secure.SslProtocol}, {secure.NegotiatedCipherSuite}, certificate of {secure.RemoteCertificate?.Subject}: {(problems == SslPolicyErrors.None ? "valid for this host" : "not valid: " + problems)}");
        return secure;
    }

    private async Task<Reply?> AskAsync(Stream stream, string command)
    {
        Say('>', command);
        using var patience = new CancellationTokenSource(s_patience);
        await stream.WriteAsync(Encoding.UTF8.GetBytes(command + "\r\n"), patience.Token);
        return await ReadAsync(stream);
    }

    private async Task<Reply?> ReadAsync(Stream stream)
    {
        long started = Stopwatch.GetTimestamp();
        using var patience = new CancellationTokenSource(s_patience);
        var lines = new List<string>();
        var bytes = new List<byte>();
        byte[] one = new byte[1];
        while (bytes.Count < Limits.ReplyBytes && lines.Sum(static line => line.Length) < Limits.ReplyBytes)
        {
            if (await stream.ReadAsync(one, patience.Token) == 0)
            {
                Say('=', "the host closed the connection");
                return null;
            }
            if (one[0] != '\n' && bytes.Count < LineBytes)
            {
                bytes.Add(one[0]);
                continue;
            }
            string line = Encoding.Latin1.GetString([.. bytes]).TrimEnd('\r');
            bytes.Clear();
            lines.Add(line);
            bool last = line.Length < 4 || line[3] != '-';
            Say('<', last ? $"{line}  ({Stopwatch.GetElapsedTime(started).TotalMilliseconds:F0} ms)" : line);
            if (last)
            {
                int code = line.Length >= 3 && int.TryParse(line.AsSpan(0, 3), NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : 0;
                return new Reply(code, lines);
            }
        }
        Say('=', $"a reply of more than {Limits.ReplyBytes} octets");
        return null;
    }

    private void Say(char who, string text) => output.WriteLine($"{who} {QueueListCommand.Printable(text)}");

    private sealed record Reply(int Code, List<string> Lines);
}
