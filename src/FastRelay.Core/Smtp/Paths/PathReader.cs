using System.Buffers;

namespace FastRelay.Smtp;

/// <summary>The grammar of a path (RFC 5321 4.1.2): [source route] mailbox between angle brackets. Called by <see cref="MailPath"/> only.</summary>
internal static class PathReader
{
    // Ends a domain within a path: the next hop of a route, the route's end, the path's end, or junk.
    private static readonly SearchValues<byte> DomainEnd = SearchValues.Create(",:>@ <\""u8);

    /// <summary>True when nothing but a space may and does follow.</summary>
    internal static bool EndsAt(ReadOnlySpan<byte> argument, int at) => at == argument.Length || argument[at] == ' ';

    internal static PathStatus Read(ReadOnlySpan<byte> argument, bool utf8, bool postmaster, out MailPath path, out int consumed)
    {
        path = default;
        consumed = 0;
        if (argument.IsEmpty || argument[0] != '<')
        {
            return PathStatus.Syntax;
        }

        var at = 1;
        if (at < argument.Length && argument[at] == '@')
        {
            var route = SkipSourceRoute(argument, utf8, ref at);
            if (route != PathStatus.Ok)
            {
                return route;
            }
        }

        var local = LocalPartLength(argument[at..], utf8, out var localLength);
        if (local != PathStatus.Ok)
        {
            return local;
        }

        var separator = at + localLength;
        if (separator < argument.Length && argument[separator] == '>')
        {
            if (!postmaster || at != 1 || !AsciiWord.Equals(argument[at..separator], "postmaster"u8))
            {
                return PathStatus.BadDomain;
            }

            return Finish(argument, at, localLength, separator, ref path, ref consumed);
        }

        if (separator >= argument.Length || argument[separator] != '@')
        {
            return PathStatus.BadLocalPart;
        }

        var domain = DomainLength(argument[(separator + 1)..], utf8, out var domainLength);
        if (domain != PathStatus.Ok)
        {
            return domain;
        }

        var close = separator + 1 + domainLength;
        if (close >= argument.Length || argument[close] != '>')
        {
            return PathStatus.Syntax;
        }

        return Finish(argument, at, localLength, close, ref path, ref consumed);
    }

    private static PathStatus Finish(ReadOnlySpan<byte> argument, int start, int localLength, int close, ref MailPath path, ref int consumed)
    {
        if (close + 1 > MailPath.LengthMax)
        {
            return PathStatus.TooLong;
        }

        if (!EndsAt(argument, close + 1))
        {
            return PathStatus.Syntax;
        }

        path = new MailPath(argument[start..close], localLength);
        consumed = close + 1;
        return PathStatus.Ok;
    }

    // "@a,@b:" before the mailbox. Must be accepted, should be ignored (RFC 5321 4.1.1.3, C); still it must be well-formed.
    private static PathStatus SkipSourceRoute(ReadOnlySpan<byte> argument, bool utf8, ref int at)
    {
        while (at < argument.Length && argument[at] == '@')
        {
            at++;
            var status = DomainLength(argument[at..], utf8, out var length);
            if (status != PathStatus.Ok)
            {
                return status;
            }

            at += length;
            if (at >= argument.Length)
            {
                return PathStatus.Syntax;
            }

            if (argument[at] == ':')
            {
                at++;
                return PathStatus.Ok;
            }

            if (argument[at] != ',')
            {
                // "<@domain>": no route but an empty local part
                return argument[at] == '>' ? PathStatus.BadLocalPart : PathStatus.Syntax;
            }

            at++;
        }

        return PathStatus.Syntax;
    }

    private static PathStatus LocalPartLength(ReadOnlySpan<byte> text, bool utf8, out int length)
    {
        length = 0;
        var status = text.StartsWith((byte)'"') ? QuotedString(text, out length) : DotString(text, out length);
        if (status != PathStatus.Ok)
        {
            return status;
        }

        if (length > MailPath.LocalPartLengthMax)
        {
            return PathStatus.TooLong;
        }

        return CheckNonAscii(text[..length], utf8);
    }

    // Atom *("." Atom)
    private static PathStatus DotString(ReadOnlySpan<byte> text, out int length)
    {
        length = 0;
        while (true)
        {
            var begin = length;
            while (length < text.Length && IsAtext(text[length]))
            {
                length++;
            }

            if (length == begin)
            {
                return PathStatus.BadLocalPart; // empty, or a dot at the start, at the end or doubled
            }

            if (length >= text.Length || text[length] != '.')
            {
                return PathStatus.Ok;
            }

            length++;
        }
    }

    // DQUOTE *QcontentSMTP DQUOTE: printable only, so that CR, LF and NUL can never reach an outbound command. `""` is an empty local part.
    private static PathStatus QuotedString(ReadOnlySpan<byte> text, out int length)
    {
        length = 0;
        for (var at = 1; at < text.Length; at++)
        {
            var octet = text[at];
            if (octet == '"')
            {
                length = at + 1;
                return length > 2 ? PathStatus.Ok : PathStatus.BadLocalPart;
            }

            if (octet == '\\')
            {
                at++;
                if (at == text.Length || text[at] is < 0x20 or > 0x7E)
                {
                    return PathStatus.BadLocalPart;
                }
            }
            else if (octet is < 0x20 or 0x7F)
            {
                return PathStatus.BadLocalPart;
            }
        }

        return PathStatus.BadLocalPart;
    }

    private static PathStatus DomainLength(ReadOnlySpan<byte> text, bool utf8, out int length)
    {
        length = 0;
        if (text.StartsWith((byte)'['))
        {
            var close = text.IndexOf((byte)']');
            if (close < 0 || !AddressLiteral.IsValid(text[..(close + 1)]))
            {
                return PathStatus.BadDomain;
            }

            length = close + 1;
            return PathStatus.Ok;
        }

        var end = text.IndexOfAny(DomainEnd);
        var domain = end < 0 ? text : text[..end];
        if (domain.Length > DomainName.LengthMax)
        {
            return PathStatus.TooLong;
        }

        var nonAscii = CheckNonAscii(domain, utf8);
        if (nonAscii != PathStatus.Ok)
        {
            return nonAscii;
        }

        if (!DomainName.IsValid(domain, utf8))
        {
            return PathStatus.BadDomain;
        }

        length = domain.Length;
        return PathStatus.Ok;
    }

    // RFC 5322 atext, which is what RFC 5322's specials leave of the printable octets, with the UTF8-non-ascii of RFC 6531 3.3; whether the
    // latter may stand is asked once for the whole local part. Octet by octet: a local part is shorter than what a vector takes to prepare.
    private static bool IsAtext(byte octet) => octet is > (byte)' ' and not (0x7F or (byte)'"' or (byte)'(' or (byte)')' or (byte)',' or (byte)'.'
        or (byte)':' or (byte)';' or (byte)'<' or (byte)'>' or (byte)'@' or (byte)'[' or (byte)'\\' or (byte)']');

    private static PathStatus CheckNonAscii(ReadOnlySpan<byte> text, bool utf8)
    {
        if (!text.ContainsAnyExceptInRange((byte)0, (byte)0x7F))
        {
            return PathStatus.Ok;
        }

        if (!utf8)
        {
            return PathStatus.NeedsSmtpUtf8;
        }

        return Utf8Text.IsCleanUtf8(text) ? PathStatus.Ok : PathStatus.InvalidUtf8;
    }
}
