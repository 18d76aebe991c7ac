using System.Net;
using FastRelay.Config;

namespace FastRelay.Tests.Config;

public sealed class ConfigTextTests
{
    [Theory]
    [InlineData("5m", 300_000)]
    [InlineData("250ms", 250)]
    [InlineData("1h30m", 5_400_000)]
    [InlineData("1w2d3h4m5s6ms", 604_800_000 + (2 * 86_400_000) + (3 * 3_600_000) + (4 * 60_000) + 5_000 + 6)]
    [InlineData("0s", 0)]
    [InlineData("", -1)]
    [InlineData("5", -1)]
    [InlineData("m", -1)]
    [InlineData("-5m", -1)]
    [InlineData("5M", -1)]
    [InlineData("5m3h", -1)]
    [InlineData("5m5m", -1)]
    [InlineData("1.5h", -1)]
    [InlineData("5 m", -1)]
    [InlineData("9223372036854775807w", -1)]
    [InlineData("9223372036854775807ms", long.MaxValue)]
    [InlineData("1s9223372036854775807ms", -1)]
    public void Durations(string text, long expected)
    {
        bool ok = ConfigText.TryParseDuration(text, out long ms);
        Assert.Equal(expected >= 0, ok);
        if (ok)
        {
            Assert.Equal(expected, ms);
        }
    }

    [Theory]
    [InlineData("50MiB", 50L << 20)]
    [InlineData("64 KiB", 65536)]
    [InlineData("2GB", 2_000_000_000)]
    [InlineData("7B", 7)]
    [InlineData("50", -1)]
    [InlineData("50mib", -1)]
    [InlineData("MiB", -1)]
    [InlineData("1.5MiB", -1)]
    [InlineData("9000000TiB", -1)]
    public void Sizes(string text, long expected)
    {
        bool ok = ConfigText.TryParseSize(text, out long bytes);
        Assert.Equal(expected >= 0, ok);
        if (ok)
        {
            Assert.Equal(expected, bytes);
        }
    }

    [Fact]
    public void What_is_written_is_read_back()
    {
        foreach (long ms in (long[])[1, 999, 1_000, 90_000, 300_000, 5_400_000, 86_400_000, 604_800_000, 604_800_001])
        {
            Assert.True(ConfigText.TryParseDuration(ConfigText.FormatDuration(ms), out long read));
            Assert.Equal(ms, read);
        }
        foreach (long bytes in (long[])[0, 1, 1023, 1024, 1536, 1 << 20, 50 << 20, 1L << 40, 60_000_000, 1_500_000, 1_000])
        {
            Assert.True(ConfigText.TryParseSize(ConfigText.FormatSize(bytes), out long read));
            Assert.Equal(bytes, read);
        }
    }

    [Theory]
    [InlineData(60_000_000, "60MB")]
    [InlineData(1_500_000, "1500kB")]
    [InlineData(1_536_000, "1500KiB")]
    [InlineData(1_048_576, "1MiB")]
    [InlineData(1_023, "1023B")]
    public void A_size_is_written_as_it_was_probably_given(long bytes, string text) => Assert.Equal(text, ConfigText.FormatSize(bytes));

    [Theory]
    [InlineData(512, "512 B")]
    [InlineData(1536, "1.5 KiB")]
    [InlineData(2048, "2 KiB")]
    [InlineData(300L << 20, "300 MiB")]
    [InlineData(1L << 40, "1 TiB")]
    public void Sizes_for_people(long bytes, string expected) => Assert.Equal(expected, ConfigText.ShowSize(bytes));

    [Theory]
    [InlineData("10.0.0.0/8", "10.1.2.3", true)]
    [InlineData("10.0.0.0/8", "11.0.0.1", false)]
    [InlineData("192.0.2.128/25", "192.0.2.129", true)]
    [InlineData("192.0.2.128/25", "192.0.2.1", false)]
    [InlineData("192.0.2.7", "192.0.2.7", true)]
    [InlineData("192.0.2.7", "192.0.2.8", false)]
    [InlineData("fd00::/8", "fdff::1", true)]
    [InlineData("fd00::/8", "fe00::1", false)]
    [InlineData("0.0.0.0/0", "203.0.113.9", true)]
    public void A_network_holds_what_it_says(string text, string address, bool expected)
    {
        Assert.True(ConfigText.TryParseNetwork(text, out IPNetwork network, out _));
        Assert.Equal(expected, network.Contains(IPAddress.Parse(address)));
        Assert.Equal(text, EffectiveConfig.Network(network));
    }

    [Theory]
    [InlineData("messge_bytes", "message_bytes")]
    [InlineData("Recipients", "recipients")]
    [InlineData("zzz", null)]
    public void The_nearest_word_is_found_or_none(string word, string? expected) =>
        Assert.Equal(expected, Suggestion.Nearest(word, ["recipients", "message_bytes", "hops"]));
}
