using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using FastRelay.Config;
using FastRelay.Host;
using FastRelay.Host.Admin;
using FastRelay.Host.Reload;
using FastRelay.Host.Secrets;
using FastRelay.Host.Systemd;
using FastRelay.Receive;
using FastRelay.Tests.Receive.Auth;
using FastRelay.Tests.Receive.Rig;

namespace FastRelay.Tests.Host.Reload;

/// <summary>Configurations that are read again under a relay that runs.</summary>
public sealed class ConfigReloaderTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("reload").FullName;
    private readonly RelayRig _rig = new("[[listen]]\naddress = \"127.0.0.1:0\"\n");
    private readonly Socket _manager = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { ReceiveTimeout = 30_000 };
    private readonly ServiceNotifier _notifier;
    private readonly SecretsWatch _secrets;
    private readonly ConfigReloader _reloader;

    public ConfigReloaderTests()
    {
        _manager.Bind(new UnixDomainSocketEndPoint(PathOf("manager")));
        _notifier = new ServiceNotifier(PathOf("manager"));
        _secrets = new SecretsWatch(_rig.Relay.Config, SecretsWatch.Fingerprint(_rig.Relay.Config), _rig.Relay, TimeSpan.FromHours(1));
        _reloader = new ConfigReloader(PathOf("relay.toml"), 1_000_000, _rig.Relay, _secrets, _notifier) { Patience = TimeSpan.FromSeconds(30) };
    }

    public void Dispose()
    {
        _reloader.Dispose();
        _secrets.Dispose();
        _notifier.Dispose();
        _manager.Dispose();
        _rig.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task What_the_file_says_now_is_put_in_force()
    {
        Write("[limits]\nhops = 7\n");
        ReloadView done = await _reloader.ReloadAsync();
        Assert.Contains(done.Changed, change => change is { Key: "limits.hops", After: "7" });
        Assert.Equal(7, _rig.Relay.Config.Limits.Hops);
        Assert.StartsWith("RELOADING=1\n", Told());
        Assert.Equal("READY=1\nSTATUS=reloaded", Told());
        Assert.Contains("hops = 7", _reloader.Effective, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Users_who_cannot_be_read_change_nothing()
    {
        RelayConfig before = _rig.Relay.Config;
        Write("[auth]\nusers = \"users\"\n");
        AdminException wrong = await Assert.ThrowsAsync<AdminException>(_reloader.ReloadAsync);
        Assert.Contains("auth.users: cannot be read", wrong.Message, StringComparison.Ordinal);
        Assert.True(_rig.Logged("event=reload_failed", "auth.users"));
        Assert.StartsWith("RELOADING=1\n", Told());
        Assert.StartsWith("READY=1\nSTATUS=not reloaded, goes on as before: ", Told());
        Assert.Same(before, _rig.Relay.Config);
        // SIGHUP looks at certificates and users then: nothing of them has changed.
        _secrets.Look();
        Assert.False(_rig.Logged("event=renewed"));
    }

    [Fact]
    public void Users_are_named_and_there_or_not_named()
    {
        Assert.True(UserFile.TryLoad(_rig.Relay.Config, out UserTable? users, out string problem));
        Assert.Equal((null, ""), (users, problem));
        RelayConfig named = _rig.Relay.Config with { UsersFile = PathOf("users") };
        Assert.False(UserFile.TryLoad(named, out users, out problem));
        Assert.Null(users);
        Assert.Contains("cannot be read", problem, StringComparison.Ordinal);
        UserFile.Set(PathOf("users"), "alice", "secret");
        Assert.True(UserFile.TryLoad(named, out users, out problem));
        Assert.Equal((1, ""), (users!.Count, problem));
    }

    [Fact]
    public async Task Users_who_were_read_by_the_configuration_before_are_not_put_in_force()
    {
        RelayConfig before = _rig.Relay.Config;
        UserFile.Set(PathOf("users"), "alice", "secret");
        Write("[auth]\nusers = \"users\"\n");
        await _reloader.ReloadAsync();
        _rig.Relay.Renew(before, null, null);
        Assert.Equal(1, await CountUsersAsync());
        Assert.False(_rig.Logged("event=renewed"));
        _rig.Relay.Renew(_rig.Relay.Config, null, ScramTests.Users(("alice", "a"), ("bob", "b")));
        Assert.Equal(2, await CountUsersAsync());
    }

    [Fact]
    public void A_token_that_changes_holds_without_a_restart_and_a_wrong_one_changes_nothing()
    {
        File.WriteAllText(PathOf("token"), "the-first-token-0123\n");
        RelayConfig named = _rig.Relay.Config with { AdminTokenFile = PathOf("token") };
        var told = new List<string>();
        using var watch = new SecretsWatch(named, SecretsWatch.Fingerprint(named), _rig.Relay, TimeSpan.FromHours(1)) { TokenRenewed = told.Add };
        watch.Look();
        Assert.Empty(told);
        File.WriteAllText(PathOf("token"), "short\n");
        watch.Look();
        watch.Look();
        Assert.Empty(told);
        Assert.Single(_rig.Output.Lines, static line => line.Contains("event=renewal_failed", StringComparison.Ordinal) && line.Contains("admin.token_file", StringComparison.Ordinal));
        File.WriteAllText(PathOf("token"), "the-second-token-012\n");
        // A reload that comes first puts it in force as well.
        watch.Use(named, SecretsWatch.Fingerprint(named), CertificateTerm.All(named));
        watch.Look();
        Assert.Equal(["the-second-token-012"], told);
        Assert.True(_rig.Logged("event=renewed", "key=admin.token_file"));
    }

    [Fact]
    public void A_token_of_the_same_length_with_the_time_of_the_one_before_is_noticed()
    {
        File.WriteAllText(PathOf("token"), "the-first-token-0123\n");
        DateTime written = File.GetLastWriteTimeUtc(PathOf("token"));
        RelayConfig named = _rig.Relay.Config with { AdminTokenFile = PathOf("token") };
        var told = new List<string>();
        using var watch = new SecretsWatch(named, SecretsWatch.Fingerprint(named), _rig.Relay, TimeSpan.FromHours(1)) { TokenRenewed = told.Add };
        File.WriteAllText(PathOf("token"), "the-other-token-4567\n");
        File.SetLastWriteTimeUtc(PathOf("token"), written);
        watch.Look();
        watch.Look();
        Assert.Equal(["the-other-token-4567"], told);
    }

    [Fact]
    public void Of_a_file_too_large_for_a_secret_time_and_size_are_looked_at()
    {
        string path = PathOf("users");
        RelayConfig named = _rig.Relay.Config with { UsersFile = path };
        File.WriteAllText(path, new string('a', SecretsWatch.DigestedBytesMax + 1));
        DateTime written = File.GetLastWriteTimeUtc(path);
        string before = SecretsWatch.Fingerprint(named);
        File.WriteAllText(path, new string('b', SecretsWatch.DigestedBytesMax + 1));
        File.SetLastWriteTimeUtc(path, written);
        Assert.Equal(before, SecretsWatch.Fingerprint(named));
        File.SetLastWriteTimeUtc(path, written.AddSeconds(1));
        Assert.NotEqual(before, SecretsWatch.Fingerprint(named));
    }

    [Fact]
    public async Task Users_who_change_after_a_reload_read_them_are_seen()
    {
        UserFile.Set(PathOf("users"), "alice", "secret");
        Write("[auth]\nusers = \"users\"\n");
        await _reloader.ReloadAsync();
        _secrets.Look();
        Assert.Equal(1, await CountUsersAsync());
        Assert.False(_rig.Logged("event=renewed"));
        UserFile.Set(PathOf("users"), "bob", "builder");
        _secrets.Look();
        Assert.Equal(2, await CountUsersAsync());
    }

    [Fact]
    public async Task Users_who_changed_while_they_were_read_are_looked_at_again()
    {
        UserFile.Set(PathOf("users"), "alice", "secret");
        Write("[auth]\nusers = \"users\"\n");
        await _reloader.ReloadAsync();
        string seen = SecretsWatch.Fingerprint(_rig.Relay.Config);
        UserFile.Set(PathOf("users"), "bob", "builder");
        using var watch = new SecretsWatch(_rig.Relay.Config, seen, _rig.Relay, TimeSpan.FromHours(1));
        watch.Look();
        Assert.Equal(2, await CountUsersAsync());
    }

    [Fact]
    public async Task Users_behind_links_of_which_one_is_moved_are_noticed()
    {
        // As Kubernetes mounts a secret: users -> ..data/users, ..data -> the folder of this version.
        Directory.CreateDirectory(PathOf("..v1"));
        Directory.CreateDirectory(PathOf("..v2"));
        UserFile.Set(PathOf("..v1/users"), "alice", "secret");
        File.CreateSymbolicLink(PathOf("..data"), "..v1");
        File.CreateSymbolicLink(PathOf("users"), "..data/users");
        Write("[auth]\nusers = \"users\"\n");
        await _reloader.ReloadAsync();
        Assert.Equal(1, await CountUsersAsync());
        using var watch = new SecretsWatch(_rig.Relay.Config, SecretsWatch.Fingerprint(_rig.Relay.Config), _rig.Relay, TimeSpan.FromHours(1));
        File.Copy(PathOf("..v1/users"), PathOf("..v2/users"));
        UserFile.Set(PathOf("..v2/users"), "bob", "builder");
        Directory.Delete(PathOf("..data"));
        File.CreateSymbolicLink(PathOf("..data"), "..v2");
        watch.Look();
        Assert.Equal(2, await CountUsersAsync());
    }

    [Fact]
    public void A_link_that_leads_nowhere_is_no_file()
    {
        string before = SecretsWatch.Fingerprint(_rig.Relay.Config with { UsersFile = PathOf("gone") });
        File.CreateSymbolicLink(PathOf("circle"), "circle");
        File.CreateSymbolicLink(PathOf("dangling"), "nowhere/users");
        Assert.Equal(before, SecretsWatch.Fingerprint(_rig.Relay.Config with { UsersFile = PathOf("circle") }));
        Assert.Equal(before, SecretsWatch.Fingerprint(_rig.Relay.Config with { UsersFile = PathOf("dangling") }));
    }

    [Fact]
    public async Task What_is_kept_must_still_be_readable()
    {
        using (X509Certificate2 authority = MakeAuthority())
        {
            File.WriteAllText(PathOf("ca.pem"), authority.ExportCertificatePem());
        }
        Write("[tls]\nca = \"ca.pem\"\n");
        await _reloader.ReloadAsync();
        File.Delete(PathOf("ca.pem"));
        Write("");
        AdminException wrong = await Assert.ThrowsAsync<AdminException>(_reloader.ReloadAsync);
        Assert.Contains("tls.ca: cannot be read", wrong.Message, StringComparison.Ordinal);
        Assert.True(_rig.Logged("event=reload_failed", "tls.ca"));
        Assert.Contains("ca.pem", _reloader.Effective, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_reload_that_comes_too_late_is_told_and_never_done()
    {
        RelayConfig before = _rig.Relay.Config;
        using var goOn = new ManualResetEventSlim();
        Task<bool> busy = AdminRequest<bool>.AskAsync(_rig.Relay.World.Loop, () => new ValueTask<bool>(goOn.Wait(60_000)), TimeSpan.FromMinutes(1));
        using var hasty = new ConfigReloader(PathOf("relay.toml"), 1_000_000, _rig.Relay, _secrets, _notifier) { Patience = TimeSpan.FromMilliseconds(50) };
        Write("[limits]\nhops = 7\n");
        await Assert.ThrowsAsync<TimeoutException>(hasty.ReloadAsync);
        Assert.True(_rig.Logged("event=reload_failed"));
        Assert.StartsWith("RELOADING=1\n", Told());
        Assert.StartsWith("READY=1\nSTATUS=not reloaded, goes on as before", Told());
        goOn.Set();
        Assert.True(await busy);
        Assert.Equal(0, await CountUsersAsync());
        Assert.Same(before, _rig.Relay.Config);
        Assert.DoesNotContain("hops = 7", hasty.Effective, StringComparison.Ordinal);
    }

    private string Told()
    {
        byte[] text = new byte[4_096];
        return Encoding.UTF8.GetString(text, 0, _manager.Receive(text));
    }

    private static X509Certificate2 MakeAuthority()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return new CertificateRequest("CN=authority", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(30));
    }

    private Task<int> CountUsersAsync() => AdminRequest<int>.AskAsync(
        _rig.Relay.World.Loop, () => new ValueTask<int>(_rig.Relay.Receiver.Users?.Count ?? 0), TimeSpan.FromMinutes(1));

    private void Write(string text) => File.WriteAllText(PathOf("relay.toml"), "hostname = \"relay.test\"\n" + text);

    private string PathOf(string file) => Path.Combine(_folder, file);
}
