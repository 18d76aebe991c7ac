namespace FastRelay.Smtp;

/// <summary>The argument of BDAT: <c>chunk-size [SP "LAST"]</c> (RFC 3030 2).</summary>
/// <param name="Octets">Octets that follow the command; <see cref="long.MaxValue"/> for a number that does not fit.</param>
/// <param name="IsLast">The message ends with this chunk.</param>
public readonly record struct ChunkSize(long Octets, bool IsLast)
{
    private const int DigitsMax = 20; // RFC 3030 2: chunk-size = 1*DIGIT; 20 hold every 64-bit count

    /// <summary>Reads the argument. False for anything else (501 5.5.4): then nobody knows how many octets follow.</summary>
    public static bool TryParse(ReadOnlySpan<byte> argument, out ChunkSize size)
    {
        size = default;
        var space = argument.IndexOf((byte)' ');
        var word = space < 0 ? default : argument[(space + 1)..].Trim((byte)' ');
        if (!DecimalNumber.TryParse(space < 0 ? argument : argument[..space], DigitsMax, out var octets) || (!word.IsEmpty && !AsciiWord.Equals(word, "LAST"u8)))
        {
            return false;
        }

        size = new ChunkSize(octets, !word.IsEmpty);
        return true;
    }
}
