using FastRelay.Config;

namespace FastRelay.Tests.Config;

/// <summary>How failures are told, and how urgent mail is.</summary>
public sealed class NoticeAndPriorityTests
{
    private static ConfigResult Read(string text) => ConfigReader.Read(text, "relay.toml", "/etc/fastrelay", "host.example", _ => null);

    [Fact]
    public void Both_are_read_and_written()
    {
        ConfigResult result = Read("""
            [events]
            file = "events.ndjson"
            [queue]
            bounce = "event"
            priority_header_name = "X-Urgency"
            [[listen]]
            address = "127.0.0.1:2525"
            priority = "low"
            priority_header = true
            [[relay_for]]
            networks = ["10.0.0.0/8"]
            priority = "high"
            [[relay_for]]
            networks = ["192.0.2.1"]
            priority_header = true
            [[tenant]]
            name = "a"
            bounce = "dsn"
            priority = "normal"
            [[tenant]]
            name = "b"
            bounce = "both"
            """);
        Assert.Empty(result.Errors);
        RelayConfig config = result.Config!;
        Assert.Equal((BounceNotice.Event, "X-Urgency"), (config.Bounce, config.PriorityHeader));
        Assert.Equal((MailPriority.Low, true), (config.Listen[0].Priority!.Value, config.Listen[0].PriorityHeader));
        Assert.Equal([(MailPriority.High, false), (null, true)], config.Injectors.Select(static row => ((MailPriority?)row.Priority, row.PriorityHeader)));
        Assert.Equal([(BounceNotice.Dsn, (MailPriority?)MailPriority.Normal), (BounceNotice.Both, null)], config.Tenants.Select(static tenant => (tenant.Bounce!.Value, tenant.Priority)));
        string written = EffectiveConfig.Write(config);
        ConfigResult again = Read(written);
        Assert.Empty(again.Errors);
        Assert.Equal(written, EffectiveConfig.Write(again.Config!));
        Assert.Contains("bounce = \"event\"", written, StringComparison.Ordinal);
        Assert.Contains("bounce = \"both\"", written, StringComparison.Ordinal);
        Assert.Contains("priority_header = true", written, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[queue]\nbounce = \"event\"\n", 2, "queue.bounce")]
    [InlineData("[queue]\nbounce = \"both\"\n", 2, "queue.bounce")]
    [InlineData("[[tenant]]\nname = \"a\"\nbounce = \"event\"\n", 3, "tenant.bounce")]
    public void An_event_that_nobody_writes_is_no_notice(string text, int line, string key)
    {
        ConfigError error = Assert.Single(Read(text).Errors);
        Assert.Equal(("relay.toml", line, key), (error.File, error.Line, error.Key));
        Assert.Contains("needs the event stream", error.Message, StringComparison.Ordinal);
        Assert.Empty(Read(text + "[events]\nfile = \"events.ndjson\"\n").Errors);
        // A pipe that nobody reads any more swallows what is written to it: as the only notice it will not do.
        IReadOnlyList<ConfigError> piped = Read(text + "[events]\nfile = \"-\"\n").Errors;
        Assert.Equal(text.Contains("both", StringComparison.Ordinal) ? [] : [(line, key)], piped.Select(static one => (one.Line, one.Key)));
    }

    [Theory]
    [InlineData("[[relay_for]]\ndomains = [\"a.test\"]\npriority = \"high\"\n", "relay_for.priority", "known")]
    [InlineData("[[relay_for]]\ndomains = [\"a.test\"]\npriority_header = true\n", "relay_for.priority_header", "known")]
    [InlineData("[[listen]]\naddress = \"127.0.0.1:1\"\npriority = \"urgent\"\n", "listen.priority", "high")]
    [InlineData("[queue]\npriority_header_name = \"x-fastrelay-tenant\"\n", "queue.priority_header_name", "names the tenant already")]
    [InlineData("[queue]\npriority_header_name = \"a b\"\n", "queue.priority_header_name", "no name of a header field")]
    public void What_is_wrong_is_said(string text, string key, string words)
    {
        ConfigError error = Assert.Single(Read(text).Errors);
        Assert.Equal(key, error.Key);
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_reload_cannot_rely_on_a_stream_that_does_not_run()
    {
        RelayConfig running = Read("").Config!;
        RelayConfig wanted = Read("[events]\nfile = \"e\"\n[queue]\nbounce = \"event\"\n[[tenant]]\nname = \"a\"\nbounce = \"both\"\n").Config!;
        RelayConfig inForce = ConfigReload.Merge(running, wanted);
        Assert.Equal((BounceNotice.Dsn, null, null), (inForce.Bounce, inForce.EventsFile, inForce.Tenants[0].Bounce));
        Assert.Equal(BounceNotice.Event, ConfigReload.Merge(running with { EventsFile = "/e" }, wanted).Bounce);
    }
}
