using System.Net;
using System.Threading.Tasks.Sources;

namespace FastRelay.Outside.Linux;

/// <summary>One connection attempt: non-blocking connect, its answer by epoll, its end by a timer.</summary>
internal sealed class Dial : LoopItem, IEpollTarget, IValueTaskSource<DialResult>
{
    private readonly EpollNetwork _network;
    private readonly IPEndPoint _remote;
    private readonly LoopTimer _timeout;
    private ManualResetValueTaskSourceCore<DialResult> _core;
    private int _fd = -1;
    private int _slot;
    private bool _answered;
    private uint _events;

    public Dial(EpollNetwork network, IPEndPoint remote)
    {
        _network = network;
        _remote = remote;
        _timeout = new LoopTimer(network.Loop, this);
    }

    public ValueTask<DialResult> Start(IPAddress? source, int timeoutMs)
    {
        int error = Connect(source);
        if (error < 0)
        {
            if (_fd >= 0)
            {
                Libc.Close(_fd);
            }
            return new ValueTask<DialResult>(new DialResult(null, -error));
        }
        _timeout.After(timeoutMs);
        return new ValueTask<DialResult>(this, _core.Version);
    }

    /// <inheritdoc/>
    public void OnEvents(uint events)
    {
        _answered = true;
        _events |= events;
        _network.Loop.Enqueue(this);
    }

    /// <summary>The answer, or the timeout.</summary>
    protected internal override void Run()
    {
        if (_fd < 0)
        {
            return;
        }
        _timeout.Cancel();
        int fd = _fd;
        _fd = -1;
        int error = _answered ? Libc.PendingError(fd) : Libc.ETIMEDOUT;
        IPEndPoint? local = error == 0 ? EpollNetwork.LocalEndPoint(fd) : null;
        if (error == 0 && (local is null || local.Equals(_remote)))
        {
            // A port of ours that dialled itself (TCP's simultaneous open): nobody listens there.
            error = Libc.ECONNREFUSED;
        }
        if (error != 0)
        {
            _network.Poller.Remove(_slot);
            Libc.Close(fd);
            _core.SetResult(new DialResult(null, error));
            return;
        }
        var link = new EpollLink(_network, fd, local, _remote);
        link.StartDialled(_slot, _events);
        _core.SetResult(new DialResult(link, 0));
    }

    /// <summary>0, or minus the error number.</summary>
    private int Connect(IPAddress? source)
    {
        int family = SocketAddressBytes.Family(_remote.Address);
        _fd = Libc.TcpSocket(family);
        if (_fd < 0)
        {
            return _fd;
        }
        _ = Libc.SetOption(_fd, Libc.SOL_TCP, Libc.TCP_NODELAY, 1);
        Span<byte> address = stackalloc byte[SocketAddressBytes.Max];
        int length;
        if (source is not null)
        {
            // Without this option (before Linux 4.2) binding still works, with fewer ports.
            _ = Libc.SetOption(_fd, Libc.SOL_IP, Libc.IP_BIND_ADDRESS_NO_PORT, 1);
            length = SocketAddressBytes.Write(address, source, 0);
            int bound = Libc.Bind(_fd, address[..length]);
            if (bound < 0)
            {
                return bound;
            }
        }
        length = SocketAddressBytes.Write(address, _remote.Address, _remote.Port);
        int result = Libc.Connect(_fd, address[..length]);
        // EINTR: the attempt goes on by itself (connect(2)), like EINPROGRESS.
        if (result < 0 && result != -Libc.EINPROGRESS && result != -Libc.EINTR)
        {
            return result;
        }
        // Watched from here on, so no HUP of the unconnected socket is ever reported.
        _slot = _network.Poller.Add(_fd, this);
        return Math.Min(_slot, 0);
    }

    DialResult IValueTaskSource<DialResult>.GetResult(short token) => _core.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<DialResult>.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource<DialResult>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, ValueTaskSourceOnCompletedFlags.None);
}
