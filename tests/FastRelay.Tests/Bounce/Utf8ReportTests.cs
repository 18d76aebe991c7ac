using System.Buffers;
using System.Text;
using FastRelay.Bounce;
using FastRelay.EndToEnd.Rig;
using FastRelay.Smtp;
using FastRelay.Tests.Receive.Rig;
using MimeKit;
using Xunit;

namespace FastRelay.Tests.Bounce;

/// <summary>Reports that name addresses which are not ASCII (RFC 6533), for senders whose own address is and for those whose is not.</summary>
public sealed class Utf8ReportTests
{
    private const string Original = "From: \u03B4\u03BF\u03BA@client.example\r\nSubject: Gr\u00FC\u00DFe\r\n\r\nbody\r\n..stuffed\r\n";
    private static readonly DateTimeOffset s_now = new(2026, 3, 4, 5, 6, 7, TimeSpan.Zero);

    [Fact]
    public void A_sender_whose_address_is_not_ASCII_gets_everything_as_it_is()
    {
        string stored = Write(Facts("\u03B4\u03BF\u03BA@client.example", Original), out BounceShape shape);
        Assert.True(shape.EightBit);
        Assert.Equal(1, shape.StuffedDots);
        Assert.Contains("\r\nTo: <\u03B4\u03BF\u03BA@client.example>\r\n", stored, StringComparison.Ordinal);
        MultipartReport report = ReportOf(stored);
        Assert.Equal(("delivery-status", 3), (report.ReportType, report.Count));
        Assert.Equal("utf-8", report[0].ContentType.Charset);
        Assert.Contains("<\u7528\u6237+a@far.example>", ((TextPart)report[0]).Text, StringComparison.Ordinal);
        Assert.Contains("\r\nContent-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n\r\n", stored, StringComparison.Ordinal);
        HeaderList group = ((MessageDeliveryStatus)report[1]).StatusGroups[1];
        Assert.Equal("utf-8; \u7528\u6237+a@far.example", group["Final-Recipient"]);
        Assert.Equal("UTF-8; \u7528\u6237+b@far.example", group["Original-Recipient"]);
        Assert.Equal("rfc822; plain@far.example", ((MessageDeliveryStatus)report[1]).StatusGroups[2]["Final-Recipient"]);
        Assert.Equal("message/global", report[2].ContentType.MimeType);
        Assert.Equal("Gr\u00FC\u00DFe", Assert.IsType<MessagePart>(report[2]).Message!.Subject);
    }

    [Fact]
    public void Anybody_else_gets_a_report_of_seven_bits_that_says_the_same()
    {
        string stored = Write(Facts("a@client.example", Original), out BounceShape shape);
        Assert.True(Ascii.IsValid(stored));
        Assert.Equal((false, 1), (shape.EightBit, shape.StuffedDots));
        Assert.Contains("\r\nSubject: Gr=C3=BC=C3=9Fe\r\n", stored, StringComparison.Ordinal);
        MultipartReport report = ReportOf(stored);
        Assert.Equal(("delivery-status", 3), (report.ReportType, report.Count));
        Assert.Contains("<\u7528\u6237+a@far.example>", ((TextPart)report[0]).Text, StringComparison.Ordinal);
        Assert.Equal("message/delivery-status", report[1].ContentType.MimeType);
        HeaderList group = ((MessageDeliveryStatus)report[1]).StatusGroups[1];
        Assert.Equal(@"utf-8; \x{7528}\x{6237}\x{2B}a@far.example", group["Final-Recipient"]);
        Assert.Equal(@"UTF-8; \x{7528}\x{6237}\x{2B}b@far.example", group["Original-Recipient"]);
        Assert.Equal("rfc822; plain@far.example", ((MessageDeliveryStatus)report[1]).StatusGroups[2]["Final-Recipient"]);
        Assert.Equal("message/global", report[2].ContentType.MimeType);
        Assert.Equal("From: \u03B4\u03BF\u03BA@client.example\r\nSubject: Gr\u00FC\u00DFe\r\n\r\nbody\r\n.stuffed\r\n", ContentOf(report[2]));
    }

    [Theory]
    [InlineData("\u03B4@client.example", "message/global-headers")]
    [InlineData("a@client.example", "message/global-headers")]
    public void A_header_that_is_UTF8_comes_back_alone_in_the_same_way(string sender, string type)
    {
        const string Header = "Subject: Gr\u00FC\u00DFe\r\n";
        MultipartReport report = ReportOf(Write(Facts(sender, Header, ReturnedPart.Headers), out _));
        Assert.Equal(type, report[2].ContentType.MimeType);
        Assert.Equal(sender[0] == 'a' ? "quoted-printable" : "8bit", report[2].Headers["Content-Transfer-Encoding"]);
        Assert.Contains("Gr\u00FC\u00DFe", sender[0] == 'a' ? ContentOf(report[2]) : Assert.IsType<TextRfc822Headers>(report[2]).Message!.Subject, StringComparison.Ordinal);
    }

    [Fact]
    public void A_header_that_is_neither_ASCII_nor_UTF8_is_no_global_message()
    {
        BounceFacts facts = Facts("a@client.example", "");
        facts = With(facts, Encoding.Latin1.GetBytes("Subject: Gr\u00FC\u00DFe\r\n\r\nbody\r\n"));
        string stored = Write(facts, out BounceShape shape);
        Assert.True(shape.EightBit);
        Assert.Equal("message/rfc822", ReportOf(stored)[2].ContentType.MimeType);
    }

    [Fact]
    public void UTF8_in_the_body_alone_makes_no_global_message()
    {
        string stored = Write(Facts("a@client.example", "Subject: x\r\n\r\nGr\u00FC\u00DFe\r\n"), out BounceShape shape);
        Assert.True(shape.EightBit);
        Assert.Equal("message/rfc822", ReportOf(stored)[2].ContentType.MimeType);
    }

    [Fact]
    public void No_line_is_too_long_whatever_the_address()
    {
        foreach (string sender in (string[])["a@client.example", "\u03B4@client.example"])
        {
            var notice = new FailedNotice(Encoding.UTF8.GetBytes(new string('\u03B4', 115) + ".+.+.+.+@far.example"), OutcomePolicy.From(SmtpStage.Connect, OutcomeCause.Expired), "", default)
            {
                OriginalRecipient = Encoding.UTF8.GetBytes("utf-8;" + new string('\u7528', 160)),
            };
            string stored = Write(With(Facts(sender, Original), failed: [notice]), out _);
            Assert.All(stored.Split("\r\n"), static line => Assert.InRange(Encoding.UTF8.GetByteCount(line), 0, 998));
            Assert.Contains(new string('\u03B4', 115), ((TextPart)ReportOf(stored)[0]).Text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Controls_in_an_address_or_its_escapes_start_no_line()
    {
        var notice = new FailedNotice(Encoding.UTF8.GetBytes("\u0085\u00FC\r\nEvil: 1@far.example"), OutcomePolicy.From(SmtpStage.Connect, OutcomeCause.Expired), "", default)
        {
            OriginalRecipient = Encoding.ASCII.GetBytes(@"utf-8;\x{0D}\x{0A}Evil: 2\x{85}\x{2028}x@far.example"),
        };
        foreach (string sender in (string[])["a@client.example", "\u03B4@client.example"])
        {
            string stored = Write(With(Facts(sender, Original), failed: [notice]), out _);
            Assert.DoesNotContain("\nEvil", stored, StringComparison.Ordinal);
            Assert.DoesNotContain('\u0085', stored);
            Assert.Equal(3, ReportOf(stored).Count);
        }
    }

    [Fact]
    public void The_next_hop_is_asked_for_SMTPUTF8_by_the_report_that_needs_it_and_by_no_other()
    {
        using var rig = new RelayRig(extensions: ["PIPELINING", "8BITMIME", "SMTPUTF8"]);
        rig.Sink.Answer = static (verb, line) => verb == "RCPT" && line.Contains("fail", StringComparison.Ordinal) ? "550 5.1.1 no such user" : null;
        Send(rig, "<\u00FC@b.test> SMTPUTF8", "<fail\u00E9@d.test>");
        Arrival global = rig.Sink.WaitFor(static a => a.From == "");
        Assert.Contains("message/global-delivery-status", global.Text, StringComparison.Ordinal);
        Assert.Contains("Final-Recipient: utf-8; fail\u00E9@d.test\r\n", Encoding.UTF8.GetString(global.Data), StringComparison.Ordinal);
        Send(rig, "<plain@b.test> SMTPUTF8", "<fail\u00E9@d.test>");
        Arrival plain = rig.Sink.WaitFor(static a => a.To.Contains("plain@b.test"));
        Assert.True(Ascii.IsValid(plain.Data));
        Assert.Contains(@"Final-Recipient: utf-8; fail\x{E9}@d.test", plain.Text, StringComparison.Ordinal);
        string[] asked = [.. rig.Sink.Commands.Where(static c => c.StartsWith("MAIL FROM:<>", StringComparison.Ordinal))];
        Assert.Equal([true, false], asked.Select(static c => c.Contains(" SMTPUTF8", StringComparison.Ordinal)));
    }

    [Fact]
    public void An_ORCPT_of_UTF8_is_taken_where_MAIL_said_SMTPUTF8_and_goes_on_in_the_form_that_the_host_takes()
    {
        using var both = new RelayRig(extensions: ["PIPELINING", "8BITMIME", "SMTPUTF8", "DSN"]);
        Send(both, "<s@b.test> SMTPUTF8", "<us\u00E9r@d.test> ORCPT=utf-8;us\u00E9r@d.test");
        both.Sink.WaitFor(static a => a.From == "s@b.test");
        Assert.Contains(both.Sink.Commands, static c => Raw(c).EndsWith(" ORCPT=utf-8;us\u00E9r@d.test", StringComparison.Ordinal));
        using var plain = new RelayRig(extensions: ["PIPELINING", "8BITMIME", "DSN"]);
        Send(plain, "<s@b.test> SMTPUTF8", "<user@d.test> ORCPT=utf-8;us\u00E9r\\x{2B}1@d.test");
        plain.Sink.WaitFor(static a => a.From == "s@b.test");
        Assert.Contains(plain.Sink.Commands, static c => c.EndsWith(@" ORCPT=utf-8;us\x{E9}r\x{2B}1@d.test", StringComparison.Ordinal));
        using SmtpTalk talk = plain.Talk().Hello();
        Assert.StartsWith("250", talk.Say("MAIL FROM:<a@b.test>"));
        foreach (string value in (string[])["utf-8;us\u00E9r@d.test", "rfc822;us\u00E9r@d.test", "us\u00E9r;x"])
        {
            talk.Send(Encoding.UTF8.GetBytes($"RCPT TO:<c@d.test> ORCPT={value}\r\n"));
            Assert.StartsWith("501 5.5.4", talk.Read());
        }
        talk.Say("RSET");
        Assert.StartsWith("250", talk.Say("MAIL FROM:<a@b.test> SMTPUTF8"));
        foreach (string value in (string[])["rfc822;us\u00E9r@d.test", "us\u00E9r;x", "utf-8;\u0085@d.test", "utf-8;a\u00E9+b@d.test", "utf-8;"])
        {
            talk.Send(Encoding.UTF8.GetBytes($"RCPT TO:<c@d.test> ORCPT={value}\r\n"));
            Assert.StartsWith("501 5.5.4", talk.Read());
        }
        talk.Send([.. "RCPT TO:<c@d.test> ORCPT=utf-8;"u8, 0xFF, 0xFE, .. "\r\n"u8]);
        Assert.StartsWith("501 5.5.4", talk.Read());
        talk.Send(Encoding.UTF8.GetBytes("RCPT TO:<c@d.test> ORCPT=utf-8;\u00E9@d.test NOTIFY=FAILURE\r\n"));
        Assert.StartsWith("250 2.1.5", talk.Read());
    }

    // The sink keeps commands as Latin-1.
    private static string Raw(string command) => command.Any(static c => c > 255) ? command : Encoding.UTF8.GetString(Encoding.Latin1.GetBytes(command));

    private static void Send(RelayRig rig, string mail, string rcpt)
    {
        using SmtpTalk talk = rig.Talk().Hello();
        talk.Send(Encoding.UTF8.GetBytes($"MAIL FROM:{mail}\r\nRCPT TO:{rcpt}\r\nDATA\r\nSubject: x\r\n\r\nthe body\r\n.\r\n"));
        Assert.StartsWith("250 2.1.0", talk.Read());
        Assert.StartsWith("250 2.1.5", talk.Read());
        Assert.StartsWith("354", talk.Read());
        Assert.StartsWith("250 2.0.0", talk.Read());
    }

    private static BounceFacts Facts(string sender, string original, ReturnedPart part = ReturnedPart.Message) => new()
    {
        Hostname = "relay.example",
        Id = "0000000000ABC",
        OriginalId = "0000000000AAA",
        ReversePath = Encoding.UTF8.GetBytes(sender),
        Failed =
        [
            new FailedNotice(Encoding.UTF8.GetBytes("\u7528\u6237+a@far.example"), new Outcome(OutcomeClass.Failed, Reach.Recipient, OutcomeCause.Reply, 550, new EnhancedCode(5, 1, 1)), "mx.far.example (192.0.2.1)", "5.1.1 no such user"u8.ToArray())
            {
                OriginalRecipient = Encoding.ASCII.GetBytes(@"UTF-8;\x{7528}\x{6237}\x{2B}b@far.example"),
            },
            new FailedNotice("plain@far.example"u8.ToArray(), OutcomePolicy.From(SmtpStage.Connect, OutcomeCause.Expired), "", default),
        ],
        Arrival = s_now.AddHours(-1),
        LastAttempt = s_now.AddMinutes(-1),
        Now = s_now,
        Part = part,
        Original = Encoding.UTF8.GetBytes(original),
        Nonce = 7,
    };

    private static BounceFacts With(BounceFacts facts, byte[]? original = null, FailedNotice[]? failed = null) => new()
    {
        Hostname = facts.Hostname,
        Id = facts.Id,
        OriginalId = facts.OriginalId,
        ReversePath = facts.ReversePath,
        Failed = failed ?? facts.Failed,
        Arrival = facts.Arrival,
        LastAttempt = facts.LastAttempt,
        Now = facts.Now,
        Part = facts.Part,
        Original = original ?? facts.Original,
        Nonce = facts.Nonce,
    };

    private static string Write(BounceFacts facts, out BounceShape shape)
    {
        var output = new ArrayBufferWriter<byte>();
        shape = BounceText.Write(facts, output);
        return Encoding.UTF8.GetString(output.WrittenSpan);
    }

    private static MultipartReport ReportOf(string stored)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(("\n" + stored).Replace("\n.", "\n", StringComparison.Ordinal)[1..]);
        return Assert.IsType<MultipartReport>(MimeMessage.Load(new MemoryStream(bytes)).Body);
    }

    // MimeKit leaves a message alone that is encoded: its octets are those of a file.
    private static string ContentOf(MimeEntity entity)
    {
        using var content = new MemoryStream();
        Assert.IsType<MimePart>(entity).Content!.DecodeTo(content);
        return Encoding.UTF8.GetString(content.ToArray());
    }
}
