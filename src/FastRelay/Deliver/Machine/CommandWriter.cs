using System.Buffers.Text;
using FastRelay.Smtp;

namespace FastRelay.Deliver;

/// <summary>Writes the client's commands (RFC 5321 4.1.1). Addresses and names were validated where they came in: nothing here can hold CR or LF.</summary>
public static class CommandWriter
{
    /// <summary>Room that any one command needs, bytes: a path of 256 octets, the longest verb and both parameters.</summary>
    public const int CommandBytes = 512;

    /// <summary>The place of RSET in a transaction's commands, where it begins with one.</summary>
    internal const int ResetPosition = -1;

    /// <summary>The place of MAIL; those of RCPT follow, and then what begins the content.</summary>
    internal const int MailPosition = 0;

    /// <summary>Writes <c>EHLO name</c> or <c>HELO name</c>.</summary>
    public static int Hello(Span<byte> into, bool extended, ReadOnlySpan<byte> name)
    {
        int at = Put(into, 0, extended ? "EHLO "u8 : "HELO "u8);
        at = Put(into, at, name);
        return Put(into, at, "\r\n"u8);
    }

    /// <summary>Writes MAIL with the parameters that the peer offered (RFC 1870, RFC 6152).</summary>
    /// <param name="into">At least <see cref="CommandBytes"/> plus the path.</param>
    /// <param name="reversePath">Without brackets; empty for the null path.</param>
    /// <param name="size">Octets of the content; below 0 leaves SIZE out.</param>
    /// <param name="eightBit">Says BODY=8BITMIME.</param>
    public static int Mail(Span<byte> into, ReadOnlySpan<byte> reversePath, long size, bool eightBit)
    {
        int at = Put(into, 0, "MAIL FROM:<"u8);
        at = Put(into, at, reversePath);
        into[at++] = (byte)'>';
        if (size >= 0)
        {
            at = Put(into, at, " SIZE="u8);
            Utf8Formatter.TryFormat(size, into[at..], out int digits);
            at += digits;
        }
        if (eightBit)
        {
            at = Put(into, at, " BODY=8BITMIME"u8);
        }
        return Put(into, at, "\r\n"u8);
    }

    /// <summary>Writes RCPT.</summary>
    public static int Rcpt(Span<byte> into, ReadOnlySpan<byte> mailbox)
    {
        int at = Put(into, 0, "RCPT TO:<"u8);
        at = Put(into, at, mailbox);
        return Put(into, at, ">\r\n"u8);
    }

    /// <summary>Writes the command at a place before the content: RSET, MAIL with what the peer offers, or RCPT.</summary>
    internal static int Envelope(Span<byte> into, int position, in EhloCapabilities peer, ReadOnlySpan<byte> reversePath, ReadOnlySpan<byte> mailbox, long contentBytes, bool eightBit) => position switch
    {
        ResetPosition => Bare(into, "RSET\r\n"u8),
        MailPosition => Mail(into, reversePath, peer.Has(SmtpExtensions.Size) ? contentBytes : -1, eightBit && peer.Has(SmtpExtensions.EightBitMime)),
        _ => Rcpt(into, mailbox),
    };

    /// <summary>Writes BDAT for a content that is one chunk (RFC 3030 2); its octets follow at once.</summary>
    public static int LastChunk(Span<byte> into, long octets)
    {
        int at = Put(into, 0, "BDAT "u8);
        Utf8Formatter.TryFormat(octets, into[at..], out int digits);
        return Put(into, at + digits, " LAST\r\n"u8);
    }

    /// <summary>Writes a command that has no argument, given with its CRLF.</summary>
    public static int Bare(Span<byte> into, ReadOnlySpan<byte> command) => Put(into, 0, command);

    private static int Put(Span<byte> into, int at, ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(into[at..]);
        return at + bytes.Length;
    }
}
