using System.Globalization;
using FastRelay.Outside;

namespace FastRelay.Journal;

/// <summary>Can a body be read?</summary>
public enum BodyStatus : byte
{
    /// <summary>Whole; when it was not written moments ago, checked.</summary>
    Ok,

    /// <summary>Damaged: never to be delivered. <see cref="BodyReader.HasEnvelope"/> says whether the envelope is intact.</summary>
    Corrupt,

    /// <summary>The disk did not give it; later it may.</summary>
    IoError,
}

/// <summary>
/// Reads a body straight from the maps, without copying. It pins what it reads, so that reclaim leaves it alone. From a
/// pool: <see cref="Close"/> gives it back.
/// </summary>
public sealed class BodyReader
{
    private readonly BodyPool _pool;
    private readonly PrepareJob _job;
    private readonly Signal<BodyStatus> _prepared;
    private BodyPart[] _parts = new BodyPart[4];
    private int _count;
    private int _next;
    private bool _open;
    private bool _waiting;
    private bool _damaged;

    internal BodyReader(BodyPool pool)
    {
        _pool = pool;
        _prepared = new Signal<BodyStatus>(pool.World.Loop);
        _job = new PrepareJob(this);
    }

    /// <summary>Octets of the body in stored form.</summary>
    public long Length { get; private set; }

    /// <summary>Dots that stuffing added to it; after <see cref="PrepareAsync"/>.</summary>
    public int StuffedDots { get; private set; }

    /// <summary>The envelope can be read, also when the body is damaged; after <see cref="PrepareAsync"/>.</summary>
    public bool HasEnvelope { get; private set; }

    /// <summary>The envelope, from the map; valid until <see cref="Close"/>.</summary>
    public Envelope Envelope
    {
        get
        {
            Check.That(HasEnvelope && _open, "no envelope to read");
            ReadOnlySpan<byte> record = _parts[_count - 1].Record;
            return new Envelope(MessageFacts.Read(record).EnvelopeOf(record));
        }
    }

    /// <summary>Where the damage is, as <c>FILE at OFFSET</c>; empty when a piece is missing or nothing is damaged.</summary>
    public string Damage => DamagedPart < 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"{_parts[DamagedPart].File.Path} at {_parts[DamagedPart].Offset}");

    internal int DamagedPart { get; set; } = -1;

    internal BodyReader? NextFree { get; set; }

    /// <summary>It is known to be damaged from where it lay before.</summary>
    internal bool KnownDamaged => _damaged;

    internal ulong Id { get; private set; }

    internal ReadOnlySpan<BodyPart> Parts => _parts.AsSpan(0, _count);

    /// <summary>Chooses a message and pins its segments. Loop thread.</summary>
    public void Start(MessageHandle message)
    {
        _pool.World.Loop.CheckThread();
        Check.That(!_open && _pool.Index.IsLive(message.Slot));
        _open = true;
        _next = 0;
        _count = 0;
        HasEnvelope = false;
        StuffedDots = 0;
        DamagedPart = -1;
        IndexEntry entry = _pool.Index[message.Slot];
        Id = entry.Id;
        Length = entry.BodyLength;
        _damaged = (entry.Flags & EntryFlags.Damaged) != 0;
        for (int node = entry.Chunks; node >= 0 && !_damaged; node = _pool.Index.Node(node).Next)
        {
            RecordNode chunk = _pool.Index.Node(node);
            Add(chunk.Segment, chunk.Offset, chunk.RecordLength);
        }
        Add(entry.Segment, entry.Offset, entry.RecordLength);
    }

    /// <summary>Makes the body readable without blocking: at once when it was written moments ago; else the disk's read lane brings it in and checks it.</summary>
    public ValueTask<BodyStatus> PrepareAsync()
    {
        Check.That(_open && !_waiting);
        bool hot = true;
        foreach (BodyPart part in Parts)
        {
            hot &= _pool.Store.IsHot(part.File, part.Offset);
        }
        if (hot)
        {
            return new ValueTask<BodyStatus>(Finish(BodyStatus.Ok));
        }
        _waiting = true;
        _pool.World.Disk.Submit(_job, DiskLane.Read);
        return _prepared.WaitAsync();
    }

    /// <summary>The next piece of the body in stored form: memory of the map, valid until <see cref="Close"/>.</summary>
    public bool TryNext(out ReadOnlyMemory<byte> piece)
    {
        Check.That(_open && !_waiting);
        while (_next < _count)
        {
            BodyPart part = _parts[_next++];
            int bodyAt = _next < _count ? RecordHeader.Bytes + ChunkFacts.Bytes : MessageFacts.Read(part.Record).HeadBytes;
            if (bodyAt < part.Length)
            {
                piece = part.File.Map.Memory(part.Offset + bodyAt, part.Length - bodyAt);
                return true;
            }
        }
        piece = default;
        return false;
    }

    /// <summary>Begins again with the first piece.</summary>
    public void Rewind() => _next = 0;

    /// <summary>Unpins, and gives the reader back to the journal; not during a wait.</summary>
    public void Close()
    {
        _pool.World.Loop.CheckThread();
        Check.That(_open && !_waiting, "a body reader was closed twice, or during a wait");
        _open = false;
        HasEnvelope = false;
        foreach (BodyPart part in Parts)
        {
            part.File.Pins--;
        }
        _parts.AsSpan(0, _count).Clear();
        _count = 0;
        _pool.Return(this);
    }

    /// <summary>The read lane is done.</summary>
    internal void Prepared(BodyStatus status)
    {
        _waiting = false;
        _prepared.Set(Finish(status));
    }

    private BodyStatus Finish(BodyStatus status)
    {
        if (status == BodyStatus.IoError)
        {
            return status;
        }
        ReadOnlySpan<byte> record = _parts[_count - 1].Record;
        HasEnvelope = RecordHeader.TryRead(record, out RecordHeader header) && header.Sequence == Id
            && MessageFacts.TryRead(record, header, out _);
        if (!HasEnvelope || _damaged)
        {
            return BodyStatus.Corrupt;
        }
        StuffedDots = MessageFacts.Read(record).StuffedDots;
        return status;
    }

    private void Add(int segment, long offset, int length)
    {
        if (_count == _parts.Length)
        {
            Array.Resize(ref _parts, _parts.Length * 2);
        }
        SegmentFile file = _pool.Store.Table[segment];
        file.Pins++;
        _parts[_count++] = new BodyPart(file, offset, length);
    }
}
