namespace FastRelay.Outside.Linux;

/// <summary>
/// Makes what was appended to a file durable, by a thread of its own: who appends goes on meanwhile. One sync at a time. The descriptor
/// stays the caller's, who closes it only when <see cref="Wait"/> has returned.
/// </summary>
internal sealed class FileSyncer
{
    private const int EINVAL = 22;
    private const int EROFS = 30;
    private readonly object _gate = new();
    private Thread? _thread;
    private int _fd;
    private long _upTo;
    private bool _busy;
    private long _kept;

    /// <summary>Octets that are durable, as <see cref="Begin"/> counted them; any thread.</summary>
    public long Kept => Interlocked.Read(ref _kept);

    /// <summary>A sync is under way; any thread.</summary>
    public bool IsBusy => Volatile.Read(ref _busy);

    /// <summary>Begins a sync; not while one is under way.</summary>
    /// <param name="fd">The file.</param>
    /// <param name="upTo">Octets that were written before.</param>
    public void Begin(int fd, long upTo)
    {
        lock (_gate)
        {
            Check.That(!_busy, "one sync at a time");
            _fd = fd;
            _upTo = upTo;
            Volatile.Write(ref _busy, true);
            if (_thread is null)
            {
                _thread = new Thread(Work) { IsBackground = true, Name = "events sync" };
                _thread.Start();
            }
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Waits for the sync that is under way.</summary>
    /// <param name="ms">For so long at most.</param>
    /// <returns>False when it still is.</returns>
    public bool Wait(int ms = Timeout.Infinite)
    {
        lock (_gate)
        {
            while (_busy)
            {
                if (!Monitor.Wait(_gate, ms))
                {
                    return false;
                }
            }
            return true;
        }
    }

    private void Work()
    {
        while (true)
        {
            int fd;
            lock (_gate)
            {
                while (!_busy)
                {
                    Monitor.Wait(_gate);
                }
                fd = _fd;
            }
            int error = -Libc.SyncData(fd);
            lock (_gate)
            {
                // A pipe or a device has nothing to sync: what it was given is out of our hands.
                if (error is 0 or EINVAL or EROFS)
                {
                    Interlocked.Exchange(ref _kept, _upTo);
                }
                Volatile.Write(ref _busy, false);
                Monitor.PulseAll(_gate);
            }
        }
    }
}
