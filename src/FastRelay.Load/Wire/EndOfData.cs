namespace FastRelay.Load;

/// <summary>
/// Finds the end of a message after DATA (RFC 5321 4.1.1.4) and does nothing else: CRLF "." CRLF, at the very start "."
/// CRLF alone. Resumable. A sink that keeps nothing needs no decoding, and this runs at the speed of memory.
/// </summary>
public struct EndOfData
{
    private const byte Cr = (byte)'\r';

    // Octets of CRLF.CRLF already seen, minus 2 so that a new message stands behind a CRLF: the default is a fresh start.
    private int _seen;

    private static ReadOnlySpan<byte> End => "\r\n.\r\n"u8;

    /// <summary>Looks through what is there.</summary>
    /// <param name="input">Octets from the wire; they are all consumed unless the end lies before.</param>
    /// <param name="consumed">Octets that belong to this message, its final dot line included.</param>
    /// <returns>True at the end; the finder is then ready for the next message.</returns>
    public bool Find(ReadOnlySpan<byte> input, out int consumed)
    {
        int at = 0;
        int matched = _seen + 2;
        while (matched > 0 && at < input.Length)
        {
            matched = Advance(matched, input[at++]);
            if (matched == End.Length)
            {
                _seen = 0;
                consumed = at;
                return true;
            }
        }
        if (matched == 0)
        {
            int found = input[at..].IndexOf(End);
            if (found >= 0)
            {
                _seen = 0;
                consumed = at + found + End.Length;
                return true;
            }
            // An end that was cut off begins in the last four octets.
            for (at = Math.Max(at, input.Length - End.Length + 1); at < input.Length; at++)
            {
                matched = Advance(matched, input[at]);
            }
        }
        _seen = matched - 2;
        consumed = input.Length;
        return false;
    }

    // The pattern overlaps itself only in its CR, and in CRLF once it is whole.
    private static int Advance(int matched, byte octet) =>
        octet == End[matched] ? matched + 1 : octet == Cr ? 1 : 0;
}
