using System.IO.Pipelines;
using System.Net.Security;
using System.Runtime.CompilerServices;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace FastRelay.Outside.Linux;

/// <summary>
/// TLS over a link: <see cref="SslStream"/> on the link's bytes, with a reader and a writer of the link's own rules
/// above it. Exceptions of the stream end here and become results.
/// </summary>
internal sealed class TlsLayer : IDisposable
{
    private readonly EpollLink _link;
    private readonly LinkStream _bytes;
    private readonly SslStream _stream;
    private readonly TlsReader _reader;
    private readonly TlsWriter _writer;
    private bool _shaking;
    private bool _disposed;

    /// <summary>Makes it.</summary>
    /// <param name="link">Below.</param>
    /// <param name="early">Bytes of the peer's first record that were read already.</param>
    public TlsLayer(EpollLink link, ReadOnlyMemory<byte> early)
    {
        _link = link;
        _bytes = new LinkStream(link, early);
        _stream = new SslStream(_bytes, leaveInnerStreamOpen: true);
        _reader = new TlsReader(link, this, _stream, _bytes);
        _writer = new TlsWriter(link, this, _stream);
    }

    /// <summary>Decrypted input.</summary>
    public PipeReader Reader => _reader;

    /// <summary>Output to be encrypted.</summary>
    public PipeWriter Writer => _writer;

    /// <summary>The TLS layer itself failed: nothing can be read or written any more.</summary>
    public bool Failed { get; private set; }

    /// <summary>As <see cref="Link.TlsProblem"/>.</summary>
    public string? Problem { get; private set; }

    /// <summary>Protocol and cipher; null before the handshake is done.</summary>
    public string? Name { get; private set; }

    /// <summary>As <see cref="Link.WakeOnInput"/>.</summary>
    public bool WakeOnInput(LoopItem item) => _reader.WakeOnInput(item);

    /// <summary>Shakes hands as the server.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public async ValueTask<TlsResult> ServeAsync(ServerTls tls, int dropped)
    {
        try
        {
            await ShakeAsync(async () => await (tls.ByName
                ? _stream.AuthenticateAsServerAsync(static (_, hello, state, _) => new ValueTask<SslServerAuthenticationOptions>(((ServerTls)state!).For(hello.ServerName)), tls)
                : _stream.AuthenticateAsServerAsync(tls.Usual)));
            return Established(dropped);
        }
        catch (Exception e) when (e is not CheckFailedException)
        {
            return Refused(e, dropped);
        }
    }

    /// <summary>Shakes hands as the client.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public async ValueTask<TlsResult> ConnectAsync(SslClientAuthenticationOptions options, int dropped)
    {
        try
        {
            // A chain is judged by what the peer sent and what we trust: no download may keep a thread for long.
            options.CertificateChainPolicy ??= new X509ChainPolicy();
            options.CertificateChainPolicy.DisableCertificateDownloads = true;
            options.CertificateChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
            await ShakeAsync(async () => await _stream.AuthenticateAsClientAsync(options));
            return Established(dropped);
        }
        catch (Exception e) when (e is not CheckFailedException)
        {
            return Refused(e, dropped);
        }
    }

    /// <summary>Takes note of a failure; the link's own error goes before.</summary>
    /// <param name="reading">What a read of the stream threw; null for another failure.</param>
    public void Fail(Exception? reading = null)
    {
        if (reading is not null && _link.ReadError is LinkError.None)
        {
            Problem ??= WordsOf(reading);
        }
        if (_link.ReadError is LinkError.None && _link.WriteError is LinkError.None)
        {
            Failed = true;
        }
    }

    /// <summary>Sends close_notify when that can be done at once.</summary>
    public void SayGoodbye()
    {
        if (Name is null || Failed || _disposed || _link.WriteError != LinkError.None)
        {
            return;
        }
        try
        {
            // Writing never throws below, so a task that is not done yet ends with the link and needs no observer.
            _ = _stream.ShutdownAsync();
        }
        catch (Exception e) when (e is not CheckFailedException)
        {
            // A write is under way: the peer learns of the end by that of the connection.
            Failed = true;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _reader.Release();
            _writer.Release();
            if (!_shaking)
            {
                _stream.Dispose();
            }
        }
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask ShakeAsync(Func<Task> start)
    {
        _shaking = true;
        try
        {
            await new TlsHandshake(_link.Loop, _link.Offload, _bytes, start).RunAsync();
        }
        finally
        {
            _shaking = false;
            if (_disposed)
            {
                // Closed meanwhile, while another thread was at work in it.
                _stream.Dispose();
            }
        }
    }

    private TlsResult Established(int dropped)
    {
        if (_disposed || _link.ReadError == LinkError.Aborted || _link.WriteError == LinkError.Aborted)
        {
            // Cut while another thread computed the last step: the keys agree, and there is nobody to talk to.
            return new TlsResult(false, "aborted", dropped);
        }
        Name = $"{ProtocolName(_stream.SslProtocol)} {_stream.NegotiatedCipherSuite}";
        return new TlsResult(true, "", dropped) { PeerFingerprint = Fingerprint() };
    }

    private string? Fingerprint() =>
        _stream.IsServer && _stream.RemoteCertificate is { } certificate ? certificate.GetCertHashString(HashAlgorithmName.SHA256).ToLowerInvariant() : null;

    private TlsResult Refused(Exception e, int dropped)
    {
        Fail();
        LinkError error = _link.WriteError != LinkError.None ? _link.WriteError : _link.ReadError;
        string reason = error switch
        {
            LinkError.Eof => "the peer closed the connection",
            LinkError.Reset => "the peer reset the connection",
            LinkError.Aborted => "aborted",
            _ => WordsOf(e),
        };
        // A failed handshake is the end of the TLS layer also when the peer left because of it.
        Failed = error is LinkError.None or LinkError.Eof;
        return new TlsResult(false, reason, dropped);
    }

    private static string WordsOf(Exception e) => e.InnerException is { } inner ? inner.GetBaseException().Message : e.Message;

    private static string ProtocolName(SslProtocols protocol) => protocol switch
    {
        SslProtocols.Tls13 => "TLSv1.3",
        SslProtocols.Tls12 => "TLSv1.2",
        _ => protocol.ToString(),
    };
}
