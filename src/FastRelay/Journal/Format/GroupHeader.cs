using static System.Buffers.Binary.BinaryPrimitives;

namespace FastRelay.Journal;

/// <summary>What a group is beside its records.</summary>
[Flags]
internal enum GroupFlags : uint
{
    /// <summary>Records, nothing else to say.</summary>
    None = 0,

    /// <summary>Written by an orderly stop: nothing was staged any more.</summary>
    CleanEnd = 1,
}

/// <summary>The frame of a commit group. Layout: docs/JOURNAL_FORMAT.md, "Group".</summary>
internal readonly record struct GroupHeader
{
    /// <summary>Bytes before the records.</summary>
    public const int Bytes = 64;

    private const int CrcAt = Bytes - 4;

    /// <summary>Epoch of the segment that it lies in.</summary>
    public ulong Epoch { get; init; }

    /// <summary>The node that wrote it; 0 when alone.</summary>
    public uint NodeEpoch { get; init; }

    /// <summary>Bytes of records.</summary>
    public int PayloadBytes { get; init; }

    /// <summary>Place in the one order of all groups.</summary>
    public ulong Number { get; init; }

    /// <summary>Checksum of the records.</summary>
    public uint PayloadCrc { get; init; }

    /// <summary>How many records.</summary>
    public int Records { get; init; }

    /// <summary>Every record of the group carries it, so that a record of another time is told apart where a page was not written.</summary>
    public uint Tag { get; init; }

    /// <summary>Clean end.</summary>
    public GroupFlags Flags { get; init; }

    /// <summary>Bytes on disk with the padding up to the next block.</summary>
    public long PaddedBytes => Pad(Bytes + PayloadBytes);

    /// <summary>Rounds up to whole blocks.</summary>
    public static long Pad(long bytes) => (bytes + SegmentHeader.Block - 1) & ~(SegmentHeader.Block - 1L);

    /// <summary>Writes the frame.</summary>
    public void Write(Span<byte> into)
    {
        into = into[..Bytes];
        into.Clear();
        WriteUInt64LittleEndian(into, Epoch);
        WriteUInt32LittleEndian(into[8..], NodeEpoch);
        WriteInt32LittleEndian(into[12..], PayloadBytes);
        WriteUInt64LittleEndian(into[16..], Number);
        WriteUInt32LittleEndian(into[24..], PayloadCrc);
        WriteInt32LittleEndian(into[28..], Records);
        WriteUInt32LittleEndian(into[32..], Tag);
        WriteUInt32LittleEndian(into[36..], (uint)Flags);
        WriteUInt32LittleEndian(into[CrcAt..], Checksum(into, Epoch));
    }

    /// <summary>Reads a frame that belongs to a segment of this epoch.</summary>
    /// <returns>False for anything else: zeros, an older epoch's group, damage.</returns>
    public static bool TryRead(ReadOnlySpan<byte> from, ulong epoch, out GroupHeader header)
    {
        header = default;
        if (from.Length < Bytes || ReadUInt64LittleEndian(from) != epoch
            || ReadUInt32LittleEndian(from[CrcAt..]) != Checksum(from, epoch))
        {
            return false;
        }
        header = new GroupHeader
        {
            Epoch = epoch,
            NodeEpoch = ReadUInt32LittleEndian(from[8..]),
            PayloadBytes = ReadInt32LittleEndian(from[12..]),
            Number = ReadUInt64LittleEndian(from[16..]),
            PayloadCrc = ReadUInt32LittleEndian(from[24..]),
            Records = ReadInt32LittleEndian(from[28..]),
            Tag = ReadUInt32LittleEndian(from[32..]),
            Flags = (GroupFlags)ReadUInt32LittleEndian(from[36..]),
        };
        return header.PayloadBytes is >= 0 and <= Limits.GroupBytes - Bytes;
    }

    /// <summary>The epoch that a frame claims, for a segment whose own header is lost.</summary>
    public static ulong ClaimedEpoch(ReadOnlySpan<byte> from) => ReadUInt64LittleEndian(from);

    private static uint Checksum(ReadOnlySpan<byte> frame, ulong epoch) => Crc32C.Append(Crc32C.Append(0, epoch), frame[..CrcAt]);
}
