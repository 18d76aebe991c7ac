using System.Net;
using FastRelay.Config;

namespace FastRelay.Tests.Config;

public sealed class SourceReaderTests
{
    private const string Two = """
        [[source]]
        name = "a"
        address = "192.0.2.1"
        [[source]]
        name = "b"
        address = ["2001:db8::1", "192.0.2.2"]
        ehlo = "B.relay.test"
        weight = 5

        """;

    private static ConfigResult Read(string text) => ConfigReader.Read(text, "relay.toml", "/etc/fastrelay", "host.example", _ => null);

    [Fact]
    public void Sources_and_pools_are_read_named_and_written()
    {
        ConfigResult result = Read(Two + """
            [[pool]]
            name = "p"
            sources = ["a", "b"]
            [[route]]
            domain = "x.test"
            to = "mx:"
            source = "b"
            [[tenant]]
            name = "t"
            source = "p"
            [deliver]
            source = "p"
            """);
        Assert.Empty(result.Errors);
        RelayConfig config = result.Config!;
        Assert.Equal(
            [
                new SourceConfig("a", IPAddress.Parse("192.0.2.1"), null, null, 1),
                new SourceConfig("b", IPAddress.Parse("192.0.2.2"), IPAddress.Parse("2001:db8::1"), "b.relay.test", 5),
            ],
            config.Sources);
        Assert.Equal(["a", "b"], Assert.Single(config.Pools).Sources);
        Assert.Equal(("b", "p", "p"), (config.Routes[0].Source, config.Tenants[0].Source, config.Deliver.SourceName));
        Assert.Null(config.Deliver.Source);
        string written = EffectiveConfig.Write(config);
        Assert.Equal(written, EffectiveConfig.Write(Read(written).Config!));
        Assert.Equal(IPAddress.Parse("192.0.2.9"), Read("[deliver]\nsource = \"192.0.2.9\"").Config!.Deliver.Source);
    }

    [Fact]
    public void An_address_that_the_machine_has_not_is_a_warning_with_its_line()
    {
        string text = Two + "[deliver]\nsource = \"192.0.2.9\"\n";
        ConfigResult result = ConfigReader.Read(text, "relay.toml", "/", "h", static _ => null, null, static address => address.ToString() is "192.0.2.1" ? null : "is not here");
        Assert.Empty(result.Errors);
        Assert.Equal(
            [
                "relay.toml:6: source.address: 2001:db8::1 is not here",
                "relay.toml:6: source.address: 192.0.2.2 is not here",
                "relay.toml:10: deliver.source: 192.0.2.9 is not here",
            ],
            result.Warnings.Select(static warning => warning.ToString()));
        Assert.Empty(Read(text).Warnings);
    }

    [Theory]
    [InlineData("[[source]]\naddress = \"192.0.2.1\"", "is missing")]
    [InlineData("[[source]]\nname = \"a\"", "is missing, as in address")]
    [InlineData("[[source]]\nname = \"192.0.2.1\"\naddress = \"192.0.2.1\"", "and no address")]
    [InlineData("[[source]]\nname = \"a b\"\naddress = \"192.0.2.1\"", "is no name")]
    [InlineData("[[source]]\nname = \"a\"\naddress = \"here\"", "is no address")]
    [InlineData("[[source]]\nname = \"a\"\naddress = []", "is empty")]
    [InlineData("[[source]]\nname = \"a\"\naddress = [\"192.0.2.1\", \"192.0.2.2\"]", "holds two of one kind")]
    [InlineData("[[source]]\nname = \"a\"\naddress = \"192.0.2.1\"\nehlo = \"a b\"", "is no host name")]
    [InlineData("[[source]]\nname = \"a\"\naddress = \"192.0.2.1\"\nweight = 0", "must be 1 to 1000")]
    [InlineData("[[source]]\nname = \"a\"\naddress = \"192.0.2.1\"\nweight = 1001", "must be 1 to 1000")]
    [InlineData(Two + "[[pool]]\nname = \"a\"\nsources = [\"a\"]", "stands twice")]
    [InlineData(Two + "[[pool]]\nname = \"p\"", "is missing, as in sources")]
    [InlineData(Two + "[[pool]]\nname = \"p\"\nsources = []", "must be 1 to 64")]
    [InlineData(Two + "[[pool]]\nname = \"p\"\nsources = [\"a\", \"c\"]", "is no [[source]]")]
    [InlineData(Two + "[[pool]]\nname = \"p\"\nsources = [\"a\", \"a\"]", "stands twice: give it a weight")]
    [InlineData("[[route]]\ndomain = \"*\"\nto = \"mx:\"\nsource = \"c\"", "is no [[source]] and no [[pool]]")]
    [InlineData("[[tenant]]\nname = \"t\"\nsource = \"c\"", "is no [[source]] and no [[pool]]")]
    [InlineData("[deliver]\nsource = \"c\"", "is no address and no [[source]] or [[pool]]")]
    public void What_is_wrong_is_said(string text, string error)
    {
        Assert.Contains(error, Assert.Single(Read(text).Errors).Message);
    }

    [Fact]
    public void A_pool_and_the_sources_have_bounds()
    {
        string Many(int count) => string.Concat(Enumerable.Range(0, count).Select(static i => $"[[source]]\nname = \"s{i}\"\naddress = \"192.0.2.1\"\n"));
        string Pool(int count) => $"[[pool]]\nname = \"p\"\nsources = [{string.Join(", ", Enumerable.Range(0, count).Select(static i => $"\"s{i}\""))}]\n";
        Assert.Empty(Read(Many(65) + Pool(SourceReader.PoolMax)).Errors);
        Assert.Contains("must be 1 to 64", Assert.Single(Read(Many(65) + Pool(SourceReader.PoolMax + 1)).Errors).Message);
        Assert.Empty(Read(Many(SourceReader.SourcesMax)).Errors);
        Assert.Contains("one source too many", Assert.Single(Read(Many(SourceReader.SourcesMax + 1)).Errors).Message);
    }
}
