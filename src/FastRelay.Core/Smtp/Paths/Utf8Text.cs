using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace FastRelay.Smtp;

/// <summary>UTF-8 as addresses and reply texts may hold it.</summary>
internal static class Utf8Text
{
    /// <summary>Well-formed UTF-8 (RFC 3629) without the C1 controls U+0080 to U+009F, which some terminals obey. Says nothing of ASCII controls.</summary>
    internal static bool IsCleanUtf8(ReadOnlySpan<byte> text)
    {
        if (!Utf8.IsValid(text))
        {
            return false;
        }

        for (var at = text.IndexOf((byte)0xC2); at >= 0 && at + 1 < text.Length;)
        {
            if (text[at + 1] < 0xA0)
            {
                return false;
            }

            var next = text[(at + 1)..].IndexOf((byte)0xC2);
            at = next < 0 ? -1 : at + 1 + next;
        }

        return true;
    }

    /// <summary>
    /// Copies text so that it can stand in a log line, a header or a bounce: controls and octets that are no UTF-8 become '?', a tab a space.
    /// Stops at a character boundary when <paramref name="destination"/> is full; then <paramref name="isCut"/>.
    /// </summary>
    /// <returns>Octets written.</returns>
    internal static int CopySanitised(ReadOnlySpan<byte> text, Span<byte> destination, out bool isCut)
    {
        isCut = false;
        var written = 0;
        while (!text.IsEmpty)
        {
            var odd = text.IndexOfAnyExceptInRange((byte)0x20, (byte)0x7E);
            var clean = Math.Min(odd < 0 ? text.Length : odd, destination.Length - written);
            text[..clean].CopyTo(destination[written..]);
            written += clean;
            if (odd != clean)
            {
                isCut = clean < text.Length; // else nothing odd was left
                return written;
            }

            // Broken octets are replaced one by one, so that the result does not depend on how a decoder groups them.
            var isText = Rune.DecodeFromUtf8(text[odd..], out var rune, out var used) == OperationStatus.Done && rune.Value >= 0xA0;
            var length = isText ? used : 1;
            if (destination.Length - written < length)
            {
                isCut = true;
                return written;
            }

            if (isText)
            {
                text.Slice(odd, used).CopyTo(destination[written..]);
            }
            else
            {
                destination[written] = text[odd] == '\t' ? (byte)' ' : (byte)'?';
            }

            written += length;
            text = text[(odd + length)..];
        }

        return written;
    }
}
