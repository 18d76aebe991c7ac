using System.Text;

namespace FastRelay.Smtp;

/// <summary>
/// What kind of trouble a recipient that was put off or failed met, in a word, for those who keep lists: whether to take the
/// address off, to wait, or to look at their own mail. By the enhanced code (RFC 3463), else by the words that large providers use.
/// A reading for people and lists: nothing is delivered, retried or bounced by it.
/// </summary>
public static class BounceClass
{
    private static readonly (byte[] Word, byte[] Class)[] s_words =
    [
        ("rate limit"u8.ToArray(), "rate"u8.ToArray()),
        ("too many"u8.ToArray(), "rate"u8.ToArray()),
        ("greylist"u8.ToArray(), "greylisted"u8.ToArray()),
        ("graylist"u8.ToArray(), "greylisted"u8.ToArray()),
        ("dmarc"u8.ToArray(), "authentication"u8.ToArray()),
        ("dkim"u8.ToArray(), "authentication"u8.ToArray()),
        ("spf "u8.ToArray(), "authentication"u8.ToArray()),
        ("blacklist"u8.ToArray(), "reputation"u8.ToArray()),
        ("blocklist"u8.ToArray(), "reputation"u8.ToArray()),
        ("block list"u8.ToArray(), "reputation"u8.ToArray()),
        ("spamhaus"u8.ToArray(), "reputation"u8.ToArray()),
        ("reputation"u8.ToArray(), "reputation"u8.ToArray()),
        ("spam"u8.ToArray(), "spam"u8.ToArray()),
        ("virus"u8.ToArray(), "content"u8.ToArray()),
        ("quota"u8.ToArray(), "full"u8.ToArray()),
        ("mailbox full"u8.ToArray(), "full"u8.ToArray()),
        ("user unknown"u8.ToArray(), "bad-mailbox"u8.ToArray()),
        ("unknown user"u8.ToArray(), "bad-mailbox"u8.ToArray()),
        ("no such user"u8.ToArray(), "bad-mailbox"u8.ToArray()),
        ("does not exist"u8.ToArray(), "bad-mailbox"u8.ToArray()),
        ("disabled"u8.ToArray(), "inactive"u8.ToArray()),
    ];

    /// <summary>Every word that an outcome may have.</summary>
    public static IReadOnlyList<string> Names { get; } =
    [
        "bad-mailbox", "bad-domain", "bad-sender", "inactive", "full", "too-big", "spam", "reputation", "authentication", "policy", "rate", "greylisted",
        "content", "protocol", "connection", "routing", "tls", "login", "mailbox", "system", "expired", "local", "other",
    ];

    /// <summary>Where a word stands in <see cref="Names"/>.</summary>
    /// <param name="kind">As <see cref="Of"/> says it.</param>
    public static int IndexOf(ReadOnlySpan<byte> kind)
    {
        for (int i = 0; i < Names.Count; i++)
        {
            if (Ascii.Equals(kind, Names[i]))
            {
                return i;
            }
        }
        throw new CheckFailedException($"a class of trouble that has no name: {Encoding.ASCII.GetString(kind)}");
    }

    /// <summary>The class of an outcome.</summary>
    /// <param name="outcome">Deferred or failed.</param>
    /// <param name="reply">The reply's text, or ours.</param>
    /// <returns>A word; empty for a delivery.</returns>
    public static ReadOnlySpan<byte> Of(in Outcome outcome, ReadOnlySpan<byte> reply)
    {
        if (outcome.Class is not (OutcomeClass.Deferred or OutcomeClass.Failed))
        {
            return default;
        }
        ReadOnlySpan<byte> known = outcome.Cause switch
        {
            OutcomeCause.ConnectFailed or OutcomeCause.ConnectTimeout or OutcomeCause.ConnectionLost or OutcomeCause.ReplyTimeout or OutcomeCause.BadReply or OutcomeCause.InDoubt => "connection"u8,
            OutcomeCause.DnsTemporary or OutcomeCause.MailLoop => "routing"u8,
            OutcomeCause.NoSuchDomain or OutcomeCause.NullMx => "bad-domain"u8,
            OutcomeCause.TlsFailed => "tls"u8,
            OutcomeCause.AuthFailed => "login"u8,
            OutcomeCause.Expired => "expired"u8,
            OutcomeCause.TooBig => "too-big"u8,
            OutcomeCause.ByOperator or OutcomeCause.ByRoute or OutcomeCause.ShuttingDown => "local"u8,
            OutcomeCause.Untold when outcome.ReplyCode == 0 => "local"u8,
            OutcomeCause.CorruptBody or OutcomeCause.NotSupported or OutcomeCause.EightBit or OutcomeCause.EightBitSigned => "content"u8,
            _ => OfReply(outcome, reply),
        };
        return known;
    }

    private static ReadOnlySpan<byte> OfReply(in Outcome outcome, ReadOnlySpan<byte> reply)
    {
        // Codes that say one thing only come first: providers write all sorts of things behind them.
        EnhancedCode code = outcome.EnhancedCode;
        switch ((code.Subject, code.Detail))
        {
            case (1, 1 or 6):
                return "bad-mailbox"u8;
            case (1, 2 or 10):
                return "bad-domain"u8;
            case (1, 7 or 8):
                return "bad-sender"u8;
            case (2, 1):
                return "inactive"u8;
            case (2, 2):
                return "full"u8;
            case (2, 3) or (3, 4):
                return "too-big"u8;
            case (7, >= 20 and <= 27):
                return "authentication"u8;
            case (7, 28):
                return "rate"u8;
            case (7, 10) or (7, 11):
                return "tls"u8;
        }
        foreach ((byte[] word, byte[] kind) in s_words)
        {
            if (Has(reply, word))
            {
                return kind;
            }
        }
        return outcome.ReplyCode is 530 or 534 or 535 or 538 ? "login"u8
            : code.Subject switch
            {
                1 => "bad-mailbox"u8,
                2 => "mailbox"u8,
                3 => "system"u8,
                4 => "routing"u8,
                5 => "protocol"u8,
                6 => "content"u8,
                7 => "policy"u8,
                _ => outcome.ReplyCode is 552 or 452 ? "full"u8 : outcome.ReplyCode is 421 ? "system"u8 : outcome.ReplyCode is 500 or 501 or 502 or 503 or 504 or 555 ? "protocol"u8 : "other"u8,
            };
    }

    private static bool Has(ReadOnlySpan<byte> text, ReadOnlySpan<byte> word)
    {
        for (int i = 0; i + word.Length <= text.Length; i++)
        {
            if (Ascii.EqualsIgnoreCase(text.Slice(i, word.Length), word))
            {
                return true;
            }
        }
        return false;
    }
}
