using System.Text;
using FastRelay.Journal;
using FastRelay.Smtp;

namespace FastRelay.Deliver;

/// <summary>
/// Puts the parameters of extensions that the next hop offers behind a MAIL or RCPT that was written without: RET, ENVID,
/// NOTIFY and ORCPT (RFC 3461 5.2.1, RFC 6533 3), SMTPUTF8 (RFC 6531 3.4). Never one that was not offered.
/// </summary>
public static class DsnParameters
{
    /// <summary>Octets that they can add to a command: ORCPT of 500, NOTIFY with three words, the keywords.</summary>
    public const int Bytes = 600;

    private const int NotifyKinds = 4;

    /// <summary>Adds to MAIL.</summary>
    /// <param name="line">The command with its CRLF and room for <see cref="Bytes"/> behind it.</param>
    /// <param name="length">Octets of the command.</param>
    /// <param name="envelope">Of the message.</param>
    /// <param name="offered">By the next hop.</param>
    /// <returns>Octets of the command now.</returns>
    public static int AddToMail(Span<byte> line, int length, in Envelope envelope, SmtpExtensions offered)
    {
        int at = length - 2;
        if ((offered & SmtpExtensions.SmtpUtf8) != 0 && (envelope.Flags & EnvelopeFlags.SmtpUtf8) != 0)
        {
            at = Put(line, at, " SMTPUTF8"u8);
        }
        if ((offered & SmtpExtensions.Dsn) != 0)
        {
            at = (ReturnContent)envelope.Return switch
            {
                ReturnContent.Full => Put(line, at, " RET=FULL"u8),
                ReturnContent.Headers => Put(line, at, " RET=HDRS"u8),
                _ => at,
            };
            if (!envelope.EnvelopeId.IsEmpty)
            {
                at = Put(line, Put(line, at, " ENVID="u8), envelope.EnvelopeId);
            }
        }
        return Put(line, at, "\r\n"u8);
    }

    /// <summary>Adds SMTPUTF8 alone to MAIL; see <see cref="AddToMail"/>.</summary>
    public static int AddUtf8(Span<byte> line, int length) => Put(line, length - 2, " SMTPUTF8\r\n"u8);

    /// <summary>Adds to RCPT; see <see cref="AddToMail"/>.</summary>
    public static int AddToRcpt(Span<byte> line, int length, in Envelope envelope, in EnvelopeRecipient recipient, SmtpExtensions offered)
    {
        if ((offered & SmtpExtensions.Dsn) == 0)
        {
            return length;
        }
        int at = length - 2;
        char separator = '=';
        for (int kind = 0; kind < NotifyKinds; kind++)
        {
            var one = (NotifyOn)(1 << kind);
            if (((NotifyOn)recipient.Notify & one) != 0)
            {
                at = separator == '=' ? Put(line, at, " NOTIFY="u8) : Put(line, at, ","u8);
                separator = ',';
                at = Put(line, at, one switch
                {
                    NotifyOn.Never => "NEVER"u8,
                    NotifyOn.Success => "SUCCESS"u8,
                    NotifyOn.Failure => "FAILURE"u8,
                    _ => "DELAY"u8,
                });
            }
        }
        if (!recipient.OriginalRecipient.IsEmpty)
        {
            at = PutOriginal(line, at, recipient.OriginalRecipient, isUtf8: (offered & SmtpExtensions.SmtpUtf8) != 0 && (envelope.Flags & EnvelopeFlags.SmtpUtf8) != 0);
        }
        return Put(line, at, "\r\n"u8);
    }

    /// <summary>UTF-8 as it is only where MAIL has said SMTPUTF8, else in its form of 7 bits (RFC 6533 3); one that is too long then is left out.</summary>
    private static int PutOriginal(Span<byte> line, int at, ReadOnlySpan<byte> original, bool isUtf8)
    {
        if (isUtf8 || Ascii.IsValid(original))
        {
            return Put(line, Put(line, at, " ORCPT="u8), original);
        }
        Span<byte> plain = stackalloc byte[Xtext.OriginalRecipientMax + Utf8Address.EscapeMax];
        int length = Utf8Address.ToSevenBit(original, plain);
        return length > Xtext.OriginalRecipientMax ? at : Put(line, Put(line, at, " ORCPT="u8), plain[..length]);
    }

    private static int Put(Span<byte> into, int at, ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(into[at..]);
        return at + bytes.Length;
    }
}
