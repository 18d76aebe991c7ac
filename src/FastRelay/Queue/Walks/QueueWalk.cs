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
    /// <summary>Tenants, destinations or sites that one turn looks at, at most: each is likely some misses of the cache.</summary>
    public const int PerTurn = Slice.Steps / Cost;

    private const int Cost = 2;
    private readonly Loop _loop = queue.World.Loop;

    /// <summary>True when mail of any tenant is known that new mail for a domain would join.</summary>
    /// <param name="domain">Lower case.</param>
    public async ValueTask<bool> KnowsAsync(string domain) => await HeadsAsync(domain, static _ => false);

    /// <summary>Of what new mail for a domain goes to, one for each tenant with some, the one with the most entries; null when there is none.</summary>
    /// <param name="domain">Lower case.</param>
    public async ValueTask<Destination?> BusiestHeadAsync(string domain)
    {
        Destination? busiest = null;
        await HeadsAsync(domain, head =>
        {
            busiest = head.Entries <= busiest?.Entries ? busiest : head;
            return true;
        });
        return busiest;
    }

    /// <returns>True when there is one.</returns>
    private async ValueTask<bool> HeadsAsync(string domain, Func<Destination, bool> goesOn)
    {
        Route? route = queue.Destinations.Router.FixedRoute(domain);
        bool any = false;
        await EachAsync(queue.Tenants.Places, tenant =>
        {
            if (!tenant.TryFind(domain, out Destination? head) && (route is null || !tenant.TryFind(route, out head)))
            {
                return true;
            }
            any = true;
            return goesOn(head!);
        });
        return any;
    }

    /// <summary>
    /// Destinations that hold mail of a domain: those that new mail goes to, first, and those that it went to before a change, or was moved to.
    /// </summary>
    /// <param name="domain">Lower case.</param>
    /// <param name="max">How many, at most.</param>
    /// <param name="counts">Those that count.</param>
    public async ValueTask<List<Destination>> SomeOfAsync(string domain, int max, Func<Destination, bool> counts)
    {
        List<Destination> current = [];
        List<Destination> left = [];
        var mail = new DomainMail(domain);
        await EachAsync(queue.Destinations.Places, destination =>
        {
            List<Destination> into = destination.IsLeft ? left : current;
            if (into.Count < max && mail.Has(destination) && counts(destination))
            {
                into.Add(destination);
            }
            return current.Count < max;
        });
        return [.. current.Concat(left).Take(max)];
    }

    /// <summary>A destination of a site; null when it has none.</summary>
    public async ValueTask<Destination?> AtAsync(Site site)
    {
        Destination? found = null;
        await EachAsync(queue.Destinations.Places, destination => (found = destination.Site == site ? destination : null) is null);
        return found;
    }

    /// <summary>Of the sites that share a budget the one that has most to do; null when none does.</summary>
    public async ValueTask<Site?> BusiestAsync(SiteBudget budget)
    {
        Site? busiest = null;
        await EachAsync(queue.Sites.Places, site =>
        {
            busiest = site.Budget == budget && !(site.Ready <= busiest?.Ready) ? site : busiest;
            return true;
        });
        return busiest;
    }

    /// <summary>How many sites are so.</summary>
    public async ValueTask<int> CountAsync(Func<Site, bool> isSo)
    {
        int count = 0;
        await EachAsync(queue.Sites.Places, site =>
        {
            count += isSo(site) ? 1 : 0;
            return true;
        });
        return count;
    }

    /// <summary>Looks at each, until one is enough. They come and go between the slices.</summary>
    /// <param name="all">By number.</param>
    /// <param name="goesOn">Looks at one; false when no other is wanted.</param>
    /// <param name="cost">Steps of a look.</param>
    public async ValueTask EachAsync<T>(Places<T> all, Func<T, bool> goesOn, int cost = Cost)
        where T : class
    {
        var slice = new Slice(_loop);
        for (int number = 1; number < all.End; number++)
        {
            if (all[number] is { } one && !goesOn(one))
            {
                return;
            }
            if (!slice.Spend(cost))
            {
                await slice.NextAsync();
            }
        }
    }
}
