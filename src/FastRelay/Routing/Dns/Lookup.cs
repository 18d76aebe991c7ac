using System.Runtime.CompilerServices;
using FastRelay.Outside;

namespace FastRelay.Routing;

/// <summary>What the cache says, and for how long.</summary>
/// <param name="Answer">The answer.</param>
/// <param name="ExpiresMs">Until when it holds, on the scale of <see cref="Loop.NowMs"/>.</param>
/// <param name="Stale">True when it is older than its TTL, given because no server answers (RFC 8767).</param>
public readonly record struct CachedAnswer(DnsAnswer Answer, long ExpiresMs, bool Stale);

/// <summary>
/// One question to <see cref="ResolverCache"/>: the waiter, embedded in its owner and used again and again, so that
/// waiting allocates nothing and the number of waiters is the number of owners.
/// </summary>
/// <param name="loop">The loop that resumes the waiter.</param>
public sealed class Lookup(Loop loop)
{
    private readonly Signal<CachedAnswer> _signal = new(loop);

    internal Lookup? Next;

    /// <summary>True from <see cref="ResolverCache.Start"/> until the answer was taken.</summary>
    internal bool Busy { get; set; }

    /// <summary>Waits for the answer of the question that was started; completes on the loop.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public async ValueTask<CachedAnswer> AnswerAsync()
    {
        CachedAnswer answer = await _signal.WaitAsync();
        Busy = false;
        return answer;
    }

    internal void Complete(in CachedAnswer answer) => _signal.Set(answer);
}
