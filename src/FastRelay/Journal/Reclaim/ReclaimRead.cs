using FastRelay.Outside;

namespace FastRelay.Journal;

/// <summary>Reads one group of a segment into memory, so that copying forward never touches a cold page on the loop.</summary>
internal sealed class ReclaimRead(Action done) : DiskJob
{
    private byte[] _buffer = [];
    private SegmentFile? _segment;
    private int _read;

    /// <summary>Under way.</summary>
    public bool Busy { get; private set; }

    /// <summary>Where the group begins.</summary>
    public long Position { get; private set; }

    /// <summary>The frame, when there was one.</summary>
    public GroupHeader Header { get; private set; }

    /// <summary>A frame was found, and its records were read.</summary>
    public bool Found { get; private set; }

    /// <summary>The records are what was written.</summary>
    public bool Intact { get; private set; }

    /// <summary>The records.</summary>
    public ReadOnlySpan<byte> Payload => _buffer.AsSpan(GroupHeader.Bytes, Header.PayloadBytes);

    /// <summary>Sets it up.</summary>
    public void Prepare(SegmentFile segment, long position)
    {
        Busy = true;
        _segment = segment;
        // While it is read it may die, and what is recycled may be closed.
        segment.Pins++;
        Position = position;
        if (_buffer.Length == 0)
        {
            _buffer = GC.AllocateUninitializedArray<byte>(GroupBuffer.Capacity);
        }
    }

    /// <inheritdoc/>
    protected override void Execute()
    {
        SegmentFile segment = _segment!;
        int want = (int)Math.Min(_buffer.Length, segment.End - Position);
        Found = segment.File.Read(Position, _buffer.AsSpan(0, want), out _read).Ok
            && GroupHeader.TryRead(_buffer.AsSpan(0, _read), segment.Epoch, out GroupHeader header)
            && Keep(header);
        Intact = Found && Crc32C.Of(Payload) == Header.PayloadCrc;
    }

    /// <inheritdoc/>
    protected override void Run()
    {
        Busy = false;
        _segment!.Pins--;
        _segment = null;
        done();
    }

    private bool Keep(in GroupHeader header)
    {
        Header = header;
        return GroupHeader.Bytes + header.PayloadBytes <= _read;
    }
}
