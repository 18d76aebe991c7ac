namespace FastRelay.Outside.Linux;

/// <summary>
/// Closes a descriptor so that the peer sees our last bytes: closing with unread input makes the kernel send a reset,
/// which may overtake them. Says "no more" first, then reads on to the peer's end, for at most 64 KiB or 2 s.
/// </summary>
internal sealed class LingeringClose : LoopItem, IEpollTarget
{
    private const int DrainBytes = 64 * 1024;
    private const int DrainMs = 2_000;

    private readonly EpollNetwork _network;
    private readonly int _fd;
    private readonly int _slot;
    private readonly LoopTimer _timeout;
    private int _drained;
    private bool _closed;

    private LingeringClose(EpollNetwork network, int fd, int slot, int drained)
    {
        _network = network;
        _fd = fd;
        _slot = slot;
        _drained = drained;
        _timeout = new LoopTimer(network.Loop, new TimeIsUp(this));
    }

    /// <summary>Takes over a watched descriptor that has unread input.</summary>
    /// <param name="network">The network of the link that ends.</param>
    /// <param name="fd">Its descriptor.</param>
    /// <param name="slot">Its slot.</param>
    /// <param name="unread">Input was read and not consumed: more of it is likely to come.</param>
    /// <returns>False when a plain close will do: the caller closes.</returns>
    public static bool TryStart(EpollNetwork network, int fd, int slot, bool unread)
    {
        int drained = 0;
        bool peerMaySend = Drain(network, fd, ref drained);
        if (!peerMaySend || (drained == 0 && !unread) || !network.MayLinger)
        {
            return false;
        }
        _ = Libc.Shutdown(fd, Libc.SHUT_WR);
        var close = new LingeringClose(network, fd, slot, drained);
        network.Lingering++;
        network.Poller.Replace(slot, close);
        close._timeout.After(DrainMs);
        return true;
    }

    /// <inheritdoc/>
    public void OnEvents(uint events) => _network.Loop.Enqueue(this);

    /// <summary>Looks again.</summary>
    protected internal override void Run()
    {
        if (!_closed && !Drain(_network, _fd, ref _drained))
        {
            Finish();
        }
    }

    /// <summary>Reads and forgets. False at the peer's end, an error, or the bound.</summary>
    private static bool Drain(EpollNetwork network, int fd, ref int drained)
    {
        byte[] buffer = network.Buffers.Rent();
        int n;
        do
        {
            n = Libc.Receive(fd, buffer);
            drained += Math.Max(n, 0);
        }
        while ((n > 0 && drained < DrainBytes) || n == -Libc.EINTR);
        network.Buffers.Return(buffer);
        return n == -Libc.EAGAIN;
    }

    private void Finish()
    {
        _closed = true;
        _timeout.Cancel();
        _network.Lingering--;
        _network.Poller.Remove(_slot);
        Libc.Close(_fd);
        _network.Closed();
    }

    private sealed class TimeIsUp(LingeringClose owner) : LoopItem
    {
        protected internal override void Run()
        {
            if (!owner._closed)
            {
                owner.Finish();
            }
        }
    }
}
