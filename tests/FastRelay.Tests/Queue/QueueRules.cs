using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Queue;
using FastRelay.Routing;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>What must hold between any two calls: lists, counts and the journal tell the same story.</summary>
internal static class QueueRules
{
    /// <param name="rig">The queue.</param>
    /// <param name="journal">False for mail of which the journal knows nothing.</param>
    public static void Hold(QueueRig rig, bool journal = true)
    {
        QueueState state = rig.Queue.State;
        var counts = new Dictionary<EntryState, long>();
        var perDestination = new Dictionary<int, int>();
        var perMessage = new Dictionary<int, int>();
        int inUse = 0;
        for (int handle = 1; handle < state.Slab.End; handle++)
        {
            Entry entry = state.Slab[handle];
            if (entry.State == EntryState.Free)
            {
                continue;
            }
            inUse++;
            counts[entry.State] = counts.GetValueOrDefault(entry.State) + 1;
            perDestination[entry.Destination] = perDestination.GetValueOrDefault(entry.Destination) + 1;
            perMessage[entry.Message] = perMessage.GetValueOrDefault(entry.Message) + entry.Pending;
            Assert.True(entry.Pending > 0, "an entry without pending recipients");
            if (journal)
            {
                Assert.Contains(handle, Chain(state, entry.Message));
            }
        }
        Assert.Equal(inUse, state.Slab.Count);
        foreach (EntryState one in Enum.GetValues<EntryState>().Where(one => one != EntryState.Free))
        {
            Assert.Equal(counts.GetValueOrDefault(one), state.CountOf(one));
        }
        Assert.Equal(state.Wheel.Count, state.CountOf(EntryState.Deferred));
        foreach ((int slot, int pending) in perMessage)
        {
            Assert.True(!journal || pending <= rig.Journal.PendingCount(new MessageHandle(slot)), "the queue holds more than the journal");
        }
        HoldSites(state, perDestination);
        HoldCounts(state);
    }

    /// <summary>What tenants and sources are shown with is what their destinations and sites have.</summary>
    private static void HoldCounts(QueueState state)
    {
        Destination[] all = [.. state.Destinations.All];
        foreach (Tenant tenant in state.Tenants.All)
        {
            Assert.Equal(all.Where(one => one.Tenant == tenant).Sum(static one => (long)one.Entries), tenant.Entries);
        }
        Assert.Equal(state.Sites.All.Sum(static site => (long)site.InFlight), state.Tenants.All.Sum(static tenant => tenant.InFlight));
        foreach (EgressSource source in state.Sources.Table.All)
        {
            Assert.Equal(all.Where(one => one.Source?.Counts == source.Counts).Sum(static one => (long)one.Entries), source.Counts.Entries);
            Assert.Equal(state.Sites.All.Where(site => site.Source?.Counts == source.Counts).Sum(static site => (long)site.Sessions), source.Counts.Sessions);
        }
    }

    private static void HoldSites(QueueState state, Dictionary<int, int> perDestination)
    {
        var readyOf = new Dictionary<Site, int>();
        foreach (Destination destination in state.Destinations.All)
        {
            Assert.Equal(perDestination.GetValueOrDefault(destination.Number), destination.Entries);
            Assert.Equal(destination.Entries == 0, destination.InEmptyList);
            bool inRing = destination.InSite;
            HoldRings(destination);
            if (inRing)
            {
                Assert.True(destination.Ready > 0, "a destination without work in its site's ring");
                Assert.Equal(PlanStatus.Ok, destination.Plan!.Status);
                readyOf[destination.Site!] = readyOf.GetValueOrDefault(destination.Site!) + destination.Ready;
            }
            else if (destination.Ready > 0)
            {
                Assert.True(destination.Planning || destination.Settling || destination.DnsRetryMs != long.MaxValue, "ready work that nothing will look at");
            }
        }
        foreach (Site site in state.Sites.All)
        {
            Assert.Equal(readyOf.GetValueOrDefault(site), site.Ready + site.Capped + site.Stopped);
            List<Destination> destinations = [.. state.Destinations.All.Where(destination => destination.Site == site)];
            HoldLanes(site, destinations);
            Assert.Equal(destinations.Sum(static destination => (long)destination.Entries), site.Entries);
            Assert.True(site.Sessions <= state.Limits.SendSessionsPerSite);
            bool waits = site.Ready > 0 && site.Active == 0 && state.World.Loop.NowMs >= site.Brake.UntilMs;
            Assert.True(!waits || site.Place != SitePlace.None || site.WakeQueued || state.Sites.Dispatcher is null, "a site with work that no turn will come to");
        }
        foreach (IGrouping<SiteBudget, Site> of in state.Sites.All.GroupBy(static site => site.Budget))
        {
            SiteBudget budget = of.Key;
            Assert.Equal((of.Count(), of.Sum(static site => site.Sessions), of.Sum(static site => site.Idle)), (budget.Sites, budget.Sessions, budget.Idle));
            Assert.Equal((of.Sum(static site => site.InFlight), of.Sum(static site => site.Stacked)), (budget.InFlight, budget.Stacked));
            Assert.Equal(of.Sum(static site => site.Entries), budget.Entries);
            Assert.Equal(of.Count(static site => site.Place is SitePlace.Guest or SitePlace.Fresh or SitePlace.Again or SitePlace.More or SitePlace.Dial), budget.Waiting);
            Assert.Equal(of.Count(static site => site.Place == SitePlace.Room), budget.Starved);
            Assert.Equal(budget.IsShared ? of.Count(static site => site.Idle > 0) : 0, budget.IdleSites?.Count ?? 0);
            IEnumerable<Tenant> open = state.Destinations.All.Where(destination => destination.Lane is { Open: > 0 } && destination.Site!.Budget == budget)
                .Select(static destination => destination.Lane!).Distinct().Select(static lane => lane.Tenant);
            Assert.Equal(
                budget.IsShared ? open.GroupBy(static tenant => tenant.Name).OrderBy(static one => one.Key, StringComparer.Ordinal).Select(static one => (one.Key, one.Count())) : [],
                state.Tenants.All.Select(tenant => (tenant.Name, budget.SitesOf(tenant))).Where(static one => one.Item2 > 0).OrderBy(static one => one.Name, StringComparer.Ordinal));
            Assert.Equal(budget.IsShared, state.Sites.Budgets.Find(budget.Key) == budget);
        }
    }

    private static void HoldRings(Destination destination)
    {
        for (int rank = 0; rank < MailPriorities.Count; rank++)
        {
            ReadyLane lane = destination.Lanes[rank];
            Assert.Equal(destination.InSite && lane.List.Count > 0, lane.Next is not null);
            if (lane.Next is not null)
            {
                Assert.Same(destination, lane.Next.Lanes[rank].Previous);
                Assert.Same(destination, lane.Previous!.Lanes[rank].Next);
                Assert.Same(destination.Lane, lane.Next.Lane);
            }
        }
    }

    private static void HoldLanes(Site site, List<Destination> destinations)
    {
        Assert.Equal(site.Destinations, destinations.Count);
        int ready = 0;
        int capped = 0;
        int inFlight = 0;
        var lanes = destinations.Select(static destination => destination.Lane!).Distinct().ToList();
        foreach (TenantLane lane in lanes)
        {
            Assert.Equal(lane.Destinations, destinations.Count(destination => destination.Tenant == lane.Tenant));
            int most = lane.Tenant.IsSuspended ? 0 : lane.Tenant.Sessions > 0 ? Math.Max(0, lane.Tenant.Sessions - lane.InFlight) : int.MaxValue;
            Assert.Equal(Math.Min(most, lane.Ready), lane.Open);
            Assert.Equal(lane.Ready, destinations.Where(destination => destination.Lane == lane && destination.InSite).Sum(static destination => destination.Ready));
            Assert.Equal(lane.Open > 0, lane.Next is not null);
            ready += lane.Open;
            capped += lane.Ready - lane.Open;
            inFlight += lane.InFlight;
        }
        Assert.Equal(lanes.Count, lanes.DistinctBy(static lane => lane.Tenant).Count());
        Assert.Equal((ready, capped), (site.Ready, site.Capped + site.Stopped));
        Assert.True(inFlight <= site.InFlight);
    }

    private static List<int> Chain(QueueState state, int slot)
    {
        var chain = new List<int>();
        for (int handle = state.Messages[slot]; handle != 0; handle = state.Slab[handle].NextOfMessage)
        {
            Assert.Equal(slot, state.Slab[handle].Message);
            chain.Add(handle);
        }
        return chain;
    }
}
