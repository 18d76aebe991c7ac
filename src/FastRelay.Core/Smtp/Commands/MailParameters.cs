namespace FastRelay.Smtp;

/// <summary>How the parameters after a path turned out.</summary>
public enum ParameterStatus
{
    /// <summary>All known, each at most once.</summary>
    Ok,

    /// <summary>Malformed, repeated, or a bad value (501 5.5.4).</summary>
    Syntax,

    /// <summary>Well-formed, but of an extension that is not offered (555 5.5.4).</summary>
    Unknown,
}

/// <summary>The BODY parameter of MAIL (RFC 6152 3).</summary>
public enum BodyType : byte
{
    /// <summary>Not given; means 7BIT.</summary>
    Unspecified,

    /// <summary>BODY=7BIT.</summary>
    SevenBit,

    /// <summary>BODY=8BITMIME.</summary>
    EightBitMime,
}

/// <summary>The RET parameter of MAIL: what a failure report returns (RFC 3461 4.3).</summary>
public enum ReturnContent : byte
{
    /// <summary>Not given: the reporter chooses.</summary>
    Unspecified,

    /// <summary>RET=FULL.</summary>
    Full,

    /// <summary>RET=HDRS.</summary>
    Headers,
}

/// <summary>
/// The parameters of MAIL FROM (RFC 5321 4.1.1.11): SIZE (RFC 1870) and BODY (RFC 6152) always; AUTH (RFC 4954 5), RET and
/// ENVID (RFC 3461 4.3, 4.4) and SMTPUTF8 (RFC 6531 3.4) where their extension is offered.
/// </summary>
public ref struct MailParameters
{
    private const int SizeDigitsMax = 20; // RFC 1870 3

    private long _sizePlusOne;
    private bool _authSeen;

    /// <summary>Declared size in octets, -1 when not declared. A number that does not fit says <see cref="long.MaxValue"/> - 1, which is over any limit (552 5.3.4).</summary>
    public readonly long Size => _sizePlusOne - 1;

    /// <summary>Declared content.</summary>
    public BodyType Body { get; private set; }

    /// <summary>SMTPUTF8 was asked for.</summary>
    public bool SmtpUtf8 { get; private set; }

    /// <summary>What a report should return.</summary>
    public ReturnContent Return { get; private set; }

    /// <summary>The envelope identifier as given, in xtext, at most 100 octets; empty when not given.</summary>
    public ReadOnlySpan<byte> EnvelopeId { get; private set; }

    /// <summary>Parses SIZE and BODY alone; everything else is of an extension that is not offered.</summary>
    /// <param name="rest">What follows the path, with its leading space.</param>
    /// <param name="parameters">The values; default unless Ok.</param>
    public static ParameterStatus TryParse(ReadOnlySpan<byte> rest, out MailParameters parameters) => TryParse(rest, SmtpExtensions.None, out parameters);

    /// <summary>Parses all parameters.</summary>
    /// <param name="rest">What follows the path, with its leading space.</param>
    /// <param name="offered">
    /// What EHLO offered beyond SIZE and 8BITMIME. With AUTH, AUTH= is checked for form and ignored, as RFC 4954 5 lets a server that trusts no such claim do.
    /// </param>
    /// <param name="parameters">The values; default unless Ok.</param>
    public static ParameterStatus TryParse(ReadOnlySpan<byte> rest, SmtpExtensions offered, out MailParameters parameters)
    {
        parameters = default;
        var found = default(MailParameters);
        var reader = new ParameterReader(rest);
        while (reader.Next(out var keyword, out var value, out var malformed))
        {
            var status = malformed ? ParameterStatus.Syntax : found.Take(keyword, value, offered);
            if (status != ParameterStatus.Ok)
            {
                return status;
            }
        }

        parameters = found;
        return ParameterStatus.Ok;
    }

    private ParameterStatus Take(ReadOnlySpan<byte> keyword, ReadOnlySpan<byte> value, SmtpExtensions offered)
    {
        if (AsciiWord.Equals(keyword, "SIZE"u8))
        {
            return Known(_sizePlusOne == 0 && TryParseSize(value, out _sizePlusOne));
        }

        if (AsciiWord.Equals(keyword, "BODY"u8))
        {
            return Body == BodyType.Unspecified ? ParseBody(value) : ParameterStatus.Syntax;
        }

        if ((offered & SmtpExtensions.Auth) != 0 && AsciiWord.Equals(keyword, "AUTH"u8))
        {
            var first = !_authSeen;
            _authSeen = true;
            return Known(first && Xtext.IsValid(value));
        }

        if ((offered & SmtpExtensions.SmtpUtf8) != 0 && AsciiWord.Equals(keyword, "SMTPUTF8"u8))
        {
            var first = !SmtpUtf8;
            SmtpUtf8 = true;
            return Known(first && value.IsEmpty);
        }

        if ((offered & SmtpExtensions.Dsn) != 0 && AsciiWord.Equals(keyword, "RET"u8))
        {
            var first = Return == ReturnContent.Unspecified;
            Return = AsciiWord.Equals(value, "FULL"u8) ? ReturnContent.Full : AsciiWord.Equals(value, "HDRS"u8) ? ReturnContent.Headers : ReturnContent.Unspecified;
            return Known(first && Return != ReturnContent.Unspecified);
        }

        if ((offered & SmtpExtensions.Dsn) != 0 && AsciiWord.Equals(keyword, "ENVID"u8))
        {
            var first = EnvelopeId.IsEmpty;
            EnvelopeId = value;
            return Known(first && value.Length is > 0 and <= Xtext.EnvelopeIdMax && Xtext.IsPrintable(value));
        }

        return ParameterStatus.Unknown;
    }

    private static ParameterStatus Known(bool isGood) => isGood ? ParameterStatus.Ok : ParameterStatus.Syntax;

    private static bool TryParseSize(ReadOnlySpan<byte> value, out long sizePlusOne)
    {
        sizePlusOne = 0;
        if (!DecimalNumber.TryParse(value, SizeDigitsMax, out var size))
        {
            return false;
        }

        sizePlusOne = size == long.MaxValue ? size : size + 1;
        return true;
    }

    private ParameterStatus ParseBody(ReadOnlySpan<byte> value)
    {
        if (AsciiWord.Equals(value, "8BITMIME"u8))
        {
            Body = BodyType.EightBitMime;
            return ParameterStatus.Ok;
        }

        if (AsciiWord.Equals(value, "7BIT"u8))
        {
            Body = BodyType.SevenBit;
            return ParameterStatus.Ok;
        }

        // BINARYMIME (RFC 3030 3) is real but not offered; anything else is no body type at all.
        return AsciiWord.Equals(value, "BINARYMIME"u8) ? ParameterStatus.Unknown : ParameterStatus.Syntax;
    }
}
