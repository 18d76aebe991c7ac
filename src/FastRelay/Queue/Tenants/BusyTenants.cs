namespace FastRelay.Queue;

/// <summary>Finds the tenants with the most mail among any number of them, a slice a turn. Loop thread.</summary>
/// <param name="queue">Knows them.</param>
internal sealed class BusyTenants(QueueState queue)
{
    /// <summary>Those with the most mail, first.</summary>
    /// <param name="max">How many.</param>
    public async ValueTask<IReadOnlyList<TenantState>> ListAsync(int max)
    {
        queue.World.Loop.CheckThread();
        var best = new PriorityQueue<Tenant, long>();
        await new QueueWalk(queue).EachAsync(queue.Tenants.Places, tenant =>
        {
            best.Enqueue(tenant, tenant.Entries);
            if (best.Count > max)
            {
                best.Dequeue();
            }
            return true;
        });
        var busiest = new List<TenantState>(best.Count);
        while (best.TryDequeue(out Tenant? tenant, out _))
        {
            busiest.Add(new TenantState(tenant.Name, tenant.Entries, tenant.InFlight, tenant.Weight, tenant.Sessions, queue.Gears.Suspensions.OfTenant(tenant.Name)));
        }
        busiest.Reverse();
        return busiest;
    }
}

/// <summary>A tenant, as it was when it was looked at.</summary>
/// <param name="Name">Its name; empty for the default one.</param>
/// <param name="Entries">Its mail in all states: messages, each once for each destination.</param>
/// <param name="InFlight">Deliveries of it under way.</param>
/// <param name="Weight">Its messages in each round over the tenants of a site.</param>
/// <param name="Sessions">Most of its messages under way at one site; 0 for no bound.</param>
/// <param name="Suspension">The operator's; null when it is not suspended.</param>
public sealed record TenantState(string Name, long Entries, long InFlight, int Weight, int Sessions, Suspension? Suspension);
