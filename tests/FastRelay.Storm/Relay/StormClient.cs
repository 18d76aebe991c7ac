using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Text;
using FastRelay.Outside;

namespace FastRelay.Storm;

/// <summary>Where mail of the storm goes, and who sends it.</summary>
internal static class StormMail
{
    /// <summary>Domains of recipients; how each behaves is the sinks' and the zone's.</summary>
    public static readonly string[] Domains =
    [
        "a.test", "a.test", "a.test", "b.test", "b.test", "c.test", "d.test", "route.test",
        "nx.test", "null.test", "dead.test", "self.test", "reject.test", "auth.test", "auth.test",
    ];

    /// <summary>Mailbox number <paramref name="index"/> of a message; one in ten does not exist at its sink.</summary>
    public static string Mailbox(SimRandom random, string token, int index, bool utf8)
    {
        string kind = random.OneIn(10) ? "bad" : utf8 && random.OneIn(2) ? "r\u00F6" : "r";
        return string.Create(CultureInfo.InvariantCulture, $"{kind}{index}.{token}@{random.Pick(Domains)}");
    }

    public static byte[] Content(SimRandom random, string token, bool eightBit)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"From: <s.{token}@senders.test>\r\nSubject: {token}\r\nX-Folded: one\r\n\ttwo\r\n\r\n");
        long length = text.Length + (random.OneIn(12) ? random.Magnitude(60_000, 240_000) : random.Magnitude(1, 60_000));
        while (text.Length < length)
        {
            text.Append('.', random.OneIn(6) ? random.Next(4) : 0);
            // Every piece on the platter says whose it is.
            text.Append(CultureInfo.InvariantCulture, $"x.{token}@");
            int line = (int)random.Magnitude(0, 900);
            for (int i = 0; i < line; i++)
            {
                text.Append((char)(eightBit && random.OneIn(20) ? 128 + random.Next(128) : 33 + random.Next(90)));
            }
            text.Append("\r\n");
        }
        return Encoding.Latin1.GetBytes(text.ToString());
    }

    /// <summary>What a sender asks of reports with MAIL; mostly nothing.</summary>
    public static string Dsn(SimRandom random, string token)
    {
        string returns = random.OneIn(4) ? random.Pick(["RET=FULL", "RET=HDRS"]) : "";
        string id = random.OneIn(4) ? $"ENVID=e.{token}" : "";
        return returns.Length > 0 && id.Length > 0 ? $"{returns} {id}" : returns + id;
    }

    /// <summary>A recipient with what is asked of reports about it.</summary>
    public static MailRecipient Recipient(SimRandom random, string mailbox, bool utf8)
    {
        string notify = random.OneIn(3) ? random.Pick(["NEVER", "SUCCESS", "FAILURE", "DELAY", "SUCCESS,FAILURE", "SUCCESS,FAILURE,DELAY"]) : "";
        string original = !random.OneIn(4) ? "" : utf8 && random.OneIn(2) ? "utf-8;first\u00F6@origin.test" : "rfc822;first+2B1@origin.test";
        return new MailRecipient(mailbox, notify, original);
    }

    /// <summary>The form in which content goes over the wire, without the final dot.</summary>
    public static byte[] Stuff(byte[] content)
    {
        string text = Encoding.Latin1.GetString(content);
        text = text.Replace("\r\n.", "\r\n..", StringComparison.Ordinal);
        return Encoding.Latin1.GetBytes(text.StartsWith('.') ? "." + text : text);
    }
}

/// <summary>A simulated client: sends messages in good and bad manners, and remembers what it was told.</summary>
internal sealed class StormClient(SimHost host, IPEndPoint relay, MailChecker checker, Limits limits, SimRandom random, Func<string> newToken)
{
    private bool _pipelining;
    private bool _startTls;
    private bool _calm;

    /// <summary>One session.</summary>
    public async ValueTask RunAsync()
    {
        DialResult dial = await host.Network.ConnectAsync(relay, IPAddress.Loopback, 30_000);
        if (dial.Link is null)
        {
            return;
        }
        var peer = new SmtpPeer(dial.Link, random);
        if ((await peer.ReadReplyAsync()).Code == 220 && await GreetAsync(peer))
        {
            int messages = 1 + random.Next(5);
            for (int i = 0; i < messages; i++)
            {
                if (!await SendAsync(peer))
                {
                    break;
                }
            }
            await LeaveAsync(peer);
        }
        dial.Link.Close();
    }

    private async ValueTask<bool> GreetAsync(SmtpPeer peer)
    {
        if (!await EhloAsync(peer))
        {
            return false;
        }
        if (!_startTls || !random.OneIn(3))
        {
            return true;
        }
        await peer.WriteAsync("STARTTLS\r\n");
        if ((await peer.ReadReplyAsync()).Code != 220)
        {
            return false;
        }
        TlsResult tls = await peer.Link.StartTlsAsync(new SslClientAuthenticationOptions());
        host.Universe.Faults.Hit(tls.Ok ? "client: tls" : "client: tls failed");
        return tls.Ok && await EhloAsync(peer);
    }

    private async ValueTask<bool> EhloAsync(SmtpPeer peer)
    {
        await peer.WriteAsync("EHLO client.test\r\n");
        PeerReply reply = await peer.ReadReplyAsync();
        _pipelining = reply.Text.Contains("PIPELINING", StringComparison.Ordinal);
        _startTls = reply.Text.Contains("STARTTLS", StringComparison.Ordinal);
        return reply.IsPositive;
    }

    /// <summary>One transaction; false ends the session.</summary>
    private async ValueTask<bool> SendAsync(SmtpPeer peer)
    {
        string token = newToken();
        bool eightBit = random.OneIn(5);
        string sender = random.OneIn(15) ? "" : $"s.{token}@senders.test";
        var message = new MailMessage(token, sender, StormMail.Content(random, token, eightBit)) { Dsn = StormMail.Dsn(random, token) };
        checker.Add(message);
        bool utf8 = random.OneIn(6);
        MailRecipient[] mailboxes = [.. Enumerable.Range(0, random.OneIn(8) ? 1 + random.Next(12) : 1 + random.Next(3))
            .Select(i => StormMail.Recipient(random, StormMail.Mailbox(random, token, i, utf8), utf8))];
        string size = random.OneIn(3) ? $" SIZE={message.Content.Length}" : "";
        string mail = $"MAIL FROM:<{sender}>{(eightBit ? " BODY=8BITMIME" : "")}{size}{(utf8 ? " SMTPUTF8" : "")}{(message.Dsn.Length > 0 ? " " : "")}{message.Dsn}\r\n";
        _calm = checker.IsCalm;
        if (random.OneIn(12) && !await BadCommandAsync(peer))
        {
            return false;
        }
        bool open = _pipelining && random.OneIn(2)
            ? await OpenAtOnceAsync(peer, message, mail, mailboxes)
            : await OpenStepByStepAsync(peer, message, mail, mailboxes);
        return open && await SendContentAsync(peer, message);
    }

    private async ValueTask<bool> BadCommandAsync(SmtpPeer peer)
    {
        (string line, int code) = random.Pick<(string, int)>([("FOO\r\n", 500), ("MAIL FROM:<x\r\n", 501), ("DATA\r\n", 503), ("RCPT TO:<a@b.test>\r\n", 503), ("NOOP\r\n", 250), ("RSET\r\n", 250)]);
        if (!await peer.WriteAsync(line))
        {
            return false;
        }
        PeerReply reply = await peer.ReadReplyAsync();
        host.Universe.Require(reply.Code == code || reply.Code is 0 or 421, $"{line.TrimEnd()} was answered {reply.Code} {reply.Text}");
        return reply.Code is not (0 or 421);
    }

    private async ValueTask<bool> OpenStepByStepAsync(SmtpPeer peer, MailMessage message, string mail, MailRecipient[] mailboxes)
    {
        PeerReply reply = await AskAsync(peer, mail);
        if (!reply.IsPositive)
        {
            host.Universe.Faults.Hit($"relay: MAIL refused {reply.Code}");
            return await ResetAsync(peer, reply);
        }
        foreach (MailRecipient mailbox in mailboxes)
        {
            if (!Note(message, mailbox, await AskAsync(peer, Rcpt(mailbox))))
            {
                return false;
            }
        }
        if (message.Recipients.Count == 0 || random.OneIn(20))
        {
            return await ResetAsync(peer, reply);
        }
        reply = await AskAsync(peer, "DATA\r\n");
        return reply.Code == 354 || await ResetAsync(peer, reply);
    }

    private async ValueTask<bool> OpenAtOnceAsync(SmtpPeer peer, MailMessage message, string mail, MailRecipient[] mailboxes)
    {
        string flight = mail + string.Concat(mailboxes.Select(Rcpt)) + "DATA\r\n";
        if (!await peer.WriteAsync(flight))
        {
            return false;
        }
        PeerReply first = await peer.ReadReplyAsync();
        foreach (MailRecipient mailbox in mailboxes)
        {
            if (!Note(message, mailbox, await peer.ReadReplyAsync()))
            {
                return false;
            }
        }
        PeerReply data = await peer.ReadReplyAsync();
        host.Universe.Require(data.Code != 354 || (first.IsPositive && message.Recipients.Count > 0), "354 without a recipient");
        return data.Code == 354 || await ResetAsync(peer, data);
    }

    private async ValueTask<bool> SendContentAsync(SmtpPeer peer, MailMessage message)
    {
        // The field that names the tenant is cut out: what arrives is the content.
        ReadOnlySpan<byte> field = TenantField(message);
        message.Tenant = field.IsEmpty ? "" : System.Text.Encoding.ASCII.GetString(field["X-FastRelay-Tenant: ".Length..^2]);
        byte[] stuffed = [.. field, .. StormMail.Stuff(message.Content)];
        if (random.OneIn(20))
        {
            host.Universe.Faults.Hit("client: leaves in the middle");
            await peer.WriteAsync(stuffed.AsMemory(0, random.Next(stuffed.Length)));
            return false;
        }
        if (!await peer.WriteAsync(stuffed))
        {
            return false;
        }
        if (message.State == MailState.Unsent)
        {
            message.State = MailState.InDoubt;
        }
        if (!await peer.WriteAsync(".\r\n"))
        {
            return false;
        }
        if (random.OneIn(20))
        {
            host.Universe.Faults.Hit("client: leaves after the dot");
            return false;
        }
        PeerReply reply = await peer.ReadReplyAsync();
        if (reply.Code == 0)
        {
            host.Universe.Require(!_calm || !checker.IsCalm, $"7: no reply to the dot of {message.Token} in the calm");
            return false;
        }
        checker.Replied(message, reply, limits.MessageBytes);
        return reply.Code != 421;
    }

    private ReadOnlySpan<byte> TenantField(MailMessage message) => message.Content.Length > limits.MessageBytes - 1_000 ? default : (message.Token[^1] % 3) switch
    {
        0 => default,
        1 => "X-FastRelay-Tenant: few\r\n"u8,
        _ => "X-FastRelay-Tenant: many\r\n"u8,
    };

    private static string Rcpt(MailRecipient recipient) =>
        $"RCPT TO:<{recipient.Mailbox}>{(recipient.DsnTo(true).Length > 0 ? " " : "")}{recipient.DsnTo(true)}\r\n";

    private bool Note(MailMessage message, MailRecipient mailbox, PeerReply reply)
    {
        if (reply.IsPositive)
        {
            message.Recipients.Add(mailbox);
            host.Universe.Require(message.Recipients.Count <= limits.Recipients, $"6: {message.Recipients.Count} recipients were accepted");
        }
        else if (reply.Code == 452)
        {
            host.Universe.Faults.Hit("relay: too many recipients");
        }
        host.Universe.Require(reply.IsPositive || reply.Code is 0 or 421 or 451 or 452 or 503 or 552, $"RCPT was answered {reply.Code} {reply.Text}");
        return reply.Code is not (0 or 421);
    }

    private static async ValueTask<PeerReply> AskAsync(SmtpPeer peer, string command) =>
        await peer.WriteAsync(command) ? await peer.ReadReplyAsync() : PeerReply.Lost;

    /// <summary>The transaction is over; the session goes on with another, which this one's caller does not send.</summary>
    private async ValueTask<bool> ResetAsync(SmtpPeer peer, PeerReply reason)
    {
        if (reason.Code is not (0 or 421))
        {
            await AskAsync(peer, "RSET\r\n");
            await AskAsync(peer, "QUIT\r\n");
        }
        return false;
    }

    private async ValueTask LeaveAsync(SmtpPeer peer)
    {
        if (!random.OneIn(4))
        {
            await AskAsync(peer, "QUIT\r\n");
        }
        else if (random.OneIn(2))
        {
            peer.Link.Abort();
        }
    }
}
