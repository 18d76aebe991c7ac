namespace FastRelay.Storm;

/// <summary>Bytes in order: a kernel buffer.</summary>
internal sealed class ByteQueue
{
    private byte[] _bytes = new byte[256];
    private int _head;

    public int Count { get; private set; }

    public ReadOnlySpan<byte> Peek(int count) => _bytes.AsSpan(_head, count);

    public void Append(ReadOnlySpan<byte> data)
    {
        if (_head + Count + data.Length > _bytes.Length)
        {
            byte[] target = Count + data.Length > _bytes.Length ? new byte[Math.Max(_bytes.Length * 2, Count + data.Length)] : _bytes;
            _bytes.AsSpan(_head, Count).CopyTo(target);
            _bytes = target;
            _head = 0;
        }
        data.CopyTo(_bytes.AsSpan(_head + Count));
        Count += data.Length;
    }

    public void Skip(int count)
    {
        _head += count;
        Count -= count;
    }

    public void Clear()
    {
        _head = 0;
        Count = 0;
    }
}
