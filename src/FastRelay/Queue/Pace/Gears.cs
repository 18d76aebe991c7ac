using System.Text;
using FastRelay.Config;
using FastRelay.Outside;
using FastRelay.Smtp;

namespace FastRelay.Queue;

/// <summary>How a site is driven.</summary>
public enum SiteGear : byte
{
    /// <summary>As fast as it bears.</summary>
    Normal,

    /// <summary>With fewer sessions, by a rule for replies.</summary>
    Slow,

    /// <summary>Not at all for a while, then by one session until it has taken something.</summary>
    Backoff,

    /// <summary>Not at all: by a rule for a while, by the operator until it is resumed.</summary>
    Suspended,
}

/// <summary>What the rules have made of a reply.</summary>
internal enum ReplyEffect : byte
{
    /// <summary>Nothing, or nothing new.</summary>
    None,

    /// <summary>The site has fewer sessions.</summary>
    Slowed,

    /// <summary>The site gets nothing for a while.</summary>
    Stopped,

    /// <summary>It was about the rate: the site has learned from it, and the message is not to pay for it.</summary>
    Paced,
}

/// <summary>
/// Shifts sites into lower gears: by what their hosts reply, and by the operator. No message's timer is touched: mail that
/// comes due waits, ready, and expires like any other.
/// </summary>
internal sealed class Gears
{
    /// <summary>Sessions that were under way when a site was slowed say the same for this long, ms: it is not slowed again.</summary>
    private const long CohortMs = 10_000;

    private readonly QueueState _queue;
    private readonly Loop _loop;
    private ReplyRules _rules;

    public Gears(QueueState queue)
    {
        _queue = queue;
        _loop = queue.World.Loop;
        _rules = new ReplyRules(queue.Options.ReplyRules);
        Suspensions = new Suspensions(queue.World, queue.Options.SuspensionsFile);
    }

    /// <summary>The rules may have changed: then counts toward them begin anew. What they have set off goes on.</summary>
    public void Change() => _rules = _rules.With(_queue.Options.ReplyRules);

    /// <summary>What the operator has suspended.</summary>
    public Suspensions Suspensions { get; }

    public bool IsSuspended(Site site) => _loop.NowMs < site.SuspendedUntilMs;

    /// <summary>
    /// May a connection that is open take another message? A rule is for those as well as for new ones: where a rule makes
    /// hosts back off or the operator suspends them they get nothing, and where one slows them no more than its sessions may carry.
    /// </summary>
    public bool MayTake(Site site) => !IsSuspended(site) && _loop.NowMs >= site.Budget.Brake.BackoffUntilMs
        && (_loop.NowMs >= site.Budget.SlowUntilMs || site.Budget.Active <= _queue.Sites.Budgets.LimitOf(site.Budget));

    /// <summary>The nearest end of a slow time, a backoff or a suspension that is still ahead, ms from now; 0 when there is none.</summary>
    public long NextEndMs(SiteBudget budget)
    {
        long nextMs = long.MaxValue;
        foreach (long endMs in (ReadOnlySpan<long>)[budget.SlowUntilMs, budget.Brake.BackoffUntilMs, budget.Brake.SuspendedUntilMs])
        {
            nextMs = endMs > _loop.NowMs ? Math.Min(nextMs, endMs) : nextMs;
        }
        return nextMs == long.MaxValue ? 0 : nextMs - _loop.NowMs;
    }

    /// <summary>
    /// For how long a budget is kept without mail, ms: what rules have done is not forgotten before its time. What the
    /// operator has said is known without it.
    /// </summary>
    public long KeptMs(SiteBudget budget) => Math.Max(
        Math.Max(budget.SlowUntilMs, budget.Brake.IsByOperator ? 0 : budget.Brake.SuspendedUntilMs),
        budget.Brake.Lasts ? budget.Brake.BackoffUntilMs : 0) - _loop.NowMs;

    /// <summary>The gear of a site: that of its budget, unless its own hosts stand lower.</summary>
    public SiteGear Of(Site site) => Read(site.Brake, site.Budget).Gear;

    /// <summary>Until when its gear holds, on the loop's scale; <see cref="long.MaxValue"/> when no time ends it, less than now when the next success does.</summary>
    public long EndOf(Site site) => Read(site.Brake, site.Budget).EndMs;

    /// <summary>Why it is in its gear; empty in normal.</summary>
    public string ReasonOf(Site site) => Read(site.Brake, site.Budget).Reason;

    /// <summary>The gear of all that share a budget, until when, and why.</summary>
    public (SiteGear Gear, long EndMs, string Reason) Of(SiteBudget budget) => Read(budget.Brake, budget);

    private (SiteGear Gear, long EndMs, string Reason) Read(Brake own, SiteBudget budget)
    {
        long now = _loop.NowMs;
        Brake suspended = own.SuspendedUntilMs > budget.Brake.SuspendedUntilMs ? own : budget.Brake;
        if (now < suspended.SuspendedUntilMs)
        {
            return (SiteGear.Suspended, suspended.SuspendedUntilMs, suspended.SuspendReason);
        }
        Brake backoff = own.BackoffUntilMs > budget.Brake.BackoffUntilMs ? own : budget.Brake;
        return now < backoff.BackoffUntilMs || backoff.Failures > 0 ? (SiteGear.Backoff, backoff.BackoffUntilMs, backoff.BackoffReason(now))
            : now < budget.SlowUntilMs ? (SiteGear.Slow, budget.SlowUntilMs, budget.SlowReason)
            : (SiteGear.Normal, 0, "");
    }

    /// <summary>A host of the site has refused or put off something.</summary>
    /// <param name="site">The site.</param>
    /// <param name="outcome">The reply.</param>
    /// <param name="text">Its text.</param>
    /// <param name="takenMs">When the message was taken that it answers; -1 when it answers none.</param>
    public ReplyEffect Replied(Site site, in Outcome outcome, ReadOnlySpan<byte> text, long takenMs = -1)
    {
        long now = _loop.NowMs;
        if (IsSuspended(site) || now < site.BackoffUntilMs || _rules.SetOff(site, outcome.ReplyCode, text, now) is not { } rule)
        {
            // The rest of those that were under way together tells nothing new.
            return ReplyEffect.None;
        }
        if (rule.Action == ReplyAction.Pace)
        {
            _queue.Shaper.Refused(site, outcome, text, rule.ForMs, takenMs);
            return ReplyEffect.Paced;
        }
        SiteBudget budget = site.Budget;
        if (rule.Action == ReplyAction.Slow && now < Math.Min(budget.SlowUntilMs, budget.SlowedAtMs + CohortMs))
        {
            return ReplyEffect.None;
        }
        string reason = $"{outcome.ReplyCode} {Encoding.Latin1.GetString(text[..Math.Min(text.Length, Limits.ReplyTextBytes)])}";
        switch (rule.Action)
        {
            case ReplyAction.Slow:
                budget.SlowMost = Math.Max(1, _queue.Sites.Budgets.LimitOf(budget) / 2);
                budget.SlowedAtMs = now;
                budget.SlowUntilMs = now + rule.ForMs;
                budget.SlowReason = reason;
                break;
            case ReplyAction.Backoff:
                _queue.Sites.Budgets.Narrow(budget, rule.ForMs);
                budget.Brake.BackOff(now + rule.ForMs, reason, lasts: true);
                break;
            default:
                budget.Brake.Suspend(now + rule.ForMs, reason, byOperator: false);
                break;
        }
        _queue.Sites.LookAgain(budget, rule.ForMs);
        _queue.Counters.RuleShifts++;
        _queue.Log.Warn("site_gear"u8).Add("site"u8, budget.Key).Add("gear"u8, NameOf(rule.Action)).Add("rule"u8, rule.Match)
            .AddSeconds("for"u8, rule.ForMs).Add("ready"u8, site.Ready).Add("code"u8, outcome.ReplyCode).Add("reason"u8, text).Write();
        return rule.Action == ReplyAction.Slow ? ReplyEffect.Slowed : ReplyEffect.Stopped;
    }

    /// <summary>The list of suspensions was read, before the loop runs.</summary>
    public void Recall()
    {
        foreach (SiteBudget budget in _queue.Sites.Budgets.Shared)
        {
            Recall(budget);
        }
        foreach (Site site in _queue.Sites.All)
        {
            Recall(site);
        }
    }

    /// <summary>A site that has just been made, or the list has changed.</summary>
    public void Recall(Site site)
    {
        if (Recall(site.Brake, Suspensions.Of(site.Plan, site.Source)))
        {
            _queue.Sites.Wake(site);
        }
    }

    /// <summary>The same for a shared budget.</summary>
    public void Recall(SiteBudget budget)
    {
        if (Recall(budget.Brake, Suspensions.Of(budget)))
        {
            _queue.Sites.LookAgain(budget, 0);
        }
    }

    /// <summary>Ends what rules have done, by the operator's wish; a suspension of his own goes on.</summary>
    public void Forgive(Site site)
    {
        SiteBudget budget = site.Budget;
        if (!budget.Brake.IsByOperator)
        {
            budget.Brake.Resume();
            // Where the rule's suspension was the longer one, the operator's is left.
            Recall(budget);
        }
        budget.SlowUntilMs = 0;
        budget.RuleCounts = null;
    }

    /// <summary>
    /// A site takes what its hosts have set off along into another budget: whatever ends later there holds. What the operator has
    /// suspended is known by its name, and holds where that name does.
    /// </summary>
    /// <param name="from">What it had; keeps what it knows for those that stay.</param>
    /// <param name="to">What it has now.</param>
    public void TakeAlong(SiteBudget from, SiteBudget to)
    {
        long now = _loop.NowMs;
        if (now < from.SlowUntilMs)
        {
            to.SlowMost = now < to.SlowUntilMs ? Math.Min(to.SlowMost, from.SlowMost) : from.SlowMost;
            if (from.SlowUntilMs > to.SlowUntilMs)
            {
                (to.SlowUntilMs, to.SlowedAtMs, to.SlowReason) = (from.SlowUntilMs, from.SlowedAtMs, from.SlowReason);
            }
        }
        // Also one that is over, while one session tries what comes next.
        if ((now < from.Brake.BackoffUntilMs || from.Brake.Failures > 0) && from.Brake.BackoffUntilMs > to.Brake.BackoffUntilMs)
        {
            to.Brake.Failures = Math.Max(to.Brake.Failures, from.Brake.Failures);
            to.Brake.BackOff(from.Brake.BackoffUntilMs, from.Brake.BackoffReason(now), from.Brake.Lasts);
        }
        if (!from.Brake.IsByOperator && !to.Brake.IsByOperator && Math.Max(now, to.Brake.SuspendedUntilMs) < from.Brake.SuspendedUntilMs)
        {
            to.Brake.Suspend(from.Brake.SuspendedUntilMs, from.Brake.SuspendReason, byOperator: false);
        }
    }

    /// <returns>True when a suspension has ended, or an end was set.</returns>
    private bool Recall(Brake brake, Suspension? suspension)
    {
        if (suspension is not null)
        {
            long untilMs = suspension.UntilUnixMs == 0 ? long.MaxValue : _loop.NowMs + suspension.UntilUnixMs - _queue.UnixMs;
            if (!brake.IsByOperator && untilMs < brake.SuspendedUntilMs)
            {
                // A rule has suspended it for longer.
                return false;
            }
            brake.Suspend(untilMs, $"the operator has suspended \"{suspension.Name}\"", byOperator: true);
            return untilMs != long.MaxValue;
        }
        bool ends = brake.IsByOperator;
        if (ends)
        {
            brake.Resume();
        }
        return ends;
    }

    private static ReadOnlySpan<byte> NameOf(ReplyAction action) => action switch
    {
        ReplyAction.Slow => "slow"u8,
        ReplyAction.Backoff => "backoff"u8,
        _ => "suspended"u8,
    };
}
