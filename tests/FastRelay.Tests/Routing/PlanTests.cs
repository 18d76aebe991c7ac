using System.Net;
using FastRelay.Routing;
using Xunit;

namespace FastRelay.Tests.Routing;

public class PlanTests
{
    private static PlanHost Host(ushort preference, string name, params string[] addresses) =>
        new(preference, name, [.. addresses.Select(address => new IPEndPoint(IPAddress.Parse(address), 25))]);

    private static Plan Ok(params PlanHost[] hosts) =>
        new(new Route("k", "", NextHop.Mx, TlsPolicy.Opportunistic), PlanStatus.Ok, SiteNames.Of(hosts, TlsPolicy.Opportunistic), SiteNames.ProviderOf(hosts, []), hosts, 1000, "");

    private static string[] Order(Plan plan, int seed, int room = 5)
    {
        var into = new PlanAddress[room];
        int count = plan.Order(new Random(seed), into);
        return [.. into.Take(count).Select(address => $"{address.Host.Name} {address.EndPoint.Address}")];
    }

    [Fact]
    public void Equal_preferences_are_spread_and_better_ones_stay_first()
    {
        Plan plan = Ok(Host(5, "first", "1.1.1.1"), Host(10, "a", "1.1.1.2"), Host(10, "b", "1.1.1.3"), Host(10, "c", "1.1.1.4"), Host(20, "last", "1.1.1.5"));
        var second = new Dictionary<string, int>();
        for (int seed = 0; seed < 600; seed++)
        {
            string[] order = Order(plan, seed);
            Assert.Equal("first 1.1.1.1", order[0]);
            Assert.Equal("last 1.1.1.5", order[4]);
            second[order[1]] = second.GetValueOrDefault(order[1]) + 1;
        }
        Assert.Equal(3, second.Count);
        Assert.All(second.Values, times => Assert.InRange(times, 120, 280));
    }

    [Theory]
    [InlineData(false, "1.1.1.1", "1.1.1.2", "2a00::1", "2a00::2")]
    [InlineData(true, "2a00::1", "2a00::2", "1.1.1.1", "1.1.1.2")]
    public void The_family_that_stands_first_is_tried_first_within_a_host(bool six, params string[] addresses)
    {
        Plan plan = Ok(Host(5, "a", addresses));
        var first = new HashSet<string>();
        for (int seed = 0; seed < 50; seed++)
        {
            string[] order = Order(plan, seed);
            Assert.Equal(4, order.Length);
            Assert.All(order[..2], address => Assert.Equal(six, address.Contains(':', StringComparison.Ordinal)));
            Assert.All(order[2..], address => Assert.NotEqual(six, address.Contains(':', StringComparison.Ordinal)));
            first.Add(order[0]);
        }
        Assert.Equal(2, first.Count);
    }

    [Fact]
    public void A_host_with_many_addresses_leaves_room_for_the_next_host()
    {
        Plan plan = Ok(Host(5, "a", "1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4", "1.1.1.5", "1.1.1.6"), Host(10, "b", "1.1.2.1"));
        string[] order = Order(plan, 1);
        Assert.Equal(5, order.Length);
        Assert.Equal("b 1.1.2.1", order[4]);
    }

    [Fact]
    public void More_hosts_than_room_are_cut_from_the_end()
    {
        Plan plan = Ok([.. Enumerable.Range(1, 9).Select(i => Host((ushort)i, $"h{i}", $"1.1.1.{i}"))]);
        Assert.Equal(["h1 1.1.1.1", "h2 1.1.1.2", "h3 1.1.1.3"], Order(plan, 1, 3));
    }

    [Fact]
    public void Ordering_allocates_nothing()
    {
        Plan plan = Ok(Host(5, "a", "1.1.1.1", "2a00::1"), Host(5, "b", "1.1.1.2"));
        var random = new Random(1);
        var into = new PlanAddress[5];
        plan.Order(random, into);
        long before = GC.GetAllocatedBytesForCurrentThread();
        int sum = 0;
        for (int i = 0; i < 1000; i++)
        {
            sum += plan.Order(random, into);
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(3000, sum);
    }

    [Fact]
    public void The_same_hosts_in_the_same_order_are_one_site()
    {
        Assert.Equal("a|b,c", SiteNames.Of([Host(10, "b", "1.1.1.1"), Host(10, "a", "1.1.1.1"), Host(20, "c", "1.1.1.1")], TlsPolicy.Opportunistic));
        Assert.Equal("a|b,c", SiteNames.Of([Host(1, "a", "1.1.1.1"), Host(1, "b", "1.1.1.1"), Host(7, "c", "1.1.1.1")], TlsPolicy.Opportunistic));
        Assert.Equal("a,b,c", SiteNames.Of([Host(1, "a", "1.1.1.1"), Host(2, "b", "1.1.1.1"), Host(7, "c", "1.1.1.1")], TlsPolicy.Opportunistic));
        Assert.Equal("a tls=required", SiteNames.Of([Host(1, "a", "1.1.1.1")], TlsPolicy.Required));
    }

    [Fact]
    public void A_long_set_of_hosts_has_a_short_name_that_tells_it_from_others()
    {
        PlanHost[] hosts = [.. Enumerable.Range(1, 20).Select(i => Host((ushort)i, $"a-rather-long-name-{i}.example.test", "1.1.1.1"))];
        string name = SiteNames.Of(hosts, TlsPolicy.Opportunistic);
        Assert.True(name.Length <= 128);
        Assert.NotEqual(name, SiteNames.Of(hosts.AsSpan(0, 19), TlsPolicy.Opportunistic));
        Assert.Equal(name, SiteNames.Of(hosts, TlsPolicy.Opportunistic));
    }

    [Theory]
    [InlineData("google.com", "aspmx.l.google.com", "alt1.aspmx.l.google.com")]
    [InlineData("google.com", "gmail-smtp-in.l.google.com")]
    [InlineData("outlook.com", "contoso-com.mail.protection.outlook.com")]
    [InlineData("yahoodns.net", "mta5.am0.yahoodns.net", "mta6.am0.yahoodns.net")]
    [InlineData("pphosted.com", "mx0a-1.pphosted.com", "mx0b-1.pphosted.com")]
    [InlineData(null, "notgoogle.com")]
    [InlineData(null, "aspmx.l.google.com", "mx.example.org")]
    [InlineData(null, "a.pphosted.com", "b.mimecast.com")]
    public void Hosts_of_a_large_provider_are_known_as_one(string? provider, params string[] hosts) =>
        Assert.Equal(provider, SiteNames.ProviderOf([.. hosts.Select(host => Host(1, host, "1.1.1.1"))], []));
}
