using System.Net;
using FastRelay.Outside;
using FastRelay.Outside.Linux;

namespace FastRelay.Tests.Outside;

/// <summary>The resolver against a server that says what the test wants.</summary>
public sealed class LinuxResolverTests
{
    [Fact]
    public void MX_records_come_with_the_least_TTL_and_lower_case_names()
    {
        DnsAnswer answer = Ask("Example.org", DnsType.Mx, message => message
            .Mx("example.org", 300, 10, "MX1.Example.org").Mx("example.org", 60, 20, "mx2.example.org"));
        Assert.Equal(DnsStatus.Ok, answer.Status);
        Assert.Equal(60u, answer.TtlSeconds);
        Assert.Equal([new MxRecord(10, "mx1.example.org"), new MxRecord(20, "mx2.example.org")], answer.Mx.OrderBy(mx => mx.Preference));
        Assert.Empty(answer.Addresses);
    }

    [Fact]
    public void The_null_MX_has_an_empty_host()
    {
        DnsAnswer answer = Ask("example.org", DnsType.Mx, message => message.Mx("example.org", 300, 0, ""));
        Assert.Equal([new MxRecord(0, "")], answer.Mx);
    }

    [Fact]
    public void Addresses_of_both_families_are_read()
    {
        DnsAnswer answer = Ask("mx.example.org", DnsType.A, message => message.A("mx.example.org", 5, "192.0.2.1").A("mx.example.org", 7, "192.0.2.2"));
        Assert.Equal(["192.0.2.1", "192.0.2.2"], answer.Addresses.Select(address => address.ToString()));
        Assert.Equal(5u, answer.TtlSeconds);
        answer = Ask("mx.example.org", DnsType.Aaaa, message => message.Aaaa("mx.example.org", 5, "2001:db8::1"));
        Assert.Equal(["2001:db8::1"], answer.Addresses.Select(address => address.ToString()));
    }

    [Fact]
    public void Aliases_are_followed_within_the_message_and_their_TTL_counts()
    {
        DnsAnswer answer = Ask("a.example.org", DnsType.A, message => message
            .Cname("a.example.org", 30, "B.example.org").Cname("b.example.org", 100, "c.example.org").A("c.example.org", 200, "192.0.2.1"));
        Assert.Equal(DnsStatus.Ok, answer.Status);
        Assert.Equal(30u, answer.TtlSeconds);
        Assert.Single(answer.Addresses);
    }

    [Fact]
    public void Records_of_another_name_are_not_taken()
    {
        DnsAnswer answer = Ask("a.example.org", DnsType.A, message => message.A("evil.example.net", 300, "192.0.2.66"));
        Assert.Equal(DnsStatus.NoData, answer.Status);
        Assert.Empty(answer.Addresses);
    }

    [Fact]
    public void An_alias_loop_makes_no_sense()
    {
        DnsAnswer answer = Ask("a.example.org", DnsType.A, message => message
            .Cname("a.example.org", 30, "b.example.org").Cname("b.example.org", 30, "a.example.org"));
        Assert.Equal(DnsStatus.Bad, answer.Status);
    }

    [Fact]
    public void A_name_that_does_not_exist_is_so_for_the_lesser_time_of_the_SOA()
    {
        DnsAnswer answer = Ask("no.example.org", DnsType.Mx, message => message.Code(3).Soa("example.org", ttl: 900, minimum: 120));
        Assert.Equal(DnsStatus.NxDomain, answer.Status);
        Assert.Equal(120u, answer.TtlSeconds);
        answer = Ask("no.example.org", DnsType.Mx, message => message.Code(3).Soa("example.org", ttl: 40, minimum: 120));
        Assert.Equal(40u, answer.TtlSeconds);
    }

    [Fact]
    public void A_name_without_such_records_is_NoData()
    {
        DnsAnswer answer = Ask("example.org", DnsType.Mx, message => message.Soa("example.org", ttl: 900, minimum: 120));
        Assert.Equal(DnsStatus.NoData, answer.Status);
        Assert.Equal(120u, answer.TtlSeconds);
        answer = Ask("example.org", DnsType.Mx, message => message);
        Assert.Equal(DnsStatus.NoData, answer.Status);
        Assert.Equal(0u, answer.TtlSeconds);
    }

    [Fact]
    public void A_referral_is_no_answer_and_mail_waits_for_a_server_that_has_one()
    {
        // RFC 2308 2.2: name servers without an SOA say where to ask.
        Assert.Equal(DnsStatus.ServFail, Ask("a.sub.example.org", DnsType.Mx, message => message.Ns("sub.example.org", 300, "ns.sub.example.org")).Status);
        Assert.Equal(DnsStatus.NoData, Ask("example.org", DnsType.Mx, message => message.Ns("example.org", 300, "ns.example.org").Soa("example.org", 900, 120)).Status);
        // Neither the zone's nor one that asks others.
        Assert.Equal(DnsStatus.ServFail, Ask("example.org", DnsType.Mx, message => message.Authority(authoritative: false, recursive: false)).Status);
        Assert.Equal(DnsStatus.NoData, Ask("example.org", DnsType.Mx, message => message.Authority(authoritative: false, recursive: true)).Status);
        Assert.Equal(DnsStatus.Ok, Ask("example.org", DnsType.Mx, message => message.Authority(authoritative: false, recursive: false).Mx("example.org", 60, 10, "mx.example.org")).Status);
    }

    [Fact]
    public void An_alias_whose_target_others_know_is_no_answer()
    {
        Assert.Equal(DnsStatus.ServFail, Ask("a.example.org", DnsType.A, message => message.Authority(authoritative: false, recursive: false).Cname("a.example.org", 60, "b.example.net")).Status);
        Assert.Equal(DnsStatus.ServFail, Ask("a.example.org", DnsType.A, message => message.Cname("a.example.org", 60, "b.sub.example.org").Ns("sub.example.org", 60, "ns.sub.example.org")).Status);
    }

    [Fact]
    public void What_is_cut_by_TCP_too_is_no_answer()
    {
        using var rig = new LinuxLinkRig();
        using var server = new TestDnsServer(message => message.Mx("example.org", 300, 10, "mx.example.org")) { Cuts = true };
        var resolver = new LinuxResolver(rig.Loop, [server.EndPoint], 20_000);
        Assert.Equal(DnsStatus.Bad, rig.Run(resolver.QueryAsync("example.org", DnsType.Mx)).Status);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void A_server_without_EDNS_is_asked_without_it(int code)
    {
        DnsAnswer answer = Ask("example.org", DnsType.Mx, message => message.EdnsBytes > 0 ? message.Code(code).NoQuestion() : message.Mx("example.org", 300, 10, "mx.example.org"));
        Assert.Equal(DnsStatus.Ok, answer.Status);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(5)]
    [InlineData(4)]
    public void An_error_of_the_server_is_for_later(int code) =>
        Assert.Equal(DnsStatus.ServFail, Ask("example.org", DnsType.Mx, message => message.Code(code)).Status);

    [Fact]
    public void An_answer_to_another_question_is_none() =>
        Assert.Equal(DnsStatus.Timeout, Ask("example.org", DnsType.A, message => message.Question("example.net").A("example.net", 5, "192.0.2.1"), timeoutMs: 200).Status);

    [Fact]
    public void A_server_that_is_silent_is_a_timeout() =>
        Assert.Equal(DnsStatus.Timeout, Ask("example.org", DnsType.A, _ => null, timeoutMs: 200).Status);

    [Fact]
    public void No_server_at_all_is_a_timeout()
    {
        using var rig = new LinuxLinkRig();
        var resolver = new LinuxResolver(rig.Loop, [new IPEndPoint(IPAddress.Loopback, 1)], 300);
        Assert.Equal(DnsStatus.Timeout, rig.Run(resolver.QueryAsync("example.org", DnsType.A)).Status);
    }

    [Theory]
    [InlineData("")]
    [InlineData("ex\u00e4mple.org")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.org")]
    public void What_is_no_name_is_not_asked(string name)
    {
        using var rig = new LinuxLinkRig();
        var resolver = new LinuxResolver(rig.Loop, [new IPEndPoint(IPAddress.Loopback, 1)], 300);
        Assert.Equal(DnsStatus.Bad, rig.Run(resolver.QueryAsync(name, DnsType.A)).Status);
    }

    [Fact]
    public void The_lists_are_bounded()
    {
        // As a TCP answer: more than a datagram holds.
        DnsAnswer answer = Ask("example.org", DnsType.A, message =>
        {
            for (int i = 0; i < 200; i++)
            {
                message.A("example.org", 5, $"192.0.2.{i}");
            }
            return message;
        });
        Assert.Equal(50, answer.Addresses.Count);
    }

    [Fact]
    public void The_best_of_too_many_MX_hosts_are_kept_wherever_they_stand()
    {
        DnsAnswer answer = Ask("example.org", DnsType.Mx, message =>
        {
            for (int i = 0; i < 150; i++)
            {
                message.Mx("example.org", 5, (ushort)(1000 - i), $"h{i}.example.org");
            }
            return message;
        });
        Assert.Equal(Enumerable.Range(851, 100), answer.Mx.Select(mx => (int)mx.Preference).Order());
    }

    [Fact]
    public void A_name_with_an_A_label_is_like_any_other()
    {
        // DnsClient shows such names in Unicode in some places and as they are in others.
        DnsAnswer answer = Ask("xn--bcher-kva.example", DnsType.Mx, message => message
            .Cname("xn--bcher-kva.example", 5, "xn--mnchen-3ya.example").Mx("xn--mnchen-3ya.example", 5, 10, "mx.xn--bcher-kva.example"));
        Assert.Equal([new MxRecord(10, "mx.xn--bcher-kva.example")], answer.Mx);
        Assert.Equal(DnsStatus.Ok, Ask("xn--bcher-kva.example", DnsType.A, message => message.A("xn--bcher-kva.example", 5, "192.0.2.1")).Status);
    }

    [Fact]
    public void Records_that_nobody_asked_for_are_not_even_read()
    {
        DnsAnswer answer = Ask("example.org", DnsType.A, message => message
            .Raw("example.org", 46, [1, 2, 3]).A("example.org", 5, "192.0.2.1").Raw("example.org", 65_280, []));
        Assert.Equal(["192.0.2.1"], answer.Addresses.Select(address => address.ToString()));
    }

    [Theory]
    [InlineData(1, new byte[] { 192, 0, 2 })]
    [InlineData(1, new byte[] { 192, 0, 2, 1, 9 })]
    [InlineData(5, new byte[] { 3, (byte)'w' })]
    [InlineData(5, new byte[] { 0xC0, 0xFF })]
    public void Octets_that_are_no_record_make_no_sense(int type, byte[] data) =>
        Assert.Equal(DnsStatus.Bad, Ask("example.org", DnsType.A, message => message.Raw("example.org", type, data)).Status);

    [Fact]
    public void The_answer_completes_on_the_loop()
    {
        using var rig = new LinuxLinkRig();
        using var server = new TestDnsServer(message => message.A("example.org", 5, "192.0.2.1"));
        var resolver = new LinuxResolver(rig.Loop, [server.EndPoint], 20_000);
        int thread = 0;
        rig.Run(async () =>
        {
            await resolver.QueryAsync("example.org", DnsType.A);
            thread = Environment.CurrentManagedThreadId;
        });
        Assert.Equal(Environment.CurrentManagedThreadId, thread);
    }

    [Fact]
    public void Resolv_conf_gives_its_servers_in_order_and_loopback_without_any()
    {
        Assert.Equal(
            ["192.0.2.1:53", "[2001:db8::1]:53"],
            ResolvConf.Parse("# c\nsearch example.org\nnameserver 192.0.2.1\n\tnameserver\t2001:db8::1 \nnameserver nonsense\noptions edns0\n").Select(e => e.ToString()));
        Assert.Equal(["127.0.0.1:53"], ResolvConf.Parse("").Select(e => e.ToString()));
        Assert.Equal(3, ResolvConf.Parse(string.Concat(Enumerable.Repeat("nameserver 192.0.2.1\n", 9))).Count);
    }

    [Fact]
    public void Hosts_gives_addresses_of_its_names_before_DNS_and_each_family_apart()
    {
        var hosts = HostsFile.Parse("127.0.0.1\tlocalhost\n# 192.0.2.9 no.test\n192.0.2.1 Relay.test relay # the uplink\n192.0.2.2 relay.test\n2001:db8::1 six.test\nnonsense here\n192.0.2.3\n");
        DnsAnswer found = hosts.Find("relay.test", DnsType.A)!;
        Assert.Equal((DnsStatus.Ok, 60u), (found.Status, found.TtlSeconds));
        Assert.Equal(["192.0.2.1", "192.0.2.2"], found.Addresses.Select(a => a.ToString()));
        Assert.Equal(DnsStatus.NoData, hosts.Find("RELAY", DnsType.Aaaa)!.Status);
        Assert.Equal(["2001:db8::1"], hosts.Find("six.test", DnsType.Aaaa)!.Addresses.Select(a => a.ToString()));
        Assert.Null(hosts.Find("relay.test", DnsType.Mx));
        Assert.Null(hosts.Find("no.test", DnsType.A));
        Assert.Null(hosts.Find("here", DnsType.A));
        Assert.Null(HostsFile.Parse("").Find("localhost", DnsType.A));
    }

    [Fact]
    public void Files_that_change_are_read_again_and_one_that_goes_holds_on()
    {
        string path = Path.Combine(Directory.CreateTempSubdirectory("fastrelay-watch").FullName, "file");
        var file = new WatchedFile<string>(path, static text => text) { LookMs = 0 };
        Assert.Equal("", file.Value);
        File.WriteAllText(path, "one");
        Assert.Equal("one", file.Value);
        string same = file.Value;
        Assert.Same(same, file.Value);
        File.WriteAllText(path, "other");
        Assert.Equal("other", file.Value);
        File.Delete(path);
        Assert.Equal("other", file.Value);
        File.WriteAllText(path, new string('x', (1 << 20) + 1));
        Assert.Equal("other", file.Value);
        File.WriteAllText(path, "");
        Assert.Equal("other", file.Value);
        File.Delete(path);
        // As systemd-resolved has it.
        File.WriteAllText(path + ".run", "run");
        File.CreateSymbolicLink(path, path + ".run");
        Assert.Equal("run", file.Value);
        File.WriteAllText(path + ".run", "another");
        Assert.Equal("another", file.Value);
        Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
    }

    [Fact]
    public void A_name_in_hosts_is_not_asked_of_DNS_and_its_MX_is_asked_but_never_missing()
    {
        string folder = Directory.CreateTempSubdirectory("fastrelay-etc").FullName;
        File.WriteAllText(Path.Combine(folder, "hosts"), "192.0.2.7 uplink.test\n");
        using var rig = new LinuxLinkRig();
        using var server = new TestDnsServer(message => message.Code(3).Soa("test", 30, 30));
        var resolver = new LinuxResolver(rig.Loop, [server.EndPoint], 20_000, folder);
        Assert.Equal(["192.0.2.7"], rig.Run(resolver.QueryAsync("uplink.test", DnsType.A)).Addresses.Select(a => a.ToString()));
        Assert.Equal(DnsStatus.NoData, rig.Run(resolver.QueryAsync("uplink.test", DnsType.Aaaa)).Status);
        Assert.Equal(DnsStatus.NoData, rig.Run(resolver.QueryAsync("uplink.test", DnsType.Mx)).Status);
        Assert.Equal(DnsStatus.NxDomain, rig.Run(resolver.QueryAsync("other.test", DnsType.A)).Status);
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void Servers_follow_resolv_conf_unless_they_are_configured()
    {
        string folder = Directory.CreateTempSubdirectory("fastrelay-etc").FullName;
        using var rig = new LinuxLinkRig();
        var resolver = new LinuxResolver(rig.Loop, [], 300, folder);
        Assert.Equal(["127.0.0.1:53"], resolver.Servers.Select(s => s.ToString()));
        File.WriteAllText(Path.Combine(folder, "resolv.conf"), "nameserver 192.0.2.53\n");
        resolver = new LinuxResolver(rig.Loop, [], 300, folder);
        Assert.Equal(["192.0.2.53:53"], resolver.Servers.Select(s => s.ToString()));
        resolver = new LinuxResolver(rig.Loop, [new IPEndPoint(IPAddress.Loopback, 1)], 300, folder);
        Assert.Equal(["127.0.0.1:1"], resolver.Servers.Select(s => s.ToString()));
        Directory.Delete(folder, recursive: true);
    }

    /// <summary>Asks a server of the test's own. The timeout is far longer than an answer takes on a busy machine.</summary>
    private static DnsAnswer Ask(string name, DnsType type, Func<TestDnsMessage, TestDnsMessage?> reply, int timeoutMs = 20_000)
    {
        using var rig = new LinuxLinkRig();
        using var server = new TestDnsServer(reply);
        var resolver = new LinuxResolver(rig.Loop, [server.EndPoint], timeoutMs);
        return rig.Run(resolver.QueryAsync(name, type));
    }
}
