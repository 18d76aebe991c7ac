using System.Net;
using FastRelay.Config;
using FastRelay.Observe;
using FastRelay.Outside;
using FastRelay.Routing;
using FastRelay.Tests.Support;
using Xunit;

namespace FastRelay.Tests.Routing;

public class RouterTests
{
    private readonly ManualLoop _loop = new();
    private readonly MemoryOutput _output = new();
    private readonly ScriptedResolver _dns;

    public RouterTests() => _dns = new ScriptedResolver(_loop.Loop);

    private Router Make(RouterOptions? options = null, Limits? limits = null)
    {
        World world = TestWorld.Make(_loop, _dns, _output);
        return new Router(world, limits ?? new Limits(), options ?? new RouterOptions { OwnNames = ["Relay.Test"] }, new Log(_output, _loop.Time));
    }

    private Plan PlanOf(string domain, RouterOptions? options = null, Limits? limits = null)
    {
        Router router = Make(options, limits);
        return _loop.Wait(router.PlanAsync(router.FixedRoute(domain) ?? router.MxRoute(domain)));
    }

    private static string Text(Plan plan) =>
        string.Join(" ", plan.Hosts.Select(host => $"{host.Preference}:{host.Name}={string.Join("+", host.Addresses)}"));

    [Fact]
    public void Hosts_come_by_preference_with_their_addresses_IPv4_first()
    {
        _dns.Mx("a.test", "20 mx2.test, 10 mx1.test").A("mx1.test", "8.8.8.1").Aaaa("mx1.test", "2a00::1").A("mx2.test", "8.8.8.2, 8.8.8.3");
        Plan plan = PlanOf("a.test");
        Assert.Equal(PlanStatus.Ok, plan.Status);
        Assert.Equal("10:mx1.test=8.8.8.1:25+[2a00::1]:25 20:mx2.test=8.8.8.2:25+8.8.8.3:25", Text(plan));
        Assert.Equal("mx1.test,mx2.test", plan.SiteKey);
    }

    [Theory]
    [InlineData(DeliverFamilies.Ipv4First, "8.8.8.1:25+[2a00::1]:25", "A mx1.test, Aaaa mx1.test")]
    [InlineData(DeliverFamilies.Ipv6First, "[2a00::1]:25+8.8.8.1:25", "A mx1.test, Aaaa mx1.test")]
    [InlineData(DeliverFamilies.Ipv4, "8.8.8.1:25", "A mx1.test")]
    [InlineData(DeliverFamilies.Ipv6, "[2a00::1]:25", "Aaaa mx1.test")]
    public void Families_come_in_the_order_that_is_wanted_and_one_that_is_not_is_not_asked_for(DeliverFamilies families, string addresses, string asked)
    {
        _dns.Mx("a.test", "10 mx1.test").A("mx1.test", "8.8.8.1").Aaaa("mx1.test", "2a00::1, ::ffff:8.8.8.1");
        Assert.Equal("10:mx1.test=" + addresses, Text(PlanOf("a.test", new RouterOptions { Families = families })));
        Assert.Equal("Mx a.test, " + asked, string.Join(", ", _dns.Asked));
    }

    [Fact]
    public void A_host_without_an_address_of_the_only_family_says_so_and_a_named_address_stays()
    {
        _dns.Mx("a.test", "10 mx1.test").Aaaa("mx1.test", "2a00::1");
        var options = new RouterOptions { Families = DeliverFamilies.Ipv4 };
        Plan plan = PlanOf("a.test", options);
        Assert.Equal(PlanStatus.NoHosts, plan.Status);
        Assert.Equal("no host of a.test has an address: address of mx1.test: no address of IPv4, and deliver.families wants no other", plan.Reason);
        Assert.Equal(PlanStatus.Ok, PlanOf("[IPv6:2a00::1]", options).Status);
    }

    [Fact]
    public void Other_families_and_names_of_our_own_hold_for_the_next_plan()
    {
        _dns.Mx("a.test", "10 out1.test, 20 mx1.test").A("mx1.test", "8.8.8.1").A("out1.test", "8.8.8.2").Aaaa("out1.test", "2a00::1");
        Router router = Make();
        Assert.Equal("10:out1.test=8.8.8.2:25+[2a00::1]:25 20:mx1.test=8.8.8.1:25", Text(_loop.Wait(router.PlanAsync(router.MxRoute("a.test")))));
        router.Change(new RouterOptions { OwnNames = ["relay.test", "Out1.Test"] }, new Limits());
        Assert.Equal(PlanStatus.Loop, _loop.Wait(router.PlanAsync(router.MxRoute("a.test"))).Status);
        router.Change(new RouterOptions { OwnNames = ["relay.test"], Families = DeliverFamilies.Ipv6First }, new Limits());
        Assert.Equal("10:out1.test=[2a00::1]:25+8.8.8.2:25 20:mx1.test=8.8.8.1:25", Text(_loop.Wait(router.PlanAsync(router.MxRoute("a.test")))));
    }

    [Fact]
    public void A_host_whose_address_is_missing_just_now_makes_no_second_site_of_the_others()
    {
        _dns.Mx("a.test", "10 mx1.test, 20 mx2.test").A("mx1.test", "8.8.8.1").A("mx2.test", "servfail");
        Plan plan = PlanOf("a.test");
        Assert.Equal("10:mx1.test=8.8.8.1:25", Text(plan));
        Assert.Equal("mx1.test,mx2.test", plan.SiteKey);
    }

    [Fact]
    public void A_domain_without_MX_is_its_own_host()
    {
        _dns.Mx("a.test", "nodata").A("a.test", "8.8.8.1");
        Assert.Equal("0:a.test=8.8.8.1:25", Text(PlanOf("a.test")));
    }

    [Theory]
    [InlineData("nxdomain", PlanStatus.NoSuchDomain)]
    [InlineData("null", PlanStatus.NullMx)]
    [InlineData("servfail", PlanStatus.Temporary)]
    [InlineData("timeout", PlanStatus.Temporary)]
    [InlineData("bad", PlanStatus.Temporary)]
    public void Other_MX_answers_never_fall_back_to_the_address(string mx, PlanStatus status)
    {
        _dns.Mx("a.test", mx).A("a.test", "8.8.8.1");
        Plan plan = PlanOf("a.test");
        Assert.Equal(status, plan.Status);
        Assert.Empty(plan.Hosts);
        Assert.NotEqual("", plan.Reason);
        Assert.Equal(["Mx a.test"], _dns.Asked);
    }

    [Fact]
    public void A_null_MX_beside_others_is_ignored()
    {
        _dns.Mx("a.test", "0 , 10 mx1.test").A("mx1.test", "8.8.8.1");
        Assert.Equal("10:mx1.test=8.8.8.1:25", Text(PlanOf("a.test")));
    }

    [Theory]
    [InlineData("servfail", "nodata", PlanStatus.Temporary)]
    [InlineData("nodata", "timeout", PlanStatus.Temporary)]
    [InlineData("nodata", "nodata", PlanStatus.NoHosts)]
    [InlineData("nxdomain", "nxdomain", PlanStatus.NoHosts)]
    public void With_no_address_at_all_the_answers_decide(string four, string six, PlanStatus status)
    {
        _dns.Mx("a.test", "10 mx1.test").A("mx1.test", four).Aaaa("mx1.test", six);
        Assert.Equal(status, PlanOf("a.test").Status);
    }

    [Fact]
    public void A_host_without_address_is_skipped()
    {
        _dns.Mx("a.test", "10 gone.test, 20 mx2.test").A("gone.test", "nxdomain").Aaaa("gone.test", "nxdomain").A("mx2.test", "8.8.8.2");
        Assert.Equal("20:mx2.test=8.8.8.2:25", Text(PlanOf("a.test")));
    }

    [Fact]
    public void A_host_that_DNS_did_not_answer_for_is_asked_for_again_soon()
    {
        _dns.Mx("a.test", "10 mx1.test, 20 mx2.test", 86_400).A("mx1.test", "timeout").Aaaa("mx1.test", "timeout")
            .A("mx2.test", "8.8.8.2", 86_400).Aaaa("mx2.test", "nodata", 3600);
        Plan plan = PlanOf("a.test");
        Assert.Equal("20:mx2.test=8.8.8.2:25", Text(plan));
        Assert.Equal(Router.PartialMs, plan.ExpiresMs);
    }

    [Fact]
    public void One_family_is_enough()
    {
        _dns.Mx("a.test", "10 mx1.test").A("mx1.test", "8.8.8.1").Aaaa("mx1.test", "servfail");
        Assert.Equal("10:mx1.test=8.8.8.1:25", Text(PlanOf("a.test")));
    }

    [Theory]
    [InlineData("10 relay.test", PlanStatus.Loop, "")]
    [InlineData("10 relay.test, 20 mx2.test", PlanStatus.Loop, "")]
    [InlineData("10 mx1.test, 10 relay.test", PlanStatus.Loop, "")]
    [InlineData("10 mx1.test, 20 relay.test, 20 mx2.test, 30 mx3.test", PlanStatus.Ok, "10:mx1.test=8.8.8.1:25")]
    public void Ourselves_and_hosts_that_are_not_better_are_dropped(string mx, PlanStatus status, string hosts)
    {
        _dns.Mx("a.test", mx).A("mx1.test", "8.8.8.1").A("mx2.test", "8.8.8.2").A("mx3.test", "8.8.8.3");
        Plan plan = PlanOf("a.test");
        Assert.Equal(status, plan.Status);
        Assert.Equal(hosts, Text(plan));
    }

    [Theory]
    [InlineData("0.0.0.0", 25, PlanStatus.Ok)]
    [InlineData("198.51.100.9", 25, PlanStatus.Ok)]
    [InlineData("198.51.100.7", 25, PlanStatus.Refused)]
    [InlineData("0.0.0.0", 2525, PlanStatus.Ok)]
    public void Own_addresses_count_with_the_port_that_we_listen_on(string listening, int port, PlanStatus other)
    {
        _dns.Mx("a.test", "10 x.test, 10 mx1.test, 20 mx2.test").A("mx1.test", "198.51.100.9").A("mx2.test", "8.8.8.2").A("x.test", "8.8.8.3");
        var options = new RouterOptions { Listening = [new IPEndPoint(IPAddress.Parse(listening), port)] };
        Plan plan = PlanOf("a.test", options);
        bool ourselves = port == 25 && listening != "198.51.100.7";
        Assert.Equal(ourselves ? PlanStatus.Loop : PlanStatus.Ok, plan.Status);
        Assert.NotEqual(PlanStatus.Temporary, other);
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("10.0.0.1")]
    [InlineData("0.0.0.0")]
    [InlineData("169.254.169.254")]
    public void Private_addresses_from_DNS_are_refused_unless_allowed(string address)
    {
        _dns.Mx("a.test", "10 mx1.test").A("mx1.test", address);
        Assert.Equal(PlanStatus.Refused, PlanOf("a.test").Status);
        Assert.Equal(PlanStatus.Ok, PlanOf("a.test", new RouterOptions { AllowPrivate = true }).Status);
    }

    [Fact]
    public void Public_addresses_beside_private_ones_are_used()
    {
        _dns.Mx("a.test", "10 mx1.test").A("mx1.test", "10.0.0.1, 8.8.8.8");
        Assert.Equal("10:mx1.test=8.8.8.8:25", Text(PlanOf("a.test")));
    }

    [Fact]
    public void An_address_literal_is_delivered_to_that_address()
    {
        Assert.Equal("0:8.8.8.8=8.8.8.8:25", Text(PlanOf("[8.8.8.8]")));
        Assert.Equal("0:2a00::1=[2a00::1]:25", Text(PlanOf("[ipv6:2a00::1]")));
        Assert.Equal(PlanStatus.Refused, PlanOf("[127.0.0.1]").Status);
        Assert.Empty(_dns.Asked);
    }

    [Fact]
    public void A_name_that_cannot_be_asked_for_is_never_asked_for()
    {
        Assert.Equal(PlanStatus.BadName, PlanOf("a b\u0001.test").Status);
        Assert.Equal(PlanStatus.BadName, PlanOf("?").Status);
        Assert.Equal(PlanStatus.BadName, PlanOf("").Status);
        Assert.Empty(_dns.Asked);
    }

    [Fact]
    public void Routes_lead_where_the_operator_says()
    {
        var options = new RouterOptions
        {
            RemotePort = 26,
            OwnNames = ["relay.test"],
            Listening = [new IPEndPoint(IPAddress.Loopback, 2525)],
            Rules = [.. new[] { ("lit.test", "smtp:[127.0.0.1]:2600"), ("name.test", "smtp:[inner.test]"), ("mx.test", "smtp:outer.test:587"),
                ("void.test", "discard:"), ("no.test", "error:5.7.1 not here"), ("self.test", "smtp:[127.0.0.1]:2525") }
                .Select(row => new RouteRule(row.Item1, NextHop.TryParse(row.Item2, out NextHop hop, out _) ? hop : default, TlsPolicy.None))],
        };
        _dns.A("inner.test", "10.0.0.1").Mx("outer.test", "10 mx1.test").A("mx1.test", "10.0.0.2");
        Assert.Equal("0:127.0.0.1=127.0.0.1:2600", Text(PlanOf("lit.test", options)));
        Assert.Equal("smtp:[127.0.0.1]:2600 tls=none", PlanOf("lit.test", options).SiteKey);
        Assert.Equal("0:inner.test=10.0.0.1:26", Text(PlanOf("name.test", options)));
        Assert.Equal("10:mx1.test=10.0.0.2:587", Text(PlanOf("mx.test", options)));
        Assert.Equal(PlanStatus.Discard, PlanOf("void.test", options).Status);
        Assert.Equal("5.7.1 not here", PlanOf("no.test", options).Reason);
        Assert.Equal("5.7.1 not here", Make(options).RefusalOf("u@NO.test"u8));
        Assert.Null(Make(options).RefusalOf("u@void.test"u8));
        Assert.Equal(PlanStatus.Loop, PlanOf("self.test", options).Status);
        Assert.DoesNotContain("Mx inner.test", _dns.Asked);
    }

    [Fact]
    public void A_plan_holds_as_long_as_the_shortest_answer_it_rests_on()
    {
        _dns.Mx("a.test", "10 mx1.test", 3600).A("mx1.test", "8.8.8.1", 60).Aaaa("mx1.test", "nodata", 900);
        Assert.Equal(60_000, PlanOf("a.test").ExpiresMs);
    }

    [Fact]
    public void More_MX_hosts_than_the_limit_are_cut_after_ordering()
    {
        _dns.Mx("a.test", "30 c.test, 10 a1.test, 20 b.test").A("a1.test", "8.8.8.1").A("b.test", "8.8.8.2").A("c.test", "8.8.8.3");
        Assert.Equal("10:a1.test=8.8.8.1:25 20:b.test=8.8.8.2:25", Text(PlanOf("a.test", limits: new Limits { MxHosts = 2 })));
    }

    [Fact]
    public void Rows_can_ask_for_TLS_on_the_way_through_MX()
    {
        _dns.Mx("a.test", "10 mx1.test").A("mx1.test", "8.8.8.1").Mx("b.test", "10 mx1.test");
        var options = new RouterOptions { Rules = [new RouteRule("a.test", NextHop.Mx, TlsPolicy.Verified)] };
        Assert.Equal((TlsPolicy.Verified, "mx1.test tls=verified"), (PlanOf("a.test", options).Tls, PlanOf("a.test", options).SiteKey));
        Assert.Equal((TlsPolicy.Opportunistic, "mx1.test"), (PlanOf("b.test", options).Tls, PlanOf("b.test", options).SiteKey));
    }

    [Fact]
    public void A_plan_that_does_not_work_is_logged_with_its_reason()
    {
        _dns.Mx("a.test", "null");
        PlanOf("a.test");
        Assert.Contains("event=plan destination=a.test status=null-mx reason=", Assert.Single(_output.Lines), StringComparison.Ordinal);
    }
}
