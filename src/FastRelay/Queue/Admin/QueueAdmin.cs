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
    private const int SlotsPerTurn = 1_024;
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
        var scan = new Scan(this, filter, from);
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
    public ValueTask<long> CountAsync(QueueFilter filter) => ForEachAsync(filter, static (_, _) => false);

    /// <summary>Tries what is deferred at once, and ends the backoff of its sites and destinations. What is held stays held.</summary>
    /// <returns>Messages selected.</returns>
    public ValueTask<long> RetryAsync(QueueFilter filter) => ForEachAsync(filter, Retry);

    /// <summary>Removes mail: nobody is told. What is being delivered is removed when it comes back.</summary>
    /// <returns>Messages selected.</returns>
    public ValueTask<long> RemoveAsync(QueueFilter filter) => ForEachAsync(filter, Remove);

    /// <summary>Puts messages aside until they are released; survives a restart.</summary>
    /// <returns>Messages selected.</returns>
    public ValueTask<long> HoldAsync(QueueFilter filter) => ForEachAsync(filter, Hold);

    /// <summary>Releases held messages; they are ready at once.</summary>
    /// <returns>Messages selected.</returns>
    public ValueTask<long> ReleaseAsync(QueueFilter filter) => ForEachAsync(filter, Release);

    private async ValueTask<long> ForEachAsync(QueueFilter filter, Func<QueueAdmin, int, bool> act)
    {
        long count = 0;
        var scan = new Scan(this, filter, 0);
        while (await scan.NextAsync())
        {
            if (filter.Sender is not null && await ReadAsync(scan) is null)
            {
                continue;
            }
            count++;
            int changes = 0;
            for (int handle = _queue.Messages[scan.Slot]; handle != 0;)
            {
                int next = _queue.Slab[handle].NextOfMessage;
                if (scan.Selects(handle) && act(this, handle))
                {
                    changes++;
                }
                handle = next;
            }
            await scan.PaceAsync(changes * (SlotsPerTurn / ChangesPerTurn));
        }
        return count;
    }

    private static bool Retry(QueueAdmin admin, int handle)
    {
        QueueState queue = admin._queue;
        ref Entry entry = ref queue.Slab[handle];
        Destination destination = queue.Destinations[entry.Destination];
        queue.Destinations.Forgive(destination);
        if (destination.Site is { } site && queue.Gears.Of(site) != SiteGear.Normal)
        {
            queue.Sites.Forgive(site);
        }
        if (entry.State == EntryState.Deferred)
        {
            queue.TakeOut(handle);
            queue.MakeReady(handle);
        }
        else if (entry.State == EntryState.InFlight)
        {
            entry.Flags |= EntryFlags.RetryWanted;
        }
        return true;
    }

    private static bool Remove(QueueAdmin admin, int handle)
    {
        QueueState queue = admin._queue;
        ref Entry entry = ref queue.Slab[handle];
        entry.Flags |= EntryFlags.Removing;
        if (entry.State is EntryState.Ready or EntryState.Deferred or EntryState.Held)
        {
            queue.TakeOut(handle);
            queue.Settle(handle);
        }
        return true;
    }

    private static bool Hold(QueueAdmin admin, int handle)
    {
        QueueState queue = admin._queue;
        ref Entry entry = ref queue.Slab[handle];
        queue.Journal.SetHold(new MessageHandle(entry.Message), true);
        if (entry.State is EntryState.Ready or EntryState.Deferred)
        {
            queue.TakeOut(handle);
            queue.Hold(handle);
        }
        else if (entry.State == EntryState.InFlight)
        {
            entry.Flags |= EntryFlags.Holding;
        }
        return true;
    }

    private static bool Release(QueueAdmin admin, int handle)
    {
        QueueState queue = admin._queue;
        ref Entry entry = ref queue.Slab[handle];
        queue.Journal.SetHold(new MessageHandle(entry.Message), false);
        entry.Flags &= ~EntryFlags.Holding;
        if (entry.State == EntryState.Held)
        {
            queue.TakeOut(handle);
            queue.MakeReady(handle);
        }
        return true;
    }

    /// <summary>Reads the envelope of the message at hand; null when it is gone meanwhile or its sender is another.</summary>
    private async ValueTask<QueuedMessage?> ReadAsync(Scan scan)
    {
        var handle = new MessageHandle(scan.Slot);
        MessageId id = _queue.Journal.IdOf(handle);
        BodyReader body = _queue.Journal.OpenBody();
        body.Start(handle);
        BodyStatus status = await body.PrepareAsync();
        bool there = status != BodyStatus.IoError && body.HasEnvelope && _queue.Messages[scan.Slot] != 0 && _queue.Journal.IdOf(handle) == id;
        QueuedMessage? view = there ? View(scan, handle, id, body.Envelope) : null;
        body.Close();
        await scan.PaceAsync(SlotsPerTurn / ReadsPerTurn);
        // A pause is a chance to be delivered: what is acted upon must be there still.
        return view is not null && _queue.Messages[scan.Slot] != 0 && _queue.Journal.IdOf(handle) == id ? view : null;
    }

    private QueuedMessage? View(Scan scan, MessageHandle message, MessageId id, in Envelope envelope)
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
        _queue.Gears.EndOf(site) is var end && end == long.MaxValue ? end : Math.Max(0, end - _loop.NowMs),
        _queue.Gears.ReasonOf(site));

    private DestinationView View(Destination destination) => new(
        destination.Key,
        destination.Site?.Key ?? "",
        destination.Plan is null ? "" : Router.Name(destination.Plan.Status),
        destination.Entries,
        destination.Ready,
        destination.DnsRetryMs == long.MaxValue ? 0 : Math.Max(0, destination.DnsRetryMs - _loop.NowMs),
        destination.Plan?.Reason ?? "");

    private static QueuedState StateOf(EntryState state) => state switch
    {
        EntryState.Ready => QueuedState.Ready,
        EntryState.Deferred => QueuedState.Deferred,
        EntryState.Held => QueuedState.Held,
        EntryState.Settling => QueuedState.Ending,
        _ => QueuedState.InFlight,
    };

    /// <summary>Walks the slots of messages that have a selected entry, a slice a turn.</summary>
    private sealed class Scan
    {
        private readonly QueueAdmin _admin;
        private readonly Signal<bool> _turn;
        private readonly HashSet<int>? _destinations;
        private readonly bool _nothing;
        private int _budget = SlotsPerTurn;

        public Scan(QueueAdmin admin, QueueFilter filter, int from)
        {
            admin._loop.CheckThread();
            _admin = admin;
            Filter = filter;
            Slot = from - 1;
            _turn = new Signal<bool>(admin._loop);
            if (filter.Domain is { } domain)
            {
                _destinations = [.. admin._queue.Destinations.FindAll(domain.ToLowerInvariant().TrimEnd('.')).Select(static destination => destination.Number)];
                _nothing = _destinations.Count == 0;
            }
        }

        public QueueFilter Filter { get; }

        public int Slot { get; private set; }

        public bool Ended { get; private set; }

        public bool Selects(int handle)
        {
            ref Entry entry = ref _admin._queue.Slab[handle];
            return (_destinations?.Contains(entry.Destination) != false)
                && (Filter.State is null || StateOf(entry.State) == Filter.State)
                && (Filter.Tenant is null || _admin._queue.Destinations[entry.Destination].Tenant.Name == Filter.Tenant)
                && (Filter.Site is null || _admin._queue.Destinations[entry.Destination].Site?.Key == Filter.Site);
        }

        public async ValueTask<bool> NextAsync()
        {
            QueueState queue = _admin._queue;
            if (Ended || _nothing)
            {
                Ended = true;
                return false;
            }
            if (Filter.Id is { } id)
            {
                Ended = true;
                if (!queue.Journal.TryFind(id, out MessageHandle message))
                {
                    return false;
                }
                Slot = message.Slot;
                return SelectsSlot();
            }
            while (++Slot < queue.Messages.End)
            {
                // Before the look: nothing may happen between it and what is done about it.
                await PaceAsync(1);
                if (SelectsSlot())
                {
                    return true;
                }
            }
            Ended = true;
            return false;
        }

        /// <summary>Spends work, and goes to the end of the run queue when the slice is used up.</summary>
        public async ValueTask PaceAsync(int work)
        {
            _budget -= work;
            if (_budget <= 0)
            {
                _budget = SlotsPerTurn;
                ValueTask<bool> turn = _turn.WaitAsync();
                _turn.Set(true);
                await turn;
            }
        }

        private bool SelectsSlot()
        {
            for (int handle = _admin._queue.Messages[Slot]; handle != 0; handle = _admin._queue.Slab[handle].NextOfMessage)
            {
                if (Selects(handle))
                {
                    return true;
                }
            }
            return false;
        }
    }
}
