using System.Net;
using System.Text;
using FastRelay.Config;
using FastRelay.Receive;

namespace FastRelay.Tests.Receive.Admission;

public sealed class TenantPolicyTests
{
    private static readonly string s_fingerprint = new('a', 64);

    private static readonly TenantPolicy s_policy = new(
        [
            new InjectorConfig([IPNetwork.Parse("192.0.2.0/24")], false, [s_fingerprint], "net", false),
            new InjectorConfig([IPNetwork.Parse("192.0.2.0/25")], false, [], "never", true),
            new InjectorConfig([IPNetwork.Parse("2001:db8::/32")], false, [], "", true),
        ],
        "X-Tenant");

    private static string Of(TenantPolicy policy, string address, bool trusted, string? user = null, string? certificate = null, string listener = "", bool listenerHeader = false)
    {
        var client = new ReceiveClient { Address = IPAddress.Parse(address), Listener = new ListenConfig(new IPEndPoint(IPAddress.Any, 25), ListenTls.None) { Tenant = listener, TenantHeader = listenerHeader } };
        client.Start(IPEndPoint.Parse("192.0.2.1:1"), trusted, false, certificate);
        if (user is not null)
        {
            client.Authenticate(user);
        }
        Span<byte> name = stackalloc byte[Limits.TenantBytes];
        int length = policy.Of(client, name, out bool header);
        return Encoding.ASCII.GetString(name[..length]) + (header ? "+" : "");
    }

    [Fact]
    public void The_first_row_of_a_client_counts_and_else_its_listener()
    {
        Assert.Equal("net", Of(s_policy, "192.0.2.7", trusted: true, listener: "door"));
        Assert.Equal("net", Of(s_policy, "::ffff:192.0.2.7", trusted: true));
        Assert.Equal("door+", Of(s_policy, "2001:db8::1", trusted: true, listener: "door"));
        Assert.Equal("door", Of(s_policy, "198.51.100.1", trusted: true, listener: "door"));
        Assert.Equal("", Of(s_policy, "198.51.100.1", trusted: true));
        Assert.Equal("net", Of(s_policy, "198.51.100.1", trusted: false, certificate: s_fingerprint));
        Assert.Equal("+", Of(s_policy, "198.51.100.1", trusted: true, listenerHeader: true));
        Assert.Equal("", Of(s_policy, "198.51.100.1", trusted: false, listenerHeader: true));
    }

    [Fact]
    public void A_user_is_a_tenant_unless_its_row_says_otherwise()
    {
        Assert.Equal("alice@example.com", Of(s_policy, "192.0.2.7", trusted: true, user: "alice@example.com", listener: "door"));
        Assert.Equal("door", Of(s_policy, "192.0.2.7", trusted: true, user: "no tenant/name", listener: "door"));
        Assert.Equal("door", Of(s_policy, "192.0.2.7", trusted: true, user: new string('u', Limits.TenantBytes + 1), listener: "door"));
        var users = new TenantPolicy([new InjectorConfig([], true, [], "all", false)], "X-Tenant");
        Assert.Equal("all", Of(users, "192.0.2.7", trusted: false, user: "alice"));
        Assert.Equal("", Of(users, "192.0.2.7", trusted: true));
    }

    [Fact]
    public void Asking_allocates_nothing()
    {
        var client = new ReceiveClient { Address = IPAddress.Parse("192.0.2.7"), Listener = new ListenConfig(new IPEndPoint(IPAddress.Any, 25), ListenTls.None) };
        client.Start(IPEndPoint.Parse("192.0.2.7:1"), true, false, null);
        Span<byte> name = stackalloc byte[Limits.TenantBytes];
        long before = 0;
        for (int i = 0; i < 1_000; i++)
        {
            if (i == 10)
            {
                before = GC.GetAllocatedBytesForCurrentThread();
            }
            s_policy.Of(client, name, out _);
        }
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }
}
