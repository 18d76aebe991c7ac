using FastRelay.Config;
using FastRelay.Outside;
using FastRelay.Routing;
using FastRelay.Smtp;

namespace FastRelay.Queue;

/// <summary>
/// All sites, and the one place that decides whether a site may have another session: concurrency that grows by one
/// for each window of successes and halves when the site fails, and a backoff that touches no message's timer.
/// </summary>
internal sealed class SiteTable : LoopItem
{
    private const double FirstWindow = 5;
    private const long SoftBackoffMs = 5_000;
    private const long RoomLookMs = 20;

    /// <summary>A login that was refused is not tried again sooner, whatever the retry times say: many tries lock the account.</summary>
    private const long LoginBackoffMs = 60 * 60 * 1000;

    private readonly QueueState _queue;
    private readonly Loop _loop;
    private readonly Dictionary<string, Site> _sites = new(StringComparer.Ordinal);
    private WokenSites _woken;
    private StarvedSites _starved;
    private readonly LoopTimer _roomTimer;
    private bool _room;

    public SiteTable(QueueState queue)
    {
        _queue = queue;
        _loop = queue.World.Loop;
        _roomTimer = new LoopTimer(_loop, new RoomLook(this));
    }

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
                site.IsPlanOld = false;
                if (renewed && site.BackoffLasts && _loop.NowMs >= site.StoppedUntilMs)
                {
                    // The password that was refused is another one now.
                    EndBackoff(site);
                }
            }
            return site;
        }
        SiteConfig? rule = RuleOf(plan);
        site = new Site(this, plan, key) { Source = source, Window = FirstWindow, Rule = rule, Pace = SitePace.Of(rule) };
        _sites.Add(key, site);
        _queue.Gears.Recall(site);
        return site;
    }

    /// <summary>Rules and limits have changed. A site keeps what it has learned; where its rates are others now, it begins with full buckets.</summary>
    public void Change()
    {
        foreach (Site site in _sites.Values)
        {
            site.IsPlanOld = true;
            SiteConfig? rule = RuleOf(site.Plan);
            if (!(rule?.AllRates ?? []).SequenceEqual(site.Rule?.AllRates ?? []))
            {
                site.Pace = SitePace.Of(rule);
                site.Pace?.Fill(_loop.NowMs);
            }
            site.Rule = rule;
            site.Lanes.Change();
            Wake(site);
        }
        RoomAgain();
    }

    private SiteConfig? RuleOf(Plan plan) => _queue.Options.Sites.FirstOrDefault(rule => plan.IsAt(rule.Match));

    /// <summary>My current share, read here and nowhere else.</summary>
    public int LimitOf(Site site) => site.Failures > 0 || (site.Plan.Credentials is not null && site.ServiceMs == 0)
        ? 1
        : Math.Clamp((int)site.Window, 1, CeilingOf(site));

    /// <summary>Sessions that it may have just now when it bears them: fewer than <see cref="MostOf"/> while a rule slows it.</summary>
    public int CeilingOf(Site site) => _loop.NowMs < site.SlowUntilMs ? Math.Min(site.SlowMost, MostOf(site)) : MostOf(site);

    /// <summary>Sessions that it may have when it bears them.</summary>
    public int MostOf(Site site) => site.Rule is { Sessions: > 0 } rule ? rule.Sessions : Math.Max(1, _queue.Limits.SendSessionsPerSite);

    public bool CanRun(Site site) =>
        !_queue.Stopping && _loop.NowMs >= site.BackoffUntilMs && !_queue.Gears.IsSuspended(site) && site.Active < LimitOf(site);

    /// <summary>Looks, in this turn's run queue, whether the site wants another session.</summary>
    public void Wake(Site site)
    {
        if (_woken.Add(site))
        {
            _loop.Enqueue(this);
        }
    }

    /// <summary>True when something will surely have its ready work looked at: the end of what holds it back, a session at work, or room.</summary>
    public bool HasNextEvent(Site site)
    {
        if (Dispatcher is null || site.Active > 0 || _queue.Gears.IsSuspended(site) || !_queue.Journal.HasOutcomeRoom || !_queue.MayFail)
        {
            return true;
        }
        if (_loop.NowMs < site.BackoffUntilMs)
        {
            return site.Timer is { IsArmed: true };
        }
        return site.IsStarved ? _roomTimer.IsArmed || _queue.Counters.SessionsOut > 0 : site.LookTimer is { IsArmed: true };
    }

    /// <summary>The watchdog's: looks at a site whose waking was lost.</summary>
    public void WakeAgain(Site site)
    {
        site.WakeQueued = _woken.Holds(site);
        _loop.Enqueue(this);
        if (_loop.NowMs < site.BackoffUntilMs)
        {
            // Its timer is gone, and so is what it would have ended.
            EndBackoff(site);
        }
        RoomAgain();
        Wake(site);
    }

    /// <summary>A session has ended, so one more may start somewhere.</summary>
    public void RoomAgain()
    {
        if (_starved.Any)
        {
            _room = true;
            _loop.Enqueue(this);
        }
    }

    /// <summary>None of the site's hosts could be used.</summary>
    /// <param name="site">The site.</param>
    /// <param name="outcome">Why.</param>
    /// <param name="reason">The same in words.</param>
    /// <param name="counted">The reply was reported for a message already, and counted for the rules there.</param>
    public void Failed(Site site, in Outcome outcome, ReadOnlySpan<byte> reason, bool counted)
    {
        // The rest of a cohort that was dialling at the same time tells nothing new.
        if (_loop.NowMs < site.BackoffUntilMs
            || (counted ? Shaper.WasRefusedNow(site) : _queue.Gears.Replied(site, outcome, reason) is ReplyEffect.Stopped or ReplyEffect.Paced))
        {
            return;
        }
        long wait;
        bool login = outcome is { Cause: OutcomeCause.AuthFailed, ReplyCode: >= 500 };
        if (site.InFlight > 0 && !login)
        {
            // Others are being served: too many at once, not a dead site.
            wait = _queue.Options.BackoffMs(SoftBackoffMs, SoftBackoffMs, 1, _queue.World.Random);
        }
        else
        {
            site.Failures++;
            // A password that is wrong does not become right by trying, and many tries lock the account.
            long first = login ? Math.Max(_queue.Options.RetryMs[^1], LoginBackoffMs) : _queue.Options.SiteBackoffMs;
            wait = _queue.Options.BackoffMs(first, Math.Max(first, _queue.Options.RetryMs[^1]), site.Failures, _queue.World.Random);
        }
        BackOff(site, wait, System.Text.Encoding.Latin1.GetString(reason[..Math.Min(reason.Length, Limits.ReplyTextBytes)]), lasts: login);
        _queue.Log.Warn("site_backoff"u8).Add("site"u8, site.Key).Add("failures"u8, site.Failures).AddSeconds("wait"u8, wait)
            .Add("ready"u8, site.Ready).Add("code"u8, outcome.ReplyCode).Add("reason"u8, reason).Write();
    }

    /// <summary>Gives a site nothing for a while.</summary>
    /// <param name="site">The site.</param>
    /// <param name="forMs">For how long.</param>
    /// <param name="reason">Why.</param>
    /// <param name="lasts">What it takes meanwhile does not end it, and one session tries it afterwards.</param>
    public void BackOff(Site site, long forMs, string reason, bool lasts)
    {
        site.Window = Math.Max(1, site.Window / 2);
        site.Failures = lasts ? Math.Max(1, site.Failures) : site.Failures;
        site.BackoffLasts = lasts;
        site.BackoffReason = reason;
        site.BackoffUntilMs = _loop.NowMs + forMs;
        site.Timer ??= new LoopTimer(_loop, new BackoffOver(this, site));
        site.Timer.After(forMs);
    }

    /// <summary>The site has served: it took a connection or a message, or judged one.</summary>
    public void Succeeded(Site site)
    {
        // A connection that was let in before says nothing about a login that is refused now.
        if (site.Failures > 0 && !site.BackoffLasts)
        {
            site.Failures = 0;
            site.BackoffUntilMs = 0;
            site.BackoffReason = "";
            site.Timer?.Cancel();
            _queue.Log.Line("site_ok"u8).Add("site"u8, site.Key).Add("ready"u8, site.Ready).Write();
            // A probe that worked ends the backoff; a pause that a busy site was given runs its course.
            Wake(site);
        }
    }

    /// <summary>The site took a message: after as many as its concurrency it may have one session more.</summary>
    public void Delivered(Site site, long tookMs)
    {
        site.Taken++;
        site.ServiceMs += site.ServiceMs > 0 ? (tookMs - site.ServiceMs) / 16 : Math.Max(1, tookMs);
        int most = CeilingOf(site);
        if (site.Window < most)
        {
            int before = (int)site.Window;
            site.Window = Math.Min(site.Window + (1 / site.Window), most);
            if ((int)site.Window > before && site.Ready > 0)
            {
                Wake(site);
            }
        }
        Succeeded(site);
    }

    /// <summary>Ends a backoff at once; the operator's wish.</summary>
    public void Forgive(Site site)
    {
        EndBackoff(site);
        Shaper.Forget(site);
        _queue.Gears.Forgive(site);
    }

    private void EndBackoff(Site site)
    {
        site.BackoffUntilMs = 0;
        site.BackoffReason = "";
        site.Failures = 0;
        site.BackoffLasts = false;
        site.Timer?.Cancel();
        Wake(site);
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
        while (_room && _starved.Take() is { } starved)
        {
            Look(starved);
        }
        _room = false;
    }

    private void Look(Site site)
    {
        if (site.Ready > 0)
        {
            Dispatch(site);
        }
        else
        {
            Forget(site);
        }
    }

    /// <summary>Forgets a site that nothing refers to any more.</summary>
    private void Forget(Site site)
    {
        if (site.Destinations == 0 && site.Sessions == 0 && site.InFlight == 0 && !site.WakeQueued && !site.IsStarved)
        {
            if (Math.Max(Shaper.KeptMs(site), _queue.Gears.KeptMs(site)) is > 0 and long keptMs)
            {
                LookAgain(site, keptMs);
                return;
            }
            Shaper.Forget(site);
            site.Timer?.Cancel();
            site.LookTimer?.Cancel();
            // Another of its name may have come meanwhile.
            if (Find(site.Key) == site)
            {
                _sites.Remove(site.Key);
            }
        }
    }

    private void Dispatch(Site site)
    {
        if (Dispatcher is null)
        {
            return;
        }
        if ((_queue.HasJournal && !_queue.Journal.HasOutcomeRoom) || !_queue.MayFail)
        {
            _room = false;
            _starved.Add(site);
            _roomTimer.After(RoomLookMs);
            return;
        }
        if (_queue.Gears.NextEndMs(site) is > 0 and long endMs)
        {
            LookAgain(site, endMs);
        }
        while (site.Ready > 0 && CanRun(site) && Shaper.MayBegin(site) && site.Active < site.InFlight - site.Stacked + site.Ready && !IsLeftToTheBusy(site)
            && Shaper.MayDial(site))
        {
            int before = site.Active;
            int sessions = site.Sessions;
            if (!Dispatcher.Dispatch(site))
            {
                _room = false;
                _starved.Add(site);
                return;
            }
            if (site.Sessions > sessions)
            {
                Shaper.Dispatched(site);
            }
            if (site.Active <= before || site.IsPaced)
            {
                // A paced site gets one session at a time: each that takes a message has the site looked at again.
                return;
            }
        }
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
    public void LookAgain(Site site, long afterMs)
    {
        site.LookTimer ??= new LoopTimer(_loop, new LookDue(this, site));
        if (_loop.NowMs + afterMs < site.LookTimer.DueMs)
        {
            site.LookTimer.After(afterMs);
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

    private sealed class BackoffOver(SiteTable table, Site site) : LoopItem
    {
        protected override void Run()
        {
            site.BackoffLasts = false;
            site.BackoffReason = site.Failures == 0 ? "" : site.BackoffReason;
            table.Wake(site);
        }
    }
}
