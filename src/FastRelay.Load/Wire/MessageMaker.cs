using System.Text;
using FastRelay.Smtp;

namespace FastRelay.Load;

/// <summary>Where a message's body lies and how it ends.</summary>
/// <param name="HeadLength">Octets of the header that was written, the empty line included (for a real message: the mark alone).</param>
/// <param name="Body">What follows, in wire form.</param>
/// <param name="TailLength">Octets of <see cref="MessageMaker.TailOf"/> that follow the body, before the final dot.</param>
public readonly record struct MadeMessage(int HeadLength, ReadOnlyMemory<byte> Body, int TailLength);

/// <summary>
/// Makes messages in wire form without copying bodies: a body is a stretch of one long text that begins at a place which
/// depends on the message's number, so that a relay which mixes two bodies up is found out.
/// </summary>
public sealed class MessageMaker
{
    /// <summary>Most octets of a header that <see cref="Make"/> writes.</summary>
    public const int HeadBytes = 1024;

    /// <summary>Octets of a line of the text with its CRLF (RFC 5322 2.1.1 advises 78 and CRLF).</summary>
    private const int LineBytes = 78;

    /// <summary>Lines of the text beyond the longest body: so many different beginnings.</summary>
    private const int Beginnings = 4096;

    private readonly LoadOptions _options;
    private readonly uint _run;
    private readonly byte[] _headStart;
    private readonly byte[] _headEnd;
    private readonly byte[] _text;
    private readonly byte[] _tail;
    private readonly (uint Crc, long Length)[] _fileSums;

    /// <summary>Prepares the text and sums the real messages.</summary>
    /// <param name="options">Sizes, addresses and real messages.</param>
    /// <param name="run">Number of this run.</param>
    /// <param name="started">For the Date field.</param>
    public MessageMaker(LoadOptions options, uint run, DateTimeOffset started)
    {
        _options = options;
        _run = run;
        Span<byte> date = stackalloc byte[MailDate.Length];
        MailDate.TryFormat(started, date, out _);
        _headStart = Encoding.ASCII.GetBytes($"""
            From: <{options.From}>
            To: <{options.To[0]}>
            Subject: load
            Date: {Encoding.ASCII.GetString(date)}
            Message-ID: <{run:x8}.
            """.ReplaceLineEndings("\r\n"));
        _headEnd = Encoding.ASCII.GetBytes($"""
            @{options.HelloName}>
            MIME-Version: 1.0
            Content-Type: text/plain; charset=us-ascii


            """.ReplaceLineEndings("\r\n"));
        long longest = options.Files.Count > 0 ? 0 : options.Sizes.Most;
        _text = Text((int)(longest / LineBytes) + 1 + Beginnings);
        _tail = Encoding.ASCII.GetBytes(new string('=', LineBytes - 2) + "\r\n");
        _fileSums = [.. options.Files.Select(SumOf)];
    }

    /// <summary>Writes the header of a message and says what follows it.</summary>
    /// <param name="sequence">Its number, from 0.</param>
    /// <param name="sentMicroseconds">Wall clock since 1970.</param>
    /// <param name="head">At least <see cref="HeadBytes"/>.</param>
    public MadeMessage Make(long sequence, long sentMicroseconds, Span<byte> head)
    {
        if (_options.Files.Count > 0)
        {
            int file = (int)(sequence % _options.Files.Count);
            (uint crc, long length) = _fileSums[file];
            new LoadMark(_run, sequence, _options.Recipients, sentMicroseconds, crc, length).Write(head);
            return new MadeMessage(LoadMark.FieldLength, _options.Files[file], 0);
        }
        int headLength = LoadMark.FieldLength + _headStart.Length + 16 + _headEnd.Length;
        int bodyLength = (int)Math.Max(0, _options.Sizes.SizeOf(sequence, _options.Seed) - headLength);
        // A last line that is not whole comes from the tail, which ends in CRLF: two octets at least.
        int tailLength = bodyLength % LineBytes;
        tailLength = tailLength == 1 ? 2 : tailLength;
        int beginning = (int)(SizeMix.Mix((ulong)sequence) % Beginnings);
        ReadOnlyMemory<byte> body = _text.AsMemory(beginning * LineBytes, bodyLength / LineBytes * LineBytes);
        ContentSum sum = default;
        sum.Add(body.Span);
        sum.Add(TailOf(tailLength));
        int at = new LoadMark(_run, sequence, _options.Recipients, sentMicroseconds, sum.Crc, sum.Length).Write(head);
        _headStart.CopyTo(head[at..]);
        at += _headStart.Length;
        ((ulong)sequence).TryFormat(head[at..], out _, "x16", System.Globalization.CultureInfo.InvariantCulture);
        at += 16;
        _headEnd.CopyTo(head[at..]);
        return new MadeMessage(headLength, body, tailLength);
    }

    /// <summary>The octets behind the body.</summary>
    public ReadOnlySpan<byte> TailOf(int length) => _tail.AsSpan(_tail.Length - length);

    private static (uint Crc, long Length) SumOf(byte[] stored)
    {
        int empty = stored.AsSpan().IndexOf("\r\n\r\n"u8);
        int body = stored.AsSpan().StartsWith("\r\n"u8) ? 2 : empty < 0 ? stored.Length : empty + 4;
        ContentSum sum = default;
        sum.Add(stored.AsSpan(body));
        return (sum.Crc, sum.Length);
    }

    /// <summary>Printable lines; one in 50 begins with a stuffed dot.</summary>
    private static byte[] Text(int lines)
    {
        var text = new byte[lines * LineBytes];
        ReadOnlySpan<byte> letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"u8;
        ulong state = 1;
        for (int line = 0; line < lines; line++)
        {
            Span<byte> into = text.AsSpan(line * LineBytes, LineBytes);
            for (int i = 0; i < LineBytes - 2; i++)
            {
                state = (state * 6364136223846793005) + 1442695040888963407;
                into[i] = letters[(int)(state >> 58)];
            }
            if (line % 50 == 7)
            {
                ".."u8.CopyTo(into);
            }
            "\r\n"u8.CopyTo(into[^2..]);
        }
        return text;
    }
}
