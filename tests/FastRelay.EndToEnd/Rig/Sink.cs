using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using FastRelay.Tests.Deliver.Rig;

namespace FastRelay.EndToEnd.Rig;

/// <summary>A message as it arrived: undotted, byte for byte.</summary>
public sealed record Arrival(string From, IReadOnlyList<string> To, byte[] Data, DateTime At, bool Tls)
{
    /// <summary>Where its connection came from.</summary>
    public IPAddress Peer { get; init; } = IPAddress.None;

    /// <summary>What EHLO said.</summary>
    public string Ehlo { get; init; } = "";

    /// <summary>The data without our own trace header: what the client had sent.</summary>
    public byte[] WithoutTrace
    {
        get
        {
            string text = Encoding.Latin1.GetString(Data);
            int end = 0;
            Assert.StartsWith("Received: from ", text);
            do
            {
                end = text.IndexOf("\r\n", end, StringComparison.Ordinal) + 2;
            }
            while (end < text.Length && text[end] is ' ' or '\t');
            return Data[end..];
        }
    }

    public string Text => Encoding.Latin1.GetString(Data);
}

/// <summary>
/// A receiving server whose every answer a test may choose. It is written for being obvious, one thread a connection.
/// </summary>
public sealed class Sink : IDisposable
{
    private readonly TcpListener _listener;
    private readonly ConcurrentBag<Socket> _open = [];
    private volatile bool _stopped;

    public Sink(IPAddress address, int port = 0)
    {
        _listener = new TcpListener(address, port);
        _listener.Server.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        _listener.Start(1024);
        EndPoint = (IPEndPoint)_listener.LocalEndpoint;
        new Thread(AcceptLoop) { IsBackground = true }.Start();
    }

    public IPEndPoint EndPoint { get; }

    public ConcurrentQueue<Arrival> Arrivals { get; } = new();

    public int Connections { get; private set; }

    public X509Certificate2? Certificate { get; init; }

    /// <summary>Extensions announced in EHLO, beside STARTTLS when there is a certificate.</summary>
    public string[] Extensions { get; init; } = ["PIPELINING", "8BITMIME", "SIZE 100000000", "ENHANCEDSTATUSCODES"];

    /// <summary>Given the verb (CONNECT, EHLO, MAIL, RCPT, DATA, DOT, QUIT) and its argument, a reply other than the usual one; an empty one closes the connection.</summary>
    public Func<string, string, string?> Answer { get; set; } = (_, _) => null;

    public ConcurrentQueue<string> Commands { get; } = new();

    /// <summary>Each handshake that ended well: did it go on with a session of an earlier connection?</summary>
    public ConcurrentQueue<bool> Resumed { get; } = new();

    /// <summary>What the relay did that no client may do.</summary>
    public ConcurrentQueue<string> Faults { get; } = new();

    public Arrival WaitFor(Func<Arrival, bool> match, int timeoutSeconds = 20)
    {
        Tool.Until(() => Arrivals.Any(match), timeoutSeconds, () => $"the message did not arrive; the sink heard:\n{string.Join('\n', Commands.TakeLast(40))}");
        Assert.Empty(Faults);
        return Arrivals.First(match);
    }

    public void Dispose()
    {
        _stopped = true;
        _listener.Stop();
        foreach (Socket socket in _open)
        {
            socket.Dispose();
        }
    }

    private void AcceptLoop()
    {
        while (!_stopped)
        {
            try
            {
                Socket socket = _listener.AcceptSocket();
                _open.Add(socket);
                Connections++;
                new Thread(() => Serve(socket)) { IsBackground = true }.Start();
            }
            catch (SocketException)
            {
                return;
            }
            catch (ObjectDisposedException)
            {
                return;
            }
        }
    }

    private void Serve(Socket socket)
    {
        try
        {
            Stream stream = new NetworkStream(socket, ownsSocket: true);
            Converse(ref stream, ((IPEndPoint)socket.RemoteEndPoint!).Address);
            stream.Dispose();
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or System.Security.Authentication.AuthenticationException)
        {
            socket.Dispose();
        }
    }

    private void Converse(ref Stream stream, IPAddress peer)
    {
        bool tls = false;
        string ehlo = "";
        string from = "";
        var to = new List<string>();
        if (!Reply(stream, "CONNECT", "", "220 sink.test ESMTP"))
        {
            return;
        }
        while (ReadLine(stream) is { } line)
        {
            Commands.Enqueue(line);
            string verb = line.Split(' ', ':')[0].ToUpperInvariant();
            switch (verb)
            {
                case "EHLO":
                    ehlo = line[5..];
                    var lines = new List<string> { "sink.test" };
                    lines.AddRange(Extensions);
                    if (Certificate is not null && !tls)
                    {
                        lines.Add("STARTTLS");
                    }
                    string all = string.Join("\r\n", lines.Select((l, i) => $"250{(i == lines.Count - 1 ? ' ' : '-')}{l}"));
                    if (!Reply(stream, verb, line, all))
                    {
                        return;
                    }
                    break;
                case "STARTTLS":
                    if (!Reply(stream, verb, line, "220 2.0.0 go"))
                    {
                        return;
                    }
                    if (Certificate is null)
                    {
                        // The test's own answer was all that was to be said.
                        return;
                    }
                    var watch = new HelloWatch(stream);
                    var secured = new SslStream(watch);
                    secured.AuthenticateAsServer(Certificate);
                    Resumed.Enqueue(watch.IsResumed);
                    stream = secured;
                    tls = true;
                    break;
                case "MAIL":
                    from = Between(line);
                    to.Clear();
                    if (!Reply(stream, verb, line, "250 2.1.0 ok"))
                    {
                        return;
                    }
                    break;
                case "RCPT":
                    string answer = Answer(verb, line) ?? "250 2.1.5 ok";
                    if (answer.Length == 0)
                    {
                        return;
                    }
                    if (answer[0] == '2')
                    {
                        to.Add(Between(line));
                    }
                    Write(stream, answer);
                    break;
                case "DATA":
                    string go = Answer(verb, line) ?? (to.Count == 0 ? "554 5.5.1 no valid recipients" : "354 go ahead");
                    if (go.Length == 0)
                    {
                        return;
                    }
                    Write(stream, go);
                    if (go[0] != '3')
                    {
                        break;
                    }
                    byte[]? data = ReadMessage(stream);
                    if (data is null)
                    {
                        return;
                    }
                    string done = Answer("DOT", from) ?? "250 2.0.0 taken";
                    if (done.Length == 0)
                    {
                        return;
                    }
                    if (done[0] == '2')
                    {
                        Arrivals.Enqueue(new Arrival(from, [.. to], data, DateTime.UtcNow, tls) { Peer = peer, Ehlo = ehlo });
                    }
                    Write(stream, done);
                    break;
                case "QUIT":
                    Write(stream, "221 2.0.0 bye");
                    return;
                case "RSET":
                    to.Clear();
                    Write(stream, "250 2.0.0 ok");
                    break;
                default:
                    Write(stream, Answer(verb, line) ?? "250 2.0.0 ok");
                    break;
            }
        }
    }

    private bool Reply(Stream stream, string verb, string line, string usual)
    {
        string text = Answer(verb, line) ?? usual;
        if (text.Length == 0)
        {
            return false;
        }
        Write(stream, text);
        return true;
    }

    private static string Between(string line)
    {
        int start = line.IndexOf('<', StringComparison.Ordinal);
        int end = line.LastIndexOf('>');
        return start >= 0 && end > start ? line[(start + 1)..end] : line;
    }

    private static void Write(Stream stream, string text) => stream.Write(Encoding.Latin1.GetBytes(text + "\r\n"));

    private readonly ConditionalBuffers _buffers = new();

    private string? ReadLine(Stream stream) => _buffers.For(stream).ReadLine(stream);

    private byte[]? ReadMessage(Stream stream) => _buffers.For(stream).ReadMessage(stream, Faults);

    /// <summary>Buffered reading per stream; a stream replaced by TLS begins empty, so injected bytes are not kept.</summary>
    private sealed class ConditionalBuffers
    {
        private readonly System.Runtime.CompilerServices.ConditionalWeakTable<Stream, LineReader> _readers = [];

        public LineReader For(Stream stream) => _readers.GetOrCreateValue(stream);
    }

    private sealed class LineReader
    {
        private readonly byte[] _buffer = new byte[65536];
        private int _start;
        private int _end;

        public string? ReadLine(Stream stream)
        {
            byte[]? line = ReadUntilLf(stream);
            return line is null ? null : Encoding.Latin1.GetString(line).TrimEnd('\r', '\n');
        }

        /// <summary>Reads to CRLF.CRLF and takes the stuffed dots away. A bare CR or LF is a fault: nothing bare may ever be sent on.</summary>
        public byte[]? ReadMessage(Stream stream, ConcurrentQueue<string> faults)
        {
            var data = new MemoryStream();
            while (ReadUntilLf(stream) is { } line)
            {
                if (line.Length < 2 || line[^2] != '\r' || Array.IndexOf(line, (byte)'\r') != line.Length - 2)
                {
                    faults.Enqueue($"a bare CR or LF arrived: {Convert.ToHexString(line)}");
                    return null;
                }
                if (line is [(byte)'.', (byte)'\r', (byte)'\n'])
                {
                    return data.ToArray();
                }
                data.Write(line[0] == '.' ? line.AsSpan(1) : line);
            }
            return null;
        }

        private byte[]? ReadUntilLf(Stream stream)
        {
            var line = new MemoryStream();
            while (true)
            {
                if (_start == _end)
                {
                    _start = 0;
                    _end = stream.Read(_buffer);
                    if (_end == 0)
                    {
                        return null;
                    }
                }
                int lf = Array.IndexOf(_buffer, (byte)'\n', _start, _end - _start);
                int stop = lf < 0 ? _end : lf + 1;
                line.Write(_buffer, _start, stop - _start);
                _start = stop;
                if (lf >= 0)
                {
                    return line.ToArray();
                }
            }
        }
    }
}
