using System.Net;
using System.Text;
using FastRelay.Receive;

namespace FastRelay.Tests.Receive.Admission;

public class ClientTableTests
{
    private static readonly Limits s_limits = new() { ReceiveSessionsPerAddress = 2, ReceiveSessionsPerNetwork = 3, ConnectionsPerMinute = 5, MessagesPerMinute = 1, RecipientsPerMinute = 2 };

    private static readonly IPNetwork s_ours = IPNetwork.Parse("10.0.0.0/8");
    private static readonly IPNetwork s_rated = IPNetwork.Parse("10.9.0.0/16");

    private readonly ClientTable _table = new(new ReceiveOptions("relay.test"u8.ToArray(), new RelayPolicy([s_ours, s_rated], []), s_limits) { Rated = [s_rated] });

    private string Enter(string address, long nowMs = 0) => _table.Enter(IPAddress.Parse(address), nowMs) is { } told ? Encoding.ASCII.GetString(told) : "";

    [Fact]
    public void An_address_and_a_network_hold_so_many_sessions()
    {
        Assert.Equal("", Enter("192.0.2.1"));
        Assert.Equal("", Enter("192.0.2.1"));
        Assert.StartsWith("421 4.7.0 Too many connections, ", Enter("192.0.2.1"));
        Assert.Equal("", Enter("192.0.2.2"));
        Assert.StartsWith("421 4.7.0 Too many connections, ", Enter("192.0.2.3"));
        Assert.Equal("", Enter("192.0.3.1"));
        _table.Leave(IPAddress.Parse("192.0.2.1"));
        Assert.Equal("", Enter("192.0.2.3"));
    }

    [Fact]
    public void The_last_tenth_of_all_sessions_is_for_this_host_and_those_who_may_relay()
    {
        var table = new ClientTable(new ReceiveOptions("relay.test"u8.ToArray(), new RelayPolicy([s_ours], []), new Limits { ReceiveSessions = 20 }));
        IPAddress stranger = IPAddress.Parse("192.0.2.1");
        Assert.Null(table.Enter(stranger, 0, others: 17));
        Assert.StartsWith("421 4.7.0", Encoding.ASCII.GetString(table.Enter(stranger, 0, others: 18)!));
        Assert.Null(table.Enter(IPAddress.Parse("10.0.0.1"), 0, others: 19));
        Assert.Null(table.Enter(IPAddress.Loopback, 0, others: 19));
        // A proxy's address says nothing of a client that it cannot name.
        Assert.NotNull(table.Enter(IPAddress.Loopback, 0, others: 18, known: false));
        Assert.Null(table.Enter(IPAddress.Loopback, 0, others: 17, known: false));
        table.Options = table.Options with { Limits = new Limits { ReceiveSessions = 9 } };
        Assert.Null(table.Enter(stranger, 0, others: 8));
    }

    [Fact]
    public void An_IPv6_network_of_64_bits_is_one_client_for_its_sessions_and_its_rate()
    {
        for (int i = 1; i <= 3; i++)
        {
            Assert.Equal("", Enter($"2001:db8::{i}"));
        }
        Assert.StartsWith("421 4.7.0 Too many connections, ", Enter("2001:db8::4"));
        for (int i = 1; i <= 3; i++)
        {
            _table.Leave(IPAddress.Parse($"2001:db8::{i}"));
        }
        Assert.Equal("", Enter("2001:db8::5"));
        Assert.Equal("", Enter("2001:db8::6"));
        Assert.StartsWith("421 4.7.0 Too many connections lately", Enter("2001:db8::7"));
        Assert.Equal("", Enter("2001:db8::7", 12_000));
    }

    [Fact]
    public void Networks_that_relay_are_counted_by_address_alone_unless_they_are_to_be_rated()
    {
        for (int i = 1; i <= 9; i++)
        {
            Assert.Equal("", Enter($"10.0.0.{i}"));
            Assert.True(_table.MayGoOn(IPAddress.Parse("10.0.0.1"), ClientRate.Messages, 0));
        }
        Assert.Equal("", Enter("10.0.0.1"));
        Assert.StartsWith("421 4.7.0", Enter("10.0.0.1"));
        Assert.True(_table.MayGoOn(IPAddress.Parse("10.9.0.1"), ClientRate.Messages, 0));
        Assert.False(_table.MayGoOn(IPAddress.Parse("10.9.0.1"), ClientRate.Messages, 0));
    }

    [Fact]
    public void The_narrowest_network_of_a_client_says_whether_it_is_rated()
    {
        IPNetwork own = IPNetwork.Parse("10.9.1.0/24");
        var table = new ClientTable(new ReceiveOptions("relay.test"u8.ToArray(), new RelayPolicy([s_ours, s_rated, own], []), s_limits) { Rated = [s_rated] });
        for (int i = 0; i < 3; i++)
        {
            Assert.True(table.MayGoOn(IPAddress.Parse("10.9.1.1"), ClientRate.Messages, 0));
            Assert.True(table.MayGoOn(IPAddress.Parse("::ffff:10.9.1.1"), ClientRate.Messages, 0));
        }
        Assert.True(table.MayGoOn(IPAddress.Parse("10.9.2.1"), ClientRate.Messages, 0));
        Assert.False(table.MayGoOn(IPAddress.Parse("10.9.2.1"), ClientRate.Messages, 0));
    }

    [Fact]
    public void This_host_is_held_to_nothing_but_clients_that_a_proxy_here_cannot_name_are()
    {
        for (int i = 0; i < 20; i++)
        {
            Assert.Equal("", Enter("127.0.0.1"));
            Assert.Equal("", Enter("::1"));
            Assert.True(_table.MayGoOn(IPAddress.Loopback, ClientRate.Messages, 0));
        }
        Assert.NotNull(_table.Enter(IPAddress.Loopback, 0, known: false));
        Assert.True(_table.MayGoOn(IPAddress.Loopback, ClientRate.Messages, 0, known: false));
        Assert.False(_table.MayGoOn(IPAddress.Loopback, ClientRate.Messages, 0, known: false));
        for (int i = 0; i < 20; i++)
        {
            _table.Leave(IPAddress.Loopback);
        }
        Assert.Null(_table.Enter(IPAddress.Loopback, 0, known: false));
        Assert.Null(_table.Enter(IPAddress.Loopback, 0, known: false));
        Assert.NotNull(_table.Enter(IPAddress.Loopback, 0, known: false));
    }

    [Fact]
    public void Who_left_may_come_again_as_often_as_the_rate_allows()
    {
        for (int i = 0; i < 5; i++)
        {
            Assert.Equal("", Enter("192.0.2.1"));
            _table.Leave(IPAddress.Parse("192.0.2.1"));
        }
        Assert.StartsWith("421 4.7.0 Too many connections lately", Enter("192.0.2.1"));
        Assert.Equal("", Enter("192.0.2.1", 60_000));
    }
}
