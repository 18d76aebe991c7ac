using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using System.Security.Authentication;
using FastRelay.Outside;

namespace FastRelay.Tests.Outside;

/// <summary>A round trip costs no managed memory, in clear and in cipher, from the poller to the session.</summary>
[Collection("Allocation")]
public sealed class LinuxAllocationTests
{
    private const int Warmup = 2_000;
    private const int Measured = 5_000;

    [Fact]
    public void A_round_trip_in_clear_allocates_nothing() => Assert.Equal(0, BytesAllocated(tls: SslProtocols.None, body: 0));

    [Fact]
    public void A_write_of_memory_in_clear_allocates_nothing() => Assert.Equal(0, BytesAllocated(tls: SslProtocols.None, body: 8_000));

    [Theory]
    [InlineData(SslProtocols.Tls12)]
    [InlineData(SslProtocols.Tls13)]
    public void A_round_trip_in_cipher_allocates_nothing(SslProtocols tls) => Assert.Equal(0, BytesAllocated(tls, body: 0));

    private static long BytesAllocated(SslProtocols tls, int body)
    {
        // Many at once: whoever keeps one suspended call a thread shows nothing with one pair.
        const int Pairs = 16;
        using var rig = new LinuxLinkRig();
        var links = new List<Link>();
        var talks = new List<Talk>();
        var tasks = new List<Task>();
        for (int i = 0; i < Pairs; i++)
        {
            (Link client, Link server) = rig.Pair();
            if (tls != SslProtocols.None)
            {
                LinuxTlsTests.Shake(rig, client, server, tls);
            }
            var talk = new Talk(client, server, new byte[body]);
            links.AddRange([client, server]);
            talks.Add(talk);
            tasks.AddRange([talk.EchoAsync().AsTask(), talk.AskAsync().AsTask()]);
        }
        while (talks.Exists(static talk => talk.Rounds < Warmup / Pairs))
        {
            rig.Loop.Turn(canSleep: true);
        }
        int begun = talks[0].Rounds;
        // The least of three: a call that waits for the first time makes its box in whichever part that happens.
        long allocated = long.MaxValue;
        for (int part = 1; part <= 3; part++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            while (talks[0].Rounds < begun + (part * Measured / Pairs))
            {
                rig.Loop.Turn(canSleep: true);
            }
            allocated = Math.Min(allocated, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        links.ForEach(static link => link.Abort());
        rig.Until(() => tasks.TrueForAll(static task => task.IsCompleted));
        return allocated;
    }

    private sealed class Talk(Link client, Link server, byte[] body)
    {
        public int Rounds { get; private set; }

        public async ValueTask AskAsync()
        {
            while (await SendAsync(client) && await ReceiveAsync(client))
            {
                Rounds++;
            }
        }

        public async ValueTask EchoAsync()
        {
            while (await ReceiveAsync(server) && await SendAsync(server))
            {
            }
        }

        [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
        private async ValueTask<bool> SendAsync(Link link)
        {
            "0123456789abcdef"u8.CopyTo(link.Output.GetSpan(16));
            link.Output.Advance(16);
            FlushResult result = body.Length > 0 ? await link.Output.WriteAsync(body) : await link.Output.FlushAsync();
            return !result.IsCompleted;
        }

        [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
        private async ValueTask<bool> ReceiveAsync(Link link)
        {
            int wanted = 16 + body.Length;
            while (true)
            {
                ReadResult result = await link.Input.ReadAsync();
                if (result.IsCompleted)
                {
                    return false;
                }
                if (result.Buffer.Length >= wanted)
                {
                    link.Input.AdvanceTo(result.Buffer.GetPosition(wanted));
                    return true;
                }
                link.Input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
            }
        }
    }
}
