using FastRelay.Outside;

namespace FastRelay.Journal;

/// <summary>A record that holds a part of a body; the last part is the head record.</summary>
/// <param name="File">Where.</param>
/// <param name="Offset">Where in it.</param>
/// <param name="Length">Bytes of the record, without padding.</param>
internal readonly record struct BodyPart(SegmentFile File, long Offset, int Length)
{
    /// <summary>The record in the map.</summary>
    public ReadOnlySpan<byte> Record => File.Map.Span(Offset, Length);
}

/// <summary>Body readers that nobody uses; their number is that of deliveries that ran at once.</summary>
internal sealed class BodyPool(World world, SegmentStore store, MessageIndex index)
{
    private BodyReader? _free;

    /// <summary>Loop and disk.</summary>
    public World World => world;

    /// <summary>Segments.</summary>
    public SegmentStore Store => store;

    /// <summary>Messages.</summary>
    public MessageIndex Index => index;

    /// <summary>Takes a reader.</summary>
    public BodyReader Take()
    {
        BodyReader reader = _free ?? new BodyReader(this);
        _free = reader.NextFree;
        reader.NextFree = null;
        return reader;
    }

    /// <summary>Gives a reader back.</summary>
    public void Return(BodyReader reader)
    {
        reader.NextFree = _free;
        _free = reader;
    }
}

/// <summary>Brings a body's pages in and checks it, where blocking hurts nobody.</summary>
internal sealed class PrepareJob(BodyReader reader) : DiskJob
{
    private BodyStatus _status;
    private int _bad;

    /// <inheritdoc/>
    protected override void Execute()
    {
        ReadOnlySpan<BodyPart> parts = reader.Parts;
        long length = 0;
        _status = BodyStatus.Ok;
        for (int i = 0; i < parts.Length && _status == BodyStatus.Ok; i++)
        {
            _status = CheckPart(parts[i], i < parts.Length - 1 ? i : -1, ref length);
            _bad = i;
        }
        if (_status == BodyStatus.Ok && length != reader.Length)
        {
            _status = BodyStatus.Corrupt;
        }
    }

    /// <inheritdoc/>
    protected override void Run()
    {
        if (_status == BodyStatus.Corrupt)
        {
            reader.DamagedPart = _bad;
            reader.Parts[_bad].File.Damaged |= !reader.KnownDamaged;
        }
        reader.Prepared(_status);
    }

    private BodyStatus CheckPart(in BodyPart part, int chunk, ref long length)
    {
        if (!part.File.Map.Populate(part.Offset, part.Length).Ok)
        {
            return BodyStatus.IoError;
        }
        ReadOnlySpan<byte> record = part.Record;
        if (!RecordHeader.TryRead(record, out RecordHeader header) || header.Sequence != reader.Id || !header.BodyIsIntact(record))
        {
            return BodyStatus.Corrupt;
        }
        bool right = chunk >= 0
            ? header.Kind == RecordKind.Chunk && ChunkFacts.Index(record, header) == chunk
            : header.Kind is RecordKind.Accepted or RecordKind.Moved;
        length += header.BodyBytes;
        return right ? BodyStatus.Ok : BodyStatus.Corrupt;
    }
}
