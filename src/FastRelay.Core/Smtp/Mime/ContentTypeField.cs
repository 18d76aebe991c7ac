namespace FastRelay.Smtp;

/// <summary>What a Content-Type (RFC 2045 5.1) means for the transfer encoding of its part.</summary>
internal enum MediaKind : byte
{
    /// <summary>text/*: quoted-printable keeps it legible.</summary>
    Text,

    /// <summary>Any other single thing.</summary>
    Other,

    /// <summary>message/rfc822 and message/global: a message with a header and parts of its own.</summary>
    Message,

    /// <summary>multipart/* with a boundary that can be told.</summary>
    Multipart,

    /// <summary>Another message/*, which no encoding may change (RFC 2045 6.4), or a multipart whose boundary cannot be told.</summary>
    Closed,
}

/// <summary>Reads the value of a Content-Type field, comments and quoted strings included. Pure.</summary>
internal static class ContentTypeField
{
    /// <summary>Octets of a boundary at most (RFC 2046 5.1.1).</summary>
    public const int BoundaryMax = 70;

    /// <summary>Reads a value.</summary>
    /// <param name="value">Without the CRLFs of its folds.</param>
    /// <param name="boundary">Receives the boundary of a multipart; at least <see cref="BoundaryMax"/>.</param>
    /// <param name="boundaryLength">Its octets.</param>
    /// <param name="isSigned">multipart/signed (RFC 1847 2.1).</param>
    /// <param name="isDigest">multipart/digest, whose parts are messages unless they say otherwise (RFC 2046 5.1.5).</param>
    public static MediaKind Read(ReadOnlySpan<byte> value, Span<byte> boundary, out int boundaryLength, out bool isSigned, out bool isDigest)
    {
        boundaryLength = 0;
        isSigned = isDigest = false;
        var at = 0;
        SkipSpace(value, ref at);
        var type = Token(value, ref at);
        SkipSpace(value, ref at);
        var hasSubtype = at < value.Length && value[at] == '/';
        at += hasSubtype ? 1 : 0;
        SkipSpace(value, ref at);
        var subtype = hasSubtype ? Token(value, ref at) : default;
        if (AsciiWord.Equals(type, "multipart"u8))
        {
            isSigned = AsciiWord.Equals(subtype, "signed"u8);
            isDigest = AsciiWord.Equals(subtype, "digest"u8);
            return TryBoundary(value, at, boundary, out boundaryLength) ? MediaKind.Multipart : MediaKind.Closed;
        }

        if (AsciiWord.Equals(type, "message"u8))
        {
            return AsciiWord.Equals(subtype, "rfc822"u8) || AsciiWord.Equals(subtype, "global"u8) ? MediaKind.Message : MediaKind.Closed;
        }

        return AsciiWord.Equals(type, "text"u8) && !subtype.IsEmpty ? MediaKind.Text : MediaKind.Other;
    }

    /// <summary>Reads the one word that a field such as Content-Transfer-Encoding consists of; empty when there is more, or none.</summary>
    public static ReadOnlySpan<byte> OnlyWord(ReadOnlySpan<byte> value)
    {
        var at = 0;
        SkipSpace(value, ref at);
        var word = Token(value, ref at);
        SkipSpace(value, ref at);
        return at == value.Length ? word : default;
    }

    // What readers could take in different ways has no boundary: two of them, RFC 2231's pieces, or characters that need quotes.
    private static bool TryBoundary(ReadOnlySpan<byte> value, int at, Span<byte> boundary, out int length)
    {
        length = 0;
        while (true)
        {
            SkipSpace(value, ref at);
            if (at == value.Length)
            {
                return length > 0 && boundary[length - 1] != ' ';
            }

            if (value[at] != ';')
            {
                return false;
            }

            at++;
            SkipSpace(value, ref at);
            if (at == value.Length)
            {
                continue;
            }

            var name = Token(value, ref at);
            SkipSpace(value, ref at);
            if (at == value.Length || value[at] != '=')
            {
                return false;
            }

            at++;
            SkipSpace(value, ref at);
            var isBoundary = AsciiWord.Equals(name, "boundary"u8);
            if (AsciiWord.StartsWith(name, "boundary"u8) && (!isBoundary || length > 0))
            {
                return false;
            }

            if (!TryValue(value, ref at, isBoundary ? boundary : default, ref length))
            {
                return false;
            }
        }
    }

    // A parameter's value; kept when there is somewhere to keep it.
    private static bool TryValue(ReadOnlySpan<byte> value, ref int at, Span<byte> keep, ref int length)
    {
        if (at < value.Length && value[at] == '"')
        {
            at++;
            while (at < value.Length && value[at] != '"')
            {
                at += value[at] == '\\' && at + 1 < value.Length ? 1 : 0;
                if (!Keep(value[at++], keep, ref length))
                {
                    return false;
                }
            }

            return at++ < value.Length;
        }

        while (at < value.Length && value[at] is not ((byte)' ' or (byte)'\t' or (byte)';'))
        {
            if (!keep.IsEmpty && "()<>@,\\\""u8.Contains(value[at]))
            {
                return false;
            }

            if (!Keep(value[at++], keep, ref length))
            {
                return false;
            }
        }

        return true;
    }

    private static bool Keep(byte octet, Span<byte> keep, ref int length)
    {
        if (keep.IsEmpty)
        {
            return true;
        }

        if (length == BoundaryMax || octet is < 32 or > 126)
        {
            return false;
        }

        keep[length++] = octet;
        return true;
    }

    private static ReadOnlySpan<byte> Token(ReadOnlySpan<byte> value, scoped ref int at)
    {
        var start = at;
        while (at < value.Length && value[at] is > 32 and < 127 && !"()<>@,;:\\\"/[]?="u8.Contains(value[at]))
        {
            at++;
        }

        return value[start..at];
    }

    // White space and comments, which nest (RFC 5322 3.2.2).
    private static void SkipSpace(ReadOnlySpan<byte> value, ref int at)
    {
        var depth = 0;
        while (at < value.Length)
        {
            var octet = value[at];
            if (octet == '(')
            {
                depth++;
            }
            else if (depth > 0 && octet == ')')
            {
                depth--;
            }
            else if (depth > 0 && octet == '\\')
            {
                at = Math.Min(at + 1, value.Length - 1);
            }
            else if (depth == 0 && octet is not ((byte)' ' or (byte)'\t'))
            {
                return;
            }

            at++;
        }
    }
}
