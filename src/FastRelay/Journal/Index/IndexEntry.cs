using System.Runtime.InteropServices;

namespace FastRelay.Journal;

/// <summary>What an entry of the index is.</summary>
[Flags]
internal enum EntryFlags : byte
{
    /// <summary>A committed message.</summary>
    None = 0,

    /// <summary>Not committed: chunks of a message whose DATA is under way.</summary>
    Open = 1,

    /// <summary>A group with one of its chunks failed: it can no longer be committed.</summary>
    Failed = 2,

    /// <summary>Held by the operator: all recipients, or with PartHold some.</summary>
    Hold = 4,

    /// <summary>More than 64 recipients, or open with outcomes that came before the head: Pending names a set, not bits.</summary>
    WideSet = 8,

    /// <summary>A piece of it is missing or was copied with damage: never to be delivered.</summary>
    Damaged = 16,

    /// <summary>Forgotten, but for the bounces that are deciding about it: the last of them takes it away.</summary>
    Aside = 32,

    /// <summary>Which recipients are held, <see cref="HoldSets"/> says.</summary>
    PartHold = 64,
}

/// <summary>One message in memory: 64 bytes, and no object.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct IndexEntry
{
    /// <summary>The slab's.</summary>
    public int Link;

    /// <summary>Segment that holds the head record; -1 when there is none yet.</summary>
    public int Segment;

    /// <summary>The message; 0 when free.</summary>
    public ulong Id;

    /// <summary>Bit i: recipient i is not settled. With WideSet the number of a set.</summary>
    public ulong Pending;

    /// <summary>Unix ms.</summary>
    public long ArrivalMs;

    /// <summary>Bytes of the whole body.</summary>
    public long BodyLength;

    /// <summary>Where the head record begins, in units of eight bytes.</summary>
    public uint Offset8;

    /// <summary>Bytes of the head record, without padding.</summary>
    public int RecordLength;

    /// <summary>First of its chunk nodes; -1 for none.</summary>
    public int Chunks;

    /// <summary>First of its deferral nodes, newest first; -1 for none.</summary>
    public int Deferrals;

    /// <summary>Recipients, settled ones too.</summary>
    public int Recipients;

    /// <summary>What it is.</summary>
    public EntryFlags Flags;

    /// <summary>Bounces under way whose commit will settle recipients of it.</summary>
    public byte Settling;

    /// <summary>Outcomes that are staged and not durable; stays at the top once it got there.</summary>
    public ushort StagedOutcomes;

    /// <summary>Where the head record begins.</summary>
    public readonly long Offset => (long)Offset8 << 3;
}

/// <summary>Where a record that belongs to a message lies: a chunk, or the last outcome of some recipients.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct RecordNode
{
    /// <summary>The slab's; while in use the next node of the message, -1 at the end.</summary>
    public int Next;

    /// <summary>Segment; -1 while the record is not durable, or when it is missing.</summary>
    public int Segment;

    /// <summary>Offset in units of eight bytes.</summary>
    public uint Offset8;

    /// <summary>Bytes of the record, without padding.</summary>
    public int RecordLength;

    /// <summary>For a deferral, the recipients whose last outcome is this record's: bit i is recipient i; with a set their number.</summary>
    public ulong Mask;

    /// <summary>Where it begins.</summary>
    public readonly long Offset => (long)Offset8 << 3;
}
