using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using FastRelay.EndToEnd.Rig;
using FastRelay.EndToEnd.Rig.Servers;

namespace FastRelay.EndToEnd;

/// <summary>Postfix, Exim and OpenSMTPD as receiving servers: what they take is what was sent, in every mode of TLS.</summary>
public sealed partial class ReceivingServerTests : IDisposable
{
    private const int Messages = 100;
    private const int MessageBytes = 1 << 20;
    private readonly Sink _sink = new(Place.NewAddress()) { Extensions = ["PIPELINING", "8BITMIME", "SIZE 100000000", "ENHANCEDSTATUSCODES", "DSN"] };
    private readonly string _folder = Place.NewFolder("servers");

    public void Dispose()
    {
        _sink.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData("postfix")]
    [InlineData("exim")]
    [InlineData("opensmtpd")]
    public void A_hundred_messages_from_two_addresses_arrive_octet_for_octet_and_who_is_refused_bounces(string name)
    {
        using MailServer server = MailServer.Start(name, new MailServerOptions { Sink = _sink.EndPoint, MessageBytes = MessageBytes });
        using RelayProcess relay = Relay(server.Port, "none").Start();
        var sent = new Dictionary<int, Sent>();
        using (SmtpTalk talk = relay.Talk().Hello())
        {
            for (int i = 0; i < Messages; i++)
            {
                sent.Add(i, Send(talk, i, Body(i)));
            }
            // One more than the server takes: SIZE says so before anything is sent.
            sent.Add(Messages, Send(talk, Messages, [.. Enumerable.Repeat("a line of forty octets that is repeated\r\n"u8.ToArray(), MessageBytes / 40).SelectMany(line => line)]));
        }
        relay.WaitForEmptyQueue(120);
        Tool.Until(() => sent.Values.Take(Messages).All(s => s.To.All(to => Arrived(s).Any(a => a.To.Contains(to)))), 60,
            () => $"{sent.Values.Count(s => Arrived(s).Any())} of {Messages} arrived\n{server.Log}");
        foreach (Sent message in sent.Values.Take(Messages))
        {
            Assert.Equal(message.To.Order(), Arrived(message).SelectMany(a => a.To).Order());
            Assert.All(Arrived(message), a => AssertSame(message, a));
        }
        Assert.Empty(Arrived(sent[Messages]));
        AssertBounces(sent);
        // Each of them asked for what a Received field shows: the address that the connection came from.
        int blue = _sink.Arrivals.Count(a => a.Text.Contains("[127.0.0.2]", StringComparison.Ordinal));
        int green = _sink.Arrivals.Count(a => a.Text.Contains("[127.0.0.3]", StringComparison.Ordinal));
        Assert.True(blue > 10 && green > 10, $"{blue} from 127.0.0.2, {green} from 127.0.0.3");
        // What RFC 3461 lets a client ask for has reached the server: it asks the next one for the same.
        Assert.Contains(_sink.Commands, line => line.StartsWith("MAIL", StringComparison.Ordinal) && line.Contains(" ENVID=e7", StringComparison.Ordinal) && line.Contains("RET=HDRS", StringComparison.Ordinal));
        Assert.Contains(_sink.Commands, line => line.StartsWith("RCPT", StringComparison.Ordinal) && line.Contains(" NOTIFY=FAILURE", StringComparison.Ordinal)
            // OpenSMTPD takes ORCPT and keeps it to itself, Postfix writes it in plain.
            && (name == "opensmtpd" || Regex.IsMatch(line, @"ORCPT=rfc822;orig7(\+40|@)chain\.test")));
        long connections = relay.Figure("connections_out_total");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}: {connections} connections for {Messages} messages"));
        Assert.InRange(connections, 2, Messages / 2);
    }

    [Theory]
    [InlineData("postfix", "opportunistic")]
    [InlineData("postfix", "required")]
    [InlineData("postfix", "verified")]
    [InlineData("postfix", "implicit")]
    [InlineData("exim", "opportunistic")]
    [InlineData("exim", "required")]
    [InlineData("exim", "verified")]
    [InlineData("exim", "implicit")]
    [InlineData("opensmtpd", "opportunistic")]
    [InlineData("opensmtpd", "required")]
    [InlineData("opensmtpd", "verified")]
    [InlineData("opensmtpd", "implicit")]
    public void Mail_goes_inside_TLS_and_with_verification_only_to_who_it_is_for(string name, string tls)
    {
        var certificates = new Certificates(_folder);
        certificates.Server("127.0.0.1");
        using MailServer server = MailServer.Start(name, new MailServerOptions
        {
            Sink = _sink.EndPoint,
            CertificateFile = certificates.CertificateFile("127.0.0.1"),
            KeyFile = certificates.KeyFile("127.0.0.1"),
        });
        int port = tls == "implicit" ? server.TlsPort : server.Port;
        if (name == "opensmtpd" && !server.SpeaksTls())
        {
            GoesInClearOrNotAtAll(port, tls, certificates.AuthorityFile);
            return;
        }
        using (RelayProcess relay = Relay(port, tls, certificates.AuthorityFile).Start())
        {
            var sent = new List<Sent>();
            using (SmtpTalk talk = relay.Talk().Hello())
            {
                for (int i = 0; i < 12; i++)
                {
                    sent.Add(Send(talk, i, Body(i)));
                }
            }
            Tool.Until(() => sent.All(s => s.To.All(to => Arrived(s).Any(a => a.To.Contains(to)))), 60, () => $"{_sink.Arrivals.Count} arrived\n{server.Log}\n{relay.Log}");
            Assert.All(sent.SelectMany(Arrived), a =>
            {
                // RFC 3848, or in the server's own words.
                Assert.Matches(@"(?si)\n\s+by \S+.*?(with esmtps|using TLSv1)", a.Text);
                Assert.Contains(sent, s => a.Text.Contains($"\r\nSubject: number {s.Number}\r\n", StringComparison.Ordinal));
            });
            foreach (Sent message in sent)
            {
                Assert.All(Arrived(message), a => AssertSame(message, a));
            }
            Assert.Matches(@"(?i)event=delivery status=delivered .* tls=""?tls", relay.Log);
        }
        if (tls is "verified" or "implicit")
        {
            _sink.Arrivals.Clear();
            string other = Path.Combine(_folder, "other");
            Directory.CreateDirectory(other);
            using RelayProcess stranger = Relay(port, tls, new Certificates(other).AuthorityFile).Start();
            using SmtpTalk talk = stranger.Talk().Hello();
            Send(talk, 500, "not for a stranger\r\n"u8.ToArray());
            Tool.Until(() => stranger.Log.Contains("event=site_backoff", StringComparison.Ordinal), 20, () => stranger.Log);
            Assert.Equal(1, stranger.QueueCount());
            Assert.Empty(_sink.Arrivals);
        }
    }

    // A server whose every handshake fails: mail goes in clear where that is allowed, and else waits.
    private void GoesInClearOrNotAtAll(int port, string tls, string authority)
    {
        using RelayProcess relay = Relay(port, tls, authority).Start();
        using SmtpTalk talk = relay.Talk().Hello();
        Sent sent = Send(talk, 1, Body(1));
        if (tls == "opportunistic")
        {
            Tool.Until(() => Arrived(sent).Any(), 30, () => relay.Log);
            AssertSame(sent, Assert.Single(Arrived(sent)));
            Assert.Contains("event=tls_fallback", relay.Log, StringComparison.Ordinal);
            return;
        }
        Tool.Until(() => relay.Log.Contains("event=site_backoff", StringComparison.Ordinal), 30, () => relay.Log);
        Assert.Equal(1, relay.QueueCount());
        Assert.Empty(_sink.Arrivals);
    }

    private sealed record Sent(int Number, IReadOnlyList<string> To, byte[] Body);

    private RelayProcess Relay(int port, string tls, string? authority = null) => new($$"""
        hostname = "relay.test"
        spool = "{folder}/spool"
        [[listen]]
        address = "{smtp}"
        [[relay_for]]
        networks = ["127.0.0.0/8"]
        {{(authority is null ? "" : $"[tls]\nca = \"{authority}\"")}}
        [deliver]
        source = "both"
        [[source]]
        name = "blue"
        address = "127.0.0.2"
        [[source]]
        name = "green"
        address = "127.0.0.3"
        [[pool]]
        name = "both"
        sources = ["blue", "green"]
        [[route]]
        domain = "sender.test"
        to = "smtp:[{{_sink.EndPoint.Address}}]:{{_sink.EndPoint.Port}}"
        tls = "none"
        [[route]]
        domain = "*"
        to = "smtp:[127.0.0.1]:{{port}}"
        tls = "{{tls}}"
        [limits]
        send_sessions_per_site = 4
        [admin]
        http = "{admin}"
        """);

    // The envelope by the number: one recipient or several, and of some messages one whom the server refuses.
    private static Sent Send(SmtpTalk talk, int number, byte[] body)
    {
        List<string> to = [$"to{number}@chain.test"];
        if (number % 4 == 3)
        {
            to.AddRange([$"also{number}@chain.test", $"third{number}@other.test"]);
        }
        Assert.StartsWith("250", talk.Say($"MAIL FROM:<from@sender.test> BODY=8BITMIME RET=HDRS ENVID=e{number}"));
        foreach (string mailbox in to)
        {
            Assert.StartsWith("250", talk.Say($"RCPT TO:<{mailbox}> NOTIFY=FAILURE ORCPT=rfc822;orig{number}+40chain.test"));
        }
        if (number % 10 == 5)
        {
            Assert.StartsWith("250", talk.Say($"RCPT TO:<{MailServer.Refused}>"));
        }
        Assert.StartsWith("354", talk.Say("DATA"));
        talk.Send(Header(number));
        talk.Send(Stuffed(body));
        talk.Send(".\r\n");
        Assert.StartsWith("250 2.0.0", talk.Read());
        return new Sent(number, to, body);
    }

    private static string Header(int number) =>
        $"From: <from@sender.test>\r\nTo: <to{number}@chain.test>\r\nDate: Mon, 30 Nov 2026 12:00:00 +0000\r\nMessage-ID: <{number}@sender.test>\r\nSubject: number {number}\r\n"
        + "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\nX-Folded: one\r\n\ttwo  \r\n\r\n";

    private static byte[] Body(int number) => Encoding.Latin1.GetBytes((number % 5) switch
    {
        0 => "a plain line\r\n\r\nand another\r\n",
        1 => ".\r\n..\r\n...\r\n.dot\r\n\r\n.\r\n",
        2 => "gr\xFC\u00DFe \xE4\xF6\xFC \xFF\x80\xA0\r\n\xE9\r\n",
        3 => new string('x', 998) + "\r\n" + new string('y', 997) + "\xFC\r\nend\r\n",
        _ => string.Concat(Enumerable.Range(0, 2_000).Select(i => string.Create(CultureInfo.InvariantCulture, $"{i}: trailing space \r\n.{i}\r\n"))),
    });

    private static string Stuffed(byte[] body)
    {
        string text = Encoding.Latin1.GetString(body).Replace("\r\n.", "\r\n..", StringComparison.Ordinal);
        return text.StartsWith('.') ? "." + text : text;
    }

    private IEnumerable<Arrival> Arrived(Sent sent) =>
        _sink.Arrivals.Where(a => a.From == "from@sender.test" && Subject().Match(a.Text).Groups[1].Value == sent.Number.ToString(CultureInfo.InvariantCulture));

    private static void AssertSame(Sent sent, Arrival arrival)
    {
        int end = arrival.Text.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4;
        Assert.True(arrival.Data.AsSpan(end).SequenceEqual(sent.Body), $"number {sent.Number} arrived with another body:\n{arrival.Text}");
        Assert.Contains("\r\nX-Folded: one\r\n\ttwo  \r\n", arrival.Text, StringComparison.Ordinal);
    }

    private void AssertBounces(Dictionary<int, Sent> sent)
    {
        int expected = sent.Keys.Count(number => number % 10 == 5) + 1;
        Tool.Until(() => _sink.Arrivals.Count(a => a.From.Length == 0) == expected, 30, () => $"{_sink.Arrivals.Count(a => a.From.Length == 0)} of {expected} bounces");
        foreach (Arrival bounce in _sink.Arrivals.Where(a => a.From.Length == 0))
        {
            Assert.Equal(["from@sender.test"], bounce.To);
            int number = int.Parse(Regex.Match(bounce.Text, @"Original-Envelope-Id: e(\d+)").Groups[1].Value, CultureInfo.InvariantCulture);
            string who = number == Messages ? $"to{number}@chain.test" : MailServer.Refused;
            Assert.Equal([who], Regex.Matches(bounce.Text, @"Final-Recipient: rfc822; ?(\S+)").Select(match => match.Groups[1].Value));
            Assert.Matches(number == Messages ? @"Status: 5\.3\.4" : @"Status: 5\.\d+\.\d+", bounce.Text);
        }
    }

    [GeneratedRegex(@"\r\nSubject: number (\d+)\r\n")]
    private static partial Regex Subject();
}
