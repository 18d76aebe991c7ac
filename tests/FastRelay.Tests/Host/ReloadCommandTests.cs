using FastRelay.Config;
using FastRelay.Host.Admin;
using FastRelay.Host.Commands;

namespace FastRelay.Tests.Host;

public sealed class ReloadCommandTests : IAsyncLifetime
{
    private ScriptedAdmin _admin = null!;

    public async Task InitializeAsync() => _admin = await ScriptedAdmin.StartAsync();

    public async Task DisposeAsync() => await _admin.DisposeAsync();

    private (int Code, string Output, string Error) Run(string line)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        int code = CommandLine.Run([.. line.Split(' '), "--config", _admin.ConfigFile], output, error);
        return (code, output.ToString(), error.ToString());
    }

    [Fact]
    public void It_says_what_is_in_force_and_what_waits_for_a_restart()
    {
        _admin.Desk.Reloaded = new ReloadView([new ConfigChange("limits.hops", "100", "7")], [new ConfigChange("spool", "\"/a\"", null)], ["look here"]);
        (int code, string output, string error) = Run("reload");
        Assert.Equal((0, ""), (code, error));
        Assert.Equal("in force now:\n  limits.hops: 100 -> 7\nneeds a restart:\n  spool: \"/a\" -> (none)\nnote: look here\n", output);
        Assert.Equal(["reload"], _admin.Desk.Asked);
        Assert.Contains("\"changed\":[{\"key\":\"limits.hops\",\"before\":\"100\",\"after\":\"7\"}]", Run("reload --json").Output);
        _admin.Desk.Reloaded = new ReloadView([], [], []);
        Assert.Equal("nothing has changed\n", Run("reload").Output);
    }

    [Fact]
    public void A_wrong_file_is_told_line_by_line()
    {
        (int code, string output, string error) = Run("reload");
        Assert.Equal((1, ""), (code, output));
        Assert.Equal("fastrelay: relay.toml:3: limits.hops: must be 1 to 1000\nrelay.toml:7: sync: \"x\" is none of group, none\n", error);
    }

    [Fact]
    public void Another_file_than_the_relays_is_not_taken_for_read()
    {
        _admin.Desk.Reloaded = new ReloadView([], [], []);
        string other = Path.Combine(Directory.CreateTempSubdirectory("other").FullName, "relay.toml");
        File.WriteAllText(other, "");
        _admin.Desk.ConfigPath = other;
        (int code, string output, string error) = Run("reload");
        Assert.Equal((1, ""), (code, output));
        Assert.Equal($"fastrelay: nothing was reloaded: the relay that answers reads {other}, and not {_admin.ConfigFile}\n", error);
        Assert.Empty(_admin.Desk.Asked);
        // The same file by another path is the same.
        string folder = Path.GetDirectoryName(_admin.ConfigFile)!;
        File.CreateSymbolicLink(Path.Combine(folder, "link.toml"), _admin.ConfigFile);
        _admin.Desk.ConfigPath = Path.Combine(folder, "link.toml");
        Assert.Equal((0, "nothing has changed\n", ""), Run("reload"));
        // Through a link two folders up as well.
        string up = Path.Combine(Directory.CreateTempSubdirectory("up").FullName, "link");
        Directory.CreateSymbolicLink(up, Path.GetDirectoryName(folder)!);
        _admin.Desk.ConfigPath = Path.Combine(up, Path.GetFileName(folder), Path.GetFileName(_admin.ConfigFile));
        Assert.Equal((0, "nothing has changed\n", ""), Run("reload"));
        // A container's file is not to be seen from here.
        _admin.Desk.ConfigPath = "/nowhere/of/a/container.toml";
        Assert.Equal((0, "nothing has changed\n", ""), Run("reload"));
    }

    [Fact]
    public void Check_compares_with_what_is_in_force()
    {
        (int code, string output, string error) = Run("check --diff");
        Assert.Equal(0, code);
        // This machine's own name may be a short one.
        Assert.True(error.Length == 0 || error.StartsWith("warning: hostname: ", StringComparison.Ordinal), error);
        // The scripted relay knows two keys; of those only the host name is another one.
        Assert.Contains($"  hostname: \"relay.test\" -> \"{Environment.MachineName.ToLowerInvariant()}\"\n", output);
        Assert.DoesNotContain("limits.hops", output);
    }
}
