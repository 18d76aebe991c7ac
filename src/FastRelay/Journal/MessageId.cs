namespace FastRelay.Journal;

/// <summary>
/// A message's identity for ever: the journal's sequence. Shown to clients and in logs as 13 characters of Crockford's
/// base32 (no I, L, O, U), upper case, which sort as the numbers do.
/// </summary>
/// <param name="Value">The sequence; 0 is no message.</param>
public readonly record struct MessageId(ulong Value) : IUtf8SpanFormattable
{
    /// <summary>Characters of the text form.</summary>
    public const int TextLength = 13;

    private static ReadOnlySpan<byte> Alphabet => "0123456789ABCDEFGHJKMNPQRSTVWXYZ"u8;

    /// <summary>Writes the text form.</summary>
    /// <param name="into">At least <see cref="TextLength"/> bytes.</param>
    /// <returns>Bytes written: always <see cref="TextLength"/>.</returns>
    public int Format(Span<byte> into)
    {
        ulong value = Value;
        for (int i = TextLength - 1; i >= 0; i--)
        {
            into[i] = Alphabet[(int)(value & 31)];
            value >>= 5;
        }
        return TextLength;
    }

    /// <summary>Writes the text form when there is room.</summary>
    public bool TryFormat(Span<byte> into, out int written)
    {
        written = into.Length < TextLength ? 0 : Format(into);
        return written != 0;
    }

    /// <summary>For log lines; there is one format only.</summary>
    bool IUtf8SpanFormattable.TryFormat(Span<byte> utf8Destination, out int bytesWritten, ReadOnlySpan<char> format, IFormatProvider? provider) =>
        TryFormat(utf8Destination, out bytesWritten);

    /// <summary>Reads the text form: 13 characters, either case; I and L read as 1, O as 0, as Crockford asks.</summary>
    public static bool TryParse(ReadOnlySpan<byte> text, out MessageId id)
    {
        id = default;
        if (text.Length != TextLength)
        {
            return false;
        }
        ulong value = 0;
        for (int i = 0; i < TextLength; i++)
        {
            int digit = Digit(text[i]);
            // 13 digits hold 65 bits: the first may use only four of its five.
            if (digit < 0 || (i == 0 && digit > 15))
            {
                return false;
            }
            value = (value << 5) | (uint)digit;
        }
        id = new MessageId(value);
        return true;
    }

    /// <inheritdoc cref="TryParse(ReadOnlySpan{byte}, out MessageId)"/>
    public static bool TryParse(ReadOnlySpan<char> text, out MessageId id)
    {
        Span<byte> bytes = stackalloc byte[TextLength];
        if (text.Length != TextLength)
        {
            id = default;
            return false;
        }
        for (int i = 0; i < TextLength; i++)
        {
            bytes[i] = text[i] < 128 ? (byte)text[i] : (byte)0;
        }
        return TryParse(bytes, out id);
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(TextLength, Value, static (chars, value) =>
    {
        Span<byte> bytes = stackalloc byte[TextLength];
        new MessageId(value).Format(bytes);
        for (int i = 0; i < TextLength; i++)
        {
            chars[i] = (char)bytes[i];
        }
    });

    private static int Digit(byte c)
    {
        c = c is >= (byte)'a' and <= (byte)'z' ? (byte)(c - 32) : c;
        return c switch
        {
            (byte)'I' or (byte)'L' => 1,
            (byte)'O' => 0,
            _ => Alphabet.IndexOf(c),
        };
    }
}

/// <summary>Slot of a message in the journal's index: valid from its commit until it is settled; then another message may get the slot.</summary>
/// <param name="Slot">0 or more; -1 is no message.</param>
public readonly record struct MessageHandle(int Slot)
{
    /// <summary>No message.</summary>
    public static MessageHandle None => new(-1);

    /// <summary>False for <see cref="None"/>.</summary>
    public bool IsValid => Slot >= 0;
}
