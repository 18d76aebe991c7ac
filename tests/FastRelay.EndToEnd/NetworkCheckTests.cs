using System.Net;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary><c>check --network</c> against a real name server and hosts that are there or not.</summary>
public sealed class NetworkCheckTests : IDisposable
{
    private readonly IPAddress _own = Place.NewAddress();
    private readonly IPAddress _other = Place.NewAddress();
    private readonly IPAddress _host = Place.NewAddress();
    private readonly IPAddress _down = Place.NewAddress();
    private readonly int _port = Place.FreePort();
    private readonly NsdServer _dns;

    public NetworkCheckTests() => _dns = new NsdServer(
        ("mail.test", $"@ MX 10 down\n@ MX 20 up\ndown A {_down}\nup A {_host}"),
        ("none.test", "@ TXT \"no mail\""),
        ("relay.test", $"@ A {_own}"),
        ("other.test", $"@ A {_other}"),
        ("127.in-addr.arpa", $"{Reverse(_own)} PTR relay.test.\n{Reverse(_other)} PTR relay.test."));

    public void Dispose() => _dns.Dispose();

    [Fact]
    public void A_host_that_is_set_up_well_is_told_so()
    {
        using var sink = new Sink(_host, _port);
        using RelayProcess relay = New(_own);
        ToolResult all = relay.Command("check", "--network", "--domain", "mail.test");
        Assert.Equal(0, all.ExitCode);
        Assert.Contains($"ok       resolver     127.0.0.1:{_dns.Port} answered for mail.test in ", all.Output);
        Assert.Contains($"ok       port {_port}", all.Output);
        Assert.Contains($"up.mail.test ({_host}:{_port}) from {_own} says: 220 ", all.Output);
        Assert.Contains($"ok       name         relay.test is {_own}", all.Output);
        Assert.Contains($"ok       PTR          {_own} is relay.test, and back", all.Output);
        Assert.Empty(sink.Arrivals);
    }

    [Fact]
    public void What_keeps_mail_from_being_believed_is_a_warning()
    {
        using var sink = new Sink(_host, _port);
        using RelayProcess away = New(_other);
        ToolResult mismatch = away.Command("check", "--network", "--domain", "mail.test");
        Assert.Equal(0, mismatch.ExitCode);
        Assert.Contains($"warning  PTR          {_other} is relay.test, but that name is {_own}", mismatch.Output);
        using RelayProcess nameless = New(_host);
        Assert.Contains($"warning  PTR          {_host} has no PTR", nameless.Command("check", "--network", "--domain", "mail.test").Output);
        using RelayProcess unnamed = New(_own, "nobody.none.test");
        ToolResult wrong = unnamed.Command("check", "--network", "--domain", "mail.test");
        Assert.Contains("warning  name         nobody.none.test has no address in DNS", wrong.Output);
        Assert.Contains($"warning  PTR          {_own} is relay.test, and EHLO says nobody.none.test", wrong.Output);
    }

    [Fact]
    public void What_keeps_mail_from_being_delivered_is_a_failure()
    {
        using RelayProcess relay = New(_own);
        ToolResult blocked = relay.Command("check", "--network", "--domain", "mail.test");
        Assert.Equal(1, blocked.ExitCode);
        Assert.Contains($"FAILED   port {_port}", blocked.Output);
        Assert.Contains($"down.mail.test ({_down}:{_port}): Connection refused", blocked.Output);
        ToolResult none = relay.Command("check", "--network", "--domain", "none.test");
        Assert.Equal(1, none.ExitCode);
        Assert.Contains("FAILED   exchangers   none.test has no MX host to try", none.Output);
        _dns.Dispose();
        ToolResult silent = relay.Command("check", "--network", "--domain", "mail.test");
        Assert.Equal(1, silent.ExitCode);
        Assert.Contains("FAILED   resolver     no name server answers", silent.Output);
    }

    private RelayProcess New(IPAddress source, string hostname = "relay.test") => new(RelayProcess.MxConfig(_dns, _port)
        .Replace("allow_private = true", $"allow_private = true\nsource = \"{source}\"", StringComparison.Ordinal)
        .Replace("hostname = \"relay.test\"", $"hostname = \"{hostname}\"", StringComparison.Ordinal));

    private static string Reverse(IPAddress address) => string.Join('.', address.GetAddressBytes()[1..].Reverse());
}
