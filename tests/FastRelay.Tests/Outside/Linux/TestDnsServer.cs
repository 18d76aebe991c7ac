using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace FastRelay.Tests.Outside;

/// <summary>A response under construction: the question of the query, then what the test adds.</summary>
internal sealed class TestDnsMessage
{
    private readonly List<byte> _answers = [];
    private readonly List<byte> _authorities = [];
    private readonly byte[] _query;
    private byte[] _question;
    private int _code;
    private byte _flags = 0x84;
    private byte _recursion = 0x80;
    private int _answerCount;
    private int _authorityCount;

    public TestDnsMessage(ReadOnlySpan<byte> query)
    {
        _query = query.ToArray();
        int end = 12;
        while (_query[end] != 0)
        {
            end += _query[end] + 1;
        }
        _question = _query[12..(end + 5)];
    }

    public TestDnsMessage Question(string name)
    {
        _question = [.. Name(name), .. _question[^4..]];
        return this;
    }

    /// <summary>Another type than the one that was asked for.</summary>
    public TestDnsMessage QuestionType(int type)
    {
        _question = [.. _question[..^4], .. Count(type), .. _question[^2..]];
        return this;
    }

    public TestDnsMessage QuestionClass(int value)
    {
        _question = [.. _question[..^2], .. Count(value)];
        return this;
    }

    /// <summary>As servers answer what they cannot read.</summary>
    public TestDnsMessage NoQuestion()
    {
        _question = [];
        return this;
    }

    public TestDnsMessage Id(Func<int, int> change)
    {
        BinaryPrimitives.WriteUInt16BigEndian(_query, (ushort)change(BinaryPrimitives.ReadUInt16BigEndian(_query)));
        return this;
    }

    /// <summary>The size that the query's OPT record, its last 11 octets, asks for.</summary>
    public int EdnsBytes => _query[^9] == 41 ? BinaryPrimitives.ReadUInt16BigEndian(_query.AsSpan(_query.Length - 8)) : 0;

    public int QueryId => BinaryPrimitives.ReadUInt16BigEndian(_query);

    /// <summary>Octets behind the records, or of a record that is none.</summary>
    public TestDnsMessage Raw(string owner, int type, byte[] data) => Answer(owner, type, 60, data);

    public TestDnsMessage Code(int code)
    {
        _code = code;
        return this;
    }

    public TestDnsMessage Mx(string owner, int ttl, ushort preference, string host) =>
        Answer(owner, 15, ttl, [(byte)(preference >> 8), (byte)preference, .. Name(host)]);

    public TestDnsMessage A(string owner, int ttl, string address) => Answer(owner, 1, ttl, IPAddress.Parse(address).GetAddressBytes());

    public TestDnsMessage Aaaa(string owner, int ttl, string address) => Answer(owner, 28, ttl, IPAddress.Parse(address).GetAddressBytes());

    public TestDnsMessage Cname(string owner, int ttl, string target) => Answer(owner, 5, ttl, Name(target));

    public TestDnsMessage Soa(string owner, int ttl, int minimum)
    {
        _authorities.AddRange(Record(owner, 6, ttl, [.. Name("ns.example.org"), .. Name("root.example.org"), .. new byte[16], .. Number(minimum)]));
        _authorityCount++;
        return this;
    }

    /// <summary>A name server in the authority, as in a referral.</summary>
    public TestDnsMessage Ns(string owner, int ttl, string host)
    {
        _authorities.AddRange(Record(owner, 2, ttl, Name(host)));
        _authorityCount++;
        return this;
    }

    /// <summary>AA and RA, which are set otherwise.</summary>
    public TestDnsMessage Authority(bool authoritative, bool recursive)
    {
        _flags = (byte)(0x80 | (authoritative ? 4 : 0));
        _recursion = (byte)(recursive ? 0x80 : 0);
        return this;
    }

    public byte[] ToBytes(bool truncated)
    {
        byte flags = (byte)(_flags | (truncated ? 2 : 0));
        byte[] head = [_query[0], _query[1], flags, (byte)(_recursion | _code), 0, (byte)(_question.Length > 0 ? 1 : 0), .. Count(truncated ? 0 : _answerCount), .. Count(_authorityCount), 0, 0];
        return truncated ? [.. head, .. _question, .. _authorities] : [.. head, .. _question, .. _answers, .. _authorities];
    }

    private TestDnsMessage Answer(string owner, int type, int ttl, byte[] data)
    {
        _answers.AddRange(Record(owner, type, ttl, data));
        _answerCount++;
        return this;
    }

    private static byte[] Record(string owner, int type, int ttl, byte[] data) =>
        [.. Name(owner), .. Count(type), 0, 1, .. Number(ttl), .. Count(data.Length), .. data];

    private static byte[] Count(int value) => [(byte)(value >> 8), (byte)value];

    private static byte[] Number(int value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(bytes, value);
        return bytes;
    }

    private static byte[] Name(string name)
    {
        List<byte> bytes = [];
        foreach (string label in name.Split('.', StringSplitOptions.RemoveEmptyEntries))
        {
            bytes.Add((byte)label.Length);
            bytes.AddRange(Encoding.ASCII.GetBytes(label));
        }
        bytes.Add(0);
        return [.. bytes];
    }
}

/// <summary>Answers on one port by UDP, and by TCP what does not fit.</summary>
internal sealed class TestDnsServer : IDisposable
{
    private const int DatagramBytes = 512;

    private readonly Socket _udp = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
    private readonly Socket _tcp = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly Func<TestDnsMessage, TestDnsMessage?> _reply;

    public TestDnsServer(Func<TestDnsMessage, TestDnsMessage?> reply)
    {
        _reply = reply;
        _tcp.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        EndPoint = (IPEndPoint)_tcp.LocalEndPoint!;
        _udp.Bind(EndPoint);
        _tcp.Listen();
        Start(ServeUdp);
        Start(ServeTcp);
    }

    public IPEndPoint EndPoint { get; }

    /// <summary>Datagrams that come before the reply to a query, from the server's own port.</summary>
    public Func<byte[], IEnumerable<TestDnsMessage>>? Before { get; init; }

    /// <summary>The same from another port.</summary>
    public Func<byte[], IEnumerable<TestDnsMessage>>? Elsewhere { get; init; }

    /// <summary>Ports that queries came from.</summary>
    public System.Collections.Concurrent.ConcurrentBag<int> Ports { get; } = [];

    /// <summary>Every answer says that there is more, by TCP too.</summary>
    public bool Cuts { get; init; }

    /// <summary>Without TCP, what is truncated cannot be had.</summary>
    public void CloseTcp() => _tcp.Dispose();

    public void Dispose()
    {
        _udp.Dispose();
        _tcp.Dispose();
    }

    private static void Start(Action serve) => new Thread(() =>
    {
        try
        {
            serve();
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    })
    { IsBackground = true }.Start();

    private void ServeUdp()
    {
        byte[] buffer = new byte[4096];
        while (true)
        {
            EndPoint from = new IPEndPoint(IPAddress.Any, 0);
            int n = _udp.ReceiveFrom(buffer, ref from);
            byte[] query = buffer[..n];
            Ports.Add(((IPEndPoint)from).Port);
            using (var elsewhere = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp))
            {
                foreach (TestDnsMessage forged in Elsewhere?.Invoke(query) ?? [])
                {
                    elsewhere.SendTo(forged.ToBytes(truncated: false), from);
                }
            }
            foreach (TestDnsMessage wrong in Before?.Invoke(query) ?? [])
            {
                _udp.SendTo(wrong.ToBytes(truncated: false), from);
            }
            if (_reply(new TestDnsMessage(query)) is { } message)
            {
                byte[] answer = message.ToBytes(truncated: false);
                _udp.SendTo(Cuts || answer.Length > DatagramBytes ? message.ToBytes(truncated: true) : answer, from);
            }
        }
    }

    private void ServeTcp()
    {
        while (true)
        {
            using Socket client = _tcp.Accept();
            Answer(client);
        }
    }

    private void Answer(Socket client)
    {
        try
        {
            using var stream = new NetworkStream(client);
            byte[] length = new byte[2];
            stream.ReadExactly(length);
            byte[] query = new byte[BinaryPrimitives.ReadUInt16BigEndian(length)];
            stream.ReadExactly(query);
            if (_reply(new TestDnsMessage(query)) is { } message)
            {
                byte[] answer = message.ToBytes(truncated: Cuts);
                BinaryPrimitives.WriteUInt16BigEndian(length, (ushort)answer.Length);
                stream.Write([.. length, .. answer]);
                client.Shutdown(SocketShutdown.Send);
            }
        }
        catch (IOException)
        {
            // The client gave up waiting: on a busy machine it may.
        }
    }
}
