using System.Buffers;
using System.Text;

namespace FastRelay.Bounce;

/// <summary>
/// Writes lines in stored form: CRLF, and no line that begins with a dot, so nothing is to be stuffed. Octets of others that are
/// not printable ASCII become <c>?</c>, but for addresses where <paramref name="isUtf8"/>: nothing they said can start a line or a header.
/// </summary>
/// <param name="output">Receives them.</param>
/// <param name="isUtf8">Addresses stand as they are: whoever reads this takes UTF-8.</param>
internal readonly struct StoredLines(IBufferWriter<byte> output, bool isUtf8 = false)
{
    // RFC 5322 2.1.1 asks for lines of at most 78.
    private const int Width = 76;

    /// <summary>Ends a line.</summary>
    public StoredLines End() => Add("\r\n"u8);

    /// <summary>Writes a whole line of our own.</summary>
    public StoredLines Line(ReadOnlySpan<byte> text) => Add(text).End();

    /// <summary>Adds octets of our own as they are.</summary>
    public StoredLines Add(ReadOnlySpan<byte> text)
    {
        output.Write(text);
        return this;
    }

    /// <summary>Adds text of our own.</summary>
    public StoredLines Add(string text)
    {
        Encoding.ASCII.GetBytes(text, output);
        return this;
    }

    /// <summary>Adds somebody else's octets on the same line.</summary>
    public StoredLines AddForeign(ReadOnlySpan<byte> text)
    {
        Span<byte> into = output.GetSpan(text.Length + 1);
        for (int i = 0; i < text.Length; i++)
        {
            into[i] = text[i] is >= 0x20 and < 0x7F ? text[i] : (byte)'?';
        }
        output.Advance(text.Length);
        return this;
    }

    /// <summary>Adds an address: printable characters of UTF-8 as they are where this may hold them.</summary>
    public StoredLines AddAddress(ReadOnlySpan<byte> address)
    {
        if (!isUtf8)
        {
            return AddForeign(address);
        }
        while (!address.IsEmpty)
        {
            bool isText = Rune.DecodeFromUtf8(address, out Rune rune, out int used) == OperationStatus.Done && rune.Value >= 0xA0;
            if (isText)
            {
                output.Write(address[..used]);
            }
            else
            {
                used = 1;
                AddForeign(address[..1]);
            }
            address = address[used..];
        }
        return this;
    }

    /// <summary>Adds somebody else's text from the column given, folded at spaces; every further line begins with <paramref name="indent"/>.</summary>
    public StoredLines AddFolded(ReadOnlySpan<byte> text, int column, ReadOnlySpan<byte> indent)
    {
        while (column + text.Length > Width)
        {
            int room = Math.Max(Width - column, Width / 2);
            if (text.Length <= room)
            {
                break;
            }
            int space = text[..room].LastIndexOf((byte)' ');
            int cut = space > 0 ? space : room;
            AddForeign(text[..cut]);
            text = text[cut..].TrimStart((byte)' ');
            if (text.IsEmpty)
            {
                return this;
            }
            End().Add(indent);
            column = indent.Length;
        }
        return AddForeign(text);
    }

    /// <summary>Adds a date (RFC 5322 3.3).</summary>
    public StoredLines Add(DateTimeOffset time)
    {
        Span<byte> into = output.GetSpan(Smtp.MailDate.Length);
        Smtp.MailDate.TryFormat(time, into, out int written);
        output.Advance(written);
        return this;
    }
}
