namespace FastRelay.Outside.Linux;

/// <summary>
/// Lines to a descriptor by a thread of their own, through a ring of <see cref="Limits.LogBytes"/>. The writer of a
/// line copies it and goes on; a reader that has stopped blocks only that thread.
/// </summary>
public sealed class LinuxOutput : Output, IDisposable
{
    /// <summary>Lines are gathered this long, unless they are many: a call each would cost more than the lines.</summary>
    private const int GatherMs = 5;

    private const int HurryBytes = Limits.LogBytes / 4;
    private const int FlushMs = 1_000;
    private const short POLLIN = 1;
    private const short POLLOUT = 4;

    private readonly int _fd;
    private readonly byte[] _ring = new byte[Limits.LogBytes];
    private readonly Lock _gate = new();
    private readonly EventFd _wake = new(blocking: false);
    private readonly Thread _thread;
    private int _start;
    private int _count;
    private bool _asleep;
    private bool _gathering;
    private bool _stopping;
    private long _dropped;
    private long _taken;
    private long _passed;

    /// <summary>Starts the thread. The descriptor stays the caller's.</summary>
    /// <param name="fd">Where lines go.</param>
    /// <param name="journalStream">"device:inode" of the descriptor that leads to the journal: another one, as behind a shell's redirection, does not.</param>
    public LinuxOutput(int fd, string? journalStream = null)
    {
        _fd = fd;
        IsJournal = LeadsTo(fd, journalStream);
        _thread = new Thread(Work) { IsBackground = true, Name = "output" };
        _thread.Start();
    }

    /// <summary>True when a descriptor is the one that systemd has connected to the journal: device and inode are compared, as systemd.exec(5) says.</summary>
    /// <param name="fd">As 2 for standard error.</param>
    /// <param name="journalStream">JOURNAL_STREAM, "device:inode"; null when there is none.</param>
    public static bool LeadsTo(int fd, string? journalStream) => journalStream is not null && Libc.Identity(fd, out ulong device, out ulong inode) >= 0
        && journalStream == string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{device}:{inode}");

    /// <inheritdoc/>
    public override bool IsJournal { get; }

    /// <inheritdoc/>
    public override long Dropped => Interlocked.Read(ref _dropped);

    /// <inheritdoc/>
    public override long Taken => Interlocked.Read(ref _taken);

    /// <inheritdoc/>
    public override long Passed => Interlocked.Read(ref _passed);

    /// <inheritdoc/>
    public override bool HasRoom(long octets)
    {
        lock (_gate)
        {
            return octets <= _ring.Length - _count;
        }
    }

    /// <inheritdoc/>
    public override bool TryWrite(ReadOnlySpan<byte> line)
    {
        bool wake;
        lock (_gate)
        {
            if (line.Length > _ring.Length - _count || _stopping)
            {
                Interlocked.Increment(ref _dropped);
                return false;
            }
            int at = (_start + _count) % _ring.Length;
            int first = Math.Min(line.Length, _ring.Length - at);
            line[..first].CopyTo(_ring.AsSpan(at));
            line[first..].CopyTo(_ring);
            _count += line.Length;
            Interlocked.Add(ref _taken, line.Length);
            wake = _asleep || (_gathering && _count >= HurryBytes);
            if (wake)
            {
                _asleep = _gathering = false;
            }
        }
        if (wake)
        {
            _wake.Wake();
        }
        return true;
    }

    /// <summary>Writes what is gathered, for at most a second, and ends.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_stopping)
            {
                return;
            }
            _stopping = true;
        }
        _wake.Wake();
        // A thread that is stuck in write(2) is left behind with its descriptor: the process ends anyway.
        if (_thread.Join(FlushMs))
        {
            _wake.Dispose();
        }
    }

    private void Work()
    {
        while (true)
        {
            int start;
            int count;
            lock (_gate)
            {
                start = _start;
                count = Math.Min(_count, _ring.Length - _start);
                if (count == 0 && _stopping)
                {
                    return;
                }
                _asleep = count == 0;
            }
            if (count == 0)
            {
                WaitForLines();
                continue;
            }
            int written = WriteSome(_ring.AsSpan(start, count));
            lock (_gate)
            {
                // Only this thread moves the start, and nobody writes over what is counted.
                _start = (_start + written) % _ring.Length;
                _count -= written;
                Interlocked.Add(ref _passed, written);
            }
        }
    }

    private void WaitForLines()
    {
        _ = Libc.Poll(_wake.Fd, POLLIN, -1);
        _wake.Wait();
        lock (_gate)
        {
            _gathering = !_stopping && _count < HurryBytes;
            if (!_gathering)
            {
                return;
            }
        }
        _ = Libc.Poll(_wake.Fd, POLLIN, GatherMs);
        lock (_gate)
        {
            _gathering = false;
        }
    }

    /// <summary>Bytes to take out of the ring: written, or lost for good.</summary>
    private int WriteSome(ReadOnlySpan<byte> data)
    {
        while (true)
        {
            int n = Libc.Write(_fd, data);
            switch (-n)
            {
                case Libc.EINTR:
                    break;
                case Libc.EAGAIN:
                    // Somebody made the descriptor non-blocking: for all who share it.
                    _ = Libc.Poll(_fd, POLLOUT, -1);
                    break;
                case > 0:
                    // Nobody will ever read (EPIPE), or nothing can be stored (ENOSPC): these lines are lost.
                    Interlocked.Add(ref _dropped, data.Count((byte)'\n'));
                    return data.Length;
                default:
                    return n;
            }
        }
    }
}
