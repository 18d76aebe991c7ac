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

/// <summary>A row of the table; null is either.</summary>
/// <param name="Frame">As in <see cref="GroupFinding"/>.</param>
/// <param name="Seen">The number was seen already.</param>
/// <param name="Next">The number is the one that should come.</param>
/// <param name="Payload">As in <see cref="GroupFinding"/>.</param>
/// <param name="Follows">As in <see cref="GroupFinding"/>.</param>
/// <param name="Acknowledged">As in <see cref="GroupFinding"/>.</param>
/// <param name="Action">What is done.</param>
internal sealed record RecoveryRow(bool? Frame, bool? Seen, bool? Next, bool? Payload, bool? Follows, bool? Acknowledged, RecoveryAction Action)
{
    /// <summary>True when the row is about what was seen.</summary>
    public bool Matches(in GroupFinding at) =>
        Is(Frame, at.Frame) && Is(Seen, at.Order == GroupOrder.Past) && Is(Next, at.Order == GroupOrder.Expected)
        && Is(Payload, at.Payload) && Is(Follows, at.Follows) && Is(Acknowledged, at.Acknowledged);

    private static bool Is(bool? wanted, bool found) => wanted is null || wanted == found;
}

/// <summary>
/// The decisions of recovery as a table, the one that docs/JOURNAL_FORMAT.md prints. Of all combinations exactly one row
/// matches each. Since nothing of a group is written before the sync of the one before has returned, only the last group
/// can be torn; whatever else is bad is rot or loss, and is named.
/// </summary>
internal static class RecoveryTable
{
    private const bool Yes = true;
    private const bool No = false;
    private static bool? Any => null;
    private static readonly RecoveryRow[] s_rows =
    [
        //   frame, seen, next, payload, follows, acknowledged
        // No frame: zeros, another epoch's group, or damage.
        new(No, Any, Any, Any, Yes, Any, RecoveryAction.SkipHole),
        new(No, Any, Any, Any, No, Yes, RecoveryAction.CutDamaged),
        new(No, Any, Any, Any, No, No, RecoveryAction.Cut),

        // A number that was seen: the rest of a group that was cut and written again.
        new(Yes, Yes, Any, Any, Yes, Any, RecoveryAction.SkipHole),
        new(Yes, Yes, Any, Any, No, Yes, RecoveryAction.CutDamaged),
        new(Yes, Yes, Any, Any, No, No, RecoveryAction.Cut),

        new(Yes, No, Yes, Yes, Any, Any, RecoveryAction.Accept),
        new(Yes, No, No, Yes, Any, Any, RecoveryAction.AcceptAfterGap),

        // Records with a wrong checksum: rot, unless nothing says that the group was ever acknowledged.
        new(Yes, No, Any, No, Yes, Any, RecoveryAction.Salvage),
        new(Yes, No, Any, No, No, Yes, RecoveryAction.Salvage),
        new(Yes, No, Any, No, No, No, RecoveryAction.KeepWhole),
    ];

    /// <summary>All rows.</summary>
    public static IReadOnlyList<RecoveryRow> Rows => s_rows;

    /// <summary>What the row says that matches.</summary>
    public static RecoveryAction Decide(in GroupFinding at)
    {
        foreach (RecoveryRow row in s_rows)
        {
            if (row.Matches(at))
            {
                return row.Action;
            }
        }
        Check.That(false, "the table has a hole");
        return default;
    }
}
