using System.Net;
using System.Threading.Tasks.Sources;

namespace FastRelay.Outside.Linux;

/// <summary>
/// A listening socket: at most 64 accepts a turn, and a pause of 100 ms when descriptors or memory run out, so that a
/// full table costs ten calls a second and not a busy loop.
/// </summary>
internal sealed class EpollListener : Listener, IEpollTarget
{
    private const int AcceptsPerTurn = 64;
    private const int PauseMs = 100;

    private readonly EpollNetwork _network;
    private readonly AcceptOperation _operation;
    private readonly LoopTimer _pause;
    private readonly IPEndPoint? _linkLocal;
    private int _fd;
    private int _slot;
    private bool _ready;
    private long _turn;
    private int _acceptsThisTurn;
    private long _pauses;

    public EpollListener(EpollNetwork network, int fd, IPEndPoint endPoint)
    {
        _network = network;
        _fd = fd;
        EndPoint = endPoint;
        _operation = new AcceptOperation(this);
        _pause = new LoopTimer(network.Loop, _operation);
        bool any = endPoint.Address.Equals(IPAddress.Any) || endPoint.Address.Equals(IPAddress.IPv6Any);
        // A link's own address is the listener's, unless that is the unspecified one: then the link asks for it.
        _linkLocal = any ? null : endPoint;
    }

    /// <inheritdoc/>
    public override IPEndPoint EndPoint { get; }

    /// <inheritdoc/>
    public override long Pauses => _pauses;

    /// <summary>0, or minus the error number.</summary>
    public int Start()
    {
        _slot = _network.Poller.Add(_fd, this);
        return Math.Min(_slot, 0);
    }

    /// <inheritdoc/>
    public override ValueTask<Link?> AcceptAsync()
    {
        _network.Loop.CheckThread();
        if (TryAccept(out Link? link))
        {
            return new ValueTask<Link?>(link);
        }
        return _operation.Wait();
    }

    /// <inheritdoc/>
    public override void Close()
    {
        _network.Loop.CheckThread();
        if (_fd < 0)
        {
            return;
        }
        _pause.Cancel();
        _network.Poller.Remove(_slot);
        Libc.Close(_fd);
        _fd = -1;
        _operation.WakeUp();
    }

    /// <inheritdoc/>
    public void OnEvents(uint events)
    {
        _ready = true;
        if (!_pause.IsArmed)
        {
            _operation.WakeUp();
        }
    }

    /// <summary>False when the caller has to wait; the operation is enqueued already when waiting is for the next turn only.</summary>
    private bool TryAccept(out Link? link)
    {
        link = null;
        if (_fd < 0)
        {
            return true;
        }
        if (!_ready || _pause.IsArmed)
        {
            return false;
        }
        Span<byte> address = stackalloc byte[SocketAddressBytes.Max];
        while (MayAccept())
        {
            int fd = Libc.Accept(_fd, address, out int length);
            if (fd >= 0)
            {
                int error = Open(fd, SocketAddressBytes.Read(address[..length]), out link);
                if (error == 0)
                {
                    return true;
                }
                fd = error;
            }
            switch (-fd)
            {
                case Libc.EAGAIN:
                    _ready = false;
                    return false;
                case Libc.EMFILE or Libc.ENFILE or Libc.ENOBUFS or Libc.ENOMEM or Libc.ENOSPC:
                    _pauses++;
                    _pause.After(PauseMs);
                    return false;
                default:
                    // Errors of the connection that was waiting (accept(2): "already-pending network errors"): the next.
                    Check.That(-fd is not (Libc.EBADF or Libc.EINVAL or Libc.ENOTSOCK));
                    break;
            }
        }
        _network.Loop.Enqueue(_operation);
        return false;
    }

    private int Open(int fd, IPEndPoint remote, out Link? link)
    {
        var made = new EpollLink(_network, fd, _linkLocal, remote);
        int error = made.Start();
        link = error < 0 ? null : made;
        return error;
    }

    private bool MayAccept()
    {
        if (_turn != _network.Loop.Turns)
        {
            _turn = _network.Loop.Turns;
            _acceptsThisTurn = 0;
        }
        return _acceptsThisTurn++ < AcceptsPerTurn;
    }

    private sealed class AcceptOperation(EpollListener listener) : LoopItem, IValueTaskSource<Link?>
    {
        private ManualResetValueTaskSourceCore<Link?> _core;
        private bool _waiting;

        public ValueTask<Link?> Wait()
        {
            Check.That(!_waiting, "two waiters on one listener");
            _waiting = true;
            _core.Reset();
            return new ValueTask<Link?>(this, _core.Version);
        }

        public void WakeUp()
        {
            if (_waiting)
            {
                listener._network.Loop.Enqueue(this);
            }
        }

        protected internal override void Run()
        {
            if (_waiting && listener.TryAccept(out Link? link))
            {
                _waiting = false;
                _core.SetResult(link);
            }
        }

        Link? IValueTaskSource<Link?>.GetResult(short token) => _core.GetResult(token);

        ValueTaskSourceStatus IValueTaskSource<Link?>.GetStatus(short token) => _core.GetStatus(token);

        void IValueTaskSource<Link?>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            _core.OnCompleted(continuation, state, token, ValueTaskSourceOnCompletedFlags.None);
    }
}
