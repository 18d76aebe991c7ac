using System.Text;
using FastRelay.Journal;
using FastRelay.Outside;
using FastRelay.Smtp;

namespace FastRelay.Queue;

/// <summary>
/// Decides when a site may have its next message and its next connection: by the rates of its <c>[[site]]</c>, and by the
/// rate that its hosts have been seen to allow. Every question costs the same, whatever waits; nothing is kept for a message.
/// </summary>
internal sealed class Shaper(QueueState queue)
{
    private readonly Loop _loop = queue.World.Loop;

    /// <summary>Sites that a rate was learned for.</summary>
    public int Learned { get; private set; }

    /// <summary>
    /// May another message be begun? When not, the site is looked at again as soon as it may. A rate is asked before a
    /// session is put to work, too, so that none is dialled to stand idle.
    /// </summary>
    public bool MayBegin(Site site)
    {
        if (site.Learned is { } learned && learned.IsOver(_loop.NowMs))
        {
            Forget(site);
        }
        long waitMs = WaitMs(site, out _);
        if (waitMs > 0)
        {
            queue.Sites.LookAgain(site, waitMs);
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
        long waitMs = site.Pace is { } pace ? pace.WaitMs(now, pace.CountsOctets ? NextOctets(site) : 0, out by) : 0;
        if (site.Learned is { } learned && learned.WaitMs(now) is var learnedMs && learnedMs > waitMs)
        {
            by = null;
            return learnedMs;
        }
        return waitMs;
    }

    /// <summary>May a connection be dialled? Asked where no idle one can be woken; when not, the site is looked at again.</summary>
    public bool MayDial(Site site)
    {
        long waitMs = site.Idle > 0 ? 0 : DialWaitMs(site, out _);
        if (waitMs > 0)
        {
            queue.Sites.LookAgain(site, waitMs);
        }
        return waitMs == 0;
    }

    /// <summary>How long the site's next connection has to wait, ms, and for which rate.</summary>
    public long DialWaitMs(Site site, out RateBucket? by)
    {
        by = null;
        return site.Pace?.DialWaitMs(_loop.NowMs, out by) ?? 0;
    }

    /// <summary>A message is begun. A site with a rate is looked at again: the next one may be due already.</summary>
    public void Began(Site site, int entry)
    {
        if (site.Pace is { } pace)
        {
            pace.Took(_loop.NowMs, pace.CountsOctets ? OctetsOf(entry) : 0);
        }
        site.Learned?.Took(_loop.NowMs);
        if (site.IsPaced)
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
        if (site.Pace is { } pace)
        {
            pace.GaveBack(pace.CountsOctets ? OctetsOf(delivery.Entry) : 0);
        }
        site.Learned?.GaveBack(_loop.NowMs, delivery.TakenMs);
    }

    /// <summary>A session was started, whose first connection is counted here: others must not be let go until it dials.</summary>
    public void Dispatched(Site site)
    {
        if (site.Pace is { } pace)
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
            site.Pace?.Dialled(_loop.NowMs);
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
        if (site.Learned is null)
        {
            site.Learned = new LearnedRate(now, site.Through.At(now));
            Learned++;
        }
        bool wasClosed = site.Learned.IsClosed;
        if (!site.Learned.Refuse(now, takenMs, keepMs))
        {
            return;
        }
        site.Learned.Reason = $"{outcome.ReplyCode} {Encoding.Latin1.GetString(text[..Math.Min(text.Length, Limits.ReplyTextBytes)])}";
        queue.Sites.LookAgain(site, site.Learned.WaitMs(now));
        if (!wasClosed)
        {
            queue.Counters.RateCuts++;
            queue.Log.Warn("site_pace"u8).Add("site"u8, site.Key).Add("status"u8, "refused"u8).Add("ready"u8, site.Ready)
                .Add("code"u8, outcome.ReplyCode).Add("reason"u8, text).Write();
        }
    }

    /// <summary>The reply that was judged in this very turn was about the rate: what follows from it is done.</summary>
    public bool WasRefusedNow(Site site) => site.Learned is { } learned && learned.ToldAtMs == _loop.NowMs;

    /// <summary>A message got through, or was refused or put off for what it is.</summary>
    public void GotThrough(Site site, long takenMs)
    {
        long now = _loop.NowMs;
        if (site.Learned is { } learned && learned.GotThrough(now, takenMs, site.Through.At(now)))
        {
            queue.Log.Line("site_pace"u8).Add("site"u8, site.Key).Add("status"u8, "open"u8).Add("per_minute"u8, (long)learned.PerMinute)
                .Add("ready"u8, site.Ready).Write();
            queue.Sites.Wake(site);
        }
        site.Through.Add(now);
    }

    /// <summary>The learned rate for people to read; null when there is none.</summary>
    public LearnedRateView? View(Site site)
    {
        long now = _loop.NowMs;
        return site.Learned is not { } learned || learned.IsOver(now)
            ? null
            : new LearnedRateView(learned.PerMinute, learned.Used(now), now - learned.SinceMs, learned.IsClosed ? learned.WaitMs(now) : -1,
                learned.GrowsInMs(now), learned.KeptMs(now), learned.Refused, learned.Reason);
    }

    /// <summary>For how long the site is kept without mail, ms: what was begun counts on, and what was learned is not forgotten before its time.</summary>
    public long KeptMs(Site site) => Math.Max(site.Pace?.OwesMs(_loop.NowMs) ?? 0, site.Learned?.KeptMs(_loop.NowMs) ?? 0);

    /// <summary>Forgets the learned rate; by time, by the operator's wish, or with the site.</summary>
    public void Forget(Site site)
    {
        if (site.Learned is not null)
        {
            site.Learned = null;
            Learned--;
        }
    }

    // A rate holds its whole site back, so what goes next is known.
    private long NextOctets(Site site) => site.Lanes.TurnEntry is int entry and not 0 ? OctetsOf(entry) : 0;

    private long OctetsOf(int entry) => queue.Journal.BodyLength(new MessageHandle(queue.Slab[entry].Message));
}
