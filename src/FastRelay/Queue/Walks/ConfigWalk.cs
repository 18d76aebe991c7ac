namespace FastRelay.Queue;

/// <summary>
/// Brings what is there already under another configuration, a slice a turn: tenants, then sites, then destinations with their plans. What is made
/// meanwhile, and what begins with one that was reached, goes by the new one; whoever asked waits until all of it does
/// (docs/decisions/0012, 0036). Loop thread.
/// </summary>
/// <param name="queue">Whose options have changed already.</param>
internal sealed class ConfigWalk(QueueState queue)
{
    // A look at a destination makes a route, and one at a site puts it into another budget.
    private const int Cost = 8;

    private readonly QueueWalk _walk = new(queue);
    private bool _walks;

    /// <summary>Walks, one at a time; not to the end when the relay stops.</summary>
    /// <returns>Entries whose route is not in the table any more: they keep it.</returns>
    public async ValueTask<long> RunAsync()
    {
        Check.That(!_walks, "one change of the configuration at a time");
        _walks = true;
        long kept = 0;
        await _walk.EachAsync(
            queue.Tenants.Places,
            tenant =>
            {
                queue.Tenants.Set(tenant);
                return !queue.Stopping;
            },
            Cost);
        await _walk.EachAsync(
            queue.Sites.Places,
            site =>
            {
                queue.Sites.Change(site);
                return !queue.Stopping;
            },
            Cost);
        queue.Sites.RoomAgain();
        await _walk.EachAsync(
            queue.Destinations.Places,
            destination =>
            {
                // The ways of other sources are their head's affair: which of them serves is known when all have theirs.
                if (destination.Head == destination)
                {
                    queue.Destinations.Update(destination);
                    kept += DestinationTable.KeptOf(destination);
                }
                return !queue.Stopping;
            },
            Cost);
        _walks = false;
        return kept;
    }
}
