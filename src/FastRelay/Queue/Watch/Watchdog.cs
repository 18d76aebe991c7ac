using FastRelay.Journal;
using FastRelay.Outside;

namespace FastRelay.Queue;

/// <summary>
/// Mail never sits for ever: whatever waits has something that will surely come, a timer, an answer with a deadline, or an
/// owner at work. What has had none for <see cref="Limits.WatchdogMs"/> is a defect of ours: it is said with the name of its
/// state, counted, and set going again where that is safe (docs/decisions/0025). A slice a turn, over deliveries and
/// destinations; entries are <see cref="QueueClock"/>'s sweep.
/// </summary>
internal sealed class Watchdog : LoopItem
{
    private const int LookCost = 2;

    // Each of the sessions is asked about a delivery that was taken long ago.
    private const int AskCost = 256;

    /// <summary>
    /// While anything is asked of DNS, a plan may be waiting for its turn to ask: 256 plans of 20 hosts each, behind servers
    /// that take half a minute to fail, take 20 minutes. So the bound is so many times as long.
    /// </summary>
    private const int AskingTimes = 6;

    private readonly QueueState _queue;
    private readonly Loop _loop;
    private readonly LoopTimer _timer;
    private readonly Slice _slice;
    private int _place = 1;
    private int _destination = 1;
    private int _round;
    private long _groups = -1;
    private long _groupsSinceMs;
    private long _settledSeen = -1;
    private long _settledSinceMs;

    public Watchdog(QueueState queue)
    {
        _queue = queue;
        _loop = queue.World.Loop;
        _timer = new LoopTimer(_loop, this);
        _slice = new Slice(_loop);
    }

    private long BoundMs => _queue.Limits.WatchdogMs;

    /// <summary>Begins watching.</summary>
    public void Start() => _timer.After(BoundMs / 2);

    /// <summary>Says and counts what has nothing to wait for.</summary>
    /// <param name="state">The state's name.</param>
    /// <param name="what">Which one.</param>
    /// <param name="forMs">For how long; 0 when that is not known.</param>
    public void Found(ReadOnlySpan<byte> state, string what, long forMs)
    {
        _queue.Counters.Stuck++;
        _queue.Log.Error("stuck"u8).Add("state"u8, state).Add("what"u8, what).AddSeconds("for"u8, forMs).Write();
    }

    protected override void Run()
    {
        if (_queue.Stopping)
        {
            // Nothing is taken up any more, and what is under way has the drain's deadline.
            Again();
            return;
        }
        while (_place < _queue.Flights.End && !_slice.IsOver)
        {
            _slice.Spend(LookAtDelivery(_place++));
        }
        Places<Destination> all = _queue.Destinations.Places;
        while (_destination < all.End && !_slice.IsOver)
        {
            if (all[_destination++] is { } destination)
            {
                Look(destination);
            }
            _slice.Spend(LookCost);
        }
        if (_place < _queue.Flights.End || _destination < all.End)
        {
            _loop.Enqueue(this);
            return;
        }
        LookAtSettler();
        LookAtJournal();
        _queue.Destinations.Plans.Watch();
        LookAtWheel();
        if (_queue.Bounces?.Watch(BoundMs) is { Length: > 0 } bounce)
        {
            Found("bounce"u8, bounce, BoundMs);
        }
        Again();
    }

    private void Again()
    {
        _place = _destination = 1;
        _round++;
        _timer.After(BoundMs / 2);
    }

    /// <summary>A delivery that no session works at: its message waits its retry interval, as the next hop may have it.</summary>
    /// <returns>What the look cost.</returns>
    private int LookAtDelivery(int place)
    {
        Flight flight = _queue.Flights[place];
        long age = _loop.NowMs - flight.TakenMs;
        if (flight.Entry == 0 || age <= BoundMs)
        {
            return 1;
        }
        if (_queue.Sites.Dispatcher?.MayHold(flight.Site!, flight.TakenMs) != false)
        {
            return AskCost;
        }
        Found("delivering"u8, _queue.Journal.IdOf(new MessageHandle(_queue.Slab[flight.Entry].Message)).ToString(), age);
        _queue.Reporter.GiveUp(place);
        return AskCost;
    }

    private void Look(Destination destination)
    {
        long now = _loop.NowMs;
        long planMs = destination.PlanSinceMs < 0 ? 0 : now - destination.PlanSinceMs;
        if (planMs > (_queue.Destinations.Plans.IsAsking ? AskingTimes * BoundMs : BoundMs))
        {
            Found("planning"u8, destination.Key, planMs);
            _queue.Destinations.Plans.GiveUp(destination);
            return;
        }
        if (destination.Ready == 0)
        {
            return;
        }
        if (destination.InSite)
        {
            if (destination.Site!.WatchRound != _round)
            {
                destination.Site.WatchRound = _round;
                Look(destination.Site);
            }
        }
        else if (destination.DnsRetryMs < now - BoundMs)
        {
            Found("dns"u8, destination.Key, now - destination.DnsRetryMs);
            _queue.Destinations.Forgive(destination);
        }
    }

    /// <summary>A site with ready work from which nothing was taken since the last look but one, though nothing holds it back.</summary>
    private void Look(Site site)
    {
        long now = _loop.NowMs;
        if (site.Begun != site.WatchBegun || HasNextEvent(site))
        {
            site.WatchBegun = site.Begun;
            site.WatchSinceMs = now;
        }
        else if (site.Ready > 0 && now - site.WatchSinceMs > BoundMs)
        {
            Found("ready"u8, site.Key, now - site.WatchSinceMs);
            site.WatchSinceMs = now;
            _queue.Sites.WakeAgain(site);
        }
    }

    /// <summary>True when something will surely have its ready work looked at: the end of what holds it back, a session at work, or room.</summary>
    private bool HasNextEvent(Site site)
    {
        if (_queue.Sites.Dispatcher is null || site.Active > 0 || site.LookTimer is { IsArmed: true }
            || _queue.Gears.IsSuspended(site) || !_queue.Journal.HasOutcomeRoom || !_queue.MayFail)
        {
            return true;
        }
        return site.Place switch
        {
            SitePlace.None => false,
            SitePlace.Room => _queue.Sites.HasRoomEvent,
            _ => HasNextEvent(site.Budget),
        };
    }

    /// <summary>The same for those that wait in a budget: each comes to its turn, however many are before it, as long as the budget is looked at.</summary>
    private bool HasNextEvent(SiteBudget budget) => budget.Active > 0 || budget.LookTimer is { IsArmed: true } || (budget.Starved > 0 && _queue.Sites.HasRoomEvent);

    /// <summary>Deferred mail that is long due: the wheel's timer was lost.</summary>
    private void LookAtWheel()
    {
        int next = _queue.Wheel.NextSeconds();
        if (next != int.MaxValue && _queue.NowSeconds - next > BoundMs / 1000)
        {
            Found("deferred"u8, "", (_queue.NowSeconds - next) * 1000L);
            _loop.Enqueue(_queue.Clock);
        }
    }

    private void LookAtSettler()
    {
        long now = _loop.NowMs;
        if (_queue.CountOf(EntryState.Settling) == 0 || !_queue.MayFail || _queue.Settler.Settled != _settledSeen)
        {
            _settledSeen = _queue.Settler.Settled;
            _settledSinceMs = now;
        }
        else if (now - _settledSinceMs > BoundMs)
        {
            Found("ending"u8, "", now - _settledSinceMs);
            _settledSinceMs = now;
            // One that waits is woken. One that reads a message is the disk's: a second one would settle it twice.
            _queue.Settler.Resume();
        }
    }

    /// <summary>Records that wait for the disk while it fails nothing: the flusher has forgotten them. Nothing can be done for them but say so.</summary>
    private void LookAtJournal()
    {
        long now = _loop.NowMs;
        JournalStats stats = _queue.Journal.Stats;
        long moved = stats.Groups + stats.Failures;
        if (stats.StagedBytes == 0 || moved != _groups || _queue.Journal.Admission != JournalStatus.Ok)
        {
            _groups = moved;
            _groupsSinceMs = now;
        }
        else if (now - _groupsSinceMs > BoundMs)
        {
            Found("commit"u8, "", now - _groupsSinceMs);
            _groupsSinceMs = now;
        }
    }
}
