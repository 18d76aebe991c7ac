using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace FastRelay.Tests.Deliver.Rig;

/// <summary>A message that a peer answered with 250.</summary>
internal sealed record PeerMessage(string From, string[] To, string Data, bool Secure);

/// <summary>A mail host on a real socket that does what the test says at each line, and the usual otherwise.</summary>
internal sealed class ScriptedPeer : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly ConcurrentBag<Socket> _sockets = [];
    private int _connections;

    public ScriptedPeer(string address = "127.0.0.1", int port = 0)
    {
        _listener.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        _listener.Bind(new IPEndPoint(IPAddress.Parse(address), port));
        _listener.Listen(64);
        Port = ((IPEndPoint)_listener.LocalEndPoint!).Port;
        new Thread(Accept) { IsBackground = true }.Start();
    }

    public int Port { get; }

    /// <summary>Keywords of EHLO's answer.</summary>
    public string[] Offers { get; set; } = ["PIPELINING", "SIZE 10000000", "8BITMIME"];

    /// <summary>For STARTTLS.</summary>
    public X509Certificate2? Certificate { get; set; }

    /// <summary>What stands behind it in its chain.</summary>
    public X509Certificate2Collection? Chain { get; set; }

    /// <summary>Each handshake that ended well: did it go on with an earlier session?</summary>
    public ConcurrentQueue<bool> Resumed { get; } = new();

    /// <summary>Asks for a certificate of the client in handshakes.</summary>
    public bool Asks { get; set; }

    /// <summary>And shakes hands with nobody who has none.</summary>
    public bool Demands { get; set; }

    /// <summary>Whom the client showed itself to be in each handshake that ended well; empty for nobody.</summary>
    public ConcurrentQueue<string> Shown { get; } = new();

    /// <summary>TLS from the first octet.</summary>
    public bool Implicit { get; set; }

    /// <summary>
    /// The answer to a line (<c>CONNECT</c> at first, <c>.</c> at the end of a message), given the connection's number:
    /// null for the usual one, <c>CLOSE</c>, <c>RESET</c>, <c>SILENT</c>, or text; after 421 the peer closes.
    /// </summary>
    public Func<string, int, string?> Answer { get; set; } = static (_, _) => null;

    public ConcurrentQueue<PeerMessage> Messages { get; } = new();

    /// <summary>Every line, with the number of its connection before it.</summary>
    public ConcurrentQueue<string> Lines { get; } = new();

    public int Connections => Volatile.Read(ref _connections);

    public void Dispose()
    {
        _listener.Close();
        foreach (Socket socket in _sockets)
        {
            socket.Close();
        }
    }

    private void Accept()
    {
        try
        {
            while (true)
            {
                Socket socket = _listener.Accept();
                _sockets.Add(socket);
                socket.NoDelay = true;
                int number = Interlocked.Increment(ref _connections);
                new Thread(() => Converse(socket, number)) { IsBackground = true }.Start();
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private void Converse(Socket socket, int number)
    {
        using var peer = new PeerConversation(socket);
        try
        {
            string from = "";
            var to = new List<string>();
            if (Implicit)
            {
                peer.StartTls(Certificate!, Chain, Asks, Demands);
                Shown.Enqueue(peer.ClientSubject);
            }
            if (!Reply(peer, "CONNECT", number, "220 mx.test ESMTP"))
            {
                return;
            }
            while (peer.ReadLine() is { } line)
            {
                Lines.Enqueue($"{number} {line}");
                string verb = line.Split(' ', 2)[0].ToUpperInvariant();
                if (verb == "BDAT")
                {
                    if (!TakeChunk(peer, number, line, from, to))
                    {
                        return;
                    }
                    to.Clear();
                    continue;
                }
                string usual = Usual(verb, peer);
                string? given = Answer(line, number);
                if (!Say(peer, given ?? usual))
                {
                    return;
                }
                bool consent = (given ?? usual)[0] is '2' or '3';
                switch (verb)
                {
                    case "MAIL" when consent:
                        from = Path(line);
                        to.Clear();
                        break;
                    case "RSET" when consent:
                        to.Clear();
                        break;
                    case "RCPT" when consent:
                        to.Add(Path(line));
                        break;
                    case "STARTTLS" when consent:
                        if (Certificate is null)
                        {
                            // A host that offers what it cannot do.
                            peer.Close();
                            return;
                        }
                        peer.StartTls(Certificate, Chain, Asks, Demands);
                        Resumed.Enqueue(peer.IsResumed);
                        Shown.Enqueue(peer.ClientSubject);
                        break;
                    case "DATA" when (given ?? usual)[0] == '3':
                        if (!TakeMessage(peer, number, from, to))
                        {
                            return;
                        }
                        break;
                    case "QUIT":
                        peer.Close();
                        return;
                }
            }
            peer.Close();
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or AuthenticationException)
        {
            peer.Close();
        }
    }

    private bool TakeMessage(PeerConversation peer, int number, string from, List<string> to)
    {
        if (peer.ReadData() is not { } data)
        {
            return false;
        }
        const string Taken = "250 2.0.0 taken";
        string answer = Answer(".", number) ?? Taken;
        if (answer[0] == '2' && to.Count > 0)
        {
            Messages.Enqueue(new PeerMessage(from, [.. to], data, peer.IsSecure));
        }
        return Say(peer, answer);
    }

    // One chunk is one message here; "." in a script stands for its end too.
    private bool TakeChunk(PeerConversation peer, int number, string line, string from, List<string> to)
    {
        if (peer.ReadOctets(int.Parse(line.Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture)) is not { } data)
        {
            return false;
        }
        string answer = Answer(line, number) ?? Answer(".", number) ?? (to.Count > 0 ? "250 2.0.0 taken" : "503 5.5.1 nobody to give it to");
        if (answer[0] == '2' && to.Count > 0)
        {
            Messages.Enqueue(new PeerMessage(from, [.. to], data, peer.IsSecure));
        }
        return Say(peer, answer);
    }

    private bool Reply(PeerConversation peer, string line, int number, string usual) => Say(peer, Answer(line, number) ?? usual);

    private static bool Say(PeerConversation peer, string answer)
    {
        switch (answer)
        {
            case "CLOSE":
                peer.Close();
                return false;
            case "RESET":
                peer.Reset();
                return false;
            case "SILENT":
                return true;
        }
        peer.Send(answer + "\r\n");
        if (answer.StartsWith("421", StringComparison.Ordinal))
        {
            peer.Leave();
            return false;
        }
        return true;
    }

    private string Usual(string verb, PeerConversation peer) => verb switch
    {
        "EHLO" => string.Join("\r\n", new[] { "mx.test" }.Concat(peer.IsSecure ? Offers.Where(o => o != "STARTTLS") : Offers)
            .Select((text, i) => (i == Offers.Length - (peer.IsSecure && Offers.Contains("STARTTLS") ? 1 : 0) ? "250 " : "250-") + text)),
        "DATA" => "354 go on",
        "QUIT" => "221 bye",
        "STARTTLS" => "220 go",
        "HELO" or "MAIL" or "RCPT" or "RSET" or "NOOP" => "250 ok",
        _ => "500 what",
    };

    private static string Path(string line) => line[(line.IndexOf('<', StringComparison.Ordinal) + 1)..line.IndexOf('>', StringComparison.Ordinal)];
}
