using FastRelay.Outside;

namespace FastRelay.Journal;

/// <summary>
/// Gives segments back, oldest first: what is still live in the oldest is copied forward at a bounded rate, and when
/// the copies are durable nothing is left in it. Since every older segment is gone by then, outcomes in it are not
/// needed either: there are no tombstones to keep.
/// </summary>
internal sealed class Reclaimer
{
    private const int CopyBytesPerGroup = 256 * 1024;
    private const int KeptSegments = 4;
    private const ulong PauseGroups = 16;
    private readonly World _world;
    private readonly SegmentStore _store;
    private readonly MessageIndex _index;
    private readonly Staging _staging;
    private readonly RecordStager _stager;
    private readonly Flusher _flusher;
    private readonly ReclaimRead _read;
    private SegmentFile? _victim;
    private int _payloadAt;
    private int _payloadEnd;
    private long _next;
    private long _recycled;
    private bool _draining;
    private ulong _drainGroup;
    private ulong _pauseUntil;

    public Reclaimer(World world, SegmentStore store, MessageIndex index, Staging staging, RecordStager stager, Flusher flusher)
    {
        _world = world;
        _store = store;
        _index = index;
        _staging = staging;
        _stager = stager;
        _flusher = flusher;
        _read = new ReclaimRead(OnRead);
    }

    /// <summary>A read is with the disk.</summary>
    public bool Busy => _read.Busy;

    /// <summary>Told when a read has come back: its segment may go now, and a close may be waiting for it.</summary>
    public required Action ReadEnded { get; init; }

    /// <summary>Does what can be done now; called when a group became durable or room changed.</summary>
    public void Step()
    {
        if (_read.Busy || _store.Stopping || _flusher.Failing)
        {
            return;
        }
        if (_victim is not null && _recycled != _store.Recycled)
        {
            // It died by itself and is another segment now, or a spare.
            Restart();
        }
        if (_victim is not null && _draining)
        {
            FinishWhenDurable();
        }
        if (_victim is null && !TryChoose())
        {
            return;
        }
        if (!_draining)
        {
            Copy();
        }
    }

    /// <summary>A group failed, perhaps with copies in it: begins again later.</summary>
    public void Restart()
    {
        _victim = null;
        _draining = false;
        _payloadAt = _payloadEnd = 0;
    }

    private bool TryChoose()
    {
        if (_store.Oldest is not { LiveBytes: > 0 } oldest || _flusher.DurableGroup < _pauseUntil)
        {
            return false;
        }
        long used = (long)(_store.Order.Count - 1) * _store.SegmentBytes;
        bool pressed = _store.CannotGrow && _store.RoomForMail(_staging.StagedBytes) < CopyBytesPerGroup;
        bool mostlyDead = oldest.LiveBytes * 4 <= oldest.End;
        bool wanted = _store.Order.Count > KeptSegments
            ? mostlyDead || used > 2 * _store.Table.LiveBytes
            : pressed && mostlyDead;
        if (!wanted || _store.RoomForOwn(_staging.StagedBytes) < oldest.LiveBytes + CopyBytesPerGroup)
        {
            return false;
        }
        _victim = oldest;
        _recycled = _store.Recycled;
        _next = SegmentHeader.Block;
        _payloadAt = _payloadEnd = 0;
        _draining = false;
        return true;
    }

    private void FinishWhenDurable()
    {
        if (_flusher.DurableGroup < _drainGroup)
        {
            return;
        }
        if (_victim!.LiveBytes > 0)
        {
            // Something could not be copied now: a bounce is deciding about it, or it is damaged. Not at once again.
            _pauseUntil = _flusher.DurableGroup + PauseGroups;
        }
        _victim = null;
        _draining = false;
    }

    private void Copy()
    {
        SegmentFile victim = _victim!;
        while (_payloadAt < _payloadEnd)
        {
            if (_staging.CopiedBytes >= CopyBytesPerGroup || !_staging.HasRoom(GroupBuffer.Capacity / 2))
            {
                return;
            }
            CopyRecord(victim);
        }
        if (_next >= victim.End || victim.LiveBytes == 0)
        {
            _draining = true;
            _drainGroup = _store.Table.StagingGroup;
            if (_staging.IsEmpty)
            {
                FinishWhenDurable();
            }
            return;
        }
        _read.Prepare(victim, _next);
        _world.Disk.Submit(_read, DiskLane.Read);
    }

    private void OnRead()
    {
        if (_victim is not null && _next == _read.Position)
        {
            if (_read.Found)
            {
                _next += _read.Header.PaddedBytes;
                _payloadAt = 0;
                _payloadEnd = _read.Header.PayloadBytes;
            }
            else
            {
                // Damaged: the next block may begin a group.
                _next += SegmentHeader.Block;
            }
        }
        Step();
        ReadEnded();
    }

    private void CopyRecord(SegmentFile victim)
    {
        // Good records may lie behind a damaged one: what was saved at the start must be carried on.
        if (!RecordReplay.TryFind(_read.Payload, _read.Header.Tag, ref _payloadAt, out RecordHeader header))
        {
            _payloadAt = _payloadEnd;
            return;
        }
        ReadOnlySpan<byte> record = _read.Payload[_payloadAt..];
        long offset = _read.Position + GroupHeader.Bytes + _payloadAt;
        _payloadAt += header.PaddedLength;
        int slot = _index.Find(header.Sequence);
        if (slot < 0)
        {
            return;
        }
        ref IndexEntry entry = ref _index[slot];
        int chunk = header.Kind == RecordKind.Chunk ? _index.ChunkNode(slot, ChunkFacts.Index(record, header)) : -1;
        // What was copied on in an earlier pass may rot here: it is not what will be sent.
        bool isNeeded = header.Kind == RecordKind.Chunk
            ? chunk >= 0 && _index.Node(chunk).Segment == victim.Slot && _index.Node(chunk).Offset == offset
            : header.Kind is RecordKind.Accepted or RecordKind.Moved && entry.Segment == victim.Slot && entry.Offset == offset;
        if (isNeeded && !header.BodyIsIntact(record))
        {
            // The copy will be young, and a young body is sent unchecked: remember what is known now.
            entry.Flags |= EntryFlags.Damaged;
            // In a good group the damage is older than this segment: it was copied into it.
            victim.Damaged |= !_read.Intact;
        }
        switch (header.Kind)
        {
            case RecordKind.Accepted or RecordKind.Moved:
                // While a bounce settles some of its recipients, its state is about to change: later.
                if (isNeeded && entry.Settling == 0)
                {
                    _stager.CopyHead(slot, header, record, victim.Slot, offset);
                }
                break;
            case RecordKind.Chunk when isNeeded:
                _stager.CopyChunk(slot, chunk, header, record, victim.Slot, offset);
                break;
            case RecordKind.Outcome when entry.StagedOutcomes == 0:
                int node = _index.Deferrals.NodeAt(slot, victim.Slot, offset);
                if (node >= 0)
                {
                    _stager.CopyOutcome(slot, node, header, record, victim.Slot, offset);
                }
                break;
            default:
                break;
        }
    }
}
