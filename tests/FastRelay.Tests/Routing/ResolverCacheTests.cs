using FastRelay.Outside;
using FastRelay.Routing;
using FastRelay.Tests.Support;
using Xunit;

namespace FastRelay.Tests.Routing;

public class ResolverCacheTests
{
    private readonly ManualLoop _loop = new();
    private readonly ScriptedResolver _dns;

    public ResolverCacheTests() => _dns = new ScriptedResolver(_loop.Loop);

    private ResolverCache Make(Limits? limits = null) => new(_dns, _loop.Loop, limits ?? new Limits());

    private CachedAnswer Ask(ResolverCache cache, string name, DnsType type = DnsType.A)
    {
        var lookup = new Lookup(_loop.Loop);
        cache.Start(lookup, name, type);
        return _loop.Wait(lookup.AnswerAsync());
    }

    [Theory]
    [InlineData("8.8.8.8", 60u, 60)]
    [InlineData("8.8.8.8", 0u, 5)]
    [InlineData("8.8.8.8", 604_800u, 86_400)]
    [InlineData("8.8.8.8", uint.MaxValue, 86_400)]
    [InlineData("nodata", 120u, 120)]
    [InlineData("nodata", 0u, 5)]
    [InlineData("nxdomain", 86_400u, 3_600)]
    [InlineData("servfail", 0u, 5)]
    [InlineData("timeout", 0u, 5)]
    [InlineData("bad", 0u, 5)]
    public void An_answer_is_kept_for_its_time_within_floor_and_cap(string answer, uint ttl, int seconds)
    {
        ResolverCache cache = Make();
        _dns.A("a.test", answer, ttl);
        CachedAnswer first = Ask(cache, "a.test");
        Assert.Equal(seconds * 1000L, first.ExpiresMs);
        _loop.Pass((seconds * 1000L) - 1, seconds * 1000L);
        Ask(cache, "a.test");
        Assert.Single(_dns.Asked);
        _loop.Pass(1);
        Ask(cache, "a.test");
        Assert.Equal(2, _dns.Asked.Count);
        Assert.Equal((1, 2), (cache.Hits, cache.Misses));
    }

    [Fact]
    public void Equal_questions_at_one_time_share_one_query()
    {
        ResolverCache cache = Make();
        _dns.A("a.test", "8.8.8.8");
        _dns.Hold = true;
        Lookup[] lookups = [.. Enumerable.Range(0, 50).Select(_ => new Lookup(_loop.Loop))];
        foreach (Lookup lookup in lookups)
        {
            cache.Start(lookup, "a.test", DnsType.A);
        }
        _loop.Settle();
        Assert.Single(_dns.Asked);
        _dns.LetGo();
        foreach (Lookup lookup in lookups)
        {
            Assert.Equal(DnsStatus.Ok, _loop.Wait(lookup.AnswerAsync()).Answer.Status);
        }
        Assert.Equal(1, cache.Queries);
    }

    [Fact]
    public void The_types_of_one_name_are_different_questions()
    {
        ResolverCache cache = Make();
        _dns.A("a.test", "8.8.8.8").Mx("a.test", "10 b.test");
        Assert.Single(Ask(cache, "a.test").Answer.Addresses);
        Assert.Single(Ask(cache, "a.test", DnsType.Mx).Answer.Mx);
        Assert.Equal(DnsStatus.NoData, Ask(cache, "a.test", DnsType.Aaaa).Answer.Status);
    }

    [Fact]
    public void Queries_in_flight_are_capped_and_the_rest_waits_in_order()
    {
        ResolverCache cache = Make(new Limits { DnsQueries = 2 });
        _dns.Hold = true;
        for (int i = 0; i < 5; i++)
        {
            cache.Start(new Lookup(_loop.Loop), $"{i}.test", DnsType.A);
        }
        _loop.Settle();
        Assert.Equal(["A 0.test", "A 1.test"], _dns.Asked);
        _dns.LetGo(1);
        _loop.Settle();
        Assert.Equal("A 2.test", _dns.Asked[^1]);
        Assert.Equal(2, cache.InFlight);
        while (_dns.Waiting > 0)
        {
            _dns.LetGo();
            _loop.Settle();
        }
        Assert.Equal(["A 0.test", "A 1.test", "A 2.test", "A 3.test", "A 4.test"], _dns.Asked);
        Assert.Equal(0, cache.InFlight);
    }

    [Fact]
    public void A_long_line_of_waiting_questions_needs_no_stack()
    {
        ResolverCache cache = Make(new Limits { DnsQueries = 1 });
        _dns.Hold = true;
        var last = new Lookup(_loop.Loop);
        for (int i = 0; i < 50_000; i++)
        {
            cache.Start(i == 49_999 ? last : new Lookup(_loop.Loop), $"{i}.test", DnsType.A);
        }
        _dns.Hold = false;
        _dns.LetGo();
        Assert.Equal(DnsStatus.NxDomain, _loop.Wait(last.AnswerAsync()).Answer.Status);
    }

    [Theory]
    [InlineData("servfail", true)]
    [InlineData("timeout", true)]
    [InlineData("bad", true)]
    [InlineData("nxdomain", false)]
    public void While_servers_fail_an_old_answer_serves_up_to_an_hour(string failure, bool stale)
    {
        ResolverCache cache = Make();
        _dns.A("a.test", "8.8.8.8", 60);
        Ask(cache, "a.test");
        _dns.A("a.test", failure);
        _loop.Pass(61_000);
        CachedAnswer answer = Ask(cache, "a.test");
        Assert.Equal(stale, answer.Stale);
        Assert.Equal(stale ? DnsStatus.Ok : DnsStatus.NxDomain, answer.Answer.Status);
        if (stale)
        {
            // Servers are asked again every 30 s, and after an hour the failure shows.
            Assert.Equal(91_000, answer.ExpiresMs);
            int asked = _dns.Asked.Count;
            _loop.Pass(29_000);
            Ask(cache, "a.test");
            Assert.Equal(asked, _dns.Asked.Count);
            _loop.Pass(2_000);
            Ask(cache, "a.test");
            Assert.Equal(asked + 1, _dns.Asked.Count);
            _loop.Pass(3_600_000, 60_000);
            Assert.NotEqual(DnsStatus.Ok, Ask(cache, "a.test").Answer.Status);
            _dns.A("a.test", "8.8.4.4");
            _loop.Pass(6_000);
            Assert.Equal("8.8.4.4", Ask(cache, "a.test").Answer.Addresses[0].ToString());
        }
    }

    [Fact]
    public void The_least_recently_used_entries_make_room()
    {
        ResolverCache cache = Make(new Limits { DnsCacheEntries = 3 });
        foreach (string name in new[] { "a", "b", "c", "a", "d" })
        {
            Ask(cache, name);
        }
        Assert.Equal(3, cache.Count);
        _dns.Asked.Clear();
        Ask(cache, "a");
        Ask(cache, "c");
        Ask(cache, "d");
        Assert.Empty(_dns.Asked);
        Ask(cache, "b");
        Assert.Equal(["A b"], _dns.Asked);
    }

    [Fact]
    public void What_a_lower_bound_leaves_over_goes_some_with_each_answer()
    {
        ResolverCache cache = Make();
        for (int i = 0; i < 500; i++)
        {
            Ask(cache, $"{i}");
        }
        cache.Limits = new Limits { DnsCacheEntries = 16 };
        var counts = new List<int> { cache.Count };
        while (counts[^1] > 16)
        {
            Ask(cache, $"more{counts.Count}");
            counts.Add(cache.Count);
        }
        // A question and its answer trim once each.
        Assert.All(counts.Zip(counts.Skip(1)), static pair => Assert.InRange(pair.First - pair.Second, 1, 128));
        Ask(cache, "one");
        Assert.Equal(16, cache.Count);
    }

    [Fact]
    public void Large_answers_make_room_by_their_octets()
    {
        string Hosts(int domain, int count) => string.Join(", ", Enumerable.Range(0, count).Select(i => $"10 {new string((char)('a' + domain), 60)}{i}.test"));
        for (int i = 0; i < 20; i++)
        {
            _dns.Mx($"{i}.test", Hosts(i, 100));
        }
        ResolverCache one = Make();
        Ask(one, "0.test", DnsType.Mx);
        long each = one.Bytes;
        Assert.InRange(each, 100 * 2 * 65, 100 * 200);
        // Ten fit to the octet; with one octet less nine do, and more domains than are room change nothing.
        foreach ((long bytes, int fit) in new[] { (each * 10, 10), ((each * 10) - 1, 9) })
        {
            ResolverCache cache = Make(new Limits { DnsCacheBytes = bytes });
            for (int i = 0; i < 10; i++)
            {
                Ask(cache, $"{i}.test", DnsType.Mx);
            }
            Assert.Equal((fit, fit * each), (cache.Count, cache.Bytes));
            for (int i = 1; i < 10; i++)
            {
                Ask(cache, $"{i}.test", DnsType.Mx);
                Assert.InRange(cache.Bytes, 0, bytes);
            }
            cache.Clear();
            Assert.Equal((0, 0L), (cache.Count, cache.Bytes));
        }
    }

    [Fact]
    public void A_bound_in_octets_that_is_lowered_holds_from_the_next_answer_on()
    {
        ResolverCache cache = Make();
        for (int i = 0; i < 100; i++)
        {
            Ask(cache, $"{i}.test");
        }
        long before = cache.Bytes;
        cache.Limits = new Limits { DnsCacheBytes = before / 2 };
        Ask(cache, "another.test");
        Assert.InRange(cache.Bytes, before / 3, before / 2);
    }

    [Fact]
    public void An_entry_that_is_being_asked_is_never_dropped()
    {
        ResolverCache cache = Make(new Limits { DnsCacheEntries = 2 });
        _dns.Hold = true;
        var first = new Lookup(_loop.Loop);
        cache.Start(first, "first", DnsType.A);
        for (int i = 0; i < 10; i++)
        {
            cache.Start(new Lookup(_loop.Loop), $"{i}", DnsType.A);
        }
        cache.Clear();
        Assert.Equal(11, cache.Count);
        _dns.LetGo();
        Assert.Equal(DnsStatus.NxDomain, _loop.Wait(first.AnswerAsync()).Answer.Status);
        cache.Clear();
        Assert.Equal(0, cache.Count);
    }

    [Fact]
    public void Everybody_who_gets_a_stale_answer_is_counted()
    {
        ResolverCache cache = Make();
        _dns.A("a.test", "8.8.8.8", 60);
        Ask(cache, "a.test");
        _dns.A("a.test", "bad");
        _loop.Pass(61_000);
        _dns.Hold = true;
        Lookup[] lookups = [new(_loop.Loop), new(_loop.Loop), new(_loop.Loop)];
        foreach (Lookup lookup in lookups)
        {
            cache.Start(lookup, "a.test", DnsType.A);
        }
        _dns.LetGo();
        Assert.All(lookups, lookup => Assert.True(_loop.Wait(lookup.AnswerAsync()).Stale));
        Assert.True(Ask(cache, "a.test").Stale);
        Assert.Equal((1, 4, 4, 2, 1), (cache.Hits, cache.Misses, cache.Stale, cache.Queries, cache.Failures));
    }

    [Fact]
    public void Failures_are_counted()
    {
        ResolverCache cache = Make();
        _dns.A("a", "timeout").A("b", "servfail").A("c", "bad");
        Ask(cache, "a");
        Ask(cache, "b");
        Ask(cache, "c");
        Assert.Equal((1, 2, 3), (cache.Timeouts, cache.Failures, cache.Queries));
    }

    [Fact]
    public async Task A_hit_allocates_nothing()
    {
        ResolverCache cache = Make();
        _dns.A("a.test", "8.8.8.8");
        var lookup = new Lookup(_loop.Loop);
        Ask(cache, "a.test");
        for (int i = 0; i < 2; i++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            cache.Start(lookup, "a.test", DnsType.A);
            CachedAnswer answer = await lookup.AnswerAsync();
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.Equal(DnsStatus.Ok, answer.Answer.Status);
            Assert.True(i == 0 || allocated == 0);
        }
    }
}
