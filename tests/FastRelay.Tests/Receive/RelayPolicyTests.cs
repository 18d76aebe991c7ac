using System.Net;
using System.Text;
using FastRelay.Receive;

namespace FastRelay.Tests.Receive;

public class RelayPolicyTests
{
    [Theory]
    [InlineData("127.0.0.1", true)]
    [InlineData("127.255.255.254", true)]
    [InlineData("::1", true)]
    [InlineData("::ffff:127.0.0.1", true)]
    [InlineData("128.0.0.1", false)]
    [InlineData("::ffff:10.0.0.1", false)]
    [InlineData("::2", false)]
    [InlineData("0.0.0.0", false)]
    public void By_default_only_loopback_may_relay(string client, bool trusted) =>
        Assert.Equal(trusted, RelayPolicy.Loopback.Trusts(IPAddress.Parse(client)));

    [Theory]
    [InlineData("user", "here.test", true)]
    [InlineData("user", "HERE.Test", true)]
    [InlineData("user", "sub.here.test", false)]
    [InlineData("user", "a.below.test", true)]
    [InlineData("user", "below.test", false)]
    [InlineData("user", "notbelow.test", false)]
    [InlineData("user%there.test", "here.test", false)]
    [InlineData("there.test!user", "here.test", false)]
    [InlineData("\"user@there.test\"", "here.test", false)]
    [InlineData("user", "here.test.evil.test", false)]
    [InlineData("user", "", false)]
    public void Anybody_may_send_to_a_listed_domain_and_to_no_other(string local, string domain, bool accepted)
    {
        var policy = new RelayPolicy([], ["here.test", ".below.test"]);
        Assert.Equal(accepted, policy.AcceptsFromAnyone(Encoding.ASCII.GetBytes(local), Encoding.ASCII.GetBytes(domain)));
    }
}
