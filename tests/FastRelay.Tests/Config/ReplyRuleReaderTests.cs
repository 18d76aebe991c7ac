using FastRelay.Config;

namespace FastRelay.Tests.Config;

public sealed class ReplyRuleReaderTests
{
    private static ConfigResult Read(string text) => ConfigReader.Read(text, "relay.toml", "/etc/fastrelay", "host.example", _ => null);

    [Fact]
    public void Rules_are_read_in_their_order_and_written_back()
    {
        ConfigResult result = Read("""
            [deliver]
            provider_rules = false
            [[reply_rule]]
            site = "Google.com"
            match = '^421 4\.7\.28 '
            after = "3/10m"
            action = "backoff"
            for = "30m"
            [[reply_rule]]
            match = "blocked"
            action = "ignore"
            """);
        Assert.Empty(result.Errors);
        Assert.Equal(
            [
                new ReplyRuleConfig("google.com", @"^421 4\.7\.28 ", 3, 600_000, ReplyAction.Backoff, 1_800_000),
                new ReplyRuleConfig("", "blocked", 1, 0, ReplyAction.Ignore, 0),
            ],
            result.Config!.ReplyRules);
        Assert.False(result.Config.Deliver.ProviderRules);
        string written = EffectiveConfig.Write(result.Config);
        Assert.Equal(written, EffectiveConfig.Write(Read(written).Config!));
    }

    [Theory]
    [InlineData("action = \"slow\"\nfor = \"1h\"", "match", "is missing")]
    [InlineData("match = \"(\"\naction = \"slow\"\nfor = \"1h\"", "match", "no regular expression")]
    [InlineData("match = '(a)\\1'\naction = \"slow\"\nfor = \"1h\"", "match", "no regular expression")]
    [InlineData("match = '((a|b)(a|b|ab|ba)?){1,60}q'\naction = \"slow\"\nfor = \"1h\"", "match", "repeats a group by number")]
    [InlineData("match = '(\\w+ ?){2}'\naction = \"slow\"\nfor = \"1h\"", "match", "repeats a group by number")]
    [InlineData("match = '[]{2})]{21}'\naction = \"slow\"\nfor = \"1h\"", "match", "more than 20 times")]
    [InlineData("match = '(?x)(a|b) {1,20}q'\naction = \"slow\"\nfor = \"1h\"", "match", "options of its own")]
    [InlineData("match = 'a{2,}b{5,21}'\naction = \"slow\"\nfor = \"1h\"", "match", "more than 20 times")]
    [InlineData("match = \"\"\naction = \"slow\"\nfor = \"1h\"", "match", "1 to 256 characters")]
    [InlineData("match = \"x\"\nfor = \"1h\"", "action", "is missing")]
    [InlineData("match = \"x\"\naction = \"stop\"\nfor = \"1h\"", "action", "must be one of")]
    [InlineData("match = \"x\"\naction = \"slow\"", "for", "is missing")]
    [InlineData("match = \"x\"\naction = \"pace\"", "for", "is missing")]
    [InlineData("match = \"x\"\naction = \"ignore\"\nfor = \"1h\"", "for", "is not for \"ignore\"")]
    [InlineData("match = \"x\"\naction = \"slow\"\nfor = \"8d\"", "for", "must be 1s to 1w")]
    [InlineData("match = \"x\"\naction = \"slow\"\nfor = \"1h\"\nafter = \"often\"", "after", "is no rate")]
    [InlineData("match = \"x\"\naction = \"slow\"\nfor = \"1h\"\nsite = \"not a domain\"", "site", "is no domain")]
    public void What_is_wrong_is_named_with_its_key(string rule, string key, string message)
    {
        ConfigError error = Assert.Single(Read("[[reply_rule]]\n" + rule).Errors);
        Assert.Equal("reply_rule." + key, error.Key);
        Assert.Contains(message, error.Message);
    }

    [Fact]
    public void Patterns_and_rules_have_bounds()
    {
        const string tail = "action = \"slow\"\nfor = \"1h\"\n";
        string longest = $"[[reply_rule]]\nmatch = \"{new string('x', ReplyRuleReader.PatternMax)}\"\n{tail}";
        Assert.Empty(Read(longest).Errors);
        Assert.Single(Read(longest.Replace("match = \"", "match = \"y", StringComparison.Ordinal)).Errors);
        string many = string.Concat(Enumerable.Repeat("[[reply_rule]]\nmatch = \"x\"\n" + tail, ReplyRuleReader.RulesMax));
        Assert.Empty(Read(many).Errors);
        Assert.Contains("more than 200", Assert.Single(Read(many + longest).Errors).Message);
        Assert.Empty(Read($"[[reply_rule]]\nmatch = '^4\\d{{2}} [(?x){{9,}}](?:a)\\(?x{{1,20}}\\){{3}}\\{{99}} (a|b)*{{x}}'\n{tail}").Errors);
        // What would make the automaton too large is refused as well.
        Assert.Single(Read($"[[reply_rule]]\nmatch = \"((a{{1000}}){{1000}}){{100}}\"\n{tail}").Errors);
    }

    [Fact]
    public void The_rules_for_providers_are_a_configuration_that_can_be_read()
    {
        ConfigResult result = Read(ProviderRules.Text);
        Assert.Empty(result.Errors);
        Assert.Equal(ProviderRules.All, result.Config!.ReplyRules);
        // What holds for every host stands behind what is known of one.
        Assert.Equal([("", ReplyAction.Ignore), ("", ReplyAction.Pace)], ProviderRules.All.SkipWhile(rule => rule.Site.Length > 0).Select(rule => (rule.Site, rule.Action)));
    }
}
