namespace FastRelay.Outside;

/// <summary>Waits for outside events on behalf of a <see cref="Loop"/>: epoll in production, a seeded schedule in the simulator.</summary>
public abstract class Poller : IDisposable
{
    /// <summary>Waits up to <paramref name="timeoutMs"/> (0: look only, -1: until woken) and enqueues what became ready on <paramref name="loop"/>.</summary>
    public abstract void Poll(Loop loop, int timeoutMs);

    /// <summary>What the calling thread has used of the processor since it began, ns; 0 where nobody knows. Not waiting, and not what other processes take.</summary>
    public virtual long CpuNs => 0;

    /// <summary>Ends a wait; any thread.</summary>
    public abstract void Wake();

    /// <inheritdoc/>
    public abstract void Dispose();
}
