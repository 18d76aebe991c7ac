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

/// <summary>The parameters of MAIL FROM (RFC 5321 4.1.1.11): SIZE (RFC 1870), BODY (RFC 6152) and, where told so, AUTH (RFC 4954 5).</summary>
public readonly struct MailParameters
{
    private const int SizeDigitsMax = 20; // RFC 1870 3

    private readonly long _sizePlusOne;

    private MailParameters(long sizePlusOne, BodyType body)
    {
        _sizePlusOne = sizePlusOne;
        Body = body;
    }

    /// <summary>Declared size in octets, -1 when not declared. A number that does not fit says <see cref="long.MaxValue"/> - 1, which is over any limit (552 5.3.4).</summary>
    public long Size => _sizePlusOne - 1;

    /// <summary>Declared content.</summary>
    public BodyType Body { get; }

    /// <summary>Parses without AUTH=.</summary>
    /// <param name="rest">What follows the path, with its leading space.</param>
    /// <param name="parameters">The values; default unless Ok.</param>
    public static ParameterStatus TryParse(ReadOnlySpan<byte> rest, out MailParameters parameters) => TryParse(rest, false, out parameters);

    /// <summary>Parses all parameters.</summary>
    /// <param name="rest">What follows the path, with its leading space.</param>
    /// <param name="authOffered">True when AUTH was offered: then AUTH= is checked for form and ignored, as RFC 4954 5 lets a server that trusts no such claim do.</param>
    /// <param name="parameters">The values; default unless Ok.</param>
    public static ParameterStatus TryParse(ReadOnlySpan<byte> rest, bool authOffered, out MailParameters parameters)
    {
        parameters = default;
        long sizePlusOne = 0;
        var body = BodyType.Unspecified;
        var authSeen = false;
        var reader = new ParameterReader(rest);
        while (reader.Next(out var keyword, out var value, out var malformed))
        {
            ParameterStatus status;
            if (malformed)
            {
                status = ParameterStatus.Syntax;
            }
            else if (AsciiWord.Equals(keyword, "SIZE"u8))
            {
                status = sizePlusOne == 0 && TryParseSize(value, out sizePlusOne) ? ParameterStatus.Ok : ParameterStatus.Syntax;
            }
            else if (AsciiWord.Equals(keyword, "BODY"u8))
            {
                status = body == BodyType.Unspecified ? ParseBody(value, out body) : ParameterStatus.Syntax;
            }
            else if (authOffered && AsciiWord.Equals(keyword, "AUTH"u8))
            {
                status = authSeen || value.IsEmpty ? ParameterStatus.Syntax : ParameterStatus.Ok;
                authSeen = true;
            }
            else
            {
                status = ParameterStatus.Unknown;
            }

            if (status != ParameterStatus.Ok)
            {
                return status;
            }
        }

        parameters = new MailParameters(sizePlusOne, body);
        return ParameterStatus.Ok;
    }

    private static bool TryParseSize(ReadOnlySpan<byte> value, out long sizePlusOne)
    {
        sizePlusOne = 0;
        if (value.IsEmpty || value.Length > SizeDigitsMax || value.ContainsAnyExceptInRange((byte)'0', (byte)'9'))
        {
            return false;
        }

        ulong size = 0; // 19 digits always fit; the 20th may not
        var fits = true;
        foreach (var digit in value)
        {
            fits &= size <= (ulong.MaxValue - 9) / 10;
            size = unchecked((size * 10) + digit - '0');
        }

        sizePlusOne = fits && size < long.MaxValue ? (long)size + 1 : long.MaxValue;
        return true;
    }

    private static ParameterStatus ParseBody(ReadOnlySpan<byte> value, out BodyType body)
    {
        body = BodyType.Unspecified;
        if (AsciiWord.Equals(value, "8BITMIME"u8))
        {
            body = BodyType.EightBitMime;
            return ParameterStatus.Ok;
        }

        if (AsciiWord.Equals(value, "7BIT"u8))
        {
            body = BodyType.SevenBit;
            return ParameterStatus.Ok;
        }

        // BINARYMIME (RFC 3030 3) is real but not offered; anything else is no body type at all.
        return AsciiWord.Equals(value, "BINARYMIME"u8) ? ParameterStatus.Unknown : ParameterStatus.Syntax;
    }
}
