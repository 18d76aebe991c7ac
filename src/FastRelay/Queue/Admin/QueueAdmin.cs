using System.Runtime.CompilerServices;
using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Outside;
using FastRelay.Routing;

namespace FastRelay.Queue;

/// <summary>
/// What the operator can see and do. Loop thread only; every operation works in slices and lets the sessions run
/// between them, so what it returns is true for each message at the moment that it was looked at.
/// </summary>
public sealed class QueueAdmin
{
    // An entry that changes its state costs some eight looks at a slot; a hold is a journal record besides.
    private const int ChangeCost = 8;

    // A recipient whose destination is looked up costs about a quarter of a look at a slot, one whose bit is looked at much less.
    private const int RecipientsPerLook = 4;
    private const int PendingPerLook = 128;

    /// <summary>After so many turns it stays with the oldest message that was known: a queue that changes faster than it is looked through must not keep a probe waiting.</summary>
    private const int OldestTurns = 1_000;
    private const long RoomLookMs = 20;

    // A disk that takes nothing for longer fails: the walk ends, and says where.
    private const long RoomMsMax = 30_000;
    private readonly QueueState _queue;
    private readonly Router _router;
    private readonly Loop _loop;
    private (MessageId Id, long ArrivalUnixMs)? _oldest;

    internal QueueAdmin(QueueState queue, Router router)
    {
        _queue = queue;
        _router = router;
        _loop = queue.World.Loop;
    }

    /// <summary>Figures that are known without looking.</summary>
    public QueueCounts Counts()
    {
        _loop.CheckThread();
        return new QueueCounts(
            _queue.CountOf(EntryState.Ready),
            _queue.CountOf(EntryState.InFlight),
            _queue.CountOf(EntryState.Deferred),
            _queue.CountOf(EntryState.Held),
            _queue.CountOf(EntryState.Settling),
            _queue.Destinations.Count,
            _queue.Sites.Count)
        {
            ReadyHigh = _queue.ReadyOf(MailPriority.High),
            ReadyLow = _queue.ReadyOf(MailPriority.Low),
        };
    }

    /// <summary>The sites with the most to do, found in slices; those that share a provider's budget are one.</summary>
    public ValueTask<IReadOnlyList<SiteView>> BusiestSitesAsync(int max) => new BusySites(_queue).ListAsync(max);

    /// <summary>The tenants with the most mail, found in slices.</summary>
    public ValueTask<IReadOnlyList<TenantState>> BusiestTenantsAsync(int max) => new BusyTenants(_queue).ListAsync(max);

    /// <summary>Lists messages.</summary>
    /// <param name="filter">Which.</param>
    /// <param name="max">The most of one page.</param>
    /// <param name="from">0, or <see cref="QueueListing.Next"/> of the page before.</param>
    /// <param name="slots">Places of the queue's index that are looked at, at most.</param>
    public async ValueTask<QueueListing> ListAsync(QueueFilter filter, int max, int from = 0, int slots = int.MaxValue)
    {
        var found = new List<QueuedMessage>();
        var scan = new QueueScan(_queue, filter, from, slots);
        var viewer = new MessageViewer(_queue, scan);
        while (found.Count < max && await scan.NextAsync())
        {
            if (await viewer.ViewAsync() is { } message)
            {
                found.Add(message);
            }
        }
        found.Sort(static (a, b) => a.Id.Value.CompareTo(b.Id.Value));
        return new QueueListing(found, scan.Ended ? -1 : scan.Slot + 1) { End = _queue.Messages.End };
    }

    /// <summary>One message; null when it is not in the queue.</summary>
    public async ValueTask<QueuedMessage?> ShowAsync(MessageId id)
    {
        QueueListing listing = await ListAsync(new QueueFilter { Id = id }, 1);
        return await FailedMail.AddAsync(_queue, id, listing.Messages.Count > 0 ? listing.Messages[0] : null);
    }

    /// <summary>
    /// The message that arrived first, held ones too, with its time, Unix ms; null when nothing is queued. While the queue changes faster
    /// than it can be looked through it is the one that was found last, which may be gone, and null when none was.
    /// </summary>
    /// <param name="turns">Turns of the loop that the search may wait for.</param>
    public async ValueTask<(MessageId Id, long ArrivalUnixMs)?> OldestAsync(int turns = OldestTurns)
    {
        MessageHandle oldest;
        var turn = new Signal<bool>(_loop);
        for (; !_queue.Journal.TryFindOldest(out oldest); turns--)
        {
            if (turns <= 0)
            {
                return _oldest;
            }
            await turn.YieldAsync(true);
        }
        _oldest = oldest.IsValid ? (_queue.Journal.IdOf(oldest), _queue.Journal.ArrivalUnixMs(oldest)) : null;
        return _oldest;
    }

    /// <summary>How many messages a filter selects.</summary>
    public ValueTask<long> CountAsync(QueueFilter filter) => WholeAsync(QueueDeed.Look, filter);

    /// <summary>Tries what is deferred at once, and ends the backoff of its sites and destinations, and what keeps a host of them back. What is held stays held.</summary>
    /// <returns>Messages for which it is done, or is when their delivery is over.</returns>
    public ValueTask<long> RetryAsync(QueueFilter filter) => WholeAsync(QueueDeed.Retry, filter);

    /// <summary>Removes mail: nobody is told. What is being delivered is removed when it comes back.</summary>
    /// <returns>Messages for which it is done, or is when their delivery is over.</returns>
    public ValueTask<long> RemoveAsync(QueueFilter filter) => WholeAsync(QueueDeed.Remove, filter);

    /// <summary>Puts messages aside until they are released; survives a restart.</summary>
    /// <returns>Messages for which it is done, or is when their delivery is over.</returns>
    public ValueTask<long> HoldAsync(QueueFilter filter) => WholeAsync(QueueDeed.Hold, filter);

    /// <summary>Releases held messages; they are ready at once.</summary>
    /// <returns>Messages for which it is done, or is when their delivery is over.</returns>
    public ValueTask<long> ReleaseAsync(QueueFilter filter) => WholeAsync(QueueDeed.Release, filter);

    /// <summary>Fails messages for good: their senders are told, with this text.</summary>
    /// <param name="filter">Which.</param>
    /// <param name="text">Printable ASCII; may begin with an enhanced status code of class 5, else it is 5.7.1.</param>
    /// <returns>Messages for which it is done, or is when their delivery is over.</returns>
    public ValueTask<long> BounceAsync(QueueFilter filter, string text) => WholeAsync(QueueDeed.Bounce(text), filter);

    /// <summary>
    /// Moves mail to another next hop, where it is tried at once; survives a restart. What is being delivered goes there with what
    /// is left of it, what is held stays held.
    /// </summary>
    /// <param name="filter">Which.</param>
    /// <param name="target">Where to; null for what the configuration says.</param>
    /// <returns>Messages for which it is done, or is when their delivery is over.</returns>
    public ValueTask<long> MoveAsync(QueueFilter filter, MoveTarget? target) => WholeAsync(QueueDeed.Move(target, _queue.UnixMs), filter);

    /// <summary>Can mail go to a target just now? A host without an address would send it all back.</summary>
    /// <returns>What stands in the way; empty when nothing does.</returns>
    public async ValueTask<string> RefusalOfAsync(MoveTarget target)
    {
        _loop.CheckThread();
        if (target.RouteBy(_router) is not { } route)
        {
            return $"no row of [[route]] has the pattern of \"{target.Text}\" and names a host by smtp:";
        }
        Plan plan = await _router.PlanAsync(route);
        return plan.Status == PlanStatus.Ok ? "" : $"nothing is moved: mail cannot go to {target.Text} just now ({Router.Name(plan.Status)}): {plan.Reason}";
    }

    /// <summary>A part of a deed, so that whoever asked for it can show how far it is.</summary>
    /// <param name="deed">What is done to each message that the filter selects.</param>
    /// <param name="filter">Which.</param>
    /// <param name="from">0, or <see cref="QueuePart.Next"/> of the part before.</param>
    /// <param name="slots">Places of the queue's index that are looked at, at most.</param>
    public async ValueTask<QueuePart> PartAsync(QueueDeed deed, QueueFilter filter, int from, int slots)
    {
        var tally = new DeedTally();
        long left = 0;
        MessageId before = filter.Before ?? _queue.Journal.UpcomingId;
        var scan = new QueueScan(_queue, filter with { Before = before }, from, slots);
        var pick = new QueuePick(_queue, scan);
        while (await scan.NextAsync())
        {
            if (filter.Sender is not null && !await IsFromAsync(scan))
            {
                continue;
            }
            if (deed == QueueDeed.Look && filter.Domain is null)
            {
                tally.Add(DeedResult.Seen);
                continue;
            }
            tally.Add(await ChangeAsync(deed, scan, pick));
            left += pick.Left ? 1 : 0;
            if (deed.IsRecorded && !await RoomAsync())
            {
                break;
            }
        }
        return new QueuePart(tally.Changed, scan.Ended ? -1 : scan.Slot + 1, _queue.Messages.End) { Before = before, Tally = tally, Left = left };
    }

    /// <summary>A deed to messages by their ids, a slice a turn.</summary>
    /// <param name="deed">What is done to each.</param>
    /// <param name="ids">Which.</param>
    /// <param name="missing">Gets those that are not there.</param>
    public async ValueTask<DeedTally> ChangeAsync(QueueDeed deed, IReadOnlyList<MessageId> ids, List<MessageId> missing)
    {
        var tally = new DeedTally();
        var slice = new Slice(_loop);
        foreach (MessageId id in ids)
        {
            DeedTally one = (await PartAsync(deed, new QueueFilter { Id = id }, 0, int.MaxValue)).Tally;
            tally.Add(one);
            if (one.Found == 0)
            {
                missing.Add(id);
            }
            await slice.PaceAsync(ChangeCost);
            // What has waited for the disk in vain is not waited for with each of the others again.
            if (_queue.Stopping || (deed.IsRecorded && !_queue.Journal.HasOutcomeRoom))
            {
                break;
            }
        }
        return tally;
    }

    /// <summary>Changes that are recorded are no faster than the disk: what waits for it is in memory.</summary>
    /// <returns>False when the relay stops, so that the journal closes, or the disk takes nothing.</returns>
    private async ValueTask<bool> RoomAsync()
    {
        for (long untilMs = _loop.NowMs + RoomMsMax; !_queue.Stopping && !_queue.Journal.HasOutcomeRoom && _loop.NowMs < untilMs;)
        {
            await new Sleeper(_loop).SleepAsync(RoomLookMs);
        }
        return !_queue.Stopping && _queue.Journal.HasOutcomeRoom;
    }

    /// <summary>A message may have thousands of destinations: between its slices some of them may have come to their end.</summary>
    /// <returns>The best of what it came to; None where the filter selects nothing of it any more.</returns>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<DeedResult> ChangeAsync(QueueDeed deed, QueueScan scan, QueuePick pick)
    {
        bool paused = await pick.FindAsync();
        if (pick.Handles.Count == 0)
        {
            return DeedResult.None;
        }
        int slot = scan.Slot;
        BodyReader? body = null;
        int recipients = _queue.Journal.RecipientCount(new MessageHandle(slot));
        int cost = ChangeCost + (deed.ReadsEnvelope ? recipients / PendingPerLook : 0);
        if (pick.Divides || (deed.ReadsEnvelope && (_queue.Slab[_queue.Messages[slot]].Flags & EntryFlags.Shared) != 0))
        {
            (paused, body) = (true, await OpenAsync(slot));
            if (body is null)
            {
                return DeedResult.Unreadable;
            }
            cost += recipients / RecipientsPerLook;
        }
        DeedResult result = DeedResult.None;
        for (int i = 0; i < pick.Handles.Count; i++)
        {
            int handle = pick.Handles[i];
            if ((paused && !scan.StillSelects(handle)) || pick.Of(handle, deed, body) is not { } picked)
            {
                continue;
            }
            DeedResult done = deed.Do(_queue, picked, body);
            result = done > result ? done : result;
            if ((done >= DeedResult.Later || body is not null) && !scan.Spend(cost))
            {
                await scan.PauseAsync();
                paused = true;
            }
        }
        body?.Close();
        return result;
    }

    /// <summary>The envelope of a message that is there; null when it cannot be read.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<BodyReader?> OpenAsync(int slot)
    {
        BodyReader body = _queue.Journal.OpenBody();
        body.Start(new MessageHandle(slot));
        if (await body.PrepareAsync() != BodyStatus.IoError && body.HasEnvelope)
        {
            return body;
        }
        body.Close();
        return null;
    }

    private async ValueTask<long> WholeAsync(QueueDeed deed, QueueFilter filter) => (await PartAsync(deed, filter, 0, int.MaxValue)).Count;

    /// <summary>Reads the envelope of the message at hand; false when it is gone meanwhile or its sender is another. Allocates nothing: it is asked of each message.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<bool> IsFromAsync(QueueScan scan)
    {
        BodyReader body = _queue.Journal.OpenBody();
        body.Start(new MessageHandle(scan.Slot));
        bool isFrom = await body.PrepareAsync() != BodyStatus.IoError && body.HasEnvelope && scan.SelectsSender(body.Envelope.ReversePath);
        body.Close();
        if (!scan.Spend(QueueScan.ReadCost))
        {
            await scan.PauseAsync();
        }
        // A pause is a chance to be delivered: what is acted upon must be there still.
        return isFrom && scan.IsThere;
    }

    internal static QueuedState StateOf(EntryState state) => state switch
    {
        EntryState.Ready => QueuedState.Ready,
        EntryState.Deferred => QueuedState.Deferred,
        EntryState.Held => QueuedState.Held,
        EntryState.Settling => QueuedState.Ending,
        _ => QueuedState.InFlight,
    };
}
