using static System.Buffers.Binary.BinaryPrimitives;

namespace FastRelay.Journal;

/// <summary>Can a segment's first block be trusted?</summary>
internal enum HeaderFinding : byte
{
    /// <summary>Whole, of a version we know.</summary>
    Good,

    /// <summary>No magic: never used, or all lost.</summary>
    Blank,

    /// <summary>Checksum wrong: torn or rotten.</summary>
    Damaged,

    /// <summary>Whole, but of a later format: nothing may be touched.</summary>
    Unknown,
}

/// <summary>The first 4 KiB of a segment. Layout: docs/JOURNAL_FORMAT.md, "Segment header".</summary>
internal readonly record struct SegmentHeader
{
    /// <summary>Bytes of the header, and the boundary on which groups start.</summary>
    public const int Block = 4096;

    /// <summary>The version that we write.</summary>
    public const uint Version = 1;

    private const int CrcAt = Block - 4;

    private static ReadOnlySpan<byte> Magic => "FRJRNL\r\n"u8;

    /// <summary>Never repeated within a spool: seeds the checksums of group headers, so that a recycled file's old groups never look valid.</summary>
    public ulong Epoch { get; init; }

    /// <summary>Place in the journal, 1 first.</summary>
    public ulong Number { get; init; }

    /// <summary>Number of the first group written here.</summary>
    public ulong FirstGroup { get; init; }

    /// <summary>The segment before; 0 for none.</summary>
    public ulong PreviousNumber { get; init; }

    /// <summary>Its epoch.</summary>
    public ulong PreviousEpoch { get; init; }

    /// <summary>Where it was sealed: the end of its last good group. What lies beyond was never acknowledged.</summary>
    public ulong PreviousEnd { get; init; }

    /// <summary>The oldest segment that was still needed; files with lower numbers are dead.</summary>
    public ulong OldestNumber { get; init; }

    /// <summary>No id at or above it was given out before this segment was opened.</summary>
    public ulong NextSequence { get; init; }

    /// <summary>When it was opened, Unix ms.</summary>
    public long OpenedUnixMs { get; init; }

    /// <summary>Bytes of the file.</summary>
    public ulong FileBytes { get; init; }

    /// <summary>Writes the block.</summary>
    public void Write(Span<byte> block)
    {
        block = block[..Block];
        block.Clear();
        Magic.CopyTo(block);
        WriteUInt32LittleEndian(block[8..], Version);
        WriteUInt32LittleEndian(block[12..], Block);
        WriteUInt64LittleEndian(block[16..], Epoch);
        WriteUInt64LittleEndian(block[24..], Number);
        WriteUInt64LittleEndian(block[32..], FirstGroup);
        WriteUInt64LittleEndian(block[40..], PreviousNumber);
        WriteUInt64LittleEndian(block[48..], PreviousEpoch);
        WriteUInt64LittleEndian(block[56..], PreviousEnd);
        WriteUInt64LittleEndian(block[64..], OldestNumber);
        WriteUInt64LittleEndian(block[72..], NextSequence);
        WriteInt64LittleEndian(block[80..], OpenedUnixMs);
        WriteUInt64LittleEndian(block[88..], FileBytes);
        WriteUInt32LittleEndian(block[CrcAt..], Crc32C.Of(block[..CrcAt]));
    }

    /// <summary>Reads a block; the header is meaningful when the finding is Good.</summary>
    public static HeaderFinding Read(ReadOnlySpan<byte> block, out SegmentHeader header)
    {
        header = default;
        if (block.Length < Block || !block.StartsWith(Magic))
        {
            return HeaderFinding.Blank;
        }
        // Every version keeps its checksum here, so that one flipped bit does not pass for a later version.
        if (ReadUInt32LittleEndian(block[CrcAt..]) != Crc32C.Of(block[..CrcAt]))
        {
            return HeaderFinding.Damaged;
        }
        if (ReadUInt32LittleEndian(block[8..]) != Version)
        {
            return HeaderFinding.Unknown;
        }
        header = new SegmentHeader
        {
            Epoch = ReadUInt64LittleEndian(block[16..]),
            Number = ReadUInt64LittleEndian(block[24..]),
            FirstGroup = ReadUInt64LittleEndian(block[32..]),
            PreviousNumber = ReadUInt64LittleEndian(block[40..]),
            PreviousEpoch = ReadUInt64LittleEndian(block[48..]),
            PreviousEnd = ReadUInt64LittleEndian(block[56..]),
            OldestNumber = ReadUInt64LittleEndian(block[64..]),
            NextSequence = ReadUInt64LittleEndian(block[72..]),
            OpenedUnixMs = ReadInt64LittleEndian(block[80..]),
            FileBytes = ReadUInt64LittleEndian(block[88..]),
        };
        return HeaderFinding.Good;
    }

    /// <summary>The version a block claims, for the message that refuses it.</summary>
    public static uint ClaimedVersion(ReadOnlySpan<byte> block) => ReadUInt32LittleEndian(block[8..]);
}
