using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace FastRelay.EndToEnd.Rig;

/// <summary>A dialogue by hand over a raw socket: says exactly the bytes that it is given.</summary>
public sealed class SmtpTalk : IDisposable
{
    private readonly Socket _socket;
    private readonly List<byte> _pending = [];
    private readonly byte[] _buffer = new byte[65536];
    private SslStream? _tls;

    public SmtpTalk(IPAddress address, int port, IPAddress? source = null)
    {
        _socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = 20_000, SendTimeout = 30_000 };
        if (source is not null)
        {
            _socket.Bind(new IPEndPoint(source, 0));
        }
        _socket.Connect(address, port);
    }

    public Socket Socket => _socket;

    /// <summary>Reads the greeting and says EHLO.</summary>
    public SmtpTalk Hello()
    {
        Assert.StartsWith("220 ", Read());
        Assert.StartsWith("250-", Say("EHLO client.test"));
        return this;
    }

    /// <summary>Says a line and gives the whole reply, lines joined by LF; empty when the peer closed.</summary>
    public string Say(string line)
    {
        Send(line + "\r\n");
        return Read();
    }

    public void Send(string text) => Send(Encoding.Latin1.GetBytes(text));

    /// <summary>Says STARTTLS and shakes hands; any certificate will do.</summary>
    public SmtpTalk StartTls()
    {
        Assert.StartsWith("220 ", Say("STARTTLS"));
        return Secure();
    }

    /// <summary>Shakes hands; any certificate will do.</summary>
    /// <param name="name">Asked for by SNI.</param>
    /// <param name="own">Shown to a server that asks.</param>
    public SmtpTalk Secure(string name = "relay.test", X509Certificate2? own = null)
    {
        _tls = new SslStream(new NetworkStream(_socket), leaveInnerStreamOpen: false, (_, certificate, _, _) =>
        {
            ServerSubject = certificate?.Subject ?? "";
            return true;
        });
        _tls.AuthenticateAsClient(name, own is null ? null : [own], checkCertificateRevocation: false);
        return this;
    }

    /// <summary>Whose certificate the server showed.</summary>
    public string ServerSubject { get; private set; } = "";

    public void Send(ReadOnlySpan<byte> bytes)
    {
        if (_tls is not null)
        {
            _tls.Write(bytes);
            return;
        }
        while (bytes.Length > 0)
        {
            bytes = bytes[_socket.Send(bytes)..];
        }
    }

    /// <summary>Reads one whole reply; empty when the peer closed.</summary>
    public string Read()
    {
        var reply = new StringBuilder();
        while (true)
        {
            string? line = ReadLine();
            if (line is null)
            {
                return reply.ToString();
            }
            if (reply.Length > 0)
            {
                reply.Append('\n');
            }
            reply.Append(line);
            if (line.Length < 4 || line[3] != '-')
            {
                return reply.ToString();
            }
        }
    }

    /// <summary>True when the peer has closed and nothing is left to read.</summary>
    public bool IsClosed() => ReadLine() is null;

    public void Dispose()
    {
        _tls?.Dispose();
        _socket.Dispose();
    }

    private string? ReadLine()
    {
        while (true)
        {
            int end = _pending.IndexOf((byte)'\n');
            if (end >= 0)
            {
                string line = Encoding.Latin1.GetString([.. _pending.Take(end)]).TrimEnd('\r');
                _pending.RemoveRange(0, end + 1);
                return line;
            }
            int read;
            try
            {
                read = _tls is null ? _socket.Receive(_buffer) : _tls.Read(_buffer);
            }
            catch (Exception e) when (e is SocketException { SocketErrorCode: SocketError.ConnectionReset } or IOException { InnerException: SocketException { SocketErrorCode: SocketError.ConnectionReset } })
            {
                return null;
            }
            if (read == 0)
            {
                return null;
            }
            _pending.AddRange(_buffer.AsSpan(0, read));
        }
    }
}
