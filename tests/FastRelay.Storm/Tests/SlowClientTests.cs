using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Text;
using FastRelay.Config;
using FastRelay.Outside;
using Xunit;

namespace FastRelay.Storm.Tests;

/// <summary>Clients that drip, on the simulator's clock: none of them may keep its session for longer than its bound.</summary>
public class SlowClientTests
{
    private const string Opening = "EHLO c.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n";

    [Theory]
    [InlineData("commands", "", "NOOP", 60, 300, 320)]
    [InlineData("content", Opening, "xxxxxxxxxx", 5, 60, 70)]
    [InlineData("chunk", "EHLO c.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nBDAT 100000\r\n", "x", 5, 60, 70)]
    [InlineData("chunks that end in time", "EHLO c.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nBDAT 2\r\n", "xxBDAT 2\r\n", 5, 60, 70)]
    public void A_drip_is_told_421_after_its_bound(string what, string opening, string drop, int everySeconds, int leastSeconds, int mostSeconds)
    {
        (string said, long endedMs) = Drip(opening, drop, everySeconds);
        Assert.Contains("\r\n421 4.4.2 ", said, StringComparison.Ordinal);
        Assert.True(endedMs >= leastSeconds * 1_000 && endedMs <= mostSeconds * 1_000, $"{what}: {endedMs} ms");
    }

    [Fact]
    public void Who_is_slow_but_not_too_slow_is_served()
    {
        // 1,000 octets every 5 s, twice the least rate, for longer than three windows.
        (string said, long endedMs) = Drip(Opening, new string('x', 998) + "\r\n", 5, drops: 40, last: "\r\n.\r\nQUIT\r\n");
        Assert.Contains("\r\n250 2.0.0 ", said, StringComparison.Ordinal);
        Assert.EndsWith("221 2.0.0 Bye\r\n", said, StringComparison.Ordinal);
        Assert.True(endedMs > 190_000, $"{endedMs} ms");
    }

    private static (string Said, long EndedMs) Drip(string opening, string drop, int everySeconds, int drops = int.MaxValue, string last = "")
    {
        var universe = new SimUniverse(7);
        universe.Faults.On = false;
        universe.Wire.Profile = static _ => new LinkProfile();
        SimHost host = universe.AddHost("relay");
        SimHost outside = universe.AddHost("outside");
        var config = new RelayConfig
        {
            HostName = "relay.test",
            Spool = "spool",
            Listen = [new ListenConfig(new IPEndPoint(IPAddress.Loopback, 2525), ListenTls.None)],
            Limits = new Limits { SegmentBytes = 4 << 20 },
        };
        World world = host.World(new SimDisk(host, new SimStorage(universe, new DiskProfile())), new SimResolver(host, new SimZone()), new SimOutput(universe));
        Assert.Equal("", Relay.Start(world, config).Error);
        var said = new StringBuilder();
        long endedMs = -1;
        outside.Spawn(async () =>
        {
            DialResult dial = await outside.Network.ConnectAsync(config.Listen[0].Address, null, 10_000);
            Link link = dial.Link!;
            long began = outside.Loop.NowMs;
            outside.Spawn(() => SendAsync(outside, link, opening, drop, everySeconds, drops, last));
            while (true)
            {
                ReadResult read = await link.Input.ReadAsync();
                said.Append(Encoding.ASCII.GetString(read.Buffer.ToArray()));
                link.Input.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted)
                {
                    endedMs = outside.Loop.NowMs - began;
                    link.Close();
                    return;
                }
            }
        });
        universe.RunFor(900_000);
        return (said.ToString(), endedMs);
    }

    private static async ValueTask SendAsync(SimHost outside, Link link, string opening, string drop, int everySeconds, int drops, string last)
    {
        var sleeper = new Sleeper(outside.Loop);
        await link.Output.WriteAsync(Encoding.ASCII.GetBytes(opening));
        for (int i = 0; i < drops && link.Error == LinkError.None; i++)
        {
            await sleeper.SleepAsync(everySeconds * 1_000);
            await link.Output.WriteAsync(Encoding.ASCII.GetBytes(drop));
        }
        await link.Output.WriteAsync(Encoding.ASCII.GetBytes(last));
    }
}
