using System.Runtime.InteropServices;

namespace FastRelay.Outside.Linux;

/// <summary>
/// The loop's wait on sockets: one edge-triggered epoll set, 256 events a call, and an eventfd by which other threads
/// end the wait. Each event carries {generation, slot}; one of an earlier user of the slot is ignored.
/// </summary>
public sealed unsafe class EpollPoller : Poller
{
    private const int EventsPerCall = 256;
    private const uint Interest = Libc.EPOLLIN | Libc.EPOLLOUT | Libc.EPOLLRDHUP | Libc.EPOLLET;

    /// <summary>The slot of the eventfd; no target ever has it.</summary>
    private const int WakeSlot = 0;

    private readonly int _epoll;
    private readonly EventFd _wake;
    private readonly byte* _events;
    private IEpollTarget?[] _targets = new IEpollTarget?[64];
    private uint[] _generations = new uint[64];
    private int[] _free = new int[64];
    private int _freeCount;
    private int _used = WakeSlot + 1;
    private bool _disposed;

    /// <summary>Creates the epoll set.</summary>
    /// <exception cref="IOException">The system has no descriptor or memory left.</exception>
    public EpollPoller()
    {
        _epoll = Libc.EpollCreate();
        if (_epoll < 0)
        {
            throw new IOException($"epoll_create1: {ErrnoText.Of(-_epoll)}");
        }
        _wake = new EventFd(blocking: false);
        int result = Libc.EpollAdd(_epoll, _wake.Fd, Libc.EPOLLIN | Libc.EPOLLET, WakeSlot);
        Check.That(result >= 0);
        _events = (byte*)NativeMemory.Alloc((nuint)(EventsPerCall * Libc.EpollEventBytes));
    }

    /// <summary>Events of slots that were closed, or reused, before the event was looked at.</summary>
    public long StaleEvents { get; private set; }

    /// <inheritdoc/>
    public override void Poll(Loop loop, int timeoutMs)
    {
        int count = Libc.EpollWait(_epoll, _events, EventsPerCall, timeoutMs);
        // EINTR is a wait that ended early, which the loop takes as such.
        Check.That(count >= 0 || count == -Libc.EINTR);
        for (int i = 0; i < count; i++)
        {
            byte* entry = _events + (i * Libc.EpollEventBytes);
            Dispatch(*(ulong*)(entry + Libc.EpollDataOffset), *(uint*)entry);
        }
    }

    /// <inheritdoc/>
    public override long CpuNs => Libc.ThreadCpuNs();

    /// <inheritdoc/>
    public override void Wake() => _wake.Wake();

    /// <inheritdoc/>
    public override void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            Libc.Close(_epoll);
            _wake.Dispose();
            NativeMemory.Free(_events);
        }
    }

    /// <summary>Hands one event to its target, or drops it when the target is gone.</summary>
    internal void Dispatch(ulong data, uint events)
    {
        int slot = (int)(uint)data;
        if (slot == WakeSlot)
        {
            // Each write to an eventfd is a new edge, so its counter is never read: it lasts for 2^64 wake-ups.
            return;
        }
        IEpollTarget? target = _targets[slot];
        if (target is null || _generations[slot] != (uint)(data >> 32))
        {
            StaleEvents++;
            return;
        }
        target.OnEvents(events);
    }

    /// <summary>Watches a descriptor.</summary>
    /// <returns>The slot, or minus the error number (ENOSPC, ENOMEM).</returns>
    internal int Add(int fd, IEpollTarget target)
    {
        int slot = _freeCount > 0 ? _free[--_freeCount] : NewSlot();
        int result = Libc.EpollAdd(_epoll, fd, Interest, DataOf(slot));
        if (result < 0)
        {
            _free[_freeCount++] = slot;
            return result;
        }
        _targets[slot] = target;
        return slot;
    }

    /// <summary>The event data by which the present user of a slot is known.</summary>
    internal ulong DataOf(int slot) => ((ulong)_generations[slot] << 32) | (uint)slot;

    /// <summary>Gives a watched descriptor to another target: a dial that has become a link.</summary>
    internal void Replace(int slot, IEpollTarget target)
    {
        Check.That(_targets[slot] is not null);
        _targets[slot] = target;
    }

    /// <summary>Forgets a slot; its descriptor is closed right after, which takes it out of the set.</summary>
    internal void Remove(int slot)
    {
        Check.That(_targets[slot] is not null);
        _targets[slot] = null;
        _generations[slot]++;
        _free[_freeCount++] = slot;
    }

    private int NewSlot()
    {
        if (_used == _targets.Length)
        {
            Array.Resize(ref _targets, _used * 2);
            Array.Resize(ref _generations, _used * 2);
            Array.Resize(ref _free, _used * 2);
        }
        return _used++;
    }
}
