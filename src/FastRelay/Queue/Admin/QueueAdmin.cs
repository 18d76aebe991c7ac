using System.Text;
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
    private const int RecipientsShown = 100;
    private readonly QueueState _queue;
    private readonly Loop _loop;

    internal QueueAdmin(QueueState queue)
    {
        _queue = queue;
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
            _queue.Sites.Count);
    }

    /// <summary>The sites with the most ready work.</summary>
    public IReadOnlyList<SiteView> Sites(int max)
    {
        _loop.CheckThread();
        return [.. _queue.Sites.All.OrderByDescending(static site => site.Ready + site.InFlight).Take(max).Select(View)];
    }

    /// <summary>The same with what is deferred for them, in slices.</summary>
    public ValueTask<IReadOnlyList<SiteView>> BusiestSitesAsync(int max) => new BusySites(_queue).ListAsync(max, View, View);

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
    public async ValueTask<QueueListing> ListAsync(QueueFilter filter, int max, int from = 0)
    {
        var found = new List<QueuedMessage>();
        var scan = new QueueScan(_queue, filter, from, int.MaxValue);
        while (found.Count < max && await scan.NextAsync())
        {
            if (await ReadAsync(scan) is { } message)
            {
                found.Add(message);
            }
        }
        found.Sort(static (a, b) => a.Id.Value.CompareTo(b.Id.Value));
        return new QueueListing(found, scan.Ended ? -1 : scan.Slot + 1);
    }

    /// <summary>One message; null when it is not in the queue.</summary>
    public async ValueTask<QueuedMessage?> ShowAsync(MessageId id)
    {
        QueueListing listing = await ListAsync(new QueueFilter { Id = id }, 1);
        return listing.Messages.Count > 0 ? listing.Messages[0] : null;
    }

    /// <summary>How many messages a filter selects.</summary>
    public ValueTask<long> CountAsync(QueueFilter filter) => WholeAsync(QueueDeed.Look, filter);

    /// <summary>Tries what is deferred at once, and ends the backoff of its sites and destinations. What is held stays held.</summary>
    /// <returns>Messages selected.</returns>
    public ValueTask<long> RetryAsync(QueueFilter filter) => WholeAsync(QueueDeed.Retry, filter);

    /// <summary>Removes mail: nobody is told. What is being delivered is removed when it comes back.</summary>
    /// <returns>Messages selected.</returns>
    public ValueTask<long> RemoveAsync(QueueFilter filter) => WholeAsync(QueueDeed.Remove, filter);

    /// <summary>Puts messages aside until they are released; survives a restart.</summary>
    /// <returns>Messages selected.</returns>
    public ValueTask<long> HoldAsync(QueueFilter filter) => WholeAsync(QueueDeed.Hold, filter);

    /// <summary>Releases held messages; they are ready at once.</summary>
    /// <returns>Messages selected.</returns>
    public ValueTask<long> ReleaseAsync(QueueFilter filter) => WholeAsync(QueueDeed.Release, filter);

    /// <summary>Fails messages for good: their senders are told, with this text.</summary>
    /// <param name="filter">Which.</param>
    /// <param name="text">Printable ASCII; may begin with an enhanced status code of class 5, else it is 5.7.1.</param>
    /// <returns>Messages selected.</returns>
    public ValueTask<long> BounceAsync(QueueFilter filter, string text) => WholeAsync(QueueDeed.Bounce(text), filter);

    /// <summary>A part of a deed, so that whoever asked for it can show how far it is.</summary>
    /// <param name="deed">What is done to each message that the filter selects.</param>
    /// <param name="filter">Which.</param>
    /// <param name="from">0, or <see cref="QueuePart.Next"/> of the part before.</param>
    /// <param name="slots">Places of the queue's index that are looked at, at most.</param>
    public async ValueTask<QueuePart> PartAsync(QueueDeed deed, QueueFilter filter, int from, int slots)
    {
        long count = 0;
        var picked = new List<int>();
        MessageId before = filter.Before ?? _queue.Journal.UpcomingId;
        var scan = new QueueScan(_queue, filter with { Before = before }, from, slots);
        while (await scan.NextAsync())
        {
            if (filter.Sender is not null && await ReadAsync(scan) is null)
            {
                continue;
            }
            count++;
            picked.Clear();
            for (int handle = _queue.Messages[scan.Slot]; handle != 0; handle = _queue.Slab[handle].NextOfMessage)
            {
                if (scan.Selects(handle))
                {
                    picked.Add(handle);
                }
            }
            await ChangeAsync(deed, scan, picked);
        }
        return new QueuePart(count, scan.Ended ? -1 : scan.Slot + 1, _queue.Messages.End) { Before = before };
    }

    /// <summary>A deed to messages by their ids, a slice a turn.</summary>
    /// <param name="deed">What is done to each.</param>
    /// <param name="ids">Which.</param>
    /// <param name="missing">Gets those that are not there.</param>
    /// <returns>Messages changed.</returns>
    public async ValueTask<long> ChangeAsync(QueueDeed deed, IReadOnlyList<MessageId> ids, List<MessageId> missing)
    {
        long count = 0;
        var pace = new QueueScan(_queue, new QueueFilter(), 0, 0);
        foreach (MessageId id in ids)
        {
            long changed = (await PartAsync(deed, new QueueFilter { Id = id }, 0, int.MaxValue)).Count;
            count += changed;
            if (changed == 0)
            {
                missing.Add(id);
            }
            await pace.PaceAsync(QueueScan.SlotsPerTurn / ChangesPerTurn);
        }
        return count;
    }

    /// <summary>A message may have thousands of destinations: between its slices some of them may have come to their end.</summary>
    private async ValueTask ChangeAsync(QueueDeed deed, QueueScan scan, List<int> picked)
    {
        const int cost = QueueScan.SlotsPerTurn / ChangesPerTurn;
        int slot = scan.Slot;
        MessageId id = _queue.Journal.IdOf(new MessageHandle(slot));
        int changes = 0;
        bool paused = false;
        foreach (int handle in picked)
        {
            if (paused && !(_queue.Messages[slot] != 0 && _queue.Journal.IdOf(new MessageHandle(slot)) == id && _queue.IsOf(handle, slot) && scan.Selects(handle)))
            {
                continue;
            }
            if (deed.Do(_queue, handle) && ++changes == ChangesPerTurn)
            {
                await scan.PaceAsync(changes * cost);
                changes = 0;
                paused = true;
            }
        }
        await scan.PaceAsync(changes * cost);
    }

    private async ValueTask<long> WholeAsync(QueueDeed deed, QueueFilter filter) => (await PartAsync(deed, filter, 0, int.MaxValue)).Count;

    /// <summary>Reads the envelope of the message at hand; null when it is gone meanwhile or its sender is another.</summary>
    private async ValueTask<QueuedMessage?> ReadAsync(QueueScan scan)
    {
        var handle = new MessageHandle(scan.Slot);
        MessageId id = _queue.Journal.IdOf(handle);
        BodyReader body = _queue.Journal.OpenBody();
        body.Start(handle);
        BodyStatus status = await body.PrepareAsync();
        bool there = status != BodyStatus.IoError && body.HasEnvelope && _queue.Messages[scan.Slot] != 0 && _queue.Journal.IdOf(handle) == id;
        QueuedMessage? view = there ? View(scan, handle, id, body.Envelope) : null;
        body.Close();
        await scan.PaceAsync(QueueScan.SlotsPerTurn / ReadsPerTurn);
        // A pause is a chance to be delivered: what is acted upon must be there still.
        return view is not null && _queue.Messages[scan.Slot] != 0 && _queue.Journal.IdOf(handle) == id ? view : null;
    }

    private QueuedMessage? View(QueueScan scan, MessageHandle message, MessageId id, in Envelope envelope)
    {
        string sender = Encoding.UTF8.GetString(envelope.ReversePath);
        if (scan.Filter.Sender is { } wanted && !string.Equals(sender, wanted == "<>" ? "" : wanted, StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }
        var destinations = new List<QueuedDestination>();
        for (int handle = _queue.Messages[message.Slot]; handle != 0; handle = _queue.Slab[handle].NextOfMessage)
        {
            if (scan.Selects(handle))
            {
                destinations.Add(View(handle, message, envelope));
            }
        }
        return destinations.Count == 0 ? null
            : new QueuedMessage(id, _queue.Journal.ArrivalUnixMs(message), _queue.Journal.BodyLength(message), sender, destinations) { Tenant = Encoding.ASCII.GetString(envelope.Tenant) };
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
                && _queue.Destinations.Serves(destination, recipient.Mailbox))
            {
                recipients.Add(Encoding.UTF8.GetString(recipient.Mailbox));
            }
        }
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
            entry.Pending);
    }

    internal SiteView View(Site site) => new(
        site.Key,
        site.Plan.Provider ?? "",
        site.Ready,
        site.InFlight,
        site.Sessions,
        site.Limit,
        site.Failures,
        _queue.Gears.Of(site),
        LeftMs(_queue.Gears.EndOf(site)),
        _queue.Gears.ReasonOf(site))
    {
        Taken = site.Budget.Taken,
        Learned = _queue.Shaper.View(site.Budget),
    };

    /// <summary>All sites that share a budget, as one.</summary>
    private SiteView View(SiteBudget budget, int ready)
    {
        (SiteGear gear, long endMs, string reason) = _queue.Gears.Of(budget);
        return new SiteView(budget.Key, budget.Provider, ready, budget.InFlight, budget.Sessions, _queue.Sites.Budgets.LimitOf(budget), budget.Brake.Failures,
            gear, LeftMs(endMs), reason)
        {
            Sites = budget.Sites,
            Taken = budget.Taken,
            Learned = _queue.Shaper.View(budget),
        };
    }

    /// <summary>What the site shares with others; null where it shares nothing.</summary>
    internal BudgetView? BudgetOf(Site site)
    {
        SiteBudget budget = site.Budget;
        (SiteGear gear, long endMs, string reason) = _queue.Gears.Of(budget);
        return budget.IsShared
            ? new BudgetView(budget.Key, budget.Sites, budget.Waiting, budget.Sessions, budget.Idle, _queue.Sites.Budgets.LimitOf(budget), gear, LeftMs(endMs), reason)
            : null;
    }

    private long LeftMs(long endMs) => endMs == long.MaxValue ? endMs : Math.Max(0, endMs - _loop.NowMs);

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
