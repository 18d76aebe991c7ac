using FastRelay.Config;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>
/// The rate of a provider whose cap stands in no configuration is found, used to nine tenths and more, and found again when
/// it is halved, with less than one attempt in a hundred refused; greylisting, reputation and a block of our address do not
/// mislead it. Twenty minutes of a simulated clock.
/// </summary>
public sealed class ProviderSimulationTests
{
    [Theory]
    [InlineData(1_000, 60_000)]
    [InlineData(300, 10_000)]
    [InlineData(40, 2_000)]
    public void An_unknown_cap_is_used_within_a_tenth_with_one_refusal_in_a_hundred_and_again_when_it_is_halved(int cap, long windowMs)
    {
        ProviderSimulation provider = Run(ProviderRules.All, cap, windowMs);
        Assert.NotNull(provider.Learned);
        Holds(provider, 5, cap * 60_000.0 / windowMs);
        Holds(provider, 15, cap / 2 * 60_000.0 / windowMs);
        Assert.True(provider.Delivered > 10 * cap * 60_000 / windowMs * 3 / 4, $"{provider.Delivered} delivered");
    }

    [Fact]
    public void Without_the_rules_most_of_the_attempts_are_refused()
    {
        var provider = new ProviderSimulation([]);
        provider.Cap(1_000, 60_000);
        provider.Run(2 * 60_000);
        Assert.Null(provider.Learned);
        (int tried, int refused, int _) = Sum(provider, 1);
        Assert.True(refused > tried / 2, $"{refused} of {tried} refused");
    }

    private static ProviderSimulation Run(IReadOnlyList<ReplyRuleConfig> rules, int cap, long windowMs)
    {
        var provider = new ProviderSimulation(rules);
        provider.Cap(cap, windowMs);
        provider.Run(10 * 60_000);
        provider.Cap(cap / 2, windowMs);
        provider.Run(2 * 60_000);
        provider.IsBlocked = true;
        provider.Run(40_000);
        provider.IsBlocked = false;
        provider.Run((7 * 60_000) + 20_000);
        return provider;
    }

    private static void Holds(ProviderSimulation provider, int from, double perMinute)
    {
        (int tried, int refused, int admitted) = Sum(provider, from);
        Assert.True(admitted >= 0.9 * 5 * perMinute, $"minutes {from} to {from + 5}: {admitted} let in, {5 * perMinute:F0} would have been\n{Table(provider)}");
        Assert.True(refused < tried / 100.0, $"minutes {from} to {from + 5}: {refused} of {tried} refused\n{Table(provider)}");
    }

    private static string Table(ProviderSimulation provider) =>
        string.Join('\n', provider.Minutes.Select(static (minute, i) => $"minute {i,2}: tried {minute.Tried}, refused {minute.Refused}, let in {minute.Admitted}"));

    private static (int Tried, int Refused, int Admitted) Sum(ProviderSimulation provider, int from)
    {
        var minutes = provider.Minutes.Skip(from).Take(5).ToList();
        return (minutes.Sum(static m => m.Tried), minutes.Sum(static m => m.Refused), minutes.Sum(static m => m.Admitted));
    }
}
