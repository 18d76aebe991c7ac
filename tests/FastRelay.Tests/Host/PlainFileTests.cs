using FastRelay.Host.Admin;
using FastRelay.Host.Commands;
using FastRelay.Host.Reload;
using FastRelay.Host.Secrets;
using FastRelay.Host.Systemd;
using FastRelay.Tests.Receive.Rig;

namespace FastRelay.Tests.Host;

/// <summary>Files that would keep their reader for ever are refused, wherever a configuration names them.</summary>
public sealed class PlainFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("plain").FullName;

    public PlainFileTests()
    {
        using var made = System.Diagnostics.Process.Start("mkfifo", [At("pipe")]);
        made.WaitForExit();
        File.CreateSymbolicLink(At("link"), "pipe");
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("pipe", "a pipe")]
    [InlineData("link", "a pipe")]
    [InlineData("/dev/zero", "a device")]
    public void It_is_said_what_it_is(string file, string kind)
    {
        IOException wrong = Assert.Throws<IOException>(() => PlainFile.Text(At(file)));
        Assert.Equal($"{At(file)} is {kind}: it must be a file, which can be read again", wrong.Message);
        Assert.Equal(wrong.Message, Assert.Throws<IOException>(() => PlainFile.FirstLine(At(file))).Message);
    }

    [Fact]
    public void A_file_is_read_and_noted()
    {
        File.WriteAllText(At("file"), "one\ntwo\n");
        var mark = new PlainFile.Bookmark();
        Assert.Equal("one\ntwo\n", PlainFile.Noting(mark, () => PlainFile.Text(At("file"))));
        Assert.Equal("one", PlainFile.FirstLine(At("file")));
        Assert.Equal(At("file"), mark.Path);
    }

    [Theory]
    [InlineData("include = [\"pipe\"]\n", "pipe")]
    [InlineData("[auth]\nusers = \"pipe\"\n", "auth.users: cannot be read: ")]
    [InlineData("[tls]\nca = \"pipe\"\n", "tls.ca: cannot be read: ")]
    [InlineData("[tls]\ncertificate = \"pipe\"\nkey = \"pipe\"\n", "tls.certificate: cannot be read: ")]
    [InlineData("[admin]\ntoken_file = \"pipe\"\n", "admin.token_file: cannot be read: ")]
    [InlineData("[[route]]\ndomain = \"*\"\nto = \"smtp:[192.0.2.1]\"\nuser = \"me\"\npassword_file = \"pipe\"\n", "password_file: ")]
    public void A_configuration_may_name_none(string text, string says)
    {
        File.WriteAllText(At("relay.toml"), "hostname = \"relay.test\"\n" + text);
        string error = Check("relay.toml");
        Assert.Contains(says, error, StringComparison.Ordinal);
        Assert.Contains("is a pipe: it must be a file", error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_configuration_may_be_none() => Assert.Contains("pipe is a pipe: it must be a file", Check("pipe"), StringComparison.Ordinal);

    [Fact]
    public async Task A_reload_that_met_one_holds_up_no_later_one()
    {
        using var rig = new RelayRig();
        using var notifier = new ServiceNotifier(null);
        using var secrets = new SecretsWatch(rig.Relay.Config, SecretsWatch.Fingerprint(rig.Relay.Config), rig.Relay, TimeSpan.FromHours(1));
        using var reloader = new ConfigReloader(At("relay.toml"), 1_000_000, rig.Relay, secrets, notifier);
        string good = $"hostname = \"relay.test\"\nspool = \"{rig.Relay.Config.Spool}\"\n[limits]\nhops = 7\n";
        File.WriteAllText(At("relay.toml"), "include = [\"pipe\"]\n" + good);
        AdminException wrong = await Assert.ThrowsAsync<AdminException>(reloader.ReloadAsync);
        Assert.Contains("is a pipe", wrong.Message, StringComparison.Ordinal);
        Assert.True(rig.Logged("event=reload_failed", "is a pipe"));
        File.WriteAllText(At("relay.toml"), good);
        await reloader.ReloadAsync();
        Assert.Equal(7, rig.Relay.Config.Limits.Hops);
    }

    private string Check(string file)
    {
        using var error = new StringWriter();
        Assert.Equal(ExitCode.BadConfig, CommandLine.Run(["check", "--config", At(file)], TextWriter.Null, error));
        return error.ToString();
    }

    private string At(string name) => Path.Combine(_folder, name);
}
