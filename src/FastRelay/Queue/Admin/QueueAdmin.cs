using System.Runtime.CompilerServices;
using System.Text;
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
    private const int ReadsPerTurn = 32;

    // An entry that changes its state costs some eight looks at a slot; a hold is a journal record besides.
    private const int ChangesPerTurn = 128;

    // A recipient whose destination is looked up costs about an eighth of a look at a slot, one whose bit is looked at much less.
    private const int RecipientsPerLook = 8;
    private const int PendingPerLook = 128;
    /// <summary>After so many turns nobody is told which message is the oldest: a queue that changes faster than it is looked through must not keep a probe waiting.</summary>
    private const int OldestTurns = 500;

    private const int RecipientsShown = 100;
    private const long RoomLookMs = 20;

    // A disk that takes nothing for longer fails: the walk ends, and says where.
    private const long RoomMsMax = 30_000;
    private readonly QueueState _queue;
    private readonly Router _router;
    private readonly Loop _loop;

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

    /// <summary>The sites with the most ready work.</summary>
    public IReadOnlyList<SiteView> Sites(int max)
    {
        _loop.CheckThread();
        return [.. _queue.Sites.All.OrderByDescending(static site => site.Ready + site.InFlight).Take(max).Select(new BusySites(_queue).View)];
    }

    /// <summary>The same with what is deferred for them, in slices.</summary>
    public ValueTask<IReadOnlyList<SiteView>> BusiestSitesAsync(int max) => new BusySites(_queue).ListAsync(max);

    /// <summary>The tenants with the most mail, found in slices.</summary>
    public ValueTask<IReadOnlyList<TenantState>> BusiestTenantsAsync(int max) => new BusyTenants(_queue).ListAsync(max);

    /// <summary>The destinations with the most entries.</summary>
    public IReadOnlyList<DestinationView> Destinations(int max)
    {
        _loop.CheckThread();
        return [.. _queue.Destinations.All.OrderByDescending(static destination => destination.Entries).Take(max).Select(View)];
    }

    /// <summary>Lists messages.</summary>
    /// <param name="filter">Which.</param>
    /// <param name="max">The most of one page.</param>
    /// <param name="from">0, or <see cref="QueueListing.Next"/> of the page before.</param>
    /// <param name="slots">Places of the queue's index that are looked at, at most.</param>
    public async ValueTask<QueueListing> ListAsync(QueueFilter filter, int max, int from = 0, int slots = int.MaxValue)
    {
        var found = new List<QueuedMessage>();
        var scan = new QueueScan(_queue, filter, from, slots);
        while (found.Count < max && await scan.NextAsync())
        {
            if (await ReadAsync(scan) is { } message)
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

    /// <summary>The message that arrived first, held ones too, with its time, Unix ms; null when nothing is queued, or the queue changes faster than it can be looked through.</summary>
    public async ValueTask<(MessageId Id, long ArrivalUnixMs)?> OldestAsync()
    {
        MessageHandle oldest;
        var turn = new Signal<bool>(_loop);
        for (int turns = 0; !_queue.Journal.TryFindOldest(out oldest) && turns < OldestTurns; turns++)
        {
            await turn.YieldAsync(true);
        }
        return oldest.IsValid ? (_queue.Journal.IdOf(oldest), _queue.Journal.ArrivalUnixMs(oldest)) : null;
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
        var picked = new List<int>();
        MessageId before = filter.Before ?? _queue.Journal.UpcomingId;
        var scan = new QueueScan(_queue, filter with { Before = before }, from, slots);
        while (await scan.NextAsync())
        {
            if (filter.Sender is not null && await ReadAsync(scan) is null)
            {
                continue;
            }
            picked.Clear();
            for (int handle = _queue.Messages[scan.Slot]; handle != 0; handle = _queue.Slab[handle].NextOfMessage)
            {
                if (scan.Selects(handle))
                {
                    picked.Add(handle);
                }
            }
            tally.Add(await ChangeAsync(deed, scan, picked));
            if (deed.IsRecorded && !await RoomAsync())
            {
                break;
            }
        }
        return new QueuePart(tally.Changed, scan.Ended ? -1 : scan.Slot + 1, _queue.Messages.End) { Before = before, Tally = tally };
    }

    /// <summary>A deed to messages by their ids, a slice a turn.</summary>
    /// <param name="deed">What is done to each.</param>
    /// <param name="ids">Which.</param>
    /// <param name="missing">Gets those that are not there.</param>
    public async ValueTask<DeedTally> ChangeAsync(QueueDeed deed, IReadOnlyList<MessageId> ids, List<MessageId> missing)
    {
        var tally = new DeedTally();
        var pace = new QueueScan(_queue, new QueueFilter(), 0, 0);
        foreach (MessageId id in ids)
        {
            DeedTally one = (await PartAsync(deed, new QueueFilter { Id = id }, 0, int.MaxValue)).Tally;
            tally.Add(one);
            if (one.Found == 0)
            {
                missing.Add(id);
            }
            await pace.PaceAsync(QueueScan.SlotsPerTurn / ChangesPerTurn);
            if (_queue.Stopping)
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
    private async ValueTask<DeedResult> ChangeAsync(QueueDeed deed, QueueScan scan, List<int> picked)
    {
        BodyReader? body = null;
        DeedResult result = DeedResult.None;
        int slot = scan.Slot;
        MessageId id = _queue.Journal.IdOf(new MessageHandle(slot));
        int cost = QueueScan.SlotsPerTurn / ChangesPerTurn;
        bool paused = false;
        if (deed.ReadsEnvelope)
        {
            int recipients = _queue.Journal.RecipientCount(new MessageHandle(slot));
            if (picked.Exists(handle => (_queue.Slab[handle].Flags & EntryFlags.Shared) != 0))
            {
                (paused, body) = (true, await OpenAsync(slot));
                if (body is null)
                {
                    return DeedResult.Unreadable;
                }
                cost += recipients / RecipientsPerLook;
            }
            cost += recipients / PendingPerLook;
        }
        int spent = body is null ? 0 : QueueScan.SlotsPerTurn / ReadsPerTurn;
        foreach (int handle in picked)
        {
            if (paused && !(_queue.Messages[slot] != 0 && _queue.Journal.IdOf(new MessageHandle(slot)) == id && _queue.IsOf(handle, slot) && scan.Selects(handle)))
            {
                continue;
            }
            DeedResult done = deed.Do(_queue, handle, body);
            result = done > result ? done : result;
            if (done >= DeedResult.Later && (spent += cost) >= QueueScan.SlotsPerTurn)
            {
                await scan.PaceAsync(spent);
                spent = 0;
                paused = true;
            }
        }
        body?.Close();
        await scan.PaceAsync(spent);
        return result;
    }

    /// <summary>The envelope of a message that is there; null when it cannot be read.</summary>
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

    /// <summary>Reads the envelope of the message at hand; null when it is gone meanwhile or its sender is another.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<QueuedMessage?> ReadAsync(QueueScan scan)
    {
        var handle = new MessageHandle(scan.Slot);
        MessageId id = _queue.Journal.IdOf(handle);
        BodyReader body = _queue.Journal.OpenBody();
        body.Start(handle);
        BodyStatus status = await body.PrepareAsync();
        bool there = status != BodyStatus.IoError && body.HasEnvelope && _queue.Messages[scan.Slot] != 0 && _queue.Journal.IdOf(handle) == id;
        QueuedMessage? view = there && scan.SelectsSender(body.Envelope.ReversePath) ? View(scan, handle, id, body.Envelope) : null;
        body.Close();
        await scan.PaceAsync(QueueScan.SlotsPerTurn / ReadsPerTurn);
        // A pause is a chance to be delivered: what is acted upon must be there still.
        return view is not null && _queue.Messages[scan.Slot] != 0 && _queue.Journal.IdOf(handle) == id ? view : null;
    }

    private QueuedMessage? View(QueueScan scan, MessageHandle message, MessageId id, in Envelope envelope)
    {
        string sender = Encoding.UTF8.GetString(envelope.ReversePath);
        List<QueuedDestination> destinations = [];
        for (int handle = _queue.Messages[message.Slot]; handle != 0; handle = _queue.Slab[handle].NextOfMessage)
        {
            if (scan.Selects(handle))
            {
                destinations.Add(View(handle, message, envelope));
            }
        }
        return destinations.Count == 0 ? null
            : new QueuedMessage(id, _queue.Journal.ArrivalUnixMs(message), _queue.Journal.BodyLength(message), sender, destinations) { Tenant = Encoding.ASCII.GetString(envelope.Tenant), Priority = envelope.Priority };
    }

    private QueuedDestination View(int handle, MessageHandle message, in Envelope envelope)
    {
        Entry entry = _queue.Slab[handle];
        Destination destination = _queue.Destinations[entry.Destination];
        EntryExtra? extra = _queue.ExtraOrNone(handle);
        var recipients = new List<string>();
        foreach (EnvelopeRecipient recipient in envelope)
        {
            if (recipients.Count < RecipientsShown
                && _queue.Journal.IsPending(message, recipient.Index)
                && extra?.Failed.Contains(recipient.Index) != true
                && destination.Serves(recipient.Mailbox))
            {
                recipients.Add(Encoding.UTF8.GetString(recipient.Mailbox));
            }
        }
        RecordedMove moved = _queue.Moves.NoteOf(handle);
        long nowMs = _loop.NowMs;
        long unixMs = _queue.UnixMs;
        bool ready = entry.State == EntryState.Ready;
        string reason = Encoding.UTF8.GetString(_queue.Reasons.Text(entry.Reason));
        long next = entry.State == EntryState.Deferred ? entry.DueSeconds * 1000L : 0;
        if (ready && destination.DnsReason.Length > 0)
        {
            reason = destination.DnsReason;
            next = destination.DnsRetryMs == long.MaxValue ? 0 : destination.DnsRetryMs;
        }
        else if (ready && destination.Tenant is { IsSuspended: true } tenant)
        {
            reason = tenant.SuspendReason;
            next = tenant.SuspendedUntilMs == long.MaxValue ? 0 : tenant.SuspendedUntilMs;
        }
        else if (ready && destination.Site is { } site && _queue.Gears.Of(site) is SiteGear.Backoff or SiteGear.Suspended && _queue.Gears.EndOf(site) is var end && end > nowMs)
        {
            reason = _queue.Gears.ReasonOf(site);
            next = end == long.MaxValue ? 0 : end;
        }
        return new QueuedDestination(
            destination.Key,
            destination.Site?.Key ?? "",
            StateOf(entry.State),
            entry.Attempts,
            next == 0 ? 0 : unixMs + (next - nowMs),
            unixMs + ((entry.ExpireSeconds * 1000L) - nowMs),
            reason,
            recipients,
            entry.Pending)
        {
            MovedTo = Encoding.UTF8.GetString(moved.Target),
            MovedUnixMs = moved.UnixMs,
            Order = entry.Order,
            Of = destination,
        };
    }

    private DestinationView View(Destination destination) => new(
        destination.Key,
        destination.Site?.Key ?? "",
        destination.Plan is null ? "" : Router.Name(destination.Plan.Status),
        destination.Entries,
        destination.Ready,
        destination.DnsRetryMs == long.MaxValue ? 0 : Math.Max(0, destination.DnsRetryMs - _loop.NowMs),
        destination.Plan?.Reason ?? "");

    internal static QueuedState StateOf(EntryState state) => state switch
    {
        EntryState.Ready => QueuedState.Ready,
        EntryState.Deferred => QueuedState.Deferred,
        EntryState.Held => QueuedState.Held,
        EntryState.Settling => QueuedState.Ending,
        _ => QueuedState.InFlight,
    };
}
