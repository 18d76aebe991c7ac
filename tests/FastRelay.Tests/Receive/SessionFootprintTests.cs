using System.Net;
using FastRelay.Outside.Linux;
using FastRelay.Receive;
using FastRelay.Tests.Outside;
using FastRelay.Tests.Receive.Rig;

namespace FastRelay.Tests.Receive;

/// <summary>What thousands of silent clients cost: the objects of a session and of its connection, before a command.</summary>
public sealed class SessionFootprintTests
{
    [Fact]
    public void A_silent_session_and_its_connection_are_small()
    {
        using var relay = new RelayRig();
        using var rig = new LinuxLinkRig();
        IPEndPoint remote = new(IPAddress.Parse("192.0.2.1"), 5);
        Assert.InRange(Octets(() => new ReceiveSession(relay.Relay.Receiver)), 1, 1_240);
        Assert.InRange(Octets(() => new EpollLink((EpollNetwork)rig.Network, -1, null, remote)), 1, 400);
    }

    private static long Octets(Func<object> make)
    {
        make();
        long before = GC.GetAllocatedBytesForCurrentThread();
        object made = make();
        long octets = GC.GetAllocatedBytesForCurrentThread() - before;
        GC.KeepAlive(made);
        return octets;
    }
}
