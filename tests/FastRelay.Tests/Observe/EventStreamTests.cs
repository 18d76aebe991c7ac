using System.Net;
using System.Text;
using System.Text.Json;
using FastRelay.Observe;
using FastRelay.Outside;

namespace FastRelay.Tests.Observe;

public sealed class EventStreamTests
{
    private readonly Bounded _sink = new();
    private readonly Counters _counters = new();
    private readonly EventStream _events;

    public EventStreamTests() => _events = new EventStream(_sink, new Fixed(), _counters, new Log(new Bounded(), new Fixed()));

    [Fact]
    public void A_line_is_one_json_object_whatever_a_peer_sends()
    {
        byte[] odd = [.. "a\"b\\c\r\n\0\u007f"u8, 0xC3, 0xA9, 0xFF, 0xE2, 0x82, .. "z"u8];
        _events.Begin("failed"u8).Add("reply"u8, odd).Add("code"u8, -5).Add("addr"u8, IPEndPoint.Parse("[2001:db8::1]:25")).Add("none"u8, (string?)null).Write();
        string line = Assert.Single(_sink.Lines);
        Assert.StartsWith("{\"ts\":\"2026-01-02T03:04:05.000Z\",\"event\":\"failed\",\"reply\":\"", line);
        using JsonDocument read = JsonDocument.Parse(line);
        Assert.Equal("a\"b\\c\r\n\0\u007fé\ufffd\ufffdz", read.RootElement.GetProperty("reply").GetString());
        Assert.Equal(-5, read.RootElement.GetProperty("code").GetInt64());
        Assert.Equal("[2001:db8::1]:25", read.RootElement.GetProperty("addr").GetString());
        Assert.False(read.RootElement.TryGetProperty("none", out _));
        Assert.Equal((1, 0), (_counters.Events, _counters.EventsLost));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void A_field_at_the_end_of_the_line_fits_and_one_past_it_is_left_out_and_said(int past)
    {
        const string head = "{\"ts\":\"2026-01-02T03:04:05.000Z\",\"event\":\"x\",\"a\":\"\"";
        const int tail = 14;
        _events.Begin("x"u8).Add("a"u8, Encoding.ASCII.GetBytes(new string('y', EventStream.LineBytes - tail - head.Length + past))).Add("b"u8, 1).Write();
        using JsonDocument read = JsonDocument.Parse(Assert.Single(_sink.Lines));
        Assert.Equal(past == 0, read.RootElement.TryGetProperty("a", out _));
        // The number has no room behind a full line, and has it when the text is left out.
        Assert.Equal(past == 1, read.RootElement.TryGetProperty("b", out _));
        Assert.True(read.RootElement.GetProperty("cut").GetBoolean());
    }

    [Fact]
    public void What_finds_no_room_is_counted_and_told_before_the_next_event_that_does()
    {
        _events.Begin("one"u8).Write();
        _sink.Full = true;
        _events.Begin("two"u8).Write();
        _events.Begin("three"u8).Write();
        _sink.Full = false;
        _events.Begin("four"u8).Write();
        _events.Begin("five"u8).Write();
        Assert.Equal(["one", "gap", "four", "five"], _sink.Lines.Select(line => JsonDocument.Parse(line).RootElement.GetProperty("event").GetString()));
        using JsonDocument gap = JsonDocument.Parse(_sink.Lines[1]);
        Assert.Equal(2, gap.RootElement.GetProperty("lost").GetInt64());
        Assert.Equal("2026-01-02T03:04:05.000Z", gap.RootElement.GetProperty("since").GetString());
        Assert.Equal((3, 2), (_counters.Events, _counters.EventsLost));
    }

    [Fact]
    public void Room_for_a_gap_and_no_event_behind_it_tells_it_once_and_the_end_tells_what_is_left()
    {
        _sink.Full = true;
        _events.Begin("one"u8).Write();
        _sink.Room = 1;
        _events.Begin("two"u8).Write();
        Assert.Contains("\"lost\":1", Assert.Single(_sink.Lines));
        _events.End();
        Assert.Single(_sink.Lines);
        _sink.Full = false;
        _events.End();
        _events.End();
        Assert.Equal(2, _sink.Lines.Count);
        Assert.Contains("\"lost\":1", _sink.Lines[1]);
    }

    [Fact]
    public void Writing_allocates_nothing()
    {
        _sink.Keeps = false;
        IPEndPoint address = IPEndPoint.Parse("192.0.2.1:25");
        long before = 0;
        for (int i = 0; i < 200; i++)
        {
            if (i == 100)
            {
                before = GC.GetAllocatedBytesForCurrentThread();
            }
            _events.Begin("delivered"u8).Add("reply"u8, "250 ok \"x\""u8).Add("addr"u8, address).Add("host"u8, "mx.test").Add("n"u8, i).Write();
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private sealed class Bounded : Output
    {
        public List<string> Lines { get; } = [];

        public bool Full { get; set; }

        public int Room { get; set; }

        public bool Keeps { get; set; } = true;

        public override long Dropped => 0;

        public override bool TryWrite(ReadOnlySpan<byte> line)
        {
            if (Full && Room-- <= 0)
            {
                return false;
            }
            if (Keeps)
            {
                Lines.Add(Encoding.UTF8.GetString(line));
            }
            return true;
        }
    }

    private sealed class Fixed : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);
    }
}
