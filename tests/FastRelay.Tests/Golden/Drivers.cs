using System.Text;
using FastRelay.Smtp;

namespace FastRelay.Tests.Golden;

/// <summary>Callers of the parsers, as plain as possible: pieces come in, unconsumed octets are kept in front of the next piece, each result is one line of text.</summary>
internal static class Drivers
{
    internal static List<string> Commands(byte[] stream, int[] cut, int limit)
    {
        var scanner = default(LineScanner);
        var result = new List<string>();
        Drive(stream, cut, pending =>
        {
            var status = scanner.Next(pending, limit, out var length, out var consumed);
            switch (status)
            {
                case ScanStatus.Line:
                    var command = Command.Parse(pending.AsSpan(0, length));
                    result.Add(Escaped.FromBytes([.. Encoding.ASCII.GetBytes($"{command.Verb}{(command.IsMalformed ? "!" : "")} "), .. command.Argument]).TrimEnd());
                    break;
                case ScanStatus.NeedMore:
                    return (consumed, false);
                case ScanStatus.Tail:
                    break;
                default:
                    result.Add(status.ToString());
                    break;
            }

            return (consumed, true);
        });
        return result;
    }

    internal static List<string> Replies(byte[] stream, int[] cut, ReplyParser parser, int textMax = 512)
    {
        var text = new byte[textMax];
        var result = new List<string>();
        var bad = false;
        Drive(stream, cut, pending =>
        {
            if (bad)
            {
                return (pending.Length, false);
            }

            var status = parser.Feed(pending, text, out var consumed);
            if (status == ReplyStatus.NeedMore)
            {
                return (consumed, false);
            }

            bad = status == ReplyStatus.Bad;
            result.Add(bad ? "Bad" : $"{parser.Code} {parser.EnhancedCode} {(parser.IsMultiline ? "multi" : "one")} |{Escaped.FromBytes(text.AsSpan(0, parser.TextLength))}|");
            return (consumed, !bad);
        });
        return result;
    }

    /// <summary>Decodes into pieces of <paramref name="room"/> octets. Gives stored form, counts and what was left behind the end; ends with "open" when no end came.</summary>
    internal static DotResult Dots(byte[] stream, int[] cut, int room)
    {
        var decoder = default(DotDecoder);
        var stored = new List<byte>();
        var buffer = new byte[room];
        var at = 0;
        foreach (var piece in cut)
        {
            var input = stream.AsSpan(at, piece);
            while (true)
            {
                var status = decoder.Decode(input, buffer, out var consumed, out var written);
                stored.AddRange(buffer.AsSpan(0, written));
                input = input[consumed..];
                at += consumed;
                if (status == DotStatus.End)
                {
                    return new DotResult([.. stored], true, stream.Length - at, decoder.StuffedDots, decoder.BareNewlines, decoder.ContentLength);
                }

                if (status == DotStatus.NeedMore)
                {
                    if (!input.IsEmpty)
                    {
                        throw new InvalidOperationException("NeedMore must consume all.");
                    }

                    break;
                }

                if (consumed == 0 && written == 0)
                {
                    throw new InvalidOperationException("No progress with room.");
                }
            }
        }

        return new DotResult([.. stored], false, 0, decoder.StuffedDots, decoder.BareNewlines, decoder.ContentLength);
    }

    private static void Drive(byte[] stream, int[] cut, Func<byte[], (int Consumed, bool Again)> step)
    {
        var pending = Array.Empty<byte>();
        var at = 0;
        foreach (var piece in cut)
        {
            pending = [.. pending, .. stream.AsSpan(at, piece)];
            at += piece;
            bool again;
            do
            {
                (var consumed, again) = step(pending);
                pending = pending[consumed..];
            }
            while (again);
        }
    }
}

internal sealed record DotResult(byte[] Stored, bool Ended, int Left, long StuffedDots, long BareNewlines, long ContentLength)
{
    public override string ToString()
        => $"{(Ended ? "end" : "open")} left={Left} stuffed={StuffedDots} bare={BareNewlines} content={ContentLength} |{Escaped.FromBytes(Stored)}|";
}
