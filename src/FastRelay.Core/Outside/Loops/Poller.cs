namespace FastRelay.Outside;

/// <summary>Waits for outside events on behalf of a <see cref="Loop"/>: epoll in production, a seeded schedule in the simulator.</summary>
public abstract class Poller : IDisposable
{
    /// <summary>Waits up to <paramref name="timeoutMs"/> (0: look only, -1: until woken) and enqueues what became ready on <paramref name="loop"/>.</summary>
    public abstract void Poll(Loop loop, int timeoutMs);

    /// <summary>Ends a wait; any thread.</summary>
    public abstract void Wake();

    /// <inheritdoc/>
    public abstract void Dispose();
}
