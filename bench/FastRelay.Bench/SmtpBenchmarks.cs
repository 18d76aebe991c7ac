using BenchmarkDotNet.Attributes;
using FastRelay.Smtp;

namespace FastRelay.Bench;

/// <summary>What every message pays for its grammar; allocations must stay at zero.</summary>
public class SmtpBenchmarks
{
    private readonly byte[] _line = [.. "MAIL FROM:<sender@example.com> SIZE=4096 BODY=8BITMIME\r\n"u8];
    private readonly byte[] _path = [.. "<recipient@example.com>"u8];
    private readonly byte[] _reply = [.. "250 2.0.0 Ok: queued as 4bXyZw1qPzW3n\r\n"u8];
    private readonly byte[] _text = new byte[2048];
    private readonly byte[] _message = Samples.Content(4096);
    private readonly byte[] _wire = [.. Samples.Content(4096), .. ".\r\n"u8];
    private readonly byte[] _stored = new byte[8192];

    /// <summary>Scans and recognises one command line.</summary>
    [Benchmark]
    public Verb ScanAndParseCommand()
    {
        LineScanner scanner = default;
        scanner.Next(_line, 2048, out int length, out _);
        return Command.Parse(_line.AsSpan(0, length)).Verb;
    }

    /// <summary>Parses a forward-path.</summary>
    [Benchmark]
    public PathStatus ParsePath() => MailPath.ParseForward(_path, utf8: false, out _, out _);

    /// <summary>Parses a next hop's reply.</summary>
    [Benchmark]
    public int ParseReply()
    {
        var parser = new ReplyParser();
        parser.Feed(_reply, _text, out _);
        return parser.Code;
    }

    /// <summary>Takes 4 KiB of content from the wire after DATA into stored form.</summary>
    [Benchmark]
    public int DecodeFourKiB()
    {
        DotDecoder decoder = default;
        decoder.Decode(_wire, _stored, out _, out int written);
        return written;
    }

    /// <summary>Takes 4 KiB of content of a BDAT chunk into stored form.</summary>
    [Benchmark]
    public int EncodeFourKiB()
    {
        DotEncoder encoder = default;
        encoder.Encode(_message, _stored, out _, out int written);
        return written;
    }

    /// <summary>Looks through 4 KiB of stored content for the header's end.</summary>
    [Benchmark]
    public int ScanHeader()
    {
        HeaderScanner scanner = default;
        scanner.Feed(_message);
        return scanner.ReceivedCount;
    }
}
