using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using FastRelay.Outside;
using FastRelay.Outside.Linux;

namespace FastRelay.Tests.Outside;

/// <summary>What the resolver takes for an answer, and which server it asks.</summary>
public sealed class ResolverServersTests
{
    // Far longer than an answer takes on a busy machine.
    private const int PatienceMs = 20_000;

    // Where one server is silent and another has to answer in time.
    private const int TimeoutMs = 3_000;

    private static readonly Func<TestDnsMessage, TestDnsMessage?> s_silent = static _ => null;

    [Fact]
    public void What_comes_from_another_port_or_answers_something_else_is_passed_over()
    {
        using var rig = new LinuxLinkRig();
        using var server = new TestDnsServer(message => message.A("example.org", 5, "192.0.2.1"))
        {
            Elsewhere = query => [Forged(query)],
            Before = query =>
            [
                Forged(query).Id(id => id ^ 1),
                Forged(query).Question("example.net"),
                Forged(query).QuestionType(28),
                Forged(query).QuestionClass(3),
                Forged(query).NoQuestion(),
            ],
        };
        var resolver = new LinuxResolver(rig.Loop, [server.EndPoint], PatienceMs);
        DnsAnswer answer = rig.Run(resolver.QueryAsync("Example.ORG", DnsType.A));
        Assert.Equal(["192.0.2.1"], answer.Addresses.Select(address => address.ToString()));
        // Those from another port never reached us: the socket is connected.
        Assert.Equal(5, resolver.Ignored);
    }

    [Fact]
    public void Forged_datagrams_alone_are_a_timeout_and_not_a_failure()
    {
        using var rig = new LinuxLinkRig();
        using var server = new TestDnsServer(s_silent) { Elsewhere = query => [Forged(query)], Before = query => [Forged(query).Id(id => id + 1).Code(2)] };
        var resolver = new LinuxResolver(rig.Loop, [server.EndPoint], 1_000);
        Assert.Equal(DnsStatus.Timeout, rig.Run(resolver.QueryAsync("example.org", DnsType.A)).Status);
        Assert.Equal(2, resolver.Ignored);
    }

    [Fact]
    public void An_error_without_the_question_is_an_answer()
    {
        using var rig = new LinuxLinkRig();
        using var server = new TestDnsServer(message => message.Code(1).NoQuestion());
        var resolver = new LinuxResolver(rig.Loop, [server.EndPoint], PatienceMs);
        Assert.Equal(DnsStatus.ServFail, rig.Run(resolver.QueryAsync("example.org", DnsType.A)).Status);
    }

    [Fact]
    public void Each_query_has_a_number_and_a_port_of_its_own_and_asks_for_no_more_than_paths_carry()
    {
        using var rig = new LinuxLinkRig();
        var ids = new ConcurrentBag<int>();
        var sizes = new ConcurrentBag<int>();
        using var server = new TestDnsServer(message =>
        {
            ids.Add(message.QueryId);
            sizes.Add(message.EdnsBytes);
            return message.A("example.org", 5, "192.0.2.1");
        });
        var resolver = new LinuxResolver(rig.Loop, [server.EndPoint], PatienceMs);
        for (int i = 0; i < 50; i++)
        {
            Assert.Equal(DnsStatus.Ok, rig.Run(resolver.QueryAsync("example.org", DnsType.A)).Status);
        }
        Assert.All(sizes, size => Assert.Equal(1_232, size));
        Assert.InRange(ids.Distinct().Count(), 45, 50);
        Assert.InRange(server.Ports.Distinct().Count(), 40, 50);
    }

    [Fact]
    public void A_server_that_is_silent_costs_one_timeout_and_is_then_asked_last()
    {
        using var rig = new LinuxLinkRig();
        int asked = 0;
        using var dead = new TestDnsServer(_ =>
        {
            Interlocked.Increment(ref asked);
            return null;
        });
        using var server = new TestDnsServer(message => message.A("example.org", 5, "192.0.2.1"));
        var resolver = new LinuxResolver(rig.Loop, [dead.EndPoint, server.EndPoint], TimeoutMs);
        var watch = Stopwatch.StartNew();
        for (int i = 0; i < 5; i++)
        {
            Assert.Equal(DnsStatus.Ok, rig.Run(resolver.QueryAsync("example.org", DnsType.A)).Status);
        }
        Assert.Equal(1, asked);
        // Asked twice each time it would have been ten timeouts.
        Assert.InRange(watch.ElapsedMilliseconds, TimeoutMs - 50, 3 * TimeoutMs);
    }

    [Fact]
    public void When_its_time_is_over_a_server_is_tried_again_and_comes_first_once_it_answers()
    {
        using var rig = new LinuxLinkRig();
        bool silent = true;
        int asked = 0;
        using var first = new TestDnsServer(message =>
        {
            Interlocked.Increment(ref asked);
            return Volatile.Read(ref silent) ? null : message.A("example.org", 5, "192.0.2.1");
        });
        using var second = new TestDnsServer(message => message.A("example.org", 5, "192.0.2.2"));
        var resolver = new LinuxResolver(rig.Loop, [first.EndPoint, second.EndPoint], TimeoutMs) { SilentMs = 1 };
        Assert.Equal("192.0.2.2", Ask());
        Thread.Sleep(20);
        Volatile.Write(ref silent, false);
        Assert.Equal("192.0.2.1", Ask());
        Assert.Equal("192.0.2.1", Ask());
        Assert.Equal(3, asked);

        string Ask() => rig.Run(resolver.QueryAsync("example.org", DnsType.A)).Addresses[0].ToString();
    }

    [Fact]
    public void Only_one_query_finds_out_whether_a_silent_server_is_back()
    {
        IPEndPoint[] all = [.. Enumerable.Range(1, 4).Select(i => new IPEndPoint(IPAddress.Loopback, i))];
        var servers = new DnsServers(all, 500, 30_000);
        Assert.Equal([0, 1, 2], servers.Order(0));
        servers.Silent(1, 100);
        servers.Silent(0, 200);
        Assert.Equal([2, 3, 1], servers.Order(300));
        Assert.Equal([2, 3, 1], servers.Order(30_099));
        Assert.Equal([1, 2, 3], servers.Order(30_100));
        Assert.Equal([2, 3, 0], servers.Order(30_101));
        Assert.Equal([0, 2, 3], servers.Order(30_200));
        servers.Answered(1);
        Assert.Equal([1, 2, 3], servers.Order(30_201));
        servers.Answered(0);
        Assert.Equal([0, 1, 2], servers.Order(30_202));
        Assert.Equal([0, 0], new DnsServers(all[..1], 500, 30_000).Order(0));
    }

    [Theory]
    [InlineData(1, 2)]
    [InlineData(2, 2)]
    [InlineData(5, 3)]
    public void Whoever_is_silent_a_query_ends_after_so_many_tries(int count, int tries)
    {
        using var rig = new LinuxLinkRig();
        int asked = 0;
        TestDnsServer[] servers = [.. Enumerable.Range(0, count).Select(_ => new TestDnsServer(_ =>
        {
            Interlocked.Increment(ref asked);
            return null;
        }))];
        var resolver = new LinuxResolver(rig.Loop, [.. servers.Select(server => server.EndPoint)], 300);
        var watch = Stopwatch.StartNew();
        Assert.Equal(DnsStatus.Timeout, rig.Run(resolver.QueryAsync("example.org", DnsType.A)).Status);
        Assert.InRange(watch.ElapsedMilliseconds, (tries * 300) - 50, (tries * 300) + 10_000);
        Assert.Equal(tries, asked);
        Assert.True(tries <= DnsServers.TriesMax);
        Array.ForEach(servers, server => server.Dispose());
    }

    [Theory]
    [InlineData(2, true)]
    [InlineData(5, true)]
    [InlineData(3, false)]
    [InlineData(0, false)]
    public void An_error_is_asked_of_the_next_server_and_a_denial_is_an_answer(int code, bool next)
    {
        using var rig = new LinuxLinkRig();
        int asked = 0;
        using var first = new TestDnsServer(message => message.Code(code).Soa("example.org", 60, 60));
        using var second = new TestDnsServer(message =>
        {
            Interlocked.Increment(ref asked);
            return message.A("example.org", 5, "192.0.2.1");
        });
        var resolver = new LinuxResolver(rig.Loop, [first.EndPoint, second.EndPoint], PatienceMs);
        DnsStatus status = rig.Run(resolver.QueryAsync("example.org", DnsType.A)).Status;
        Assert.Equal(next ? DnsStatus.Ok : code == 3 ? DnsStatus.NxDomain : DnsStatus.NoData, status);
        Assert.Equal(next ? 1 : 0, asked);
    }

    [Fact]
    public void An_error_counts_more_than_silence_and_one_server_is_not_asked_for_it_twice()
    {
        using var rig = new LinuxLinkRig();
        int asked = 0;
        using var failing = new TestDnsServer(message =>
        {
            Interlocked.Increment(ref asked);
            return message.Code(2);
        });
        using var dead = new TestDnsServer(s_silent);
        Assert.Equal(DnsStatus.ServFail, rig.Run(new LinuxResolver(rig.Loop, [failing.EndPoint, dead.EndPoint], TimeoutMs).QueryAsync("example.org", DnsType.A)).Status);
        Assert.Equal(DnsStatus.ServFail, rig.Run(new LinuxResolver(rig.Loop, [dead.EndPoint, failing.EndPoint], TimeoutMs).QueryAsync("example.org", DnsType.A)).Status);
        Assert.Equal(DnsStatus.ServFail, rig.Run(new LinuxResolver(rig.Loop, [failing.EndPoint], PatienceMs).QueryAsync("example.org", DnsType.A)).Status);
        Assert.Equal(3, asked);
    }

    [Fact]
    public void A_truncated_answer_without_TCP_is_for_the_next_server()
    {
        using var rig = new LinuxLinkRig();
        using var large = new TestDnsServer(message => Enumerable.Range(0, 60).Aggregate(message, (m, i) => m.A("example.org", 5, $"192.0.2.{i}")));
        large.CloseTcp();
        using var other = new TestDnsServer(message => message.A("example.org", 5, "192.0.2.1"));
        Assert.Single(rig.Run(new LinuxResolver(rig.Loop, [large.EndPoint, other.EndPoint], PatienceMs).QueryAsync("example.org", DnsType.A)).Addresses);
        Assert.Equal(DnsStatus.Timeout, rig.Run(new LinuxResolver(rig.Loop, [large.EndPoint], PatienceMs).QueryAsync("example.org", DnsType.A)).Status);
    }

    private static TestDnsMessage Forged(byte[] query) => new TestDnsMessage(query).A("example.org", 5, "192.0.2.66");
}
