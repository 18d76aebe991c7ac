using System.Net;
using System.Net.Sockets;
using FastRelay.Host.Commands;
using FastRelay.Load;
using FastRelay.Outside;
using FastRelay.Outside.Linux;
using FastRelay.Tests.Routing;

namespace FastRelay.Tests.Load;

/// <summary>Whom a source sends to, as it is written and as it is found.</summary>
public sealed class TargetTests
{
    [Theory]
    [InlineData("127.0.0.1:2525", "127.0.0.1", 2525, true)]
    [InlineData("192.0.2.1", "192.0.2.1", 25, true)]
    [InlineData("[::1]:2525", "::1", 2525, true)]
    [InlineData("mx.example.com", "mx.example.com", 25, false)]
    [InlineData("MX.Example.com.:587", "mx.example.com", 587, false)]
    [InlineData("relay", "relay", 25, false)]
    [InlineData("localhost:2600", "localhost", 2600, false)]
    [InlineData("4.example:1", "4.example", 1, false)]
    public void An_address_or_a_name(string text, string host, int port, bool isAddress)
    {
        LoadTarget target = LoadTarget.Parse("", text);
        Assert.Equal((host, port, isAddress), (target.Host, target.Port, target.Address is not null));
    }

    [Theory]
    [InlineData("")]
    [InlineData("127.1")]
    [InlineData("300.0.0.1:25")]
    [InlineData("10.0.0.256")]
    [InlineData("a b")]
    [InlineData("mx.example.com:0")]
    [InlineData("mx.example.com:65536")]
    [InlineData("mx.example.com:smtp")]
    [InlineData("mx..example.com")]
    [InlineData("m\u00fcx.example")]
    [InlineData("http://mx.example.com")]
    [InlineData("a:b:c")]
    public void What_is_neither_is_refused(string text) =>
        Assert.StartsWith($"--target {text}: must be an address or a host's name", Assert.Throws<LoadUsageException>(() => LoadTarget.Parse("--target ", text)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("both.test", null, "192.0.2.1:25,192.0.2.2:25")]
    [InlineData("both.test", AddressFamily.InterNetworkV6, "[2001:db8::1]:25")]
    [InlineData("six.test", null, "[2001:db8::6]:25")]
    [InlineData("half.test", null, "192.0.2.3:25")]
    [InlineData("localhost", null, "127.0.0.1:25")]
    [InlineData("mail.localhost", AddressFamily.InterNetworkV6, "[::1]:25")]
    public void A_name_has_all_its_addresses_of_one_family(string name, AddressFamily? family, string found)
    {
        Assert.Equal((found, ""), Resolve(name, family));
    }

    [Theory]
    [InlineData("six.test", AddressFamily.InterNetwork, "six.test: has no address of the family that --source has")]
    [InlineData("nobody.test", null, "nobody.test: there is no such host")]
    [InlineData("none.test", null, "none.test: has no address")]
    [InlineData("broken.test", null, "broken.test: the name servers answer with an error")]
    [InlineData("silent.test", null, "silent.test: no name server answers")]
    public void A_name_without_an_address_is_named_with_the_reason(string name, AddressFamily? family, string problem)
    {
        Assert.Equal(("", problem), Resolve(name, family));
    }

    [Fact]
    public void Connections_go_to_the_addresses_in_turn()
    {
        using var rig = new RunRig(new SinkScenario());
        // The last one is nobody's: a third of the connections fail, and the report names all three.
        LoadReport report = rig.Report(new LoadOptions
        {
            Targets = [rig.Target, rig.Target, new IPEndPoint(IPAddress.Parse("127.0.0.9"), rig.Target.Port)],
            Name = "mx.test:25",
            Messages = 30,
            Sessions = 1,
            MessagesPerSession = 1,
        });
        Assert.Equal((30, 30), (report.Accepted, report.Connections));
        Assert.InRange(report.ConnectFailed, 14, 16);
        Assert.Equal("mx.test:25", report.Target);
        Assert.Equal(["127.0.0.1", "127.0.0.1", "127.0.0.9"], report.Addresses);
    }

    private static (string Found, string Problem) Resolve(string name, AddressFamily? family)
    {
        SynchronizationContext.SetSynchronizationContext(null);
        World world = LinuxWorld.Create(new LinuxOptions());
        ScriptedResolver dns = new ScriptedResolver(world.Loop)
            .A("both.test", "192.0.2.1, 192.0.2.2").Aaaa("both.test", "2001:db8::1")
            .Aaaa("six.test", "2001:db8::6")
            .A("half.test", "192.0.2.3").Aaaa("half.test", "timeout")
            .A("none.test", "nodata").Aaaa("none.test", "nodata")
            .A("broken.test", "servfail").Aaaa("broken.test", "nodata")
            .A("silent.test", "nodata").Aaaa("silent.test", "timeout");
        try
        {
            IReadOnlyList<IPEndPoint> found = LoadTarget.Parse("", name).Resolve(world with { Resolver = dns }, family, out string problem);
            return (string.Join(',', found), problem);
        }
        finally
        {
            LinuxWorld.Dispose(world);
        }
    }
}
