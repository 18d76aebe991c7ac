namespace FastRelay.Journal;

/// <summary>Applies records to the index in the order in which they were written.</summary>
internal sealed class RecordReplay(MessageIndex index, RecoveryReport report)
{
    private int _lastSlot = -1;
    private int _lastChunk;
    private int _lastNode;
    private ulong[] _words = [];

    /// <summary>Tells the event stream what it may have missed; null for nothing.</summary>
    public EventReplay? Events { get; init; }

    /// <summary>Ids at or above it were never seen.</summary>
    public ulong NextSequence { get; private set; } = 1;

    /// <summary>Ids below it were given out.</summary>
    public void SawSequence(ulong next) => NextSequence = Math.Max(NextSequence, next);

    /// <summary>Takes the records of a group.</summary>
    /// <param name="payload">The records.</param>
    /// <param name="tag">Tag that each must have.</param>
    /// <param name="segment">The segment.</param>
    /// <param name="at">Where the records begin in it.</param>
    /// <param name="damaged">The group's checksum is wrong: good records count, also those of messages whose body is damaged, and the bad are named.</param>
    public void Group(ReadOnlySpan<byte> payload, uint tag, SegmentFile segment, long at, bool damaged)
    {
        int offset = 0;
        int end = 0;
        while (TryFind(payload, tag, ref offset, out RecordHeader header))
        {
            NoteGap(segment, at + end, offset - end);
            ReadOnlySpan<byte> record = payload.Slice(offset, header.Length);
            if (damaged && !header.BodyIsIntact(record))
            {
                report.DamagedMessages++;
                report.Note($"{segment.Path}: message {new MessageId(header.Sequence)} at {at + offset}: its body is damaged; it is not delivered, its sender is told");
            }
            Apply(record, header, segment.Slot, at + offset);
            report.Records++;
            offset += header.PaddedLength;
            end = offset;
        }
        NoteGap(segment, at + end, payload.Length - end);
    }

    /// <summary>Where no record can be read, an envelope may have been: it is kept aside with its segment.</summary>
    private void NoteGap(SegmentFile segment, long at, long bytes)
    {
        if (bytes > 0)
        {
            segment.Damaged = true;
            Events?.Unreadable();
            report.UnreadableRecords++;
            report.Note($"{segment.Path}: {bytes} bytes at {at} hold a record that cannot be read; what it was is not known");
        }
    }

    /// <summary>The records of a torn group that are whole.</summary>
    public static List<RecordPlace> WholeRecords(ReadOnlySpan<byte> payload, uint tag)
    {
        var places = new List<RecordPlace>();
        int offset = 0;
        while (TryFind(payload, tag, ref offset, out RecordHeader header))
        {
            bool padded = offset + header.PaddedLength <= payload.Length;
            if (padded && header.BodyIsIntact(payload.Slice(offset, header.Length)))
            {
                places.Add(new RecordPlace(offset, header.PaddedLength));
            }
            offset += header.PaddedLength;
        }
        return places;
    }

    /// <summary>Finds the next record with a good head. Records begin on multiples of eight, so behind a bad one it looks at each.</summary>
    public static bool TryFind(ReadOnlySpan<byte> payload, uint tag, ref int offset, out RecordHeader header)
    {
        header = default;
        for (; offset + RecordHeader.Bytes <= payload.Length; offset += 8)
        {
            if (RecordHeader.TryRead(payload[offset..], out header) && header.Tag == tag)
            {
                return true;
            }
        }
        return false;
    }

    /// <summary>Drops messages that never were committed, and marks those with a piece missing.</summary>
    public void Finish()
    {
        for (int slot = 0; slot < index.Bound; slot++)
        {
            ref IndexEntry entry = ref index[slot];
            if (entry.Id == 0)
            {
                continue;
            }
            if ((entry.Flags & EntryFlags.Open) != 0)
            {
                index.Remove(slot);
                continue;
            }
            for (int node = entry.Chunks; node >= 0; node = index.Node(node).Next)
            {
                if (index.Node(node).Segment < 0 && (entry.Flags & EntryFlags.Damaged) == 0)
                {
                    entry.Flags |= EntryFlags.Damaged;
                    report.DamagedMessages++;
                    report.Note($"message {new MessageId(entry.Id)}: a piece of its body is missing");
                }
            }
        }
        report.Messages = index.Messages;
    }

    private void Apply(ReadOnlySpan<byte> record, in RecordHeader header, int segment, long at)
    {
        SawSequence(header.Sequence + 1);
        int slot = header.Sequence == 0 ? -1 : index.Find(header.Sequence);
        if (header.Kind is RecordKind.Outcome or RecordKind.Settled)
        {
            Events?.Outcome(slot, record, header);
        }
        switch (header.Kind)
        {
            case RecordKind.Chunk:
                Chunk(slot, record, header, segment, at);
                break;
            case RecordKind.Accepted or RecordKind.Moved:
                Head(slot, record, header, segment, at);
                break;
            case RecordKind.Outcome or RecordKind.Settled when index.IsLive(slot):
                Outcome(slot, record, header, segment, at);
                break;
            case RecordKind.Outcome:
                EarlyOutcome(slot, record, header, segment, at);
                break;
            case RecordKind.Control when index.IsLive(slot):
                Control(slot, record, header);
                break;
            default:
                break;
        }
    }

    private void Chunk(int slot, ReadOnlySpan<byte> record, in RecordHeader header, int segment, long at)
    {
        int chunk = ChunkFacts.Index(record, header);
        if (chunk < 0)
        {
            return;
        }
        if (slot < 0)
        {
            slot = index.AddOpen(header.Sequence);
        }
        index.PlaceNode(NodeOf(slot, chunk), segment, at, header.Length);
    }

    private void Head(int slot, ReadOnlySpan<byte> record, in RecordHeader header, int segment, long at)
    {
        if (!MessageFacts.TryRead(record, header, out MessageFacts facts))
        {
            report.Note($"message {new MessageId(header.Sequence)}: a record that makes no sense, at {at}");
            return;
        }
        var envelope = new Envelope(facts.EnvelopeOf(record));
        if (!index.IsLive(slot))
        {
            slot = index.Commit(slot, header.Sequence, envelope.RecipientCount, envelope.ArrivalUnixMs, facts.BodyLength);
        }
        index.PlaceHead(slot, segment, at, header.Length);
        if (facts.Chunks > 0)
        {
            NodeOf(slot, facts.Chunks - 1);
        }
        Span<ulong> pending = index.PendingWords(slot);
        for (int i = 0; i < Math.Min(pending.Length, facts.PendingWords); i++)
        {
            pending[i] = facts.PendingWord(record, i);
        }
        if (header.Kind == RecordKind.Moved)
        {
            index.Holds.Set(slot, default, (header.Flags & RecordHeader.HoldFlag) != 0);
            if ((header.Flags & RecordHeader.PartHoldFlag) != 0 && facts.PendingWords >= 2 * pending.Length)
            {
                Span<ulong> held = Words(pending.Length);
                for (int i = 0; i < held.Length; i++)
                {
                    held[i] = ~facts.PendingWord(record, pending.Length + i);
                }
                index.Holds.Set(slot, held, false);
            }
        }
        Events?.Accepted(record, header, facts, slot);
        int original = facts.Settles == 0 ? -1 : index.Find(facts.Settles);
        if (index.IsLive(original))
        {
            for (int i = 0; i < facts.SettledCount; i++)
            {
                Settle(original, facts.SettledIndex(record, i));
            }
            RemoveIfSettled(original);
        }
    }

    private void Outcome(int slot, ReadOnlySpan<byte> record, in RecordHeader header, int segment, long at)
    {
        if (!OutcomeFacts.TryRead(record, header, out OutcomeFacts facts))
        {
            return;
        }
        for (int i = 0; i < facts.Count; i++)
        {
            RecipientOutcome outcome = facts[i];
            if (outcome.Result != RecipientResult.Deferred)
            {
                Settle(slot, outcome.Index);
            }
        }
        if (!RemoveIfSettled(slot))
        {
            index.Deferrals.Take(slot, facts, segment, at, header.Length);
        }
    }

    /// <summary>
    /// An outcome whose message comes later: reclaim copied it before it could copy the message's head (a bounce was
    /// deciding about it, or the group with the head's copy failed). The head's copy carries what was settled by then;
    /// what was deferred is known from here alone.
    /// </summary>
    private void EarlyOutcome(int slot, ReadOnlySpan<byte> record, in RecordHeader header, int segment, long at)
    {
        if (!OutcomeFacts.TryRead(record, header, out OutcomeFacts facts))
        {
            return;
        }
        if (slot < 0 && facts.DefersNobody)
        {
            return;
        }
        // Of a message that is gone for good, Finish takes it away again.
        index.Deferrals.Take(slot < 0 ? index.AddOpen(header.Sequence) : slot, facts, segment, at, header.Length);
    }

    private void Control(int slot, ReadOnlySpan<byte> record, in RecordHeader header)
    {
        if (!ControlFacts.TryRead(record, header, out ControlFacts facts) || facts.What is not (ControlFacts.Hold or ControlFacts.Release))
        {
            return;
        }
        Span<ulong> named = Words(facts.Words);
        for (int i = 0; i < named.Length; i++)
        {
            named[i] = ControlFacts.Word(record, i);
        }
        index.Holds.Set(slot, named, facts.What == ControlFacts.Hold);
    }

    private Span<ulong> Words(int count)
    {
        _words = count > _words.Length ? new ulong[count * 2] : _words;
        return _words.AsSpan(0, count);
    }

    private void Settle(int slot, int recipient)
    {
        // A number out of range comes from damage: the check in the index is for our own mistakes.
        if ((uint)recipient < (uint)index[slot].Recipients)
        {
            index.Settle(slot, recipient);
        }
    }

    private bool RemoveIfSettled(int slot)
    {
        if (index.PendingCount(slot) != 0)
        {
            return false;
        }
        index.Remove(slot);
        _lastSlot = -1;
        return true;
    }

    /// <summary>The node of a chunk, made with all before it when missing; the usual next one is found at once.</summary>
    private int NodeOf(int slot, int chunk)
    {
        int node = -1;
        int i = 0;
        int next = index[slot].Chunks;
        if (slot == _lastSlot && chunk > _lastChunk)
        {
            node = _lastNode;
            i = _lastChunk + 1;
            next = index.Node(node).Next;
        }
        for (; i <= chunk; i++)
        {
            node = next >= 0 ? next : index.AddChunk(slot, node);
            next = index.Node(node).Next;
        }
        _lastSlot = slot;
        _lastChunk = chunk;
        _lastNode = node;
        return node;
    }
}

/// <summary>Where a record lies among others.</summary>
/// <param name="Offset">First byte.</param>
/// <param name="Length">Bytes with padding.</param>
internal readonly record struct RecordPlace(int Offset, int Length);
