using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Net.Security;
using System.Text;
using FastRelay.Outside;
using Xunit;

namespace FastRelay.Storm.Tests;

public class SimNetworkTests
{
    private static readonly IPEndPoint Address = new(IPAddress.Parse("127.0.0.9"), 25);

    [Fact]
    public void An_echo_comes_back_whole_whatever_the_link_does_to_it()
    {
        for (ulong seed = 1; seed <= 40; seed++)
        {
            string result = Echo(seed, out _);
            Assert.True(result is "whole" or "Reset", $"seed {seed}: {result}");
        }
    }

    [Fact]
    public void A_seed_gives_the_same_trace_twice_and_another_seed_another()
    {
        for (ulong seed = 1; seed <= 20; seed++)
        {
            Echo(seed, out ulong first);
            Echo(seed, out ulong second);
            Echo(seed + 1_000, out ulong other);
            Assert.Equal(first, second);
            Assert.NotEqual(first, other);
        }
    }

    [Fact]
    public void Tls_swaps_the_pipes_and_drops_buffered_clear_text()
    {
        var universe = new SimUniverse(3);
        universe.Wire.Profile = static _ => new LinkProfile();
        SimHost server = universe.AddHost("server");
        SimHost client = universe.AddHost("client");
        var log = new List<string>();
        Start(ServeTlsAsync(server, log));
        Start(DialTlsAsync(client, log));
        universe.RunFor(60_000);
        Assert.Equal(["client True 0", "got secret", "server True 8"], log.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Dials_are_refused_where_nobody_listens_and_time_out_where_packets_vanish()
    {
        var universe = new SimUniverse(3);
        SimHost client = universe.AddHost("client");
        universe.Wire.SetSilent(IPAddress.Parse("127.0.0.8"), true);
        var errors = new List<int>();
        async ValueTask Dial(string address)
        {
            DialResult result = await client.Network.ConnectAsync(new IPEndPoint(IPAddress.Parse(address), 25), null, 5_000);
            errors.Add(result.Errno);
        }
        Start(Dial("127.0.0.7"));
        Start(Dial("127.0.0.8"));
        universe.RunFor(10_000);
        Assert.Equal([111, 110], errors);
    }

    [Fact]
    public void Sleepers_wake_in_virtual_time()
    {
        var universe = new SimUniverse(3);
        SimHost host = universe.AddHost("host");
        long woke = 0;
        async ValueTask Sleep()
        {
            await new Sleeper(host.Loop).SleepAsync(3_600_000);
            woke = universe.Time.NowMs;
        }
        Start(Sleep());
        Assert.True(universe.RunUntil(() => woke != 0, 4_000_000));
        Assert.InRange(woke, 3_600_000, 3_600_020);
        Assert.False(universe.RunUntil(static () => false, 1_000_000));
    }

    private static string Echo(ulong seed, out ulong trace)
    {
        var universe = new SimUniverse(seed);
        SimHost server = universe.AddHost("server");
        SimHost client = universe.AddHost("client");
        byte[] sent = new byte[20_000];
        universe.Random.Fork("body").NextBytes(sent);
        string result = "";
        Start(ServeEchoAsync(server));
        async ValueTask Client()
        {
            DialResult dial = await client.Network.ConnectAsync(Address, null, 10_000);
            // Both at once: an echo that nobody reads stops being written to.
            Start(SendAsync(dial.Link!, sent));
            var got = new ArrayBufferWriter<byte>();
            while (got.WrittenCount < sent.Length)
            {
                ReadResult read = await dial.Link!.Input.ReadAsync();
                Assert.True(read.Buffer.IsSingleSegment);
                got.Write(read.Buffer.FirstSpan);
                dial.Link.Input.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted)
                {
                    break;
                }
            }
            result = got.WrittenSpan.SequenceEqual(sent) ? "whole" : dial.Link!.Error.ToString();
            dial.Link!.Close();
        }
        Start(Client());
        universe.RunUntil(() => result.Length > 0, 10_000_000);
        trace = universe.Trace.Hash;
        return result;
    }

    private static async ValueTask SendAsync(Link link, byte[] bytes) => await link.Output.WriteAsync(bytes);

    private static async ValueTask ServeEchoAsync(SimHost host)
    {
        Assert.Equal(0, host.Network.Listen(Address, out Listener? listener));
        Link? link = await listener!.AcceptAsync();
        while (true)
        {
            ReadResult read = await link!.Input.ReadAsync();
            byte[] copy = read.Buffer.ToArray();
            link.Input.AdvanceTo(read.Buffer.End);
            FlushResult flush = await link.Output.WriteAsync(copy);
            if (read.IsCompleted || flush.IsCompleted)
            {
                link.Close();
                return;
            }
        }
    }

    private static async ValueTask ServeTlsAsync(SimHost host, List<string> log)
    {
        host.Network.Listen(Address, out Listener? listener);
        Link? link = await listener!.AcceptAsync();
        ReadResult read = await link!.Input.ReadAsync();
        link.Input.AdvanceTo(read.Buffer.GetPosition(10), read.Buffer.End);
        await link.Output.WriteAsync("220 go\r\n"u8.ToArray());
        TlsResult tls = await link.StartTlsAsync(new ServerTls(new SslServerAuthenticationOptions()));
        log.Add($"server {tls.Ok} {tls.Dropped}");
        read = await link.Input.ReadAsync();
        log.Add("got " + Encoding.ASCII.GetString(read.Buffer.FirstSpan));
    }

    private static async ValueTask DialTlsAsync(SimHost host, List<string> log)
    {
        DialResult dial = await host.Network.ConnectAsync(Address, null, 10_000);
        await dial.Link!.Output.WriteAsync("STARTTLS\r\ninjected"u8.ToArray());
        ReadResult read = await dial.Link.Input.ReadAsync();
        dial.Link.Input.AdvanceTo(read.Buffer.End);
        TlsResult tls = await dial.Link.StartTlsAsync(new SslClientAuthenticationOptions());
        log.Add($"client {tls.Ok} {tls.Dropped}");
        await dial.Link.Output.WriteAsync("secret"u8.ToArray());
    }

    private static void Start(ValueTask task)
    {
        if (task.IsCompleted)
        {
            task.GetAwaiter().GetResult();
        }
        else
        {
            _ = task.AsTask();
        }
    }
}
