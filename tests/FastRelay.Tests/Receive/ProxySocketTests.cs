using System.Net.Security;
using System.Security.Authentication;
using System.Text;
using FastRelay.EndToEnd.Rig;
using FastRelay.Outside;
using FastRelay.Tests.Outside;
using FastRelay.Tests.Receive.Rig;

namespace FastRelay.Tests.Receive;

/// <summary>
/// Listeners behind a proxy: 0 in clear, 1 with implicit TLS, 2 for a proxy at another address. Only 192.0.2.0/24 may
/// relay, and no client may hold more than two sessions.
/// </summary>
public sealed class ProxySocketTests : IDisposable
{
    private const string Block = "\r\n\r\n\0\r\nQUIT\n";

    private readonly RelayRig _rig = new(
        """
        [[listen]]
        address = "127.0.0.1:0"
        proxy_protocol = true
        [[listen]]
        address = "127.0.0.1:0"
        tls = "implicit"
        proxy_protocol = true
        proxies = ["127.0.0.1"]
        [[listen]]
        address = "127.0.0.1:0"
        proxy_protocol = true
        proxies = ["127.0.0.9"]
        [[relay_for]]
        networks = ["192.0.2.0/24"]
        [limits]
        receive_sessions_per_address = 2
        proxy_timeout = "300ms"
        """,
        new ServerTls(TestCertificate.Server(SslProtocols.Tls12 | SslProtocols.Tls13)));

    public void Dispose() => _rig.Dispose();

    [Theory]
    [InlineData("PROXY TCP4 192.0.2.7 198.51.100.1 4711 25\r\n", "[192.0.2.7]", "192.0.2.7:4711")]
    [InlineData("PROXY TCP6 ::ffff:192.0.2.7 ::1 4711 25\r\n", "[192.0.2.7]", "4711")]
    [InlineData(Block + "\x21\x11\0\x0C\xC0\0\x02\x07\xC6\x33\x64\x02\x12\x67\0\x19", "[192.0.2.7]", "192.0.2.7:4711")]
    public void The_client_that_is_named_is_who_relays_and_who_is_in_header_and_log(string header, string traced, string logged)
    {
        using SmtpTalk talk = _rig.Talk();
        talk.Send(header);
        talk.Hello();
        string to = $"u{Guid.NewGuid():N}@pass.test";
        Assert.StartsWith("250 ", talk.Say("MAIL FROM:<a@pass.test>"));
        Assert.StartsWith("250 ", talk.Say($"RCPT TO:<{to}>"));
        Assert.StartsWith("354 ", talk.Say("DATA"));
        talk.Send("Subject: x\r\n\r\nx\r\n.\r\n");
        Assert.StartsWith("250 2.0.0", talk.Read());
        string arrived = Encoding.Latin1.GetString(_rig.Sink.WaitFor(a => a.To.Contains(to)).Data);
        Assert.Contains(traced, arrived, StringComparison.Ordinal);
        Assert.DoesNotContain("[127.0.0.1]", arrived, StringComparison.Ordinal);
        Assert.True(_rig.Logged("event=accept", logged));
    }

    [Theory]
    [InlineData("PROXY TCP4 203.0.113.7 198.51.100.1 4711 25\r\n")]
    [InlineData("PROXY UNKNOWN\r\n")]
    [InlineData(Block + "\x21\0\0\0")]
    [InlineData(Block + "\x20\0\0\0")]
    public void A_stranger_behind_the_proxy_is_a_stranger(string header)
    {
        using SmtpTalk talk = _rig.Talk();
        talk.Send(header);
        talk.Hello();
        Assert.StartsWith("250 ", talk.Say("MAIL FROM:<a@pass.test>"));
        Assert.StartsWith("550 5.7.1", talk.Say("RCPT TO:<b@pass.test>"));
    }

    [Theory]
    [InlineData("EHLO client.test\r\n")]
    [InlineData("PROXY TCP4 192.0.2.07 198.51.100.1 4711 25\r\n")]
    [InlineData("PROXY TCP4 192.0.2.7")]
    [InlineData("")]
    public void Without_a_whole_header_there_is_no_greeting(string header)
    {
        using SmtpTalk talk = _rig.Talk();
        talk.Send(header);
        Assert.Equal("", talk.Read());
        _rig.WaitForLog("event=proxy_refused", "reason=");
        Assert.Equal(1, _rig.Relay.Counters.ProxyRefused);
    }

    [Fact]
    public void Only_a_proxy_of_ours_may_say_who_it_is()
    {
        using SmtpTalk talk = _rig.Talk(2);
        Assert.Equal("", talk.Read());
        _rig.WaitForLog("event=proxy_refused", "no proxy of ours");
        using SmtpTalk proxy = _rig.Talk(2, "127.0.0.9");
        proxy.Send("PROXY TCP4 192.0.2.7 198.51.100.1 4711 25\r\n");
        proxy.Hello();
    }

    [Fact]
    public void The_header_may_come_octet_by_octet_and_with_commands_behind_it()
    {
        using SmtpTalk slow = _rig.Talk();
        foreach (char octet in "PROXY TCP4 192.0.2.7 198.51.100.1 4711 25\r\n")
        {
            slow.Send(octet.ToString());
        }
        slow.Hello();
        using SmtpTalk quick = _rig.Talk();
        quick.Send("PROXY TCP4 192.0.2.7 198.51.100.1 4712 25\r\nEHLO client.test\r\n");
        Assert.StartsWith("220 ", quick.Read());
        Assert.StartsWith("250-", quick.Read());
    }

    [Fact]
    public void TLS_begins_right_behind_the_header_in_one_packet_or_in_several()
    {
        byte[] header = Encoding.ASCII.GetBytes("PROXY TCP4 192.0.2.7 198.51.100.1 4711 465\r\n");
        using SmtpTalk apart = _rig.Talk(1);
        apart.Send(header);
        apart.Secure().Hello();
        using SmtpTalk together = _rig.Talk(1);
        using var tls = new SslStream(new PrefixedStream(together.Socket, header), false, static (_, _, _, _) => true);
        tls.AuthenticateAsClient("relay.test");
        var greeting = new byte[200];
        int length = tls.Read(greeting);
        Assert.StartsWith("220 ", Encoding.ASCII.GetString(greeting, 0, length));
    }

    [Fact]
    public void Who_only_looks_whether_we_are_there_leaves_no_trace_but_the_disconnect()
    {
        _rig.Talk().Dispose();
        _rig.WaitForLog("event=disconnect", "messages=0");
        Assert.False(_rig.Logged("event=proxy_refused"));
        Assert.Equal(0, _rig.Relay.Counters.ProxyRefused);
    }

    [Fact]
    public void A_client_has_its_own_share_however_many_proxies_it_comes_by()
    {
        var open = new List<SmtpTalk>();
        for (int i = 0; i < 4; i++)
        {
            SmtpTalk talk = _rig.Talk();
            talk.Send($"PROXY TCP4 192.0.2.{7 + (i / 2)} 198.51.100.1 {4711 + i} 25\r\n");
            open.Add(talk.Hello());
        }
        using SmtpTalk more = _rig.Talk();
        more.Send("PROXY TCP4 192.0.2.7 198.51.100.1 5000 25\r\n");
        Assert.StartsWith("421 4.7.0", more.Read());
        Assert.Equal("", more.Read());
        Assert.StartsWith("221 ", open[0].Say("QUIT"));
        _rig.WaitForLog("event=disconnect", "peer=192.0.2.7:4711");
        using SmtpTalk again = _rig.Talk();
        again.Send("PROXY TCP4 192.0.2.7 198.51.100.1 5001 25\r\n");
        again.Hello();
        open.ForEach(talk => talk.Dispose());
    }
}
