namespace FastRelay.Smtp;

/// <summary>Case-insensitive comparison of protocol words. Only ASCII letters fold (RFC 5321 2.4).</summary>
public static class AsciiWord
{
    /// <summary>True when both are the same word but for the case of ASCII letters.</summary>
    public static bool Equals(ReadOnlySpan<byte> text, ReadOnlySpan<byte> word)
        => text.Length == word.Length && StartsWith(text, word);

    /// <summary>True when <paramref name="text"/> begins with <paramref name="word"/>, ignoring the case of ASCII letters.</summary>
    public static bool StartsWith(ReadOnlySpan<byte> text, ReadOnlySpan<byte> word)
    {
        if (text.Length < word.Length)
        {
            return false;
        }

        for (var i = 0; i < word.Length; i++)
        {
            if (Lower(text[i]) != Lower(word[i]))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The lower-case form of an ASCII letter; any other octet unchanged.</summary>
    public static byte Lower(byte octet) => (uint)(octet - 'A') <= 'Z' - 'A' ? (byte)(octet | 0x20) : octet;
}
