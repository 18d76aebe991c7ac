using System.Runtime.InteropServices;

namespace FastRelay.Outside.Linux;

/// <summary>
/// Every call into the C library. Each wrapper returns what the call returned, or minus the error number: it is read
/// at once, before anything else can run on the thread and change it.
/// </summary>
/// <remarks>
/// Plain symbol names, so that a preloaded library can stand between in a dynamic build. No SuppressGCTransition: it
/// gained nothing on calls of a microsecond and made every garbage collection wait for them (measured).
/// Numbers are those of Linux on x86-64 and arm64.
/// </remarks>
internal static unsafe partial class Libc
{
    public const int EPERM = 1;
    public const int EINTR = 4;
    public const int EIO = 5;
    public const int EBADF = 9;
    public const int EAGAIN = 11;
    public const int ENOMEM = 12;
    public const int EEXIST = 17;
    public const int EINVAL = 22;
    public const int ENFILE = 23;
    public const int EMFILE = 24;
    public const int ENOSPC = 28;
    public const int ENOSYS = 38;
    public const int EPROTO = 71;
    public const int ENOTSOCK = 88;
    public const int EOPNOTSUPP = 95;
    public const int ECONNABORTED = 103;
    public const int ECONNRESET = 104;
    public const int ENOBUFS = 105;
    public const int ETIMEDOUT = 110;
    public const int ECONNREFUSED = 111;
    public const int EINPROGRESS = 115;

    private const int EFD_CLOEXEC = 0x80000;
    private const int EFD_NONBLOCK = 0x800;
    private const int CLOCK_THREAD_CPUTIME_ID = 3;

    static Libc()
    {
        // The first call binds the runtime's own reader of errno, which may change errno: never after a call of ours.
        _ = Marshal.GetLastSystemError();
    }

    /// <summary>-errno of the call that has just failed on this thread.</summary>
    private static int Failed() => -Marshal.GetLastSystemError();

    private static int Checked(int result) => result >= 0 ? result : Failed();

    /// <summary>The descriptor is gone whatever this returns (close(2)): never retried, not even after EINTR.</summary>
    public static int Close(int fd) => Checked(close(fd));

    public static int Read(int fd, Span<byte> buffer)
    {
        fixed (byte* p = buffer)
        {
            nint n = read(fd, p, buffer.Length);
            return n >= 0 ? (int)n : Failed();
        }
    }

    public static int Write(int fd, ReadOnlySpan<byte> data)
    {
        fixed (byte* p = data)
        {
            nint n = write(fd, p, data.Length);
            return n >= 0 ? (int)n : Failed();
        }
    }

    /// <summary>A counter that a blocked reader or an epoll set can wait on; the cheapest way to wake another thread.</summary>
    public static int EventFd(bool blocking) => Checked(eventfd(0, EFD_CLOEXEC | (blocking ? 0 : EFD_NONBLOCK)));

    /// <summary>Waits until one descriptor is ready for <paramref name="events"/> (POLLIN 1, POLLOUT 4).</summary>
    public static int Poll(int fd, short events, int timeoutMs)
    {
        // struct pollfd { int fd; short events; short revents; }
        long entry = (uint)fd | ((long)(ushort)events << 32);
        return Checked(poll(&entry, 1, timeoutMs));
    }

    /// <summary>Processor time of the calling thread, ns; 0 when the kernel does not say.</summary>
    public static long ThreadCpuNs()
    {
        // struct timespec { time_t tv_sec; long tv_nsec; }
        long* time = stackalloc long[2];
        return clock_gettime(CLOCK_THREAD_CPUTIME_ID, time) == 0 ? (time[0] * 1_000_000_000) + time[1] : 0;
    }

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int close(int fd);

    [LibraryImport("libc", EntryPoint = "read")]
    private static partial nint read(int fd, void* buffer, nint length);

    [LibraryImport("libc", EntryPoint = "write")]
    private static partial nint write(int fd, void* data, nint length);

    [LibraryImport("libc", EntryPoint = "eventfd")]
    private static partial int eventfd(uint value, int flags);

    [LibraryImport("libc", EntryPoint = "poll")]
    private static partial int poll(void* entries, nuint count, int timeoutMs);

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int clock_gettime(int clock, void* time);
}
