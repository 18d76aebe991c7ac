using FastRelay.EndToEnd.Rig;
using FastRelay.Tests.Receive.Rig;

namespace FastRelay.Tests.Receive;

/// <summary>What a stop does to clients: a message under way is finished, a new one is not begun.</summary>
public sealed class StopSocketTests
{
    [Fact]
    public void A_message_under_way_is_taken_and_then_the_client_is_told_421()
    {
        using var rig = new RelayRig();
        using SmtpTalk idle = rig.Talk().Hello();
        using SmtpTalk busy = Begun(rig);
        Stop(rig);
        Assert.StartsWith("421 4.3.2", idle.Read());
        Assert.True(idle.IsClosed());
        Assert.StartsWith("354 ", busy.Say("DATA"));
        busy.Send("Subject: last\r\n\r\nhello\r\n.\r\n");
        Assert.StartsWith("250 2.0.0", busy.Read());
        Assert.StartsWith("421 4.3.2", busy.Read());
        Assert.True(busy.IsClosed());
    }

    [Fact]
    public void What_was_sent_ahead_begins_no_new_transaction()
    {
        using var rig = new RelayRig();
        using SmtpTalk talk = Begun(rig);
        Stop(rig);
        talk.Send("RSET\r\nMAIL FROM:<more@client.test>\r\nRCPT TO:<b@sink.test>\r\nDATA\r\n");
        Assert.StartsWith("250 2.0.0", talk.Read());
        Assert.StartsWith("421 4.3.2", talk.Read());
        Assert.True(talk.IsClosed());
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
