using System.Buffers;
using System.Text;
using FastRelay.Bounce;
using FastRelay.Queue;
using FastRelay.Smtp;
using MimeKit;
using Xunit;

namespace FastRelay.Tests.Bounce;

public sealed class BounceTextTests
{
    private const string Small = "From: a@client.example\r\nSubject: hello\r\n\r\nbody\r\n..stuffed\r\n";

    private static readonly DateTimeOffset s_now = new(2026, 3, 4, 5, 6, 7, TimeSpan.Zero);

    [Fact]
    public void A_bounce_is_the_report_that_RFC_3464_describes()
    {
        string stored = Write(Facts(Small), out BounceShape shape);
        MimeMessage message = Parse(stored);
        Assert.Equal("MAILER-DAEMON@relay.example", ((MailboxAddress)message.From[0]).Address);
        Assert.Equal("a@client.example", ((MailboxAddress)message.To[0]).Address);
        Assert.Equal("auto-replied", message.Headers["Auto-Submitted"]);
        Assert.Equal("0000000000ABC@relay.example", message.MessageId);
        Assert.Equal(s_now, message.Date);
        var report = Assert.IsType<MultipartReport>(message.Body);
        Assert.Equal("delivery-status", report.ReportType);
        Assert.Equal(3, report.Count);
        Assert.False(shape.EightBit);
        Assert.Equal(1, shape.StuffedDots);
    }

    [Fact]
    public void People_read_who_failed_and_which_host_said_why()
    {
        MultipartReport report = ReportOf(Write(Facts(Small), out _));
        string text = ((TextPart)report[0]).Text;
        Assert.Contains("<b@far.example>", text, StringComparison.Ordinal);
        Assert.Contains("host mx.far.example (192.0.2.1) said: 550 5.1.1 no such user", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Programs_read_the_status_of_each_recipient()
    {
        MultipartReport report = ReportOf(Write(Facts(Small), out _));
        var status = (MessageDeliveryStatus)report[1];
        Assert.Equal(3, status.StatusGroups.Count);
        Assert.Equal("dns; relay.example", status.StatusGroups[0]["Reporting-MTA"]);
        Assert.NotNull(status.StatusGroups[0]["Arrival-Date"]);
        HeaderList first = status.StatusGroups[1];
        Assert.Equal("rfc822; b@far.example", first["Final-Recipient"]);
        Assert.Equal("failed", first["Action"]);
        Assert.Equal("5.1.1", first["Status"]);
        Assert.Equal("dns; mx.far.example", first["Remote-MTA"]);
        Assert.StartsWith("smtp; 550 5.1.1 no such user", first["Diagnostic-Code"], StringComparison.Ordinal);
        Assert.NotNull(first["Last-Attempt-Date"]);
        HeaderList second = status.StatusGroups[2];
        Assert.Equal("4.4.7", second["Status"]);
        Assert.Null(second["Remote-MTA"]);
    }

    [Fact]
    public void A_small_message_comes_back_byte_for_byte()
    {
        MultipartReport report = ReportOf(Write(Facts(Small), out _));
        var part = (MessagePart)report[2];
        using var content = new MemoryStream();
        var format = FormatOptions.Default.Clone();
        format.NewLineFormat = NewLineFormat.Dos;
        part.Message!.WriteTo(format, content);
        Assert.Equal("From: a@client.example\r\nSubject: hello\r\n\r\nbody\r\n.stuffed\r\n", Encoding.Latin1.GetString(content.ToArray()));
    }

    [Fact]
    public void Of_a_large_message_the_header_comes_back()
    {
        MultipartReport report = ReportOf(Write(Facts("Subject: hello\r\n", ReturnedPart.Headers), out _));
        Assert.Equal("text/rfc822-headers", report[2].ContentType.MimeType);
        Assert.Equal("hello", Assert.IsType<TextRfc822Headers>(report[2]).Message!.Subject);
    }

    [Fact]
    public void A_damaged_message_is_not_returned_and_the_sender_is_told_so()
    {
        MultipartReport report = ReportOf(Write(Facts("", ReturnedPart.Nothing), out _));
        Assert.Equal(2, report.Count);
        Assert.Contains("damaged", ((TextPart)report[0]).Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Eight_bit_content_is_declared()
    {
        string stored = Write(Facts("Subject: x\r\n\r\ngr\u00FC\u00DFe\r\n"), out BounceShape shape);
        Assert.True(shape.EightBit);
        MimeMessage message = Parse(stored);
        Assert.Equal("8bit", message.Body!.Headers["Content-Transfer-Encoding"]);
        Assert.Equal("8bit", ((Multipart)message.Body)[2].Headers["Content-Transfer-Encoding"]);
    }

    [Fact]
    public void What_a_host_said_can_neither_start_a_line_nor_a_part()
    {
        string reply = new string('x', 60) + " --=_report_0000000000000007 " + new string('y', 200) + " \r\nEvil: yes\r\n.\r\n \u00FF end";
        BounceFacts facts = Facts(Small, ReturnedPart.Message, Encoding.Latin1.GetBytes(reply));
        string stored = Write(facts, out _);
        Assert.DoesNotContain("\nEvil", stored, StringComparison.Ordinal);
        foreach (string line in stored.Split("\r\n"))
        {
            Assert.True(line.Length <= 998);
            Assert.DoesNotContain('\n', line);
            Assert.DoesNotContain('\r', line);
            Assert.NotEqual(".", line);
        }
        MultipartReport report = ReportOf(stored);
        Assert.Equal(3, report.Count);
    }

    [Fact]
    public void The_boundary_is_none_that_the_original_holds()
    {
        string nested = "Subject: x\r\n\r\n--=_report_0000000000000007\r\n--=_report_0000000000000008--\r\n";
        MultipartReport report = ReportOf(Write(Facts(nested), out _));
        Assert.Equal("=_report_0000000000000009", report.Boundary);
        Assert.Equal(3, report.Count);
    }

    [Theory]
    [InlineData("A: b\r\n\r\nbody\r\n", 100, "A: b\r\n")]
    [InlineData("\r\nbody\r\n", 100, "")]
    [InlineData("A: b\r\nC: d\r\n", 100, "A: b\r\nC: d\r\n")]
    [InlineData("A: b\r\nC: d\r\n\r\n", 8, "A: b\r\n")]
    [InlineData("A: bbbbbbbbbbb\r\n", 8, "")]
    [InlineData("", 8, "")]
    public void The_header_section_ends_at_the_first_empty_line_and_is_cut_at_whole_lines(string stored, int bytesMax, string header) =>
        Assert.Equal(header, Encoding.ASCII.GetString(BounceText.HeaderOf(Encoding.ASCII.GetBytes(stored), bytesMax)));

    [Fact]
    public void A_message_without_a_final_word_from_a_host_still_says_something()
    {
        foreach (OutcomeCause cause in (OutcomeCause[])[OutcomeCause.Expired, OutcomeCause.ByOperator, OutcomeCause.NullMx, OutcomeCause.NoSuchDomain, OutcomeCause.MailLoop])
        {
            var facts = Facts(Small, ReturnedPart.Message, []);
            facts = With(facts, [new FailedNotice("b@far.example"u8.ToArray(), OutcomePolicy.From(SmtpStage.Connect, cause), "", default)]);
            MultipartReport report = ReportOf(Write(facts, out _));
            string[] lines = ((TextPart)report[0]).Text.ReplaceLineEndings("\n").Split('\n');
            int at = Array.IndexOf(lines, "  <b@far.example>");
            Assert.True(lines[at + 1].Trim().Length > 10);
        }
    }

    [Theory]
    [InlineData(NoticeKind.Relayed, "2.1.5", "relayed", "2.1.5", "Mail relayed", "was passed on to a host that does not report")]
    [InlineData(NoticeKind.Relayed, "", "relayed", "2.0.0", "Mail relayed", "was passed on to a host that does not report")]
    [InlineData(NoticeKind.Delayed, "4.4.1", "delayed", "4.4.1", "Delayed mail", "you need not send your message again")]
    [InlineData(NoticeKind.Delayed, "", "delayed", "4.0.0", "Delayed mail", "you need not send your message again")]
    public void What_is_no_failure_is_not_called_one(NoticeKind kind, string code, string action, string status, string subject, string says)
    {
        _ = EnhancedCode.TryParse(Encoding.ASCII.GetBytes(code), out EnhancedCode enhanced, out _);
        var outcome = new Outcome(OutcomeClass.Deferred, Reach.Recipient, OutcomeCause.None, 0, enhanced);
        string stored = Write(With(Facts(Small), [new FailedNotice("b@far.example"u8.ToArray(), outcome, "", "some words"u8.ToArray()) { Kind = kind }]), out _);
        Assert.StartsWith(subject, Parse(stored).Subject);
        MultipartReport report = ReportOf(stored);
        string text = ((TextPart)report[0]).Text;
        Assert.Contains(says, text);
        Assert.Contains("some words", text);
        Assert.DoesNotContain("will not be tried again", text);
        HeaderList group = ((MessageDeliveryStatus)report[1]).StatusGroups[1];
        Assert.Equal((action, status), (group["Action"], group["Status"]));
        // RFC 3464 2.3.9: only what is delayed has an end.
        Assert.Equal(kind == NoticeKind.Delayed, group["Will-Retry-Until"] is not null);
    }

    [Fact]
    public void A_report_may_say_of_one_that_it_failed_and_of_another_that_it_went_on()
    {
        FailedNotice[] both = [.. Facts(Small).Failed.Take(1), new FailedNotice("d@far.example"u8.ToArray(), OutcomePolicy.From(SmtpStage.Dot, 250, default), "mx.far.example (192.0.2.1)", "2.0.0 ok"u8.ToArray()) { Kind = NoticeKind.Relayed }];
        string stored = Write(With(Facts(Small), both), out _);
        Assert.Equal("Undelivered mail returned to sender", Parse(stored).Subject);
        string text = ((TextPart)ReportOf(stored)[0]).Text;
        Assert.True(text.IndexOf("<b@far.example>", StringComparison.Ordinal) < text.IndexOf("It will not be tried again.", StringComparison.Ordinal));
        Assert.True(text.IndexOf("It will not be tried again.", StringComparison.Ordinal) < text.IndexOf("<d@far.example>", StringComparison.Ordinal));
        Assert.Contains("host mx.far.example (192.0.2.1) said: 250 2.0.0 ok", text);
    }

    private static BounceFacts Facts(string original, ReturnedPart part = ReturnedPart.Message, byte[]? reply = null) => With(
        new BounceFacts
        {
            Hostname = "relay.example",
            Id = "0000000000ABC",
            OriginalId = "0000000000AAA",
            ReversePath = "a@client.example"u8.ToArray(),
            Failed = [],
            Arrival = s_now.AddHours(-1),
            LastAttempt = s_now.AddMinutes(-1),
            Now = s_now,
            Part = part,
            Original = Encoding.Latin1.GetBytes(original),
            Nonce = 7,
        },
        [
            new FailedNotice("b@far.example"u8.ToArray(), new Outcome(OutcomeClass.Failed, Reach.Recipient, OutcomeCause.Reply, 550, new EnhancedCode(5, 1, 1)), "mx.far.example (192.0.2.1)", reply ?? "5.1.1 no such user"u8.ToArray()),
            new FailedNotice("c@far.example"u8.ToArray(), OutcomePolicy.From(SmtpStage.Connect, OutcomeCause.Expired), "", "the connection was refused"u8.ToArray()),
        ]);

    private static BounceFacts With(BounceFacts facts, FailedNotice[] failed) => new()
    {
        Hostname = facts.Hostname,
        Id = facts.Id,
        OriginalId = facts.OriginalId,
        ReversePath = facts.ReversePath,
        Failed = failed,
        RetryUntil = s_now.AddDays(5),
        Arrival = facts.Arrival,
        LastAttempt = facts.LastAttempt,
        Now = facts.Now,
        Part = facts.Part,
        Original = facts.Original,
        Nonce = facts.Nonce,
    };

    private static string Write(BounceFacts facts, out BounceShape shape)
    {
        var output = new ArrayBufferWriter<byte>();
        shape = BounceText.Write(facts, output);
        return Encoding.Latin1.GetString(output.WrittenSpan);
    }

    private static MultipartReport ReportOf(string stored) => Assert.IsType<MultipartReport>(Parse(stored).Body);

    private static MimeMessage Parse(string stored)
    {
        byte[] bytes = Encoding.Latin1.GetBytes(stored.Replace("\n..", "\n.", StringComparison.Ordinal));
        return MimeMessage.Load(new MemoryStream(bytes));
    }
}
