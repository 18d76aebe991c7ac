using FastRelay.EndToEnd.Rig;
using FastRelay.Tests.Receive.Rig;

namespace FastRelay.Tests.Receive.Admission;

/// <summary>Ten places, of which the last is for 192.0.2.0/24, behind a proxy that says who comes.</summary>
public sealed class ReserveSocketTests : IDisposable
{
    private readonly List<SmtpTalk> _open = [];
    private readonly RelayRig _rig = new(
        """
        [[listen]]
        address = "127.0.0.1:0"
        proxy_protocol = true
        [[relay_for]]
        networks = ["192.0.2.0/24"]
        [limits]
        receive_sessions = 10
        """);

    public void Dispose()
    {
        _open.ForEach(talk => talk.Dispose());
        _rig.Dispose();
    }

    [Fact]
    public void Strangers_cannot_take_the_last_place_and_nobody_gets_one_more()
    {
        for (int i = 1; i <= 9; i++)
        {
            Assert.StartsWith("220 ", Greeting($"203.0.113.{i}"));
        }
        Assert.StartsWith("421 4.7.0", Greeting("203.0.113.10"));
        Assert.True(SpinWait.SpinUntil(() => _rig.Relay.Receiver.Serving == 9, 30_000));
        Assert.StartsWith("220 ", Greeting("192.0.2.1"));
        Assert.StartsWith("421 4.7.0", Greeting("192.0.2.2"));
    }

    private string Greeting(string client)
    {
        SmtpTalk talk = _rig.Talk();
        _open.Add(talk);
        talk.Send($"PROXY TCP4 {client} 198.51.100.1 4711 25\r\n");
        return talk.Read();
    }
}
