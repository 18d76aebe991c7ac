using System.Buffers;
using System.Text;

namespace FastRelay.Smtp;

/// <summary>
/// Addresses of type <c>utf-8</c>, as ORCPT and reports have them (RFC 6533 3). Three forms: the address itself; the one for commands to
/// hosts with SMTPUTF8 (utf-8-addr-unitext), in which <c>\x{HEX}</c> stands for what a parameter cannot hold; and the one of 7 bits
/// (utf-8-addr-xtext), in which it stands for all that is not ASCII too. Neither is the xtext of RFC 3461.
/// </summary>
public static class Utf8Address
{
    /// <summary>Most octets of <c>\x{HEX}</c>, which stands for one octet or more.</summary>
    public const int EscapeMax = 10;

    private const int HexDigitsMin = 2;
    private const int HexDigitsMax = 6;

    /// <summary>The name of the type.</summary>
    public static ReadOnlySpan<byte> Type => "utf-8"u8;

    /// <summary>True for an ORCPT of this type, in any case.</summary>
    public static bool IsTypeOf(ReadOnlySpan<byte> originalRecipient)
    {
        int semicolon = originalRecipient.IndexOf((byte)';');
        return semicolon > 0 && AsciiWord.Equals(originalRecipient[..semicolon], Type);
    }

    /// <summary>True for what ORCPT may hold behind the type when MAIL said SMTPUTF8: printable ASCII but <c>+</c> and <c>=</c>, and UTF-8.</summary>
    public static bool IsUnitext(ReadOnlySpan<byte> text) =>
        !text.IsEmpty && Utf8Text.IsCleanUtf8(text) && text.IndexOfAnyInRange((byte)0, (byte)32) < 0 && text.IndexOfAny((byte)127, (byte)'+', (byte)'=') < 0;

    /// <summary>Writes an address in the form of 7 bits.</summary>
    /// <param name="address">The address; an octet that is no UTF-8 becomes a question mark.</param>
    /// <param name="into">Receives it; what does not fit is left out.</param>
    /// <returns>Octets written, whole characters.</returns>
    public static int Encode(ReadOnlySpan<byte> address, Span<byte> into) => ToSevenBit(address, into, isEncoded: false);

    /// <summary>Writes unitext in the form of 7 bits: what is ASCII, escapes too, stays as it is.</summary>
    /// <param name="unitext">As in ORCPT.</param>
    /// <param name="into">Receives it; what does not fit is left out.</param>
    /// <returns>Octets written, whole characters.</returns>
    public static int ToSevenBit(ReadOnlySpan<byte> unitext, Span<byte> into) => ToSevenBit(unitext, into, isEncoded: true);

    /// <summary>Writes the address that either form stands for. An escape that stands for no printable character stays as it is.</summary>
    /// <param name="text">unitext or the form of 7 bits.</param>
    /// <param name="into">At least as long as <paramref name="text"/>.</param>
    /// <returns>Octets written.</returns>
    public static int Decode(ReadOnlySpan<byte> text, Span<byte> into)
    {
        int written = 0;
        while (!text.IsEmpty)
        {
            if (text[0] == '\\' && TryReadEscape(text, out Rune rune, out int used))
            {
                written += rune.EncodeToUtf8(into[written..]);
                text = text[used..];
                continue;
            }

            into[written++] = text[0];
            text = text[1..];
        }

        return written;
    }

    private static int ToSevenBit(ReadOnlySpan<byte> text, Span<byte> into, bool isEncoded)
    {
        int written = 0;
        while (!text.IsEmpty)
        {
            bool isText = Rune.DecodeFromUtf8(text, out Rune rune, out int used) == OperationStatus.Done;
            int value = isText ? rune.Value : '?';
            text = text[(isText ? used : 1)..];
            bool isPlain = value is > 32 and < 127 && (isEncoded || value is not ('\\' or '+' or '='));
            if (into.Length - written < (isPlain ? 1 : EscapeMax))
            {
                break;
            }

            if (isPlain)
            {
                into[written++] = (byte)value;
                continue;
            }

            "\\x{"u8.CopyTo(into[written..]);
            written += 3;
            value.TryFormat(into[written..], out int digits, value < 16 ? "X2" : "X", System.Globalization.CultureInfo.InvariantCulture);
            written += digits;
            into[written++] = (byte)'}';
        }

        return written;
    }

    private static bool TryReadEscape(ReadOnlySpan<byte> text, out Rune rune, out int used)
    {
        rune = default;
        used = 0;
        int end = text[..Math.Min(text.Length, EscapeMax)].IndexOf((byte)'}');
        if (end < 3 + HexDigitsMin || end > 3 + HexDigitsMax || !text.StartsWith("\\x{"u8))
        {
            return false;
        }

        int value = 0;
        foreach (byte digit in text[3..end])
        {
            int one = digit is >= (byte)'0' and <= (byte)'9' ? digit - '0' : digit is >= (byte)'A' and <= (byte)'F' ? digit - 'A' + 10 : -1;
            if (one < 0)
            {
                return false;
            }

            value = (value << 4) | one;
        }

        used = end + 1;
        return value is (>= 32 and < 127) or >= 0xA0 && Rune.TryCreate(value, out rune);
    }
}
