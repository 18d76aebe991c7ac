using FastRelay.Outside;

namespace FastRelay.Queue;

/// <summary>
/// Puts the operator's suspensions of tenants in force: the lanes of one that is suspended leave the rings of their sites, so that
/// nobody is passed over for it. Its mail waits, ready, and expires like any other. Loop thread.
/// </summary>
internal sealed class TenantStops : LoopItem
{
    private readonly QueueState _queue;
    private readonly Loop _loop;
    private readonly LoopTimer _timer;

    public TenantStops(QueueState queue)
    {
        _queue = queue;
        _loop = queue.World.Loop;
        _timer = new LoopTimer(_loop, this);
        queue.Tenants.Made = tenant => Recall(tenant);
    }

    /// <summary>The list of suspensions was read, before the loop runs.</summary>
    public void Start()
    {
        HashSet<Tenant> changed = [.. _queue.Tenants.All.Where(Recall)];
        foreach (Destination destination in changed.Count > 0 ? _queue.Destinations.All : [])
        {
            Apply(changed, destination);
        }
    }

    /// <summary>Suspensions of tenants have begun or ended; in slices.</summary>
    /// <param name="names">Those that may be others now, as suspensions name them.</param>
    public async ValueTask RecallAsync(IEnumerable<string> names)
    {
        HashSet<Tenant> changed = [];
        foreach (string name in names)
        {
            if (_queue.Tenants.Find(name[Suspensions.TenantPrefix.Length..]) is { } tenant && Recall(tenant))
            {
                changed.Add(tenant);
            }
        }
        if (changed.Count > 0)
        {
            await new QueueWalk(_queue).EachAsync(_queue.Destinations.Places, destination => Apply(changed, destination));
        }
    }

    /// <summary>The end of one is near.</summary>
    protected override void Run() => _ = EndAsync();

    private async Task EndAsync()
    {
        try
        {
            await RecallAsync(_queue.Gears.Suspensions.Tenants);
        }
        catch (Exception e)
        {
            Check.Fatal(e.ToString());
        }
    }

    /// <returns>True when it was suspended or resumed by it.</returns>
    private bool Recall(Tenant tenant)
    {
        bool before = tenant.IsSuspended;
        tenant.SuspendedUntilMs = 0;
        if (_queue.Gears.Suspensions.OfTenant(tenant.Name) is { } one)
        {
            long leftMs = one.UntilUnixMs - _queue.UnixMs;
            tenant.SuspendedUntilMs = one.UntilUnixMs == 0 ? long.MaxValue : _loop.NowMs + leftMs;
            if (one.UntilUnixMs > 0 && (!_timer.IsArmed || tenant.SuspendedUntilMs < _timer.DueMs))
            {
                _timer.After(leftMs);
            }
        }
        return before != tenant.IsSuspended;
    }

    private bool Apply(HashSet<Tenant> changed, Destination destination)
    {
        if (destination is { Lane: { } lane, Site: { } site } && changed.Contains(lane.Tenant))
        {
            site.Lanes.Change(lane);
            _queue.Sites.Wake(site);
        }
        return true;
    }
}
