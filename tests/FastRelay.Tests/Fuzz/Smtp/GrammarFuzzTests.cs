using System.Net;
using FastRelay.Smtp;
using FastRelay.Tests.Golden;
using Xunit;

namespace FastRelay.Tests.Fuzz.Smtp;

/// <summary>Lines, replies, paths and literals against their slow twins.</summary>
public class GrammarFuzzTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Random_streams_are_cut_into_lines_as_the_twin_says(int seed)
    {
        var random = new Random(seed);
        for (var i = 0; i < 30_000; i++)
        {
            var stream = Pick(random, ["\r\n", "\r\n", "\r", "\n", "\0", "NOOP", "x", "xxxxxxxx", "\xFF"], random.Next(20));
            var limit = 2 + random.Next(20);
            var actual = ScanLines(SlowTwins.Bytes(stream), Cuts.Random(random, stream.Length), limit);
            Assert.Equal(SlowTwins.Lines(SlowTwins.Bytes(stream), limit), actual);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Random_replies_are_read_as_the_twin_says(int seed)
    {
        var random = new Random(seed);
        string[] parts =
        [
            "250 ", "250-", "250", "\r\n", "\r\n", "\r\n", "\n", "\r", "ok", "2.1.5 ", "2.1.0 ", "5.1.1 ", "\t", "\xC3\xA9", "\xFF", "\xE2\x82\xAC", "\xF0\x9F\x98\x80",
            "\xC2\x85", "\xED\xA0\x80", "\x7F", "\x1B", "xxxxxxxxxxxxxxxxxxxx", "250 2.0.0 queued\r\n", "250-a\r\n", "550 5.1.1 no\r\n",
        ];
        for (var i = 0; i < 30_000; i++)
        {
            var stream = (random.Next(3) == 0 ? "" : "250-") + Pick(random, parts, random.Next(14));
            var (lineMax, totalMax, linesMax) = (8 + random.Next(40), 20 + random.Next(100), 1 + random.Next(5));
            var actual = Drivers.Replies(SlowTwins.Bytes(stream), Cuts.Random(random, stream.Length), new ReplyParser(lineMax, totalMax, linesMax));
            var expected = SlowTwins.Replies(SlowTwins.Bytes(stream), lineMax, totalMax, linesMax, 512);
            Assert.True(expected.SequenceEqual(actual), $"{Escaped.FromBytes(SlowTwins.Bytes(stream))} {lineMax} {totalMax} {linesMax}\n{string.Join('\n', expected)}\n{string.Join('\n', actual)}");
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Random_paths_are_accepted_or_refused_as_the_twin_says(int seed)
    {
        var random = new Random(seed);
        string[] parts =
        [
            "<", ">", "@", "a", "b.c", ".", "-", "_", "\"", "\\", " ", "\r", "\n", "\0", "\t", "postmaster", "PostMaster", ",", ":", "[127.0.0.1]", "[IPv6:::1]", "[IPv6:1::2.3.4.5]", "[x]",
            "<a@b>", "<@x,@y.z:a@b>", "\"q q\"", "\"\\\"\"", "example.org", "+tag", "SIZE=1", new string('l', 32), new string('d', 63), "\x7F",
        ];
        var accepted = 0;
        for (var i = 0; i < 60_000; i++)
        {
            // Half of them are good paths with one part changed.
            var argument = random.Next(2) == 0
                ? Pick(random, parts, random.Next(10))
                : "<" + (random.Next(4) == 0 ? "@r.example:" : "") + Pick(random, ["a", "b.c", "\"q q\"", "\"\\\"\"", "+tag", "postmaster", "\"q\rq\"", "\"\0\"", "\"\\\n\""], 1) + (random.Next(8) == 0 ? Pick(random, parts, 1) : "")
                    + (random.Next(6) == 0 ? "" : "@") + Pick(random, ["b", "example.org", "[127.0.0.1]", "[IPv6:::1]", "a-b.c_d"], 1) + (random.Next(8) == 0 ? Pick(random, parts, 1) : "") + ">" + Pick(random, ["", " SIZE=1", "x"], 1);
            foreach (var forward in new[] { true, false })
            {
                var expected = SlowTwins.Path(argument, forward);
                var status = Parse(SlowTwins.Bytes(argument), forward, out var actual);
                Assert.True(expected is null == (status != PathStatus.Ok) && (expected is null || expected == actual), $"{Escaped.FromBytes(SlowTwins.Bytes(argument))} forward {forward}: {status} {actual}, twin {expected}");
                accepted += status == PathStatus.Ok ? 1 : 0;
            }
        }

        Assert.True(accepted > 10_000, "the generator makes too few good paths to prove anything");
    }

    [Theory]
    [InlineData(1)]
    public void Random_address_literals_are_read_as_the_class_library_reads_them(int seed)
    {
        var random = new Random(seed);
        var accepted = 0;
        for (var i = 0; i < 100_000; i++)
        {
            var text = (random.Next(2) == 0 ? "IPv6:" : "") + Pick(random, ["1", "0", "f", "ff00", "12345", ":", "::", ":", ":1", ":ab", "1:2:3:4", "5:6:7:8", ".", "1.2.3.4", "255", ".0.0.1", "256", "010", "g"], random.Next(10));
            var expected = SlowTwins.Literal($"[{text}]");
            var isOk = DomainName.TryParseAddressLiteral(SlowTwins.Bytes($"[{text}]"), out var actual);
            Assert.True(expected is not null == isOk && (!isOk || Same(expected!, actual)), $"[{text}]: {isOk} {actual}, class library {expected}");
            accepted += isOk ? 1 : 0;
        }

        Assert.True(accepted > 1_000, "the generator makes too few good literals to prove anything");
    }

    private static bool Same(IPAddress expected, IPAddress actual) => expected.GetAddressBytes().SequenceEqual(actual.GetAddressBytes());

    private static string Pick(Random random, string[] parts, int count) => string.Concat(Enumerable.Range(0, count).Select(_ => parts[random.Next(parts.Length)]));

    private static PathStatus Parse(byte[] argument, bool forward, out (string Local, string Domain, int Consumed) parts)
    {
        var status = forward
            ? MailPath.ParseForward(argument, false, out var path, out var consumed)
            : MailPath.ParseReverse(argument, false, out path, out consumed);
        parts = (SlowTwins.Text(path.LocalPart), SlowTwins.Text(path.Domain), consumed);
        return status;
    }

    private static List<string> ScanLines(byte[] stream, int[] cut, int limit)
    {
        var scanner = default(LineScanner);
        var result = new List<string>();
        var (from, to) = (0, 0);
        foreach (var piece in cut)
        {
            to += piece;
            while (true)
            {
                var status = scanner.Next(stream.AsSpan(from, to - from), limit, out var length, out var consumed);
                var line = SlowTwins.Text(stream.AsSpan(from, length));
                from += consumed;
                if (status == ScanStatus.NeedMore)
                {
                    Assert.True(to - from < limit, "NeedMore must leave less than a line");
                    break;
                }

                if (status == ScanStatus.Tail)
                {
                    continue;
                }

                result.Add(status == ScanStatus.TooLong ? "TooLong" : $"{status} {line}");
            }
        }

        return result;
    }
}
