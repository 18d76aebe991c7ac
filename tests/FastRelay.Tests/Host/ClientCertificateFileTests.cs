using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using FastRelay.Config;
using FastRelay.Host.Commands;
using FastRelay.Host.Secrets;
using FastRelay.Routing;

namespace FastRelay.Tests.Host;

/// <summary>The files of a route's certificate: what is wrong with them is told with file, key and reason, and nothing of the key itself.</summary>
public sealed class ClientCertificateFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("fastrelay-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string At(string name) => Path.Combine(_folder, name);

    private (int Code, string Error) Check()
    {
        File.WriteAllText(At("relay.toml"), "hostname = \"relay.test\"\n[[route]]\ndomain = \"*\"\nto = \"smtp:a.test\"\nclient_certificate = \"our.crt\"\nclient_key = \"our.key\"\n");
        using var output = new StringWriter();
        using var error = new StringWriter();
        int code = CommandLine.Run(["check", "--config", At("relay.toml")], output, error);
        Assert.DoesNotContain("PRIVATE", output.ToString() + error, StringComparison.Ordinal);
        return (code, error.ToString());
    }

    /// <summary>Writes our.crt and our.key.</summary>
    private void Make(int daysLeft = 100, string? purpose = "1.3.6.1.5.5.7.3.2", int begins = -200)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=our.test", key, HashAlgorithmName.SHA256);
        if (purpose is not null)
        {
            request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(purpose)], critical: false));
        }
        using X509Certificate2 made = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(begins), DateTimeOffset.UtcNow.AddDays(daysLeft));
        File.WriteAllText(At("our.crt"), made.ExportCertificatePem());
        File.WriteAllText(At("our.key"), key.ExportPkcs8PrivateKeyPem());
        File.SetUnixFileMode(At("our.key"), UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    [Fact]
    public void A_pair_that_is_well_is_not_mentioned()
    {
        Make();
        Assert.Equal((ExitCode.Ok, ""), Check());
        Make(purpose: null);
        Assert.Equal((ExitCode.Ok, ""), Check());
    }

    [Fact]
    public void A_file_that_is_missing_or_cannot_be_read_is_named_with_its_key_and_line()
    {
        Make();
        File.Delete(At("our.crt"));
        (int code, string error) = Check();
        Assert.Equal(ExitCode.BadConfig, code);
        Assert.StartsWith($"{At("relay.toml")}:5: route.client_certificate: cannot be read: ", error);
        Assert.Contains(At("our.crt"), error, StringComparison.Ordinal);
        Make();
        File.Delete(At("our.key"));
        Directory.CreateDirectory(At("our.key"));
        Assert.Equal((ExitCode.BadConfig, $"{At("relay.toml")}:6: route.client_key: cannot be read: {At("our.key")} is a directory\n"), Check());
    }

    [Fact]
    public void A_key_of_another_certificate_is_said_to_be_one()
    {
        Make();
        string first = File.ReadAllText(At("our.crt"));
        Make();
        File.WriteAllText(At("our.crt"), first);
        (int code, string error) = Check();
        Assert.Equal(ExitCode.BadConfig, code);
        Assert.StartsWith($"{At("relay.toml")}:5: route.client_certificate: {At("our.crt")} and {At("our.key")} are no pair", error);
        Assert.Contains("key", error, StringComparison.Ordinal);
        Assert.Null(TlsFiles.Client(new KeyPairConfig(At("our.crt"), At("our.key")), out string problem));
        Assert.StartsWith($"client_certificate: {At("our.crt")}, client_key: {At("our.key")}: ", problem);
    }

    [Theory]
    [InlineData("our.crt", "no PEM at all\n")]
    [InlineData("our.key", "no PEM at all\n")]
    [InlineData("our.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")]
    public void What_is_no_PEM_is_an_error(string file, string text)
    {
        Make();
        File.WriteAllText(At(file), text);
        (int code, string error) = Check();
        Assert.Equal(ExitCode.BadConfig, code);
        Assert.Contains("are no pair of PEM certificate and unencrypted key: ", error, StringComparison.Ordinal);
    }

    [Fact]
    public void What_a_host_that_verifies_would_refuse_is_a_warning()
    {
        Make(daysLeft: -2);
        (int code, string error) = Check();
        Assert.Equal(ExitCode.Ok, code);
        Assert.Matches(@"^warning: route\.client_certificate: \S+our\.crt ended on \d{4}-\d\d-\d\d\n$", error);
        Make(daysLeft: 5);
        Assert.Contains("our.crt ends on ", Check().Error, StringComparison.Ordinal);
        Make(begins: 3);
        Assert.Contains("our.crt begins on ", Check().Error, StringComparison.Ordinal);
        Make(purpose: "1.3.6.1.5.5.7.3.1");
        Assert.Contains("our.crt is not for clients", Check().Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_key_that_everybody_may_read_is_a_warning()
    {
        Make();
        File.SetUnixFileMode(At("our.key"), UnixFileMode.UserRead | UnixFileMode.OtherRead);
        Assert.Equal((ExitCode.Ok, $"warning: route.client_key: {At("our.key")} can be read by every user of this host: chmod o-r\n"), Check());
    }

    [Fact]
    public void A_certificate_that_is_read_again_is_the_same_until_its_file_is_another()
    {
        Make();
        var pair = new KeyPairConfig(At("our.crt"), At("our.key"));
        ClientCertificate first = TlsFiles.Client(pair, out _)!;
        Assert.True(first.IsSame(TlsFiles.Client(pair, out _)));
        Assert.Equal(("CN=our.test", At("our.crt")), (first.Subject, first.File));
        Make(daysLeft: 50);
        ClientCertificate second = TlsFiles.Client(pair, out _)!;
        Assert.False(first.IsSame(second));
        first.Renew(second);
        Assert.True(first.IsSame(second));
        Assert.InRange(first.EndsUtc, DateTime.UtcNow.AddDays(49), DateTime.UtcNow.AddDays(51));
    }
}
