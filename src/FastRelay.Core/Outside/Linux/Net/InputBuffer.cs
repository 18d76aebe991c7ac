using System.Buffers;

namespace FastRelay.Outside.Linux;

/// <summary>
/// What a reader has in hand: one 16 KiB buffer, rented for the first byte and given back with the last. A mutable
/// struct: a field of its reader, never copied.
/// </summary>
internal struct InputBuffer(LinkBuffers buffers)
{
    private byte[]? _buffer;
    private int _start;
    private int _end;
    private bool _unexamined;

    /// <summary>Bytes that were read and not consumed.</summary>
    public readonly int Count => _end - _start;

    /// <summary>There are bytes that the consumer has not looked at, so a read need not wait.</summary>
    public readonly bool HasUnexamined => _unexamined;

    /// <summary>The unconsumed bytes, contiguous.</summary>
    public readonly ReadOnlySequence<byte> Unconsumed() =>
        _buffer is null ? ReadOnlySequence<byte>.Empty : new ReadOnlySequence<byte>(_buffer, _start, _end - _start);

    /// <summary>The consumer's progress. Does nothing when the last result was empty: its positions belong to no buffer.</summary>
    public void Advance(SequencePosition consumed, SequencePosition examined)
    {
        if (_buffer is null)
        {
            return;
        }
        int start = consumed.GetInteger();
        int seen = examined.GetInteger();
        Check.That(start >= _start && seen >= start && seen <= _end, "positions outside the last read");
        _start = start;
        _unexamined = seen < _end;
        if (_start == _end)
        {
            Release();
        }
    }

    /// <summary>Room behind what is unconsumed, at least one byte.</summary>
    public Memory<byte> Room()
    {
        if (_buffer is null)
        {
            _buffer = buffers.Rent();
        }
        else if (_start > 0)
        {
            // What is left is the head of a line: short.
            Buffer.BlockCopy(_buffer, _start, _buffer, 0, _end - _start);
            _end -= _start;
            _start = 0;
        }
        Check.That(_end < _buffer.Length, "a full read buffer, and nothing of it was consumed");
        return _buffer.AsMemory(_end);
    }

    /// <summary>Takes note of <paramref name="bytes"/> read into <see cref="Room"/>; 0 or less of none.</summary>
    public void Filled(int bytes)
    {
        if (bytes > 0)
        {
            _end += bytes;
            _unexamined = true;
        }
        else if (_start == _end)
        {
            Release();
        }
    }

    /// <summary>Forgets all bytes and gives the buffer back.</summary>
    public void Release()
    {
        if (_buffer is not null)
        {
            buffers.Return(_buffer);
        }
        Clear();
    }

    /// <summary>Forgets all bytes and leaves the buffer to the collector: somebody may still write to it.</summary>
    public void Abandon()
    {
        if (_buffer is not null)
        {
            buffers.Forget();
        }
        Clear();
    }

    private void Clear()
    {
        _buffer = null;
        _start = _end = 0;
        _unexamined = false;
    }
}
