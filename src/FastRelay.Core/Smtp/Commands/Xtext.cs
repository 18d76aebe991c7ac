namespace FastRelay.Smtp;

/// <summary>xtext (RFC 3461 4): printable ASCII without <c>+</c> and <c>=</c>, and <c>+HH</c> for every other octet.</summary>
public static class Xtext
{
    /// <summary>Most octets of ENVID, as written (RFC 3461 4.4).</summary>
    public const int EnvelopeIdMax = 100;

    /// <summary>Most octets of ORCPT, as written (RFC 3461 4.2).</summary>
    public const int OriginalRecipientMax = 500;

    /// <summary>True for well-formed xtext that is not empty.</summary>
    public static bool IsValid(ReadOnlySpan<byte> text)
    {
        for (var at = 0; at < text.Length; at++)
        {
            if (text[at] is < 33 or > 126 or (byte)'=')
            {
                return false;
            }

            if (text[at] == '+')
            {
                if (at + 2 >= text.Length || Hex(text[at + 1]) < 0 || Hex(text[at + 2]) < 0)
                {
                    return false;
                }

                at += 2;
            }
        }

        return !text.IsEmpty;
    }

    /// <summary>True for well-formed xtext that stands for printable ASCII: what a report may show in a header field of its own.</summary>
    public static bool IsPrintable(ReadOnlySpan<byte> text)
    {
        if (!IsValid(text))
        {
            return false;
        }

        for (var at = 0; at < text.Length; at++)
        {
            if (text[at] == '+' && (Octet(text, at) is < 32 or > 126))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Writes what well-formed xtext stands for.</summary>
    /// <param name="text">xtext.</param>
    /// <param name="into">At least as long as <paramref name="text"/>.</param>
    /// <returns>Octets written.</returns>
    public static int Decode(ReadOnlySpan<byte> text, Span<byte> into)
    {
        var written = 0;
        for (var at = 0; at < text.Length; at++)
        {
            if (text[at] == '+')
            {
                into[written++] = (byte)Octet(text, at);
                at += 2;
                continue;
            }

            into[written++] = text[at];
        }

        return written;
    }

    private static int Octet(ReadOnlySpan<byte> text, int at) => (Hex(text[at + 1]) << 4) | Hex(text[at + 2]);

    // Upper case only: RFC 3461 4.
    private static int Hex(byte octet) => octet switch
    {
        >= (byte)'0' and <= (byte)'9' => octet - '0',
        >= (byte)'A' and <= (byte)'F' => octet - 'A' + 10,
        _ => -1,
    };
}
