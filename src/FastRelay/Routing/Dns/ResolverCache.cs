using FastRelay.Outside;

namespace FastRelay.Routing;

/// <summary>
/// Answers of DNS, kept for their TTL between a floor and a cap; negative ones as the zone says, capped (RFC 2308).
/// Equal questions at one time share one query. Queries in flight are capped, the rest waits in order. When servers
/// fail, an answer up to an hour past its TTL still serves (RFC 8767). The least recently used entries make room, for a
/// number of entries and for octets.
/// Loop thread only.
/// </summary>
public sealed class ResolverCache
{
    /// <summary>How long past its TTL an answer may serve while servers fail, ms.</summary>
    public const int StaleMs = 3_600_000;

    /// <summary>A stale answer holds this long before servers are asked again, ms (RFC 8767 section 4: 30 seconds).</summary>
    public const int StaleRetryMs = 30_000;

    // A reload may leave a hundred thousand answers over a lower bound: they go some with each that comes.
    private const int TrimMost = 64;

    private readonly Resolver _resolver;
    private readonly Loop _loop;
    private readonly Dictionary<Key, Entry> _entries = [];
    private Entry? _newest;
    private Entry? _oldest;
    private Entry? _waitingFirst;
    private Entry? _waitingLast;
    private bool _askingWaiting;

    /// <summary>Creates an empty cache.</summary>
    /// <param name="resolver">Asks the servers.</param>
    /// <param name="loop">Clock and run queue.</param>
    /// <param name="limits">Entries and their octets, queries in flight, TTL floor and caps.</param>
    public ResolverCache(Resolver resolver, Loop loop, Limits limits)
    {
        _resolver = resolver;
        _loop = loop;
        Limits = limits;
    }

    /// <summary>Entries and their octets, queries in flight, TTL floor and caps: for what comes next. Loop thread.</summary>
    public Limits Limits { get; set; }

    /// <summary>Questions answered from memory.</summary>
    public long Hits { get; private set; }

    /// <summary>Questions that had to be asked, or that joined one being asked.</summary>
    public long Misses { get; private set; }

    /// <summary>Questions answered with a stale answer because no server answered.</summary>
    public long Stale { get; private set; }

    /// <summary>Queries that no server answered in time.</summary>
    public long Timeouts { get; private set; }

    /// <summary>Queries that servers answered with an error or with nonsense.</summary>
    public long Failures { get; private set; }

    /// <summary>Datagrams from servers that were no reply to what was asked: late or forged ones.</summary>
    public long Ignored => _resolver.Ignored;

    /// <summary>Queries begun: each may ask several servers.</summary>
    public long Queries { get; private set; }

    /// <summary>Queries in flight now; at most <see cref="Limits.DnsQueries"/>.</summary>
    public int InFlight { get; private set; }

    /// <summary>Entries now; at most <see cref="Limits.DnsCacheEntries"/> and the questions being asked, but for what a reload that lowers the bound leaves to the next answers.</summary>
    public int Count => _entries.Count;

    /// <summary>What the entries keep, octets (<see cref="DnsWeight"/>); bounded the same way by <see cref="Limits.DnsCacheBytes"/>.</summary>
    public long Bytes { get; private set; }

    /// <summary>Forgets everything that is not being asked just now.</summary>
    public void Clear()
    {
        _loop.CheckThread();
        Trim(0, 0, int.MaxValue);
    }

    /// <summary>
    /// Starts a question; <see cref="Lookup.AnswerAsync"/> then has its answer, at once when it is known.
    /// </summary>
    /// <param name="lookup">A waiter that waits for nothing else.</param>
    /// <param name="name">Lower case, without the final dot.</param>
    /// <param name="type">Record type.</param>
    public void Start(Lookup lookup, string name, DnsType type)
    {
        _loop.CheckThread();
        Check.That(!lookup.Busy, "a lookup asks one question at a time");
        lookup.Busy = true;
        var key = new Key(name, type);
        if (_entries.TryGetValue(key, out Entry? entry))
        {
            Touch(entry);
            if (entry.Answer is not null && _loop.NowMs < entry.ExpiresMs && !entry.Asking)
            {
                Hits++;
                Stale += entry.IsStale ? 1 : 0;
                lookup.Complete(new CachedAnswer(entry.Answer, entry.ExpiresMs, entry.IsStale));
                return;
            }
        }
        else
        {
            entry = new Entry(key);
            _entries.Add(key, entry);
            LinkNewest(entry);
            Weigh(entry);
        }
        Misses++;
        entry.AddWaiter(lookup);
        Trim(Limits.DnsCacheEntries, Limits.DnsCacheBytes);
        if (!entry.Asking)
        {
            entry.Asking = true;
            Ask(entry);
        }
    }

    /// <summary>Looks at what is kept, without asking, counting or touching it.</summary>
    /// <returns>False when nothing is known.</returns>
    public bool TryPeek(string name, DnsType type, out CachedAnswer answer)
    {
        _loop.CheckThread();
        answer = default;
        if (!_entries.TryGetValue(new Key(name, type), out Entry? entry) || entry.Answer is null)
        {
            return false;
        }
        answer = new CachedAnswer(entry.Answer, entry.ExpiresMs, entry.IsStale);
        return true;
    }

    private void Ask(Entry entry)
    {
        if (InFlight < Limits.DnsQueries)
        {
            InFlight++;
            _ = QueryAsync(entry);
        }
        else if (_waitingLast is null)
        {
            _waitingFirst = _waitingLast = entry;
        }
        else
        {
            _waitingLast.NextWaiting = entry;
            _waitingLast = entry;
        }
    }

    private async Task QueryAsync(Entry entry)
    {
        try
        {
            Queries++;
            DnsAnswer answer = await _resolver.QueryAsync(entry.Key.Name, entry.Key.Type);
            InFlight--;
            Store(entry, answer);
            AskWaiting();
        }
        catch (Exception e)
        {
            Check.Fatal(e.ToString());
        }
    }

    private void AskWaiting()
    {
        // A resolver that answers at once would come back here from within: the outer call goes on instead.
        if (_askingWaiting)
        {
            return;
        }
        _askingWaiting = true;
        while (InFlight < Limits.DnsQueries && _waitingFirst is { } next)
        {
            _waitingFirst = next.NextWaiting;
            _waitingLast = _waitingFirst is null ? null : _waitingLast;
            next.NextWaiting = null;
            InFlight++;
            _ = QueryAsync(next);
        }
        _askingWaiting = false;
    }

    private void Store(Entry entry, DnsAnswer answer)
    {
        long now = _loop.NowMs;
        Timeouts += answer.Status == DnsStatus.Timeout ? 1 : 0;
        Failures += answer.Status is DnsStatus.ServFail or DnsStatus.Bad ? 1 : 0;
        entry.IsStale = false;
        // RFC 8767 section 4 speaks of servers that cannot answer: garbage in place of a good answer is none either.
        if (answer.Status is DnsStatus.ServFail or DnsStatus.Timeout or DnsStatus.Bad
            && entry.Answer is { Status: DnsStatus.Ok }
            && now < entry.StaleUntilMs)
        {
            entry.IsStale = true;
            entry.ExpiresMs = Math.Min(now + StaleRetryMs, entry.StaleUntilMs);
        }
        else
        {
            entry.Answer = answer;
            entry.ExpiresMs = now + (TtlSeconds(answer) * 1000L);
            entry.StaleUntilMs = entry.ExpiresMs + StaleMs;
            Weigh(entry);
        }
        entry.Asking = false;
        var cached = new CachedAnswer(entry.Answer, entry.ExpiresMs, entry.IsStale);
        for (Lookup? lookup = entry.TakeWaiters(); lookup is not null;)
        {
            Lookup? next = lookup.Next;
            lookup.Next = null;
            Stale += cached.Stale ? 1 : 0;
            lookup.Complete(cached);
            lookup = next;
        }
        // Only now is it known how much the answer holds.
        Trim(Limits.DnsCacheEntries, Limits.DnsCacheBytes);
    }

    private long TtlSeconds(DnsAnswer answer) => answer.Status switch
    {
        DnsStatus.Ok => Math.Clamp(answer.TtlSeconds, Limits.DnsTtlFloorSeconds, Limits.DnsTtlCapSeconds),
        DnsStatus.NoData or DnsStatus.NxDomain => Math.Clamp(answer.TtlSeconds, Limits.DnsTtlFloorSeconds, Limits.DnsNegativeTtlCapSeconds),
        // A failure is remembered for a moment only, so that a broken zone is not asked for each of its messages.
        _ => Limits.DnsTtlFloorSeconds,
    };

    private void Weigh(Entry entry)
    {
        Bytes -= entry.Bytes;
        entry.Bytes = DnsWeight.Of(entry.Key.Name, entry.Answer);
        Bytes += entry.Bytes;
    }

    /// <summary>Drops the least recently used entries beyond a bound; those being asked stay. What a lower bound leaves over goes with the next answers.</summary>
    private void Trim(int entries, long bytes, int most = TrimMost)
    {
        Entry? entry = _oldest;
        while ((_entries.Count > entries || Bytes > bytes) && entry is not null && most > 0)
        {
            Entry? newer = entry.Newer;
            if (!entry.Asking && !entry.HasWaiters)
            {
                most--;
                Unlink(entry);
                _entries.Remove(entry.Key);
                Bytes -= entry.Bytes;
            }
            entry = newer;
        }
    }

    private void Touch(Entry entry)
    {
        if (entry != _newest)
        {
            Unlink(entry);
            LinkNewest(entry);
        }
    }

    private void LinkNewest(Entry entry)
    {
        entry.Older = _newest;
        entry.Newer = null;
        if (_newest is not null)
        {
            _newest.Newer = entry;
        }
        _newest = entry;
        _oldest ??= entry;
    }

    private void Unlink(Entry entry)
    {
        if (entry.Newer is null)
        {
            _newest = entry.Older;
        }
        else
        {
            entry.Newer.Older = entry.Older;
        }
        if (entry.Older is null)
        {
            _oldest = entry.Newer;
        }
        else
        {
            entry.Older.Newer = entry.Newer;
        }
        entry.Newer = entry.Older = null;
    }

    private readonly record struct Key(string Name, DnsType Type);

    private sealed class Entry(Key key)
    {
        private Lookup? _first;
        private Lookup? _last;

        public Key Key => key;

        public DnsAnswer? Answer { get; set; }

        public long ExpiresMs { get; set; }

        public long StaleUntilMs { get; set; }

        public bool IsStale { get; set; }

        /// <summary>Its part of <see cref="ResolverCache.Bytes"/>.</summary>
        public int Bytes { get; set; }

        /// <summary>A query is in flight or waits for its turn.</summary>
        public bool Asking { get; set; }

        public Entry? Newer { get; set; }

        public Entry? Older { get; set; }

        public Entry? NextWaiting { get; set; }

        public bool HasWaiters => _first is not null;

        public void AddWaiter(Lookup lookup)
        {
            if (_last is null)
            {
                _first = lookup;
            }
            else
            {
                _last.Next = lookup;
            }
            _last = lookup;
        }

        public Lookup? TakeWaiters()
        {
            Lookup? first = _first;
            _first = _last = null;
            return first;
        }
    }
}
