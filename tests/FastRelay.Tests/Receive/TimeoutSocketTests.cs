using System.Net.Sockets;
using System.Security.Authentication;
using FastRelay.EndToEnd.Rig;
using FastRelay.Outside;
using FastRelay.Tests.Outside;
using FastRelay.Tests.Receive.Rig;

namespace FastRelay.Tests.Receive;

/// <summary>The waits of RFC 5321 4.5.3.2 on the server's side, made short: what ends each, and what the client is told.</summary>
public sealed class TimeoutSocketTests
{
    private const string Short = "[limits]\nidle_timeout = \"300ms\"\ndata_timeout = \"300ms\"\ntransaction_timeout = \"1s\"\ntls_handshake_timeout = \"300ms\"\n";

    [Fact]
    public void A_silent_client_is_told_421_and_closed()
    {
        using var rig = new RelayRig(Short);
        using SmtpTalk talk = rig.Talk().Hello();
        Assert.StartsWith("421 4.4.2", talk.Read());
        Assert.True(talk.IsClosed());
    }

    [Fact]
    public void Octets_of_a_command_that_never_ends_are_silence()
    {
        using var rig = new RelayRig(Short);
        using SmtpTalk talk = rig.Talk().Hello();
        // Each piece comes well within the timeout, the command never; past its bound the line is swallowed without an answer.
        Drip(talk, "NOOP ", new string('x', 700));
        Assert.StartsWith("421 4.4.2", talk.Read());
        Assert.True(talk.IsClosed());
    }

    [Fact]
    public void A_client_that_commands_in_time_stays()
    {
        using var rig = new RelayRig(Short);
        using SmtpTalk talk = rig.Talk().Hello();
        for (int i = 0; i < 8; i++)
        {
            Thread.Sleep(100);
            Assert.StartsWith("250 2.0.0", talk.Say("NOOP"));
        }
    }

    [Fact]
    public void Silence_within_a_message_ends_it_with_421_and_nothing_of_it_is_delivered()
    {
        using var rig = new RelayRig(Short);
        using SmtpTalk talk = Data(rig);
        talk.Send("Subject: half a message\r\n\r\nand then");
        Assert.StartsWith("421 4.4.2", talk.Read());
        Assert.True(talk.IsClosed());
        AssertNothingCame(rig);
    }

    [Fact]
    public void A_message_that_drips_ends_with_its_transaction()
    {
        using var rig = new RelayRig(Short);
        using SmtpTalk talk = Data(rig);
        Drip(talk, "Subject: drip\r\n\r\n", "x");
        Assert.StartsWith("421 4.4.2", talk.Read());
        Assert.True(talk.IsClosed());
        AssertNothingCame(rig);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_handshake_that_does_not_come_is_closed_without_a_word(bool isImplicit)
    {
        using var rig = new RelayRig($"[[listen]]\naddress = \"127.0.0.1:0\"\ntls = \"{(isImplicit ? "implicit" : "starttls")}\"\n" + Short, new ServerTls(TestCertificate.Server(SslProtocols.Tls13)));
        using SmtpTalk talk = rig.Talk();
        if (!isImplicit)
        {
            Assert.StartsWith("220 2.0.0", talk.Hello().Say("STARTTLS"));
        }
        Assert.True(talk.IsClosed());
    }

    [Fact]
    public void A_client_that_never_reads_is_cut_and_the_others_are_served()
    {
        using var rig = new RelayRig(Short + "session_errors = 1000000\n");
        using SmtpTalk deaf = rig.Talk();
        deaf.Socket.ReceiveBufferSize = 4096;
        byte[] flood = System.Text.Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("HELP\r\n", 1000)));
        // Our replies fill the way back, then its commands fill ours, until it is cut: which error that is to it is the kernel's affair.
        Assert.ThrowsAny<SocketException>(() =>
        {
            for (int i = 0; i < 100_000; i++)
            {
                deaf.Send(flood);
            }
        });
        Tool.Until(() => rig.Logged("event=disconnect"), 20, () => "the client that never reads was not cut");
        using SmtpTalk other = rig.Talk().Hello();
        rig.PassThrough(other, "Subject: still here\r\n\r\nhello");
    }

    private static SmtpTalk Data(RelayRig rig)
    {
        SmtpTalk talk = rig.Talk().Hello();
        Assert.StartsWith("250 2.1.0", talk.Say("MAIL FROM:<slow@client.test>"));
        Assert.StartsWith("250 2.1.5", talk.Say("RCPT TO:<never@sink.test>"));
        Assert.StartsWith("354 ", talk.Say("DATA"));
        return talk;
    }

    /// <summary>Sends pieces, each well within any timeout, until the relay has closed or said something.</summary>
    private static void Drip(SmtpTalk talk, string first, string piece)
    {
        talk.Send(first);
        for (int i = 0; i < 1000 && !talk.Socket.Poll(30_000, SelectMode.SelectRead); i++)
        {
            talk.Send(piece);
        }
    }

    // A message that comes after it has come through proves that the first one had its chance.
    private static void AssertNothingCame(RelayRig rig)
    {
        using SmtpTalk talk = rig.Talk().Hello();
        rig.PassThrough(talk, "Subject: after\r\n\r\nhello");
        Assert.DoesNotContain(rig.Sink.Arrivals, a => a.From == "slow@client.test");
    }
}
