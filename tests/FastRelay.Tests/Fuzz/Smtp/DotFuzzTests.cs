using FastRelay.Smtp;
using FastRelay.Tests.Golden;
using Xunit;

namespace FastRelay.Tests.Fuzz.Smtp;

/// <summary>The dot codec against its slow twin.</summary>
public class DotFuzzTests
{
    private static readonly byte[] Alphabet = "\r\n.a"u8.ToArray();
    private static readonly byte[] Tail = "\r\n.\r\n"u8.ToArray();

    [Fact]
    public void Every_string_of_up_to_eight_octets_decodes_as_the_twin_says_at_every_cut()
    {
        for (var length = 0; length <= 8; length++)
        {
            var count = 1 << (2 * length);
            for (var number = 0; number < count; number++)
            {
                var stream = Enumerate(number, length);
                var isShort = length <= 6;
                CheckOpen(stream);
                stream = [.. stream, .. Tail];
                foreach (var cut in isShort ? Cuts.Of(stream.Length) : [[stream.Length], Enumerable.Repeat(1, stream.Length).ToArray(), [stream.Length / 2, stream.Length - (stream.Length / 2)]])
                {
                    Check(stream, cut, (number & 1) == 0 ? DotDecoder.OutputMin : 64);
                }
            }
        }
    }

    [Fact]
    public void Samples_of_nine_to_twelve_octets_decode_as_the_twin_says()
    {
        var random = new Random(912);
        for (var i = 0; i < 60_000; i++)
        {
            var length = 9 + (i & 3);
            byte[] stream = [.. Enumerate(random.Next(1 << (2 * length)), length), .. Tail];
            Check(stream, Cuts.Random(random, stream.Length), (i & 4) == 0 ? DotDecoder.OutputMin : 64);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Random_streams_decode_as_the_twin_says(int seed)
    {
        var random = new Random(seed);
        for (var i = 0; i < 20_000; i++)
        {
            byte[] stream = [.. RandomContent(random, random.Next(200)), .. Tail, .. RandomContent(random, random.Next(4))];
            Check(stream, Cuts.Random(random, stream.Length), random.Next(2) == 0 ? 4 + random.Next(20) : 4096);
        }
    }

    // What is looked through by 64 octets at a time: whatever stands at, before or behind the edge of such a piece, and where it is cut.
    [Fact]
    public void Every_four_octets_at_every_place_of_long_lines_decode_as_the_twin_says()
    {
        for (var number = 0; number < 256; number++)
        {
            var special = Enumerate(number, 4);
            for (var place = 0; place <= 140; place++)
            {
                var stream = new byte[200];
                Array.Fill(stream, (byte)'a');
                "\r\n.."u8.CopyTo(stream.AsSpan(number & 31)); // lines and a stuffed dot before it, out of step with the pieces
                special.CopyTo(stream.AsSpan(place));
                stream = [.. stream, .. Tail];
                Check(stream, [stream.Length], 4096);
                Check(stream, [place + (number % 5), stream.Length - place - (number % 5)], 4096);
            }
        }
    }

    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    public void Random_content_encodes_as_the_twin_says_and_decodes_to_itself(int seed)
    {
        var random = new Random(seed);
        for (var i = 0; i < 20_000; i++)
        {
            var content = RandomContent(random, random.Next(120));
            var cut = Cuts.Random(random, content.Length);
            var stored = Encode(content, cut, random.Next(2) == 0 ? 4 + random.Next(10) : 4096, out var stuffed);
            var expected = SlowTwins.Encode(SlowTwins.Text(content));
            Assert.Equal(expected, SlowTwins.Text(stored));
            Assert.Equal(expected.Length - SlowTwins.Unstuff(expected).Length, stuffed);
            Assert.Equal(SlowTwins.Unstuff(expected), SlowTwins.Text(Unstuff(stored, Cuts.Random(random, stored.Length))));

            // What is stored goes over the wire and comes back as it is: the next hop sees one message, this one.
            byte[] wire = [.. stored, .. ".\r\n"u8];
            var again = Drivers.Dots(wire, Cuts.Random(random, wire.Length), 4096);
            Assert.True(again.Ended && again.Left == 0 && again.BareNewlines == 0);
            Assert.Equal(stored, again.Stored);
            Assert.Equal(stuffed, again.StuffedDots);
        }
    }

    [Theory]
    [InlineData(21)]
    public void Random_headers_are_counted_as_the_twin_says(int seed)
    {
        var random = new Random(seed);
        string[] parts = ["Received:", "received :", "RECEIVED\t: x", "X-Received:", "Receive:", "Receivedd:", " Received:", "Subject: x", "\r\n", "\r\n", "\r\n", "..", "\0", "Received"];
        for (var i = 0; i < 20_000; i++)
        {
            var stored = SlowTwins.Encode(string.Concat(Enumerable.Range(0, random.Next(14)).Select(_ => parts[random.Next(parts.Length)])));
            var scanner = default(HeaderScanner);
            var at = 0;
            foreach (var piece in Cuts.Random(random, stored.Length))
            {
                scanner.Feed(SlowTwins.Bytes(stored.Substring(at, piece)));
                at += piece;
            }

            Assert.Equal(SlowTwins.Header(stored), (scanner.HeaderOctets, scanner.ReceivedCount, scanner.HasEnded));
        }
    }

    internal static byte[] Encode(byte[] content, int[] cut, int room, out long stuffed)
    {
        var encoder = default(DotEncoder);
        var buffer = new byte[room];
        var stored = new List<byte>();
        var at = 0;
        foreach (var piece in cut)
        {
            var input = content.AsSpan(at, piece);
            at += piece;
            DotStatus status;
            do
            {
                status = encoder.Encode(input, buffer, out var consumed, out var written);
                stored.AddRange(buffer.AsSpan(0, written));
                input = input[consumed..];
            }
            while (status == DotStatus.NeedSpace);
            Assert.True(input.IsEmpty);
        }

        Assert.True(encoder.Finish(buffer, out var last));
        stored.AddRange(buffer.AsSpan(0, last));
        stuffed = encoder.StuffedDots;
        return [.. stored];
    }

    private static byte[] Unstuff(byte[] stored, int[] cut)
    {
        var unstuffer = default(DotUnstuffer);
        var content = new List<byte>();
        var buffer = new byte[stored.Length];
        var at = 0;
        foreach (var piece in cut)
        {
            content.AddRange(buffer.AsSpan(0, unstuffer.Decode(stored.AsSpan(at, piece), buffer)));
            at += piece;
        }

        return [.. content];
    }

    private static void Check(byte[] stream, int[] cut, int room)
    {
        var expected = SlowTwins.Dots(stream);
        var actual = Drivers.Dots(stream, cut, room);
        if (expected?.ToString() != actual.ToString())
        {
            Assert.Fail($"{Escaped.FromBytes(stream)} cut {string.Join(',', cut)} room {room}\nexpected {expected}\nactual   {actual}");
        }

        CheckStored(SlowTwins.Text(actual.Stored), stream);
    }

    // Without an end there is none, and what came out so far is as safe as a whole message.
    private static void CheckOpen(byte[] stream)
    {
        var actual = Drivers.Dots(stream, [stream.Length], 64);
        if (actual.Ended != SlowTwins.Dots(stream) is not null)
        {
            Assert.Fail($"{Escaped.FromBytes(stream)}: ended {actual.Ended}");
        }

        CheckStored(SlowTwins.Text(actual.Stored), stream);
    }

    private static void CheckStored(string stored, byte[] stream)
    {
        var rest = stored.Replace("\r\n", "", StringComparison.Ordinal);
        if (rest.AsSpan().ContainsAny('\r', '\n') || stored.StartsWith(".\r\n", StringComparison.Ordinal) || stored.Contains("\n.\r\n", StringComparison.Ordinal))
        {
            Assert.Fail($"{Escaped.FromBytes(stream)}: unsafe {Escaped.FromBytes(SlowTwins.Bytes(stored))}");
        }
    }

    private static byte[] Enumerate(int number, int length)
    {
        var stream = new byte[length];
        for (var i = 0; i < length; i++)
        {
            stream[i] = Alphabet[(number >> (2 * i)) & 3];
        }

        return stream;
    }

    // Runs of text and true line ends, with dots, bare CRs and LFs, NUL and high octets among them.
    private static byte[] RandomContent(Random random, int length)
    {
        var content = new List<byte>();
        while (content.Count < length)
        {
            switch (random.Next(10))
            {
                case 0 or 1:
                    content.AddRange("\r\n"u8);
                    break;
                case 2:
                    content.Add((byte)'\r');
                    break;
                case 3:
                    content.Add((byte)'\n');
                    break;
                case 4 or 5:
                    content.Add((byte)'.');
                    break;
                case 6:
                    content.AddRange(Enumerable.Repeat((byte)'x', random.Next(90)));
                    break;
                case 7:
                    content.Add((byte)random.Next(256));
                    break;
                case 8:
                    content.AddRange("\r\n."u8);
                    break;
                default:
                    content.Add((byte)'a');
                    break;
            }
        }

        return [.. content];
    }
}
