using System.Net;
using FastRelay.Outside;
using FastRelay.Routing;
using FastRelay.Tests.Support;
using Xunit;

namespace FastRelay.Tests.Routing;

/// <summary>Alone in the process: what others keep would be counted too.</summary>
[CollectionDefinition("Heap", DisableParallelization = true)]
[Collection("Heap")]
public sealed class DnsWeightTests
{
    private readonly ManualLoop _loop = new();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void What_an_answer_is_said_to_keep_is_what_the_heap_keeps(int kind)
    {
        var cache = new ResolverCache(new FreshResolver(kind), _loop.Loop, new Limits());
        var lookup = new Lookup(_loop.Loop);
        const int many = 50_000;
        GC.Collect();
        GC.WaitForPendingFinalizers();
        long before = GC.GetTotalMemory(forceFullCollection: true);
        for (int i = 0; i < many; i++)
        {
            cache.Start(lookup, $"a-name-{i}.example.org", DnsType.Mx);
            _loop.Wait(lookup.AnswerAsync());
        }
        long kept = GC.GetTotalMemory(forceFullCollection: true) - before;
        Assert.Equal(many, cache.Count);
        // What is left of other tests goes meanwhile, so that the heap is no exact witness.
        Assert.True(cache.Bytes > kept * 0.75 && cache.Bytes < kept * 1.25, $"{cache.Bytes / many} octets each are counted, {kept / many} are kept");
        GC.KeepAlive(cache);
    }

    /// <summary>Answers that share nothing, as those that are read from datagrams.</summary>
    private sealed class FreshResolver(int kind) : Resolver
    {
        private int _count;

        public override ValueTask<DnsAnswer> QueryAsync(string name, DnsType type) => new(kind switch
        {
            0 => DnsAnswer.Empty(DnsStatus.NxDomain, 600),
            1 => new DnsAnswer(DnsStatus.Ok, 600, [], [new IPAddress(++_count)]),
            2 => new DnsAnswer(DnsStatus.Ok, 600, [], [.. Enumerable.Range(0, 4).Select(_ => new IPAddress([0x20, 1, .. new byte[14]]))]),
            _ => new DnsAnswer(DnsStatus.Ok, 600, [.. Enumerable.Range(0, 10).Select(i => new MxRecord(10, $"mx{i}-of-{++_count}.example.org"))], []),
        });
    }
}
