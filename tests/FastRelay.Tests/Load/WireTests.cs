using System.Text;
using FastRelay.Load;

namespace FastRelay.Tests.Load;

public sealed class WireTests
{
    private static readonly LoadMark s_mark = new(0xdeadbeef, 1234567, 3, 1_764_041_234_567_890, 0x0badf00d, 4096);

    [Theory]
    [InlineData(".\r\nQUIT\r\n", 3)]
    [InlineData("a\r\n.\r\nMAIL", 6)]
    [InlineData("a\r\n..\r\n.\r\n", 10)]
    [InlineData("\r\n.\r\n", 5)]
    [InlineData("a\n.\n\r\n.\r\n", 9)]
    [InlineData("a\r.\r\n.\r\n", 8)]
    [InlineData("a\r\n.\r\r\n.\r\n.", 10)]
    [InlineData("\r\r\n.\r\n", 6)]
    [InlineData("x\r\n.\rx\r\n.\r\n", 11)]
    public void The_end_of_a_message_is_found_however_it_is_cut(string wire, int length)
    {
        byte[] octets = Encoding.Latin1.GetBytes(wire);
        for (int piece = 1; piece <= octets.Length; piece++)
        {
            var end = default(EndOfData);
            int total = 0;
            bool ended = false;
            for (int at = 0; at < octets.Length && !ended; at += piece)
            {
                ended = end.Find(octets.AsSpan(at, Math.Min(piece, octets.Length - at)), out int consumed);
                total += consumed;
            }
            Assert.True(ended, $"in pieces of {piece}");
            Assert.Equal(length, total);
        }
    }

    [Theory]
    [InlineData("a\r\n.")]
    [InlineData("a\n.\n")]
    [InlineData("a\r.\r")]
    [InlineData("a\r\n.\n")]
    [InlineData("x.\r\n")]
    [InlineData("..\r\n")]
    public void What_only_looks_like_an_end_is_none(string wire)
    {
        var end = default(EndOfData);
        Assert.False(end.Find(Encoding.Latin1.GetBytes(wire), out int consumed));
        Assert.Equal(wire.Length, consumed);
    }

    [Fact]
    public void A_finder_is_ready_for_the_next_message_at_once()
    {
        var end = default(EndOfData);
        Assert.True(end.Find("one\r\n.\r\n"u8, out _));
        Assert.True(end.Find(".\r\n"u8, out int consumed));
        Assert.Equal(3, consumed);
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("123456789", "123456789")]
    [InlineData("a\r\n..b\r\n...\r\nc\r\n.\r\n", "a\r\n.b\r\n..\r\nc\r\n")]
    [InlineData("..\r\n.\r\n", ".\r\n")]
    [InlineData(".\rx\r\n.\r\n", "\rx\r\n")]
    [InlineData(".\r\r\n.\r\n", "\r\r\n")]
    [InlineData("a\r\r\n..\r\n.\r\nQUIT", "a\r\r\n.\r\n")]
    public void A_sum_is_that_of_the_content_without_stuffing_however_it_is_cut(string wire, string content)
    {
        byte[] octets = Encoding.Latin1.GetBytes(wire);
        for (int piece = 1; piece <= octets.Length + 1; piece++)
        {
            var sum = default(ContentSum);
            for (int at = 0; at < octets.Length; at += piece)
            {
                sum.Add(octets.AsSpan(at, Math.Min(piece, octets.Length - at)));
            }
            Assert.Equal(SlowCrc(content), sum.Crc);
            Assert.Equal(content.Length, sum.Length);
        }
    }

    [Fact]
    public void The_sum_is_CRC_32C()
    {
        var sum = default(ContentSum);
        sum.Add("123456789"u8);
        Assert.Equal(0xE3069283u, sum.Crc);
    }

    [Fact]
    public void A_mark_is_read_as_it_was_written_and_always_as_long()
    {
        byte[] field = new byte[LoadMark.FieldLength];
        Assert.Equal(LoadMark.FieldLength, s_mark.Write(field));
        Assert.EndsWith("\r\n", Encoding.ASCII.GetString(field), StringComparison.Ordinal);
        Assert.True(LoadMark.TryRead(field.AsSpan(0, field.Length - 2), out LoadMark read));
        Assert.Equal(s_mark, read);
        Assert.Equal(LoadMark.FieldLength, default(LoadMark).Write(field));
    }

    [Theory]
    [InlineData("Subject: x")]
    [InlineData("X-FastRelay-Load: ")]
    [InlineData("X-FastRelay-Load: run=zzzzzzzz seq=000000000000 of=000001 at=00000000000000000 crc=00000000 len=000000000000")]
    [InlineData("X-FastRelay-Load: run=00000000 seq=000000000000 of=000000 at=00000000000000000 crc=00000000 len=000000000000")]
    [InlineData("X-FastRelay-Load: run=00000000 seq=000000000000 of=000001 at=00000000000000000 crc=00000000 len=000000000000 ")]
    public void Another_line_is_no_mark(string line) => Assert.False(LoadMark.TryRead(Encoding.ASCII.GetBytes(line), out _));

    [Fact]
    public void A_made_message_is_found_intact_behind_the_fields_that_relays_add_however_it_is_cut()
    {
        byte[] wire = [.. "Received: from a by b\r\n\twith ESMTP; x\r\n"u8, .. Made(new LoadOptions { Targets = [new(0, 1)], Sizes = SizeMix.Of(1500) }, 9), .. ".\r\n"u8];
        for (int piece = 1; piece < 200; piece++)
        {
            Assert.Equal(CheckedAs.Intact, Check(wire, piece, out LoadMark mark));
            Assert.Equal(9, mark.Sequence);
            Assert.Equal(77u, mark.Run);
        }
    }

    [Fact]
    public void Any_changed_octet_of_the_body_is_noticed()
    {
        byte[] wire = [.. Made(new LoadOptions { Targets = [new(0, 1)], Sizes = SizeMix.Of(700) }, 0), .. ".\r\n"u8];
        int body = wire.AsSpan().IndexOf("\r\n\r\n"u8) + 4;
        for (int i = body; i < wire.Length - 5; i++)
        {
            byte was = wire[i];
            wire[i] = (byte)'#';
            Assert.Equal(CheckedAs.Damaged, Check(wire, 4096, out _));
            wire[i] = was;
        }
    }

    [Fact]
    public void A_body_that_is_cut_short_is_noticed()
    {
        byte[] wire = Made(new LoadOptions { Targets = [new(0, 1)], Sizes = SizeMix.Of(1000) }, 0);
        Assert.Equal(CheckedAs.Damaged, Check([.. wire[..^78], .. ".\r\n"u8], 4096, out _));
    }

    [Fact]
    public void A_message_of_somebody_else_is_unmarked()
    {
        byte[] wire = Encoding.ASCII.GetBytes($"Subject: {new string('x', 900)}\r\n\r\nX-FastRelay-Load: body\r\n.\r\n");
        Assert.Equal(CheckedAs.Unmarked, Check(wire, 100, out _));
        Assert.Equal(CheckedAs.Unmarked, Check(".\r\n"u8.ToArray(), 100, out _));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(600)]
    [InlineData(4096)]
    [InlineData(4097)]
    [InlineData(100_000)]
    public void A_made_message_has_the_size_that_was_asked_for_and_whole_lines(int size)
    {
        var options = new LoadOptions { Targets = [new(0, 1)], Sizes = SizeMix.Of(size) };
        int header = Made(options with { Sizes = SizeMix.Of(1) }, 0).Length;
        for (int sequence = 0; sequence < 50; sequence++)
        {
            byte[] wire = Made(options, sequence);
            // One octet alone cannot be a line: it becomes an empty one.
            Assert.InRange(wire.Length, Math.Max(size, header), Math.Max(size, header) + 1);
            Assert.EndsWith("\r\n", Encoding.ASCII.GetString(wire), StringComparison.Ordinal);
            Assert.Equal(CheckedAs.Intact, Check([.. wire, .. ".\r\n"u8], 4096, out _));
        }
    }

    [Fact]
    public void Two_messages_do_not_have_one_body()
    {
        var options = new LoadOptions { Targets = [new(0, 1)], Sizes = SizeMix.Of(2000) };
        string[] bodies = [.. Enumerable.Range(0, 100).Select(i => Encoding.ASCII.GetString(Made(options, i)).Split("\r\n\r\n")[1])];
        Assert.True(bodies.Distinct().Count() > 90);
    }

    [Fact]
    public void A_real_message_goes_as_it_is_behind_its_mark()
    {
        byte[] stored = "Subject: real\r\n\r\n..dot\r\nend\r\n"u8.ToArray();
        byte[] wire = Made(new LoadOptions { Targets = [new(0, 1)], Files = [stored] }, 5);
        Assert.Equal(stored, wire[LoadMark.FieldLength..]);
        Assert.Equal(CheckedAs.Intact, Check([.. wire, .. ".\r\n"u8], 7, out LoadMark mark));
        Assert.Equal(".dot\r\nend\r\n".Length, mark.BodyLength);
    }

    [Fact]
    public void A_mix_gives_each_share_its_weight_and_stays_within_its_bounds()
    {
        var mix = new SizeMix([new SizeShare(1000, 1000, 3), new SizeShare(10_000, 20_000, 1)]);
        long[] sizes = [.. Enumerable.Range(0, 10_000).Select(i => mix.SizeOf(i, 1))];
        Assert.All(sizes, s => Assert.True(s is 1000 or (>= 10_000 and <= 20_000)));
        Assert.InRange(sizes.Count(s => s == 1000), 7200, 7800);
        Assert.Equal(sizes, Enumerable.Range(0, 10_000).Select(i => mix.SizeOf(i, 1)));
        Assert.Equal(20_000, mix.Most);
    }

    private static byte[] Made(LoadOptions options, long sequence)
    {
        var maker = new MessageMaker(options, 77, DateTimeOffset.UnixEpoch);
        byte[] head = new byte[MessageMaker.HeadBytes];
        MadeMessage made = maker.Make(sequence, 1, head);
        return [.. head.AsSpan(0, made.HeadLength), .. made.Body.Span, .. maker.TailOf(made.TailLength)];
    }

    private static CheckedAs Check(byte[] wire, int piece, out LoadMark mark)
    {
        var check = new MessageCheck();
        check.Start();
        for (int at = 0; at < wire.Length; at += piece)
        {
            check.Add(wire.AsSpan(at, Math.Min(piece, wire.Length - at)));
        }
        mark = check.Mark;
        return check.Verdict();
    }

    private static uint SlowCrc(string content)
    {
        uint crc = uint.MaxValue;
        foreach (char c in content)
        {
            crc ^= c;
            for (int bit = 0; bit < 8; bit++)
            {
                crc = (crc >> 1) ^ ((crc & 1) * 0x82F63B78);
            }
        }
        return ~crc;
    }
}
