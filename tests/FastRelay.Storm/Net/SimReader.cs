using System.Buffers;
using System.IO.Pipelines;
using FastRelay.Outside;

namespace FastRelay.Storm;

/// <summary>Reads of at most <see cref="Link.ReadBufferBytes"/> contiguous bytes.</summary>
internal sealed class SimReader(SimLink link) : PipeReader
{
    private byte[] _buffer = [];
    private int _start;
    private int _end;
    private int _examined;
    private bool _cancel;
    private bool _inRead;
    private bool _handedOut;

    /// <summary>Bytes that were received and not consumed.</summary>
    public int Buffered => _end - _start;

    /// <summary>A read would not wait, whatever arrived.</summary>
    public bool HasResult => _cancel || _end > _examined;

    public bool HasBuffer => _buffer.Length > 0;

    public override async ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        link.Loop.CheckThread();
        Check.That(!_inRead, "two reads at once");
        Check.That(!_handedOut, "a read before the last one was advanced");
        Check.That(_start > 0 || _examined < Link.ReadBufferBytes, "a full buffer and nothing consumed");
        _inRead = true;
        ReadResult result;
        while (!TryReadCore(out result))
        {
            await link.Readable.WaitAsync();
        }
        _inRead = false;
        return result;
    }

    public override bool TryRead(out ReadResult result)
    {
        link.Loop.CheckThread();
        Check.That(!_inRead && !_handedOut);
        return TryReadCore(out result);
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        link.Loop.CheckThread();
        _handedOut = false;
        int start = IndexOf(consumed);
        int seen = IndexOf(examined);
        Check.That(start >= _start && start <= seen && seen <= _end, "advanced backwards or past the end");
        _start = start;
        _examined = seen;
        if (_start == _end)
        {
            // An idle link owns no buffer.
            _buffer = [];
            _start = _end = _examined = 0;
        }
    }

    public override void CancelPendingRead()
    {
        _cancel = true;
        link.WakeReader();
    }

    public override void Complete(Exception? exception = null)
    {
    }

    // The sequence keeps a flag in the top bit of its last position.
    private static int IndexOf(SequencePosition position) => position.GetInteger() & int.MaxValue;

    private bool TryReadCore(out ReadResult result)
    {
        if (_cancel)
        {
            _cancel = false;
            result = Result(canceled: true, completed: false);
            return true;
        }
        Fill();
        bool end = link.AtEnd;
        bool more = _end > _examined;
        if (more || end)
        {
            if (end)
            {
                link.SawEnd();
            }
            result = Result(canceled: false, end);
            return true;
        }
        result = default;
        return false;
    }

    private void Fill()
    {
        if (_start > 0 && _end > _start)
        {
            _buffer.AsSpan(_start, Buffered).CopyTo(_buffer);
            _examined -= _start;
            _end -= _start;
            _start = 0;
        }
        Span<byte> piece = stackalloc byte[Math.Min(2_048, Link.ReadBufferBytes - _end)];
        int count;
        while (piece.Length > 0 && (count = link.Receive(piece)) > 0)
        {
            if (_buffer.Length == 0)
            {
                _buffer = new byte[Link.ReadBufferBytes];
            }
            piece[..count].CopyTo(_buffer.AsSpan(_end));
            _end += count;
            piece = piece[..Math.Min(piece.Length, Link.ReadBufferBytes - _end)];
        }
    }

    private ReadResult Result(bool canceled, bool completed)
    {
        _handedOut = Buffered > 0;
        return new ReadResult(new ReadOnlySequence<byte>(_buffer, _start, Buffered), canceled, completed);
    }
}
