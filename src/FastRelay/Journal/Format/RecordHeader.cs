using static System.Buffers.Binary.BinaryPrimitives;

namespace FastRelay.Journal;

/// <summary>Kinds of records; numbers are for ever.</summary>
internal enum RecordKind : byte
{
    /// <summary>Never written.</summary>
    None = 0,

    /// <summary>A piece of a large message's body.</summary>
    Chunk = 1,

    /// <summary>A message: envelope and what is left of its body.</summary>
    Accepted = 2,

    /// <summary>What an attempt came to.</summary>
    Outcome = 3,

    /// <summary>The same, and no recipient is left.</summary>
    Settled = 4,

    /// <summary>An Accepted copied forward with the state that it has by now.</summary>
    Moved = 5,

    /// <summary>Hold and release.</summary>
    Control = 6,

    /// <summary>Reserved: another node takes over.</summary>
    Fence = 7,

    /// <summary>To be skipped.</summary>
    Void = 8,
}

/// <summary>The first 32 bytes of a record. Layout: docs/JOURNAL_FORMAT.md, "Record".</summary>
internal readonly record struct RecordHeader
{
    /// <summary>Bytes of the header.</summary>
    public const int Bytes = 32;

    /// <summary>Set on records that reclaim copied; on Moved it says nothing.</summary>
    public const byte CopyFlag = 1;

    /// <summary>On Moved: the message is on hold.</summary>
    public const byte HoldFlag = 2;

    /// <summary>On Moved, beside <see cref="HoldFlag"/>: for some recipients, whom the second half of its words names.</summary>
    public const byte PartHoldFlag = 4;

    private const int KindAt = 4;
    private const int CrcAt = 28;

    /// <summary>Header, head and body, without padding.</summary>
    public int Length { get; init; }

    /// <summary>What it is.</summary>
    public RecordKind Kind { get; init; }

    /// <summary>By kind.</summary>
    public byte Flags { get; init; }

    /// <summary>The id of the message that it is about.</summary>
    public ulong Sequence { get; init; }

    /// <summary>Bytes at the end that are body, under a checksum of their own.</summary>
    public int BodyBytes { get; init; }

    /// <summary>Checksum of the body.</summary>
    public uint BodyCrc { get; init; }

    /// <summary>Tag of its group.</summary>
    public uint Tag { get; init; }

    /// <summary>Length with padding up to the next record.</summary>
    public int PaddedLength => Pad(Length);

    /// <summary>Header and head: where the body begins.</summary>
    public int BodyAt => Length - BodyBytes;

    /// <summary>Records start on multiples of eight.</summary>
    public static int Pad(int bytes) => (bytes + 7) & ~7;

    /// <summary>Writes the header in front of a head that is already in place, and checks both; clears the padding.</summary>
    public void Seal(Span<byte> record)
    {
        WriteInt32LittleEndian(record, Length);
        record[KindAt] = (byte)Kind;
        record[5] = Flags;
        record[6] = 0;
        record[7] = 0;
        WriteUInt64LittleEndian(record[8..], Sequence);
        WriteInt32LittleEndian(record[16..], BodyBytes);
        WriteUInt32LittleEndian(record[20..], BodyCrc);
        WriteUInt32LittleEndian(record[24..], Tag);
        WriteUInt32LittleEndian(record[CrcAt..], Checksum(record, BodyAt));
        record[Length..PaddedLength].Clear();
    }

    /// <summary>Turns a sealed record into one to be skipped.</summary>
    public static void MakeVoid(Span<byte> record)
    {
        record[KindAt] = (byte)RecordKind.Void;
        int length = ReadInt32LittleEndian(record);
        WriteUInt32LittleEndian(record[CrcAt..], Checksum(record, length - ReadInt32LittleEndian(record[16..])));
    }

    /// <summary>Reads and checks header and head; the body is not looked at.</summary>
    /// <param name="from">The record and whatever follows.</param>
    /// <param name="header">The header when it is good.</param>
    /// <returns>False when lengths make no sense or the checksum is wrong.</returns>
    public static bool TryRead(ReadOnlySpan<byte> from, out RecordHeader header)
    {
        header = default;
        if (from.Length < Bytes)
        {
            return false;
        }
        header = new RecordHeader
        {
            Length = ReadInt32LittleEndian(from),
            Kind = (RecordKind)from[KindAt],
            Flags = from[5],
            Sequence = ReadUInt64LittleEndian(from[8..]),
            BodyBytes = ReadInt32LittleEndian(from[16..]),
            BodyCrc = ReadUInt32LittleEndian(from[20..]),
            Tag = ReadUInt32LittleEndian(from[24..]),
        };
        return header.Length >= Bytes && header.Length <= from.Length
            && header.BodyBytes >= 0 && header.BodyBytes <= header.Length - Bytes
            && ReadUInt32LittleEndian(from[CrcAt..]) == Checksum(from, header.BodyAt);
    }

    /// <summary>True when the body is what was written.</summary>
    public bool BodyIsIntact(ReadOnlySpan<byte> record) => Crc32C.Of(record.Slice(BodyAt, BodyBytes)) == BodyCrc;

    private static uint Checksum(ReadOnlySpan<byte> record, int bodyAt) =>
        Crc32C.Append(Crc32C.Of(record[..CrcAt]), record[Bytes..bodyAt]);
}
