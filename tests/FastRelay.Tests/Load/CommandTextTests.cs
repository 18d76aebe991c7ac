using FastRelay.Host.Commands;
using FastRelay.Load;

namespace FastRelay.Tests.Load;

/// <summary>What people write for the load tester: command line values and scenario files.</summary>
public sealed class CommandTextTests
{
    [Fact]
    public void A_scenario_file_says_what_it_says()
    {
        SinkScenario scenario = SinkScenarioFile.Read("""
            hostname = "mx.provider.test"
            pipelining = false
            sessions_per_address = 20
            messages_per_session = 100
            recipients = 50
            message_bytes = "10MiB"
            greylist = "5m"
            round_trip = "40ms"
            [[rate]]
            messages = 300
            window = "1m"
            per = "address"
            reply = "421 4.7.28 too fast"
            [[fault]]
            at = "dot"
            odds = 0.02
            reply = "451 4.3.0 try again"
            [[fault]]
            at = "rcpt"
            domain = "Slow.test"
            delay = "2s"
            [[fault]]
            at = "banner"
            address = "127.0.0.3"
            odds = "10%"
            action = "reset"
            """, "provider.toml", out var errors);

        Assert.Empty(errors);
        Assert.Equal(("mx.provider.test", false, 20, 100, 50, 10L << 20, 300_000L), (scenario.HostName, scenario.Pipelining, scenario.SessionsPerAddress,
            scenario.MessagesPerSession, scenario.Recipients, scenario.MessageBytes, scenario.GreylistMs));
        Assert.Equal(40, scenario.RoundTripMs);
        RateRule rate = Assert.Single(scenario.Rates);
        Assert.Equal((RateUnit.Messages, RateScope.Address, 300, 60_000L), (rate.Unit, rate.Scope, rate.Count, rate.WindowMs));
        Assert.Equal("421 4.7.28 too fast\r\n"u8.ToArray(), rate.Reply);
        Assert.Equal([FaultKind.Reply, FaultKind.Delay, FaultKind.Reset], scenario.Faults.Select(f => f.Kind));
        Assert.Equal([0.02, 1, 0.1], scenario.Faults.Select(f => f.Odds));
        Assert.Equal("slow.test"u8.ToArray(), scenario.Faults[1].Domain);
        Assert.Equal("127.0.0.3", scenario.Faults[2].Local!.ToString());
    }

    [Theory]
    [InlineData("graylist = \"5m\"", "s.toml:1: graylist: unknown key; did you mean \"greylist\"?")]
    [InlineData("[[fault]]\nat = \"dot\"", "s.toml:1: fault.reply: is missing: a fault has a reply, an action (stall, close, reset) or a delay")]
    [InlineData("[[fault]]\nreply = \"451 no\"", "s.toml:1: fault.at: is missing: one of banner, ehlo, starttls, auth, mail, rcpt, data, dot, quit")]
    [InlineData("[[fault]]\nat = \"dot\"\nreply = \"hello\"", "s.toml:3: fault.reply: must be one line of a code")]
    [InlineData("[[fault]]\nat = \"dot\"\nreply = \"451\"\nodds = \"120%\"", "s.toml:4: fault.odds: must be 0.0 to 1.0")]
    [InlineData("[[fault]]\nat = \"mail\"\ndomain = \"x.test\"\nreply = \"451\"", "s.toml:3: fault.domain: goes with at = \"rcpt\" only")]
    [InlineData("[[rate]]\nwindow = \"1m\"", "s.toml:1: rate.messages: is missing")]
    [InlineData("[[rate]]\nmessages = 1\nper = \"domain\"", "s.toml:3: rate.per: \"domain\" goes with recipients only")]
    public void What_is_wrong_in_a_scenario_file_is_named_with_its_line(string text, string error)
    {
        SinkScenarioFile.Read(text, "s.toml", out var errors);
        Assert.Contains(errors, e => e.ToString().StartsWith(error, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("4KiB", 4096, 4096)]
    [InlineData("4096", 4096, 4096)]
    [InlineData("1KiB-1MiB", 1024, 1 << 20)]
    [InlineData("2KiB:70,50KiB-60KiB:25,5MiB:5", 2048, 5 << 20)]
    public void Sizes_are_one_a_range_or_a_mix(string text, long least, long most)
    {
        SizeMix mix = LoadText.Sizes(text);
        Assert.Equal(most, mix.Most);
        Assert.All(Enumerable.Range(0, 1000), i => Assert.InRange(mix.SizeOf(i, 1), least, most));
    }

    [Theory]
    [InlineData("big")]
    [InlineData("2MiB-1MiB")]
    [InlineData("1KiB:0")]
    [InlineData("1KiB:1:1")]
    [InlineData("0B")]
    [InlineData("1TiB")]
    public void A_size_that_is_none_is_refused(string text) => Assert.Throws<LoadUsageException>(() => LoadText.Sizes(text));

    [Fact]
    public void A_network_of_sources_leaves_out_its_first_and_last_address()
    {
        Assert.Equal(["127.0.1.1", "127.0.1.2"], LoadText.Sources(["127.0.1.0/30"]).Select(a => a.ToString()));
        Assert.Equal(["127.0.1.0", "127.0.1.1"], LoadText.Sources(["127.0.1.0/31"]).Select(a => a.ToString()));
        Assert.Equal(["127.0.9.9", "127.0.0.1"], LoadText.Sources(["127.0.9.9", "127.0.0.1/32"]).Select(a => a.ToString()));
        Assert.Equal(254, LoadText.Sources(["127.0.1.0/24"]).Count);
        Assert.Throws<LoadUsageException>(() => LoadText.Sources(["127.0.0"]));
    }

    [Fact]
    public void A_recipient_with_braces_is_spread_over_numbers()
    {
        Assert.Equal(["u@d0.test", "u@d1.test", "v@x.test"], LoadText.Recipients(["u@d{}.test", "v@x.test"], 2));
        Assert.Throws<LoadUsageException>(() => LoadText.Recipients(["a b@x.test"], 1));
    }
}
