using System.Text;
using FastRelay.EndToEnd.Rig;
using FastRelay.Tests.Receive.Rig;

namespace FastRelay.Tests.Receive;

/// <summary>DSN (RFC 3461) and SMTPUTF8 (RFC 6531) from client to sink, and in bounces.</summary>
public sealed class ExtensionSocketTests : IDisposable
{
    private readonly RelayRig _rig = new("[limits]\nsession_errors = 1000");

    public void Dispose() => _rig.Dispose();

    [Theory]
    [InlineData("MAIL FROM:<a@b.test> RET=ALL", "501 5.5.4")]
    [InlineData("MAIL FROM:<a@b.test> RET", "501 5.5.4")]
    [InlineData("MAIL FROM:<a@b.test> RET=FULL RET=HDRS", "501 5.5.4")]
    [InlineData("MAIL FROM:<a@b.test> ENVID=a+0Db", "501 5.5.4")]
    [InlineData("MAIL FROM:<a@b.test> ENVID=a+zz", "501 5.5.4")]
    [InlineData("MAIL FROM:<a@b.test> SMTPUTF8=1", "501 5.5.4")]
    [InlineData("MAIL FROM:<a@b.test> ENVID=QQ314159+2B RET=HDRS", "250 2.1.0")]
    [InlineData("RCPT TO:<c@d.test> NOTIFY=NEVER,DELAY", "501 5.5.4")]
    [InlineData("RCPT TO:<c@d.test> NOTIFY=SUCCESS,SUCCESS", "501 5.5.4")]
    [InlineData("RCPT TO:<c@d.test> NOTIFY=", "501 5.5.4")]
    [InlineData("RCPT TO:<c@d.test> ORCPT=c@d.test", "501 5.5.4")]
    [InlineData("RCPT TO:<c@d.test> ORCPT=rfc822;c+40d", "250 2.1.5")]
    [InlineData("RCPT TO:<c@d.test> ORCPT=rfc822;c+0Ad", "501 5.5.4")]
    [InlineData("RCPT TO:<c@d.test> NOTIFY=FAILURE,SUCCESS,DELAY ORCPT=rfc822;c@d.test", "250 2.1.5")]
    [InlineData("RCPT TO:<c@d.test> X=1", "555 5.5.4")]
    public void DSN_parameters_are_held_against_their_grammar(string line, string answer)
    {
        using SmtpTalk talk = _rig.Talk().Hello();
        if (line[0] == 'R')
        {
            talk.Say("MAIL FROM:<a@b.test>");
        }
        Assert.StartsWith(answer, talk.Say(line));
    }

    [Fact]
    public void ENVID_of_100_and_ORCPT_of_500_octets_pass_and_longer_ones_do_not()
    {
        using SmtpTalk talk = _rig.Talk().Hello();
        Assert.StartsWith("501", talk.Say("MAIL FROM:<a@b.test> ENVID=" + new string('x', 101)));
        Assert.StartsWith("250", talk.Say("MAIL FROM:<a@b.test> ENVID=" + new string('x', 100)));
        Assert.StartsWith("501", talk.Say("RCPT TO:<a@b.test> ORCPT=rfc822;" + new string('x', 494)));
        Assert.StartsWith("250", talk.Say("RCPT TO:<a@b.test> ORCPT=rfc822;" + new string('x', 493)));
    }

    [Fact]
    public void DSN_parameters_are_passed_on_to_a_host_that_offers_DSN_and_to_no_other()
    {
        Send("<s@b.test> RET=HDRS ENVID=id+2B1", "<plain@dsn.test> NOTIFY=NEVER ORCPT=rfc822;x@y.test");
        _rig.Sink.WaitFor(a => a.To.Contains("plain@dsn.test"));
        Assert.DoesNotContain(_rig.Sink.Commands, c => c.Contains("ENVID", StringComparison.Ordinal) || c.Contains("NOTIFY", StringComparison.Ordinal));
        using var rig = new RelayRig(extensions: ["PIPELINING", "DSN"]);
        Send("<s@b.test> RET=HDRS ENVID=id+2B1", "<with@dsn.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x@y.test", rig);
        rig.Sink.WaitFor(a => a.To.Contains("with@dsn.test"));
        Assert.Contains("MAIL FROM:<s@b.test> RET=HDRS ENVID=id+2B1", rig.Sink.Commands);
        Assert.Contains("RCPT TO:<with@dsn.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x@y.test", rig.Sink.Commands);
    }

    [Fact]
    public void A_bounce_names_what_the_sender_called_things_and_returns_what_it_asked_for()
    {
        _rig.Sink.Answer = (verb, line) => verb == "RCPT" && line.Contains("fail", StringComparison.Ordinal) ? "550 5.1.1 no such user" : null;
        Send("<s@b.test> RET=HDRS ENVID=my+20id", "<fail@d.test> ORCPT=rfc822;first+40d.test NOTIFY=FAILURE");
        string bounce = _rig.Sink.WaitFor(a => a.From == "").Text;
        Assert.Contains("\r\nOriginal-Envelope-Id: my id\r\n", bounce, StringComparison.Ordinal);
        Assert.Contains("\r\nOriginal-Recipient: rfc822; first@d.test\r\nFinal-Recipient: rfc822; fail@d.test\r\n", bounce, StringComparison.Ordinal);
        Assert.Contains("text/rfc822-headers", bounce, StringComparison.Ordinal);
        Assert.DoesNotContain("the body", bounce, StringComparison.Ordinal);
    }

    [Fact]
    public void Success_is_told_of_by_us_where_the_next_host_makes_no_reports()
    {
        Send("<s@b.test> ENVID=42", "<fine@d.test> ORCPT=rfc822;first@d.test NOTIFY=SUCCESS");
        string report = _rig.Sink.WaitFor(a => a.From == "").Text;
        Assert.Contains("\r\nOriginal-Envelope-Id: 42\r\n", report, StringComparison.Ordinal);
        Assert.Contains("\r\nOriginal-Recipient: rfc822; first@d.test\r\nFinal-Recipient: rfc822; fine@d.test\r\nAction: relayed\r\nStatus: 2.", report, StringComparison.Ordinal);
        Assert.DoesNotContain("the body", report, StringComparison.Ordinal);
        Assert.Single(_rig.Sink.Arrivals, a => a.To.Contains("fine@d.test"));
        using var rig = new RelayRig(extensions: ["PIPELINING", "8BITMIME", "DSN"]);
        Send("<s@b.test>", "<fine@d.test> NOTIFY=SUCCESS", rig);
        Send("<s@b.test>", "<next@d.test>", rig);
        rig.Sink.WaitFor(a => a.To.Contains("next@d.test"));
        Assert.DoesNotContain(rig.Sink.Arrivals, a => a.From == "");
    }

    [Theory]
    [InlineData("NEVER")]
    [InlineData("SUCCESS,DELAY")]
    public void Who_asked_not_to_hear_of_failures_does_not(string notify)
    {
        _rig.Sink.Answer = (verb, line) => verb == "RCPT" && line.Contains("fail", StringComparison.Ordinal) ? "550 5.1.1 no such user" : null;
        Send("<quiet@b.test>", $"<fail@d.test> NOTIFY={notify}");
        Send("<loud@b.test>", "<fail@d.test>");
        _rig.Sink.WaitFor(a => a.To.Contains("loud@b.test"));
        Tool.Until(() => _rig.Logged("event=drop"), 10, () => "dropped");
        Assert.DoesNotContain(_rig.Sink.Arrivals, a => a.To.Contains("quiet@b.test"));
    }

    [Theory]
    [InlineData("MAIL FROM:<\u00fc@b.test>", "550 5.6.7")]
    [InlineData("MAIL FROM:<\u00fc@b.test> SMTPUTF8 ENVID=<1@x>", "250 2.1.0")]
    [InlineData("MAIL FROM:<\u00fc@b.test> SMTPUTF8", "250 2.1.0")]
    [InlineData("MAIL FROM:<a@\u00fc.test> SMTPUTF8", "250 2.1.0")]
    [InlineData("MAIL FROM:<a@\u00dc.test> SMTPUTF8", "553 5.6.7")]
    [InlineData("MAIL FROM:<a@\u2113.test> SMTPUTF8", "553 5.6.7")]
    [InlineData("MAIL FROM:<\u0085@b.test> SMTPUTF8", "501 5.1.7")]
    public void Addresses_that_are_not_ASCII_need_SMTPUTF8_and_a_domain_of_IDNA2008(string line, string answer)
    {
        using SmtpTalk talk = _rig.Talk().Hello();
        talk.Send(Encoding.UTF8.GetBytes(line + "\r\n"));
        Assert.StartsWith(answer, talk.Read());
    }

    [Fact]
    public void Octets_that_are_no_UTF8_are_refused_and_RCPT_needs_the_word_at_MAIL()
    {
        using SmtpTalk talk = _rig.Talk().Hello();
        Assert.StartsWith("501 5.1.7", talk.Say("MAIL FROM:<\u00ff\u00fe@b.test> SMTPUTF8"));
        Assert.StartsWith("250", talk.Say("MAIL FROM:<a@b.test>"));
        talk.Send(Encoding.UTF8.GetBytes("RCPT TO:<\u00fc@d.test>\r\n"));
        Assert.StartsWith("553 5.6.7", talk.Read());
        talk.Say("RSET");
        Assert.StartsWith("250", talk.Say("MAIL FROM:<a@b.test> SMTPUTF8"));
        talk.Send(Encoding.UTF8.GetBytes("RCPT TO:<\u00fc@d.test>\r\n"));
        Assert.StartsWith("250 2.1.5", talk.Read());
        Assert.StartsWith("501 5.1.3", talk.Say("RCPT TO:<\u00ff\u00fe@d.test>"));
    }

    [Fact]
    public void Mail_for_an_ASCII_local_part_goes_to_any_host_with_its_domain_in_A_labels()
    {
        Send("<s@b\u00fccher.test> SMTPUTF8", "<user@b\u00fccher.test>");
        Arrival arrival = _rig.Sink.WaitFor(a => a.To.Contains("user@xn--bcher-kva.test"));
        Assert.Equal("s@xn--bcher-kva.test", arrival.From);
    }

    [Fact]
    public void A_local_part_that_is_not_ASCII_goes_only_to_a_host_with_SMTPUTF8()
    {
        Send("<s@b.test> SMTPUTF8", "<us\u00e9r@d.test>");
        Assert.Contains("Status: 5.6.7", _rig.Sink.WaitFor(a => a.From == "" && a.To.Contains("s@b.test")).Text, StringComparison.Ordinal);
        using var rig = new RelayRig(extensions: ["PIPELINING", "8BITMIME", "SMTPUTF8"]);
        Send("<s@b.test> SMTPUTF8", "<us\u00e9r@d.test>", rig);
        rig.Sink.WaitFor(a => a.From == "s@b.test");
        Assert.Contains(rig.Sink.Commands, c => c.StartsWith("MAIL FROM:<s@b.test>", StringComparison.Ordinal) && c.EndsWith(" SMTPUTF8", StringComparison.Ordinal));
    }

    [Fact]
    public void A_domain_that_is_too_long_in_A_labels_is_refused()
    {
        using SmtpTalk talk = _rig.Talk().Hello();
        Assert.StartsWith("250", talk.Say("MAIL FROM:<a@b.test> SMTPUTF8"));
        string labels = string.Concat(Enumerable.Repeat("\u00fc.", 55));
        talk.Send(Encoding.UTF8.GetBytes($"RCPT TO:<v@{labels}d.test>\r\n"));
        Assert.StartsWith("553 5.6.7", talk.Read());
    }

    [Fact]
    public void A_bounce_to_a_sender_that_is_not_ASCII_asks_for_SMTPUTF8()
    {
        using var rig = new RelayRig(extensions: ["PIPELINING", "8BITMIME", "SMTPUTF8"]);
        rig.Sink.Answer = (verb, line) => verb == "RCPT" && line.Contains("fail", StringComparison.Ordinal) ? "550 5.1.1 no such user" : null;
        Send("<\u00fc@b.test> SMTPUTF8", "<fail@d.test>", rig);
        rig.Sink.WaitFor(a => a.From == "");
        Assert.Contains(rig.Sink.Commands, c => c.StartsWith("MAIL FROM:<>", StringComparison.Ordinal) && c.Contains(" SMTPUTF8", StringComparison.Ordinal));
    }

    private void Send(string mail, string rcpt, RelayRig? rig = null)
    {
        using SmtpTalk talk = (rig ?? _rig).Talk().Hello();
        talk.Send(Encoding.UTF8.GetBytes($"MAIL FROM:{mail}\r\nRCPT TO:{rcpt}\r\nDATA\r\nSubject: x\r\n\r\nthe body\r\n.\r\n"));
        Assert.StartsWith("250 2.1.0", talk.Read());
        Assert.StartsWith("250 2.1.5", talk.Read());
        Assert.StartsWith("354", talk.Read());
        Assert.StartsWith("250 2.0.0", talk.Read());
    }
}
