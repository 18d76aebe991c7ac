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

    /// <summary>The rules have changed: counts toward them begin anew, what they have set off goes on.</summary>
    public void Change()
    {
        _rules = new ReplyRules(_queue.Options.ReplyRules);
        foreach (Site site in _queue.Sites.All)
        {
            // Kept by the number of the rule, which is another one's now.
            site.RuleCounts = null;
        }
    }

    /// <summary>What the operator has suspended.</summary>
    public Suspensions Suspensions { get; }

    public bool IsSuspended(Site site) => _loop.NowMs < site.SuspendedUntilMs;

    /// <summary>
    /// May a connection that is open take another message? A rule is for those as well as for new ones: a site that a rule
    /// makes back off or the operator suspends gets nothing, and one that is slowed no more than its sessions may carry.
    /// </summary>
    public bool MayTake(Site site) => !IsSuspended(site) && _loop.NowMs >= site.StoppedUntilMs
        && (_loop.NowMs >= site.SlowUntilMs || site.Active <= site.Limit);

    /// <summary>The nearest end of a slow time or a suspension that is still ahead, ms from now; 0 when there is none.</summary>
    public long NextEndMs(Site site)
    {
        long slowMs = Math.Max(0, site.SlowUntilMs - _loop.NowMs);
        long suspendedMs = site.SuspendedUntilMs == long.MaxValue ? 0 : Math.Max(0, site.SuspendedUntilMs - _loop.NowMs);
        return slowMs == 0 ? suspendedMs : suspendedMs == 0 ? slowMs : Math.Min(slowMs, suspendedMs);
    }

    /// <summary>
    /// For how long the site is kept without mail, ms: rules and refused logins are not forgotten before their time. What the
    /// operator has said is known without the site.
    /// </summary>
    public long KeptMs(Site site) => Math.Max(
        Math.Max(site.SlowUntilMs, site.SuspendedByOperator ? 0 : site.SuspendedUntilMs),
        site.BackoffLasts ? site.BackoffUntilMs : 0) - _loop.NowMs;

    public SiteGear Of(Site site) => IsSuspended(site) ? SiteGear.Suspended
        : _loop.NowMs < site.BackoffUntilMs || site.Failures > 0 ? SiteGear.Backoff
        : _loop.NowMs < site.SlowUntilMs ? SiteGear.Slow
        : SiteGear.Normal;

    /// <summary>Until when its gear holds, on the loop's scale; <see cref="long.MaxValue"/> when no time ends it, less than now when the next success does.</summary>
    public long EndOf(Site site) => Of(site) switch
    {
        SiteGear.Suspended => site.SuspendedUntilMs,
        SiteGear.Backoff => site.BackoffUntilMs,
        SiteGear.Slow => site.SlowUntilMs,
        _ => 0,
    };

    /// <summary>Why it is in its gear; empty in normal.</summary>
    public string ReasonOf(Site site) => Of(site) switch
    {
        SiteGear.Suspended => site.SuspendReason,
        SiteGear.Backoff => site.BackoffReason,
        SiteGear.Slow => site.SlowReason,
        _ => "",
    };

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
        if (rule.Action == ReplyAction.Slow && now < Math.Min(site.SlowUntilMs, site.SlowedAtMs + CohortMs))
        {
            return ReplyEffect.None;
        }
        string reason = $"{outcome.ReplyCode} {Encoding.Latin1.GetString(text[..Math.Min(text.Length, Limits.ReplyTextBytes)])}";
        switch (rule.Action)
        {
            case ReplyAction.Slow:
                site.SlowMost = Math.Max(1, site.Limit / 2);
                site.SlowedAtMs = now;
                site.SlowUntilMs = now + rule.ForMs;
                site.SlowReason = reason;
                _queue.Sites.LookAgain(site, rule.ForMs);
                break;
            case ReplyAction.Backoff:
                _queue.Sites.BackOff(site, rule.ForMs, reason, lasts: true);
                site.StoppedUntilMs = site.BackoffUntilMs;
                break;
            default:
                Suspend(site, now + rule.ForMs, reason, byOperator: false);
                break;
        }
        _queue.Counters.RuleShifts++;
        _queue.Log.Warn("site_gear"u8).Add("site"u8, site.Key).Add("gear"u8, NameOf(rule.Action)).Add("rule"u8, rule.Match)
            .AddSeconds("for"u8, rule.ForMs).Add("ready"u8, site.Ready).Add("code"u8, outcome.ReplyCode).Add("reason"u8, text).Write();
        return rule.Action == ReplyAction.Slow ? ReplyEffect.Slowed : ReplyEffect.Stopped;
    }

    /// <summary>A site that has just been made, or a list of suspensions that has changed.</summary>
    public void Recall(Site site)
    {
        if (Suspensions.Of(site.Plan, site.Source) is { } suspension)
        {
            long untilMs = suspension.UntilUnixMs == 0 ? long.MaxValue : _loop.NowMs + suspension.UntilUnixMs - _queue.UnixMs;
            if (!site.SuspendedByOperator && untilMs < site.SuspendedUntilMs)
            {
                // A rule has suspended it for longer.
                return;
            }
            Suspend(site, untilMs, $"the operator has suspended \"{suspension.Name}\"", byOperator: true);
        }
        else if (site.SuspendedByOperator)
        {
            Resume(site);
        }
    }

    /// <summary>Ends what rules have done, by the operator's wish; a suspension of his own goes on.</summary>
    public void Forgive(Site site)
    {
        if (!site.SuspendedByOperator)
        {
            Resume(site);
            // Where the rule's suspension was the longer one, the operator's is left.
            Recall(site);
        }
        site.SlowUntilMs = 0;
        site.StoppedUntilMs = 0;
        site.RuleCounts = null;
    }

    private void Resume(Site site)
    {
        site.SuspendedUntilMs = 0;
        site.SuspendReason = "";
        site.SuspendedByOperator = false;
        _queue.Sites.Wake(site);
    }

    private void Suspend(Site site, long untilMs, string reason, bool byOperator)
    {
        site.SuspendedUntilMs = untilMs;
        site.SuspendReason = reason;
        site.SuspendedByOperator = byOperator;
        if (untilMs != long.MaxValue)
        {
            _queue.Sites.LookAgain(site, untilMs - _loop.NowMs);
        }
    }

    private static ReadOnlySpan<byte> NameOf(ReplyAction action) => action switch
    {
        ReplyAction.Slow => "slow"u8,
        ReplyAction.Backoff => "backoff"u8,
        _ => "suspended"u8,
    };
}
