using FastRelay.Smtp;

namespace FastRelay.Queue;

/// <summary>
/// What failures and successes do to sites and their budgets. A failure of its hosts is a site's own; that the hosts refuse us,
/// and not only those of one site, is the budget's.
/// </summary>
internal sealed class Backoffs(QueueState queue)
{
    /// <summary>So many sites of a budget that refuse us one after another, and none that serves: it is not about the one.</summary>
    private const int RefusalsMost = 3;

    private const long SoftBackoffMs = 5_000;

    /// <summary>A login that was refused is not tried again sooner, whatever the retry times say: many tries lock the account.</summary>
    private const long LoginBackoffMs = 60 * 60 * 1000;

    /// <summary>None of the site's hosts could be used.</summary>
    /// <param name="site">The site.</param>
    /// <param name="outcome">Why.</param>
    /// <param name="reason">The same in words.</param>
    /// <param name="counted">The reply was reported for a message already, and counted for the rules there.</param>
    public void Failed(Site site, in Outcome outcome, ReadOnlySpan<byte> reason, bool counted)
    {
        // The rest of a cohort that was dialling at the same time tells nothing new.
        if (queue.World.Loop.NowMs < site.BackoffUntilMs
            || (counted ? queue.Shaper.WasRefusedNow(site) : queue.Gears.Replied(site, outcome, reason) is ReplyEffect.Stopped or ReplyEffect.Paced))
        {
            return;
        }
        long now = queue.World.Loop.NowMs;
        string text = System.Text.Encoding.Latin1.GetString(reason[..Math.Min(reason.Length, Limits.ReplyTextBytes)]);
        text = outcome.ReplyCode > 0 ? $"{outcome.ReplyCode} {text}" : text;
        SiteBudget budget = site.Budget;
        bool login = outcome is { Cause: OutcomeCause.AuthFailed, ReplyCode: >= 500 };
        // Others are being served: too many at once, not dead hosts.
        bool serves = site.InFlight > 0 && !login;
        site.HasServed &= serves;
        long wait = serves ? queue.Options.BackoffMs(SoftBackoffMs, SoftBackoffMs, 1, queue.World.Random) : NextWaitMs(site.Brake, login);
        site.Brake.BackOff(now + wait, text, lasts: login);
        // Its turn is over: behind those whose hosts answer, when its backoff ends.
        site.TurnUntilMs = Math.Min(site.TurnUntilMs, now);
        queue.Sites.LookAgain(site, wait);
        if (serves || outcome.ReplyCode > 0 || !budget.IsShared)
        {
            // Of hosts that share their budget, one that does not answer says nothing about the others.
            queue.Sites.Budgets.Narrow(budget, wait);
        }
        LogBackoff(site.Key, site.Brake, wait, site.Ready, outcome, reason);
        if (serves || outcome.ReplyCode == 0 || !budget.IsShared)
        {
            return;
        }
        // Sites are counted, and not how often one of them is tried.
        budget.Refusals += site.Brake.Failures == 1 ? 1 : 0;
        if (budget.Refusals >= RefusalsMost && budget.InFlight == 0)
        {
            wait = NextWaitMs(budget.Brake, login: false);
            budget.Brake.BackOff(now + wait, text, lasts: false);
            queue.Sites.LookAgain(budget, wait);
            LogBackoff(budget.Key, budget.Brake, wait, site.Ready, outcome, reason);
        }
    }

    private long NextWaitMs(Brake brake, bool login)
    {
        brake.Failures++;
        // A password that is wrong does not become right by trying, and many tries lock the account.
        long first = login ? Math.Max(queue.Options.RetryMs[^1], LoginBackoffMs) : queue.Options.SiteBackoffMs;
        return queue.Options.BackoffMs(first, Math.Max(first, queue.Options.RetryMs[^1]), brake.Failures, queue.World.Random);
    }

    private void LogBackoff(string key, Brake brake, long wait, int ready, in Outcome outcome, ReadOnlySpan<byte> reason) =>
        queue.Log.Warn("site_backoff"u8).Add("site"u8, key).Add("failures"u8, brake.Failures).AddSeconds("wait"u8, wait)
            .Add("ready"u8, ready).Add("code"u8, outcome.ReplyCode).Add("reason"u8, reason).Write();

    /// <summary>The site has served: it took a connection or a message, or judged one.</summary>
    public void Succeeded(Site site)
    {
        site.Budget.Refusals = 0;
        bool first = !site.HasServed;
        site.HasServed = true;
        if (first)
        {
            // One session tried it; now it may have more.
            queue.Sites.Wake(site);
        }
        // A probe that worked ends the backoff.
        if (site.Brake.Served(queue.World.Loop.NowMs) | site.Budget.Brake.Served(queue.World.Loop.NowMs))
        {
            queue.Log.Line("site_ok"u8).Add("site"u8, site.Key).Add("ready"u8, site.Ready).Write();
            queue.Sites.Wake(site);
        }
    }

    /// <summary>The site took a message.</summary>
    public void Delivered(Site site, long tookMs)
    {
        if (queue.Sites.Budgets.Delivered(site.Budget, tookMs) && (site.Ready > 0 || site.Budget.Waiting > 0))
        {
            queue.Sites.Wake(site);
        }
        Succeeded(site);
    }

    /// <summary>Ends a backoff at once, and what rules have done to all that share the budget; the operator's wish.</summary>
    public void Forgive(Site site)
    {
        site.Brake.EndBackoff();
        site.Budget.Brake.EndBackoff();
        site.Budget.Refusals = 0;
        queue.Shaper.Forget(site.Budget);
        queue.Gears.Forgive(site);
        queue.Sites.Wake(site);
    }
}
