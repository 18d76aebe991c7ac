using FastRelay.Tests.Deliver.Rig;
using Xunit;

namespace FastRelay.Tests.Deliver;

public sealed class SendAllocationTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Delivering_over_a_kept_connection_allocates_nothing(bool pipelining)
    {
        using var peer = new ScriptedPeer();
        peer.Offers = pipelining ? ["PIPELINING", "SIZE", "8BITMIME"] : ["8BITMIME"];
        using var rig = new DeliverRig(peer.Port, new Limits { ReuseIdleMs = 600_000, SendSessionsPerSite = 1 });
        rig.Domain("far.test", "127.0.0.1");
        rig.Output.Keep = false;
        long allocated = 0;
        for (int round = 0; round < 3; round++)
        {
            // Held back, so that only the way out is measured.
            rig.Queue.Stopping = true;
            for (int i = 0; i < 200; i++)
            {
                rig.Submit("a@client.test", "Subject: x\r\n\r\nbody\r\n", "b@far.test");
            }
            long before = GC.GetAllocatedBytesForCurrentThread();
            rig.Queue.Stopping = false;
            rig.UntilEmpty();
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        }
        Assert.Equal(600, rig.Counters.Delivered);
        Assert.Equal(1, peer.Connections);
        // What the test's own waiting allocates once, and nothing that grows with the messages.
        Assert.InRange(allocated, 0, 1024);
    }
}
