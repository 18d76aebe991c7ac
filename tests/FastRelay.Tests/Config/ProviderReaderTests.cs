using FastRelay.Config;

namespace FastRelay.Tests.Config;

public sealed class ProviderReaderTests
{
    private static ConfigResult Read(string text) => ConfigReader.Read(text, "relay.toml", "/etc/fastrelay", "host.example", _ => null);

    [Fact]
    public void Providers_are_read_in_order_and_written()
    {
        ConfigResult result = Read("""
            [[provider]]
            name = "Hosting.example"
            mx = ["mx.hosting.example", "MX.Other.example"]
            [[provider]]
            name = "outlook.com"
            mx = ["outlook.example"]
            """);
        Assert.Empty(result.Errors);
        Assert.Equal(
            ["hosting.example: mx.hosting.example mx.other.example", "outlook.com: outlook.example"],
            result.Config!.Providers.Select(static one => $"{one.Name}: {string.Join(' ', one.Mx)}"));
        string written = EffectiveConfig.Write(result.Config);
        Assert.Equal(written, EffectiveConfig.Write(Read(written).Config!));
        Assert.Contains("\n[[provider]]\nname = \"hosting.example\"\nmx = [\"mx.hosting.example\", \"mx.other.example\"]\n", written);
    }

    [Theory]
    [InlineData("mx = [\"a.example\"]", "name", "is missing")]
    [InlineData("name = \"a.example\"", "mx", "is missing")]
    [InlineData("name = \"a b\"\nmx = [\"a.example\"]", "name", "is no name")]
    [InlineData("name = \"a.example\"\nmx = [\".a.example\"]", "mx", "is no domain")]
    [InlineData("name = \"a.example\"\nmx = [1]", "mx", "is no domain")]
    [InlineData("name = \"a.example\"\nmx = [\"a.example\"]\n[[provider]]\nname = \"A.example\"\nmx = [\"b.example\"]", "name", "stands twice")]
    public void What_is_wrong_is_said(string table, string key, string message)
    {
        ConfigError error = Assert.Single(Read("[[provider]]\n" + table).Errors);
        Assert.Equal("provider." + key, error.Key);
        Assert.Contains(message, error.Message);
    }

    [Fact]
    public void There_are_bounds()
    {
        string many = string.Concat(Enumerable.Range(0, ProviderReader.Max).Select(static i => $"[[provider]]\nname = \"p{i}.example\"\nmx = [\"p{i}.example\"]\n"));
        Assert.Empty(Read(many).Errors);
        Assert.Contains("more than 200", Assert.Single(Read(many + "[[provider]]\nname = \"x.example\"\nmx = [\"x.example\"]\n").Errors).Message);
        string mx = string.Join(", ", Enumerable.Range(0, ProviderReader.Max + 1).Select(static i => $"\"m{i}.example\""));
        Assert.Contains("more than 200", Assert.Single(Read($"[[provider]]\nname = \"x.example\"\nmx = [{mx}]\n").Errors).Message);
    }
}
