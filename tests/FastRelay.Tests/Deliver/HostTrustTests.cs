using System.Globalization;
using FastRelay.Deliver;
using FastRelay.Queue;
using Xunit;

namespace FastRelay.Tests.Deliver;

public sealed class HostTrustTests
{
    private const long DayMs = 86_400_000;

    [Fact]
    public void Trust_is_earned_by_the_last_of_the_clean_answers()
    {
        var trust = new HostTrust();
        for (int i = 1; i <= HostTrust.CleanAnswers; i++)
        {
            Assert.False(trust.MayJoin(0));
            trust.Answered();
        }
        Assert.True(trust.MayJoin(0));
    }

    [Fact]
    public void A_doubt_costs_a_day_and_trust_is_earned_again()
    {
        var trust = new HostTrust();
        Earn(trust);
        trust.Doubted(1_000);
        Earn(trust);
        Assert.False(trust.MayJoin(1_000 + DayMs - 1));
        Assert.True(trust.MayJoin(1_000 + DayMs));
        trust.Doubted(1_000 + DayMs);
        Assert.False(trust.MayJoin(1_000 + (3 * DayMs)));
    }

    [Fact]
    public void Many_in_flight_need_no_trust_to_be_earned_and_a_doubt_costs_a_day_too()
    {
        var trust = new HostTrust();
        Assert.True(trust.MayFill(0));
        trust.Doubted(1_000);
        Earn(trust);
        Assert.False(trust.MayFill(1_000 + DayMs - 1));
        Assert.True(trust.MayFill(1_000 + DayMs));
    }

    [Fact]
    public void A_bound_is_learned_from_the_last_of_equal_ends_in_a_row_and_kept_for_an_hour()
    {
        var trust = new HostTrust();
        for (int i = 1; i < HostTrust.SameEnds; i++)
        {
            Assert.False(trust.EndedAfter(5, 0));
        }
        Assert.Equal(int.MaxValue, trust.MessagesMost(0));
        Assert.False(trust.EndedAfter(6, 0));
        for (int i = 1; i <= HostTrust.SameEnds; i++)
        {
            Assert.Equal(int.MaxValue, trust.MessagesMost(0));
            Assert.Equal(i == HostTrust.SameEnds, trust.EndedAfter(5, 0));
        }
        Assert.Equal(5, trust.MessagesMost(HostTrust.BoundMs - 1));
        Assert.False(trust.IsForgettable(HostTrust.BoundMs - 1));
        Assert.Equal(int.MaxValue, trust.MessagesMost(HostTrust.BoundMs));
        // Tried again, and it has not changed: known at the first end, told again.
        Assert.True(trust.EndedAfter(5, HostTrust.BoundMs));
        Assert.Equal(5, trust.MessagesMost(HostTrust.BoundMs));
        // Another number says that the bound is not what it seemed.
        Assert.False(trust.EndedAfter(3, HostTrust.BoundMs + 1));
        Assert.Equal(int.MaxValue, trust.MessagesMost(HostTrust.BoundMs + 1));
    }

    [Fact]
    public void What_is_forgiven_is_learned_anew_and_doubt_is_not_forgiven()
    {
        var trusts = new HostTrusts();
        HostTrust trust = trusts.Of("mx.test", 0);
        for (int i = 0; i < HostTrust.SameEnds; i++)
        {
            trust.EndedAfter(5, 1_000);
        }
        trust.Avoid(1_000);
        trust.Doubted(1_000);
        Assert.Equal(
            new HostMemory { AvoidedMs = HostTrust.AvoidMs - 1_000, AloneMs = DayMs - 1_000, MessagesMost = 5, MessagesMs = HostTrust.BoundMs - 1_000 },
            trusts.MemoryOf("mx.test", 2_000));
        trusts.Forgive("mx.test");
        trusts.Forgive("other.test");
        Assert.Equal(new HostMemory { AloneMs = DayMs - 1_000 }, trusts.MemoryOf("mx.test", 2_000));
        Assert.False(trust.IsAvoided(2_000));
        Assert.False(trust.MayFill(2_000));
        // It takes as many ends again to know the bound.
        for (int i = 1; i < HostTrust.SameEnds; i++)
        {
            Assert.False(trust.EndedAfter(5, 2_000));
        }
        Assert.True(trust.EndedAfter(5, 2_000));
        Assert.Equal(default, trusts.MemoryOf("mx.test", 10 * DayMs));
        Assert.Equal((default, 1), (trusts.MemoryOf("other.test", 0), trusts.Count));
    }

    [Fact]
    public void As_many_hosts_as_the_bound_are_known_and_one_more_forgets_those_without_a_doubt()
    {
        var trusts = new HostTrusts();
        HostTrust doubted = trusts.Of("doubted.test", 0);
        doubted.Doubted(0);
        for (int i = 1; i < HostTrusts.HostsMax; i++)
        {
            trusts.Of(i.ToString(CultureInfo.InvariantCulture), 0);
        }
        Assert.Equal(HostTrusts.HostsMax, trusts.Count);
        trusts.Of("one.more.test", 1);
        Assert.Equal(2, trusts.Count);
        Assert.Same(doubted, trusts.Of("doubted.test", 1));
    }

    private static void Earn(HostTrust trust)
    {
        for (int i = 0; i < HostTrust.CleanAnswers; i++)
        {
            trust.Answered();
        }
    }
}
