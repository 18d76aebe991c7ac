using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using FastRelay.Config;
using FastRelay.Host;
using FastRelay.Host.Secrets;
using FastRelay.Tests.Receive.Rig;
using FastRelay.Tests.Support;

namespace FastRelay.Tests.Host.Reload;

/// <summary>A relay that runs says of certificates what a check would say: when they are renewed, and every day.</summary>
public sealed class CertificateTermTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("term").FullName;
    private readonly RelayRig _rig = new("[[listen]]\naddress = \"127.0.0.1:0\"\n");
    private readonly ManualTime _clock = new();
    private readonly RelayConfig _config;

    public CertificateTermTests() => _config = _rig.Relay.Config with { Tls = new TlsConfig { Certificate = PathOf("our.crt"), Key = PathOf("our.key") } };

    public void Dispose()
    {
        _rig.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void One_that_ends_is_told_once_a_day_and_when_it_is_put_there()
    {
        Put(hoursLeft: (CertificateTerm.SoonDays * 24) + 36);
        using var watch = new SecretsWatch(_config, SecretsWatch.Fingerprint(_config), _rig.Relay, TimeSpan.FromHours(1), _clock);
        Assert.Equal(0, Told(watch));
        Assert.Equal(0, Told(watch, hours: 25));
        Assert.Equal(1, Told(watch, hours: 25));
        Assert.Contains($"note=\"tls.certificate: {PathOf("our.crt")} ends on {watch.Terms[0].EndsUtc:yyyy-MM-dd}\"", Lines()[0], StringComparison.Ordinal);
        Assert.Equal(1, Told(watch));
        Assert.Equal(1, Told(watch, hours: 23));
        Assert.Equal(2, Told(watch, hours: 1));
        // The new one ends soon as well, and then one is put there that does not.
        Put(hoursLeft: 48);
        Assert.Equal(3, Told(watch));
        Put(hoursLeft: 2_400);
        Assert.Equal(3, Told(watch));
        Assert.Equal(3, Told(watch, hours: 25));
        Assert.InRange(watch.Terms[0].EndsUtc, _clock.GetUtcNow().UtcDateTime.AddHours(2_370), _clock.GetUtcNow().UtcDateTime.AddHours(2_400));
    }

    [Fact]
    public void Another_configuration_has_its_own_and_what_cannot_be_read_has_none()
    {
        using var watch = new SecretsWatch(_config, SecretsWatch.Fingerprint(_config), _rig.Relay, TimeSpan.FromHours(1), _clock);
        Assert.Empty(watch.Terms);
        Put(hoursLeft: 2_400);
        watch.Use(_config, SecretsWatch.Fingerprint(_config), CertificateTerm.All(_config));
        Assert.Equal(("tls.certificate", PathOf("our.crt")), (watch.Terms.Single().Key, watch.Terms.Single().File));
        watch.Use(_rig.Relay.Config, SecretsWatch.Fingerprint(_rig.Relay.Config), CertificateTerm.All(_rig.Relay.Config));
        Assert.Empty(watch.Terms);
    }

    [Theory]
    [InlineData(-1, CertificateTerm.SoonDays + 1, null)]
    [InlineData(-1, CertificateTerm.SoonDays - 1, "ends on 2026-01-15")]
    [InlineData(-9, -1, "ended on 2026-01-01")]
    [InlineData(1, 90, "begins on 2026-01-03")]
    public void What_is_said_of_a_term_depends_on_the_day(int begins, int ends, string? says)
    {
        DateTime now = new(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc);
        string? doubt = new CertificateTerm("tls.certificate", "/a", now.AddDays(begins), now.AddDays(ends)).Doubt(now);
        Assert.Equal(says is null ? null : $"tls.certificate: /a {says}", doubt);
    }

    private int Told(SecretsWatch watch, int hours = 0)
    {
        _clock.JumpWall(TimeSpan.FromHours(hours));
        watch.Look();
        return Lines().Length;
    }

    private string[] Lines() => [.. _rig.Output.Lines.Where(static line => line.Contains("event=config_warning", StringComparison.Ordinal))];

    private void Put(int hoursLeft)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        DateTimeOffset now = _clock.GetUtcNow();
        using X509Certificate2 made = new CertificateRequest("CN=our.test", key, HashAlgorithmName.SHA256).CreateSelfSigned(now.AddDays(-1), now.AddHours(hoursLeft));
        File.WriteAllText(PathOf("our.crt"), made.ExportCertificatePem());
        File.WriteAllText(PathOf("our.key"), key.ExportPkcs8PrivateKeyPem());
    }

    private string PathOf(string file) => Path.Combine(_folder, file);
}
