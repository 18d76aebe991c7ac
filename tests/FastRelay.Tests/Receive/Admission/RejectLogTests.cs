using FastRelay.EndToEnd.Rig;
using FastRelay.Outside;
using FastRelay.Receive;
using FastRelay.Tests.Outside;
using FastRelay.Tests.Receive.Rig;

namespace FastRelay.Tests.Receive.Admission;

/// <summary>What a session was refused has its line in the log, a few times, and its number at the end.</summary>
public sealed class RejectLogTests : IDisposable
{
    private const string Stranger = "127.66.0.9";

    private readonly RelayRig _rig = new("""
        [[relay_for]]
        networks = ["127.0.0.1"]
        [limits]
        session_errors = 8
        message_bytes = "1KiB"
        error_delay = "0s"
        idle_timeout = "400ms"
        """);

    public void Dispose() => _rig.Dispose();

    [Fact]
    public void Relaying_denied_says_who_wanted_what()
    {
        using (SmtpTalk talk = _rig.Talk(source: Stranger).Hello())
        {
            talk.Say("MAIL FROM:<spam@elsewhere.test>");
            Assert.StartsWith("550 5.7.1", talk.Say("RCPT TO:<victim@foreign.test>"));
            talk.Say("QUIT");
        }
        _rig.WaitForLog("level=warn event=reject peer=127.66.0.9:", " stage=rcpt from=spam@elsewhere.test to=victim@foreign.test reply=\"550 5.7.1 Relaying denied\"");
        _rig.WaitForLog("event=disconnect peer=127.66.0.9:", "messages=0 refused=1 reason=quit");
    }

    [Fact]
    public void Each_kind_of_refusal_has_its_stage()
    {
        using SmtpTalk talk = _rig.Talk().Hello();
        talk.Say("MAIL FROM:<big@a.test> SIZE=2000");
        _rig.WaitForLog("event=reject", "stage=mail from=big@a.test reply=\"552 5.3.4 Message size exceeds fixed limit\"");
        talk.Say("MAIL FROM:bad@@a.test");
        _rig.WaitForLog("event=reject", "stage=mail from=bad@@a.test reply=\"5");
        talk.Say("SECRET hunter2");
        _rig.WaitForLog("event=reject", "stage=command reply=\"500");
        talk.Say("MAIL FROM:<a@a.test>");
        talk.Say("RCPT TO:<b@b.test>");
        talk.Say("DATA");
        talk.Send(new string('x', 500) + "\r\n" + new string('y', 600) + "\r\n.\r\n");
        Assert.StartsWith("552 5.3.4", talk.Read());
        _rig.WaitForLog("event=reject", "stage=data from=a@a.test to=b@b.test reply=\"552 5.3.4");
        Assert.False(_rig.Logged("hunter2"));
    }

    [Fact]
    public void The_first_few_of_a_session_have_a_line_and_all_are_counted()
    {
        using (SmtpTalk talk = _rig.Talk().Hello())
        {
            for (int i = 0; i < 8; i++)
            {
                talk.Say("RCPT TO:<early@b.test>");
            }
            Assert.StartsWith("421 4.7.0", talk.Read());
        }
        _rig.WaitForLog("event=disconnect", "refused=8 reason=errors");
        Assert.Equal(RejectLog.LinesMax, _rig.Output.Lines.Count(static line => line.Contains("event=reject", StringComparison.Ordinal)));
    }

    [Fact]
    public void Nothing_that_a_client_says_begins_a_field_or_a_line()
    {
        using SmtpTalk talk = _rig.Talk(source: Stranger).Hello();
        talk.Say("MAIL FROM:<a@a.test>");
        talk.Say("RCPT TO:<\"x\\\" event=delivery to=\"@foreign.test>");
        talk.Say("RCPT TO:x\u0001 event=accept id=1");
        _rig.WaitForLog("event=reject", " to=\"\\\"x\\\\\\\" event=delivery to=\\\"@foreign.test\" reply=\"550 5.7.1");
        _rig.WaitForLog("event=reject", " to=\"x\\x01 event=accept id=1\" reply=\"5");
    }

    [Fact]
    public void A_session_says_how_it_ended()
    {
        _rig.Talk().Dispose();
        _rig.WaitForLog("event=disconnect", "refused=0 reason=lost");
        using SmtpTalk silent = _rig.Talk().Hello();
        Assert.StartsWith("421 4.4.2", silent.Read());
        _rig.WaitForLog("event=disconnect", "refused=0 reason=timeout");
    }

    [Fact]
    public void A_handshake_that_fails_or_never_comes_is_the_reason()
    {
        using var rig = new RelayRig("[[listen]]\naddress = \"127.0.0.1:0\"\ntls = \"implicit\"\n[limits]\ntls_handshake_timeout = \"300ms\"\n", new ServerTls(TestCertificate.Server(System.Security.Authentication.SslProtocols.Tls13)));
        using (SmtpTalk silent = rig.Talk())
        {
            Assert.True(silent.IsClosed());
        }
        rig.WaitForLog("event=disconnect", "refused=0 reason=timeout");
        using (SmtpTalk clear = rig.Talk())
        {
            clear.Send("EHLO not-tls\r\n");
            Assert.True(clear.IsClosed());
        }
        rig.WaitForLog("event=disconnect", "refused=0 reason=tls");
    }

    [Fact]
    public void A_relay_that_stops_is_the_reason()
    {
        using SmtpTalk talk = _rig.Talk().Hello();
        _rig.Relay.Stop();
        Assert.StartsWith("421 4.3.2", talk.Read());
        _rig.WaitForLog("event=disconnect", "refused=0 reason=shutdown");
    }
}
