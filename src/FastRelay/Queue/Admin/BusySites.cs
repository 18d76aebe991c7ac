using FastRelay.Outside;

namespace FastRelay.Queue;

/// <summary>Finds the sites with the most to do among any number of them, a slice a turn. Loop thread.</summary>
/// <param name="queue">Knows them.</param>
internal sealed class BusySites(QueueState queue)
{
    /// <summary>Destinations, or sites, that one turn looks at: each is likely a miss of the cache.</summary>
    private const int PerTurn = 1_024;

    private readonly Signal<bool> _turn = new(queue.World.Loop);

    /// <summary>The busiest, first: by what is ready, under way and deferred.</summary>
    public async ValueTask<IReadOnlyList<SiteView>> ListAsync(int max, Func<Site, SiteView> view)
    {
        queue.World.Loop.CheckThread();
        Dictionary<Site, long> entries = [];
        for (int from = 1; Gather(from, entries); from += PerTurn)
        {
            await _turn.YieldAsync(true);
        }
        // A copy of the references alone: sites come and go between the slices.
        Site[] all = [.. queue.Sites.All];
        var best = new PriorityQueue<Site, long>();
        for (int i = 0; i < all.Length; i++)
        {
            if (i % PerTurn == PerTurn - 1)
            {
                await _turn.YieldAsync(true);
            }
            best.Enqueue(all[i], Math.Max(entries.GetValueOrDefault(all[i]), all[i].Ready + all[i].InFlight));
            if (best.Count > max)
            {
                best.Dequeue();
            }
        }
        var busiest = new List<SiteView>(best.Count);
        while (best.TryDequeue(out Site? site, out _))
        {
            busiest.Add(view(site) with { Deferred = Math.Max(0, entries.GetValueOrDefault(site) - site.Ready - site.InFlight) });
        }
        busiest.Reverse();
        return busiest;
    }

    private bool Gather(int from, Dictionary<Site, long> entries)
    {
        ReadOnlySpan<Destination?> places = queue.Destinations.Places;
        int end = Math.Min(from + PerTurn, places.Length);
        for (int i = from; i < end; i++)
        {
            if (places[i] is { Site: { } site, Entries: > 0 } destination)
            {
                entries[site] = entries.GetValueOrDefault(site) + destination.Entries;
            }
        }
        return end < places.Length;
    }
}
