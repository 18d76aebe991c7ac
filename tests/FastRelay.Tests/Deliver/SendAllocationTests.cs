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
        long least = long.MaxValue;
        for (int round = 0; round < 4; round++)
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
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        Assert.Equal(800, rig.Counters.Delivered);
        Assert.Equal(1, peer.Connections);
        // The least of the rounds: a call that waits for its peer for the first time makes its box in whichever round that
        // happens. What every message allocates is in each round, and 24 bytes would be 4,800; the test's waiting is 64.
        Assert.InRange(least, 0, 1024);
    }

    [Fact]
    public void Turns_over_many_sites_cost_less_than_64_octets_a_delivery()
    {
        const int sites = 20, messages = 400, rounds = 4;
        using var peer = new ScriptedPeer();
        using var rig = new DeliverRig(peer.Port, new Limits { ReuseIdleMs = 600_000, SendSessionsPerSite = 1 });
        rig.Output.Keep = false;
        for (int i = 0; i < sites; i++)
        {
            rig.Domain($"far{i}.test", "127.0.0.1");
        }
        long least = long.MaxValue;
        for (int round = 0; round < rounds; round++)
        {
            rig.Queue.Stopping = true;
            for (int i = 0; i < messages; i++)
            {
                rig.Submit("a@client.test", "Subject: x\r\n\r\nbody\r\n", $"b@far{i % sites}.test");
            }
            long before = GC.GetAllocatedBytesForCurrentThread();
            rig.Queue.Stopping = false;
            rig.UntilEmpty();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        Assert.Equal(messages * rounds, rig.Counters.Delivered);
        Assert.Equal(sites, peer.Connections);
        Assert.InRange(least, 0, 64 * messages);
    }
}
