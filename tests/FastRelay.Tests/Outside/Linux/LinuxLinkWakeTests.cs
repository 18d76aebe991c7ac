using System.IO.Pipelines;
using System.Security.Authentication;
using FastRelay.Outside;

namespace FastRelay.Tests.Outside;

/// <summary><see cref="Link.WakeOnInput"/> of the real link, in clear and inside TLS.</summary>
public sealed class LinuxLinkWakeTests : LinkWakeRules
{
    protected override LinkRig NewRig() => new LinuxLinkRig();

    [Theory]
    [InlineData(SslProtocols.Tls12)]
    [InlineData(SslProtocols.Tls13)]
    public void Input_inside_TLS_wakes_and_is_there_to_be_read(SslProtocols tls)
    {
        using var rig = new LinuxLinkRig();
        (Link client, Link server) = rig.Pair();
        LinuxTlsTests.Shake(rig, client, server, tls);
        for (int i = 0; i < 3; i++)
        {
            var item = new Woken();
            Assert.True(server.WakeOnInput(item));
            Idle(rig);
            Assert.Equal(0, item.Times);
            Assert.Equal(0, rig.RentedBuffers);
            rig.Run(rig.WriteAsync(client, "NOOP\r\n"));
            rig.Until(() => item.Times == 1);
            Assert.False(server.WakeOnInput(item));
            Assert.Equal("NOOP\r\n", rig.Run(rig.ReadAsync(server, 6)));
        }
        client.Close();
        server.Close();
    }

    [Fact]
    public void The_end_of_TLS_a_cut_and_a_cancelled_read_wake()
    {
        using var rig = new LinuxLinkRig();
        for (int way = 0; way < 3; way++)
        {
            (Link client, Link server) = rig.Pair();
            LinuxTlsTests.Shake(rig, client, server, SslProtocols.Tls13);
            var item = new Woken();
            Assert.True(server.WakeOnInput(item));
            if (way == 0)
            {
                client.Close();
            }
            else if (way == 1)
            {
                server.Abort();
            }
            else
            {
                server.CancelRead();
            }
            rig.Until(() => item.Times == 1);
            ReadResult read = rig.Run(server.Input.ReadAsync());
            Assert.Equal((way == 2, way != 2), (read.IsCanceled, read.IsCompleted));
            client.Close();
            server.Close();
        }
        rig.Until(() => rig.Network.OpenLinks == 0);
        Assert.Equal(0, rig.RentedBuffers);
    }
}
