namespace FastRelay.Journal;

/// <summary>May a message be taken, or was it?</summary>
public enum JournalStatus : byte
{
    /// <summary>Yes; for a commit: its group is durable.</summary>
    Ok,

    /// <summary>No room: the file system, its free floor, or a bound of the queue. 452 4.3.1.</summary>
    Full,

    /// <summary>The disk failed its write or sync. 451 4.3.0.</summary>
    Failed,

    /// <summary>The journal is closing. 421 4.3.2.</summary>
    Closed,
}

/// <summary>What a commit came to.</summary>
/// <param name="Status">Ok only when the message is durable.</param>
/// <param name="Message">The message when it is; else <see cref="MessageHandle.None"/>.</param>
public readonly record struct CommitResult(JournalStatus Status, MessageHandle Message);

/// <summary>What became of one recipient in one attempt.</summary>
public enum RecipientResult : byte
{
    /// <summary>The next hop took it: settled.</summary>
    Delivered,

    /// <summary>Another attempt is due: still pending.</summary>
    Deferred,

    /// <summary>Failed with no bounce owed, or removed by the operator: settled.</summary>
    Dropped,
}

/// <summary>One recipient's result.</summary>
/// <param name="Index">Place in the envelope, 0 first.</param>
/// <param name="Result">What became of it.</param>
public readonly record struct RecipientOutcome(int Index, RecipientResult Result);

/// <summary>When a commit is durable.</summary>
public enum SyncMode : byte
{
    /// <summary>One checked fdatasync for each commit group. The default, and the only mode that keeps what 250 promises.</summary>
    Group,

    /// <summary>No sync at all: for comparisons. Shown on the start screen, in metrics and in reports.</summary>
    None,
}
