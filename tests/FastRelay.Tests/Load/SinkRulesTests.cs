using System.Net;
using System.Text;
using FastRelay.Load;

namespace FastRelay.Tests.Load;

public sealed class SinkRulesTests
{
    private static readonly byte[] s_reply = [.. "450 4.7.0 slow down\r\n"u8];

    [Fact]
    public void No_window_of_the_length_holds_more_than_the_cap_wherever_it_begins()
    {
        const int Cap = 5;
        const long Length = 1000;
        var window = new RateWindow(Cap, Length);
        var random = new Random(3);
        var admitted = new List<long>();
        long now = 0;
        for (int i = 0; i < 5000; i++)
        {
            now += random.Next(0, 150);
            if (window.TryAdmit(now))
            {
                admitted.Add(now);
            }
        }
        Assert.All(admitted, from => Assert.InRange(admitted.Count(t => t >= from && t < from + Length), 1, Cap));
        Assert.True(admitted.Count > now / Length * (Cap - 1));
    }

    [Fact]
    public void A_window_admits_again_exactly_when_the_oldest_has_left_it()
    {
        var window = new RateWindow(2, 100);
        Assert.True(window.TryAdmit(0));
        Assert.True(window.TryAdmit(50));
        Assert.False(window.TryAdmit(99));
        Assert.True(window.TryAdmit(100));
        Assert.False(window.TryAdmit(149));
        Assert.True(window.TryAdmit(150));
    }

    [Fact]
    public void A_cap_of_one_address_or_domain_does_not_bind_another()
    {
        var rules = new SinkRules(new SinkScenario
        {
            Rates =
            [
                new RateRule(RateUnit.Messages, RateScope.Address, 1, 1000, s_reply),
                new RateRule(RateUnit.Recipients, RateScope.Domain, 1, 1000, s_reply),
            ],
        }, new Random(1));

        Assert.Equal(FaultKind.None, Judge(rules, DialogueStage.Mail, client: 1).Kind);
        Assert.Equal(FaultKind.Reply, Judge(rules, DialogueStage.Mail, client: 1).Kind);
        Assert.Equal(FaultKind.None, Judge(rules, DialogueStage.Mail, client: 2).Kind);
        Assert.Equal(FaultKind.None, Judge(rules, DialogueStage.Rcpt, recipient: "a@one.test").Kind);
        Assert.Equal(FaultKind.Reply, Judge(rules, DialogueStage.Rcpt, recipient: "b@ONE.test").Kind);
        Assert.Equal(FaultKind.None, Judge(rules, DialogueStage.Rcpt, recipient: "a@two.test").Kind);
    }

    [Fact]
    public void A_greylist_lets_a_triplet_pass_after_its_time_and_only_that()
    {
        var rules = new SinkRules(new SinkScenario { GreylistMs = 300 }, new Random(1));
        Assert.StartsWith("451", Encoding.ASCII.GetString(Judge(rules, DialogueStage.Rcpt, recipient: "a@x.test", nowMs: 1000).Reply!), StringComparison.Ordinal);
        Assert.Equal(FaultKind.Reply, Judge(rules, DialogueStage.Rcpt, recipient: "a@x.test", nowMs: 1299).Kind);
        Assert.Equal(FaultKind.None, Judge(rules, DialogueStage.Rcpt, recipient: "A@x.test", nowMs: 1300).Kind);
        Assert.Equal(FaultKind.Reply, Judge(rules, DialogueStage.Rcpt, recipient: "b@x.test", nowMs: 1300).Kind);
        Assert.Equal(FaultKind.Reply, Judge(rules, DialogueStage.Rcpt, recipient: "a@x.test", client: 9, nowMs: 1300).Kind);
    }

    [Fact]
    public void Odds_are_kept_and_a_seed_repeats_them()
    {
        FaultKind[] first = Draws(7);
        Assert.Equal(first, Draws(7));
        Assert.InRange(first.Count(k => k == FaultKind.Reply), 150, 250);

        static FaultKind[] Draws(int seed)
        {
            var rules = new SinkRules(new SinkScenario { Faults = [new FaultRule { At = DialogueStage.Dot, Kind = FaultKind.Reply, Reply = s_reply, Odds = 0.1 }] }, new Random(seed));
            return [.. Enumerable.Range(0, 2000).Select(_ => Judge(rules, DialogueStage.Dot).Kind)];
        }
    }

    [Fact]
    public void A_fault_may_be_tied_to_an_address_and_to_a_recipient_domain()
    {
        var rules = new SinkRules(new SinkScenario
        {
            Faults =
            [
                new FaultRule { At = DialogueStage.Rcpt, Kind = FaultKind.Stall, Local = IPAddress.Parse("127.0.0.9") },
                new FaultRule { At = DialogueStage.Rcpt, Kind = FaultKind.Reply, Reply = s_reply, Domain = [.. "bad.test"u8] },
            ],
        }, new Random(1));
        Assert.Equal(FaultKind.Stall, Judge(rules, DialogueStage.Rcpt, recipient: "a@b.test", local: "127.0.0.9").Kind);
        Assert.Equal(FaultKind.None, Judge(rules, DialogueStage.Rcpt, recipient: "a@b.test").Kind);
        Assert.Equal(FaultKind.Reply, Judge(rules, DialogueStage.Rcpt, recipient: "a@Bad.test").Kind);
        Assert.Equal(FaultKind.None, Judge(rules, DialogueStage.Mail, local: "127.0.0.9").Kind);
    }

    [Fact]
    public void A_copy_that_comes_again_is_counted_and_a_new_one_is_not()
    {
        var ledger = new SequenceLedger();
        for (long copy = 0; copy < 5_000_000; copy += 1237)
        {
            ledger.Note(1, copy);
            ledger.Note(2, copy);
        }
        long all = 2 * ((5_000_000 + 1236) / 1237);
        Assert.Equal(all, ledger.Distinct);
        Assert.Equal(0, ledger.Duplicates);
        ledger.Note(1, 1237);
        ledger.Note(1, 1238);
        Assert.Equal(1, ledger.Duplicates);
        Assert.Equal(all + 1, ledger.Distinct);
    }

    private static RuleVerdict Judge(SinkRules rules, DialogueStage stage, ulong client = 1, string recipient = "", string local = "127.0.0.1", long nowMs = 0) =>
        rules.Judge(stage, IPAddress.Parse(local), client, "s@x.test"u8, Encoding.ASCII.GetBytes(recipient), nowMs);
}
