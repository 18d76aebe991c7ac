using System.IO.Pipelines;
using System.Security.Authentication;
using FastRelay.Outside;

namespace FastRelay.Tests.Outside;

/// <summary>The rules of links on epoll, and a long random talk over many of them.</summary>
public sealed class LinuxLinkTests : LinkRules
{
    private const int Links = 16;
    private const int BytesEach = 2 << 20;

    protected override LinkRig NewRig() => new LinuxLinkRig();

    [Theory]
    [InlineData(SslProtocols.None, 1)]
    [InlineData(SslProtocols.None, 2)]
    [InlineData(SslProtocols.Tls13, 3)]
    [InlineData(SslProtocols.Tls12, 4)]
    public void A_random_talk_over_many_links_arrives_whole(SslProtocols tls, int seed)
    {
        using var rig = new LinuxLinkRig();
        var random = new Random(seed);
        List<Task> talks = [];
        List<Link> links = [];
        for (int i = 0; i < Links; i++)
        {
            (Link client, Link server) = rig.Pair();
            if (tls != SslProtocols.None)
            {
                LinuxTlsTests.Shake(rig, client, server, tls);
            }
            links.AddRange([client, server]);
            foreach ((Link from, Link to) in new[] { (client, server), (server, client) })
            {
                int stream = random.Next(256);
                talks.Add(SpeakAsync(rig, from, stream, new Random(random.Next())).AsTask());
                talks.Add(ListenAsync(rig, to, stream, new Random(random.Next())).AsTask());
            }
        }
        foreach (Task talk in talks)
        {
            rig.Run(() => new ValueTask(talk));
        }
        links.ForEach(link => link.Close());
        rig.Until(() => rig.Network.OpenLinks == 0);
        Assert.Equal(0, rig.RentedBuffers);
    }

    /// <summary>The byte at a place of a stream.</summary>
    private static byte At(int stream, int place) => (byte)(stream + (place * 7) + (place >> 8));

    private static async ValueTask SpeakAsync(LinuxLinkRig rig, Link link, int stream, Random random)
    {
        var pause = new Sleeper(rig.Loop);
        int place = 0;
        while (place < BytesEach)
        {
            int small = Math.Min(random.Next(0, 400), BytesEach - place);
            Memory<byte> buffer = link.Output.GetMemory(400);
            for (int i = 0; i < small; i++)
            {
                buffer.Span[i] = At(stream, place++);
            }
            link.Output.Advance(small);
            byte[] body = new byte[Math.Min(random.Next(3) == 0 ? random.Next(300_000) : random.Next(5_000), BytesEach - place)];
            for (int i = 0; i < body.Length; i++)
            {
                body[i] = At(stream, place++);
            }
            FlushResult result = body.Length > 0 ? await link.Output.WriteAsync(body) : await link.Output.FlushAsync();
            Assert.False(result.IsCompleted);
            if (random.Next(8) == 0)
            {
                await pause.SleepAsync(random.Next(20));
            }
        }
    }

    private static async ValueTask ListenAsync(LinuxLinkRig rig, Link link, int stream, Random random)
    {
        var pause = new Sleeper(rig.Loop);
        int place = 0;
        while (place < BytesEach)
        {
            ReadResult result = await link.Input.ReadAsync();
            Assert.False(result.IsCompleted);
            int length = (int)result.Buffer.Length;
            // Takes all, a part and looks again, or a part and asks for more: as parsers do.
            int taken = random.Next(3) == 0 && length < Link.ReadBufferBytes ? random.Next(length + 1) : length;
            for (int i = 0; i < taken; i++)
            {
                if (result.Buffer.FirstSpan[i] != At(stream, place))
                {
                    Assert.Fail($"byte {place} of stream {stream} differs");
                }
                place++;
            }
            bool askForMore = place < BytesEach && taken > 0 && taken < length && place + length - taken < BytesEach;
            link.Input.AdvanceTo(result.Buffer.GetPosition(taken), askForMore ? result.Buffer.End : result.Buffer.GetPosition(taken));
            if (random.Next(16) == 0)
            {
                await pause.SleepAsync(random.Next(20));
            }
        }
    }
}
