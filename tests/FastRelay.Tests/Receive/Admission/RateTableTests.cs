using System.Net;
using FastRelay.Receive;

namespace FastRelay.Tests.Receive.Admission;

public class RateTableTests
{
    private static readonly Limits s_limits = new() { ConnectionsPerMinute = 3, MessagesPerMinute = 60, RecipientsPerMinute = 0 };

    private static ClientKey Client(string address) => ClientKey.OfClient(IPAddress.Parse(address));

    [Fact]
    public void A_minute_holds_so_many_and_gives_them_back_one_by_one()
    {
        var table = new RateTable(s_limits);
        ClientKey client = Client("192.0.2.1");
        for (int i = 0; i < 3; i++)
        {
            Assert.True(table.TryTake(client, ClientRate.Connections, 1_000));
        }
        Assert.False(table.TryTake(client, ClientRate.Connections, 1_000));
        Assert.False(table.TryTake(client, ClientRate.Connections, 20_999));
        Assert.True(table.TryTake(client, ClientRate.Connections, 21_000));
        Assert.False(table.TryTake(client, ClientRate.Connections, 21_000));
        Assert.True(table.TryTake(client, ClientRate.Connections, 200_000));
    }

    [Fact]
    public void Rates_are_apart_and_so_are_clients()
    {
        var table = new RateTable(s_limits);
        for (int i = 0; i < 4; i++)
        {
            Assert.Equal(i < 3, table.TryTake(Client("192.0.2.1"), ClientRate.Connections, 0));
        }
        Assert.True(table.TryTake(Client("192.0.2.1"), ClientRate.Messages, 0));
        Assert.True(table.TryTake(Client("192.0.2.2"), ClientRate.Connections, 0));
        for (int i = 0; i < 10_000; i++)
        {
            Assert.True(table.TryTake(Client("192.0.2.1"), ClientRate.Recipients, 0));
        }
    }

    [Fact]
    public void A_crowd_makes_nobody_forgotten_and_is_not_refused_for_being_one()
    {
        var table = new RateTable(s_limits, clientsMax: 4);
        for (int i = 0; i < 3; i++)
        {
            table.TryTake(Client("192.0.2.1"), ClientRate.Connections, 0);
        }
        for (int i = 0; i < 1_000; i++)
        {
            // Each of them is new, and the table has no room for it.
            Assert.True(table.TryTake(Client($"198.51.{i / 250}.{i % 250}"), ClientRate.Connections, i));
            Assert.InRange(table.Count, 1, 4);
        }
        Assert.False(table.TryTake(Client("192.0.2.1"), ClientRate.Connections, 1_000));
        // Once their buckets are full they are forgotten, and newcomers are known again.
        for (int i = 0; i < 3; i++)
        {
            Assert.True(table.TryTake(Client("203.0.113.1"), ClientRate.Connections, 300_000));
        }
        Assert.False(table.TryTake(Client("203.0.113.1"), ClientRate.Connections, 300_000));
        Assert.Equal(1, table.Count);
    }

    [Theory]
    [InlineData("192.0.2.1", "192.0.2.1", true, true)]
    [InlineData("192.0.2.1", "::ffff:192.0.2.1", true, true)]
    [InlineData("192.0.2.1", "192.0.2.254", false, true)]
    [InlineData("192.0.2.1", "192.0.3.1", false, false)]
    [InlineData("2001:db8::1", "2001:db8::ffff:1", true, true)]
    [InlineData("2001:db8::1", "2001:db8:0:1::1", false, false)]
    [InlineData("::192.0.2.1", "192.0.2.1", false, false)]
    public void A_client_of_IPv6_is_a_network_of_64_bits(string one, string other, bool same, bool sameNetwork)
    {
        Assert.Equal(same, Client(one) == Client(other));
        Assert.Equal(sameNetwork, ClientKey.OfNetwork(IPAddress.Parse(one)) == ClientKey.OfNetwork(IPAddress.Parse(other)));
    }

    [Fact]
    public void Taking_allocates_nothing_once_a_client_is_known()
    {
        var table = new RateTable(new Limits());
        ClientKey client = Client("192.0.2.1");
        long before = 0;
        for (int i = 0; i < 2_000; i++)
        {
            if (i == 1_000)
            {
                before = GC.GetAllocatedBytesForCurrentThread();
            }
            table.TryTake(client, ClientRate.Messages, i);
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
