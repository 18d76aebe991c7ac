using FastRelay.Routing;
using Xunit;

namespace FastRelay.Tests.Routing;

public class RouteTableTests
{
    private static RouteRule Rule(string pattern, string to, TlsPolicy tls = TlsPolicy.Opportunistic)
    {
        Assert.True(NextHop.TryParse(to, out NextHop hop, out string error), error);
        return new RouteRule(pattern, hop, tls);
    }

    [Theory]
    [InlineData("sink.test", 0)]
    [InlineData("a.sink.test", -1)]
    [InlineData("example.com", -1)]
    [InlineData("mail.example.com", 1)]
    [InlineData("a.b.c.example.com", 1)]
    [InlineData("special.example.com", 1)]
    [InlineData("x.deep.example.org", 3)]
    [InlineData("deep.example.org", 4)]
    [InlineData("notexample.com", -1)]
    [InlineData("", -1)]
    [InlineData("[192.0.2.1]", 5)]
    public void The_first_row_that_matches_wins(string domain, int row)
    {
        var table = new RouteTable(
        [
            Rule("Sink.Test", "discard:"),
            Rule(".Example.com", "discard:"),
            Rule("special.example.com", "smtp:[10.0.0.1]"),
            Rule(".deep.example.org", "discard:"),
            Rule(".example.org", "discard:"),
            Rule("[192.0.2.1]", "discard:"),
        ]);
        Assert.Equal(row, table.Match(domain));
    }

    [Fact]
    public void A_star_matches_all_that_no_earlier_row_took()
    {
        var table = new RouteTable([Rule("a.test", "discard:"), Rule("*", "smtp:[10.0.0.1]"), Rule("b.test", "discard:")]);
        Assert.Equal(0, table.Match("a.test"));
        Assert.Equal(1, table.Match("b.test"));
        Assert.Equal(1, table.Match("[192.0.2.1]"));
    }

    [Fact]
    public void Rows_with_the_same_next_hop_and_policy_are_one_route()
    {
        var table = new RouteTable(
        [
            Rule("a.test", "smtp:[10.0.0.1]:26"),
            Rule("b.test", "smtp:[10.0.0.1]:26"),
            Rule("c.test", "smtp:[10.0.0.1]:26", TlsPolicy.Required),
            Rule("d.test", "mx:", TlsPolicy.Verified),
        ]);
        Assert.Same(table.FixedRoute(0), table.FixedRoute(1));
        Assert.NotSame(table.FixedRoute(0), table.FixedRoute(2));
        Assert.Equal("smtp:[10.0.0.1]:26", table.FixedRoute(0)!.Key);
        Assert.Equal("smtp:[10.0.0.1]:26 tls=required", table.FixedRoute(2)!.Key);
        Assert.Null(table.FixedRoute(3));
    }

    [Fact]
    public void Matching_allocates_nothing()
    {
        var table = new RouteTable([Rule("a.test", "discard:"), Rule(".b.test", "discard:"), Rule("*", "mx:")]);
        int sum = table.Match("x.y.z.b.test");
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
        {
            sum += table.Match("x.y.z.b.test") + table.Match("a.test");
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.True(sum > 0);
    }
}
