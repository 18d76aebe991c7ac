using FastRelay.Config;

namespace FastRelay.Tests.Config;

/// <summary>What a configuration may say and its operator probably did not mean, and what cannot hold at once.</summary>
public sealed class ConfigDoubtTests
{
    private static ConfigResult Read(string text) => ConfigReader.Read(text, "relay.toml", "/etc/fastrelay", "host.example", static _ => null);

    [Theory]
    [InlineData("0.0.0.0/0", "an open relay")]
    [InlineData("::/0", "an open relay")]
    [InlineData("128.0.0.0/1", "a large part of the internet")]
    [InlineData("8.0.0.0/7", "a large part of the internet")]
    [InlineData("8.0.0.0/8", null)]
    [InlineData("10.0.0.0/8", null)]
    [InlineData("2000::/3", "a large part of the internet")]
    [InlineData("::/2", "a large part of the internet")]
    [InlineData("2c00::/15", "a large part of the internet")]
    [InlineData("2001::/16", null)]
    [InlineData("fc00::/7", null)]
    [InlineData("fe80::/10", null)]
    public void A_network_that_may_relay_and_is_nobodys_is_warned_of_whatever_is_listened_on(string network, string? says)
    {
        foreach (string listener in (string[])["", "[[listen]]\naddress = \"127.0.0.1:25\"\n", "[[listen]]\naddress = \"0.0.0.0:25\"\n"])
        {
            ConfigResult result = Read($"{listener}[[relay_for]]\nnetworks = [\"{network}\"]\n");
            Assert.Empty(result.Errors);
            if (says is null)
            {
                Assert.Empty(result.Warnings);
                continue;
            }
            ConfigError warning = Assert.Single(result.Warnings);
            Assert.Equal("relay_for.networks", warning.Key);
            Assert.Contains(says, warning.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("127.0.0.1:2580", "127.0.0.1:2580", true)]
    [InlineData("0.0.0.0:2580", "127.0.0.1:2580", true)]
    [InlineData("127.0.0.1:2580", "0.0.0.0:2580", true)]
    [InlineData("127.0.0.1:2580", "[::]:2580", true)]
    [InlineData("[::]:2580", "127.0.0.1:2580", false)]
    [InlineData("127.0.0.2:2580", "127.0.0.1:2580", false)]
    [InlineData("127.0.0.1:25", "127.0.0.1:2580", false)]
    [InlineData("127.0.0.1:0", "127.0.0.1:0", false)]
    public void A_listener_and_the_admin_need_a_port_each(string listener, string admin, bool wrong)
    {
        ConfigResult result = Read($"[[listen]]\naddress = \"{listener}\"\n[admin]\ntoken_file = \"token\"\nhttp = \"{admin}\"\n");
        if (!wrong)
        {
            Assert.Empty(result.Errors);
            return;
        }
        ConfigError error = Assert.Single(result.Errors);
        Assert.Equal((5, "admin.http"), (error.Line, error.Key));
        Assert.Contains($"is taken by the listener on {listener}", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_listener_on_the_admins_usual_port_is_wrong_too_unless_the_admin_is_off()
    {
        const string text = "[[listen]]\naddress = \"0.0.0.0:2580\"\n";
        Assert.Equal("admin.http", Assert.Single(Read(text).Errors).Key);
        Assert.Empty(Read(text + "[admin]\nhttp = \"\"\n").Errors);
    }

    [Theory]
    [InlineData("0.0.0.0:25", "0.0.0.0:25", "twice")]
    [InlineData("0.0.0.0:25", "192.0.2.1:25", "cannot both")]
    [InlineData("[2001:db8::1]:25", "[::]:25", "cannot both")]
    [InlineData("0.0.0.0:25", "[::]:25", null)]
    [InlineData("192.0.2.1:25", "192.0.2.2:25", null)]
    [InlineData("0.0.0.0:0", "0.0.0.0:0", null)]
    public void Two_listeners_that_the_system_does_not_give_both_are_wrong(string one, string other, string? says)
    {
        ConfigResult result = Read($"[[listen]]\naddress = \"{one}\"\n[[listen]]\naddress = \"{other}\"\n");
        if (says is null)
        {
            Assert.Empty(result.Errors);
            return;
        }
        ConfigError error = Assert.Single(result.Errors);
        Assert.Equal((3, "listen.address"), (error.Line, error.Key));
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("expire = \"1s\"\nretry = [\"5d\"]", 2, "queue.expire")]
    [InlineData("expire = \"5m\"", 2, "queue.expire")]
    [InlineData("retry = [\"5d\"]", 2, "queue.retry")]
    [InlineData("expire = \"5m1s\"\nwarn = \"5m\"", 0, null)]
    [InlineData("expire = \"1h\"\nwarn = \"1h\"", 3, "queue.warn")]
    [InlineData("expire = \"1h\"\nwarn = \"0s\"", 0, null)]
    [InlineData("expire = \"1h\"", 0, null)]
    public void Times_that_leave_no_second_try_or_no_warning_are_told(string text, int line, string? key)
    {
        ConfigResult result = Read($"[queue]\n{text}\n");
        Assert.Empty(result.Errors);
        if (key is null)
        {
            Assert.Empty(result.Warnings);
            return;
        }
        ConfigError warning = Assert.Single(result.Warnings);
        Assert.Equal((line, key), (warning.Line, warning.Key));
    }

    [Fact]
    public void Rows_of_relay_for_are_written_and_counted_as_they_stand_in_the_file()
    {
        RelayConfig config = Read("""
            [[relay_for]]
            networks = ["10.0.0.0/8"]
            tenant = "inside"
            [[relay_for]]
            domains = ["example.com"]
            [[relay_for]]
            networks = ["192.0.2.1"]
            rates = true
            """).Config!;
        RelayConfig other = Read("""
            [[relay_for]]
            networks = ["10.0.0.0/8"]
            tenant = "outside"
            [[relay_for]]
            domains = ["example.org"]
            [[relay_for]]
            networks = ["192.0.2.2"]
            rates = true
            """).Config!;
        Assert.Equal(
            ["relay_for[1].tenant", "relay_for[2].domains", "relay_for[3].networks"],
            ConfigReload.Compare(EffectiveConfig.Write(config), EffectiveConfig.Write(other)).Select(static change => change.Key));
        string written = EffectiveConfig.Write(config);
        Assert.Equal(written, EffectiveConfig.Write(Read(written).Config!));
    }

    [Fact]
    public void Users_that_a_reload_has_to_keep_are_written_and_those_that_it_cannot_take_are_not()
    {
        RelayConfig none = RelayConfig.Default("relay.test", "/srv");
        Assert.Contains("users = true", EffectiveConfig.Write(none with { RelayUsers = true }), StringComparison.Ordinal);
        RelayConfig users = none with { RelayRows = [new RelayForConfig(new InjectorConfig([], true, [], "", false), false, [])] };
        Assert.DoesNotContain("users = true", EffectiveConfig.Write(users), StringComparison.Ordinal);
        Assert.Contains("networks = []", EffectiveConfig.Write(users), StringComparison.Ordinal);
    }
}
