using System.Text;
using FastRelay.Journal;
using FastRelay.Outside;
using FastRelay.Smtp;

namespace FastRelay.Queue;

/// <summary>
/// Decides when the sites of a budget may have their next message and their next connection: by the rates of its <c>[[site]]</c>,
/// and by the rate that its hosts have been seen to allow. Every question costs the same, whatever waits; nothing is kept for a message.
/// </summary>
internal sealed class Shaper(QueueState queue)
{
    private readonly Loop _loop = queue.World.Loop;

    /// <summary>Budgets that a rate was learned for.</summary>
    public int Learned { get; private set; }

    /// <summary>
    /// May another message be begun? When not, the site is looked at again as soon as it may. A rate is asked before a
    /// session is put to work, too, so that none is dialled to stand idle.
    /// </summary>
    public bool MayBegin(Site site)
    {
        if (site.Budget.Learned is { } learned && learned.IsOver(_loop.NowMs))
        {
            Forget(site.Budget);
        }
        long waitMs = WaitMs(site, out _);
        if (waitMs > 0)
        {
            queue.Sites.LookAgain(site.Budget, waitMs);
        }
        return waitMs == 0;
    }

    /// <summary>How long the site's next message has to wait, ms.</summary>
    /// <param name="site">The site.</param>
    /// <param name="by">The configured rate that it waits for; null when it may go, or waits for the learned one.</param>
    public long WaitMs(Site site, out RateBucket? by)
    {
        by = null;
        long now = _loop.NowMs;
        long waitMs = site.Budget.Pace is { } pace ? pace.WaitMs(now, pace.CountsOctets ? NextOctets(site) : 0, out by) : 0;
        if (site.Budget.Learned is { } learned && learned.WaitMs(now) is var learnedMs && learnedMs > waitMs)
        {
            by = null;
            return learnedMs;
        }
        return waitMs;
    }

    /// <summary>May a connection be dialled? Asked where no idle one can be woken; when not, the site is looked at again.</summary>
    public bool MayDial(Site site)
    {
        long waitMs = site.Idle > 0 ? 0 : DialWaitMs(site.Budget, out _);
        if (waitMs > 0)
        {
            queue.Sites.LookAgain(site.Budget, waitMs);
        }
        return waitMs == 0;
    }

    /// <summary>How long the budget's next connection has to wait, ms, and for which rate.</summary>
    public long DialWaitMs(SiteBudget budget, out RateBucket? by)
    {
        by = null;
        return budget.Pace?.DialWaitMs(_loop.NowMs, out by) ?? 0;
    }

    /// <summary>A message is begun. A site with a rate is looked at again: the next one may be due already.</summary>
    public void Began(Site site, int entry)
    {
        if (site.Budget.Pace is { } pace)
        {
            long octets = pace.CountsOctets ? OctetsOf(entry) : 0;
            pace.Took(_loop.NowMs, octets);
            if (octets > 0)
            {
                site.Budget.MessageOctets += site.Budget.MessageOctets > 0 ? (octets - site.Budget.MessageOctets) / 16 : octets;
            }
        }
        site.Budget.Learned?.Took(_loop.NowMs);
        if (site.Budget.IsPaced)
        {
            queue.Sites.Wake(site);
        }
    }

    /// <summary>A message that was begun was not attempted: it has used nothing of what the site allows.</summary>
    public void GaveBack(in Delivery delivery)
    {
        if (delivery.SiteOrNone is not { } site)
        {
            return;
        }
        if (site.Budget.Pace is { } pace)
        {
            pace.GaveBack(pace.CountsOctets ? OctetsOf(delivery.Entry) : 0);
        }
        site.Budget.Learned?.GaveBack(_loop.NowMs, delivery.TakenMs);
    }

    /// <summary>A session was started, whose first connection is counted here: others must not be let go until it dials.</summary>
    public void Dispatched(Site site)
    {
        if (site.Budget.Pace is { } pace)
        {
            pace.Dialled(_loop.NowMs);
            site.DialsAhead++;
        }
    }

    /// <summary>A connection is dialled: a session's first was counted before, its next addresses are counted now.</summary>
    public void Dialled(Site site)
    {
        if (site.DialsAhead > 0)
        {
            site.DialsAhead--;
        }
        else
        {
            site.Budget.Pace?.Dialled(_loop.NowMs);
        }
    }

    /// <summary>A host has said that mail comes too fast.</summary>
    /// <param name="site">The site.</param>
    /// <param name="outcome">The reply.</param>
    /// <param name="text">Its text.</param>
    /// <param name="keepMs">How long what it teaches is kept.</param>
    /// <param name="takenMs">When the message was taken; -1 for what belongs to none.</param>
    public void Refused(Site site, in Outcome outcome, ReadOnlySpan<byte> text, long keepMs, long takenMs)
    {
        long now = _loop.NowMs;
        queue.Counters.RateRefusals++;
        if (site.Budget.Learned is null)
        {
            site.Budget.Learned = new LearnedRate(now, site.Budget.Through.At(now));
            Learned++;
        }
        bool wasClosed = site.Budget.Learned.IsClosed;
        if (!site.Budget.Learned.Refuse(now, takenMs, keepMs))
        {
            return;
        }
        site.Budget.Learned.Reason = $"{outcome.ReplyCode} {Encoding.Latin1.GetString(text[..Math.Min(text.Length, Limits.ReplyTextBytes)])}";
        queue.Sites.LookAgain(site.Budget, site.Budget.Learned.WaitMs(now));
        if (!wasClosed)
        {
            queue.Counters.RateCuts++;
            queue.Log.Warn("site_pace"u8).Add("site"u8, site.Budget.Key).Add("status"u8, "refused"u8).Add("ready"u8, site.Ready)
                .Add("code"u8, outcome.ReplyCode).Add("reason"u8, text).Write();
        }
    }

    /// <summary>The reply that was judged in this very turn was about the rate: what follows from it is done.</summary>
    public bool WasRefusedNow(Site site) => site.Budget.Learned is { } learned && learned.ToldAtMs == _loop.NowMs;

    /// <summary>A message got through, or was refused or put off for what it is.</summary>
    public void GotThrough(Site site, long takenMs)
    {
        long now = _loop.NowMs;
        if (site.Budget.Learned is { } learned && learned.GotThrough(now, takenMs, site.Budget.Through.At(now)))
        {
            queue.Log.Line("site_pace"u8).Add("site"u8, site.Budget.Key).Add("status"u8, "open"u8).Add("per_minute"u8, (long)learned.PerMinute)
                .Add("ready"u8, site.Ready).Write();
            queue.Sites.Wake(site);
        }
        site.Budget.Through.Add(now);
    }

    /// <summary>Sessions that may be on their way to take a message each: what the rates let go in a second, so that few stand idle.</summary>
    public static int Ahead(SiteBudget budget)
    {
        double perSecond = budget.Pace?.MessagesPerSecond ?? double.MaxValue;
        if (budget.Learned is { } learned)
        {
            perSecond = learned.IsClosed ? 0 : Math.Min(perSecond, learned.PerMinute / 60);
        }
        return (int)Math.Clamp(perSecond, 1, 1_000_000);
    }

    /// <summary>The learned rate for people to read; null when there is none.</summary>
    public LearnedRateView? View(SiteBudget budget)
    {
        long now = _loop.NowMs;
        return budget.Learned is not { } learned || learned.IsOver(now)
            ? null
            : new LearnedRateView(learned.PerMinute, learned.Used(now), now - learned.SinceMs, learned.IsClosed ? learned.WaitMs(now) : -1,
                learned.GrowsInMs(now), learned.KeptMs(now), learned.Refused, learned.Reason);
    }

    /// <summary>For how long a budget is kept without mail, ms: what was begun counts on, and what was learned is not forgotten before its time.</summary>
    public long KeptMs(SiteBudget budget) => Math.Max(budget.Pace?.OwesMs(_loop.NowMs) ?? 0, budget.Learned?.KeptMs(_loop.NowMs) ?? 0);

    /// <summary>Forgets the learned rate; by time, by the operator's wish, or with the budget.</summary>
    public void Forget(SiteBudget budget)
    {
        if (budget.Learned is not null)
        {
            budget.Learned = null;
            Learned--;
        }
    }

    /// <summary>A site takes what its hosts have taught along into another budget, where what is stricter holds.</summary>
    /// <param name="from">What it had; keeps what it knows for those that stay.</param>
    /// <param name="to">What it has now.</param>
    public void TakeAlong(SiteBudget from, SiteBudget to)
    {
        if (from.Learned is { } learned && !learned.IsOver(_loop.NowMs) && (to.Learned is not { } known || learned.IsStricterThan(known)))
        {
            Learned += to.Learned is null ? 1 : 0;
            to.Learned = learned.Copy();
        }
        if (to.Sites == 1)
        {
            // Nobody else has seen anything in it.
            (to.Window, to.NarrowedUntilMs, to.ServiceMs, to.Through) = (from.Window, from.NarrowedUntilMs, from.ServiceMs, from.Through);
        }
    }

    /// <summary>Octets of a message of the site: of those that were begun lately, or of the next; 0 when there is none.</summary>
    public double MessageOctets(Site site) => site.Budget.MessageOctets > 0 ? site.Budget.MessageOctets : NextOctets(site);

    // A rate holds all of a site back, so what goes next is known.
    private long NextOctets(Site site) => site.Lanes.TurnEntry is int entry and not 0 ? OctetsOf(entry) : 0;

    private long OctetsOf(int entry) => queue.Journal.BodyLength(new MessageHandle(queue.Slab[entry].Message));
}
