using System.Net;
using System.Net.Sockets;

namespace FastRelay.Smtp;

/// <summary>How a message came in, as the "with" of a Received field names it (RFC 3848, IANA mail transmission types).</summary>
public enum WithProtocol : byte
{
    /// <summary>HELO.</summary>
    Smtp,

    /// <summary>EHLO.</summary>
    Esmtp,

    /// <summary>EHLO inside TLS.</summary>
    Esmtps,

    /// <summary>EHLO with AUTH.</summary>
    Esmtpa,

    /// <summary>EHLO inside TLS with AUTH.</summary>
    Esmtpsa,
}

/// <summary>
/// The Received field that goes on top of each accepted message (RFC 5321 4.4), in stored form: folded lines with CRLF, none begins with a dot.
/// Set the values, then call <see cref="TryWrite"/>. No allocation.
/// </summary>
public ref struct TraceHeader
{
    /// <summary>Enough room for any field that is written: names of 255, a mailbox of 254, an id of 64 octets.</summary>
    public const int OctetsMax = 1024;

    /// <summary>What the client called itself. Written only when it is a valid EHLO argument, else "unknown": client text never goes into a header unchecked.</summary>
    public ReadOnlySpan<byte> EhloName { get; set; }

    /// <summary>The client's address.</summary>
    public required IPAddress Peer { get; set; }

    /// <summary>Our own name.</summary>
    public ReadOnlySpan<byte> Host { get; set; }

    /// <summary>How it came in.</summary>
    public WithProtocol With { get; set; }

    /// <summary>Our queue id.</summary>
    public ReadOnlySpan<byte> Id { get; set; }

    /// <summary>
    /// The mailbox of the only recipient; empty with more than one. All recipients share the stored message, so naming one of several
    /// would tell the others of it, a Bcc perhaps; a single one learns only of itself. A mailbox that is not ASCII is left out, since the header must stay ASCII without SMTPUTF8.
    /// </summary>
    public ReadOnlySpan<byte> OnlyRecipient { get; set; }

    /// <summary>When, with the zone to show.</summary>
    public DateTimeOffset Time { get; set; }

    /// <summary>Writes the field.</summary>
    /// <returns>False when <paramref name="destination"/> is too short; <see cref="OctetsMax"/> does.</returns>
    public readonly bool TryWrite(Span<byte> destination, out int written)
    {
        var to = new SpanAppender(destination);
        to.Append("Received: from "u8);
        to.Append(DomainName.IsEhloArgument(EhloName) ? EhloName : "unknown"u8);
        to.Append(" ("u8);
        AppendPeer(ref to);
        to.Append(")\r\n\tby "u8);
        to.Append(Host);
        to.Append(" with "u8);
        to.Append(With switch
        {
            WithProtocol.Esmtp => "ESMTP"u8,
            WithProtocol.Esmtps => "ESMTPS"u8,
            WithProtocol.Esmtpa => "ESMTPA"u8,
            WithProtocol.Esmtpsa => "ESMTPSA"u8,
            _ => "SMTP"u8,
        });
        to.Append(" id "u8);
        to.Append(Id);
        if (!OnlyRecipient.IsEmpty && !OnlyRecipient.ContainsAnyExceptInRange((byte)0x20, (byte)0x7E))
        {
            to.Append("\r\n\tfor <"u8);
            to.Append(OnlyRecipient);
            to.Append(">"u8);
        }

        to.Append(";\r\n\t"u8);
        Span<byte> date = stackalloc byte[MailDate.Length];
        MailDate.TryFormat(Time, date, out _);
        to.Append(date);
        to.Append("\r\n"u8);
        written = to.Overflowed ? 0 : to.Written;
        return !to.Overflowed;
    }

    // An address literal. An IPv4 client of a dual-stack socket is shown as IPv4, and a scope ("%2") means nothing elsewhere.
    private readonly void AppendPeer(ref SpanAppender to)
    {
        Span<byte> octets = stackalloc byte[AddressLiteral.OctetsMax];
        Span<byte> text = stackalloc byte[64];
        if (!Peer.TryWriteBytes(octets, out var length) || !Peer.TryFormat(text, out var textLength))
        {
            to.Append("unknown"u8);
            return;
        }

        if (Peer.AddressFamily == AddressFamily.InterNetwork || Peer.IsIPv4MappedToIPv6)
        {
            to.Append("["u8);
            var ipv4 = octets[(length - 4)..length];
            for (var i = 0; i < ipv4.Length; i++)
            {
                to.Append(i == 0 ? default : "."u8);
                to.Append(ipv4[i]);
            }

            to.Append("]"u8);
            return;
        }

        var scope = text[..textLength].IndexOf((byte)'%');
        to.Append("[IPv6:"u8);
        to.Append(scope < 0 ? text[..textLength] : text[..scope]);
        to.Append("]"u8);
    }
}
