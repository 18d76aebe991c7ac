using System.Runtime.InteropServices;

namespace FastRelay.Outside.Linux;

/// <summary>Sockets and epoll.</summary>
internal static unsafe partial class Libc
{
    public const int AF_INET = 2;
    public const int AF_INET6 = 10;

    public const int SOL_IP = 0;
    public const int SOL_SOCKET = 1;
    public const int SOL_TCP = 6;
    public const int SOL_IPV6 = 41;
    public const int SO_REUSEADDR = 2;
    public const int SO_ERROR = 4;
    public const int SO_SNDBUF = 7;
    public const int SO_RCVBUF = 8;
    public const int SO_LINGER = 13;
    public const int SO_ACCEPTCONN = 30;
    public const int TCP_NODELAY = 1;
    public const int IPV6_V6ONLY = 26;

    /// <summary>A bound source address takes its port at connect, so that ports are scarce per destination, not per source.</summary>
    public const int IP_BIND_ADDRESS_NO_PORT = 24;

    public const int SHUT_WR = 1;

    public const uint EPOLLIN = 0x1;
    public const uint EPOLLOUT = 0x4;
    public const uint EPOLLERR = 0x8;
    public const uint EPOLLHUP = 0x10;
    public const uint EPOLLRDHUP = 0x2000;
    public const uint EPOLLET = 1u << 31;

    private const int SOCK_STREAM = 1;
    private const int F_SETFL = 4;
    private const int SOCK_NONBLOCK = 0x800;
    private const int SOCK_CLOEXEC = 0x80000;
    private const int EPOLL_CLOEXEC = 0x80000;
    private const int EPOLL_CTL_ADD = 1;

    /// <summary>A closed peer is an error number, not a signal.</summary>
    private const int MSG_NOSIGNAL = 0x4000;

    /// <summary>struct epoll_event is packed on x86-64 only.</summary>
    public static readonly int EpollEventBytes = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : 16;

    public static readonly int EpollDataOffset = EpollEventBytes - 8;

    public static int TcpSocket(int family) => Checked(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));

    public static int Bind(int fd, ReadOnlySpan<byte> address)
    {
        fixed (byte* p = address)
        {
            return Checked(bind(fd, p, address.Length));
        }
    }

    public static int Listen(int fd, int backlog) => Checked(listen(fd, backlog));

    public static int Connect(int fd, ReadOnlySpan<byte> address)
    {
        fixed (byte* p = address)
        {
            return Checked(connect(fd, p, address.Length));
        }
    }

    /// <summary>Takes a connection, non-blocking and closed on exec; writes the peer's address.</summary>
    public static int Accept(int fd, Span<byte> address, out int addressLength)
    {
        fixed (byte* p = address)
        {
            int length = address.Length;
            int result = Checked(accept4(fd, p, &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
            addressLength = length;
            return result;
        }
    }

    public static int LocalAddress(int fd, Span<byte> address, out int addressLength)
    {
        fixed (byte* p = address)
        {
            int length = address.Length;
            int result = Checked(getsockname(fd, p, &length));
            addressLength = length;
            return result;
        }
    }

    public static int SetOption(int fd, int level, int name, int value) => Checked(setsockopt(fd, level, name, &value, sizeof(int)));

    /// <summary>Closing will reset the connection and forget what was not sent (struct linger {on, 0 s}).</summary>
    public static int SetAbortiveClose(int fd)
    {
        long linger = 1;
        return Checked(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(long)));
    }

    /// <summary>The error that waits on a socket, and takes it; 0 when there is none.</summary>
    public static int PendingError(int fd)
    {
        int value = 0;
        int length = sizeof(int);
        int result = Checked(getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &length));
        return result < 0 ? -result : value;
    }

    /// <summary>An option's value, or minus the error number.</summary>
    public static int GetOption(int fd, int level, int name)
    {
        int value = 0;
        int length = sizeof(int);
        int result = Checked(getsockopt(fd, level, name, &value, &length));
        return result < 0 ? result : value;
    }

    /// <summary>O_NONBLOCK for a descriptor that was made elsewhere; for a listener no other status flag matters.</summary>
    public static int SetNonBlocking(int fd) => Checked(fcntl(fd, F_SETFL, SOCK_NONBLOCK));

    public static int Shutdown(int fd, int how) => Checked(shutdown(fd, how));

    public static int Receive(int fd, Span<byte> buffer)
    {
        fixed (byte* p = buffer)
        {
            nint n = recv(fd, p, buffer.Length, 0);
            return n >= 0 ? (int)n : Failed();
        }
    }

    public static int Send(int fd, ReadOnlySpan<byte> data)
    {
        fixed (byte* p = data)
        {
            nint n = send(fd, p, data.Length, MSG_NOSIGNAL);
            return n >= 0 ? (int)n : Failed();
        }
    }

    /// <summary>Sends two pieces in one call, without copying them together.</summary>
    public static int Send(int fd, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        fixed (byte* p = first)
        {
            fixed (byte* q = second)
            {
                IoVector* vectors = stackalloc IoVector[2];
                vectors[0] = new IoVector { Base = p, Length = first.Length };
                vectors[1] = new IoVector { Base = q, Length = second.Length };
                MessageHeader header = default;
                header.Vectors = vectors;
                header.VectorCount = 2;
                nint n = sendmsg(fd, &header, MSG_NOSIGNAL);
                return n >= 0 ? (int)n : Failed();
            }
        }
    }

    public static int EpollCreate() => Checked(epoll_create1(EPOLL_CLOEXEC));

    public static int EpollAdd(int epoll, int fd, uint events, ulong data)
    {
        byte* entry = stackalloc byte[16];
        *(uint*)entry = events;
        *(ulong*)(entry + EpollDataOffset) = data;
        return Checked(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, entry));
    }

    public static int EpollWait(int epoll, byte* events, int count, int timeoutMs) => Checked(epoll_wait(epoll, events, count, timeoutMs));

    /// <summary>Calls back with the family-sized address bytes of every interface.</summary>
    public static int InterfaceAddresses(List<System.Net.IPAddress> addresses)
    {
        // struct ifaddrs { next, name, uint flags, addr, netmask, ... }: pointers at 0, 8 and 24.
        byte* first = null;
        int result = Checked(getifaddrs(&first));
        if (result < 0)
        {
            return result;
        }
        for (byte* entry = first; entry is not null; entry = *(byte**)entry)
        {
            byte* address = *(byte**)(entry + 24);
            if (address is not null && *(ushort*)address is AF_INET or AF_INET6)
            {
                int length = *(ushort*)address == AF_INET ? 16 : 28;
                addresses.Add(SocketAddressBytes.Read(new ReadOnlySpan<byte>(address, length)).Address);
            }
        }
        freeifaddrs(first);
        return 0;
    }

    private struct IoVector
    {
        public byte* Base;
        public nint Length;
    }

    private struct MessageHeader
    {
        public void* Name;
        public uint NameLength;
        public IoVector* Vectors;
        public nuint VectorCount;
        public void* Control;
        public nuint ControlLength;
        public int Flags;
    }

    [LibraryImport("libc", EntryPoint = "socket")]
    private static partial int socket(int family, int type, int protocol);

    // Variadic in C; three plain integers are passed alike on x86-64 and arm64.
    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int fcntl(int fd, int command, int value);

    [LibraryImport("libc", EntryPoint = "bind")]
    private static partial int bind(int fd, void* address, int length);

    [LibraryImport("libc", EntryPoint = "listen")]
    private static partial int listen(int fd, int backlog);

    [LibraryImport("libc", EntryPoint = "connect")]
    private static partial int connect(int fd, void* address, int length);

    [LibraryImport("libc", EntryPoint = "accept4")]
    private static partial int accept4(int fd, void* address, int* length, int flags);

    [LibraryImport("libc", EntryPoint = "getsockname")]
    private static partial int getsockname(int fd, void* address, int* length);

    [LibraryImport("libc", EntryPoint = "setsockopt")]
    private static partial int setsockopt(int fd, int level, int name, void* value, int length);

    [LibraryImport("libc", EntryPoint = "getsockopt")]
    private static partial int getsockopt(int fd, int level, int name, void* value, int* length);

    [LibraryImport("libc", EntryPoint = "shutdown")]
    private static partial int shutdown(int fd, int how);

    [LibraryImport("libc", EntryPoint = "recv")]
    private static partial nint recv(int fd, void* buffer, nint length, int flags);

    [LibraryImport("libc", EntryPoint = "send")]
    private static partial nint send(int fd, void* data, nint length, int flags);

    [LibraryImport("libc", EntryPoint = "sendmsg")]
    private static partial nint sendmsg(int fd, void* message, int flags);

    [LibraryImport("libc", EntryPoint = "epoll_create1")]
    private static partial int epoll_create1(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl")]
    private static partial int epoll_ctl(int epoll, int operation, int fd, void* entry);

    [LibraryImport("libc", EntryPoint = "epoll_wait")]
    private static partial int epoll_wait(int epoll, void* events, int count, int timeoutMs);

    [LibraryImport("libc", EntryPoint = "getifaddrs")]
    private static partial int getifaddrs(byte** first);

    [LibraryImport("libc", EntryPoint = "freeifaddrs")]
    private static partial void freeifaddrs(void* first);
}
