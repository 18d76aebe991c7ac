using BenchmarkDotNet.Attributes;
using FastRelay.Outside;
using FastRelay.Routing;
using FastRelay.Tests.Routing;
using FastRelay.Tests.Support;

namespace FastRelay.Bench;

/// <summary>What DNS costs when its answer is known.</summary>
public class RoutingBenchmarks
{
    private readonly ManualLoop _manual = new();
    private ResolverCache _cache = null!;
    private Lookup _lookup = null!;

    /// <summary>10,000 names, all known.</summary>
    [GlobalSetup]
    public void Fill()
    {
        var dns = new ScriptedResolver(_manual.Loop);
        _cache = new ResolverCache(dns, _manual.Loop, new Limits());
        _lookup = new Lookup(_manual.Loop);
        for (int i = 0; i < 10_000; i++)
        {
            dns.Mx($"d{i}.test", $"10 mx.d{i}.test", 86_400);
            _cache.Start(_lookup, $"d{i}.test", DnsType.Mx);
            _manual.Wait(_lookup.AnswerAsync());
        }
    }

    /// <summary>The MX hosts of a known domain.</summary>
    [Benchmark]
    public int MxCacheHit()
    {
        _cache.Start(_lookup, "d4711.test", DnsType.Mx);
        ValueTask<CachedAnswer> answer = _lookup.AnswerAsync();
        while (!answer.IsCompleted)
        {
            _manual.Loop.Turn(canSleep: false);
        }
        return answer.GetAwaiter().GetResult().Answer.Mx.Count;
    }
}
