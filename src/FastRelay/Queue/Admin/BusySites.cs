using FastRelay.Outside;

namespace FastRelay.Queue;

/// <summary>Finds the sites with the most to do among any number of them, a slice a turn. Loop thread.</summary>
/// <param name="queue">Knows them.</param>
internal sealed class BusySites(QueueState queue)
{
    /// <summary>Destinations, or sites, that one turn looks at: each is likely a miss of the cache.</summary>
    private const int PerTurn = 1_024;

    private readonly Signal<bool> _turn = new(queue.World.Loop);

    /// <summary>The busiest, first: by what is ready, under way and deferred. Sites that share a budget are one.</summary>
    /// <param name="max">How many.</param>
    /// <param name="view">Shows a site.</param>
    /// <param name="shared">Shows sites that share a budget, with what is ready for all of them.</param>
    public async ValueTask<IReadOnlyList<SiteView>> ListAsync(int max, Func<Site, SiteView> view, Func<SiteBudget, int, SiteView> shared)
    {
        queue.World.Loop.CheckThread();
        Dictionary<SiteBudget, long> entries = [];
        for (int from = 1; Gather(from, entries); from += PerTurn)
        {
            await PauseAsync();
        }
        // A copy of the references alone: sites come and go between the slices.
        Site[] all = [.. queue.Sites.All];
        Dictionary<SiteBudget, int> readyOf = [];
        var best = new PriorityQueue<(SiteBudget Budget, Site? Only), long>();
        for (int i = 0; i < all.Length; i++)
        {
            Site site = all[i];
            if (site.Budget.IsShared)
            {
                readyOf[site.Budget] = readyOf.GetValueOrDefault(site.Budget) + site.Ready;
            }
            else
            {
                Offer(site.Budget, site, site.Ready);
            }
            if (i % PerTurn == PerTurn - 1)
            {
                await PauseAsync();
            }
        }
        foreach ((SiteBudget budget, int ready) in readyOf)
        {
            Offer(budget, null, ready);
        }
        var busiest = new List<SiteView>(best.Count);
        while (best.TryDequeue(out (SiteBudget Budget, Site? Only) one, out _))
        {
            int ready = one.Only?.Ready ?? readyOf[one.Budget];
            SiteView shown = one.Only is { } site ? view(site) : shared(one.Budget, ready);
            busiest.Add(shown with { Deferred = Math.Max(0, entries.GetValueOrDefault(one.Budget) - ready - one.Budget.InFlight) });
        }
        busiest.Reverse();
        return busiest;

        void Offer(SiteBudget budget, Site? only, int ready)
        {
            best.Enqueue((budget, only), Math.Max(entries.GetValueOrDefault(budget), ready + budget.InFlight));
            if (best.Count > max)
            {
                best.Dequeue();
            }
        }
    }

    private bool Gather(int from, Dictionary<SiteBudget, long> entries)
    {
        ReadOnlySpan<Destination?> places = queue.Destinations.Places;
        int end = Math.Min(from + PerTurn, places.Length);
        for (int i = from; i < end; i++)
        {
            if (places[i] is { Site: { } site, Entries: > 0 } destination)
            {
                entries[site.Budget] = entries.GetValueOrDefault(site.Budget) + destination.Entries;
            }
        }
        return end < places.Length;
    }

    private ValueTask<bool> PauseAsync()
    {
        ValueTask<bool> turn = _turn.WaitAsync();
        _turn.Set(true);
        return turn;
    }
}
