using FastRelay.Journal;
using FastRelay.Tests.Tidy;

namespace FastRelay.Tests.Journal;

public class RecoveryTableTests
{
    private static readonly bool[] s_either = [false, true];

    [Fact]
    public void Exactly_one_row_matches_each_combination_and_each_row_matches_some()
    {
        var used = new HashSet<RecoveryRow>();
        foreach (GroupFinding finding in Combinations())
        {
            RecoveryRow row = Assert.Single(RecoveryTable.Rows, row => row.Matches(finding));
            Assert.Equal(row.Action, RecoveryTable.Decide(finding));
            used.Add(row);
        }
        Assert.Equal(48, Combinations().Count());
        Assert.Equal(RecoveryTable.Rows.Count, used.Count);
        Assert.Equal(Enum.GetValues<RecoveryAction>(), used.Select(static row => row.Action).Distinct().Order());
    }

    /// <summary>All combinations, against the rules in words.</summary>
    [Fact]
    public void Every_combination_has_the_decision_that_the_rules_ask_for()
    {
        foreach ((bool frame, GroupOrder order, bool payload, bool follows, bool acknowledged) in Combinations())
        {
            RecoveryAction action = RecoveryTable.Decide(new GroupFinding(frame, order, payload, follows, acknowledged));
            bool readable = frame && order != GroupOrder.Past;
            Assert.Equal(readable && payload, action is RecoveryAction.Accept or RecoveryAction.AcceptAfterGap);
            Assert.Equal(readable && payload && order == GroupOrder.Future, action == RecoveryAction.AcceptAfterGap);
            Assert.Equal(readable && !payload && (follows || acknowledged), action == RecoveryAction.Salvage);
            Assert.Equal(readable && !payload && !follows && !acknowledged, action == RecoveryAction.KeepWhole);
            Assert.Equal(!readable && follows, action == RecoveryAction.SkipHole);
            Assert.Equal(!readable && !follows && acknowledged, action == RecoveryAction.CutDamaged);
            Assert.Equal(!readable && !follows && !acknowledged, action == RecoveryAction.Cut);
        }
    }

    [Fact]
    public void The_document_prints_the_table()
    {
        string[] lines = File.ReadAllLines(Path.Combine(House.Root, "docs", "JOURNAL_FORMAT.md"));
        int head = Array.FindIndex(lines, static line => line.StartsWith("| frame | number |", StringComparison.Ordinal));
        Assert.True(head > 0, "the document has no such table");
        string[] printed = [.. lines.Skip(head + 2).TakeWhile(static line => line.StartsWith('|')).Select(static line => string.Join('|', line.Split('|')[1..6].Select(static cell => cell.Trim())))];
        Assert.Equal(printed, RecoveryTable.Rows.Select(Printed));
    }

    private static IEnumerable<GroupFinding> Combinations() =>
        from frame in s_either
        from order in Enum.GetValues<GroupOrder>()
        from payload in s_either
        from follows in s_either
        from acknowledged in s_either
        select new GroupFinding(frame, order, payload, follows, acknowledged);

    private static string Printed(RecoveryRow row)
    {
        string number = row.Seen == true ? "seen before" : row.Next switch { true => "the next", false => "later", _ => row.Seen == false ? "next or later" : "" };
        return string.Join('|', Word(row.Frame, "good", "bad"), number, Word(row.Payload, "good", "bad"), Word(row.Follows, "yes", "no"), Word(row.Acknowledged, "yes", "no"));
    }

    private static string Word(bool? value, string yes, string no) => value switch { true => yes, false => no, _ => "" };
}
