using FastRelay.Config;
using FastRelay.Outside;
using FastRelay.Routing;

namespace FastRelay.Queue;

/// <summary>Which budget a site has, and how many sessions each allows.</summary>
internal sealed class BudgetTable(QueueState queue)
{
    private const double FirstWindow = 5;
    private readonly Loop _loop = queue.World.Loop;
    private readonly Dictionary<string, SiteBudget> _shared = new(StringComparer.Ordinal);

    /// <summary>Those that the sites of a provider share.</summary>
    public Dictionary<string, SiteBudget>.ValueCollection Shared => _shared.Values;

    /// <summary>The shared one of a name; null when there is none.</summary>
    public SiteBudget? Find(string key) => _shared.GetValueOrDefault(key);

    /// <summary>
    /// Gives a site the budget that its plan and the rules say: its provider's, but a <c>[[site]]</c> that names a part of
    /// a provider's hosts makes one of that part; else its own. O(1) but for the rules; what the site has in use goes along.
    /// </summary>
    public void Assign(Site site)
    {
        Plan plan = site.Plan;
        SiteConfig? rule = queue.Options.Sites.FirstOrDefault(rule => plan.IsAt(rule.Match));
        string key = plan.Provider is not { } provider ? site.Key
            : (rule is null || rule.Match == provider ? provider : $"{provider}:{rule.Match}") + (site.Source is { } source ? "/" + source.Name : "");
        SiteBudget? budget = site.BudgetOrNone;
        bool begins = false;
        if (budget is null || budget.Key != key || budget.IsShared != plan.Provider is not null)
        {
            SiteBudget other = Of(key, plan.Provider, site.Source);
            begins = budget is null && other.Sites == 0;
            site.Move(other);
            budget = other;
        }
        if (!(budget.Rule?.AllRates ?? []).SequenceEqual(rule?.AllRates ?? []))
        {
            budget.Pace = SitePace.Of(rule);
            if (!begins)
            {
                // What was begun under other rates is not known to these: they begin with full buckets.
                budget.Pace?.Fill(_loop.NowMs);
            }
        }
        budget.Rule = rule;
    }

    /// <summary>The same for a site that has one, which may be another now.</summary>
    public void Reassign(Site site)
    {
        SiteBudget before = site.Budget;
        Assign(site);
        if (site.Budget == before)
        {
            return;
        }
        // They are the same hosts, whatever they are counted with.
        queue.Shaper.TakeAlong(before, site.Budget);
        queue.Gears.TakeAlong(before, site.Budget);
        // An idle connection that is just being closed is the other budget's now.
        before.Closing = 0;
        queue.Sites.Wake(site);
        if (before.Sites == 0)
        {
            Forget(before);
        }
        else
        {
            queue.Sites.LookAgain(before, 0);
        }
    }

    private SiteBudget Of(string key, string? provider, EgressSource? source)
    {
        if (provider is not null && _shared.TryGetValue(key, out SiteBudget? known))
        {
            return known;
        }
        var made = new SiteBudget(key, provider ?? "", source?.Name ?? "") { Window = FirstWindow };
        if (provider is not null)
        {
            _shared.Add(key, made);
            queue.Gears.Recall(made);
        }
        return made;
    }

    /// <summary>Its last site has left.</summary>
    public void Forget(SiteBudget budget)
    {
        queue.Shaper.Forget(budget);
        budget.LookTimer?.Cancel();
        if (budget.IsShared)
        {
            _shared.Remove(budget.Key);
        }
    }

    /// <summary>Sessions that may work at once just now, read here and nowhere else.</summary>
    public int LimitOf(SiteBudget budget) => budget.Brake.Failures > 0 ? 1 : Math.Clamp((int)budget.Window, 1, CeilingOf(budget));

    /// <summary>See <see cref="Site.Limit"/>: one while its hosts, or a login that was never made, are tried.</summary>
    public int LimitOf(Site site) => IsTried(site) ? 1 : LimitOf(site.Budget);

    /// <summary>Hosts that have failed are tried by one session; and so are those that never served, for they may hang, and others share its sessions.</summary>
    public static bool IsTried(Site site) => site.Brake.Failures > 0 || (!site.HasServed && (site.Plan.Credentials is not null || site.Budget.IsShared));

    /// <summary>See <see cref="Site.CanRun"/>.</summary>
    public bool CanRun(Site site) => !queue.Stopping && _loop.NowMs >= Math.Max(site.Brake.UntilMs, site.Budget.Brake.UntilMs)
        && site.Budget.Active < LimitOf(site.Budget) && (site.Active == 0 || !IsTried(site));

    /// <summary>Asks all that a budget has to say. When that is no, whatever changes it has the budget looked at again.</summary>
    public bool MayServe(SiteBudget budget, Site site)
    {
        if (queue.Gears.NextEndMs(budget) is > 0 and long endMs)
        {
            queue.Sites.LookAgain(budget, endMs);
        }
        int most = LimitOf(budget);
        budget.Binds = _loop.NowMs < budget.Brake.UntilMs ? BudgetBind.Gear
            : budget.Active >= most || (site.Idle == 0 && budget.Sessions >= most) ? BudgetBind.Session
            : !queue.Shaper.MayBegin(site) ? BudgetBind.Rate
            : BudgetBind.None;
        if (budget.Binds == BudgetBind.Session && budget.Active < most && budget.Closing < budget.Waiting && budget.IdleSites?.First is { } idle)
        {
            // What an idle connection of another site has to make room for is worth more.
            budget.Closing++;
            queue.Sites.Dispatcher!.CloseIdle(idle.Value);
        }
        if (budget.Binds != BudgetBind.None || !budget.IsPaced || budget.Coming < Shaper.Ahead(budget))
        {
            return budget.Binds == BudgetBind.None;
        }
        // Those that are on their way take what the rate lets go; for one that is long on its way another is sent.
        long waitMs = budget.SentAtMs + SiteBudget.TurnMs - _loop.NowMs;
        if (waitMs > 0)
        {
            queue.Sites.LookAgain(budget, waitMs);
        }
        return waitMs <= 0;
    }

    /// <summary>Sessions that it may have just now when it bears them: fewer than <see cref="MostOf"/> while a rule slows it.</summary>
    public int CeilingOf(SiteBudget budget) => _loop.NowMs < budget.SlowUntilMs ? Math.Min(budget.SlowMost, MostOf(budget)) : MostOf(budget);

    /// <summary>Sessions that it may have when it bears them.</summary>
    public int MostOf(SiteBudget budget) => budget.Rule is { Sessions: > 0 } rule ? rule.Sessions : Math.Max(1, queue.Limits.SendSessionsPerSite);

    /// <summary>It bears less than it has: halves the window, once for those that were under way together.</summary>
    /// <param name="budget">The budget.</param>
    /// <param name="forMs">How long those wait who have said so.</param>
    public void Narrow(SiteBudget budget, long forMs)
    {
        const long CohortMs = 5_000;
        if (_loop.NowMs >= budget.NarrowedUntilMs)
        {
            budget.Window = Math.Max(1, budget.Window / 2);
            budget.NarrowedUntilMs = _loop.NowMs + Math.Min(forMs, CohortMs);
        }
    }

    /// <summary>A message was taken: after as many as its concurrency it may have one session more.</summary>
    /// <returns>True when it may.</returns>
    public bool Delivered(SiteBudget budget, long tookMs)
    {
        budget.Taken++;
        budget.ServiceMs += budget.ServiceMs > 0 ? (tookMs - budget.ServiceMs) / 16 : Math.Max(1, tookMs);
        int most = CeilingOf(budget);
        if (budget.Window >= most)
        {
            return false;
        }
        int before = (int)budget.Window;
        budget.Window = Math.Min(budget.Window + (1 / budget.Window), most);
        return (int)budget.Window > before;
    }
}
