namespace FastRelay.Observe;

/// <summary>
/// Somebody who watches dialogues: lines wait here until they are taken. A watcher that does not take them loses lines, and is
/// told how many; no session waits for it. Loop thread.
/// </summary>
public sealed class TraceWatcher
{
    /// <summary>Octets of lines that may wait.</summary>
    public const int BufferBytes = 256 * 1024;

    /// <summary>A watcher that has taken nothing for so long is gone, ms.</summary>
    public const long ForgottenMs = 60_000;

    private readonly byte[] _buffer = new byte[BufferBytes];
    private int _length;
    private long _lost;

    internal TraceWatcher(TraceFilter filter, int place, long serial)
    {
        Filter = filter;
        Place = place;
        Serial = serial;
    }

    internal TraceFilter Filter { get; }

    /// <summary>Its place among the watchers.</summary>
    internal int Place { get; }

    /// <summary>Tells it from one that had its place before.</summary>
    internal long Serial { get; }

    /// <summary>When it last took its lines, unix ms.</summary>
    internal long SeenMs { get; set; }

    internal void Add(ReadOnlySpan<byte> line)
    {
        // Whole lines, and none out of order: after the first that is lost all are, until they are taken.
        if (_lost > 0 || line.Length > _buffer.Length - _length)
        {
            _lost++;
            return;
        }
        line.CopyTo(_buffer.AsSpan(_length));
        _length += line.Length;
    }

    /// <summary>Takes what waits: whole lines, and the number of those that found no room behind them.</summary>
    internal (byte[] Lines, long Lost) Take()
    {
        byte[] lines = _buffer.AsSpan(0, _length).ToArray();
        long lost = _lost;
        _length = 0;
        _lost = 0;
        return (lines, lost);
    }
}
