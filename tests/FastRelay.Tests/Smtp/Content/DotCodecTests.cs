using System.Text;
using FastRelay.Smtp;
using Xunit;

namespace FastRelay.Tests.Smtp.Content;

public class DotCodecTests
{
    [Fact]
    public void With_too_little_room_nothing_is_lost()
    {
        var decoder = default(DotDecoder);
        Assert.Equal(DotStatus.NeedSpace, decoder.Decode("a\r\n.\r\n"u8, [], out var consumed, out var written));
        Assert.Equal((0, 0), (consumed, written));
        Assert.Equal(DotStatus.End, decoder.Decode("a\r\n.\r\n"u8, new byte[16], out consumed, out written));
        Assert.Equal((6, 3), (consumed, written));
    }

    [Fact]
    public void A_clean_megabyte_comes_out_as_it_went_in()
    {
        var text = new StringBuilder();
        for (var i = 0; text.Length < 1 << 20; i++)
        {
            text.Append(i % 7 == 0 ? ".." : "").Append('x', i % 200).Append("\r\n");
        }

        byte[] stored = Encoding.ASCII.GetBytes(text.ToString());
        byte[] wire = [.. stored, .. ".\r\n"u8];
        var output = new byte[wire.Length + DotDecoder.OutputMin];
        var decoder = default(DotDecoder);
        Assert.Equal(DotStatus.End, decoder.Decode(wire, output, out var consumed, out var written));
        Assert.Equal(wire.Length, consumed);
        Assert.True(stored.AsSpan().SequenceEqual(output.AsSpan(0, written)));
        Assert.Equal(stored.Length - decoder.StuffedDots, decoder.ContentLength);
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("a", "a\r\n")]
    [InlineData(".", "..\r\n")]
    [InlineData(".\n.\r.\r\n", "..\r\n..\r\n..\r\n")]
    [InlineData("a\r", "a\r\n")]
    [InlineData("\r\r\n", "\r\n\r\n")]
    public void Raw_content_is_normalised_stuffed_and_ended(string content, string expected)
    {
        var encoder = default(DotEncoder);
        var output = new byte[64];
        Assert.Equal(DotStatus.NeedMore, encoder.Encode(Encoding.ASCII.GetBytes(content), output, out var consumed, out var written));
        Assert.Equal(content.Length, consumed);
        var wasOpen = expected.Length > written;
        Assert.Equal(!wasOpen, encoder.Finish([], out _));
        Assert.True(encoder.Finish(output.AsSpan(written), out var last));
        Assert.Equal(expected, Encoding.ASCII.GetString(output, 0, written + last));
    }

    [Fact]
    public void Unstuffing_needs_room_for_all_of_its_input()
        => Assert.Throws<ArgumentException>(() => default(DotUnstuffer).Decode("ab"u8, new byte[1]));
}
