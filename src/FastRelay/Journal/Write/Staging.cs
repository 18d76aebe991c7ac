namespace FastRelay.Journal;

/// <summary>
/// The groups that are not durable yet, in order: at most one is written, the others wait or fill. Mail waits when
/// only the reserve is left; outcomes take what they need.
/// </summary>
internal sealed class Staging
{
    private const int Buffers = 2 * Limits.StagingBytes / GroupBuffer.Capacity;
    private const int ReservedBuffers = Buffers / 4;
    private readonly Stack<GroupBuffer> _free = new(Buffers);
    private readonly List<GroupBuffer> _closed = new(Buffers * 2);
    private readonly SegmentTable _segments;
    private readonly Action _kick;
    private readonly uint _secret;
    private GroupBuffer? _filling;
    private int _inUse;

    /// <summary>Creates an empty one.</summary>
    /// <param name="segments">Told which group takes records.</param>
    /// <param name="nextNumber">Number of the first group.</param>
    /// <param name="secret">Random: goes into the tags, so that nobody can guess one and put it into a body.</param>
    /// <param name="kick">Called when there is something to write.</param>
    public Staging(SegmentTable segments, ulong nextNumber, uint secret, Action kick)
    {
        _segments = segments;
        NextNumber = nextNumber;
        _secret = secret;
        _kick = kick;
    }

    /// <summary>Number of the next group to be opened.</summary>
    public ulong NextNumber { get; private set; }

    /// <summary>Bytes staged and not durable.</summary>
    public long StagedBytes { get; private set; }

    /// <summary>Bytes that reclaim put into the group at hand.</summary>
    public int CopiedBytes => _filling?.CopiedBytes ?? 0;

    /// <summary>Room for outcomes is half used: the disk is behind.</summary>
    public bool IsBehind => _inUse > Buffers - (ReservedBuffers / 2);

    /// <summary>Nothing is staged.</summary>
    public bool IsEmpty => _inUse == 0;

    /// <summary>True when a record of mail may be staged now.</summary>
    public bool HasRoom(int recordBytes) =>
        (_filling is not null && _filling.Fits(recordBytes)) || _inUse < Buffers - ReservedBuffers;

    /// <summary>Room for a record in the group that fills; starts a flush when none is under way.</summary>
    public Span<byte> Append(int recordBytes, out GroupBuffer group, out int offset)
    {
        if (_filling is not null && !_filling.Fits(recordBytes))
        {
            CloseFilling();
        }
        group = _filling ??= OpenGroup();
        _segments.StagingGroup = group.Number;
        StagedBytes += RecordHeader.Pad(recordBytes);
        _kick();
        return group.Take(recordBytes, out offset);
    }

    /// <summary>Stages the group that says that the journal was closed in order.</summary>
    public void AppendCleanEnd()
    {
        if (_filling is not null)
        {
            CloseFilling();
        }
        _filling = OpenGroup();
        _filling.Flags = GroupFlags.CleanEnd;
    }

    /// <summary>The next group to write, closed; null when there is none.</summary>
    public GroupBuffer? Next()
    {
        if (_closed.Count == 0 && _filling is not null)
        {
            CloseFilling();
        }
        return _closed.Count > 0 ? _closed[0] : null;
    }

    /// <summary>Takes the first group out: it is durable, or nothing of it is left.</summary>
    public void Retire(GroupBuffer group)
    {
        Check.That(_closed[0] == group);
        _closed.RemoveAt(0);
        _inUse--;
        StagedBytes -= group.Length;
        if (_free.Count < Buffers)
        {
            _free.Push(group);
        }
    }

    /// <summary>Closed groups, the first one first.</summary>
    public IReadOnlyList<GroupBuffer> Closed => _closed;

    /// <summary>Closes the group that fills, so that <see cref="Closed"/> is all there is.</summary>
    public void CloseFilling()
    {
        if (_filling is not null)
        {
            _closed.Add(_filling);
            _filling = null;
        }
    }

    /// <summary>Shrinks a group to what is owed.</summary>
    public void KeepOwed(GroupBuffer group)
    {
        StagedBytes -= group.Length;
        group.KeepOwed();
        StagedBytes += group.Length;
    }

    private GroupBuffer OpenGroup()
    {
        // Past the usual number more memory is taken: outcomes never wait, and the queue's size bounds how many there are.
        GroupBuffer group = _free.TryPop(out GroupBuffer? free) ? free : new GroupBuffer();
        ulong number = NextNumber++;
        group.Open(number, ((uint)number * 0x9E3779B1u) ^ _secret);
        _inUse++;
        StagedBytes += GroupHeader.Bytes;
        return group;
    }
}
