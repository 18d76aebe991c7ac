namespace FastRelay.Smtp;

/// <summary>Address literals (RFC 5321 4.1.3), parsed without allocation. IPv4 numbers are decimal, also with leading zeros: never octal.</summary>
internal static class AddressLiteral
{
    /// <summary>Octets of the longest address.</summary>
    internal const int OctetsMax = 16;

    private const int GroupsInIPv6 = 8;

    /// <summary>True when <paramref name="literal"/>, brackets included, is an IPv4 or IPv6 literal.</summary>
    internal static bool IsValid(ReadOnlySpan<byte> literal)
    {
        Span<byte> octets = stackalloc byte[OctetsMax];
        return TryParse(literal, octets, out _);
    }

    /// <summary>Parses a literal with its brackets into 4 or 16 octets, network order.</summary>
    internal static bool TryParse(ReadOnlySpan<byte> literal, Span<byte> octets, out int length)
    {
        length = 0;
        if (literal.Length < 3 || literal[0] != '[' || literal[^1] != ']')
        {
            return false;
        }

        var text = literal[1..^1];
        if (AsciiWord.StartsWith(text, "IPv6:"u8))
        {
            length = 16;
            return TryParseIPv6(text[5..], octets[..16]);
        }

        length = 4;
        return TryParseIPv4(text, octets[..4]);
    }

    // Snum "." Snum "." Snum "." Snum, Snum = 1*3DIGIT up to 255
    private static bool TryParseIPv4(ReadOnlySpan<byte> text, Span<byte> octets)
    {
        for (var i = 0; i < 4; i++)
        {
            var end = text.IndexOf((byte)'.');
            if ((end < 0) != (i == 3))
            {
                return false;
            }

            var digits = end < 0 ? text : text[..end];
            if (digits.Length is 0 or > 3 || digits.ContainsAnyExceptInRange((byte)'0', (byte)'9'))
            {
                return false;
            }

            var value = 0;
            foreach (var digit in digits)
            {
                value = (value * 10) + digit - '0';
            }

            if (value > 255)
            {
                return false;
            }

            octets[i] = (byte)value;
            text = end < 0 ? default : text[(end + 1)..];
        }

        return true;
    }

    /// <summary>1 to 4 hex digits a group, at most one "::" standing for one or more groups, the last two groups also as IPv4.</summary>
    internal static bool TryParseIPv6(ReadOnlySpan<byte> text, Span<byte> octets)
    {
        octets.Clear();
        var groups = 0;
        var gapAt = -1;
        if (text.StartsWith("::"u8))
        {
            gapAt = 0;
            text = text[2..];
        }

        while (!text.IsEmpty)
        {
            if (groups == GroupsInIPv6)
            {
                return false;
            }

            var colon = text.IndexOf((byte)':');
            var part = colon < 0 ? text : text[..colon];
            if (colon < 0 && part.Contains((byte)'.'))
            {
                if (groups > GroupsInIPv6 - 2 || !TryParseIPv4(part, octets.Slice(groups * 2, 4)))
                {
                    return false;
                }

                groups += 2;
                break;
            }

            if (!TryParseGroup(part, octets.Slice(groups * 2, 2)))
            {
                return false;
            }

            groups++;
            if (colon < 0)
            {
                break;
            }

            text = text[(colon + 1)..];
            if (text.IsEmpty)
            {
                return false; // a single colon at the end
            }

            if (text[0] == ':')
            {
                if (gapAt >= 0)
                {
                    return false;
                }

                gapAt = groups;
                text = text[1..];
            }
        }

        return OpenGap(octets, groups, gapAt);
    }

    private static bool TryParseGroup(ReadOnlySpan<byte> part, Span<byte> octets)
    {
        if (part.Length is 0 or > 4)
        {
            return false;
        }

        var value = 0;
        foreach (var digit in part)
        {
            if (!char.IsAsciiHexDigit((char)digit))
            {
                return false;
            }

            value = (value << 4) | (digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
        }

        octets[0] = (byte)(value >> 8);
        octets[1] = (byte)value;
        return true;
    }

    private static bool OpenGap(Span<byte> octets, int groups, int gapAt)
    {
        if (gapAt < 0)
        {
            return groups == GroupsInIPv6;
        }

        if (groups >= GroupsInIPv6)
        {
            return false;
        }

        var tail = octets[(gapAt * 2)..(groups * 2)];
        tail.CopyTo(octets[^tail.Length..]);
        octets[(gapAt * 2)..^tail.Length].Clear();
        return true;
    }
}
