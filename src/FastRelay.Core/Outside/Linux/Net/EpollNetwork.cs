using System.Net;

namespace FastRelay.Outside.Linux;

/// <summary>TCP of one loop on one epoll set.</summary>
public sealed class EpollNetwork : Network
{
    /// <summary>Links that linger at once (2 s or 64 KiB each); past it, closing is plain.</summary>
    private const int LingeringMax = 1024;

    private const int Backlog = 4096;
    private const long OwnAddressesAgeMs = 60_000;

    private readonly List<int> _inherited;
    private readonly List<IPAddress> _ownAddresses = [];
    private long _ownAddressesDueMs = long.MinValue;
    private int _openLinks;

    /// <summary>Creates the network of a loop whose poller is an <see cref="EpollPoller"/>.</summary>
    /// <param name="loop">Of all its links.</param>
    /// <param name="offload">Where TLS handshakes compute.</param>
    /// <param name="listening">Sockets that listen already, see <see cref="LinuxOptions.Listening"/>.</param>
    public EpollNetwork(Loop loop, Offload offload, IReadOnlyList<int>? listening = null)
    {
        _inherited = [.. listening ?? []];
        Check.That(loop.Poller is EpollPoller, "an epoll network needs an epoll loop");
        Loop = loop;
        Offload = offload;
        Poller = (EpollPoller)loop.Poller;
    }

    /// <inheritdoc/>
    public override int OpenLinks => _openLinks;

    /// <summary>Buffers that links hold now; 0 when all are idle.</summary>
    public int RentedBuffers => Buffers.Rented;

    internal Loop Loop { get; }

    internal Offload Offload { get; }

    internal EpollPoller Poller { get; }

    internal LinkBuffers Buffers { get; } = new();

    internal bool MayLinger => Lingering < LingeringMax;

    internal int Lingering { get; set; }

    /// <inheritdoc/>
    public override int Listen(IPEndPoint endPoint, out Listener? listener)
    {
        Loop.CheckThread();
        listener = null;
        int result = Inherited(endPoint);
        int fd = result > 0 ? result : Libc.TcpSocket(SocketAddressBytes.Family(endPoint.Address));
        if (fd < 0)
        {
            return -fd;
        }
        if (result == 0 && ((result = Bind(fd, SocketAddressBytes.Family(endPoint.Address), endPoint)) < 0 || (result = Libc.Listen(fd, Backlog)) < 0))
        {
            Libc.Close(fd);
            return -result;
        }
        var made = new EpollListener(this, fd, LocalEndPoint(fd) ?? endPoint);
        result = made.Start();
        if (result < 0)
        {
            Libc.Close(fd);
            return -result;
        }
        listener = made;
        return 0;
    }

    /// <inheritdoc/>
    public override ValueTask<DialResult> ConnectAsync(IPEndPoint remote, IPAddress? source, int timeoutMs)
    {
        Loop.CheckThread();
        return new Dial(this, remote).Start(source, timeoutMs);
    }

    /// <inheritdoc/>
    public override bool IsOwnAddress(IPAddress address)
    {
        Loop.CheckThread();
        if (address.IsIPv4MappedToIPv6)
        {
            address = address.MapToIPv4();
        }
        // Connecting to the unspecified address reaches this host as well.
        if (IPAddress.IsLoopback(address) || address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any))
        {
            return true;
        }
        if (Loop.NowMs >= _ownAddressesDueMs)
        {
            _ownAddresses.Clear();
            // When it fails, the loopback rule above still holds, and the next call after a minute asks again.
            _ = Libc.InterfaceAddresses(_ownAddresses);
            _ownAddressesDueMs = Loop.NowMs + OwnAddressesAgeMs;
        }
        foreach (IPAddress own in _ownAddresses)
        {
            if (IsSame(own, address))
            {
                return true;
            }
        }
        return false;
    }

    internal static IPEndPoint? LocalEndPoint(int fd)
    {
        Span<byte> address = stackalloc byte[SocketAddressBytes.Max];
        return Libc.LocalAddress(fd, address, out int length) < 0 ? null : SocketAddressBytes.Read(address[..length]);
    }

    internal void Opened() => _openLinks++;

    internal void Closed()
    {
        _openLinks--;
        Check.That(_openLinks >= 0);
    }

    /// <summary>Equal bytes: an interface's link-local address carries a scope that a DNS answer cannot have.</summary>
    private static bool IsSame(IPAddress a, IPAddress b)
    {
        Span<byte> first = stackalloc byte[16];
        Span<byte> second = stackalloc byte[16];
        return a.TryWriteBytes(first, out int m) && b.TryWriteBytes(second, out int n) && first[..m].SequenceEqual(second[..n]);
    }

    /// <summary>The socket of an address that was handed over, made ready for a loop; 0 when there is none, which is no descriptor of a socket here.</summary>
    private int Inherited(IPEndPoint endPoint)
    {
        int fd = _inherited.Find(fd => endPoint.Equals(LinuxSockets.ListeningOn(fd)));
        if (fd > 0)
        {
            _inherited.Remove(fd);
            // Whoever made it may have left out what ours have: it must not block, and answers leave at once.
            _ = Libc.SetNonBlocking(fd);
            _ = Libc.SetOption(fd, Libc.SOL_TCP, Libc.TCP_NODELAY, 1);
        }
        return fd;
    }

    private static int Bind(int fd, int family, IPEndPoint endPoint)
    {
        int result = Libc.SetOption(fd, Libc.SOL_SOCKET, Libc.SO_REUSEADDR, 1);
        if (result >= 0 && family == Libc.AF_INET6)
        {
            // [::] and 0.0.0.0 are two listeners, on every host alike.
            result = Libc.SetOption(fd, Libc.SOL_IPV6, Libc.IPV6_V6ONLY, 1);
        }
        if (result >= 0)
        {
            // Accepted sockets inherit it (Linux copies the listener's), which saves a call for each.
            result = Libc.SetOption(fd, Libc.SOL_TCP, Libc.TCP_NODELAY, 1);
        }
        if (result < 0)
        {
            return result;
        }
        Span<byte> address = stackalloc byte[SocketAddressBytes.Max];
        int length = SocketAddressBytes.Write(address, endPoint.Address, endPoint.Port);
        return Libc.Bind(fd, address[..length]);
    }
}
