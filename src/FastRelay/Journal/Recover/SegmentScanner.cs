using FastRelay.Outside;

namespace FastRelay.Journal;

/// <summary>Walks the groups of one segment with checked reads; recovery and the inspector share it.</summary>
internal sealed class SegmentScanner
{
    private const int WindowBytes = 2 << 20;
    private readonly DiskFile _file;
    private readonly ulong _epoch;
    private readonly long _sealedEnd;
    private readonly long _limit;
    private readonly bool _strict;
    private readonly byte[] _window;
    private long _windowAt;
    private int _windowLength;

    /// <summary>Creates a scanner.</summary>
    /// <param name="file">The segment.</param>
    /// <param name="epoch">Its epoch.</param>
    /// <param name="sealedEnd">Where it was sealed; 0 when it is open.</param>
    /// <param name="expected">Number of the first group.</param>
    /// <param name="window">Reading buffer, from <see cref="NewWindow"/>; shared by scanners one after the other.</param>
    /// <param name="strict">Stops at a block that cannot be read; else it counts as zeros.</param>
    public SegmentScanner(DiskFile file, ulong epoch, long sealedEnd, ulong expected, byte[] window, bool strict)
    {
        _strict = strict;
        _file = file;
        _epoch = epoch;
        _sealedEnd = sealedEnd;
        _limit = sealedEnd > 0 ? Math.Min(sealedEnd, file.Length) : file.Length;
        _window = window;
        Expected = expected;
        Position = SegmentHeader.Block;
        End = Position;
    }

    /// <summary>Where the group at hand begins.</summary>
    public long Position { get; private set; }

    /// <summary>Where the next begins.</summary>
    public long End { get; private set; }

    /// <summary>Number that the next group should have.</summary>
    public ulong Expected { get; private set; }

    /// <summary>Frame of the group at hand.</summary>
    public GroupHeader Header { get; private set; }

    /// <summary>What to do with it.</summary>
    public RecoveryAction Action { get; private set; }

    /// <summary>
    /// The first read that failed, of a strict scanner: it has stopped, and what it says of the place at hand means
    /// nothing. What the disk does not give now may be whole.
    /// </summary>
    public DiskError Error { get; private set; } = DiskError.None;

    /// <summary>The block that could not be read.</summary>
    public long ErrorAt { get; private set; }

    /// <summary>Blocks that could not be read; they count as zeros.</summary>
    public int UnreadableBlocks { get; private set; }

    /// <summary>Records of the group at hand, as far as they lie in the file.</summary>
    public ReadOnlySpan<byte> Payload => Bytes(Position + GroupHeader.Bytes, Header.PayloadBytes);

    /// <summary>A reading buffer.</summary>
    public static byte[] NewWindow() => GC.AllocateUninitializedArray<byte>(WindowBytes);

    /// <summary>Looks at the next place.</summary>
    /// <returns>False at the end of the segment: <see cref="Action"/> is a cut, and <see cref="End"/> is where it is.</returns>
    public bool Next()
    {
        Position = End;
        bool inside = Position + GroupHeader.Bytes <= _limit;
        GroupHeader header = default;
        bool frame = inside && TryFrame(Position, out header);
        bool payload = frame && PayloadIsGood(Position, header);
        GroupOrder order = !frame || header.Number == Expected ? GroupOrder.Expected
            : header.Number > Expected ? GroupOrder.Future : GroupOrder.Past;
        bool certain = payload && order != GroupOrder.Past;
        long follower = certain || !inside ? -1 : FindGood(Position + SegmentHeader.Block);
        bool acknowledged = _sealedEnd > 0 && Position < _sealedEnd;
        if (!Error.Ok)
        {
            return false;
        }
        Header = header;
        Action = RecoveryTable.Decide(new GroupFinding(frame, order, payload, follower >= 0, acknowledged));
        switch (Action)
        {
            case RecoveryAction.Cut or RecoveryAction.CutDamaged:
                return false;
            case RecoveryAction.SkipHole:
                End = follower;
                return true;
            default:
                End = Position + header.PaddedBytes;
                Expected = header.Number + 1;
                return true;
        }
    }

    private bool TryFrame(long at, out GroupHeader header) =>
        GroupHeader.TryRead(Bytes(at, GroupHeader.Bytes), _epoch, out header) && at + header.PaddedBytes <= _limit;

    private bool PayloadIsGood(long at, in GroupHeader header) =>
        Crc32C.Of(Bytes(at + GroupHeader.Bytes, header.PayloadBytes)) == header.PayloadCrc;

    /// <summary>The first whole group with a number that is not past, from a place on; -1 when there is none.</summary>
    private long FindGood(long at)
    {
        for (; at + GroupHeader.Bytes <= _limit; at += SegmentHeader.Block)
        {
            if (TryFrame(at, out GroupHeader header) && header.Number >= Expected && PayloadIsGood(at, header))
            {
                return at;
            }
        }
        return -1;
    }

    private ReadOnlySpan<byte> Bytes(long at, int length)
    {
        if (at < _windowAt || at + length > _windowAt + _windowLength)
        {
            Fill(at & ~(SegmentHeader.Block - 1L));
        }
        int available = (int)Math.Min(length, _windowAt + _windowLength - at);
        return _window.AsSpan((int)(at - _windowAt), Math.Max(0, available));
    }

    private void Fill(long at)
    {
        int want = (int)Math.Min(_window.Length, _file.Length - at);
        _windowAt = at;
        if (_file.Read(at, _window.AsSpan(0, want), out _windowLength).Ok)
        {
            return;
        }
        // A bad sector somewhere: block by block, so that only it is lost.
        for (int i = 0; i < want; i += SegmentHeader.Block)
        {
            Span<byte> block = _window.AsSpan(i, Math.Min(SegmentHeader.Block, want - i));
            DiskError error = _file.Read(at + i, block, out int read);
            if (_strict && Error.Ok && !error.Ok)
            {
                Error = error;
                ErrorAt = at + i;
            }
            if (!error.Ok || read < block.Length)
            {
                block.Clear();
                UnreadableBlocks++;
            }
        }
        _windowLength = want;
    }
}
