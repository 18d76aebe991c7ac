using FastRelay.Journal;

namespace FastRelay.Tests.Journal;

public class RecoveryTableTests
{
    /// <summary>All combinations, against the rules in words.</summary>
    [Fact]
    public void Every_combination_has_the_decision_that_the_rules_ask_for()
    {
        bool[] either = [false, true];
        int combinations = 0;
        var used = new HashSet<RecoveryAction>();
        foreach (bool frame in either)
        {
            foreach (GroupOrder order in Enum.GetValues<GroupOrder>())
            {
                foreach (bool payload in either)
                {
                    foreach (bool follows in either)
                    {
                        foreach (bool acknowledged in either)
                        {
                            RecoveryAction action = RecoveryTable.Decide(new GroupFinding(frame, order, payload, follows, acknowledged));
                            combinations++;
                            used.Add(action);
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
                }
            }
        }
        Assert.Equal(48, combinations);
        Assert.Equal(Enum.GetValues<RecoveryAction>().Length, used.Count);
    }
}
