using FastRelay.Outside;
using FastRelay.Routing;

namespace FastRelay.Queue;

/// <summary>
/// The destinations that are to be planned: one plan at a time for each, and as many at once as <see cref="Limits.DnsQueries"/>
/// allows. A plan that does not come is given up by the <see cref="Watchdog"/>.
/// </summary>
/// <param name="queue">Bounds.</param>
/// <param name="router">Makes the plans.</param>
/// <param name="apply">Takes each.</param>
internal sealed class PlanQueue(QueueState queue, Router router, Action<Destination, Plan> apply) : LoopItem
{
    // A plan that DNS need not be asked for is made at once, and is some microseconds.
    private const int PlanCost = 16;

    private readonly Loop _loop = queue.World.Loop;
    private readonly Slice _slice = new(queue.World.Loop);
    private Destination? _first;
    private Destination? _last;
    private int _inFlight;
    private long _begun;
    private long _seen = -1;

    /// <summary>Something is being asked of DNS.</summary>
    public bool IsAsking => router.Cache.InFlight > 0;

    /// <summary>How often what plans are made by has changed. A plan of an earlier number is old.</summary>
    public int Changes { get; private set; }

    /// <summary>What plans are made by is other now: those under way are made again.</summary>
    public void Changed() => Changes++;

    /// <summary>Plans a destination, unless that is under way.</summary>
    public void Renew(Destination destination)
    {
        if (destination.Planning)
        {
            return;
        }
        destination.Planning = true;
        if (_last is null)
        {
            _first = destination;
        }
        else
        {
            _last.NextToPlan = destination;
        }
        _last = destination;
        _loop.Enqueue(this);
    }

    /// <summary>The watchdog's: a plan has not come, and another is made.</summary>
    public void GiveUp(Destination destination)
    {
        destination.PlanNumber++;
        End(destination);
        if (destination.Ready > 0)
        {
            Renew(destination);
        }
        _loop.Enqueue(this);
    }

    /// <summary>The watchdog's, now and then: destinations wait, there is room, and none was begun since the last look.</summary>
    public void Watch()
    {
        bool waits = _first is not null && _inFlight < queue.Limits.DnsQueries;
        if (waits && _begun == _seen)
        {
            queue.Watchdog.Found("to-plan"u8, _first!.Key, 0);
            _loop.Enqueue(this);
        }
        _seen = waits ? _begun : -1;
    }

    protected override void Run()
    {
        while (_first is { } destination && _inFlight < queue.Limits.DnsQueries)
        {
            if (_slice.IsOver)
            {
                _loop.Enqueue(this);
                return;
            }
            _slice.Spend(PlanCost);
            _first = destination.NextToPlan;
            _last = _first is null ? null : _last;
            destination.NextToPlan = null;
            _inFlight++;
            _begun++;
            _ = PlanAsync(destination);
        }
    }

    private async Task PlanAsync(Destination destination)
    {
        int number = ++destination.PlanNumber;
        destination.PlanSinceMs = _loop.NowMs;
        try
        {
            Plan plan;
            int change;
            Route route;
            do
            {
                // A plan by what was in force before is worth nothing.
                (change, route) = (Changes, destination.Route);
                plan = await router.PlanAsync(route);
            }
            while (change != Changes || route != destination.Route);
            if (number != destination.PlanNumber)
            {
                return;
            }
            End(destination);
            apply(destination, plan);
            if (_first is not null)
            {
                _loop.Enqueue(this);
            }
        }
        catch (Exception e)
        {
            Check.Fatal(e.ToString());
        }
    }

    private void End(Destination destination)
    {
        _inFlight--;
        destination.Planning = false;
        destination.PlanSinceMs = -1;
    }
}
