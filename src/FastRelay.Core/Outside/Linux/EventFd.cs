using System.Runtime.InteropServices;

namespace FastRelay.Outside.Linux;

/// <summary>Wakes one sleeping thread: an eventfd. Waking costs one system call and never blocks or allocates.</summary>
internal sealed class EventFd : IDisposable
{
    /// <summary>The descriptor, for an epoll set.</summary>
    public int Fd { get; }

    /// <summary>Creates one; blocking when a thread waits in <see cref="Wait"/> rather than in epoll.</summary>
    public EventFd(bool blocking)
    {
        Fd = Libc.EventFd(blocking);
        if (Fd < 0)
        {
            throw new IOException($"eventfd: {ErrnoText.Of(-Fd)}");
        }
    }

    /// <summary>Wakes the waiter, now or at its next wait. Any thread.</summary>
    public void Wake()
    {
        ulong one = 1;
        int result;
        do
        {
            result = Libc.Write(Fd, MemoryMarshal.AsBytes(new ReadOnlySpan<ulong>(in one)));
        }
        while (result == -Libc.EINTR);
    }

    /// <summary>Waits for <see cref="Wake"/> (when blocking), and takes what has gathered.</summary>
    public void Wait()
    {
        Span<byte> value = stackalloc byte[8];
        int result;
        do
        {
            result = Libc.Read(Fd, value);
        }
        while (result == -Libc.EINTR);
    }

    /// <inheritdoc/>
    public void Dispose() => Libc.Close(Fd);
}
