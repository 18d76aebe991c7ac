namespace FastRelay.Queue;

/// <summary>Shows sites, and finds those with the most to do among any number of them, a slice a turn. Loop thread.</summary>
/// <param name="queue">Knows them.</param>
internal sealed class BusySites(QueueState queue)
{
    /// <summary>The busiest, first: by what is ready, under way and deferred. Sites that share a budget are one.</summary>
    /// <param name="max">How many.</param>
    public async ValueTask<IReadOnlyList<SiteView>> ListAsync(int max)
    {
        queue.World.Loop.CheckThread();
        // Of providers there are few; a place for each site would be garbage by the megabyte.
        Dictionary<SiteBudget, Waiting> shared = [];
        var best = new PriorityQueue<(SiteBudget Budget, Site? Only), long>();
        await new QueueWalk(queue).EachAsync(queue.Sites.Places, site =>
        {
            if (site.Budget.IsShared)
            {
                shared[site.Budget] = shared.GetValueOrDefault(site.Budget).And(site);
            }
            else
            {
                Offer(site.Budget, site, site.Ready);
            }
            return true;
        });
        foreach ((SiteBudget budget, Waiting waiting) in shared)
        {
            Offer(budget, null, waiting.Ready);
        }
        var busiest = new List<SiteView>(best.Count);
        while (best.TryDequeue(out (SiteBudget Budget, Site? Only) one, out _))
        {
            SiteView shown = one.Only is { } site ? View(site) : View(one.Budget, shared[one.Budget]);
            busiest.Add(shown with { Deferred = Math.Max(0, one.Budget.Entries - shown.Ready - one.Budget.InFlight) });
        }
        busiest.Reverse();
        return busiest;

        void Offer(SiteBudget budget, Site? only, int ready)
        {
            best.Enqueue((budget, only), Math.Max(budget.Entries, ready + budget.InFlight));
            if (best.Count > max)
            {
                best.Dequeue();
            }
        }
    }

    /// <summary>A site.</summary>
    public SiteView View(Site site) => new(
        site.Key,
        site.Plan.Provider ?? "",
        site.Ready,
        site.InFlight,
        site.Sessions,
        site.Limit,
        site.Failures,
        queue.Gears.Of(site),
        LeftMs(queue.Gears.EndOf(site)),
        queue.Gears.ReasonOf(site))
    {
        ReadyHigh = site.Lanes.ReadyHigh,
        ReadyLow = site.Lanes.ReadyLow,
        Stopped = site.Stopped,
        Taken = site.Budget.Taken,
        Learned = queue.Shaper.View(site.Budget),
    };

    /// <summary>What the site shares with others; null where it shares nothing.</summary>
    public BudgetView? BudgetOf(Site site)
    {
        SiteBudget budget = site.Budget;
        (SiteGear gear, long endMs, string reason) = queue.Gears.Of(budget);
        return budget.IsShared
            ? new BudgetView(budget.Key, budget.Sites, budget.Waiting, budget.Sessions, budget.Idle, queue.Sites.Budgets.LimitOf(budget), gear, LeftMs(endMs), reason)
            : null;
    }

    /// <summary>All sites that share a budget, as one.</summary>
    private SiteView View(SiteBudget budget, Waiting waiting)
    {
        (SiteGear gear, long endMs, string reason) = queue.Gears.Of(budget);
        return new SiteView(budget.Key, budget.Provider, waiting.Ready, budget.InFlight, budget.Sessions, queue.Sites.Budgets.LimitOf(budget), budget.Brake.Failures,
            gear, LeftMs(endMs), reason)
        {
            Sites = budget.Sites,
            ReadyHigh = waiting.High,
            ReadyLow = waiting.Low,
            Stopped = waiting.Stopped,
            Taken = budget.Taken,
            Learned = queue.Shaper.View(budget),
        };
    }

    private long LeftMs(long endMs) => endMs == long.MaxValue ? endMs : Math.Max(0, endMs - queue.World.Loop.NowMs);

    private readonly record struct Waiting(int Ready, int High, int Low, int Stopped)
    {
        public Waiting And(Site site) => new(Ready + site.Ready, High + site.Lanes.ReadyHigh, Low + site.Lanes.ReadyLow, Stopped + site.Stopped);
    }
}
