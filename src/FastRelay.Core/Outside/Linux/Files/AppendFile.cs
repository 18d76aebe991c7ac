namespace FastRelay.Outside.Linux;

/// <summary>
/// Whole lines to the end of a file, by a thread of their own. The writer of a line copies it and goes on. What cannot be
/// written (a full disk, a pipe that nobody reads) waits and is tried again, up to the ring's size; past it lines are
/// refused, so that whoever writes them can say how many are missing. What has waited for too long is dropped where a bound
/// in age is given.
/// </summary>
public sealed class AppendFile : Output, IDisposable
{
    /// <summary>Lines are gathered this long: a call each would cost more than the lines.</summary>
    private const int GatherMs = 5;

    /// <summary>What could not be written is tried again after this.</summary>
    private const int AgainMs = 200;

    private const int FlushMs = 1_000;
    private const int O_APPEND = 0x400;
    private const int O_NONBLOCK = 0x800;

    // Owner and the group that reads logs.
    private const int Mode = 0b110_100_000;
    private const short POLLOUT = 4;

    private readonly string _path;
    private readonly StaleLines? _stale;
    private readonly byte[] _ring;
    private readonly byte[] _instead = new byte[StaleLines.InsteadBytes];
    private byte[] _wrapped = [];
    private int _insteadAt;
    private int _insteadEnd;
    private readonly object _gate = new();
    private readonly Thread _thread;
    private readonly FileSyncer _syncer = new();
    private int _fd;
    private int _start;
    private int _count;
    private bool _midLine;
    private bool _keeping;
    private long _keepTo;
    private bool _reopening;
    private bool _reopenFailed;
    private bool _stopping;
    private long _dropped;
    private long _taken;
    private long _passed;
    private int _errno;

    /// <summary>
    /// Opens or makes a file; when that fails, it is tried again until it works. A file whose last line has no end is given
    /// one: its writer was killed in the middle of it.
    /// </summary>
    /// <param name="path">Absolute.</param>
    /// <param name="bytes">Octets of lines that may wait.</param>
    /// <param name="stale">Which lines have waited for too long; null when none can.</param>
    public AppendFile(string path, int bytes, StaleLines? stale = null)
    {
        _path = path;
        _stale = stale;
        _fd = OpenFile(path);
        _errno = Math.Max(0, -_fd);
        _ring = new byte[bytes];
        _thread = new Thread(Work) { IsBackground = true, Name = "events" };
        _thread.Start();
    }

    /// <inheritdoc/>
    public override long Dropped => Interlocked.Read(ref _dropped);

    /// <inheritdoc/>
    public override long Taken => Interlocked.Read(ref _taken);

    /// <inheritdoc/>
    public override long Passed => Interlocked.Read(ref _passed);

    /// <inheritdoc/>
    public override long Kept => _syncer.Kept;

    /// <summary>The error that writing or opening meets now; 0 while all is well. Any thread.</summary>
    public int Errno => Volatile.Read(ref _errno);

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
            if (_count == 0)
            {
                Monitor.Pulse(_gate);
            }
            _count += line.Length;
            Interlocked.Add(ref _taken, line.Length);
            return true;
        }
    }

    /// <inheritdoc/>
    public override void MakeDurable()
    {
        lock (_gate)
        {
            // What is asked for first is kept first: under load, each ask would else put it off.
            _keepTo = _keeping ? _keepTo : _taken;
            _keeping = true;
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>Opens the path anew at the next line's begin: the file that was there has been renamed away. Any thread.</summary>
    public void Reopen()
    {
        lock (_gate)
        {
            _reopening = true;
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>Writes what waits, for at most a second, and ends.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_stopping)
            {
                return;
            }
            _stopping = true;
            Monitor.Pulse(_gate);
        }
        // A thread that is stuck in write(2) is left behind with its descriptor: the process ends anyway.
        if (_thread.Join(FlushMs + AgainMs) && _syncer.Wait(FlushMs))
        {
            Close();
        }
    }

    /// <summary>All that was to be kept is in the file: on this thread, with the gate.</summary>
    private bool IsKeepDue => _keeping && _passed >= _keepTo && _insteadAt == _insteadEnd && _fd >= 0 && !_syncer.IsBusy;

    private void CloseOld()
    {
        if (_fd >= 0)
        {
            // Its last lines are told to be kept by a sync of the file that comes now.
            _syncer.Wait();
            _ = Libc.SyncData(_fd);
        }
        Close();
    }

    private void Close()
    {
        if (_fd >= 0)
        {
            _ = Libc.Close(_fd);
        }
    }

    private void Work()
    {
        long endBy = long.MaxValue;
        while (true)
        {
            if (!_midLine)
            {
                DropStale();
            }
            int start;
            int count;
            lock (_gate)
            {
                while (_count == 0 && _insteadAt == _insteadEnd && !_reopening && !_stopping && !IsKeepDue)
                {
                    Monitor.Wait(_gate);
                }
                if (IsKeepDue)
                {
                    _keeping = false;
                    _syncer.Begin(_fd, _passed);
                    continue;
                }
                if (_stopping && ((_count == 0 && _insteadAt == _insteadEnd) || Environment.TickCount64 > endBy))
                {
                    return;
                }
                endBy = _stopping && endBy == long.MaxValue ? Environment.TickCount64 + FlushMs : endBy;
                if (!_stopping && !_reopening && _count < _ring.Length / 4)
                {
                    Monitor.Wait(_gate, GatherMs);
                }
                start = _start;
                count = Math.Min(_count, _ring.Length - _start);
            }
            if (_reopening && !_midLine)
            {
                OpenAnew();
                continue;
            }
            bool instead = _insteadAt < _insteadEnd;
            Take(WriteSome(instead ? _instead.AsSpan(_insteadAt, _insteadEnd - _insteadAt) : Piece(start, count)), instead);
        }
    }

    /// <summary>What is too old makes room, and a line in its place is written first. At the begin of a line: of one that is half written, the rest follows.</summary>
    private void DropStale()
    {
        if (_stale is null)
        {
            return;
        }
        while (FirstLine() is { IsEmpty: false } line && _stale.Take(line))
        {
            lock (_gate)
            {
                _start = (_start + line.Length) % _ring.Length;
                _count -= line.Length;
                Interlocked.Add(ref _passed, line.Length);
            }
        }
        if (_insteadAt == _insteadEnd)
        {
            _insteadAt = 0;
            _insteadEnd = _stale.Instead(_instead);
        }
    }

    /// <summary>The oldest line that waits; empty when none does.</summary>
    private ReadOnlySpan<byte> FirstLine()
    {
        int count;
        lock (_gate)
        {
            count = _count;
        }
        ReadOnlySpan<byte> straight = _ring.AsSpan(_start, Math.Min(count, _ring.Length - _start));
        int end = straight.IndexOf((byte)'\n') + 1;
        if (end > 0 || count == 0)
        {
            return straight[..end];
        }
        // It goes on at the ring's begin.
        int rest = _ring.AsSpan(0, count - straight.Length).IndexOf((byte)'\n') + 1;
        if (_wrapped.Length < straight.Length + rest)
        {
            _wrapped = new byte[straight.Length + rest];
        }
        straight.CopyTo(_wrapped);
        _ring.AsSpan(0, rest).CopyTo(_wrapped.AsSpan(straight.Length));
        return _wrapped.AsSpan(0, straight.Length + rest);
    }

    // The rest of a line that is half written goes where its beginning is.
    private ReadOnlySpan<byte> Piece(int start, int count)
    {
        ReadOnlySpan<byte> piece = _ring.AsSpan(start, count);
        int end = _reopening ? piece.IndexOf((byte)'\n') : -1;
        return end < 0 ? piece : piece[..(end + 1)];
    }

    private void Take(int written, bool instead)
    {
        lock (_gate)
        {
            if (written <= 0)
            {
                Volatile.Write(ref _errno, -written);
                Monitor.Wait(_gate, AgainMs);
                return;
            }
            _reopening |= _reopenFailed;
            Volatile.Write(ref _errno, _reopenFailed ? _errno : 0);
            if (instead)
            {
                _insteadAt += written;
                _midLine = _insteadAt < _insteadEnd;
                return;
            }
            // Only this thread moves the start, and nobody writes over what is counted.
            _midLine = _ring[(_start + written - 1) % _ring.Length] != '\n';
            _start = (_start + written) % _ring.Length;
            _count -= written;
            Interlocked.Add(ref _passed, written);
        }
    }

    private void OpenAnew()
    {
        lock (_gate)
        {
            // Before: a rename that comes now is another one.
            _reopening = false;
        }
        int fd = OpenFile(_path);
        if (fd < 0)
        {
            // The old file goes on, better in a place that was renamed than nowhere, until the next try.
            _reopenFailed = true;
            Volatile.Write(ref _errno, -fd);
            return;
        }
        _reopenFailed = false;
        CloseOld();
        _fd = fd;
    }

    private int WriteSome(ReadOnlySpan<byte> data)
    {
        if (_fd < 0 && (_fd = OpenFile(_path)) < 0)
        {
            return _fd;
        }
        while (!data.IsEmpty)
        {
            int n = Libc.Write(_fd, data);
            switch (-n)
            {
                case Libc.EINTR:
                    break;
                case Libc.EAGAIN:
                    if (Libc.Poll(_fd, POLLOUT, AgainMs) <= 0)
                    {
                        return 0;
                    }
                    break;
                default:
                    return n;
            }
        }
        return 0;
    }

    private static int OpenFile(string path)
    {
        // Not blocking: a pipe without a reader is an error and no wait.
        int fd = Libc.Open(path, Libc.O_WRONLY | Libc.O_CREAT | O_APPEND | O_NONBLOCK, Mode);
        if (fd >= 0 && EndsInside(path, Libc.Length(fd)))
        {
            _ = Libc.Write(fd, "\n"u8);
        }
        return fd;
    }

    private static bool EndsInside(string path, long length)
    {
        if (length <= 0)
        {
            return false;
        }
        int fd = Libc.Open(path, Libc.O_RDONLY | O_NONBLOCK, 0);
        if (fd < 0)
        {
            return false;
        }
        Span<byte> last = stackalloc byte[1];
        int read = Libc.ReadAt(fd, last, length - 1);
        _ = Libc.Close(fd);
        return read == 1 && last[0] != '\n';
    }
}
