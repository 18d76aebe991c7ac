using BenchmarkDotNet.Attributes;
using FastRelay.Config;
using FastRelay.Outside;
using FastRelay.Tests.Support;

namespace FastRelay.Bench;

/// <summary>A whole relay in memory: session, journal, queue, and a route that discards. No system call, no other thread.</summary>
public class SessionBenchmarks
{
    private readonly ManualLoop _manual = new();
    private readonly byte[] _message = [.. Samples.Content(4096), .. ".\r\n"u8];
    private MemoryNetwork _network = null!;
    private MemoryLink _open = null!;
    private Relay _relay = null!;

    /// <summary>Starts the relay and opens a session that stays.</summary>
    [GlobalSetup]
    public void Start()
    {
        _network = new MemoryNetwork(_manual.Loop);
        var output = new MemoryOutput { Keep = false };
        World world = TestWorld.Make(_manual, null!, output, new PlainDisk(_manual.Loop)) with { Network = _network };
        const string Text = """
            hostname = "relay.test"
            spool = "/spool"
            [[listen]]
            address = "127.0.0.1:25"
            [[relay_for]]
            networks = ["127.0.0.0/8"]
            [[route]]
            domain = "*"
            to = "discard:"
            [limits]
            messages_per_connection = 2000000000
            """;
        ConfigResult read = ConfigReader.Read(Text, "bench.toml", "/", "relay.test", _ => null);
        RelayConfig config = read.Config ?? throw new InvalidOperationException(string.Join('\n', read.Errors));
        RelayStartResult started = Relay.Start(world, config with { Limits = config.Limits with { SegmentBytes = 16 << 20 } });
        _relay = started.Relay ?? throw new InvalidOperationException(started.Error);
        _open = Connect();
    }

    /// <summary>One message of 4 KiB over a session that is open: MAIL, RCPT, DATA, content, 250, and settled.</summary>
    [Benchmark]
    public long Message()
    {
        Transact(_open);
        return _relay.Journal.Stats.Messages;
    }

    /// <summary>Connect, greeting, EHLO, one message, QUIT; with the two pipes of a new connection in memory.</summary>
    [Benchmark]
    public long WholeSession()
    {
        MemoryLink link = Connect();
        Transact(link);
        Say(link, "QUIT\r\n"u8, 1);
        Check.That(link.Closed, "the session has ended");
        return _relay.Journal.Stats.Messages;
    }

    private MemoryLink Connect()
    {
        var link = new MemoryLink(_manual.Loop);
        _network.Connect(link);
        Say(link, "EHLO client.test\r\n"u8, 2);
        return link;
    }

    private void Transact(MemoryLink link)
    {
        Say(link, "MAIL FROM:<sender@example.org> SIZE=4096\r\n"u8, 1);
        Say(link, "RCPT TO:<user@example.net>\r\n"u8, 1);
        Say(link, "DATA\r\n"u8, 1);
        Say(link, _message, 1);
    }

    /// <summary>Sends, and turns the loop until so many reply lines are there and nothing is left to do.</summary>
    private void Say(MemoryLink link, ReadOnlySpan<byte> bytes, int lines)
    {
        if (lines > 1)
        {
            // The greeting first: who speaks before it is turned away.
            _manual.Settle();
        }
        link.Send(bytes);
        int come = 0;
        for (int i = 0; come < lines; i++)
        {
            Check.That(i < 10_000, "a reply does not come");
            _manual.Loop.Turn(canSleep: false);
            come += link.TakeReplies();
        }
        _manual.Settle();
    }
}
