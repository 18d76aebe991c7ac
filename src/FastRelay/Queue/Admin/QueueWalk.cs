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
        var turn = new Signal<bool>(_loop);
        for (int from = 1; ; from += PerTurn)
        {
            Destination? found = AtIn(site, from, out bool more);
            if (found is not null || !more)
            {
                return found;
            }
            await turn.YieldAsync(true);
        }
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

    private Destination? AtIn(Site site, int from, out bool more)
    {
        ReadOnlySpan<Destination?> places = queue.Destinations.Places;
        int end = Math.Min(from + PerTurn, places.Length);
        more = end < places.Length;
        for (int i = from; i < end; i++)
        {
            if (places[i] is { } destination && destination.Site == site)
            {
                return destination;
            }
        }
        return null;
    }

    // A copy of the references alone: they come and go between the slices.
    private async ValueTask EachAsync<T>(T[] all, Action<T> look)
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
}
