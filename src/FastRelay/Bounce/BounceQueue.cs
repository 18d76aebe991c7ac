using FastRelay.Config;
using FastRelay.Queue;

namespace FastRelay.Bounce;

/// <summary>
/// Reports that are still to be begun. Tenants take turns, one report each, within a rate for all and one for each tenant that has
/// its own. What names somebody who was delivered goes first and waits for no rate: until it is durable a crash would deliver again.
/// </summary>
internal sealed class BounceQueue
{
    private const int WindowMs = 60_000;
    private readonly Dictionary<string, Lane> _lanes = new(StringComparer.Ordinal);
    private readonly Queue<Lane> _turns = new();
    private readonly Lane _relayed = new("");
    private BounceOptions _options;
    private RateBucket _bucket;

    /// <summary>Creates an empty one, which may begin at once.</summary>
    public BounceQueue(BounceOptions options)
    {
        _options = options;
        _bucket = new RateBucket(RateOf(options.PerMinute));
    }

    /// <summary>Reports that wait.</summary>
    public int Count { get; private set; }

    /// <summary>Failed recipients whose bounce is not written yet, those at work included.</summary>
    public int Recipients { get; private set; }

    /// <summary>
    /// Something had to wait for a rate, and until nothing waits any more. It changes seldom, so that delivery, which goes by it, is
    /// not switched with every report.
    /// </summary>
    public bool IsPaced { get; private set; }

    /// <summary>Any of those that wait; null when none does.</summary>
    public PendingBounce? Any => _relayed.First ?? (_turns.TryPeek(out Lane? lane) ? lane.First : null);

    /// <summary>All that wait, in no order that matters.</summary>
    public IEnumerable<PendingBounce> All
    {
        get
        {
            foreach (Lane lane in _turns.Prepend(_relayed))
            {
                for (PendingBounce? pending = lane.First; pending is not null; pending = pending.Next)
                {
                    yield return pending;
                }
            }
        }
    }

    /// <summary>Puts other rates in force. What was begun under the ones before is not known to them, so they begin full.</summary>
    public void Change(BounceOptions options, long nowMs)
    {
        if (options.PerMinute != _options.PerMinute)
        {
            _bucket = new RateBucket(RateOf(options.PerMinute));
            _bucket.Fill(nowMs);
        }
        _options = options;
        foreach (Lane lane in _lanes.Values)
        {
            lane.Use(RateOf(options, lane.Tenant), nowMs, isNew: false);
        }
    }

    /// <summary>Puts a report behind those of its tenant.</summary>
    public void Add(PendingBounce pending)
    {
        Count++;
        if (pending.Relayed > 0)
        {
            _relayed.Append(pending);
            return;
        }
        Lane lane = LaneOf(pending.Tenant);
        if (lane.First is null)
        {
            _turns.Enqueue(lane);
        }
        lane.Append(pending);
    }

    /// <summary>Recipients were added to a report, or are done with; those of a warning do not count.</summary>
    public void Counts(PendingBounce pending, int recipients)
    {
        if (pending.RetryUntil is null)
        {
            Recipients += recipients;
            Lane lane = LaneOf(pending.Tenant);
            lane.Recipients += recipients;
            ForgetEmpty(lane);
        }
    }

    /// <summary>
    /// While a rate holds reports back, a tenant may have as many recipients waiting as there is room left: one whose mail fails by the
    /// million takes half of the room, and somebody else's single failure finds some.
    /// </summary>
    /// <param name="tenant">Whose.</param>
    /// <param name="room">Recipients that may wait in all.</param>
    public bool HasShare(string tenant, int room) =>
        Recipients < room && (!_lanes.TryGetValue(tenant, out Lane? lane) || lane.Recipients < room - Recipients);

    /// <summary>Takes the next report out, if one may be begun now.</summary>
    /// <param name="nowMs">On the loop's scale.</param>
    /// <param name="waitMs">When none may, for how long; 0 when there is none.</param>
    public PendingBounce? Take(long nowMs, out long waitMs)
    {
        waitMs = 0;
        if (_relayed.First is not null)
        {
            PendingBounce relayed = _relayed.TakeFirst();
            if (relayed.Failed.Count > relayed.Relayed && _bucket.WaitMs(nowMs) == 0)
            {
                _bucket.Took(nowMs);
            }
            return Taken(relayed);
        }
        waitMs = _bucket.WaitMs(nowMs);
        long soonestMs = long.MaxValue;
        for (int left = waitMs > 0 ? 0 : _turns.Count; left > 0; left--)
        {
            Lane lane = _turns.Dequeue();
            if (lane.Bucket?.WaitMs(nowMs) is long own and > 0)
            {
                soonestMs = Math.Min(soonestMs, own);
                _turns.Enqueue(lane);
                continue;
            }
            PendingBounce pending = lane.TakeFirst();
            if (lane.First is not null)
            {
                _turns.Enqueue(lane);
            }
            _bucket.Took(nowMs);
            lane.Bucket?.Took(nowMs);
            ForgetEmpty(lane);
            waitMs = 0;
            return Taken(pending);
        }
        waitMs = _turns.Count == 0 ? 0 : waitMs > 0 ? waitMs : soonestMs;
        IsPaced = waitMs > 0;
        return null;
    }

    /// <summary>True while a report of any tenant might be begun: what is only nice to say is said then.</summary>
    public bool IsIdle(long nowMs) => !IsPaced && Count == 0 && _bucket.WaitMs(nowMs) == 0;

    /// <summary>True when a report of this tenant would wait for no rate of its own, nor behind others of its own.</summary>
    public bool MayBegin(string tenant, long nowMs) =>
        !_lanes.TryGetValue(tenant, out Lane? lane) || (lane.First is null && !(lane.Bucket?.WaitMs(nowMs) > 0));

    private static SiteRate RateOf(int perMinute) => new(SiteRateUnit.Messages, perMinute, WindowMs);

    private static int RateOf(BounceOptions options, string tenant) => options.TenantsPerMinute.GetValueOrDefault(tenant);

    private PendingBounce Taken(PendingBounce pending)
    {
        Count--;
        IsPaced &= Count > 0;
        return pending;
    }

    private Lane LaneOf(string tenant)
    {
        if (!_lanes.TryGetValue(tenant, out Lane? lane))
        {
            lane = new Lane(tenant);
            lane.Use(RateOf(_options, tenant), 0, isNew: true);
            _lanes.Add(tenant, lane);
        }
        return lane;
    }

    /// <summary>A tenant without a rate of its own has nothing to remember when nothing of it waits; those with one are as many as the configuration has.</summary>
    private void ForgetEmpty(Lane lane)
    {
        if (lane.First is null && lane is { Recipients: 0, Bucket: null })
        {
            _lanes.Remove(lane.Tenant);
        }
    }

    /// <summary>The reports of one tenant, in order.</summary>
    private sealed class Lane(string tenant)
    {
        private PendingBounce? _last;

        public string Tenant { get; } = tenant;

        public PendingBounce? First { get; private set; }

        /// <summary>Null for no rate of its own.</summary>
        public RateBucket? Bucket { get; private set; }

        public int Recipients { get; set; }

        public void Use(int perMinute, long nowMs, bool isNew)
        {
            if ((Bucket?.Rate.Count ?? 0) != perMinute)
            {
                Bucket = perMinute == 0 ? null : new RateBucket(RateOf(perMinute));
                if (!isNew)
                {
                    Bucket?.Fill(nowMs);
                }
            }
        }

        public void Append(PendingBounce pending)
        {
            if (_last is null)
            {
                First = pending;
            }
            else
            {
                _last.Next = pending;
            }
            _last = pending;
        }

        public PendingBounce TakeFirst()
        {
            PendingBounce pending = First!;
            First = pending.Next;
            _last = First is null ? null : _last;
            pending.Next = null;
            return pending;
        }
    }
}
