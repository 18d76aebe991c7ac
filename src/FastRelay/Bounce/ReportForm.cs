using System.Buffers;
using System.Text;
using System.Text.Unicode;
using FastRelay.Smtp;

namespace FastRelay.Bounce;

/// <summary>
/// In which form a report is written, by what of it is not ASCII (RFC 6533). A sender whose own address is not ASCII gets it by SMTPUTF8,
/// and all stands as it is. Anybody else gets one that every host takes: which hosts are on the way is known to nobody when it is written,
/// and a report that cannot go on is lost.
/// </summary>
/// <param name="IsUtf8">The report needs SMTPUTF8.</param>
/// <param name="NamesUtf8">It names an address that is not ASCII, or of the type for such.</param>
/// <param name="ReturnsUtf8">The header that it returns holds UTF-8 (RFC 6532), so that it is no message/rfc822.</param>
internal readonly record struct ReportForm(bool IsUtf8, bool NamesUtf8, bool ReturnsUtf8)
{
    /// <summary>The longest address in its form of 7 bits, octets: with the name of its field it stays within the 998 of a line (RFC 5322 2.1.1).</summary>
    private const int AddressMax = 900;

    /// <summary>Octets above 127 stand in the part for people and in the one for programs.</summary>
    public bool IsEightBit => IsUtf8 && NamesUtf8;

    /// <summary>What is returned is encoded: it holds UTF-8 in its header, and the report has to pass hosts without SMTPUTF8.</summary>
    public bool IsReturnEncoded => ReturnsUtf8 && !IsUtf8;

    /// <summary>The form that fits.</summary>
    public static ReportForm Of(BounceFacts facts)
    {
        ReadOnlySpan<byte> header = facts.Part == ReturnedPart.Message ? BounceText.HeaderOf(facts.Original.Span, facts.Original.Length) : facts.Original.Span;
        return new ReportForm(
            !Ascii.IsValid(facts.ReversePath),
            facts.Failed.Any(static one => !Ascii.IsValid(one.Mailbox.Span) || Utf8Address.IsTypeOf(one.OriginalRecipient.Span)),
            !Ascii.IsValid(header) && Utf8.IsValid(header));
    }

    /// <summary>Writes the field that says whom it is about (RFC 3464 2.3.2).</summary>
    public void WriteFinalRecipient(ReadOnlySpan<byte> mailbox, StoredLines lines)
    {
        if (Ascii.IsValid(mailbox))
        {
            lines.Add("Final-Recipient: rfc822; "u8).AddForeign(mailbox).End();
            return;
        }
        lines.Add("Final-Recipient: utf-8; "u8);
        if (IsUtf8)
        {
            lines.AddAddress(mailbox).End();
            return;
        }
        Span<byte> plain = stackalloc byte[AddressMax];
        lines.Add(plain[..Utf8Address.Encode(mailbox, plain)]).End();
    }

    /// <summary>Writes the field with the address in ORCPT (RFC 3464 2.3.1), not in xtext any more; nothing where none was given.</summary>
    public void WriteOriginalRecipient(ReadOnlySpan<byte> original, StoredLines lines)
    {
        int semicolon = original.IndexOf((byte)';');
        if (semicolon <= 0)
        {
            return;
        }
        Span<byte> plain = stackalloc byte[AddressMax];
        ReadOnlySpan<byte> address = original[(semicolon + 1)..];
        int length = !Utf8Address.IsTypeOf(original) ? Xtext.Decode(address[..Math.Min(address.Length, Xtext.OriginalRecipientMax)], plain)
            : IsUtf8 ? Utf8Address.Decode(address[..Math.Min(address.Length, Xtext.OriginalRecipientMax)], plain)
            : Utf8Address.ToSevenBit(address, plain);
        if (length > AddressMax - Utf8Address.EscapeMax)
        {
            // What is cut is nobody's address.
            return;
        }
        lines.Add("Original-Recipient: "u8).AddForeign(original[..semicolon]).Add("; "u8).AddAddress(plain[..length]).End();
    }

    /// <summary>Writes the part for people, after the boundary.</summary>
    /// <param name="write">Writes its text, UTF-8 where addresses are.</param>
    /// <param name="output">Receives the part in stored form.</param>
    /// <returns>Lines that begin with a stuffed dot.</returns>
    public int WriteText(Action<StoredLines> write, IBufferWriter<byte> output)
    {
        var lines = new StoredLines(output, isUtf8: true);
        if (!NamesUtf8)
        {
            lines.Line(IsUtf8 ? "Content-Type: text/plain; charset=utf-8"u8 : "Content-Type: text/plain; charset=us-ascii"u8).End();
            write(lines);
            return 0;
        }
        lines.Line("Content-Type: text/plain; charset=utf-8"u8);
        if (IsUtf8)
        {
            lines.Line("Content-Transfer-Encoding: 8bit"u8).End();
            write(lines);
            return 0;
        }
        lines.Line("Content-Transfer-Encoding: quoted-printable"u8).End();
        var text = new ArrayBufferWriter<byte>();
        write(new StoredLines(text, isUtf8: true));
        return WriteQuoted(text.WrittenSpan, output);
    }

    /// <summary>Writes the original message or its header, after the boundary.</summary>
    /// <param name="facts">What is returned.</param>
    /// <param name="output">Receives the part in stored form, with the CRLF that belongs to the next boundary (RFC 2046 5.1.1).</param>
    /// <returns>Lines that begin with a stuffed dot.</returns>
    public int WriteReturned(BounceFacts facts, IBufferWriter<byte> output)
    {
        var lines = new StoredLines(output);
        ReadOnlySpan<byte> original = facts.Original.Span;
        bool isMessage = facts.Part == ReturnedPart.Message;
        lines.Line(ReturnsUtf8
            ? isMessage ? "Content-Type: message/global"u8 : "Content-Type: message/global-headers"u8
            : isMessage ? "Content-Type: message/rfc822"u8 : "Content-Type: text/rfc822-headers"u8);
        if (IsReturnEncoded)
        {
            // Not base64: who does not decode a message can still read it.
            lines.Line("Content-Transfer-Encoding: quoted-printable"u8).End();
            int quoted = WriteQuoted(Unstuffed(original), output);
            lines.End();
            return quoted;
        }
        if (!Ascii.IsValid(original))
        {
            lines.Line("Content-Transfer-Encoding: 8bit"u8);
        }
        lines.End();
        // The stored form of an embedded message is the message's own stored form.
        output.Write(original);
        // The original keeps its own last CRLF.
        lines.End();
        return (original.StartsWith("."u8) ? 1 : 0) + original.Count("\n."u8);
    }

    private static byte[] Unstuffed(ReadOnlySpan<byte> stored)
    {
        byte[] content = new byte[stored.Length];
        var unstuffer = default(DotUnstuffer);
        return content[..unstuffer.Decode(stored, content)];
    }

    /// <summary>Writes whole lines as quoted-printable, in stored form.</summary>
    /// <returns>Lines that begin with a stuffed dot.</returns>
    private static int WriteQuoted(ReadOnlySpan<byte> text, IBufferWriter<byte> output)
    {
        var encoder = default(QuotedPrintableEncoder);
        var coded = new ArrayBufferWriter<byte>();
        while (!text.IsEmpty)
        {
            int end = text.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = end < 0 ? text : text[..end].TrimEnd((byte)'\r');
            text = end < 0 ? default : text[(end + 1)..];
            // Three octets for each, and a soft line break for each 75 of those.
            coded.Advance(encoder.Encode(line, ends: false, coded.GetSpan((line.Length * 4) + 8)));
            coded.Advance(encoder.Encode("\r\n"u8, ends: true, coded.GetSpan(8)));
        }
        return WriteStuffed(coded.WrittenSpan, output);
    }

    private static int WriteStuffed(ReadOnlySpan<byte> text, IBufferWriter<byte> output)
    {
        int stuffed = 0;
        while (!text.IsEmpty)
        {
            if (text[0] == '.')
            {
                output.Write("."u8);
                stuffed++;
            }
            int end = text.IndexOf((byte)'\n') + 1;
            output.Write(text[..end]);
            text = text[end..];
        }
        return stuffed;
    }
}
