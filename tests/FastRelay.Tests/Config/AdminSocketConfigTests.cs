using FastRelay.Config;

namespace FastRelay.Tests.Config;

public sealed class AdminSocketConfigTests
{
    private static ConfigResult Read(string text) => ConfigReader.Read(text, "relay.toml", "/etc/fastrelay", "host.example", static _ => null);

    [Theory]
    [InlineData("", "/etc/fastrelay/spool/admin.sock")]
    [InlineData("spool = \"/var/lib/fastrelay\"", "/var/lib/fastrelay/admin.sock")]
    [InlineData("[admin]\nsocket = \"/run/fastrelay/admin.sock\"", "/run/fastrelay/admin.sock")]
    [InlineData("[admin]\nsocket = \"a.sock\"", "/etc/fastrelay/a.sock")]
    [InlineData("[admin]\nsocket = \"\"", null)]
    public void The_socket_is_where_it_is_put_or_in_the_spool(string text, string? path)
    {
        RelayConfig config = Read(text).Config!;
        Assert.Equal(path, config.AdminSocket);
        Assert.Equal(path, Read(EffectiveConfig.Write(config)).Config!.AdminSocket);
    }

    [Fact]
    public void A_path_that_no_socket_can_have_is_an_error_and_a_spool_that_deep_has_none()
    {
        string most = "/" + new string('s', RelayConfig.SocketPathMax - 1);
        Assert.Equal(most, Read($"[admin]\nsocket = \"{most}\"").Config!.AdminSocket);
        Assert.Contains("relay.toml:2: admin.socket: ", Assert.Single(Read($"[admin]\nsocket = \"{most}s\"").Errors).ToString());
        string deep = "/" + new string('s', RelayConfig.SocketPathMax - RelayConfig.SocketName.Length - 2);
        Assert.Equal(deep + "/admin.sock", Read($"spool = \"{deep}\"").Config!.AdminSocket);
        Assert.Null(Read($"spool = \"{deep}s\"").Config!.AdminSocket);
    }
}
