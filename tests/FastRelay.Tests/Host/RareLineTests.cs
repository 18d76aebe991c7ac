using FastRelay.Host.Admin;

namespace FastRelay.Tests.Host;

public sealed class RareLineTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(400)] // days since the host was started: its clock in ns, times 1,000, is past 63 bits
    public void One_is_said_in_ten_seconds_with_how_often_it_happened(int days)
    {
        var time = new SteppedTime { Now = TimeSpan.FromDays(days) };
        var line = new RareLine(time);
        Assert.Equal(1, line.Happened());
        time.Now += TimeSpan.FromSeconds(RareLine.Seconds - 1);
        Assert.Equal([0, 0], [line.Happened(), line.Happened()]);
        time.Now += TimeSpan.FromSeconds(1);
        Assert.Equal(3, line.Happened());
        Assert.Equal(0, line.Happened());
    }

    private sealed class SteppedTime : TimeProvider
    {
        public TimeSpan Now { get; set; }

        public override long TimestampFrequency => 1_000_000_000;

        public override long GetTimestamp() => Now.Ticks * 100;
    }
}
