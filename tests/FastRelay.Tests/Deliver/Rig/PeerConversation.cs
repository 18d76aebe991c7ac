using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace FastRelay.Tests.Deliver.Rig;

/// <summary>One connection of a <see cref="ScriptedPeer"/>: SMTP by hand, on blocking calls and a thread of its own.</summary>
internal sealed class PeerConversation(Socket socket) : IDisposable
{
    private readonly List<byte> _buffer = [];
    private Stream _stream = new NetworkStream(socket, ownsSocket: false);

    /// <summary>True inside TLS.</summary>
    public bool IsSecure { get; private set; }

    /// <summary>The next line without its CRLF; null at the end.</summary>
    public string? ReadLine()
    {
        int end;
        while ((end = Find("\r\n"u8)) < 0)
        {
            if (!Fill())
            {
                return null;
            }
        }
        return Take(end, 2);
    }

    /// <summary>A message as it is on the wire, up to its final dot; null when it was cut off.</summary>
    public string? ReadData()
    {
        while (true)
        {
            if (_buffer.Count >= 3 && _buffer[0] == '.' && _buffer[1] == '\r' && _buffer[2] == '\n')
            {
                return Take(0, 3);
            }
            int end = Find("\r\n.\r\n"u8);
            if (end >= 0)
            {
                return Take(end + 2, 3);
            }
            if (!Fill())
            {
                return null;
            }
        }
    }

    /// <summary>So many octets; null when they were cut off.</summary>
    public string? ReadOctets(int count)
    {
        while (_buffer.Count < count)
        {
            if (!Fill())
            {
                return null;
            }
        }
        return Take(count, 0);
    }

    public void Send(string text)
    {
        byte[] bytes = Encoding.Latin1.GetBytes(text);
        _stream.Write(bytes);
        _stream.Flush();
    }

    /// <summary>The handshake went on with a session of an earlier connection.</summary>
    public bool IsResumed { get; private set; }

    /// <summary>Whom the client has shown itself to be; empty for nobody.</summary>
    public string ClientSubject { get; private set; } = "";

    /// <summary>Shakes hands as the server; sends what stands behind the leaf in the chain.</summary>
    /// <param name="certificate">Its own, the leaf.</param>
    /// <param name="chain">What stands behind it; null for nothing.</param>
    /// <param name="asks">Asks for a certificate of the client.</param>
    /// <param name="demands">And shakes hands with nobody who has none.</param>
    public void StartTls(X509Certificate2 certificate, X509Certificate2Collection? chain = null, bool asks = false, bool demands = false)
    {
        var watch = new HelloWatch(_stream);
        var secure = new SslStream(watch);
        var options = new SslServerAuthenticationOptions { ServerCertificateContext = SslStreamCertificateContext.Create(certificate, chain, offline: true) };
        if (asks)
        {
            options.ClientCertificateRequired = true;
            options.CertificateChainPolicy = new X509ChainPolicy { DisableCertificateDownloads = true, RevocationMode = X509RevocationMode.NoCheck };
#pragma warning disable CA5359
            options.RemoteCertificateValidationCallback = (_, shown, _, _) => shown is not null || !demands;
#pragma warning restore CA5359
        }
        secure.AuthenticateAsServer(options);
        ClientSubject = secure.RemoteCertificate?.Subject ?? "";
        IsResumed = watch.IsResumed;
        _stream = secure;
        _buffer.Clear();
        IsSecure = true;
    }

    public void Close() => socket.Close();

    /// <summary>Closes as real servers do: what the client has sent ahead is read first, because closing with it unread resets the connection, and the last reply may be lost with it.</summary>
    public void Leave()
    {
        socket.Shutdown(SocketShutdown.Send);
        socket.ReceiveTimeout = 2_000;
        byte[] rest = new byte[4096];
        while (socket.Receive(rest) > 0)
        {
        }
        socket.Close();
    }

    public void Dispose()
    {
        _stream.Dispose();
        socket.Dispose();
    }

    public void Reset()
    {
        socket.LingerState = new LingerOption(true, 0);
        socket.Close();
    }

    private bool Fill()
    {
        byte[] piece = new byte[32 * 1024];
        int n = _stream.Read(piece);
        _buffer.AddRange(piece.AsSpan(0, n));
        return n > 0;
    }

    private int Find(ReadOnlySpan<byte> what) => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_buffer).IndexOf(what);

    private string Take(int length, int skip)
    {
        string text = Encoding.Latin1.GetString(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_buffer)[..length]);
        _buffer.RemoveRange(0, length + skip);
        return text;
    }
}
