using FastRelay.Routing;
using Xunit;

namespace FastRelay.Tests.Routing;

public class NextHopTests
{
    [Theory]
    [InlineData("mx:", NextHopKind.Mx, "", 0, true)]
    [InlineData("smtp:relay.example", NextHopKind.Smtp, "relay.example", 0, true)]
    [InlineData("smtp:Relay.Example.:587", NextHopKind.Smtp, "relay.example", 587, true)]
    [InlineData("smtp:[relay.example]:587", NextHopKind.Smtp, "relay.example", 587, false)]
    [InlineData("smtp:[relay.example]", NextHopKind.Smtp, "relay.example", 0, false)]
    [InlineData("smtp:[127.0.0.1]:2600", NextHopKind.Smtp, "127.0.0.1", 2600, false)]
    [InlineData("smtp:127.0.0.1:2600", NextHopKind.Smtp, "127.0.0.1", 2600, false)]
    [InlineData("smtp:[::1]:25", NextHopKind.Smtp, "::1", 25, false)]
    [InlineData("smtp:[IPv6:2001:db8::1]", NextHopKind.Smtp, "2001:db8::1", 0, false)]
    [InlineData("discard:", NextHopKind.Discard, "", 0, false)]
    public void A_next_hop_is_read(string text, NextHopKind kind, string host, int port, bool lookup)
    {
        Assert.True(NextHop.TryParse(text, out NextHop hop, out string error), error);
        Assert.Equal(new NextHop(kind, host, port, lookup, ""), hop);
        Assert.Equal("", error);
    }

    [Theory]
    [InlineData("error:5.1.2 no such system", "5.1.2 no such system")]
    [InlineData("error:5.7.1", "5.7.1 refused by the operator's route")]
    public void An_error_route_keeps_its_text(string text, string kept)
    {
        Assert.True(NextHop.TryParse(text, out NextHop hop, out _));
        Assert.Equal(NextHopKind.Error, hop.Kind);
        Assert.Equal(kept, hop.ErrorText);
    }

    [Theory]
    [InlineData("")]
    [InlineData("lmtp:host")]
    [InlineData("smtp:")]
    [InlineData("smtp:[")]
    [InlineData("smtp:[127.0.0.1")]
    [InlineData("smtp:[127.0.0.1]:")]
    [InlineData("smtp:[127.0.0.1]x")]
    [InlineData("smtp:host:0")]
    [InlineData("smtp:host:65536")]
    [InlineData("smtp:host:-1")]
    [InlineData("smtp:host:25x")]
    [InlineData("smtp:ho st")]
    [InlineData("smtp:::1:25")]
    [InlineData("discard:x")]
    [InlineData("mx:x")]
    [InlineData("error:")]
    [InlineData("error:4.1.1 later")]
    [InlineData("error:5.1 text")]
    [InlineData("error:5.1.2.3 text")]
    [InlineData("error:5.1.2 te\r\nxt")]
    public void What_is_no_next_hop_is_refused_with_a_reason(string text)
    {
        Assert.False(NextHop.TryParse(text, out _, out string error));
        Assert.NotEqual("", error);
    }

    [Theory]
    [InlineData("mx:")]
    [InlineData("smtp:relay.example:587")]
    [InlineData("smtp:[relay.example]:587")]
    [InlineData("smtp:[127.0.0.1]:2600")]
    [InlineData("smtp:[::1]:25")]
    [InlineData("discard:")]
    [InlineData("error:5.1.2 no such system")]
    public void The_text_of_a_next_hop_reads_back_the_same(string text)
    {
        Assert.True(NextHop.TryParse(text, out NextHop hop, out _));
        Assert.Equal(text, hop.ToString());
        Assert.True(NextHop.TryParse(hop.ToString(), out NextHop again, out _));
        Assert.Equal(hop, again);
    }

    [Fact]
    public void Who_means_the_MX_hosts_of_another_domain_is_told_how_to_say_it()
    {
        Assert.False(NextHop.TryParse("mx:other.example", out _, out string error));
        Assert.EndsWith("the MX hosts of another one are \"smtp:other.example\"", error);
        Assert.True(NextHop.TryParse("smtp:other.example", out NextHop hop, out _));
        Assert.Equal((NextHopKind.Smtp, "other.example", true), (hop.Kind, hop.Host, hop.LookupMx));
    }
}
