namespace FastRelay.Journal;

/// <summary>How a group's number relates to the one that should come next.</summary>
internal enum GroupOrder : byte
{
    /// <summary>It is the next.</summary>
    Expected,

    /// <summary>Groups are missing before it.</summary>
    Future,

    /// <summary>It was seen already.</summary>
    Past,
}

/// <summary>What recovery does at a place where a group may begin.</summary>
internal enum RecoveryAction : byte
{
    /// <summary>Takes all its records.</summary>
    Accept,

    /// <summary>Takes all its records, and says that groups before it are missing.</summary>
    AcceptAfterGap,

    /// <summary>Takes its good records, also messages whose body is damaged, and names the bad: it was acknowledged.</summary>
    Salvage,

    /// <summary>The last group, never acknowledged: keeps whole messages, drops the rest without a word.</summary>
    KeepWhole,

    /// <summary>Goes on at the next good group, and says what is missing.</summary>
    SkipHole,

    /// <summary>The end of the journal.</summary>
    Cut,

    /// <summary>The segment ends before the place where it was sealed: acknowledged groups are missing.</summary>
    CutDamaged,
}

/// <summary>What is seen at a place where a group may begin.</summary>
/// <param name="Frame">A frame with a good checksum, seeded with the segment's epoch.</param>
/// <param name="Order">Its number.</param>
/// <param name="Payload">Its records' checksum is good.</param>
/// <param name="Follows">A whole group with a later number lies behind it in the segment.</param>
/// <param name="Acknowledged">The place lies before the end at which the segment was sealed.</param>
internal readonly record struct GroupFinding(bool Frame, GroupOrder Order, bool Payload, bool Follows, bool Acknowledged);

/// <summary>
/// The decisions of recovery as a table: the first row that matches counts, and a test walks all combinations. Since
/// nothing of a group is written before the sync of the one before has returned, only the last group can be torn;
/// whatever else is bad is rot or loss, and is named.
/// </summary>
internal static class RecoveryTable
{
    /// <summary>Decides.</summary>
    public static RecoveryAction Decide(in GroupFinding at) => at switch
    {
        // No frame: zeros, another epoch's group, or damage.
        { Frame: false, Follows: true } => RecoveryAction.SkipHole,
        { Frame: false, Acknowledged: true } => RecoveryAction.CutDamaged,
        { Frame: false } => RecoveryAction.Cut,

        // A number that was seen: the rest of a group that was cut and written again.
        { Order: GroupOrder.Past, Follows: true } => RecoveryAction.SkipHole,
        { Order: GroupOrder.Past, Acknowledged: true } => RecoveryAction.CutDamaged,
        { Order: GroupOrder.Past } => RecoveryAction.Cut,

        { Payload: true, Order: GroupOrder.Expected } => RecoveryAction.Accept,
        { Payload: true } => RecoveryAction.AcceptAfterGap,

        { Follows: true } => RecoveryAction.Salvage,
        { Acknowledged: true } => RecoveryAction.Salvage,
        _ => RecoveryAction.KeepWhole,
    };
}
