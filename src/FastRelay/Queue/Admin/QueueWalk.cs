using FastRelay.Outside;
using FastRelay.Routing;

namespace FastRelay.Queue;

/// <summary>
/// Finds destinations and sites for the operator's questions among any number of them, a slice a turn: what is found was so when it
/// was looked at, and what is forgotten meanwhile has no mail. Loop thread.
/// </summary>
/// <param name="queue">Knows them.</param>
internal sealed class QueueWalk(QueueState queue)
{
    /// <summary>Tenants, destinations or sites that one turn looks at: each is likely a miss of the cache.</summary>
    public const int PerTurn = 1_024;

    private readonly Loop _loop = queue.World.Loop;

    /// <summary>What new mail of any tenant for a domain goes to; as many as there are tenants with some.</summary>
    /// <param name="domain">Lower case.</param>
    public async ValueTask<List<Destination>> HeadsOfAsync(string domain)
    {
        Route? route = queue.Destinations.Router.FixedRoute(domain);
        var heads = new List<Destination>();
        await EachAsync([.. queue.Tenants.All], tenant =>
        {
            if (tenant.TryFind(domain, out Destination? head) || (route is not null && tenant.TryFind(route, out head)))
            {
                heads.Add(head!);
            }
        });
        return heads;
    }

    /// <summary>All that hold mail of a domain: those that new mail goes to, first, and those that it went to before a change, or was moved to.</summary>
    /// <param name="domain">Lower case.</param>
    public async ValueTask<List<Destination>> AllOfAsync(string domain)
    {
        List<Destination> all = [.. (await HeadsOfAsync(domain)).SelectMany(static head => head.All)];
        await EachAsync(queue.Destinations.AllLeft, left =>
        {
            if (left.Origin.NextHop.Kind == NextHopKind.Mx ? left.Origin.Domain == domain : left.Table.FixedRoute(domain) == left.Origin)
            {
                all.Add(left);
            }
        });
        return all;
    }

    /// <summary>A destination of a site; null when it has none.</summary>
    public async ValueTask<Destination?> AtAsync(Site site)
    {
        Destination? found = null;
        await EachDestinationAsync(destination => (found = destination.Site == site ? destination : null) is null);
        return found;
    }

    /// <summary>Of the sites that share a budget the one that has most to do; null when none does.</summary>
    public async ValueTask<Site?> BusiestAsync(SiteBudget budget)
    {
        Site? busiest = null;
        await EachAsync([.. queue.Sites.All], site => busiest = site.Budget == budget && !(site.Ready <= busiest?.Ready) ? site : busiest);
        return busiest;
    }

    /// <summary>How many sites are so.</summary>
    public async ValueTask<int> CountAsync(Func<Site, bool> isSo)
    {
        int count = 0;
        await EachAsync([.. queue.Sites.All], site => count += isSo(site) ? 1 : 0);
        return count;
    }

    /// <summary>Looks at each destination, until one is enough.</summary>
    /// <param name="goesOn">Looks at one; false when no other is wanted.</param>
    public async ValueTask EachDestinationAsync(Func<Destination, bool> goesOn)
    {
        var turn = new Signal<bool>(_loop);
        for (int from = 1; LookFrom(from, goesOn); from += PerTurn)
        {
            await turn.YieldAsync(true);
        }
    }

    /// <summary>Looks at each.</summary>
    /// <param name="all">A copy of the references alone: they come and go between the slices.</param>
    /// <param name="look">Looks at one.</param>
    public async ValueTask EachAsync<T>(T[] all, Action<T> look)
    {
        var turn = new Signal<bool>(_loop);
        for (int i = 0; i < all.Length; i++)
        {
            if (i > 0 && i % PerTurn == 0)
            {
                await turn.YieldAsync(true);
            }
            look(all[i]);
        }
    }

    private bool LookFrom(int from, Func<Destination, bool> goesOn)
    {
        ReadOnlySpan<Destination?> places = queue.Destinations.Places;
        int end = Math.Min(from + PerTurn, places.Length);
        for (int i = from; i < end; i++)
        {
            if (places[i] is { } destination && !goesOn(destination))
            {
                return false;
            }
        }
        return end < places.Length;
    }
}
