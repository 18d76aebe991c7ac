using static System.Buffers.Binary.BinaryPrimitives;

namespace FastRelay.Journal;

/// <summary>Reads the head of Outcome and Settled records. Layout: docs/JOURNAL_FORMAT.md, "Outcome and Settled".</summary>
internal readonly ref struct OutcomeFacts
{
    /// <summary>Bytes before the entries.</summary>
    public const int Bytes = 24;

    private readonly ReadOnlySpan<byte> _head;

    private OutcomeFacts(ReadOnlySpan<byte> head) => _head = head;

    /// <summary>Recipients named.</summary>
    public int Count => ReadInt32LittleEndian(_head);

    /// <summary>Attempts made at them.</summary>
    public int Attempts => ReadInt32LittleEndian(_head[4..]);

    /// <summary>When the deferred ones are due, Unix ms.</summary>
    public long NextDueUnixMs => ReadInt64LittleEndian(_head[8..]);

    /// <summary>Why.</summary>
    public ReadOnlySpan<byte> Reason => _head.Slice(Bytes + (Count * 4), ReasonBytes - MoveBytes);

    /// <summary>Where the operator has moved the deferred ones to. It lies at the end of the reason, so that a reader that does not know it still reads the rest.</summary>
    public RecordedMove Move => new(_head.Slice(Bytes + (Count * 4) + ReasonBytes - MoveBytes, MoveBytes), ReadUInt32LittleEndian(_head[20..]) * 1000L);

    /// <summary>All that it names are settled.</summary>
    public bool DefersNobody
    {
        get
        {
            int i = 0;
            while (i < Count && this[i].Result != RecipientResult.Deferred)
            {
                i++;
            }
            return i == Count;
        }
    }

    private int ReasonBytes => ReadUInt16LittleEndian(_head[16..]);

    private int MoveBytes => ReadUInt16LittleEndian(_head[18..]);

    /// <summary>One recipient's result.</summary>
    public RecipientOutcome this[int i]
    {
        get
        {
            uint entry = ReadUInt32LittleEndian(_head[(Bytes + (i * 4))..]);
            return new RecipientOutcome((int)(entry >> 8), (RecipientResult)(entry & 255));
        }
    }

    /// <summary>Bytes of a whole record, without padding; the reason with the target of a move.</summary>
    public static int RecordBytes(int count, int reasonBytes) => RecordHeader.Bytes + Bytes + (count * 4) + reasonBytes;

    /// <summary>Writes the head.</summary>
    public static void Write(Span<byte> record, ReadOnlySpan<RecipientOutcome> outcomes, int attempts, long nextDueUnixMs, ReadOnlySpan<byte> reason, scoped in RecordedMove move = default)
    {
        WriteFixed(record, outcomes.Length, attempts, nextDueUnixMs, reason, move);
        for (int i = 0; i < outcomes.Length; i++)
        {
            WriteEntry(record, i, outcomes[i]);
        }
    }

    /// <summary>Writes the head but for its entries; each needs <see cref="WriteEntry"/>.</summary>
    public static void WriteFixed(Span<byte> record, int count, int attempts, long nextDueUnixMs, ReadOnlySpan<byte> reason, scoped in RecordedMove move)
    {
        Span<byte> head = record[RecordHeader.Bytes..];
        head[..Bytes].Clear();
        WriteInt32LittleEndian(head, count);
        WriteInt32LittleEndian(head[4..], attempts);
        WriteInt64LittleEndian(head[8..], nextDueUnixMs);
        WriteUInt16LittleEndian(head[16..], (ushort)(reason.Length + move.Target.Length));
        WriteUInt16LittleEndian(head[18..], (ushort)move.Target.Length);
        WriteUInt32LittleEndian(head[20..], (uint)Math.Clamp(move.UnixMs / 1000, 0, uint.MaxValue));
        reason.CopyTo(head[(Bytes + (count * 4))..]);
        move.Target.CopyTo(head[(Bytes + (count * 4) + reason.Length)..]);
    }

    /// <summary>Writes one recipient's result.</summary>
    public static void WriteEntry(Span<byte> record, int i, RecipientOutcome outcome) =>
        WriteUInt32LittleEndian(record[(RecordHeader.Bytes + Bytes + (i * 4))..], ((uint)outcome.Index << 8) | (byte)outcome.Result);

    /// <summary>Reads a whole record of ours, without padding: it has no body.</summary>
    public static OutcomeFacts Read(ReadOnlySpan<byte> record) => new(record[RecordHeader.Bytes..]);

    /// <summary>Reads a record whose checksum is good; false when its lengths do not add up.</summary>
    public static bool TryRead(ReadOnlySpan<byte> record, scoped in RecordHeader header, out OutcomeFacts facts)
    {
        facts = default;
        if (header.BodyAt < RecordHeader.Bytes + Bytes)
        {
            return false;
        }
        facts = new OutcomeFacts(record[RecordHeader.Bytes..header.BodyAt]);
        return facts.Count >= 0 && facts.MoveBytes <= facts.ReasonBytes && Bytes + (4L * facts.Count) + facts.ReasonBytes == facts._head.Length;
    }
}
