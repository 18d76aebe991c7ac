using FastRelay.Outside;

namespace FastRelay.Queue;

/// <summary>What the operator can do to whole sites and tenants. Loop thread only.</summary>
public sealed class SiteAdmin
{
    private const int LookCost = 4;

    private readonly QueueState _queue;
    private readonly Loop _loop;

    internal SiteAdmin(QueueState queue)
    {
        _queue = queue;
        _loop = queue.World.Loop;
    }

    /// <summary>Suspensions of sites and tenants that are in force.</summary>
    public IReadOnlyList<Suspension> Suspensions => _queue.Gears.Suspensions.All;

    /// <summary>Those of all mail from a source, by its name in any case: a thousand sources are not each looked for among a thousand.</summary>
    public IReadOnlyDictionary<string, Suspension> OfSources()
    {
        const string prefix = "source:";
        var all = new Dictionary<string, Suspension>(StringComparer.OrdinalIgnoreCase);
        foreach (Suspension one in Suspensions)
        {
            if (one.Name.StartsWith(prefix, StringComparison.OrdinalIgnoreCase))
            {
                all.TryAdd(one.Name[prefix.Length..], one);
            }
        }
        return all;
    }

    /// <summary>The name of a suspension as it is kept: in lower case, but for a tenant's, which are told apart by case.</summary>
    public static string NameOf(string text) => Queue.Suspensions.IsOfTenant(text) ? text : text.ToLowerInvariant();

    /// <summary>Gives sites, or a tenant's mail, no more deliveries, those under way excepted; survives a restart.</summary>
    /// <param name="name">A site, a provider, or a domain that hosts are or are below, lower case; <c>source:NAME</c>; <c>tenant:NAME</c> in its own case.</param>
    /// <param name="forMs">For how long; 0 until <see cref="ResumeAsync"/>.</param>
    /// <returns>What went wrong; empty when nothing did.</returns>
    public async ValueTask<string> SuspendAsync(string name, long forMs)
    {
        _loop.CheckThread();
        if (!Queue.Suspensions.IsName(name))
        {
            return "a site is 1 to 255 characters of printable ASCII";
        }
        IReadOnlyList<string> before = _queue.Gears.Suspensions.Tenants;
        string wrong = await _queue.Gears.Suspensions.SetAsync(new Suspension(name, forMs == 0 ? 0 : _queue.UnixMs + forMs));
        await RecallAsync(name, before);
        return wrong;
    }

    /// <summary>Sites of now that a suspension of this name is for: none where it is mistyped, or no mail has come for them yet. In slices.</summary>
    public ValueTask<int> MatchingAsync(string name)
    {
        _loop.CheckThread();
        return new QueueWalk(_queue).CountAsync(site => Queue.Suspensions.Holds(name, site.Plan, site.Source) || Queue.Suspensions.Holds(name, site.Budget));
    }

    /// <summary>Ends a suspension, by the name that it was made with.</summary>
    /// <returns>What went wrong; empty when nothing did.</returns>
    public async ValueTask<string> ResumeAsync(string name)
    {
        _loop.CheckThread();
        if (_queue.Gears.Suspensions.All.All(one => one.Name != name))
        {
            if (Queue.Suspensions.IsOfTenant(name))
            {
                // Its end may have passed by the clock on the wall, and not yet by the timer.
                await _queue.TenantStops.RecallAsync([name]);
            }
            return $"\"{name}\" is not suspended";
        }
        IReadOnlyList<string> before = _queue.Gears.Suspensions.Tenants;
        string wrong = await _queue.Gears.Suspensions.ClearAsync(name);
        await RecallAsync(name, before);
        return wrong;
    }

    /// <summary>Puts the list in force, in slices: sites and shared budgets that are made meanwhile look at it themselves.</summary>
    private async ValueTask RecallAsync(string name, IReadOnlyList<string> before)
    {
        // Also those that ended just now: writing the list drops them.
        await _queue.TenantStops.RecallAsync(before.Concat(_queue.Gears.Suspensions.Tenants));
        if (Queue.Suspensions.IsOfTenant(name))
        {
            return;
        }
        foreach (SiteBudget budget in _queue.Sites.Budgets.Shared.ToList())
        {
            _queue.Gears.Recall(budget);
        }
        // Each suspension is compared with each site.
        await new QueueWalk(_queue).EachAsync(
            _queue.Sites.Places,
            site =>
            {
                _queue.Gears.Recall(site);
                return true;
            },
            LookCost + _queue.Gears.Suspensions.Count);
    }
}
