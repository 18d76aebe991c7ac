using FastRelay.Config;
using FastRelay.Observe;
using FastRelay.Routing;
using FastRelay.Tests.Support;
using Xunit;

namespace FastRelay.Tests.Routing;

/// <summary>What <c>[[site]]</c> asks of TLS, beside what routes and <c>[deliver]</c> ask.</summary>
public class SiteTlsTests
{
    private readonly ManualLoop _loop = new();
    private readonly ScriptedResolver _dns;

    public SiteTlsTests() => _dns = new ScriptedResolver(_loop.Loop);

    private Plan PlanOf(string domain, RouterOptions options)
    {
        var output = new MemoryOutput();
        var router = new Router(TestWorld.Make(_loop, _dns, output), new Limits(), options, new Log(output, _loop.Time));
        return _loop.Wait(router.PlanAsync(router.FixedRoute(domain) ?? router.MxRoute(domain)));
    }

    private static SiteConfig Site(string match, DeliverTls? tls = null, int sessions = 0) => new(match, sessions, 0, 0) { Tls = tls };

    // Every pair of what a row and a site may say: a row that says it itself is a floor, [deliver] is not.
    public static TheoryData<TlsPolicy, DeliverTls, bool> All
    {
        get
        {
            var all = new TheoryData<TlsPolicy, DeliverTls, bool>();
            foreach (TlsPolicy route in Enum.GetValues<TlsPolicy>())
            {
                foreach (DeliverTls site in Enum.GetValues<DeliverTls>())
                {
                    all.Add(route, site, true);
                    all.Add(route, site, false);
                }
            }
            return all;
        }
    }

    [Theory]
    [MemberData(nameof(All))]
    public void A_site_may_loosen_what_deliver_says_and_only_tighten_what_a_row_says(TlsPolicy route, DeliverTls site, bool own)
    {
        _dns.Mx("a.test", "10 mx.host.test").A("mx.host.test", "8.8.8.8");
        Plan plan = PlanOf("a.test", new RouterOptions
        {
            Tls = own ? TlsPolicy.Opportunistic : route,
            Rules = own ? [new RouteRule("a.test", NextHop.Mx, route) { OwnTls = true }] : [],
            Sites = [Site("host.test", site)],
        });
        TlsPolicy said = SiteTls.Of(site);
        TlsPolicy expected = own && route > said ? route : said;
        Assert.Equal(expected, plan.Tls);
        Assert.Equal(own && route > said ? "" : "host.test", plan.TlsRule);
        Assert.Equal(expected == TlsPolicy.Opportunistic ? "mx.host.test" : $"mx.host.test tls={expected.ToString().ToLowerInvariant()}", plan.SiteKey);
    }

    [Fact]
    public void The_first_rule_that_matches_counts_with_and_without_a_word_about_TLS()
    {
        _dns.Mx("a.test", "10 mx.host.test").A("mx.host.test", "8.8.8.8");
        Plan plan = PlanOf("a.test", new RouterOptions { Sites = [Site("mx.host.test", sessions: 3), Site("host.test", DeliverTls.Verified)] });
        Assert.Equal((TlsPolicy.Opportunistic, ""), (plan.Tls, plan.TlsRule));
        plan = PlanOf("a.test", new RouterOptions { Sites = [Site("other.test", DeliverTls.None), Site("host.test", DeliverTls.Verified)] });
        Assert.Equal((TlsPolicy.Verified, "host.test"), (plan.Tls, plan.TlsRule));
    }

    [Fact]
    public void A_rule_names_a_provider_and_holds_for_hosts_that_DNS_has_no_address_for_just_now()
    {
        _dns.Mx("a.test", "10 aspmx.l.google.com").A("aspmx.l.google.com", "8.8.8.8");
        Assert.Equal(TlsPolicy.Verified, PlanOf("a.test", new RouterOptions { Sites = [Site("google.com", DeliverTls.Verified)] }).Tls);
        _dns.Mx("b.test", "10 mx.strict.test, 20 mx.other.test").A("mx.strict.test", "servfail").A("mx.other.test", "8.8.8.9");
        Plan plan = PlanOf("b.test", new RouterOptions { Sites = [Site("strict.test", DeliverTls.Verified)] });
        Assert.Equal((TlsPolicy.Verified, "mx.strict.test,mx.other.test tls=verified"), (plan.Tls, plan.SiteKey));
    }

    [Fact]
    public void A_next_hop_that_is_named_is_a_site_too_and_connections_of_another_policy_are_not_its_own()
    {
        Assert.True(NextHop.TryParse("smtp:[relay.host.test]:26", out NextHop hop, out _));
        _dns.A("relay.host.test", "8.8.8.8");
        var options = new RouterOptions { Rules = [new RouteRule("*", hop, TlsPolicy.Opportunistic)], Sites = [Site("host.test", DeliverTls.Required)] };
        Plan plan = PlanOf("a.test", options);
        Assert.Equal((TlsPolicy.Required, "smtp:[relay.host.test]:26 site-tls=required"), (plan.Tls, plan.SiteKey));
        Assert.Equal("smtp:[relay.host.test]:26", PlanOf("a.test", options with { Sites = [] }).SiteKey);
    }

    [Fact]
    public void Of_rows_that_share_connections_the_word_of_one_holds_for_all()
    {
        Assert.True(NextHop.TryParse("smtp:[relay.host.test]:26", out NextHop hop, out _));
        _dns.A("relay.host.test", "8.8.8.8");
        var options = new RouterOptions
        {
            Rules = [new RouteRule("a.test", hop, TlsPolicy.Required), new RouteRule("b.test", hop, TlsPolicy.Required) { OwnTls = true }],
            Sites = [Site("host.test", DeliverTls.None)],
        };
        Assert.Equal(TlsPolicy.Required, PlanOf("a.test", options).Tls);
        Assert.Equal(TlsPolicy.Required, PlanOf("b.test", options).Tls);
    }
}
