using BenchmarkDotNet.Attributes;
using FastRelay.Smtp;

namespace FastRelay.Bench;

/// <summary>What every message pays for its grammar; allocations must stay at zero.</summary>
[MemoryDiagnoser]
public class SmtpBenchmarks
{
    private readonly byte[] _line = [.. "MAIL FROM:<sender@example.com> SIZE=4096 BODY=8BITMIME\r\n"u8];
    private readonly byte[] _path = [.. "<recipient@example.com>"u8];
    private readonly byte[] _message = MakeMessage();
    private readonly byte[] _stored = new byte[8192];

    /// <summary>Scans and recognises one command line.</summary>
    [Benchmark]
    public Verb ScanAndParse()
    {
        LineScanner scanner = default;
        scanner.Next(_line, 2048, out int length, out _);
        return Command.Parse(_line.AsSpan(0, length)).Verb;
    }

    /// <summary>Parses a forward-path.</summary>
    [Benchmark]
    public PathStatus ParsePath() => MailPath.ParseForward(_path, utf8: false, out _, out _);

    /// <summary>Takes 4 KiB of content from the wire into stored form.</summary>
    [Benchmark]
    public int DecodeFourKiB()
    {
        DotDecoder decoder = default;
        decoder.Decode(_message, _stored, out _, out int written);
        return written;
    }

    private static byte[] MakeMessage()
    {
        var text = new System.Text.StringBuilder();
        while (text.Length < 4096 - 80)
        {
            text.Append(new string('x', 76)).Append("\r\n");
        }
        return System.Text.Encoding.ASCII.GetBytes(text.Append(".\r\n").ToString());
    }
}
