using System.Globalization;
using System.IO.Pipelines;
using System.Text;
using FastRelay.Outside;

namespace FastRelay.Storm;

/// <summary>A reply as a client sees it.</summary>
internal readonly record struct PeerReply(int Code, string Text)
{
    /// <summary>True for 2xx.</summary>
    public bool IsPositive => Code is >= 200 and < 300;

    /// <summary>No reply came: the connection is gone.</summary>
    public static PeerReply Lost => new(0, "");
}

/// <summary>Lines and replies over a link: what simulated clients and servers are made of.</summary>
internal sealed class SmtpPeer : LoopItem
{
    private const int DefaultTimeoutMs = 1_200_000;
    private readonly Link _link;
    private readonly SimRandom _random;
    private readonly LoopTimer _timer;

    public SmtpPeer(Link link, SimRandom random)
    {
        _link = link;
        _random = random;
        _timer = new LoopTimer(link.Loop, this);
    }

    public Link Link => _link;

    /// <summary>Bytes that came with the last line and were not looked at.</summary>
    public int Ahead { get; private set; }

    /// <summary>The next line without its end; null when the connection is gone or silent for too long.</summary>
    public async ValueTask<string?> ReadLineAsync(int timeoutMs = DefaultTimeoutMs)
    {
        _timer.After(timeoutMs);
        while (true)
        {
            ReadResult read = await _link.Input.ReadAsync();
            int length = (int)read.Buffer.Length;
            int end = read.Buffer.FirstSpan.IndexOf((byte)'\n');
            if (end >= 0)
            {
                string line = Encoding.Latin1.GetString(read.Buffer.FirstSpan[..end]).TrimEnd('\r');
                Ahead = length - end - 1;
                _link.Input.AdvanceTo(read.Buffer.GetPosition(end + 1));
                _timer.Cancel();
                return line;
            }
            _link.Input.AdvanceTo(read.Buffer.Start, read.Buffer.End);
            if (read.IsCompleted || length >= Link.ReadBufferBytes)
            {
                _timer.Cancel();
                return null;
            }
        }
    }

    /// <summary>The next reply, all its lines.</summary>
    public async ValueTask<PeerReply> ReadReplyAsync()
    {
        var text = new StringBuilder();
        while (true)
        {
            string? line = await ReadLineAsync();
            if (line is null || line.Length < 3)
            {
                return PeerReply.Lost;
            }
            text.Append(line.AsSpan(Math.Min(4, line.Length))).Append('\n');
            if (line.Length == 3 || line[3] != '-')
            {
                return new PeerReply(int.Parse(line.AsSpan(0, 3), CultureInfo.InvariantCulture), text.ToString());
            }
        }
    }

    /// <summary>The content up to the final dot, unstuffed; null when the connection ended before it.</summary>
    public async ValueTask<byte[]?> ReadContentAsync()
    {
        var content = new MemoryStream();
        while (true)
        {
            string? line = await ReadLineAsync();
            if (line is null)
            {
                return null;
            }
            if (line == ".")
            {
                return content.ToArray();
            }
            string plain = line.StartsWith('.') ? line[1..] : line;
            content.Write(Encoding.Latin1.GetBytes(plain + "\r\n"));
        }
    }

    /// <summary>So many octets as they come; null when the connection ended before.</summary>
    public async ValueTask<byte[]?> ReadOctetsAsync(int count)
    {
        byte[] octets = new byte[count];
        int at = 0;
        _timer.After(DefaultTimeoutMs);
        while (at < count)
        {
            ReadResult read = await _link.Input.ReadAsync();
            int length = Math.Min((int)read.Buffer.Length, count - at);
            read.Buffer.FirstSpan[..length].CopyTo(octets.AsSpan(at));
            at += length;
            Ahead = (int)read.Buffer.Length - length;
            _link.Input.AdvanceTo(read.Buffer.GetPosition(length));
            if (read.IsCompleted && at < count)
            {
                break;
            }
        }
        _timer.Cancel();
        return at == count ? octets : null;
    }

    /// <summary>Throws away what came ahead, as a server does that only claims to pipeline.</summary>
    public async ValueTask DropAheadAsync()
    {
        if (Ahead > 0)
        {
            ReadResult read = await _link.Input.ReadAsync();
            _link.Input.AdvanceTo(read.Buffer.End);
            Ahead = 0;
        }
    }

    /// <summary>What a line, whose octets are a character each, means as UTF-8.</summary>
    public static string Utf8(string line) => Encoding.UTF8.GetString(Encoding.Latin1.GetBytes(line));

    /// <summary>Sends text in one piece; false when the connection is gone.</summary>
    public ValueTask<bool> WriteAsync(string text) => WriteAsync(Encoding.UTF8.GetBytes(text));

    public async ValueTask<bool> WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            // Mostly whole; sometimes in odd pieces.
            int count = _random.OneIn(4) ? 1 + _random.Next(bytes.Length) : bytes.Length;
            FlushResult flush = await _link.Output.WriteAsync(bytes[..count]);
            if (flush.IsCompleted)
            {
                return false;
            }
            bytes = bytes[count..];
        }
        return true;
    }

    /// <summary>The time is up.</summary>
    protected override void Run() => _link.Abort();
}
