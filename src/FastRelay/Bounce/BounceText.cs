using System.Buffers;
using System.Globalization;
using System.Text;
using FastRelay.Queue;
using FastRelay.Smtp;

namespace FastRelay.Bounce;

/// <summary>
/// The text of a bounce, or of a report that mail is delayed or relayed: multipart/report (RFC 6522) of a part for people, a part for programs (RFC 3464) and the
/// original message or its header. Marked as automatic (RFC 3834). What is not ASCII in it is as RFC 6533 wants it
/// (<see cref="ReportForm"/>). Pure: facts in, stored form out.
/// </summary>
public static class BounceText
{
    /// <summary>A message up to this size is returned whole, octets; of a larger one only the header.</summary>
    public const int ReturnedBytes = 32 * 1024;

    /// <summary>Writes a bounce in stored form, ready for the journal.</summary>
    /// <param name="facts">What to say.</param>
    /// <param name="output">Receives it.</param>
    public static BounceShape Write(BounceFacts facts, IBufferWriter<byte> output)
    {
        Check.That(facts.Failed.Count > 0 && facts.ReversePath.Length > 0);
        ReadOnlySpan<byte> original = facts.Original.Span;
        ReportForm form = ReportForm.Of(facts);
        bool eightBit = form.IsEightBit || (!form.IsReturnEncoded && !Ascii.IsValid(original));
        string boundary = Boundary(facts.Nonce, original);
        var lines = new StoredLines(output, form.IsUtf8);
        WriteHeader(facts, lines, boundary, eightBit);
        lines.Add("--").Add(boundary).End();
        int stuffed = form.WriteText(text => WriteForPeople(facts, text), output);
        lines.Add("--").Add(boundary).End();
        WriteForPrograms(facts, form, lines);
        if (facts.Part != ReturnedPart.Nothing)
        {
            lines.Add("--").Add(boundary).End();
            stuffed += form.WriteReturned(facts, output);
        }
        lines.Add("--").Add(boundary).Add("--").End();
        return new BounceShape(eightBit || form.IsUtf8, stuffed);
    }

    /// <summary>The header section of a message in stored form, whole lines only, at most <paramref name="bytesMax"/>.</summary>
    public static ReadOnlySpan<byte> HeaderOf(ReadOnlySpan<byte> stored, int bytesMax)
    {
        int end = stored.StartsWith("\r\n"u8) ? 0 : stored.IndexOf("\r\n\r\n"u8);
        if (end > 0)
        {
            end += 2;
        }
        if (end >= 0 && end <= bytesMax)
        {
            return stored[..end];
        }
        ReadOnlySpan<byte> cut = stored[..Math.Min(stored.Length, bytesMax)];
        return cut[..(cut.LastIndexOf((byte)'\n') + 1)];
    }

    private static void WriteHeader(BounceFacts facts, StoredLines lines, string boundary, bool eightBit)
    {
        lines.Add("Date: "u8).Add(facts.Now).End();
        lines.Add("From: Mail Delivery System <MAILER-DAEMON@"u8).Add(facts.Hostname).Line(">"u8);
        lines.Add("To: <"u8).AddAddress(facts.ReversePath).Line(">"u8);
        lines.Line(Has(facts, NoticeKind.Failed) ? "Subject: Undelivered mail returned to sender"u8
            : Has(facts, NoticeKind.Delayed) ? "Subject: Delayed mail (it is still being tried)"u8
            : "Subject: Mail relayed (no further report will follow)"u8);
        lines.Add("Message-ID: <"u8).Add(facts.Id).Add("@"u8).Add(facts.Hostname).Line(">"u8);
        lines.Line("Auto-Submitted: auto-replied"u8);
        lines.Line("MIME-Version: 1.0"u8);
        lines.Line("Content-Type: multipart/report; report-type=delivery-status;"u8);
        lines.Add("\tboundary=\""u8).Add(boundary).Line("\""u8);
        if (eightBit)
        {
            lines.Line("Content-Transfer-Encoding: 8bit"u8);
        }
        lines.End();
        lines.Line("This is a delivery report in MIME format."u8).End();
    }

    private static void WriteForPeople(BounceFacts facts, StoredLines lines)
    {
        lines.Add("This is the mail system at "u8).Add(facts.Hostname).Line("."u8).End();
        if (Has(facts, NoticeKind.Failed))
        {
            WriteAll(facts, lines, NoticeKind.Failed, "Your message could not be delivered to:"u8);
            lines.Line("It will not be tried again."u8);
        }
        if (Has(facts, NoticeKind.Relayed))
        {
            WriteAll(facts, lines, NoticeKind.Relayed, "Your message was passed on to a host that does not report deliveries, for:"u8);
            lines.Line("You will hear from us no more of it; whether it arrives is that host's to say."u8);
        }
        if (Has(facts, NoticeKind.Delayed))
        {
            WriteAll(facts, lines, NoticeKind.Delayed, "This is a warning only: you need not send your message again. It could not be delivered yet to:"u8);
            lines.Add("It will be tried until "u8).Add(facts.RetryUntil ?? facts.Now).Line("."u8);
        }
        lines.Line(facts.Part switch
        {
            ReturnedPart.Message => "Your message is attached."u8,
            ReturnedPart.Headers => "The header of your message is attached."u8,
            _ => "The stored copy of your message is damaged and cannot be returned."u8,
        });
        lines.End();
    }

    private static bool Has(BounceFacts facts, NoticeKind kind) => facts.Failed.Any(notice => notice.Kind == kind);

    private static void WriteAll(BounceFacts facts, StoredLines lines, NoticeKind kind, ReadOnlySpan<byte> head)
    {
        lines.Line(head);
        foreach (FailedNotice notice in facts.Failed)
        {
            if (notice.Kind != kind)
            {
                continue;
            }
            lines.End().Add("  <"u8).AddAddress(notice.Mailbox.Span).Line(">"u8);
            lines.Add("    "u8);
            byte[] why = Encoding.ASCII.GetBytes(Why(notice));
            lines.AddFolded(why, 4, "    "u8).End();
        }
        lines.End();
    }

    private static string Why(in FailedNotice failed)
    {
        string text = Readable(failed.Text.Span);
        Outcome outcome = failed.Outcome;
        string said = failed.Host.Length > 0 && outcome.ReplyCode > 0
            ? string.Create(CultureInfo.InvariantCulture, $"host {failed.Host} said: {outcome.ReplyCode} {text}")
            : failed.Host.Length > 0 && text.Length > 0 ? $"host {failed.Host}: {text}" : text;
        return outcome.Cause switch
        {
            OutcomeCause.Expired when said.Length > 0 => $"could not be delivered in time; the last attempt: {said}",
            OutcomeCause.Expired => "could not be delivered in time",
            _ when said.Length > 0 => said,
            OutcomeCause.ByOperator => "returned by the operator of this mail system",
            OutcomeCause.NullMx => "the recipient's domain takes no mail",
            OutcomeCause.NoSuchDomain => "the recipient's domain does not exist or has no mail host",
            OutcomeCause.MailLoop => "mail for the recipient's domain comes back to this host",
            _ when failed.Kind == NoticeKind.Delayed => "it waits for its turn",
            _ => "the delivery failed",
        };
    }

    private static void WriteForPrograms(BounceFacts facts, ReportForm form, StoredLines lines)
    {
        lines.Line(form.IsUtf8 ? "Content-Type: message/global-delivery-status"u8 : "Content-Type: message/delivery-status"u8);
        if (form.IsEightBit)
        {
            lines.Line("Content-Transfer-Encoding: 8bit"u8);
        }
        lines.End();
        if (facts.EnvelopeId.Length > 0)
        {
            AddXtext(lines.Add("Original-Envelope-Id: "u8), facts.EnvelopeId).End();
        }
        lines.Add("Reporting-MTA: dns; "u8).Add(facts.Hostname).End();
        lines.Add("X-FastRelay-Queue-ID: "u8).Add(facts.OriginalId).End();
        lines.Add("Arrival-Date: "u8).Add(facts.Arrival).End();
        Span<byte> status = stackalloc byte[EnhancedCode.TextLengthMax];
        foreach (FailedNotice failed in facts.Failed)
        {
            lines.End();
            form.WriteOriginalRecipient(failed.OriginalRecipient.Span, lines);
            form.WriteFinalRecipient(failed.Mailbox.Span, lines);
            lines.Line(failed.Kind switch
            {
                NoticeKind.Relayed => "Action: relayed"u8,
                NoticeKind.Delayed => "Action: delayed"u8,
                _ => "Action: failed"u8,
            });
            StatusOf(failed).TryFormat(status, out int written);
            lines.Add("Status: "u8).Line(status[..written]);
            int hostEnd = failed.Host.IndexOf(' ', StringComparison.Ordinal);
            if (failed.Host.Length > 0)
            {
                lines.Add("Remote-MTA: dns; "u8).AddForeign(Encoding.ASCII.GetBytes(hostEnd < 0 ? failed.Host : failed.Host[..hostEnd])).End();
            }
            WriteDiagnostic(failed, lines);
            if (failed.Kind != NoticeKind.Delayed)
            {
                lines.Add("Last-Attempt-Date: "u8).Add(facts.LastAttempt).End();
            }
            else if (facts.RetryUntil is { } until)
            {
                lines.Add("Will-Retry-Until: "u8).Add(until).End();
            }
        }
        lines.End();
    }

    private static StoredLines AddXtext(StoredLines lines, ReadOnlySpan<byte> xtext)
    {
        Span<byte> plain = stackalloc byte[Xtext.OriginalRecipientMax];
        xtext = xtext[..Math.Min(xtext.Length, plain.Length)];
        return lines.AddForeign(plain[..Xtext.Decode(xtext, plain)]);
    }

    private static void WriteDiagnostic(in FailedNotice failed, StoredLines lines)
    {
        string text = Readable(failed.Text.Span);
        if (failed.Outcome.ReplyCode > 0)
        {
            string reply = string.Create(CultureInfo.InvariantCulture, $"smtp; {failed.Outcome.ReplyCode} {text}");
            lines.Add("Diagnostic-Code: "u8).AddFolded(Encoding.ASCII.GetBytes(reply), 17, "\t"u8).End();
        }
        else if (text.Length > 0)
        {
            lines.Add("Diagnostic-Code: "u8).AddFolded(Encoding.ASCII.GetBytes("x-fastrelay; " + text), 17, "\t"u8).End();
        }
    }

    // RFC 3463: what ran out of time was temporary all along (4.4.7); a reply without an enhanced code says 5.0.0.
    private static EnhancedCode StatusOf(in FailedNotice notice)
    {
        byte wanted = notice.Kind switch
        {
            NoticeKind.Relayed => 2,
            NoticeKind.Delayed => 4,
            _ => 5,
        };
        EnhancedCode code = notice.Outcome.EnhancedCode;
        return notice.Outcome.Cause == OutcomeCause.Expired ? new EnhancedCode(4, 4, 7)
            : code.Class == wanted ? code : new EnhancedCode(wanted, 0, 0);
    }

    private static string Readable(ReadOnlySpan<byte> text) => string.Create(
        Math.Min(text.Length, Limits.ReplyTextBytes),
        text,
        static (into, from) =>
        {
            for (int i = 0; i < into.Length; i++)
            {
                into[i] = from[i] is >= 0x20 and < 0x7F ? (char)from[i] : '?';
            }
        });

    private static string Boundary(ulong nonce, ReadOnlySpan<byte> original)
    {
        while (true)
        {
            string boundary = string.Create(CultureInfo.InvariantCulture, $"=_report_{nonce:x16}");
            if (original.IndexOf(Encoding.ASCII.GetBytes(boundary)) < 0)
            {
                return boundary;
            }
            nonce++;
        }
    }
}

/// <summary>What the journal and the next hop must know of a bounce's text.</summary>
/// <param name="EightBit">It has octets above 127.</param>
/// <param name="StuffedDots">Lines that begin with a stuffed dot.</param>
public readonly record struct BounceShape(bool EightBit, int StuffedDots);
