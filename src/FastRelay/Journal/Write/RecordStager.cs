using static System.Buffers.Binary.BinaryPrimitives;

namespace FastRelay.Journal;

/// <summary>Writes records straight into the group that fills.</summary>
internal sealed class RecordStager(Staging staging, MessageIndex index)
{
    /// <summary>Stages a writer's buffer as the next chunk of its message.</summary>
    public void Chunk(MessageWriter writer)
    {
        int length = writer.NextRecordBytes();
        int chunk = writer.Chunks;
        int node = writer.AddChunk();
        Span<byte> record = staging.Append(length, out GroupBuffer group, out int offset);
        ChunkFacts.Write(record, chunk);
        writer.Body.CopyTo(record[(RecordHeader.Bytes + ChunkFacts.Bytes)..]);
        new RecordHeader
        {
            Length = length,
            Kind = RecordKind.Chunk,
            Sequence = writer.Id.Value,
            BodyBytes = writer.Used,
            BodyCrc = Crc32C.Of(writer.Body),
            Tag = group.Tag,
        }.Seal(record);
        group.Note(new StagedRecord
        {
            Kind = StagedKind.Chunk,
            Slot = writer.Slot,
            Id = writer.Id.Value,
            Node = node,
            Offset = offset,
            Length = length,
        });
        writer.ChunkStaged();
    }

    /// <summary>Stages a message's head with what is left of its body; the writer then waits for the group.</summary>
    public void Head(MessageWriter writer, long nowMs)
    {
        EnvelopeBuilder envelope = writer.Close(nowMs);
        int length = writer.NextRecordBytes();
        Span<byte> record = staging.Append(length, out GroupBuffer group, out int offset);
        var facts = new MessageFacts
        {
            EnvelopeBytes = envelope.Encoded.Length,
            Chunks = writer.Chunks,
            BodyLength = writer.Length,
            BodyCrc = writer.WholeCrc,
            StuffedDots = writer.StuffedDots,
            Settles = writer.SettlesSlot < 0 ? 0 : index[writer.SettlesSlot].Id,
            SettledCount = writer.Settled.Length,
        };
        facts.Write(record);
        envelope.Encoded.CopyTo(record[(RecordHeader.Bytes + MessageFacts.Bytes)..]);
        Span<byte> settled = facts.Settled(record);
        for (int i = 0; i < writer.Settled.Length; i++)
        {
            WriteInt32LittleEndian(settled[(i * 4)..], writer.Settled[i]);
        }
        writer.Body.CopyTo(record[facts.HeadBytes..]);
        new RecordHeader
        {
            Length = length,
            Kind = RecordKind.Accepted,
            Sequence = writer.Id.Value,
            BodyBytes = writer.Used,
            BodyCrc = writer.Chunks == 0 ? writer.WholeCrc : Crc32C.Of(writer.Body),
            Tag = group.Tag,
        }.Seal(record);
        writer.HeadStaged(offset, length);
        group.AddWaiter(writer);
    }

    /// <summary>Stages what an attempt came to.</summary>
    /// <param name="slot">The message.</param>
    /// <param name="outcomes">Recipients named.</param>
    /// <param name="attempts">Attempts made.</param>
    /// <param name="nextDueUnixMs">When the deferred ones are due.</param>
    /// <param name="reason">Why.</param>
    /// <param name="settled">No recipient is left.</param>
    /// <param name="move">Where the operator has moved the deferred ones to.</param>
    public void Outcome(int slot, ReadOnlySpan<RecipientOutcome> outcomes, int attempts, long nextDueUnixMs, ReadOnlySpan<byte> reason, bool settled, in RecordedMove move)
    {
        int length = OutcomeFacts.RecordBytes(outcomes.Length, reason.Length + move.Target.Length);
        Span<byte> record = staging.Append(length, out GroupBuffer group, out int offset);
        OutcomeFacts.Write(record, outcomes, attempts, nextDueUnixMs, reason, move);
        ulong id = index[slot].Id;
        new RecordHeader
        {
            Length = length,
            Kind = settled ? RecordKind.Settled : RecordKind.Outcome,
            Sequence = id,
            Tag = group.Tag,
        }.Seal(record);
        if (!settled)
        {
            index.OutcomeIsStaged(slot);
            group.Note(new StagedRecord
            {
                Kind = StagedKind.Outcome,
                Slot = slot,
                Id = id,
                Offset = offset,
                Length = length,
            });
        }
    }

    /// <summary>Stages hold or release of recipients, empty for all.</summary>
    public void Control(int slot, int what, ReadOnlySpan<ulong> recipients)
    {
        int length = ControlFacts.RecordBytes(recipients.Length);
        Span<byte> record = staging.Append(length, out GroupBuffer group, out _);
        ControlFacts.Write(record, what, recipients);
        new RecordHeader { Length = length, Kind = RecordKind.Control, Sequence = index[slot].Id, Tag = group.Tag }.Seal(record);
    }

    /// <summary>Copies a head record forward, with the state that the message has by now.</summary>
    public void CopyHead(int slot, in RecordHeader header, ReadOnlySpan<byte> source, int fromSegment, long fromOffset)
    {
        ReadOnlySpan<ulong> pending = index.PendingWords(slot);
        MessageFacts facts = MessageFacts.Read(source);
        ReadOnlySpan<ulong> held = index.Holds.PartOf(slot);
        MessageFacts moved = facts with { Settles = 0, SettledCount = 0, PendingWords = pending.Length + held.Length };
        int length = moved.HeadBytes + header.BodyBytes;
        Span<byte> record = staging.Append(length, out GroupBuffer group, out int offset);
        moved.Write(record);
        facts.EnvelopeOf(source).CopyTo(record[(RecordHeader.Bytes + MessageFacts.Bytes)..]);
        for (int i = 0; i < pending.Length; i++)
        {
            moved.SetPendingWord(record, i, pending[i]);
        }
        for (int i = 0; i < held.Length; i++)
        {
            moved.SetPendingWord(record, pending.Length + i, held[i]);
        }
        int flags = (index[slot].Flags & EntryFlags.Hold) == 0 ? 0 : held.IsEmpty ? RecordHeader.HoldFlag : RecordHeader.HoldFlag | RecordHeader.PartHoldFlag;
        source.Slice(header.BodyAt, header.BodyBytes).CopyTo(record[moved.HeadBytes..]);
        (header with
        {
            Length = length,
            Kind = RecordKind.Moved,
            Flags = (byte)flags,
            Tag = group.Tag,
        }).Seal(record);
        group.CopiedBytes += length;
        group.Note(new StagedRecord
        {
            Kind = StagedKind.HeadCopy,
            Slot = slot,
            Id = header.Sequence,
            Offset = offset,
            Length = length,
            FromSegment = fromSegment,
            FromOffset = fromOffset,
        });
    }

    /// <summary>
    /// Copies an outcome forward, for the recipients on which it has the last word: of the others a later record speaks,
    /// and the copy lies behind that. The message has no outcome staged, for the same reason.
    /// </summary>
    public void CopyOutcome(int slot, int node, in RecordHeader header, ReadOnlySpan<byte> source, int fromSegment, long fromOffset)
    {
        OutcomeFacts facts = OutcomeFacts.Read(source[..header.Length]);
        int count = 0;
        for (int i = 0; i < facts.Count; i++)
        {
            count += index.Deferrals.NodeOf(slot, facts[i].Index) == node ? 1 : 0;
        }
        RecordedMove move = facts.Move;
        int length = OutcomeFacts.RecordBytes(count, facts.Reason.Length + move.Target.Length);
        Span<byte> record = staging.Append(length, out GroupBuffer group, out int offset);
        OutcomeFacts.WriteFixed(record, count, facts.Attempts, facts.NextDueUnixMs, facts.Reason, move);
        count = 0;
        for (int i = 0; i < facts.Count; i++)
        {
            if (index.Deferrals.NodeOf(slot, facts[i].Index) == node)
            {
                OutcomeFacts.WriteEntry(record, count++, facts[i]);
            }
        }
        (header with { Length = length, Flags = RecordHeader.CopyFlag, Tag = group.Tag }).Seal(record);
        NoteCopy(group, slot, node, header.Sequence, offset, length, fromSegment, fromOffset);
    }

    /// <summary>Copies a chunk forward as it is.</summary>
    public void CopyChunk(int slot, int node, in RecordHeader header, ReadOnlySpan<byte> source, int fromSegment, long fromOffset)
    {
        Span<byte> record = staging.Append(header.Length, out GroupBuffer group, out int offset);
        source[..header.Length].CopyTo(record);
        (header with { Flags = RecordHeader.CopyFlag, Tag = group.Tag }).Seal(record);
        NoteCopy(group, slot, node, header.Sequence, offset, header.Length, fromSegment, fromOffset);
    }

    private static void NoteCopy(GroupBuffer group, int slot, int node, ulong id, int offset, int length, int fromSegment, long fromOffset)
    {
        group.CopiedBytes += length;
        group.Note(new StagedRecord
        {
            Kind = StagedKind.NodeCopy,
            Slot = slot,
            Id = id,
            Node = node,
            Offset = offset,
            Length = length,
            FromSegment = fromSegment,
            FromOffset = fromOffset,
        });
    }
}
