using System.Security.Cryptography.X509Certificates;
using FastRelay.Host.Admin;
using FastRelay.Host.Reload;
using FastRelay.Host.Secrets;
using FastRelay.Host.Systemd;
using FastRelay.Routing;
using FastRelay.Tests.Deliver;
using FastRelay.Tests.Receive.Rig;

namespace FastRelay.Tests.Host.Reload;

/// <summary>Certificates of ours towards others come with a reload, and are renewed when their files are, like those of listeners.</summary>
public sealed class ClientCertificateReloadTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("reload").FullName;
    private readonly RelayRig _rig = new("[[listen]]\naddress = \"127.0.0.1:0\"\n");
    private readonly ServiceNotifier _notifier = new(null);
    private readonly SecretsWatch _secrets;
    private readonly ConfigReloader _reloader;

    public ClientCertificateReloadTests()
    {
        _secrets = new SecretsWatch(_rig.Relay.Config, SecretsWatch.Fingerprint(_rig.Relay.Config), _rig.Relay, TimeSpan.FromHours(1));
        _reloader = new ConfigReloader(PathOf("relay.toml"), 1_000_000, _rig.Relay, _secrets, _notifier) { Patience = TimeSpan.FromSeconds(30) };
    }

    public void Dispose()
    {
        _reloader.Dispose();
        _secrets.Dispose();
        _notifier.Dispose();
        _rig.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task A_certificate_that_a_route_names_is_in_force_and_renewed_when_its_file_is()
    {
        Put("one.test");
        Write();
        await _reloader.ReloadAsync();
        Assert.Equal("CN=one.test", await SubjectAsync());
        RouteTable table = _rig.Relay.Router.Table;
        _secrets.Look();
        Assert.Equal("CN=one.test", await SubjectAsync());
        Assert.False(_rig.Logged("event=renewed"));
        Put("two.test");
        _secrets.Look();
        Assert.Equal("CN=two.test", await SubjectAsync());
        Assert.True(_rig.Logged("event=renewed"));
        // No plan is made anew for it.
        Assert.Same(table, _rig.Relay.Router.Table);
    }

    [Fact]
    public async Task A_file_that_is_half_written_changes_nothing_and_is_named_without_its_key()
    {
        Put("one.test");
        Write();
        await _reloader.ReloadAsync();
        string key = await File.ReadAllTextAsync(PathOf("our.key"));
        await File.WriteAllTextAsync(PathOf("our.key"), key[..(key.Length / 2)]);
        _secrets.Look();
        _secrets.Look();
        Assert.Equal("CN=one.test", await SubjectAsync());
        string said = Assert.Single(_rig.Output.Lines, static line => line.Contains("event=renewal_failed", StringComparison.Ordinal));
        Assert.Contains(PathOf("our.key"), said, StringComparison.Ordinal);
        Assert.DoesNotContain(key.Split('\n')[1], said, StringComparison.Ordinal);
        await File.WriteAllTextAsync(PathOf("our.key"), key);
        _secrets.Look();
        Assert.Equal("CN=one.test", await SubjectAsync());
    }

    [Fact]
    public async Task A_certificate_that_is_wrong_leaves_no_removed_user_in()
    {
        Put("one.test");
        UserFile.Set(PathOf("users"), "alice", "secret");
        UserFile.Set(PathOf("users"), "stolen", "secret");
        Write("[auth]\nusers = \"users\"\n");
        await _reloader.ReloadAsync();
        Assert.Equal(2, await CountUsersAsync());
        await File.WriteAllTextAsync(PathOf("our.key"), "nothing");
        _secrets.Look();
        Assert.False(_rig.Logged("event=renewed"));
        string[] lines = await File.ReadAllLinesAsync(PathOf("users"));
        await File.WriteAllLinesAsync(PathOf("users"), lines.Where(static line => !line.StartsWith("stolen", StringComparison.Ordinal)));
        _secrets.Look();
        Assert.Equal(1, await CountUsersAsync());
        Assert.Equal("CN=one.test", await SubjectAsync());
        // The certificate is looked at until it is well, and complained of once.
        Put("two.test");
        _secrets.Look();
        Assert.Equal("CN=two.test", await SubjectAsync());
        Assert.Equal(1, await CountUsersAsync());
        Assert.Single(_rig.Output.Lines, static line => line.Contains("event=renewal_failed", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_reload_whose_certificate_cannot_be_read_changes_nothing()
    {
        Write();
        AdminException wrong = await Assert.ThrowsAsync<AdminException>(_reloader.ReloadAsync);
        Assert.Contains("route.client_certificate: cannot be read", wrong.Message, StringComparison.Ordinal);
        Assert.Null(await SubjectAsync());
    }

    [Fact]
    public async Task A_reload_puts_another_certificate_of_the_same_name_in_force_and_the_same_one_changes_nothing()
    {
        Put("one.test");
        Write();
        await _reloader.ReloadAsync();
        RouteTable table = _rig.Relay.Router.Table;
        await _reloader.ReloadAsync();
        Assert.Same(table, _rig.Relay.Router.Table);
        Put("two.test");
        await _reloader.ReloadAsync();
        Assert.Equal("CN=two.test", await SubjectAsync());
    }

    private Task<string?> SubjectAsync() => AdminRequest<string?>.AskAsync(
        _rig.Relay.World.Loop, () => new ValueTask<string?>(_rig.Relay.Router.Table.Rule(0).Certificate?.Subject), TimeSpan.FromMinutes(1));

    private Task<int> CountUsersAsync() => AdminRequest<int>.AskAsync(
        _rig.Relay.World.Loop, () => new ValueTask<int>(_rig.Relay.Receiver.Users?.Count ?? 0), TimeSpan.FromMinutes(1));

    private void Put(string name)
    {
        using X509Certificate2 own = DialTests.SelfSigned(name);
        File.WriteAllText(PathOf("our.crt"), own.ExportCertificatePem());
        File.WriteAllText(PathOf("our.key"), own.GetRSAPrivateKey()!.ExportPkcs8PrivateKeyPem());
    }

    private void Write(string more = "") => File.WriteAllText(
        PathOf("relay.toml"), "hostname = \"relay.test\"\n" + more + "[[route]]\ndomain = \"cert.test\"\nto = \"smtp:[127.0.0.1]:1\"\nclient_certificate = \"our.crt\"\nclient_key = \"our.key\"\n");

    private string PathOf(string file) => Path.Combine(_folder, file);
}
