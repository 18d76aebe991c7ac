using System.Text;

namespace FastRelay.Storm;

/// <summary>What a session of a next hop offers, and whether its client keeps to it: nothing is used that was not offered, and what the sender asked for goes on.</summary>
internal sealed class SinkOffers(StormSink sink)
{
    private bool _extended;

    /// <summary>A reply too many came before the answer to EHLO: what the client takes for that offers nothing.</summary>
    public bool IsUnheard { get; set; }

    /// <summary>The transaction was begun with SMTPUTF8.</summary>
    public bool IsUtf8 { get; private set; }

    /// <summary>Content of 8 bits must come converted, or may have been.</summary>
    public bool IsSevenBit(byte[] content) => sink.Checker.Converts && (!Has(sink.Profile.EightBitMime) || (IsUnheard && Ascii.IsValid(content)));

    /// <summary>Lines of the answer to EHLO.</summary>
    public string Lines()
    {
        _extended = true;
        return (sink.Profile.Dsn ? "250-DSN\r\n" : "")
            + (sink.Profile.EightBitMime ? "250-8BITMIME\r\n" : "")
            + (sink.Profile.SmtpUtf8 ? "250-SMTPUTF8\r\n" : "")
            + (sink.Profile.Auth ? "250-AUTH " + (sink.Profile.AuthByLogin ? "LOGIN" : "LOGIN PLAIN") + "\r\n" : "");
    }

    /// <summary>HELO: nothing is offered.</summary>
    public void Forget() => _extended = false;

    /// <summary>Looks at MAIL.</summary>
    public void Mail(string line, string sender)
    {
        string[] words = Words(line);
        IsUtf8 = words.Contains("SMTPUTF8");
        sink.Host.Universe.Require(!IsUtf8 || Has(sink.Profile.SmtpUtf8), $"SMTPUTF8 to a host that does not offer it: {line}");
        sink.Host.Universe.Require(!words.Contains("BODY=8BITMIME") || Has(sink.Profile.EightBitMime), $"BODY to a host that does not offer it: {line}");
        sink.Host.Universe.Require(IsUtf8 || Ascii.IsValid(sender), $"a sender that is not ASCII in breach of RFC 6531: {line}");
        MailMessage? message = sink.Checker.Find(sender);
        sink.Host.Universe.Require(message is not { NeedsUtf8: true } || IsUtf8, $"a message that needs SMTPUTF8 in breach of RFC 6531: {line}");
        string dsn = string.Join(' ', words.Where(static word => word.StartsWith("RET=", StringComparison.Ordinal) || word.StartsWith("ENVID=", StringComparison.Ordinal)));
        if (sender.Length == 0)
        {
            // It may be a report of ours: what was asked for is not known.
            sink.Host.Universe.Require(dsn.Length == 0 || Has(sink.Profile.Dsn), $"DSN to a host that does not offer it: {line}");
        }
        else if (message is not null)
        {
            Same(Has(sink.Profile.Dsn) ? message.Dsn : "", dsn, line);
        }
        if (IsUtf8)
        {
            sink.Host.Universe.Faults.Hit("sink: SMTPUTF8");
        }
    }

    /// <summary>Looks at RCPT.</summary>
    public void Rcpt(string line, string mailbox)
    {
        sink.Host.Universe.Require(IsUtf8 || Ascii.IsValid(line), $"a recipient that is not ASCII in breach of RFC 6531: {line}");
        string dsn = string.Join(' ', Words(line));
        if (sink.Checker.Find(mailbox)?.Find(mailbox) is { } recipient)
        {
            Same(Has(sink.Profile.Dsn) ? recipient.DsnTo(IsUtf8) : "", dsn, line);
        }
    }

    private bool Has(bool extension) => _extended && extension;

    private void Same(string wanted, string got, string line)
    {
        sink.Host.Universe.Require(wanted == got || (IsUnheard && got.Length == 0), $"DSN: \"{wanted}\" was asked for and \"{got}\" goes on: {line}");
        if (got.Length > 0)
        {
            sink.Host.Universe.Faults.Hit("sink: DSN");
        }
    }

    private static string[] Words(string line) => line[(line.IndexOf('>', StringComparison.Ordinal) + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
}
