using FastRelay.EndToEnd.Rig;
using FastRelay.Tests.Receive.Rig;

namespace FastRelay.Tests.Receive;

/// <summary>Nobody relays through us from an address that is not trusted, by no trick; each over a socket from such an address.</summary>
public sealed class OpenRelayTests : IClassFixture<OpenRelayTests.Door>
{
    private const string Stranger = "127.66.0.9";
    private readonly RelayRig _rig;

    public OpenRelayTests(Door door) => _rig = door.Rig;

    /// <summary>One relay for all tricks: it relays for one address and takes mail for one domain from anybody.</summary>
    public sealed class Door : IDisposable
    {
        internal RelayRig Rig { get; } = new("""
            [[relay_for]]
            networks = ["127.0.0.1"]
            domains = ["local.test", ".below.test"]
            [limits]
            session_errors = 1000
            """);

        public void Dispose() => Rig.Dispose();
    }

    public static TheoryData<string> Tricks() =>
    [
        "<victim@foreign.test>",
        "<victim@FOREIGN.test>",
        "<victim%foreign.test@local.test>",
        "<victim%foreign.test@relay.test>",
        "<victim%foreign.test@[127.0.0.1]>",
        "<victim%foreign.test%local.test@local.test>",
        "<foreign.test!victim@local.test>",
        "<foreign.test!victim@relay.test>",
        "<local.test!foreign.test!victim>",
        "<foreign.test!victim>",
        "<victim%foreign.test>",
        "<\"victim@foreign.test\"@local.test>",
        "<\"victim@foreign.test\">",
        "<\"victim%foreign.test\"@local.test>",
        "<\"foreign.test!victim\"@local.test>",
        "<\"victim\\@foreign.test\"@local.test>",
        "<victim@foreign.test@local.test>",
        "<victim@local.test@foreign.test>",
        "<@local.test:victim@foreign.test>",
        "<@local.test,@relay.test:victim@foreign.test>",
        "<@relay.test:victim@foreign.test>",
        "<@[127.0.0.1]:victim@foreign.test>",
        "<@foreign.test:victim@foreign.test>",
        "<@local.test:victim%foreign.test@local.test>",
        "<@local.test:\"victim@foreign.test\"@local.test>",
        "<victim@local.test.foreign.test>",
        "<victim@foreignlocal.test>",
        "<victim@xlocal.test>",
        "<victim@sub.local.test>",
        "<victim@below.test>",
        "<victim@xbelow.test>",
        "<victim@local.test.>",
        "<victim@.local.test>",
        "<victim@local..test>",
        "<victim@[127.0.0.1]>",
        "<victim@[127.66.0.9]>",
        "<victim@[IPv6:::1]>",
        "<victim@[IPv6:::ffff:127.0.0.1]>",
        "<victim@127.0.0.1>",
        "<victim@2130706433>",
        "<victim@localhost>",
        "<victim@relay.test>",
        "<victim>",
        "<postmaster>",
        "<>",
        "victim@foreign.test",
        "<victim@foreign.test",
        "<victim@local.test> <victim@foreign.test>",
        "<victim@local.test,victim@foreign.test>",
        "<victim@local.test\0@foreign.test>",
        "<victim@foreign.test\0local.test>",
        "<victim@l\u00F6cal.test>",
        "<victim@loc\u00E1l.test>",
        "<victim@\u2113ocal.test>",
        "<victim@local\uFF0Etest>",
        "<victim@local\u3002test>",
        "<victim@foreign.test#local.test>",
        "<victim@foreign.test?@local.test>",
        "<victim @local.test>",
        "<victim@foreign.test>@local.test",
        "(local.test)<victim@foreign.test>",
        "<victim@(local.test)foreign.test>",
        "<victim@foreign.test;local.test>",
    ];

    [Theory]
    [MemberData(nameof(Tricks))]
    public void A_recipient_elsewhere_is_refused_however_it_is_written(string recipient)
    {
        using SmtpTalk talk = _rig.Talk(source: Stranger).Hello();
        Assert.StartsWith("250 2.1.0", talk.Say("MAIL FROM:<postmaster@local.test>"));
        talk.Send(System.Text.Encoding.UTF8.GetBytes($"RCPT TO:{recipient}\r\n"));
        Assert.Matches("^5[05][0-5] 5\\.[1567]\\.", talk.Read());
        Assert.StartsWith("554 5.5.1", talk.Say("DATA"));
        Assert.StartsWith("554 5.5.1", talk.Say("BDAT 7 LAST\r\nvictim!"));
        Assert.Empty(_rig.Sink.Arrivals);
    }

    [Theory]
    [InlineData("XCLIENT ADDR=127.0.0.1 NAME=localhost", "500 5.5.1")]
    [InlineData("XFORWARD ADDR=127.0.0.1", "500 5.5.1")]
    [InlineData("EHLO localhost", "250-")]
    [InlineData("HELO [127.0.0.1]", "250 ")]
    [InlineData("PROXY TCP4 127.0.0.1 127.0.0.1 1 2", "421 4.7.0")]
    [InlineData("\r\n\r\n\0\r\nQUIT\n!\x11", "50")]
    public void A_client_cannot_say_that_it_is_somebody_else(string claim, string answer)
    {
        using SmtpTalk talk = _rig.Talk(source: Stranger).Hello();
        Assert.StartsWith(answer, talk.Say(claim));
        if (answer[0] != '4')
        {
            talk.Send("RSET\r\nMAIL FROM:<a@local.test>\r\nRCPT TO:<victim@foreign.test>\r\nQUIT\r\n");
            string reply;
            do
            {
                reply = talk.Read();
                Assert.False(reply.StartsWith("250 2.1.5", StringComparison.Ordinal), reply);
            }
            while (reply.Length > 0 && !reply.StartsWith("221", StringComparison.Ordinal) && !reply.StartsWith("421", StringComparison.Ordinal));
        }
        Assert.DoesNotContain(_rig.Sink.Arrivals, a => a.To.Contains("victim@foreign.test"));
    }

    [Fact]
    public void The_open_domains_are_open_and_trusted_clients_may_send_anywhere()
    {
        using var rig = new RelayRig("""
            [[relay_for]]
            networks = ["127.0.0.1"]
            domains = ["local.test", ".below.test"]
            """);
        using (SmtpTalk stranger = rig.Talk(source: Stranger).Hello())
        {
            stranger.Say("MAIL FROM:<a@foreign.test>");
            Assert.StartsWith("250 2.1.5", stranger.Say("RCPT TO:<user@LOCAL.test>"));
            Assert.StartsWith("250 2.1.5", stranger.Say("RCPT TO:<user@deep.below.test>"));
            Assert.StartsWith("354", stranger.Say("DATA"));
            Assert.StartsWith("250 2.0.0", stranger.Say("Subject: in\r\n\r\nx\r\n."));
        }
        rig.Sink.WaitFor(a => a.To.Contains("user@LOCAL.test"));
        using SmtpTalk friend = rig.Talk().Hello();
        Assert.Equal("Subject: out\r\n\r\nx\r\n", rig.PassThrough(friend, "Subject: out\r\n\r\nx"));
    }
}
