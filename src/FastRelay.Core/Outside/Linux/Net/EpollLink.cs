using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Net;
using System.Net.Security;

namespace FastRelay.Outside.Linux;

/// <summary>
/// One TCP connection on the loop's epoll set: the descriptor, what is known of its readiness, and how it ends.
/// <see cref="LinkReader"/>, <see cref="LinkWriter"/> and the TLS stream move bytes through it.
/// </summary>
/// <remarks>
/// Events are edges and say only "look": <see cref="TryReceive"/> and <see cref="TrySend(ReadOnlySpan{byte}, ReadOnlySpan{byte})"/>
/// look, and errno decides. A turn of the loop gives a link at most 64 KiB or 64 completions; then its next operation
/// waits for the next turn, so that a flood on one link cannot keep the others waiting.
/// </remarks>
[SuppressMessage("Design", "CA1001", Justification = "Close ends the TLS layer; nobody but the session owns a link.")]
internal sealed class EpollLink : Link, IEpollTarget
{
    /// <summary>Nothing to read, or no room to write, now.</summary>
    public const int WouldBlock = -1;

    private const int TurnBytes = 64 * 1024;
    private const int TurnCompletions = 64;

    private readonly EpollNetwork _network;
    private readonly IPEndPoint _remote;
    // Not before they are needed, and no longer: of thousands of links most are silent, and TLS has its own.
    private LinkReader? _reader;
    private LinkWriter? _writer;
    private IPEndPoint? _local;
    private TlsLayer? _tls;
    private LoopItem? _readWaiter;
    private LoopItem? _writeWaiter;
    private long _turn;
    private int _turnBytes;
    private int _turnCompletions;
    private int _fd;
    private int _slot = -1;
    private bool _readable;
    private bool _peerClosing;
    private LinkError _readError;
    private LinkError _writeError;

    public EpollLink(EpollNetwork network, int fd, IPEndPoint? local, IPEndPoint remote)
    {
        _network = network;
        _fd = fd;
        _local = local;
        _remote = remote;
    }

    /// <inheritdoc/>
    public override Loop Loop => _network.Loop;

    /// <inheritdoc/>
    public override PipeReader Input => _tls is null ? _reader ??= new LinkReader(this) : _tls.Reader;

    /// <inheritdoc/>
    public override PipeWriter Output => _tls is null ? _writer ??= new LinkWriter(this) : _tls.Writer;

    /// <inheritdoc/>
    public override IPEndPoint Local => _local ??= FindLocal();

    /// <inheritdoc/>
    public override IPEndPoint Remote => _remote;

    /// <inheritdoc/>
    public override LinkError Error =>
        _writeError == LinkError.Aborted ? LinkError.Aborted :
        _tls is { Failed: true } ? LinkError.Tls :
        _writeError != LinkError.None ? _writeError : _readError;

    /// <inheritdoc/>
    public override bool PeerGone => _peerClosing || Error != LinkError.None;

    /// <inheritdoc/>
    public override string? TlsName => _tls?.Name;

    /// <inheritdoc/>
    public override string? TlsProblem => _tls?.Problem;

    /// <summary>Where handshakes compute.</summary>
    public Offload Offload => _network.Offload;

    /// <summary>The loop's buffers.</summary>
    public LinkBuffers Buffers => _network.Buffers;

    /// <summary>Set when nothing more will be read.</summary>
    public LinkError ReadError => _readError;

    /// <summary>Set when nothing more can be written.</summary>
    public LinkError WriteError => _writeError;

    /// <summary>A receive may find bytes or the end.</summary>
    public bool MayBeReadable => _readable || _readError != LinkError.None;

    /// <summary>Watches an accepted descriptor. 0, or minus the error number; then the descriptor is closed.</summary>
    public int Start()
    {
        _slot = _network.Poller.Add(_fd, this);
        if (_slot < 0)
        {
            int error = _slot;
            Libc.Close(_fd);
            _fd = -1;
            return error;
        }
        _network.Opened();
        return 0;
    }

    /// <summary>Takes over a watched descriptor from its dial, and what was reported to that.</summary>
    public void StartDialled(int slot, uint events)
    {
        _slot = slot;
        _network.Poller.Replace(slot, this);
        _network.Opened();
        OnEvents(events);
    }

    /// <inheritdoc/>
    public void OnEvents(uint events)
    {
        if ((events & (Libc.EPOLLIN | Libc.EPOLLRDHUP | Libc.EPOLLHUP | Libc.EPOLLERR)) != 0)
        {
            _readable = true;
            _peerClosing |= (events & (Libc.EPOLLRDHUP | Libc.EPOLLHUP | Libc.EPOLLERR)) != 0;
            Wake(ref _readWaiter);
        }
        if ((events & (Libc.EPOLLOUT | Libc.EPOLLHUP | Libc.EPOLLERR)) != 0)
        {
            Wake(ref _writeWaiter);
        }
    }

    /// <inheritdoc/>
    public override ValueTask<TlsResult> StartTlsAsync(ServerTls tls, bool keepInput = false) =>
        BeginTls(keepInput, out int dropped).ServeAsync(tls, dropped);

    /// <inheritdoc/>
    public override ValueTask<TlsResult> StartTlsAsync(SslClientAuthenticationOptions options) =>
        BeginTls(false, out int dropped).ConnectAsync(options, dropped);

    /// <inheritdoc/>
    public override bool WakeOnInput(LoopItem item)
    {
        Loop.CheckThread();
        if (_tls is not null)
        {
            return _tls.WakeOnInput(item);
        }
        if (MayBeReadable || _reader is { HasResult: true })
        {
            return false;
        }
        WaitReadable(item);
        return true;
    }

    /// <inheritdoc/>
    public override void CancelRead()
    {
        Loop.CheckThread();
        Input.CancelPendingRead();
    }

    /// <inheritdoc/>
    public override void Abort()
    {
        Loop.CheckThread();
        if (_fd >= 0)
        {
            _ = Libc.SetAbortiveClose(_fd);
            CloseDescriptor();
        }
        // Buffers stay where they are: the session may hold spans of them while it waits for something else. It gets
        // rid of them with its next operation, or with Close.
        End(LinkError.Aborted);
    }

    /// <inheritdoc/>
    public override void Close()
    {
        Loop.CheckThread();
        if (_fd >= 0)
        {
            _tls?.SayGoodbye();
            bool peerIsDone = _readError != LinkError.None || _writeError != LinkError.None;
            if (!peerIsDone && LingeringClose.TryStart(_network, _fd, _slot, _reader is { HasUnconsumed: true }))
            {
                _fd = _slot = -1;
            }
            else
            {
                CloseDescriptor();
            }
        }
        End(LinkError.Aborted);
        _reader?.Release();
        _writer?.Release();
        _tls?.Dispose();
    }

    /// <summary>True while this turn has room for this link; counts one completion.</summary>
    public bool TakeTurn()
    {
        if (_turn != Loop.Turns)
        {
            _turn = Loop.Turns;
            _turnBytes = 0;
            _turnCompletions = 0;
        }
        return _turnBytes < TurnBytes && _turnCompletions++ < TurnCompletions;
    }

    /// <summary>Reads what is there.</summary>
    /// <returns>Bytes; 0 at the end (<see cref="ReadError"/> says which); <see cref="WouldBlock"/>.</returns>
    public int TryReceive(Span<byte> buffer)
    {
        if (_readError != LinkError.None)
        {
            return 0;
        }
        if (!_readable)
        {
            return WouldBlock;
        }
        int n;
        do
        {
            n = Libc.Receive(_fd, buffer);
        }
        while (n == -Libc.EINTR);
        if (n > 0)
        {
            _turnBytes += n;
            // A short read has emptied the socket and the next bytes make a new edge; the peer's end may have made its
            // own already.
            _readable = n == buffer.Length || _peerClosing;
            return n;
        }
        if (n == -Libc.EAGAIN)
        {
            _readable = false;
            return WouldBlock;
        }
        if (n == 0)
        {
            _readError = LinkError.Eof;
            return 0;
        }
        End(LinkError.Reset);
        return 0;
    }

    /// <summary>Sends what the kernel takes of two pieces.</summary>
    /// <returns>Bytes; 0 when the link is at its end (<see cref="WriteError"/>); <see cref="WouldBlock"/>.</returns>
    public int TrySend(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        if (_writeError != LinkError.None)
        {
            return 0;
        }
        int n;
        do
        {
            n = second.IsEmpty ? Libc.Send(_fd, first) : first.IsEmpty ? Libc.Send(_fd, second) : Libc.Send(_fd, first, second);
        }
        while (n == -Libc.EINTR);
        if (n > 0)
        {
            _turnBytes += n;
            return n;
        }
        // ENOBUFS and ENOMEM: the kernel is short of memory for now; it reports room when it has some.
        if (n is -Libc.EAGAIN or -Libc.ENOBUFS or -Libc.ENOMEM)
        {
            return WouldBlock;
        }
        // What the peer sent before it left can still be read, so only writing ends here.
        _writeError = LinkError.Reset;
        return 0;
    }

    /// <summary>The peer said, above TCP, that it will send no more.</summary>
    public void EndReading()
    {
        if (_readError == LinkError.None)
        {
            _readError = LinkError.Eof;
        }
    }

    /// <summary>Enqueues <paramref name="waiter"/> when something can be read.</summary>
    public void WaitReadable(LoopItem waiter)
    {
        Check.That(_readWaiter is null || _readWaiter == waiter, "two readers on one link");
        _readWaiter = waiter;
    }

    /// <summary>Enqueues <paramref name="waiter"/> when something can be written.</summary>
    public void WaitWritable(LoopItem waiter)
    {
        Check.That(_writeWaiter is null || _writeWaiter == waiter, "two writers on one link");
        _writeWaiter = waiter;
    }

    /// <summary>Enqueues whoever waits for something to read.</summary>
    public void WakeReader() => Wake(ref _readWaiter);

    private void Wake(ref LoopItem? waiter)
    {
        if (waiter is not null)
        {
            Loop.Enqueue(waiter);
            waiter = null;
        }
    }

    private void End(LinkError error)
    {
        if (_readError == LinkError.None || error == LinkError.Aborted)
        {
            _readError = error;
        }
        if (_writeError == LinkError.None)
        {
            _writeError = error;
        }
        Wake(ref _readWaiter);
        Wake(ref _writeWaiter);
    }

    private void CloseDescriptor()
    {
        _network.Poller.Remove(_slot);
        Libc.Close(_fd);
        _fd = _slot = -1;
        _network.Closed();
    }

    private IPEndPoint FindLocal() =>
        (_fd >= 0 ? EpollNetwork.LocalEndPoint(_fd) : null)
        ?? new IPEndPoint(_remote.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? IPAddress.IPv6Any : IPAddress.Any, 0);

    private TlsLayer BeginTls(bool keepInput, out int dropped)
    {
        Loop.CheckThread();
        Check.That(_tls is null, "TLS was started before");
        byte[] early = keepInput && _reader is not null ? _reader.Unconsumed() : [];
        dropped = (_reader?.DropBuffered() ?? 0) - early.Length;
        Check.That(_writer is null or { UnflushedBytes: 0 }, "clear text was left unflushed");
        _reader = null;
        _writer = null;
        _tls = new TlsLayer(this, early);
        return _tls;
    }
}
