using System.Net;
using System.Text;
using FastRelay.Observe;
using FastRelay.Outside;
using FastRelay.Tests.Support;

namespace FastRelay.Tests.Observe;

public class LogTests
{
    private readonly Kept _kept = new();
    private readonly Log _log;

    public LogTests() => _log = new Log(_kept, TimeProvider.System);

    [Fact]
    public void A_line_begins_with_time_level_and_event()
    {
        _log.Warn("refuse"u8).Add("peer"u8, new IPEndPoint(IPAddress.Parse("192.0.2.1"), 2525)).Add("n"u8, -7).AddSeconds("delay"u8, 1234567).Write();
        Assert.Matches(@"^ts=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=warn event=refuse peer=192\.0\.2\.1:2525 n=-7 delay=1234\.567\n$", Assert.Single(_kept.Lines));
    }

    [Fact]
    public void The_journal_is_told_how_serious_a_line_is()
    {
        var kept = new Kept { Journal = true };
        var log = new Log(kept, TimeProvider.System);
        log.Line("accept"u8).Write();
        log.Warn("reject"u8).Write();
        log.Error("fatal"u8).Write();
        Assert.Equal(["ts=", "<4>ts=", "<3>ts="], kept.Lines.Select(static line => line[..(line.IndexOf('=', StringComparison.Ordinal) + 1)]));
        Assert.All(kept.Lines, static line => Assert.EndsWith("\n", line));
    }

    [Fact]
    public void The_time_of_a_line_is_its_own_within_a_second_and_past_it()
    {
        var time = new ManualTime();
        var log = new Log(_kept, time);
        var expected = new List<string>();
        foreach (int step in new[] { 0, 7, 93, 899, 1, 1000, 86_400_000 })
        {
            time.Advance(step);
            log.Line("x"u8).Write();
            expected.Add(FormattableString.Invariant($"ts={time.GetUtcNow().UtcDateTime:yyyy-MM-ddTHH:mm:ss.fff}Z level=info event=x\n"));
        }
        Assert.Equal(expected, _kept.Lines);
    }

    [Fact]
    public void An_IPv6_peer_stands_in_brackets()
    {
        _log.Line("x"u8).Add("peer"u8, new IPEndPoint(IPAddress.IPv6Loopback, 25)).Write();
        Assert.EndsWith(" peer=[::1]:25\n", Assert.Single(_kept.Lines));
    }

    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("", "\"\"")]
    [InlineData("two words", "\"two words\"")]
    [InlineData("a=b", "\"a=b\"")]
    [InlineData("q\"q\\", "\"q\\\"q\\\\\"")]
    [InlineData("x\nlevel=error event=fake", "\"x\\x0alevel=error event=fake\"")]
    [InlineData("x\r\u007f\u0000", "\"x\\x0d\\x7f\\x00\"")]
    public void A_value_can_begin_neither_a_line_nor_a_field(string value, string expected)
    {
        _log.Line("x"u8).Add("v"u8, Encoding.Latin1.GetBytes(value)).Add("after"u8, 1).Write();
        string line = Assert.Single(_kept.Lines);
        Assert.EndsWith($" v={expected} after=1\n", line);
        Assert.Equal(line.Length - 1, line.IndexOf('\n', StringComparison.Ordinal));
    }

    [Fact]
    public void A_line_past_the_bound_is_cut_and_says_so()
    {
        byte[] piece = Encoding.ASCII.GetBytes(new string('v', 1500));
        _log.Line("x"u8).Add("a"u8, piece).Add("b"u8, piece).Add("c"u8, piece).Add("d"u8, piece).Write();
        string line = Assert.Single(_kept.Lines);
        Assert.InRange(line.Length, 3000, Log.LineBytes);
        Assert.EndsWith(" cut=true\n", line);
    }

    [Fact]
    public void A_hostile_value_of_any_length_stays_in_bounds()
    {
        for (int length = 0; length < 3000; length += 7)
        {
            byte[] value = new byte[length];
            _log.Line("x"u8).Add("a"u8, value).Add("b"u8, value).Write();
        }
        Assert.All(_kept.Lines, l => Assert.True(l.Length <= Log.LineBytes && l[^1] == '\n'));
    }

    [Fact]
    public void Writing_allocates_nothing()
    {
        var log = new Log(new Discards(), TimeProvider.System);
        var peer = new IPEndPoint(IPAddress.Loopback, 1);
        long before = 0;
        for (int i = 0; i < 200; i++)
        {
            if (i == 100)
            {
                before = GC.GetAllocatedBytesForCurrentThread();
            }
            log.Line("accept"u8).Add("id"u8, "ABC"u8).Add("peer"u8, peer).Add("from"u8, "a b"u8).Add("n"u8, i).AddSeconds("d"u8, i).Add("text"u8, "some text").Write();
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private sealed class Kept : Output
    {
        public List<string> Lines { get; } = [];

        public bool Journal { get; init; }

        public override bool IsJournal => Journal;

        public override long Dropped => 0;

        public override bool TryWrite(ReadOnlySpan<byte> line)
        {
            Lines.Add(Encoding.Latin1.GetString(line));
            return true;
        }
    }

    private sealed class Discards : Output
    {
        public override long Dropped => 0;

        public override bool TryWrite(ReadOnlySpan<byte> line) => true;
    }
}
