using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using FastRelay.EndToEnd.Rig;
using FastRelay.Tests.Receive.Rig;

namespace FastRelay.Tests.Receive;

/// <summary>Rules of the dialogue over a real socket, up to what a sink gets.</summary>
public sealed class DialogueSocketTests : IClassFixture<DialogueSocketTests.House>
{
    private readonly RelayRig _rig;

    public DialogueSocketTests(House house) => _rig = house.Rig;

    public sealed class House : IDisposable
    {
        internal RelayRig Rig { get; } = new("[limits]\nrecipients = 150\nsession_errors = 100000\nmessage_bytes = \"1MiB\"");

        public void Dispose() => Rig.Dispose();
    }

    [Fact]
    public void Every_reply_after_EHLO_has_an_enhanced_code_of_its_own_class()
    {
        using SmtpTalk talk = _rig.Talk().Hello();
        string[] commands =
        [
            "NOOP", "NOOP x", "HELP", "HELP x", "VRFY a", "VRFY", "EXPN a", "ETRN a", "TURN", "SEND FROM:<a@b.test>", "SOML FROM:<a@b.test>", "FOO", "", " ", "STARTTLS", "STARTTLS x",
            "AUTH PLAIN AAAA", "RSET x", "DATA", "RCPT TO:<a@b.test>", "BDAT", "BDAT x", "BDAT 0", "BDAT 0 LAST", "MAIL", "MAIL FROM:a", "MAIL FROM:<a@b.test> X", "MAIL FROM:<a@b.test> SIZE=-1",
            "MAIL FROM:<a@b.test> SIZE=99999999999", "MAIL FROM:<a@b.test> BODY=BINARYMIME", "MAIL FROM:<\u00fc@b.test>", "MAIL FROM:<a@b.test>", "MAIL FROM:<a@b.test>", "RCPT", "RCPT TO:<>", "RCPT TO:<postmaster>",
            "RCPT TO:<a@refused.test>", "DATA", "RCPT TO:<a@b.test> NOTIFY=X", "RCPT TO:<a@b.test>", "DATA x", "RSET", "EHLO", "HELO \u0001", new string('x', 5000), "NOOP\rx",
        ];
        foreach (string command in commands)
        {
            string reply = talk.Say(command);
            Assert.Matches(@"^(2\d\d 2|4\d\d 4|5\d\d 5)\.\d{1,3}\.\d{1,3} [ -~]+$", reply);
            Assert.InRange(reply.Length, 10, 510);
        }
        Assert.Matches("^221 2.0.0 ", talk.Say("QUIT"));
    }

    [Fact]
    public void Replies_never_hold_what_a_client_sent()
    {
        using SmtpTalk talk = _rig.Talk().Hello();
        string[] commands = ["ZZQZZ", "EHLO ZZQZZ_\"", "MAIL FROM:<ZZQZZ", "MAIL FROM:<a@b.test> ZZQZZ=ZZQZZ", "VRFY ZZQZZ", "EXPN ZZQZZ", "HELP ZZQZZ", "BDAT ZZQZZ", "AUTH ZZQZZ", "NOOP \r\u001b[2JZZQZZ", "RSET ZZQZZ"];
        Assert.All(commands, command => Assert.DoesNotContain("ZZQZZ", talk.Say(command), StringComparison.Ordinal));
    }

    [Fact]
    public void What_a_route_refuses_is_refused_at_RCPT_in_the_operators_words()
    {
        using SmtpTalk talk = _rig.Talk().Hello();
        talk.Say("MAIL FROM:<a@b.test>");
        Assert.Equal("550 5.7.1 not taken here", talk.Say("RCPT TO:<u@Refused.Test>"));
        Assert.StartsWith("250 2.1.5", talk.Say("RCPT TO:<u@taken.test>"));
    }

    [Fact]
    public void A_recipient_named_twice_is_served_once()
    {
        using SmtpTalk talk = _rig.Talk().Hello();
        talk.Say("MAIL FROM:<twice@b.test>");
        foreach (string to in new[] { "Once@d.test", "Once@D.test", "once@d.test", "Once@d.TEST" })
        {
            Assert.StartsWith("250 2.1.5", talk.Say($"RCPT TO:<{to}>"));
        }
        talk.Say("DATA");
        Assert.StartsWith("250 2.0.0", talk.Say("x\r\n."));
        Arrival arrival = _rig.Sink.WaitFor(a => a.From == "twice@b.test");
        Assert.Equal(["Once@d.test", "once@d.test"], arrival.To);
    }

    [Fact]
    public void A_hundred_and_fifty_recipients_are_served_and_the_next_is_told_452()
    {
        using SmtpTalk talk = _rig.Talk().Hello();
        talk.Send("MAIL FROM:<many@b.test>\r\n" + string.Concat(Enumerable.Range(0, 151).Select(i => $"RCPT TO:<r{i}@many.test>\r\n")) + "DATA\r\n");
        Assert.StartsWith("250 2.1.0", talk.Read());
        for (int i = 0; i < 150; i++)
        {
            Assert.StartsWith("250 2.1.5", talk.Read());
        }
        Assert.StartsWith("452 4.5.3", talk.Read());
        Assert.StartsWith("354 ", talk.Read());
        Assert.StartsWith("250 2.0.0", talk.Say("x\r\n."));
        Tool.Until(() => _rig.Sink.Arrivals.Where(a => a.From == "many@b.test").SelectMany(a => a.To).Distinct().Count() == 150, 30, () => "150 recipients");
    }

    [Fact]
    public void A_client_that_talks_before_the_greeting_is_answered_in_step()
    {
        using SmtpTalk talk = _rig.Talk();
        talk.Send("EHLO early.test\r\nMAIL FROM:<early@b.test>\r\nRCPT TO:<early@d.test>\r\nDATA\r\n");
        Assert.StartsWith("220 relay.test", talk.Read());
        Assert.StartsWith("250-relay.test", talk.Read());
        Assert.StartsWith("250 2.1.0", talk.Read());
        Assert.StartsWith("250 2.1.5", talk.Read());
        Assert.StartsWith("354", talk.Read());
        Assert.StartsWith("250 2.0.0", talk.Say("x\r\n."));
    }

    [Theory]
    [InlineData("HELO client.test", "with SMTP id")]
    [InlineData("EHLO client.test", "with ESMTP id")]
    [InlineData("EHLO [192.0.2.1]", "from [192.0.2.1] ([127.0.0.1])")]
    [InlineData("EHLO [IPv6:2001:db8::1]", "from [IPv6:2001:db8::1] ([127.0.0.1])")]
    public void The_trace_header_tells_how_it_came(string hello, string part)
    {
        using SmtpTalk talk = _rig.Talk();
        talk.Read();
        Assert.StartsWith("250", talk.Say(hello));
        string to = $"trace{part.Length}{hello.Length}@d.test";
        talk.Say("MAIL FROM:<a@b.test>");
        talk.Say($"RCPT TO:<{to}>");
        talk.Say("DATA");
        Assert.StartsWith("250 2.0.0", talk.Say("Subject: t\r\n\r\nx\r\n."));
        string text = _rig.Sink.WaitFor(a => a.To.Contains(to)).Text;
        Assert.Contains(part, text, StringComparison.Ordinal);
        Match date = Regex.Match(text, @"^Received: from .*?;\r\n\t(\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4})\r\nSubject: t\r\n", RegexOptions.Singleline);
        Assert.True(date.Success, text);
        Assert.True(DateTimeOffset.TryParse(date.Groups[1].Value, CultureInfo.InvariantCulture, out _));
    }

    [Theory]
    [InlineData("From: a\r\n\r\n8 bit \u00e9\u00ff and \u0080 without a word\r\n")]
    [InlineData("Subject: dots\r\n\r\n.\r\n..\r\n...\r\n. \r\nx.\r\n")]
    [InlineData("Subject: nul\r\n\r\n\0\0a\0\r\n")]
    [InlineData("Subject: odd\t\r\n  folded\r\nBcc: kept@b.test\r\nReturn-Path: <kept@b.test>\r\n\r\n\r\n \r\n\u007f\u0001\r\n\r\n")]
    public void Content_arrives_octet_for_octet_under_every_segmentation(string content)
    {
        foreach (int size in new[] { 1, 3, 1000 })
        {
            using SmtpTalk talk = _rig.Talk().Hello();
            talk.Socket.NoDelay = true;
            string to = $"seg{size}.{content.Length}@d.test";
            talk.Say("MAIL FROM:<a@b.test>");
            talk.Say($"RCPT TO:<{to}>");
            talk.Say("DATA");
            string wire = Regex.Replace(content, @"(?<=^|\n)\.", "..") + ".\r\n";
            foreach (char[] piece in wire.Chunk(size))
            {
                talk.Send(new string(piece));
            }
            Assert.StartsWith("250 2.0.0", talk.Read());
            Assert.Equal(content, _rig.Arrived(to));
        }
    }

    [Fact]
    public void A_line_of_any_length_passes_uncut()
    {
        using SmtpTalk talk = _rig.Talk().Hello();
        string content = $"Subject: long\r\n\r\n{new string('a', 998)}\r\n{new string('b', 999)}\r\n{new string('c', 200_000)}\r\n";
        Assert.Equal(content, _rig.PassThrough(talk, content[..^2]));
    }

    [Fact]
    public void The_next_transaction_may_be_pipelined_behind_the_dot()
    {
        using SmtpTalk talk = _rig.Talk().Hello();
        var all = new StringBuilder();
        for (int i = 0; i < 50; i++)
        {
            all.Append(CultureInfo.InvariantCulture, $"MAIL FROM:<p{i}@b.test>\r\nRCPT TO:<pipe{i}@d.test>\r\nRCPT TO:<u@refused.test>\r\nDATA\r\nSubject: {i}\r\n\r\nQUIT\r\n.\r\n");
        }
        talk.Send(all.ToString() + "QUIT\r\n");
        for (int i = 0; i < 50; i++)
        {
            Assert.StartsWith("250 2.1.0", talk.Read());
            Assert.StartsWith("250 2.1.5", talk.Read());
            Assert.StartsWith("550 5.7.1", talk.Read());
            Assert.StartsWith("354 ", talk.Read());
            Assert.StartsWith("250 2.0.0", talk.Read());
        }
        Assert.StartsWith("221 2.0.0", talk.Read());
        Assert.Equal("Subject: 49\r\n\r\nQUIT\r\n", _rig.Arrived("pipe49@d.test"));
    }

    [Theory]
    [InlineData("GET / HTTP/1.1")]
    [InlineData("POST /x HTTP/1.0")]
    [InlineData("CONNECT a:25 HTTP/1.1")]
    [InlineData("PROXY TCP4 127.0.0.1 127.0.0.1 1 25")]
    public void The_first_line_of_another_protocol_ends_the_session_before_its_next(string line)
    {
        using SmtpTalk talk = _rig.Talk();
        talk.Send(line + "\r\nMAIL FROM:<http@b.test>\r\nRCPT TO:<http@d.test>\r\nDATA\r\n");
        Assert.StartsWith("220", talk.Read());
        Assert.StartsWith("421 4.7.0", talk.Read());
        Assert.True(talk.IsClosed());
    }
}
