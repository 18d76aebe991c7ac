using System.Net;
using System.Text;
using System.Text.Json;
using FastRelay.Observe;

namespace FastRelay.Tests.Observe;

public sealed class TraceTests
{
    private readonly MovingTime _time = new();
    private readonly Tracer _tracer;

    public TraceTests() => _tracer = new Tracer(_time);

    private TraceTap Tap(bool outgoing = false, string peer = "192.0.2.1:25", string? host = null)
    {
        var tap = new TraceTap(_tracer, outgoing);
        tap.Begin(IPEndPoint.Parse(peer), host);
        return tap;
    }

    private string[] Texts(TraceWatcher watcher)
    {
        (byte[] lines, long lost) = _tracer.Take(watcher)!.Value;
        Assert.Equal(0, lost);
        return [.. Encoding.UTF8.GetString(lines).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonDocument.Parse(line).RootElement)
            .Select(line => $"{line.GetProperty("from").GetString()![0]}:{line.GetProperty("text").GetString()}")];
    }

    [Fact]
    public void A_line_says_when_which_way_with_whom_and_what()
    {
        TraceWatcher watcher = _tracer.Watch(new TraceFilter())!;
        Tap(outgoing: true, "[2001:db8::1]:25", "mx.example").Command("EHLO relay.test"u8, secret: false);
        string line = Encoding.UTF8.GetString(_tracer.Take(watcher)!.Value.Lines);
        Assert.Equal("{\"ts\":\"2026-01-02T03:04:05.000Z\",\"way\":\"out\",\"session\":1,\"peer\":\"[2001:db8::1]:25\",\"host\":\"mx.example\",\"from\":\"client\",\"text\":\"EHLO relay.test\"}\n", line);
    }

    [Theory]
    [InlineData("AUTH PLAIN AGFsaWNlAHNlY3JldA==", "AUTH PLAIN ***")]
    [InlineData("auth plain AGFsaWNlAHNlY3JldA==", "auth plain ***")]
    [InlineData("AUTH  PLAIN   AGFsaWNlAHNlY3JldA==", "AUTH PLAIN ***")]
    [InlineData("AUTH\tPLAIN AGFsaWNlAHNlY3JldA==", "AUTH PLAIN ***")]
    [InlineData("AUTH LOGIN", "AUTH LOGIN")]
    [InlineData("AUTH PLAIN\tAGFsaWNlAHNlY3JldA==", "AUTH PLAIN ***")]
    [InlineData("AUTH AGFsaWNlAHNlY3JldA==", "AUTH ***")]
    public void What_follows_the_mechanism_is_never_shown(string line, string shown)
    {
        TraceWatcher watcher = _tracer.Watch(new TraceFilter())!;
        Tap().Command(Encoding.ASCII.GetBytes(line), secret: false);
        Assert.Equal(["c:" + shown], Texts(watcher));
    }

    [Fact]
    public void Nothing_of_an_exchange_is_shown_nor_a_password_that_comes_after_a_refusal()
    {
        TraceWatcher watcher = _tracer.Watch(new TraceFilter())!;
        TraceTap tap = Tap();
        tap.Command("secret before AUTH is a word like any other"u8, secret: false);
        tap.Command("AUTH LOGIN"u8, secret: false);
        tap.Reply("334 VXNlcm5hbWU6\r\n"u8);
        tap.Command("YWxpY2U="u8, secret: true);
        tap.Reply("535 5.7.8 no\r\n"u8);
        // Sent ahead, and read as a command.
        tap.Command("c2VjcmV0"u8, secret: false);
        tap.Command("QUIT"u8, secret: false);
        Assert.Equal(
            ["c:secret before AUTH is a word like any other", "c:AUTH LOGIN", "s:334 ***", "c:***", "s:535 5.7.8 no", "c:***", "c:QUIT"],
            Texts(watcher));
    }

    [Fact]
    public void A_session_that_rested_keeps_its_number_and_its_secrets()
    {
        TraceWatcher first = _tracer.Watch(new TraceFilter())!;
        TraceTap tap = Tap();
        tap.Command("AUTH LOGIN"u8, secret: false);
        _tracer.End(first);
        TraceMark mark = tap.Mark;
        // The same tap serves another, and another tap this one.
        tap.Begin(IPEndPoint.Parse("192.0.2.2:25"));
        var other = new TraceTap(_tracer, outgoing: false);
        other.Resume(IPEndPoint.Parse("192.0.2.1:25"), mark);
        TraceWatcher second = _tracer.Watch(new TraceFilter())!;
        other.Command("c2VjcmV0"u8, secret: false);
        tap.Command("word"u8, secret: false);
        string[] lines = Encoding.UTF8.GetString(_tracer.Take(second)!.Value.Lines).Split('\n');
        Assert.Contains("\"session\":1,\"peer\":\"192.0.2.1:25\"", lines[0], StringComparison.Ordinal);
        Assert.Contains("\"text\":\"***\"", lines[0], StringComparison.Ordinal);
        Assert.Contains("\"session\":2,\"peer\":\"192.0.2.2:25\"", lines[1], StringComparison.Ordinal);
        Assert.Contains("\"text\":\"word\"", lines[1], StringComparison.Ordinal);
    }

    [Fact]
    public void Replies_come_in_any_pieces_and_are_shown_line_by_line()
    {
        TraceWatcher watcher = _tracer.Watch(new TraceFilter())!;
        TraceTap tap = Tap(outgoing: true);
        foreach (byte octet in "250-mx.example\r\n250 SIZE 1\r\n"u8)
        {
            tap.Reply([octet]);
        }
        tap.Reply("250 ok\r\n354 go"u8);
        tap.Reply(" on\r\n"u8);
        Assert.Equal(["s:250-mx.example", "s:250 SIZE 1", "s:250 ok", "s:354 go on"], Texts(watcher));
        tap.Reply(new byte[3 * Tracer.LineBytes]);
        tap.Reply("\n"u8);
        Assert.Equal(Tracer.LineBytes, Assert.Single(Texts(watcher)).Length - 2);
    }

    [Fact]
    public void A_peer_is_in_the_network_or_not()
    {
        TraceWatcher watcher = _tracer.Watch(new TraceFilter { Peer = IPNetwork.Parse("192.0.2.0/24") })!;
        Tap(peer: "192.0.2.200:1").Command("NOOP 1"u8, false);
        Tap(peer: "[::ffff:192.0.2.3]:1").Command("NOOP 2"u8, false);
        Tap(peer: "192.0.3.1:1").Command("NOOP 3"u8, false);
        Tap(peer: "[2001:db8::1]:1").Command("NOOP 4"u8, false);
        Assert.Equal(["c:NOOP 1", "c:NOOP 2"], Texts(watcher));
    }

    [Fact]
    public void A_session_is_shown_from_the_first_word_of_the_domain_to_its_end()
    {
        TraceWatcher watcher = _tracer.Watch(new TraceFilter { Domain = "example.com" })!;
        TraceTap tap = Tap();
        tap.Command("EHLO example.com"u8, false);
        tap.Command("MAIL FROM:<a@other.test>"u8, false);
        tap.Command("RCPT TO:<b@sub.example.com>"u8, false);
        tap.Command("RCPT TO:<b@example.com.test>"u8, false);
        tap.Command("RCPT TO:<b@xample.com>"u8, false);
        tap.Command("rcpt to:<\"x@y\"@Example.COM> NOTIFY=NEVER"u8, false);
        tap.Reply("250 ok\r\n"u8);
        tap.Command("DATA"u8, false);
        Assert.Equal(["c:rcpt to:<\"x@y\"@Example.COM> NOTIFY=NEVER", "s:250 ok", "c:DATA"], Texts(watcher));
        // The next connection of the same session object begins anew.
        tap.Begin(IPEndPoint.Parse("192.0.2.1:26"));
        tap.Command("NOOP"u8, false);
        Assert.Empty(Texts(watcher));
    }

    [Theory]
    [InlineData("example.com", true)]
    [InlineData("mx1.Example.com", true)]
    [InlineData("myexample.com", false)]
    [InlineData(null, false)]
    public void A_delivery_is_shown_when_its_host_is_in_the_domain(string? host, bool shown)
    {
        TraceWatcher watcher = _tracer.Watch(new TraceFilter { Domain = "example.com" })!;
        Tap(outgoing: true, host: host).Reply("220 hello\r\n"u8);
        Assert.Equal(shown ? 1 : 0, Texts(watcher).Length);
    }

    [Fact]
    public void A_message_is_shown_while_it_is_under_way()
    {
        TraceWatcher watcher = _tracer.Watch(new TraceFilter { Message = 7 })!;
        TraceTap tap = Tap(outgoing: true);
        foreach (ulong id in (ulong[])[0, 6, 7, 8])
        {
            tap.Message = id;
            tap.Note(Encoding.ASCII.GetBytes($"message {id}"));
        }
        Assert.Equal(["n:message 7"], Texts(watcher));
    }

    [Fact]
    public void A_watcher_that_takes_nothing_loses_lines_is_told_how_many_and_costs_no_more_room()
    {
        TraceWatcher watcher = _tracer.Watch(new TraceFilter())!;
        TraceWatcher other = _tracer.Watch(new TraceFilter())!;
        TraceTap tap = Tap();
        byte[] line = Encoding.ASCII.GetBytes("NOOP " + new string('x', 500));
        const int Lines = 1_000;
        for (int i = 0; i < Lines; i++)
        {
            tap.Command(line, false);
            if (i % 100 == 0)
            {
                _tracer.Take(other);
            }
        }
        (byte[] lines, long lost) = _tracer.Take(watcher)!.Value;
        Assert.InRange(lines.Length, TraceWatcher.BufferBytes - 1_024, TraceWatcher.BufferBytes);
        Assert.Equal((byte)'\n', lines[^1]);
        Assert.Equal(Lines, lines.AsSpan().Count((byte)'\n') + lost);
        tap.Command("NOOP"u8, false);
        Assert.Equal(["c:NOOP"], Texts(watcher));
    }

    [Fact]
    public void So_many_may_watch_and_one_that_has_gone_makes_room()
    {
        TraceTap tap = Tap();
        Assert.False(tap.IsOn);
        TraceWatcher[] all = [.. Enumerable.Range(0, Tracer.WatchersMax).Select(_ => _tracer.Watch(new TraceFilter { Domain = "a.test" })!)];
        Assert.All(all, Assert.NotNull);
        Assert.Null(_tracer.Watch(new TraceFilter()));
        tap.Command("MAIL FROM:<x@a.test>"u8, false);
        _tracer.End(all[3]);
        _tracer.End(all[3]);
        // The new one has the place of the old, and not what the session was to it.
        TraceWatcher another = _tracer.Watch(new TraceFilter { Domain = "b.test" })!;
        tap.Command("NOOP"u8, false);
        Assert.Empty(Texts(another));
        Assert.Equal(2, Texts(all[0]).Length);
        Assert.Null(_tracer.Take(all[3]));
        // Nobody takes anything for a minute: the next line finds nobody.
        _time.Now += TimeSpan.FromMilliseconds(TraceWatcher.ForgottenMs + 1);
        tap.Command("NOOP"u8, false);
        tap.Command("MAIL FROM:<x@b.test>"u8, false);
        Assert.False(tap.IsOn);
        Assert.Null(_tracer.Take(another));
    }

    [Fact]
    public void While_nobody_watches_a_session_allocates_nothing_for_it()
    {
        TraceTap tap = Tap();
        IPEndPoint peer = IPEndPoint.Parse("192.0.2.1:25");
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1_000; i++)
        {
            tap.Begin(peer, "mx.example");
            tap.Command("MAIL FROM:<a@b.test>"u8, false);
            tap.Reply("250 ok\r\n25"u8);
            tap.Note("x"u8);
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        // What came in part while nobody watched is not shown as the beginning of something.
        TraceWatcher watcher = _tracer.Watch(new TraceFilter())!;
        tap.Reply("0 rest\r\n250 whole\r\n"u8);
        Assert.Equal(["s:0 rest", "s:250 whole"], Texts(watcher));
    }

    private sealed class MovingTime : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
