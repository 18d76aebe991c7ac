using System.Net.Sockets;
using System.Text;
using FastRelay.Outside;
using FastRelay.Tests.Receive.Rig;

namespace FastRelay.Tests.Receive;

/// <summary>What thousands of silent clients cost: all that the relay's loop allocates for one from its accept on, which it keeps until the client leaves.</summary>
[Collection("Allocation")]
public sealed class SessionFootprintTests
{
    private const int Warmup = 100;
    private const int Clients = 300;

    [Theory]
    [InlineData("", 700)]
    [InlineData("EHLO client.test\r\n", 850)]
    public void A_silent_client_costs_little(string says, int most)
    {
        using var relay = new RelayRig($"[limits]\nreceive_sessions = {Warmup + Clients + 10}\n");
        List<Socket> clients = [];
        Connect(relay, Warmup, says, clients);
        long before = Allocated(relay);
        Connect(relay, Clients, says, clients);
        long octets = (Allocated(relay) - before) / Clients;
        clients.ForEach(static client => client.Dispose());
        Assert.InRange(octets, 1, most);
    }

    private static void Connect(RelayRig relay, int count, string says, List<Socket> clients)
    {
        byte[] buffer = new byte[1024];
        for (int i = 0; i < count; i++)
        {
            var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = 20_000 };
            client.Connect(relay.EndPoints[0]);
            clients.Add(client);
            Assert.Equal("220 ", Encoding.ASCII.GetString(buffer, 0, client.Receive(buffer))[..4]);
            if (says.Length > 0)
            {
                client.Send(Encoding.ASCII.GetBytes(says));
                Assert.Equal("250-", Encoding.ASCII.GetString(buffer, 0, client.Receive(buffer))[..4]);
            }
        }
    }

    /// <summary>What the loop's thread has allocated so far.</summary>
    private static long Allocated(RelayRig relay)
    {
        var look = new Look();
        relay.Relay.Receiver.World.Loop.Post(look);
        Assert.True(look.Done.Wait(20_000));
        return look.Octets;
    }

    private sealed class Look : LoopItem
    {
        public ManualResetEventSlim Done { get; } = new();

        public long Octets { get; private set; }

        protected internal override void Run()
        {
            Octets = GC.GetAllocatedBytesForCurrentThread();
            Done.Set();
        }
    }
}
