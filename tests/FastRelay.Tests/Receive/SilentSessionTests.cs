using System.Net.Sockets;
using System.Security.Authentication;
using FastRelay.EndToEnd.Rig;
using FastRelay.Outside;
using FastRelay.Tests.Outside;
using FastRelay.Tests.Receive.Rig;

namespace FastRelay.Tests.Receive;

/// <summary>Clients that are silent between commands: each goes on where it was, whoever spoke meanwhile, and hears of a timeout or a stop.</summary>
public sealed class SilentSessionTests
{
    private const string StartTls = "[[listen]]\naddress = \"127.0.0.1:0\"\ntls = \"starttls\"\n";

    private static readonly ServerTls s_tls = new(TestCertificate.Server(SslProtocols.Tls13));

    [Fact]
    public void Each_client_goes_on_where_it_was()
    {
        using var rig = new RelayRig(StartTls, s_tls);
        SmtpTalk[] talks = [.. Enumerable.Range(0, 8).Select(_ => rig.Talk())];
        for (int i = 0; i < talks.Length; i++)
        {
            Assert.StartsWith("220 ", talks[i].Read());
        }
        for (int i = 0; i < talks.Length; i += 2)
        {
            // Every second one is inside TLS; the others have not said anything yet.
            Assert.StartsWith("250-", talks[i].Say("EHLO before.test"));
            talks[i].StartTls();
        }
        for (int i = talks.Length - 1; i >= 0; i--)
        {
            Assert.StartsWith("503 5.5.1", talks[i].Say("MAIL FROM:<early@pass.test>"));
            Assert.StartsWith("250-", talks[i].Say($"EHLO name{i}.test"));
        }
        for (int i = 0; i < talks.Length; i++)
        {
            string to = $"silent{i}@pass.test";
            Assert.StartsWith("250 2.1.0", talks[i].Say("MAIL FROM:<sender@pass.test>"));
            Assert.StartsWith("250 2.1.5", talks[i].Say($"RCPT TO:<{to}>"));
            Assert.StartsWith("354 ", talks[i].Say("DATA"));
            talks[i].Send("Subject: x\r\n\r\n.\r\n");
            Assert.StartsWith("250 2.0.0", talks[i].Read());
            string trace = System.Text.Encoding.Latin1.GetString(rig.Sink.WaitFor(a => a.To.Contains(to)).Data);
            Assert.Contains($"name{i}.test", trace, StringComparison.Ordinal);
            Assert.Contains(i % 2 == 0 ? "ESMTPS" : "ESMTP ", trace, StringComparison.Ordinal);
        }
        foreach (SmtpTalk talk in talks)
        {
            Assert.StartsWith("221 ", talk.Say("QUIT"));
            talk.Dispose();
        }
        rig.WaitForLog("event=disconnect", "messages=1");
    }

    [Fact]
    public void What_a_client_does_wrong_is_counted_across_its_silences_and_not_against_others()
    {
        using var rig = new RelayRig("[limits]\nsession_errors = 4\nerror_delay = \"10ms\"\n");
        using SmtpTalk bad = rig.Talk().Hello();
        using SmtpTalk good = rig.Talk().Hello();
        for (int i = 0; i < 3; i++)
        {
            Assert.StartsWith("500 5.5.1", bad.Say("WRONG"));
            Assert.StartsWith("250 2.0.0", good.Say("NOOP"));
        }
        Assert.Contains("421 4.7.0", bad.Say("WRONG") + bad.Read(), StringComparison.Ordinal);
        Assert.True(bad.IsClosed());
        Assert.StartsWith("250 2.0.0", good.Say("NOOP"));
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void A_client_that_never_speaks_again_is_told_421(bool greets, bool tls)
    {
        using var rig = new RelayRig(StartTls + "[limits]\nidle_timeout = \"300ms\"\n", s_tls);
        using SmtpTalk talk = Silent(rig, greets, tls);
        Assert.StartsWith("421 4.4.2", talk.Read());
        Assert.True(talk.IsClosed());
        rig.WaitForLog("event=disconnect", "messages=0");
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void A_stop_tells_silent_clients_421(bool greets, bool tls)
    {
        using var rig = new RelayRig(StartTls, s_tls);
        SmtpTalk[] talks = [.. Enumerable.Range(0, 20).Select(_ => Silent(rig, greets, tls))];
        rig.Relay.Stop();
        foreach (SmtpTalk talk in talks)
        {
            Assert.StartsWith("421 4.3.2", talk.Read());
            Assert.True(talk.IsClosed());
            talk.Dispose();
        }
    }

    [Fact]
    public void A_silent_client_that_leaves_or_is_lost_leaves_its_place()
    {
        using var rig = new RelayRig("[limits]\nreceive_sessions = 2\n");
        for (int i = 0; i < 6; i++)
        {
            using SmtpTalk one = rig.Talk();
            using SmtpTalk two = rig.Talk();
            Assert.StartsWith("220 ", one.Read());
            Assert.StartsWith("220 ", two.Read());
            one.Socket.LingerState = new LingerOption(true, 0);
            one.Socket.Close();
            two.Socket.Shutdown(SocketShutdown.Send);
            Assert.True(two.IsClosed());
            Tool.Until(() => rig.Relay.Receiver.Serving == 0, 20, () => "a place is not given back");
        }
    }

    private static SmtpTalk Silent(RelayRig rig, bool greets, bool tls)
    {
        SmtpTalk talk = rig.Talk();
        Assert.StartsWith("220 ", talk.Read());
        if (greets)
        {
            Assert.StartsWith("250-", talk.Say("EHLO client.test"));
        }
        return tls ? talk.StartTls() : talk;
    }
}
