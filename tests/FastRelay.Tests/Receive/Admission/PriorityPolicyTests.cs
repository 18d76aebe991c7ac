using System.Net;
using FastRelay.Config;
using FastRelay.Receive;

namespace FastRelay.Tests.Receive.Admission;

public sealed class PriorityPolicyTests
{
    private static readonly TenantPolicy s_policy = new(
        [
            new InjectorConfig([IPNetwork.Parse("192.0.2.0/24")], false, [], "", false) { Priority = MailPriority.High },
            new InjectorConfig([IPNetwork.Parse("2001:db8::/32")], false, [], "", false) { PriorityHeader = true },
        ],
        "X-Tenant",
        "X-Priority",
        [new TenantConfig("bulk", 1, 0) { Priority = MailPriority.Low }, new TenantConfig("", 1, 0) { Priority = MailPriority.High }, new TenantConfig("plain", 1, 0)]);

    private static string Of(string address, bool trusted, MailPriority? listener = null, bool listenerHeader = false)
    {
        var client = new ReceiveClient { Address = IPAddress.Parse(address), Listener = new ListenConfig(new IPEndPoint(IPAddress.Any, 25), ListenTls.None) { Priority = listener, PriorityHeader = listenerHeader } };
        client.Start(IPEndPoint.Parse("192.0.2.1:1"), trusted, false, null);
        return s_policy.PriorityOf(client, out bool header)?.Word() + (header ? "+" : "");
    }

    [Fact]
    public void The_row_counts_and_else_the_listener()
    {
        Assert.Equal("high", Of("192.0.2.7", trusted: true, MailPriority.Low));
        Assert.Equal("low+", Of("2001:db8::1", trusted: true, MailPriority.Low));
        Assert.Equal("low", Of("198.51.100.1", trusted: true, MailPriority.Low));
        Assert.Equal("", Of("198.51.100.1", trusted: true));
        Assert.Equal("+", Of("198.51.100.1", trusted: true, null, listenerHeader: true));
        Assert.Equal("", Of("198.51.100.1", trusted: false, null, listenerHeader: true));
    }

    [Theory]
    [InlineData("bulk", MailPriority.Low)]
    [InlineData("", MailPriority.High)]
    [InlineData("plain", MailPriority.Normal)]
    [InlineData("BULK", MailPriority.Normal)]
    public void Tenants_have_a_priority_of_their_own(string tenant, MailPriority expected) =>
        Assert.Equal(expected, s_policy.PriorityOf(System.Text.Encoding.ASCII.GetBytes(tenant)));

    [Theory]
    [InlineData("high", MailPriority.High, true)]
    [InlineData("LOW", MailPriority.Low, true)]
    [InlineData("Normal", MailPriority.Normal, true)]
    [InlineData("highest", MailPriority.Normal, false)]
    [InlineData("", MailPriority.Normal, false)]
    public void Words_are_read_in_any_case(string word, MailPriority expected, bool known)
    {
        Assert.Equal(known, MailPriorities.TryParse(System.Text.Encoding.ASCII.GetBytes(word), out MailPriority priority));
        Assert.Equal(expected, priority);
    }
}
