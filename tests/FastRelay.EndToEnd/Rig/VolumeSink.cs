using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;

namespace FastRelay.EndToEnd.Rig;

/// <summary>
/// A receiving server for many messages a second: counts each Message-Id, hashes all the rest of the message (the
/// trace header and the id's line apart), and refuses a share of the messages at first.
/// </summary>
public sealed class VolumeSink : IDisposable
{
    private static readonly byte[] s_end = "\r\n.\r\n"u8.ToArray();
    private readonly Socket _listener;
    private readonly int _deferPercent;
    private readonly ConcurrentDictionary<string, int> _seen = new();
    private readonly ConcurrentDictionary<string, byte> _deferred = new();
    private readonly ConcurrentDictionary<string, int> _contents = new();
    private readonly ConcurrentQueue<(string Id, long AtMs)> _times = new();
    private readonly ConcurrentQueue<(string Id, long ConnectedAt, long At)> _answers = new();
    private readonly ConcurrentDictionary<string, byte> _failed = new();
    private long _duplicates;
    private long _accepted;

    public VolumeSink(IPAddress address, int port, int deferPercent = 0)
    {
        _deferPercent = deferPercent;
        _listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        _listener.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        _listener.Bind(new IPEndPoint(address, port));
        _listener.Listen(1024);
        _ = AcceptAsync();
    }

    /// <summary>Of a hundred messages so many are answered late, by up to a quarter of a second.</summary>
    public int SlowPercent { get; set; }

    /// <summary>Of a hundred messages so many meet a lost connection instead of an answer, the first time.</summary>
    public int FailPercent { get; set; }

    /// <summary>Every connection is told 421.</summary>
    public bool Refuses { get; set; }

    /// <summary>When the answer to a message was written, and when its connection had been made, by <see cref="Stopwatch.GetTimestamp"/>.</summary>
    public IEnumerable<(string Id, long ConnectedAt, long At)> Answers => _answers;

    /// <summary>Messages taken, duplicates included.</summary>
    public long Accepted => Interlocked.Read(ref _accepted);

    /// <summary>Arrivals of an id beyond its first.</summary>
    public long Duplicates => Interlocked.Read(ref _duplicates);

    /// <summary>Ids that were refused at first.</summary>
    public int DeferredIds => _deferred.Count;

    /// <summary>Different ids taken.</summary>
    public int Distinct => _seen.Count;

    /// <summary>Different contents (id and trace header apart): all messages of one source have the same.</summary>
    public int Contents => _contents.Count;

    public bool Has(string messageId) => _seen.ContainsKey(messageId);

    /// <summary>Ids by arrival time, ms of <see cref="Environment.TickCount64"/>.</summary>
    public IEnumerable<(string Id, long AtMs)> Times => _times;

    public void Dispose() => _listener.Dispose();

    private async Task AcceptAsync()
    {
        while (true)
        {
            try
            {
                Socket socket = await _listener.AcceptAsync();
                _ = ServeAsync(socket);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        using Socket own = socket;
        socket.NoDelay = true;
        byte[] buffer = new byte[64 * 1024];
        int have = 0;
        bool data = false;
        var reply = new StringBuilder();
        var taken = new List<string>();
        long connectedAt = Stopwatch.GetTimestamp();
        try
        {
            await socket.SendAsync(Refuses ? "421 4.3.2 not now\r\n"u8.ToArray() : "220 sink.test ESMTP\r\n"u8.ToArray());
            if (Refuses)
            {
                return;
            }
            while (true)
            {
                int read = await socket.ReceiveAsync(buffer.AsMemory(have));
                if (read == 0)
                {
                    return;
                }
                have += read;
                int at = 0;
                bool quit = false;
                while (!quit && Step(buffer.AsSpan(at, have - at), ref data, reply, taken, out int used, out quit))
                {
                    at += used;
                }
                buffer.AsSpan(at, have - at).CopyTo(buffer);
                have -= at;
                if (have == buffer.Length)
                {
                    Array.Resize(ref buffer, buffer.Length * 2);
                }
                if (taken.Exists(id => FailPercent > 0 && (uint)StableHash("f" + id) % 100 < FailPercent && _failed.TryAdd(id, 0)))
                {
                    return;
                }
                if (taken.Find(id => (uint)StableHash("s" + id) % 100 < SlowPercent) is { } slow)
                {
                    await Task.Delay((int)((uint)StableHash(slow) % 250));
                }
                if (reply.Length > 0)
                {
                    await socket.SendAsync(Encoding.Latin1.GetBytes(reply.ToString()));
                    reply.Clear();
                    long now = Stopwatch.GetTimestamp();
                    taken.ForEach(id => _answers.Enqueue((id, connectedAt, now)));
                    taken.Clear();
                }
                if (quit)
                {
                    return;
                }
            }
        }
        catch (SocketException)
        {
            // The relay was killed: what was not answered is its to send again.
        }
    }

    private bool Step(ReadOnlySpan<byte> input, ref bool data, StringBuilder reply, List<string> taken, out int used, out bool quit)
    {
        quit = false;
        used = 0;
        if (data)
        {
            int end = input.IndexOf(s_end);
            if (end < 0)
            {
                return false;
            }
            used = end + s_end.Length;
            data = false;
            reply.Append(Take(input[..(end + 2)], taken) ? "250 2.0.0 taken\r\n" : "451 4.7.1 greylisted, try again\r\n");
            return true;
        }
        int lf = input.IndexOf((byte)'\n');
        if (lf < 0)
        {
            return false;
        }
        used = lf + 1;
        switch (char.ToUpperInvariant((char)input[0]))
        {
            case 'E':
                reply.Append("250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n");
                break;
            case 'D':
                data = true;
                reply.Append("354 go\r\n");
                break;
            case 'Q':
                quit = true;
                reply.Append("221 2.0.0 bye\r\n");
                break;
            default:
                reply.Append("250 2.0.0 ok\r\n");
                break;
        }
        return true;
    }

    private bool Take(ReadOnlySpan<byte> message, List<string> taken)
    {
        int content = AfterTrace(message);
        ReadOnlySpan<byte> sent = message[content..];
        int start = sent.IndexOf("Message-Id: "u8);
        int end = start < 0 ? -1 : start + sent[start..].IndexOf((byte)'\r');
        string id = start < 0 ? "(none)" : Encoding.ASCII.GetString(sent[(start + 12)..end]);
        if (_deferPercent > 0 && (uint)StableHash(id) % 100 < _deferPercent && _deferred.TryAdd(id, 0))
        {
            return false;
        }
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(start < 0 ? sent : sent[..start]);
        hash.AppendData(end < 0 ? default : sent[end..]);
        _contents.TryAdd(Convert.ToHexString(hash.GetHashAndReset()), 0);
        Interlocked.Increment(ref _accepted);
        if (_seen.AddOrUpdate(id, 1, (_, n) => n + 1) > 1)
        {
            Interlocked.Increment(ref _duplicates);
        }
        _times.Enqueue((id, Environment.TickCount64));
        taken.Add(id);
        return true;
    }

    private static int AfterTrace(ReadOnlySpan<byte> message)
    {
        int at = 0;
        do
        {
            int lf = message[at..].IndexOf((byte)'\n');
            if (lf < 0)
            {
                return 0;
            }
            at += lf + 1;
        }
        while (at < message.Length && message[at] is (byte)' ' or (byte)'\t');
        return at;
    }

    private static int StableHash(string text)
    {
        int hash = 17;
        foreach (char c in text)
        {
            hash = (hash * 31) + c;
        }
        return hash ^ (hash >> 15);
    }
}
