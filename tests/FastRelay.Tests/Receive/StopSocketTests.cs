using FastRelay.EndToEnd.Rig;
using FastRelay.Outside;
using FastRelay.Tests.Outside;
using FastRelay.Tests.Receive.Rig;

namespace FastRelay.Tests.Receive;

/// <summary>What a stop does to clients: 421 before the next command, and content that comes in its time is taken.</summary>
public sealed class StopSocketTests
{
    // What waited for either would outlast the test.
    private const string Patient = "[limits]\ncontent_grace = \"10m\"\ndrain_timeout = \"1h\"\n";
    private const string Hasty = "[limits]\ncontent_grace = \"50ms\"\ndrain_timeout = \"1h\"\n";

    [Fact]
    public void A_client_between_two_commands_is_told_421_at_once_in_a_transaction_too()
    {
        using var rig = new RelayRig(Patient);
        using SmtpTalk idle = rig.Talk().Hello();
        using SmtpTalk rests = Begun(rig);
        using SmtpTalk betweenChunks = Begun(rig);
        betweenChunks.Send("BDAT 3\r\nabc");
        Assert.StartsWith("250 ", betweenChunks.Read());
        rig.Relay.Stop();
        foreach (SmtpTalk talk in (SmtpTalk[])[idle, rests, betweenChunks])
        {
            Assert.StartsWith("421 4.3.2", talk.Read());
            Assert.True(talk.IsClosed());
        }
        rig.WaitForLog("event=stopped", "queued=0");
    }

    [Fact]
    public void Content_that_ends_in_its_time_is_taken_and_nothing_behind_it()
    {
        using var rig = new RelayRig(Patient);
        using SmtpTalk busy = Begun(rig);
        Assert.StartsWith("354 ", busy.Say("DATA"));
        busy.Send("Subject: last\r\n");
        Stop(rig);
        busy.Send("\r\nhello\r\n.\r\nMAIL FROM:<more@client.test>\r\nRCPT TO:<b@sink.test>\r\nDATA\r\n");
        Assert.StartsWith("250 2.0.0", busy.Read());
        Assert.StartsWith("421 4.3.2", busy.Read());
        Assert.True(busy.IsClosed());
        rig.WaitForLog("event=stopped", "queued=1");
    }

    [Theory]
    [InlineData("DATA", "354 ")]
    [InlineData("BDAT 1000 LAST\r\nabc", "")]
    public void Content_that_does_not_end_is_answered_421(string command, string reply)
    {
        using var rig = new RelayRig(Hasty);
        using SmtpTalk slow = Begun(rig);
        if (reply.Length > 0)
        {
            Assert.StartsWith(reply, slow.Say(command));
            slow.Send("Subject: half\r\n\r\nof it");
        }
        else
        {
            slow.Send(command);
            Thread.Sleep(50); // or it may still be between two commands, and is told the same sooner
        }
        rig.Relay.Stop();
        Assert.StartsWith("421 4.3.2", slow.Read());
        Assert.True(slow.IsClosed());
        rig.WaitForLog("event=stopped", "queued=0");
    }

    [Fact]
    public void A_client_that_begins_no_handshake_is_cut()
    {
        using var rig = new RelayRig("[[listen]]\naddress = \"127.0.0.1:0\"\ntls = \"starttls\"\n" + Hasty, new ServerTls(TestCertificate.Server(System.Security.Authentication.SslProtocols.Tls13)));
        using SmtpTalk talk = rig.Talk().Hello();
        Assert.StartsWith("220 ", talk.Say("STARTTLS"));
        rig.Relay.Stop();
        Assert.True(talk.IsClosed());
        rig.WaitForLog("event=stopped");
    }

    [Fact]
    public void A_client_that_is_kept_waiting_for_its_reply_is_not_kept_any_longer()
    {
        using var rig = new RelayRig("[limits]\nerror_delay = \"1m\"\ncontent_grace = \"10m\"\n");
        using SmtpTalk talk = rig.Talk().Hello();
        talk.Send("NONSENSE\r\n");
        Thread.Sleep(50); // or it is told 421 alone
        rig.Relay.Stop();
        string reply = talk.Read();
        Assert.StartsWith("421 4.3.2", reply.StartsWith('5') ? talk.Read() : reply);
        Assert.True(talk.IsClosed());
    }

    [Fact]
    public void While_a_host_owes_its_answer_clients_are_served()
    {
        using var rig = new RelayRig(Patient);
        using var reached = new ManualResetEventSlim();
        using var go = new ManualResetEventSlim();
        rig.Sink.Answer = (verb, _) =>
        {
            if (verb == "DOT")
            {
                reached.Set();
                go.Wait(60_000);
            }
            return null;
        };
        using SmtpTalk client = rig.Talk().Hello();
        Send(client, "owed@sink.test");
        Assert.True(reached.Wait(20_000));
        rig.Relay.Stop();
        rig.WaitForLog("event=stopping");
        using SmtpTalk meanwhile = rig.Talk().Hello();
        Send(meanwhile, "meanwhile@sink.test");
        Send(client, "more@sink.test");
        go.Set();
        Assert.StartsWith("421 4.3.2", client.Read());
        Assert.StartsWith("421 4.3.2", meanwhile.Read());
        // What was taken meanwhile waits for the next start.
        rig.WaitForLog("event=stopped", "queued=2");
        Assert.Equal("owed@sink.test", Assert.Single(rig.Sink.Arrivals).To.Single());
    }

    private static void Send(SmtpTalk talk, string to)
    {
        Assert.StartsWith("250 2.1.0", talk.Say("MAIL FROM:<a@client.test>"));
        Assert.StartsWith("250 2.1.5", talk.Say($"RCPT TO:<{to}>"));
        Assert.StartsWith("354 ", talk.Say("DATA"));
        talk.Send("Subject: x\r\n\r\nhello\r\n.\r\n");
        Assert.StartsWith("250 2.0.0", talk.Read());
    }

    private static SmtpTalk Begun(RelayRig rig)
    {
        SmtpTalk talk = rig.Talk().Hello();
        Assert.StartsWith("250 2.1.0", talk.Say("MAIL FROM:<a@client.test>"));
        Assert.StartsWith("250 2.1.5", talk.Say("RCPT TO:<b@sink.test>"));
        return talk;
    }

    private static void Stop(RelayRig rig)
    {
        rig.Relay.Stop();
        Tool.Until(() => rig.Relay.Receiver.Draining, 20, () => "the relay does not stop");
    }
}
