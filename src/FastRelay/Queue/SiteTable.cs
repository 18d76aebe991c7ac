using FastRelay.Outside;
using FastRelay.Routing;

namespace FastRelay.Queue;

/// <summary>
/// All sites, and the one place that decides whether a site may have another session: concurrency that grows by one
/// for each window of successes and halves when hosts fail, turns among the sites of a budget, and a backoff that touches
/// no message's timer.
/// </summary>
internal sealed class SiteTable : LoopItem
{
    private const long RoomLookMs = 20;

    // A look may put a session to work, which is some system calls.
    private const int LookCost = 8;
    private readonly QueueState _queue;
    private readonly Loop _loop;
    private readonly Dictionary<string, Site> _sites = new(StringComparer.Ordinal);
    private WokenSites _woken;
    private SiteQueue _starved = new(SitePlace.Room);
    private readonly LoopTimer _roomTimer;
    private readonly Slice _slice;
    private bool _room;

    public SiteTable(QueueState queue)
    {
        _queue = queue;
        _loop = queue.World.Loop;
        _roomTimer = new LoopTimer(_loop, new RoomLook(this));
        _slice = new Slice(_loop);
        Budgets = new BudgetTable(queue);
    }

    /// <summary>What may be asked of whom.</summary>
    public BudgetTable Budgets { get; }

    public long NowMs => _loop.NowMs;

    public Dispatcher? Dispatcher { get; set; }

    public Shaper Shaper => _queue.Shaper;

    public int Count => _sites.Count;

    /// <summary>All of them by number.</summary>
    public Places<Site> Places { get; } = new();

    /// <summary>All of them.</summary>
    public IEnumerable<Site> All => Places.All;

    public Site? Find(string key) => _sites.GetValueOrDefault(key);

    /// <summary>The site of a plan and a source; the newest plan is the one that is dialled.</summary>
    public Site Get(Plan plan, EgressSource? source)
    {
        string key = Site.KeyOf(plan, source);
        int plansOf = _queue.Destinations.Plans.Changes;
        if (_sites.TryGetValue(key, out Site? site))
        {
            site.Source = source;
            // Of another configuration: the next one takes its place, however long it holds.
            bool isOld = site.PlanOf != plansOf;
            if (isOld || plan.ExpiresMs >= site.Plan.ExpiresMs)
            {
                bool renewed = isOld && !(plan.Credentials?.IsSame(site.Plan.Credentials) ?? site.Plan.Credentials is null);
                site.Plan = plan;
                if (isOld)
                {
                    // Its hosts may be another provider's now.
                    site.PlanOf = plansOf;
                    Budgets.Reassign(site);
                    // And so is what a suspension of that provider is for.
                    _queue.Gears.Recall(site);
                }
                if (renewed && site.Brake.Lasts)
                {
                    // The password that was refused is another one now.
                    site.Brake.EndBackoff();
                    Wake(site);
                }
            }
            return site;
        }
        site = new Site(this, plan, key, Places.Take()) { Source = source, PlanOf = plansOf };
        Places.Set(site.Number, site);
        _sites.Add(key, site);
        Budgets.Assign(site);
        _queue.Gears.Recall(site);
        return site;
    }

    /// <summary>Rules and limits have changed. A budget keeps what it has learned; where its rates are others now, it begins with full buckets.</summary>
    public void Change(Site site)
    {
        Budgets.Reassign(site);
        site.Lanes.Change();
        Wake(site);
    }

    /// <summary>Looks, in this turn's run queue, whether the site wants another session.</summary>
    public void Wake(Site site)
    {
        if (_woken.Add(site))
        {
            _loop.Enqueue(this);
        }
    }

    /// <summary>True when something will surely make room for those that wait for it.</summary>
    public bool HasRoomEvent => _roomTimer.IsArmed || _queue.Counters.SessionsOut > 0;

    /// <summary>The watchdog's: looks at a site whose waking was lost.</summary>
    public void WakeAgain(Site site)
    {
        site.WakeQueued = _woken.Holds(site);
        _loop.Enqueue(this);
        // Where a backoff holds it, the timer is gone, and so is what it would have ended.
        Brake brake = _loop.NowMs < site.Brake.BackoffUntilMs ? site.Brake : site.Budget.Brake;
        if (_loop.NowMs < brake.BackoffUntilMs)
        {
            brake.EndBackoff();
        }
        RoomAgain();
        Wake(site);
    }

    /// <summary>A session has ended, so one more may start somewhere.</summary>
    public void RoomAgain()
    {
        if (_starved.First is not null)
        {
            _room = true;
            _loop.Enqueue(this);
        }
    }

    public void WakeAll()
    {
        foreach (Site site in All)
        {
            Wake(site);
        }
    }

    protected override void Run()
    {
        // Those that these looks wake are looked at in the next turn.
        for (int left = _woken.Count; left > 0 && !_slice.IsOver; left--)
        {
            Look(_woken.Take());
            _slice.Spend(LookCost);
        }
        while (_room && !_slice.IsOver && _starved.First is { } starved)
        {
            Leave(starved);
            Look(starved);
            _slice.Spend(LookCost);
        }
        _room &= _starved.First is not null;
        if (_room || _woken.Count > 0)
        {
            _loop.Enqueue(this);
        }
    }

    private void Look(Site site)
    {
        SiteBudget budget = site.Budget;
        if (site.Ready == 0)
        {
            Leave(site);
            while (site is { Destinations: 0, Idle: > 0 })
            {
                // Its mail goes elsewhere by now: to other hosts, or with something else asked of TLS.
                Dispatcher!.CloseIdle(site);
            }
            Forget(site);
        }
        else if ((site.Place is SitePlace.Dial or SitePlace.Room or SitePlace.More && site.Idle > 0) || (site.Place == SitePlace.More && site.Active == 0)
            || (site.Place is SitePlace.Fresh or SitePlace.Again && site.Lanes.HasGuest))
        {
            // What it waits for is less now.
            Leave(site);
        }
        if (site.Place == SitePlace.None && Wants(site))
        {
            budget.Wait(site, first: _loop.NowMs < site.TurnUntilMs);
        }
        Serve(budget);
    }

    private void Leave(Site site)
    {
        if (site.Place == SitePlace.Room)
        {
            _starved.Remove(site);
            site.Budget.Starved--;
        }
        else
        {
            site.Budget.Leave(site);
        }
    }

    /// <summary>Forgets a site that nothing refers to any more. The last of a budget stays as long as that has something to remember.</summary>
    private void Forget(Site site)
    {
        if (site.Destinations == 0 && site.Sessions == 0 && site.InFlight == 0 && !site.WakeQueued)
        {
            SiteBudget budget = site.Budget;
            long keptMs = site.Brake.Lasts ? site.Brake.BackoffUntilMs - _loop.NowMs : 0;
            if (budget.Sites == 1)
            {
                keptMs = Math.Max(keptMs, Math.Max(Shaper.KeptMs(budget), _queue.Gears.KeptMs(budget)));
            }
            if (keptMs > 0)
            {
                LookAgain(site, keptMs);
                return;
            }
            site.LookTimer?.Cancel();
            // Another of its name may have come meanwhile.
            if (Find(site.Key) == site)
            {
                _sites.Remove(site.Key);
                Places.Free(site.Number);
                if (--budget.Sites == 0)
                {
                    Budgets.Forget(budget);
                }
            }
        }
    }

    /// <summary>Does a site want a session that its own hosts, as far as is known, would serve?</summary>
    private bool Wants(Site site)
    {
        if (site.Ready == 0)
        {
            return false;
        }
        long untilMs = site.Brake.UntilMs;
        if (_loop.NowMs < untilMs)
        {
            if (untilMs != long.MaxValue)
            {
                LookAgain(site, untilMs - _loop.NowMs);
            }
            return false;
        }
        return (site.Active == 0 || !BudgetTable.IsTried(site)) && site.Active < site.InFlight - site.Stacked + site.Ready && !IsLeftToTheBusy(site);
    }

    /// <summary>Sessions for the sites of a budget that wait, in their turns, as many as it allows.</summary>
    private void Serve(SiteBudget budget)
    {
        budget.Binds = BudgetBind.None;
        while (!_queue.Stopping && Dispatcher is not null && Next(budget) is { } site)
        {
            if (_slice.IsOver)
            {
                // A hundred thousand sites of a provider may wait, and a rule may give them hundreds of sessions.
                Wake(site);
                return;
            }
            _slice.Spend(LookCost);
            if (!Wants(site))
            {
                budget.Leave(site);
                continue;
            }
            bool mayDial = site.Idle > 0 || Shaper.MayDial(site);
            if (!mayDial && site.Place != SitePlace.More)
            {
                budget.WaitToDial(site);
                continue;
            }
            if (!mayDial || !Budgets.MayServe(budget, site))
            {
                return;
            }
            budget.Pass(site);
            budget.Leave(site);
            if (!Send(site))
            {
                return;
            }
        }
    }

    private Site? Next(SiteBudget budget)
    {
        long dialMs = budget.WantDial ? Shaper.DialWaitMs(budget, out _) : 0;
        if (dialMs > 0)
        {
            LookAgain(budget, dialMs);
        }
        return budget.Next(mayDial: dialMs == 0);
    }

    /// <summary>Puts a session to work for a site whose turn it is.</summary>
    /// <returns>False when its budget is to be looked at later.</returns>
    private bool Send(Site site)
    {
        SiteBudget budget = site.Budget;
        int active = budget.Active;
        int sessions = site.Sessions;
        if ((_queue.HasJournal && !_queue.Journal.HasOutcomeRoom) || !_queue.MayFail)
        {
            Starve(site);
            _roomTimer.After(RoomLookMs);
            return false;
        }
        if (!Dispatcher!.Dispatch(site))
        {
            Starve(site);
            return false;
        }
        site.TurnUntilMs = long.MaxValue;
        site.Lanes.HasGuest = false;
        budget.SentAtMs = _loop.NowMs;
        if (site.Sessions > sessions)
        {
            Shaper.Dispatched(site);
        }
        if (site.Place == SitePlace.None && Wants(site))
        {
            budget.Wait(site, first: false);
        }
        return budget.Active > active;
    }

    private void Starve(Site site)
    {
        _room = false;
        _starved.Add(site);
        site.Budget.Starved++;
    }

    /// <summary>
    /// May what is ready wait for the busy sessions? Yes while the site answers quickly and there are no more than
    /// <see cref="Limits.JoinedAhead"/> for each. When it has stopped answering so, the site is looked at again.
    /// </summary>
    private bool IsLeftToTheBusy(Site site)
    {
        long quickMs = site.QuickUntilMs - _loop.NowMs;
        if (quickMs <= 0 || site.Ready > site.Active * _queue.Limits.JoinedAhead)
        {
            return false;
        }
        LookAgain(site, quickMs);
        return true;
    }

    /// <summary>Has the site looked at after this long. The earliest time wins: whoever finds at that look that it was too early asks again.</summary>
    public void LookAgain(Site site, long afterMs) => Look(site.LookTimer ??= new LoopTimer(_loop, new LookDue(this, site)), afterMs);

    /// <summary>The same for a budget.</summary>
    public void LookAgain(SiteBudget budget, long afterMs) => Look(budget.LookTimer ??= new LoopTimer(_loop, new ServeDue(this, budget)), afterMs);

    private void Look(LoopTimer timer, long afterMs)
    {
        if (_loop.NowMs + afterMs < timer.DueMs)
        {
            timer.After(afterMs);
        }
    }

    private sealed class RoomLook(SiteTable table) : LoopItem
    {
        protected override void Run() => table.RoomAgain();
    }

    private sealed class LookDue(SiteTable table, Site site) : LoopItem
    {
        protected override void Run() => table.Wake(site);
    }

    private sealed class ServeDue(SiteTable table, SiteBudget budget) : LoopItem
    {
        protected override void Run() => table.Serve(budget);
    }
}
