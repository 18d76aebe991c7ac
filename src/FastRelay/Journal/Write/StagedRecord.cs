namespace FastRelay.Journal;

/// <summary>What must be told to the index when a staged record is durable.</summary>
internal enum StagedKind : byte
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>A chunk of an open message now lies here.</summary>
    Chunk,

    /// <summary>An outcome of some recipients.</summary>
    Outcome,

    /// <summary>The head record was copied here.</summary>
    HeadCopy,

    /// <summary>A chunk or an outcome was copied here.</summary>
    NodeCopy,
}

/// <summary>One staged record of which the index must hear.</summary>
internal struct StagedRecord
{
    /// <summary>What kind of news.</summary>
    public StagedKind Kind;

    /// <summary>Slot of the message.</summary>
    public int Slot;

    /// <summary>Id of the message: the slot may be another's by then.</summary>
    public ulong Id;

    /// <summary>Chunk or copy: the node.</summary>
    public int Node;

    /// <summary>Where the record begins in the group.</summary>
    public int Offset;

    /// <summary>Its length without padding.</summary>
    public int Length;

    /// <summary>Copy: the segment it was copied from.</summary>
    public int FromSegment;

    /// <summary>Copy: the place there.</summary>
    public long FromOffset;
}
