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

    [Fact]
    public void A_dead_name_server_beside_a_good_one_is_named_and_mail_goes_all_the_same()
    {
        using var sink = new Sink(_host, _port);
        using var silent = new System.Net.Sockets.UdpClient(new IPEndPoint(IPAddress.Loopback, 0));
        int dead = ((IPEndPoint)silent.Client.LocalEndPoint!).Port;
        using var relay = new RelayProcess(RelayProcess.MxConfig(_dns, _port)
            .Replace("servers = [", $"servers = [\"127.0.0.1:{dead}\", ", StringComparison.Ordinal)
            .Replace("allow_private = true", $"allow_private = true\nsource = \"{_own}\"", StringComparison.Ordinal));
        ToolResult check = relay.Command("check", "--network", "--domain", "mail.test");
        Assert.Equal(0, check.ExitCode);
        Assert.Contains($"warning  resolver     127.0.0.1:{dead} does not answer: every half minute a query waits 2s for it", check.Output);
        Assert.Contains($"ok       resolver     127.0.0.1:{_dns.Port} answered for mail.test in ", check.Output);
        relay.Start();
        using SmtpTalk talk = relay.Talk().Hello();
        Assert.StartsWith("250 ", talk.Say("MAIL FROM:<sender@mail.test>"));
        Assert.StartsWith("250 ", talk.Say("RCPT TO:<user@mail.test>"));
        Assert.StartsWith("354 ", talk.Say("DATA"));
        Assert.StartsWith("250 ", talk.Say("Subject: x\r\n\r\nhello\r\n."));
        sink.WaitFor(a => a.To is ["user@mail.test"]);
        // The MX question found out; the addresses of both hosts did not wait.
        Assert.Equal(0, relay.Figure("dns_timeouts_total"));
    }

    [Fact]
    public void A_server_that_refuses_to_say_and_a_name_that_is_none_are_told_as_what_they_are()
    {
        using RelayProcess relay = New(_own);
        // Its zone is not here: nsd says REFUSED (RFC 1035 4.1.1, code 5).
        ToolResult refused = relay.Command("check", "--network", "--domain", "elsewhere.example");
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains($"ok       resolver     127.0.0.1:{_dns.Port} answered for elsewhere.example in ", refused.Output);
        Assert.Contains("FAILED   exchangers   name servers answer Refused for elsewhere.example", refused.Output);
        ToolResult invalid = relay.Command("check", "--network", "--domain", "a..b");
        Assert.Equal(1, invalid.ExitCode);
        Assert.Contains("FAILED   exchangers   \"a..b\" is no domain that can be asked for", invalid.Output);
        Assert.DoesNotContain("Unhandled", invalid.Output + invalid.Error);
    }

    [Fact]
    public void Each_address_of_each_source_is_looked_at_with_its_name()
    {
        using var sink = new Sink(_host, _port);
        string sources = $"""
            [[source]]
            name = "out1"
            address = ["{_own}", "2001:db8::25"]
            [[source]]
            name = "out2"
            address = "{_other}"
            ehlo = "other.test"
            [[source]]
            name = "away"
            address = "192.0.2.25"
            [[pool]]
            name = "all"
            sources = ["out1", "out2"]
            """;
        using var relay = new RelayProcess(RelayProcess.MxConfig(_dns, _port, sources)
            .Replace("allow_private = true", "allow_private = true\nsource = \"all\"", StringComparison.Ordinal));
        ToolResult all = relay.Command("check", "--network", "--domain", "mail.test");
        Assert.Equal(1, all.ExitCode);
        Assert.Contains($"out1: up.mail.test ({_host}:{_port}) from {_own} says: 220 ", all.Output);
        Assert.Contains("out1: no exchanger has an address of the family of 2001:db8::25", all.Output);
        Assert.Contains($"ok       name         out1: relay.test is {_own}", all.Output);
        Assert.Contains($"ok       PTR          out1: {_own} is relay.test, and back", all.Output);
        Assert.Contains($"out2: up.mail.test ({_host}:{_port}) from {_other} says: 220 ", all.Output);
        Assert.Contains($"ok       name         out2: other.test is {_other}", all.Output);
        Assert.Contains($"warning  PTR          out2: {_other} is relay.test, and EHLO says other.test", all.Output);
        Assert.Contains($"FAILED   port {_port}", all.Output);
        Assert.Contains("192.0.2.25 is no address of this host", all.Output);
        // All mail has a source: nothing leaves from the system's choice.
        Assert.DoesNotContain("from 127.0.0.1 ", all.Output);
    }

    private RelayProcess New(IPAddress source, string hostname = "relay.test") => new(RelayProcess.MxConfig(_dns, _port)
        .Replace("allow_private = true", $"allow_private = true\nsource = \"{source}\"", StringComparison.Ordinal)
        .Replace("hostname = \"relay.test\"", $"hostname = \"{hostname}\"", StringComparison.Ordinal));

    private static string Reverse(IPAddress address) => string.Join('.', address.GetAddressBytes()[1..].Reverse());
}
