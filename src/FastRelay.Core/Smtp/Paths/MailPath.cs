namespace FastRelay.Smtp;

/// <summary>How a path turned out, and the reply that says so.</summary>
public enum PathStatus
{
    /// <summary>A path.</summary>
    Ok,

    /// <summary>No path at all (501 5.1.7 for MAIL, 501 5.1.3 for RCPT).</summary>
    Syntax,

    /// <summary>The local part is empty or malformed (501 5.1.7, 501 5.1.3).</summary>
    BadLocalPart,

    /// <summary>The domain is missing, empty or malformed (501 5.1.7, 501 5.1.3).</summary>
    BadDomain,

    /// <summary>Local part over 64, domain over 255 or path over 256 octets (501 5.1.7, 501 5.1.3; RFC 5321 4.5.3.1).</summary>
    TooLong,

    /// <summary>The null path as a recipient (501 5.1.3).</summary>
    NullRecipient,

    /// <summary>Octets over 127 without SMTPUTF8 (553 5.6.7; RFC 6531 3.5).</summary>
    NeedsSmtpUtf8,

    /// <summary>Octets over 127 that are no clean UTF-8 (501 5.1.7, 501 5.1.3).</summary>
    InvalidUtf8,
}

/// <summary>
/// A reverse-path or forward-path (RFC 5321 4.1.2), pointing into the line it came from.
/// Bytes stay exactly as given: local parts are case-sensitive and quoting is the owner's business.
/// </summary>
public readonly ref struct MailPath
{
    /// <summary>Most octets of a local part, quotes included (RFC 5321 4.5.3.1.1).</summary>
    public const int LocalPartLengthMax = 64;

    /// <summary>Most octets of a path, angle brackets and source route included (RFC 5321 4.5.3.1.3).</summary>
    public const int LengthMax = 256;

    private readonly int _localLength;

    internal MailPath(ReadOnlySpan<byte> mailbox, int localLength)
    {
        Mailbox = mailbox;
        _localLength = localLength;
    }

    /// <summary>The octets to keep and to send between angle brackets: local part, '@', domain, without source route. Empty for the null path; the bare word for postmaster.</summary>
    public ReadOnlySpan<byte> Mailbox { get; }

    /// <summary>What stands before the last '@', as given, with quotes if quoted.</summary>
    public ReadOnlySpan<byte> LocalPart => Mailbox[.._localLength];

    /// <summary>Domain or bracketed address literal, as given. Empty for the null path and for postmaster.</summary>
    public ReadOnlySpan<byte> Domain => _localLength < Mailbox.Length ? Mailbox[(_localLength + 1)..] : default;

    /// <summary>The null path <c>&lt;&gt;</c> (RFC 5321 4.5.5).</summary>
    public bool IsNull => Mailbox.IsEmpty;

    /// <summary><c>&lt;postmaster&gt;</c> without a domain, in any case (RFC 5321 4.1.1.3).</summary>
    public bool IsPostmaster => !Mailbox.IsEmpty && _localLength == Mailbox.Length;

    /// <summary>The domain is an address literal; <see cref="DomainName.TryParseAddressLiteral"/> reads it.</summary>
    public bool IsAddressLiteral => Domain.StartsWith((byte)'[');

    /// <summary>Parses the path of MAIL FROM.</summary>
    /// <param name="argument">Starts at the opening bracket; may go on with parameters after a space.</param>
    /// <param name="utf8">SMTPUTF8 is in force.</param>
    /// <param name="path">The path; default unless Ok.</param>
    /// <param name="consumed">Octets up to and including the closing bracket; 0 unless Ok.</param>
    public static PathStatus ParseReverse(ReadOnlySpan<byte> argument, bool utf8, out MailPath path, out int consumed)
    {
        if (argument.StartsWith("<>"u8) && PathReader.EndsAt(argument, 2))
        {
            path = default;
            consumed = 2;
            return PathStatus.Ok;
        }

        return PathReader.Read(argument, utf8, postmaster: false, out path, out consumed);
    }

    /// <summary>Parses the path of RCPT TO. Parameters as for <see cref="ParseReverse"/>; the null path is refused and a bare postmaster accepted.</summary>
    public static PathStatus ParseForward(ReadOnlySpan<byte> argument, bool utf8, out MailPath path, out int consumed)
    {
        if (argument.StartsWith("<>"u8) && PathReader.EndsAt(argument, 2))
        {
            path = default;
            consumed = 0;
            return PathStatus.NullRecipient;
        }

        return PathReader.Read(argument, utf8, postmaster: true, out path, out consumed);
    }
}
