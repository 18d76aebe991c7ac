using System.Net;
using System.Text;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>Odd and hostile clients get the right reply each time, and the session goes on.</summary>
public sealed class BadInputTests : IDisposable
{
    private readonly Sink _sink = new(Place.NewAddress());
    private readonly RelayProcess _relay;

    public BadInputTests()
    {
        _relay = new RelayProcess(RelayProcess.SmarthostConfig(_sink.EndPoint, """
            [limits]
            message_bytes = "64KiB"
            recipients = 100
            session_errors = 1000
            """)).Start();
    }

    public void Dispose()
    {
        _relay.Dispose();
        _sink.Dispose();
    }

    [Theory]
    [InlineData("FOO", "500 5.5.")]
    [InlineData("", "500 5.5.")]
    [InlineData("MAIL", "501 5.5.")]
    [InlineData("MAIL FROM", "501 5.5.")]
    [InlineData("MAIL FROM:", "501 5.")]
    [InlineData("MAIL FROM:user@example.test", "501 5.")]
    [InlineData("MAIL FROM:<user@>", "501 5.1.7")]
    [InlineData("MAIL FROM:<@example.test>", "501 5.1.7")]
    [InlineData("MAIL FROM:<a@b.test> FOO=BAR", "555 5.5.4")]
    [InlineData("MAIL FROM:<a@b.test> BODY=BINARYMIME", "555 5.5.4")]
    [InlineData("MAIL FROM:<a@b.test> SIZE=abc", "501 5.5.4")]
    [InlineData("MAIL FROM:<a@b.test> SIZE=99999999999999999999", "552 5.3.4")]
    [InlineData("MAIL FROM:<a@b.test> SIZE=65537", "552 5.3.4")]
    [InlineData("RCPT TO:<a@b.test>", "503 5.5.1")]
    [InlineData("DATA", "503 5.5.1")]
    [InlineData("DATA x", "501 5.5.")]
    [InlineData("RSET x", "501 5.5.")]
    [InlineData("VRFY user", "252 2.")]
    [InlineData("EXPN list", "502 5.5.1")]
    [InlineData("ETRN x", "502 5.5.1")]
    [InlineData("TURN", "502 5.5.1")]
    [InlineData("HELP", "214 2.")]
    [InlineData("NOOP anything", "250 2.0.0")]
    [InlineData("EHLO", "501 5.")]
    [InlineData("EHLO \u0001", "501 5.")]
    [InlineData("STARTTLS", "502 5.5.1")]
    [InlineData("AUTH PLAIN AAAA", "502 5.5.1")]
    public void A_wrong_command_gets_its_reply_and_the_session_goes_on(string line, string expected)
    {
        using SmtpTalk talk = _relay.Talk().Hello();
        Assert.StartsWith(expected, talk.Say(line));
        Deliver(talk, "after@example.test");
    }

    [Theory]
    [InlineData("RCPT TO:<>", "501 5.1.3")]
    [InlineData("RCPT TO:<user>", "501 5.1.3")]
    [InlineData("RCPT TO:<@example.test>", "501 5.1.3")]
    [InlineData("RCPT TO:<user@-bad.test>", "501 5.1.3")]
    [InlineData("RCPT TO:<user@exa mple.test>", "501 5.")]
    [InlineData("RCPT TO:<us\u00e9r@example.test>", "553 5.6.7")]
    [InlineData("RCPT TO:<user@example.test> NOTIFY=NEVER,DELAY", "501 5.5.4")]
    [InlineData("RCPT TO:<\"a\u0001b\"@example.test>", "501 5.1.3")]
    [InlineData("MAIL FROM:<second@example.test>", "503 5.5.1")]
    public void A_wrong_command_in_a_transaction_leaves_it_whole(string line, string expected)
    {
        using SmtpTalk talk = _relay.Talk().Hello();
        talk.Say("MAIL FROM:<sender@example.test>");
        Assert.StartsWith(expected, talk.Say(line));
        Assert.StartsWith("250 2.1.5", talk.Say("RCPT TO:<good@example.test>"));
        Assert.StartsWith("354", talk.Say("DATA"));
        Assert.StartsWith("250 2.0.0", talk.Say("Subject: x\r\n\r\nwhole\r\n."));
        Arrival arrival = _sink.WaitFor(a => a.To is ["good@example.test"]);
        Assert.Equal("sender@example.test", arrival.From);
    }

    [Fact]
    public void MAIL_before_EHLO_is_out_of_order()
    {
        using SmtpTalk talk = _relay.Talk();
        Assert.StartsWith("220 relay.test", talk.Read());
        Assert.StartsWith("503 5.5.1", talk.Say("MAIL FROM:<a@b.test>"));
        Assert.StartsWith("250 ", talk.Say("HELO client.test"));
        Deliver(talk, "helo@example.test");
    }

    [Fact]
    public void An_overlong_line_is_one_error_and_its_tail_never_runs()
    {
        using SmtpTalk talk = _relay.Talk().Hello();
        talk.Send("NOOP " + new string('x', 100_000) + "\rQUIT");
        Assert.StartsWith("500 5.5.2", talk.Say(" QUIT"));
        Deliver(talk, "long@example.test");
    }

    [Theory]
    [InlineData("NOOP\nQUIT\r\n")]
    [InlineData("NOOP\rQUIT\r\n")]
    [InlineData("NOOP\nMAIL FROM:<evil@example.test>\nRCPT TO:<evil@example.test>\r\n")]
    public void A_command_line_with_a_bare_newline_does_not_run(string bytes)
    {
        using SmtpTalk talk = _relay.Talk().Hello();
        talk.Send(bytes);
        Assert.StartsWith("500 5.5.2", talk.Read());
        // Had the tail run, its reply would be read here, or the session be over.
        Assert.StartsWith("250 2.0.0", talk.Say("RSET"));
        Assert.StartsWith("503 5.5.1", talk.Say("RCPT TO:<evil@example.test>"));
    }

    [Fact]
    public void The_recipient_past_the_bound_is_told_452_and_the_others_are_served()
    {
        using SmtpTalk talk = _relay.Talk().Hello();
        talk.Say("MAIL FROM:<many@example.test>");
        for (int i = 0; i < 100; i++)
        {
            Assert.StartsWith("250 2.1.5", talk.Say($"RCPT TO:<r{i}@example.test>"));
        }
        Assert.StartsWith("452 4.5.3", talk.Say("RCPT TO:<r100@example.test>"));
        Assert.StartsWith("354", talk.Say("DATA"));
        Assert.StartsWith("250 2.0.0", talk.Say("Subject: many\r\n\r\nhi\r\n."));
        _sink.WaitFor(a => a.From == "many@example.test");
        Tool.Until(() => _sink.Arrivals.Where(a => a.From == "many@example.test").Sum(a => a.To.Count) == 100, 20, () => _relay.Log);
    }

    [Fact]
    public void A_message_at_the_bound_passes_and_one_past_it_is_refused_in_step()
    {
        using SmtpTalk talk = _relay.Talk().Hello();
        Start(talk, "big@example.test");
        string line = new string('x', 78) + "\r\n";
        talk.Send(string.Concat(Enumerable.Repeat(line, 900)) + ".\r\n");
        Assert.StartsWith("552 5.3.4", talk.Read());
        Start(talk, "fits@example.test");
        talk.Send(string.Concat(Enumerable.Repeat(line, 800)) + ".\r\n");
        Assert.StartsWith("250 2.0.0", talk.Read());
        _sink.WaitFor(a => a.To is ["fits@example.test"]);
        Assert.DoesNotContain(_sink.Arrivals, a => a.To is ["big@example.test"]);
    }

    [Fact]
    public void A_message_that_travelled_too_far_is_refused()
    {
        using SmtpTalk talk = _relay.Talk().Hello();
        Start(talk, "loop@example.test");
        string hop = "Received: from a by b; Wed, 25 Nov 2026 00:00:00 +0000\r\n";
        talk.Send(string.Concat(Enumerable.Repeat(hop, 101)) + "\r\nx\r\n.\r\n");
        Assert.StartsWith("554 5.4.6", talk.Read());
        Start(talk, "near@example.test");
        talk.Send(string.Concat(Enumerable.Repeat(hop, 99)) + "\r\nx\r\n.\r\n");
        Assert.StartsWith("250 2.0.0", talk.Read());
    }

    [Fact]
    public void A_stranger_may_not_relay()
    {
        using var relay = new RelayProcess(RelayProcess.SmarthostConfig(_sink.EndPoint).Replace("127.0.0.0/8", "127.99.0.0/16", StringComparison.Ordinal)).Start();
        using SmtpTalk talk = relay.Talk().Hello();
        talk.Say("MAIL FROM:<a@example.test>");
        foreach (string recipient in new[] { "u@example.test", "@relay.test:u@example.test", "u%example.test@relay.test", "\"u@example.test\"@relay.test", "example.test!u@relay.test", "u@[127.0.0.1]" })
        {
            Assert.StartsWith("550 5.7.1", talk.Say($"RCPT TO:<{recipient}>"));
        }
        Assert.StartsWith("554 5.5.1", talk.Say("DATA"));
    }

    [Fact]
    public void A_pipelined_group_is_answered_in_order()
    {
        using SmtpTalk talk = _relay.Talk().Hello();
        talk.Send("MAIL FROM:<p@example.test>\r\nRCPT TO:<bad>\r\nRCPT TO:<p1@example.test>\r\nDATA\r\n");
        Assert.StartsWith("250 2.1.0", talk.Read());
        Assert.StartsWith("501 5.1.3", talk.Read());
        Assert.StartsWith("250 2.1.5", talk.Read());
        Assert.StartsWith("354", talk.Read());
        talk.Send("Subject: p\r\n\r\nx\r\n.\r\nMAIL FROM:<q@example.test>\r\nRSET\r\nQUIT\r\n");
        Assert.StartsWith("250 2.0.0", talk.Read());
        Assert.StartsWith("250 2.1.0", talk.Read());
        Assert.StartsWith("250 2.0.0", talk.Read());
        Assert.StartsWith("221 2.0.0", talk.Read());
        Assert.True(talk.IsClosed());
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\nHost: x\r\n\r\n")]
    [InlineData("POST / HTTP/1.1\r\n\r\nEHLO x\r\n")]
    [InlineData("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n")]
    public void Another_protocol_is_cut_at_its_first_line(string bytes)
    {
        using SmtpTalk talk = _relay.Talk();
        talk.Read();
        talk.Send(bytes);
        Assert.StartsWith("421 4.7.0", talk.Read());
        Assert.True(talk.IsClosed());
    }

    [Theory]
    [InlineData("a\n.\r\nb", "a\r\n.\r\nb\r\n")]
    [InlineData("a\r.\r\nb", "a\r\n.\r\nb\r\n")]
    [InlineData("a\r\n.\nb", "a\r\n\r\nb\r\n")]
    [InlineData("a\n.\nMAIL FROM:<evil@example.test>\nb", "a\r\n.\r\nMAIL FROM:<evil@example.test>\r\nb\r\n")]
    [InlineData("a\r\r\nb", "a\r\n\r\nb\r\n")]
    [InlineData("..dot\r\n.", ".dot\r\n")]
    [InlineData("nul\0byte", "nul\0byte\r\n")]
    public void Only_CRLF_dot_CRLF_ends_a_message_and_nothing_bare_goes_on(string body, string expected)
    {
        string tag = Guid.NewGuid().ToString("N");
        using SmtpTalk talk = _relay.Talk().Hello();
        Start(talk, $"{tag}@example.test");
        talk.Send("Subject: s\r\n\r\n" + body + (body.EndsWith("\r\n.", StringComparison.Ordinal) ? "\r\n" : "\r\n.\r\n"));
        Assert.StartsWith("250 2.0.0", talk.Read());
        Arrival arrival = _sink.WaitFor(a => a.To[0].StartsWith(tag, StringComparison.Ordinal));
        Assert.Equal("Subject: s\r\n\r\n" + expected, Encoding.Latin1.GetString(arrival.WithoutTrace));
        Assert.DoesNotContain(_sink.Arrivals, a => a.From == "evil@example.test");
    }

    [Fact]
    public void An_empty_message_is_a_message()
    {
        using SmtpTalk talk = _relay.Talk().Hello();
        Start(talk, "empty@example.test");
        Assert.StartsWith("250 2.0.0", talk.Say("."));
        Assert.Empty(_sink.WaitFor(a => a.To is ["empty@example.test"]).WithoutTrace);
    }

    [Fact]
    public void A_client_that_leaves_before_the_dot_sent_nothing_and_one_that_leaves_after_it_did()
    {
        using (SmtpTalk talk = _relay.Talk().Hello())
        {
            Start(talk, "half@example.test");
            talk.Send("Subject: half\r\n\r\nnever end");
        }
        using (SmtpTalk talk = _relay.Talk().Hello())
        {
            Start(talk, "left@example.test");
            talk.Send("Subject: left\r\n\r\nended\r\n.\r\n");
        }
        _sink.WaitFor(a => a.To is ["left@example.test"]);
        Assert.DoesNotContain(_sink.Arrivals, a => a.To is ["half@example.test"]);
    }

    [Fact]
    public void A_client_with_too_many_errors_is_shown_out()
    {
        using var relay = new RelayProcess(RelayProcess.SmarthostConfig(_sink.EndPoint, "[limits]\nsession_errors = 5")).Start();
        using SmtpTalk talk = relay.Talk().Hello();
        for (int i = 0; i < 4; i++)
        {
            Assert.StartsWith("500", talk.Say("FOO"));
        }
        Assert.StartsWith("500", talk.Say("FOO"));
        Assert.StartsWith("421 4.7.0", talk.Read());
        Assert.True(talk.IsClosed());
    }

    private static void Start(SmtpTalk talk, string to)
    {
        Assert.StartsWith("250 2.1.0", talk.Say("MAIL FROM:<sender@example.test>"));
        Assert.StartsWith("250 2.1.5", talk.Say($"RCPT TO:<{to}>"));
        Assert.StartsWith("354 ", talk.Say("DATA"));
    }

    private void Deliver(SmtpTalk talk, string to)
    {
        talk.Say("RSET");
        Start(talk, to);
        Assert.StartsWith("250 2.0.0", talk.Say("Subject: after\r\n\r\nstill here\r\n."));
        _sink.WaitFor(a => a.To.Contains(to));
    }
}
