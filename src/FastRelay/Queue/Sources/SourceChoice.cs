using FastRelay.Outside;

namespace FastRelay.Queue;

/// <summary>
/// Which source of its pool a message leaves from (docs/decisions/0015). A destination whose mail may leave from several
/// sources has a way for each: a destination of its own, with its own site. The choice is made by weight for each message,
/// among ways that are not stopped, and again when the message is tried again or its way has been stopped for long.
/// </summary>
internal sealed class SourceChoice(QueueState queue)
{
    private readonly Loop _loop = queue.World.Loop;

    /// <summary>The sources that are there.</summary>
    public SourceTable Table { get; private set; } = new(queue.Options);

    /// <summary>Puts other sources in force.</summary>
    public void Change() => Table = new SourceTable(queue.Options, Table);

    /// <summary>A destination is new, or its route, tenant or the sources have changed: what it may leave from.</summary>
    public void Assign(Destination destination)
    {
        // The walk of a reload comes to its tenant perhaps later, and new mail has brought it here.
        queue.Tenants.Set(destination.Tenant);
        EgressSource[]? pool = Table.Of(destination.Route, destination.Tenant);
        destination.Pool = pool;
        if (destination.Head == destination)
        {
            destination.Ways = pool is { Length: > 1 } ? new Destination?[pool.Length] : null;
            destination.LastChosen = 0;
            destination.LastWay = null;
        }
        // What is queued for a source that is gone leaves from another. One that is there but in the pool no more serves only where
        // there are ways: they take its mail over, message by message.
        string name = destination.Source?.Name ?? "";
        destination.Source = pool is null ? null : Array.Find(pool, one => one.Name == name) ?? (pool.Length > 1 ? Table.Find(name) : null) ?? pool[0];
        Place(destination);
        if (destination.Head == destination)
        {
            destination.Others?.ForEach(Place);
        }
    }

    /// <summary>The way of a new message.</summary>
    /// <param name="head">Of its tenant and domain or route.</param>
    /// <param name="order">The message's number: all its recipients there go one way.</param>
    public Destination WayOf(Destination head, long order)
    {
        if (head.Ways is null)
        {
            return head;
        }
        if (head.LastChosen != order)
        {
            head.LastChosen = order;
            head.LastWay = Choose(head);
        }
        return head.LastWay!;
    }

    /// <summary>A message is tried again: it may leave from another source this time.</summary>
    /// <param name="handle">In no list.</param>
    public void Again(int handle)
    {
        Destination way = queue.Destinations[queue.Slab[handle].Destination];
        if (way.Head.Ways is not null)
        {
            Move(handle, way, Choose(way.Head));
        }
    }

    /// <summary>Ready mail of a way that is stopped, or not in its pool any more, goes another way when one is open.</summary>
    /// <returns>True when it went.</returns>
    public bool MovedOn(int handle)
    {
        Destination way = queue.Destinations[queue.Slab[handle].Destination];
        if (way.Head.Ways is not { } ways || (Array.IndexOf(ways, way) >= 0 && !IsStopped(way)))
        {
            return false;
        }
        Destination next = Choose(way.Head);
        if (next == way || IsStopped(next))
        {
            return false;
        }
        queue.TakeOut(handle);
        Move(handle, way, next);
        queue.MakeReady(handle);
        return true;
    }

    /// <summary>A way is forgotten.</summary>
    public static void Forget(Destination way)
    {
        way.Head.Others?.Remove(way);
        if (way.Head.Ways is { } ways && Array.IndexOf(ways, way) is >= 0 and int at)
        {
            ways[at] = null;
        }
        if (way.Head.LastWay == way)
        {
            way.Head.LastChosen = 0;
            way.Head.LastWay = null;
        }
    }

    private static void Place(Destination way)
    {
        if (way.Head.Ways is { } ways && Array.IndexOf(way.Head.Pool!, way.Source) is >= 0 and int at)
        {
            ways[at] ??= way;
        }
    }

    /// <summary>A way of a head, for mail that comes to it.</summary>
    public Destination AnyWayOf(Destination head) => head.Ways is null ? head : Choose(head);

    /// <summary>Gives an entry that is in no list another destination.</summary>
    public void Move(int handle, Destination from, Destination to)
    {
        if (from != to)
        {
            queue.Slab[handle].Destination = to.Number;
            queue.Destinations.Entered(to);
            queue.Destinations.Left(from);
        }
    }

    /// <summary>By weight among the ways that are open; among all when none is.</summary>
    private Destination Choose(Destination head)
    {
        EgressSource[] pool = head.Pool!;
        int open = 0;
        int all = 0;
        for (int i = 0; i < pool.Length; i++)
        {
            all += pool[i].Weight;
            open += IsStopped(head.Ways![i]) ? 0 : pool[i].Weight;
        }
        // By chance and not in turn: turns of several domains would fall into step, each with its own source.
        int left = queue.World.Random.Next(open > 0 ? open : all);
        int at = -1;
        while (left >= 0)
        {
            at++;
            left -= open > 0 && IsStopped(head.Ways![at]) ? 0 : pool[at].Weight;
        }
        return head.Ways![at] ??= queue.Destinations.MakeWay(head, pool[at]);
    }

    private bool IsStopped(Destination? way) =>
        way?.Site is { } site && (_loop.NowMs < site.BackoffUntilMs || queue.Gears.IsSuspended(site));
}
