using System.Text;
using System.Text.Json;
using FastRelay.Observe;
using FastRelay.Outside;

namespace FastRelay.Tests.Observe;

public sealed class EventAgeTests
{
    private static readonly DateTimeOffset s_start = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);
    private readonly Clock _clock = new() { Now = s_start };
    private readonly Waiting _waiting = new();
    private readonly Counters _counters = new();
    private readonly EventAge _age;
    private readonly EventStream _events;

    public EventAgeTests()
    {
        _age = new EventAge(_clock, maxAgeMs: 10_000);
        _events = new EventStream(_waiting, _clock, _counters, new Log(new Waiting(), _clock), _age);
    }

    private string Gap()
    {
        var buffer = new byte[StaleLines.InsteadBytes];
        return Encoding.ASCII.GetString(buffer, 0, _age.Instead(buffer));
    }

    [Fact]
    public void A_line_is_kept_at_the_bound_and_too_old_one_millisecond_past_it()
    {
        _events.Begin("accepted"u8).Add("id"u8, "1"u8).Write();
        _clock.Now = s_start.AddSeconds(10);
        Assert.False(_age.Take(_waiting.Lines[0]));
        Assert.Equal("", Gap());
        _clock.Now = s_start.AddMilliseconds(10_001);
        Assert.True(_age.Take(_waiting.Lines[0]));
        Assert.Equal("{\"ts\":\"2026-01-02T03:04:15.001Z\",\"event\":\"gap\",\"lost\":1,\"since\":\"2026-01-02T03:04:05.000Z\"}\n", Gap());
        Assert.Equal("", Gap());
    }

    [Fact]
    public void A_failure_never_grows_too_old_for_it_may_be_the_only_notice()
    {
        _events.Begin("failed"u8).Add("id"u8, "1"u8).Write();
        _clock.Now = s_start.AddDays(40);
        Assert.False(_age.Take(_waiting.Lines[0]));
        Assert.Equal("", Gap());
    }

    [Fact]
    public void A_gap_that_grew_too_old_is_added_to_the_next_and_no_event_is_counted_twice()
    {
        _waiting.Full = true;
        _events.Begin("one"u8).Write();
        _events.Begin("two"u8).Write();
        _waiting.Full = false;
        _clock.Now = s_start.AddSeconds(1);
        _events.Begin("three"u8).Write();
        Assert.Equal(2, _counters.EventsLost);
        _clock.Now = s_start.AddSeconds(60);
        Assert.All(_waiting.Lines, line => Assert.True(_age.Take(line)));
        using JsonDocument gap = JsonDocument.Parse(Gap());
        Assert.Equal(3, gap.RootElement.GetProperty("lost").GetInt64());
        Assert.Equal("2026-01-02T03:04:05.000Z", gap.RootElement.GetProperty("since").GetString());
        _events.End();
        Assert.Equal(3, _counters.EventsLost);
    }

    private sealed class Waiting : Output
    {
        public List<byte[]> Lines { get; } = [];

        public bool Full { get; set; }

        public override long Dropped => 0;

        public override bool TryWrite(ReadOnlySpan<byte> line)
        {
            if (!Full)
            {
                Lines.Add(line.ToArray());
            }
            return !Full;
        }
    }

    private sealed class Clock : TimeProvider
    {
        public DateTimeOffset Now { get; set; }

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
