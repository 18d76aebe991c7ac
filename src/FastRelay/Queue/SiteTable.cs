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
    private readonly QueueState _queue;
    private readonly Loop _loop;
    private readonly Dictionary<string, Site> _sites = new(StringComparer.Ordinal);
    private WokenSites _woken;
    private SiteQueue _starved = new(SitePlace.Room);
    private readonly LoopTimer _roomTimer;
    private bool _room;

    public SiteTable(QueueState queue)
    {
        _queue = queue;
        _loop = queue.World.Loop;
        _roomTimer = new LoopTimer(_loop, new RoomLook(this));
        Budgets = new BudgetTable(queue);
    }

    /// <summary>What may be asked of whom.</summary>
    public BudgetTable Budgets { get; }

    public long NowMs => _loop.NowMs;

    public Dispatcher? Dispatcher { get; set; }

    public Shaper Shaper => _queue.Shaper;

    public int Count => _sites.Count;

    public Dictionary<string, Site>.ValueCollection All => _sites.Values;

    public Site? Find(string key) => _sites.GetValueOrDefault(key);

    /// <summary>The site of a plan and a source; the newest plan is the one that is dialled.</summary>
    public Site Get(Plan plan, EgressSource? source)
    {
        string key = Site.KeyOf(plan, source);
        if (_sites.TryGetValue(key, out Site? site))
        {
            site.Source = source;
            if (site.IsPlanOld || plan.ExpiresMs >= site.Plan.ExpiresMs)
            {
                bool renewed = site.IsPlanOld && !(plan.Credentials?.IsSame(site.Plan.Credentials) ?? site.Plan.Credentials is null);
                site.Plan = plan;
                if (site.IsPlanOld)
                {
                    // Its hosts may be another provider's now.
                    site.IsPlanOld = false;
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
        site = new Site(this, plan, key) { Source = source };
        _sites.Add(key, site);
        Budgets.Assign(site);
        _queue.Gears.Recall(site);
        return site;
    }

    /// <summary>Rules and limits have changed. A budget keeps what it has learned; where its rates are others now, it begins with full buckets.</summary>
    public void Change()
    {
        foreach (Site site in _sites.Values)
        {
            site.IsPlanOld = true;
            Budgets.Reassign(site);
            site.Lanes.Change();
            Wake(site);
        }
        RoomAgain();
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
        foreach (Site site in _sites.Values)
        {
            Wake(site);
        }
    }

    protected override void Run()
    {
        Site? site = _woken.TakeAll();
        while (site is not null)
        {
            Site? next = site.NextToWake;
            site.NextToWake = null;
            site.WakeQueued = false;
            Look(site);
            site = next;
        }
        while (_room && _starved.First is { } starved)
        {
            Leave(starved);
            Look(starved);
        }
        _room = false;
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
            if (!mayDial || !MayServe(budget, site))
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

    /// <summary>Asks all that a budget has to say. When that is no, whatever changes it has the budget looked at again.</summary>
    private bool MayServe(SiteBudget budget, Site site)
    {
        if (_queue.Gears.NextEndMs(budget) is > 0 and long endMs)
        {
            LookAgain(budget, endMs);
        }
        int most = Budgets.LimitOf(budget);
        budget.Binds = _loop.NowMs < budget.Brake.UntilMs ? BudgetBind.Gear
            : budget.Active >= most || (site.Idle == 0 && budget.Sessions >= most) ? BudgetBind.Session
            : !Shaper.MayBegin(site) ? BudgetBind.Rate
            : BudgetBind.None;
        if (budget.Binds == BudgetBind.Session && budget.Active < most && budget.Closing < budget.Waiting && budget.IdleSites?.First is { } idle)
        {
            // What an idle connection of another site has to make room for is worth more.
            budget.Closing++;
            Dispatcher!.CloseIdle(idle.Value);
        }
        if (budget.Binds != BudgetBind.None || !budget.IsPaced || budget.Coming < Queue.Shaper.Ahead(budget))
        {
            return budget.Binds == BudgetBind.None;
        }
        // Those that are on their way take what the rate lets go; for one that is long on its way another is sent.
        long waitMs = budget.SentAtMs + SiteBudget.TurnMs - _loop.NowMs;
        if (waitMs > 0)
        {
            LookAgain(budget, waitMs);
        }
        return waitMs <= 0;
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
