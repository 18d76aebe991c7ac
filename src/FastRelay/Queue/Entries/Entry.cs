using FastRelay.Config;

namespace FastRelay.Queue;

/// <summary>Where an entry is.</summary>
internal enum EntryState : byte
{
    /// <summary>Not in use.</summary>
    Free,

    /// <summary>In its destination's list, to be taken as soon as the site may.</summary>
    Ready,

    /// <summary>With a delivery.</summary>
    InFlight,

    /// <summary>In the wheel until its next attempt.</summary>
    Deferred,

    /// <summary>Put aside by the operator.</summary>
    Held,

    /// <summary>To be settled without an attempt: expired or removed.</summary>
    Settling,
}

/// <summary>Facts about an entry.</summary>
[Flags]
internal enum EntryFlags : byte
{
    None = 0,

    /// <summary>The reverse-path is null: nobody is told of a failure.</summary>
    NullReversePath = 1,

    /// <summary>The message has entries of other destinations, so its recipients must be told apart.</summary>
    Shared = 2,

    /// <summary>An attempt at once was asked for while one was under way.</summary>
    RetryWanted = 4,

    /// <summary>Somebody was deferred in this round.</summary>
    RoundDeferred = 8,

    /// <summary>The operator removes it: recipients are dropped, nobody is told.</summary>
    Removing = 16,

    /// <summary>To be held when its delivery is over.</summary>
    Holding = 32,

    /// <summary>An <see cref="EntryExtra"/> exists.</summary>
    Extra = 64,

    /// <summary>Its sender has been told that it waits, or is not to be.</summary>
    Warned = 128,

    /// <summary>The operator fails it, and its sender is told: what is removed cannot be retried, so the two together are free.</summary>
    Bouncing = Removing | RetryWanted,
}

/// <summary>
/// One (message, destination) in memory: 40 bytes, no pointers, linked by handles. Handle 0 is nobody. Times are
/// seconds on the loop's monotonic scale, so that a jump of the wall clock neither floods nor freezes the queue.
/// </summary>
internal struct Entry
{
    /// <summary>Slot of the message in the journal's index.</summary>
    public int Message;

    /// <summary>Number of its destination.</summary>
    public int Destination;

    /// <summary>Next in the list that its state says.</summary>
    public int Next;

    /// <summary>Previous in that list; in the wheel the complement of the slot for the first one.</summary>
    public int Previous;

    /// <summary>Next entry of the same message.</summary>
    public int NextOfMessage;

    /// <summary>Deferred: when it is due. Ready: since when.</summary>
    public int DueSeconds;

    /// <summary>When it is given up.</summary>
    public int ExpireSeconds;

    /// <summary>Recipients of this destination that are neither delivered nor failed.</summary>
    public int Pending;

    /// <summary>Why it was last deferred, in <see cref="ReasonTable"/>; 0 for never.</summary>
    public int Reason;

    /// <summary>Attempts that ended in a deferral; saturates.</summary>
    public ushort Attempts;

    // The state in the low half, the priority in the high one.
    private byte _stateAndPriority;

    /// <summary>Facts.</summary>
    public EntryFlags Flags;

    /// <summary>Where it is.</summary>
    public EntryState State
    {
        readonly get => (EntryState)(_stateAndPriority & 0x0F);
        set => _stateAndPriority = (byte)((_stateAndPriority & 0xF0) | (byte)value);
    }

    /// <summary>How urgent its message is.</summary>
    public MailPriority Priority
    {
        readonly get => (MailPriority)(_stateAndPriority >> 4);
        set => _stateAndPriority = (byte)((_stateAndPriority & 0x0F) | ((byte)value << 4));
    }

    /// <summary>It is held, or is when its delivery is over.</summary>
    public readonly bool IsHeld => State == EntryState.Held || (Flags & EntryFlags.Holding) != 0;

    /// <summary>It is being settled, or is when its delivery is over.</summary>
    public readonly bool IsEnding => State == EntryState.Settling || (Flags & EntryFlags.Removing) != 0;

    /// <summary>What the operator has asked for and is not done yet.</summary>
    public readonly QueueOrder Order => (Flags & EntryFlags.Removing) != 0 ? IsDropped ? QueueOrder.Remove : QueueOrder.Bounce
        : (Flags & EntryFlags.Holding) != 0 ? QueueOrder.Hold : QueueOrder.None;

    /// <summary>The operator removes it and nobody is told.</summary>
    public readonly bool IsDropped => (Flags & EntryFlags.Bouncing) == EntryFlags.Removing;

    /// <summary>The operator fails it and its sender is told.</summary>
    public readonly bool IsBounced => (Flags & EntryFlags.Bouncing) == EntryFlags.Bouncing;
}

/// <summary>What few entries need: recipients of more than one transaction, or a failure among deferrals.</summary>
internal sealed class EntryExtra
{
    /// <summary>The first recipient index that the next transaction of this round looks at.</summary>
    public int Cursor { get; set; }

    /// <summary>Where the transaction after the present one begins; -1 when the present one has the rest.</summary>
    public int NextCursor { get; set; } = -1;

    /// <summary>Recipients that have failed and whose bounce may not be durable yet: never sent again.</summary>
    public HashSet<int> Failed { get; } = [];

    /// <summary>A refusal of its recipients among several messages in flight may have been another's: it is not sent so again.</summary>
    public bool Alone { get; set; }

    /// <summary>
    /// Recipients that the operator has struck out while others of the entry stay: what their sender is told, null where nobody is. They are
    /// never sent again, and are settled as soon as no delivery of the entry is under way. Null for none.
    /// </summary>
    public Dictionary<int, byte[]?>? Struck { get; set; }

    /// <summary>Until then they wait, since their sender could not be told, and the others go on; on the loop's scale in seconds.</summary>
    public int StruckAgainSeconds { get; set; }

    /// <summary>When the others go on then, on the loop's scale in seconds; 0 at once.</summary>
    public int GoesOnSeconds { get; set; }

    /// <summary>The operator moves it when its delivery is over.</summary>
    public bool MoveWanted { get; set; }

    /// <summary>Where to; null for what the configuration says.</summary>
    public MoveTarget? MoveTo { get; set; }

    /// <summary>When he said so, Unix ms.</summary>
    public long MovedUnixMs { get; set; }

    /// <summary>As new.</summary>
    public void Clear()
    {
        Cursor = 0;
        NextCursor = -1;
        Failed.Clear();
        Struck = null;
        GoesOnSeconds = StruckAgainSeconds = 0;
        MoveWanted = Alone = false;
        MoveTo = null;
    }
}
