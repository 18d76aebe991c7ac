using System.Buffers.Text;
using System.Globalization;

namespace FastRelay.Load;

/// <summary>
/// The header field that the source puts into every message and the sink reads: who sent it, when, and what its body
/// must be. Its length never changes, so it is written in place.
/// </summary>
/// <param name="Run">Tells the messages of one source from those of another.</param>
/// <param name="Sequence">The message's number in its run, from 0.</param>
/// <param name="Copies">Recipients of the message: a relay may deliver them one by one.</param>
/// <param name="SentMicroseconds">Wall clock when it was sent, or in an open loop when it should have been; since 1970, µs.</param>
/// <param name="BodyCrc">See <see cref="ContentSum"/>; of what follows the empty line.</param>
/// <param name="BodyLength">Octets of the body, stuffing not counted.</param>
public readonly record struct LoadMark(uint Run, long Sequence, int Copies, long SentMicroseconds, uint BodyCrc, long BodyLength)
{
    /// <summary>Octets of the field with its CRLF.</summary>
    public const int FieldLength = 110;

    private const int SequenceDigits = 12;
    private const int CopiesDigits = 6;
    private const int TimeDigits = 17;
    private const int LengthDigits = 12;

    private static ReadOnlySpan<byte> Name => "X-FastRelay-Load: "u8;

    /// <summary>Writes the field.</summary>
    /// <param name="into">At least <see cref="FieldLength"/> octets.</param>
    /// <returns><see cref="FieldLength"/>.</returns>
    public int Write(Span<byte> into)
    {
        int at = Put(into, 0, Name);
        at = Put(into, at, "run="u8);
        at = Hex(into, at, Run);
        at = Put(into, at, " seq="u8);
        at = Decimal(into, at, Sequence, SequenceDigits);
        at = Put(into, at, " of="u8);
        at = Decimal(into, at, Copies, CopiesDigits);
        at = Put(into, at, " at="u8);
        at = Decimal(into, at, SentMicroseconds, TimeDigits);
        at = Put(into, at, " crc="u8);
        at = Hex(into, at, BodyCrc);
        at = Put(into, at, " len="u8);
        at = Decimal(into, at, BodyLength, LengthDigits);
        return Put(into, at, "\r\n"u8);
    }

    /// <summary>Reads the field from a header line without its line end.</summary>
    /// <returns>False for any other line.</returns>
    public static bool TryRead(ReadOnlySpan<byte> line, out LoadMark mark)
    {
        mark = default;
        if (!line.StartsWith(Name))
        {
            return false;
        }
        line = line[Name.Length..];
        bool read = Hex(ref line, "run="u8, out uint run)
            & Decimal(ref line, " seq="u8, SequenceDigits, out long sequence)
            & Decimal(ref line, " of="u8, CopiesDigits, out long copies)
            & Decimal(ref line, " at="u8, TimeDigits, out long sent)
            & Hex(ref line, " crc="u8, out uint crc)
            & Decimal(ref line, " len="u8, LengthDigits, out long length);
        mark = new LoadMark(run, sequence, (int)copies, sent, crc, length);
        return read && line.IsEmpty && copies > 0;
    }

    private static int Put(Span<byte> into, int at, ReadOnlySpan<byte> text)
    {
        text.CopyTo(into[at..]);
        return at + text.Length;
    }

    private static int Hex(Span<byte> into, int at, uint value)
    {
        value.TryFormat(into[at..], out int written, "x8", CultureInfo.InvariantCulture);
        return at + written;
    }

    private static int Decimal(Span<byte> into, int at, long value, int digits)
    {
        for (int i = digits - 1; i >= 0; i--)
        {
            into[at + i] = (byte)('0' + (value % 10));
            value /= 10;
        }
        return at + digits;
    }

    private static bool Hex(ref ReadOnlySpan<byte> line, ReadOnlySpan<byte> name, out uint value)
    {
        value = 0;
        if (!line.StartsWith(name) || !Utf8Parser.TryParse(line[name.Length..], out value, out int used, 'x') || used != 8)
        {
            return false;
        }
        line = line[(name.Length + used)..];
        return true;
    }

    private static bool Decimal(ref ReadOnlySpan<byte> line, ReadOnlySpan<byte> name, int digits, out long value)
    {
        value = 0;
        if (!line.StartsWith(name) || !Utf8Parser.TryParse(line[name.Length..], out value, out int used) || used != digits || value < 0)
        {
            return false;
        }
        line = line[(name.Length + used)..];
        return true;
    }
}
