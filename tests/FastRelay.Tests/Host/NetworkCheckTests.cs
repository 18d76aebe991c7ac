using System.Net;
using System.Security.Cryptography.X509Certificates;
using FastRelay.Config;
using FastRelay.Host.Commands;
using FastRelay.Tests.Deliver;
using FastRelay.Tests.Outside;

namespace FastRelay.Tests.Host;

/// <summary>What <c>check --network</c> says of name servers and authorities; the rest is looked at end to end.</summary>
public sealed class NetworkCheckTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task A_name_server_that_does_not_answer_is_named_beside_one_that_does(int place)
    {
        int asked = 0;
        using var good = new TestDnsServer(message => message.Code(3));
        using var dead = new TestDnsServer(_ =>
        {
            Interlocked.Increment(ref asked);
            return null;
        });
        List<IPEndPoint> servers = [good.EndPoint];
        servers.Insert(place, dead.EndPoint);
        (_, string said) = await CheckAsync(null, servers);
        Assert.Contains($"warning  resolver     {dead.EndPoint} does not answer: every half minute a query waits 2s for it", said);
        Assert.Contains($"ok       resolver     {good.EndPoint} answered for no.test in ", said);
        Assert.DoesNotContain($"{good.EndPoint} does not", said);
        // By its own question, with the second try of that; nothing else is asked of it.
        Assert.Equal(2, asked);
    }

    [Fact]
    public async Task No_name_server_that_answers_is_a_failure_that_names_all()
    {
        using var one = new TestDnsServer(_ => null);
        using var two = new TestDnsServer(_ => null);
        (bool good, string said) = await CheckAsync(null, [one.EndPoint, two.EndPoint]);
        Assert.False(good);
        Assert.Contains($"FAILED   resolver     no name server answers ({one.EndPoint}, {two.EndPoint}): nothing can be delivered by MX", said);
        Assert.DoesNotContain("warning  resolver", said);
    }

    [Fact]
    public async Task The_bundle_of_authorities_is_named_or_missed()
    {
        using var server = new TestDnsServer(message => message.Code(3));
        string folder = Directory.CreateTempSubdirectory("fastrelay-authorities").FullName;
        string good = Path.Combine(folder, "good.pem"), empty = Path.Combine(folder, "empty.pem"), none = Path.Combine(folder, "none.pem");
        using (X509Certificate2 authority = DialTests.SelfSigned("ca.test"))
        {
            File.WriteAllText(good, authority.ExportCertificatePem());
        }
        File.WriteAllText(empty, "");
        await SaysAsync(good, $"ok       authorities  {good}");
        await SaysAsync(null, "warning  authorities  no bundle of certificate authorities was found: routes with tls = \"verified\" deliver nothing; set [tls] ca");
        await SaysAsync(empty, $"FAILED   authorities  bundle: {empty} holds no PEM certificate; routes with tls = \"verified\" deliver nothing");
        await SaysAsync(none, "FAILED   authorities  bundle: cannot be read: ");
        await SaysAsync(folder, "FAILED   authorities  bundle: cannot be read: ");
        Directory.Delete(folder, recursive: true);

        async Task SaysAsync(string? authorities, string line)
        {
            (_, string said) = await CheckAsync(authorities, [server.EndPoint]);
            Assert.StartsWith(line, said);
        }
    }

    private static async Task<(bool Good, string Said)> CheckAsync(string? authorities, IReadOnlyList<IPEndPoint> servers)
    {
        RelayConfig usual = RelayConfig.Default("relay.test", "/");
        RelayConfig config = usual with { DnsServers = servers, Limits = usual.Limits with { DnsTimeoutMs = 2_000 } };
        await using var output = new StringWriter();
        return (await new NetworkCheck(config, authorities, output).RunAsync("no.test"), output.ToString());
    }
}
