using FastRelay.Journal;
using FastRelay.Observe;
using FastRelay.Outside;
using FastRelay.Routing;
using FastRelay.Smtp;

namespace FastRelay.Queue;

/// <summary>
/// The queue: which message goes when, and to which site. It holds one entry for each (message, destination), rebuilt
/// from the journal at every start, plans destinations, paces sites, retries on a schedule and gives up in time. One
/// owner, the loop's thread; nothing here blocks.
/// </summary>
public sealed class MessageQueue : IReplay
{
    private readonly QueueState _queue;
    private readonly Loop _loop;
    private readonly Replayer _replayer;
    private readonly ConfigWalk _configWalk;

    /// <summary>Creates an empty queue. Recovery then fills it, and <see cref="Attach"/> gives it the journal.</summary>
    /// <param name="world">Loop, clocks, random.</param>
    /// <param name="router">Plans destinations.</param>
    /// <param name="options">Schedules.</param>
    /// <param name="limits">Bounds.</param>
    /// <param name="log">One line for each recipient's outcome, each site's backoff, each DNS failure.</param>
    /// <param name="counters">Delivered, Deferred, Failed, Dropped.</param>
    public MessageQueue(World world, Router router, QueueOptions options, Limits limits, Log log, Counters counters)
    {
        _loop = world.Loop;
        _queue = new QueueState(world, router, options, limits, log, counters);
        _replayer = new Replayer(_queue);
        _configWalk = new ConfigWalk(_queue);
        Admin = new QueueAdmin(_queue, router);
        SiteAdmin = new SiteAdmin(_queue);
        Explainer = new Explainer(_queue, router);
    }

    /// <summary>Makes sessions; without one nothing is delivered.</summary>
    public Dispatcher? Dispatcher
    {
        get => _queue.Sites.Dispatcher;
        set
        {
            _queue.Sites.Dispatcher = value;
            _queue.Sites.WakeAll();
        }
    }

    /// <summary>Tells senders of failures; must be there before anything fails.</summary>
    public BounceSink? Bounces
    {
        get => _queue.Bounces;
        set => _queue.Bounces = value;
    }

    /// <summary>True ends taking: no new transaction begins. Reports and releases still come in.</summary>
    public bool Stopping
    {
        get => _queue.Stopping;
        set
        {
            _queue.Stopping = value;
            if (!value)
            {
                _queue.Settler.Resume();
                _queue.Sites.WakeAll();
            }
        }
    }

    /// <summary>Entries in all states: one for each message and destination.</summary>
    public int Entries => _queue.Slab.Count;

    /// <summary>Entries that wait for their turn, for DNS, or for a site to end its backoff.</summary>
    public long Ready => _queue.CountOf(EntryState.Ready);

    /// <summary>Entries that wait for their next attempt.</summary>
    public long Deferred => _queue.CountOf(EntryState.Deferred);

    /// <summary>Entries being delivered.</summary>
    public long InFlight => _queue.CountOf(EntryState.InFlight);

    /// <summary>Entries that the operator holds.</summary>
    public long Held => _queue.CountOf(EntryState.Held);

    /// <summary>How long after its arrival mail that comes from now on is given up, ms.</summary>
    public long ExpireMs => _queue.Options.ExpireMs;

    /// <summary>Failed recipients whose sender is still to be told.</summary>
    public int BouncesWaiting => _queue.Bounces?.Waiting ?? 0;

    /// <summary>Destinations known.</summary>
    public int DestinationCount => _queue.Destinations.Count;

    /// <summary>Sites known.</summary>
    public int SiteCount => _queue.Sites.Count;

    /// <summary>Sites that a rate was learned for.</summary>
    public int PacedSites => _queue.Shaper.Learned;

    /// <summary>Who we may be to next hops, with what came of it.</summary>
    public IReadOnlyList<EgressSource> Sources => _queue.Sources.Table.All;

    /// <summary>What the operator can see and do.</summary>
    public QueueAdmin Admin { get; }

    /// <summary>What the operator can do to sites.</summary>
    public SiteAdmin SiteAdmin { get; }

    /// <summary>Says what mail waits for, and why.</summary>
    public Explainer Explainer { get; }

    internal QueueState State => _queue;

    /// <summary>Reads which sites and tenants the operator has suspended, before the loop runs.</summary>
    /// <returns>What is wrong with the list; empty when nothing is.</returns>
    public string RecallSuspensions()
    {
        string wrong = _queue.Gears.Suspensions.Read();
        _queue.TenantStops.Start();
        _queue.Gears.Recall();
        return wrong;
    }

    /// <summary>
    /// Puts other schedules, rules for sites and limits in force, after <see cref="Router.Change"/>: at once for what is made from now on, and
    /// in slices for what is there. Every plan is made anew where anything has changed that plans are made by.
    /// When a message that is queued expires was decided when it came.
    /// </summary>
    /// <param name="options">In force from now on.</param>
    /// <param name="limits">The same.</param>
    /// <param name="plansHold">What <see cref="Router.Change"/> said.</param>
    /// <returns>When all of it is in force: entries whose route is not in the table any more: they keep it.</returns>
    public ValueTask<long> ChangeAsync(QueueOptions options, Limits limits, bool plansHold = false)
    {
        _loop.CheckThread();
        _queue.Options = options;
        _queue.Limits = limits;
        _queue.Tenants.Change(options);
        _queue.Sources.Change();
        _queue.Gears.Change();
        _queue.Warner.Change();
        _queue.Destinations.Change(plansHold);
        return _configWalk.RunAsync();
    }

    /// <summary>Gives the journal, after it has replayed into this queue and before the loop runs.</summary>
    public void Attach(MessageJournal journal)
    {
        _loop.CheckThread();
        Check.That(!_queue.HasJournal, "a queue has one journal");
        _queue.Journal = journal;
        _queue.Clock.Start();
        _queue.Watchdog.Start();
        _queue.Clock.Arm();
        _queue.Settler.Resume();
    }

    /// <summary>
    /// Takes over a message whose commit is durable: one entry for each of its destinations, ready at once. No
    /// allocation when its destinations are known.
    /// </summary>
    public void Add(MessageHandle message, in Envelope envelope)
    {
        _loop.CheckThread();
        Check.That(message.IsValid && _queue.Messages[message.Slot] == 0, "a message is added once, and its slot is used again only when it is settled");
        long order = ++_queue.LastOrder;
        EntryFlags flags = envelope.ReversePath.IsEmpty ? EntryFlags.NullReversePath : EntryFlags.None;
        int expire = _queue.ExpireSecondsOf(envelope.ArrivalUnixMs);
        Tenant tenant = _queue.Tenants.Of(envelope.Tenant);
        int count = 0;
        int first = 0;
        foreach (EnvelopeRecipient recipient in envelope)
        {
            Destination destination = _queue.Destinations.Of(tenant, recipient.Mailbox, order);
            if (destination.LastAdded != order)
            {
                destination.LastAdded = order;
                destination.LastEntry = _queue.New(message, destination, expire, flags, envelope.Priority);
                first = destination.LastEntry;
                count++;
            }
            _queue.Slab[destination.LastEntry].Pending++;
        }
        Check.That(count > 0, "a message has a recipient");
        // The chain of the message is followed only past what is known of it: making one ready changes no chain.
        for (int handle = first; handle != 0; handle = _queue.Slab[handle].NextOfMessage)
        {
            if (count > 1)
            {
                _queue.Slab[handle].Flags |= EntryFlags.Shared;
            }
            _queue.MakeReady(handle);
        }
    }

    /// <inheritdoc/>
    public void Message(MessageHandle message, in Envelope envelope, in ReplayState state) => _replayer.Message(message, envelope, state);

    /// <summary>The next delivery of a site, which is then in flight; tenants take turns, and the destinations of each.</summary>
    /// <returns>False when there is none, or the queue is stopping.</returns>
    public bool TryTake(Site site, out Delivery delivery)
    {
        _loop.CheckThread();
        delivery = default;
        if (_queue.Stopping || site.NextTurn() is not { } destination || !_queue.Gears.MayTake(site) || site.Budget.IsTurnOver(site, _loop.NowMs))
        {
            return false;
        }
        if (!_queue.Journal.HasOutcomeRoom || !_queue.MayFail)
        {
            // A crash would send again what waits to be recorded: the session rests, and is woken when there is room.
            _queue.Sites.Wake(site);
            return false;
        }
        if (!_queue.Shaper.MayBegin(site))
        {
            return false;
        }
        int handle = site.Lanes.TurnEntry;
        _queue.Shaper.Began(site, handle);
        TenantLane lane = destination.Lane!;
        site.Lanes.Pass();
        _queue.TakeOut(handle);
        site.InFlight++;
        site.Begun++;
        site.Lanes.Took(lane);
        if (destination.Plan!.ExpiresMs <= _loop.NowMs)
        {
            _queue.Destinations.Renew(destination);
        }
        delivery = _queue.DeliveryOf(handle, site);
        return true;
    }

    /// <summary>
    /// The recipients of a delivery: those of its destination that are pending, at most
    /// <see cref="Limits.RecipientsPerTransaction"/> and as many as fit. The rest stays for the next transaction.
    /// </summary>
    /// <param name="delivery">In flight.</param>
    /// <param name="envelope">The message's.</param>
    /// <param name="into">Filled with recipient numbers, ascending.</param>
    /// <param name="more">True when there are more than fit.</param>
    /// <returns>How many; when 0, report nothing for it with an empty <see cref="Report"/>.</returns>
    public int CollectRecipients(in Delivery delivery, in Envelope envelope, Span<int> into, out bool more)
    {
        _loop.CheckThread();
        return _queue.CollectRecipients(delivery, envelope, into, out more);
    }

    /// <summary>Goes with no other message in flight: what was refused so may have been another's.</summary>
    public bool GoesAlone(in Delivery delivery) => _queue.ExtraOrNone(delivery.Entry) is { Alone: true };

    /// <summary>
    /// Ends a delivery: records what became of each recipient that was collected, defers, bounces, logs one line each.
    /// The message may be settled and its handle invalid when this returns.
    /// </summary>
    /// <param name="delivery">In flight.</param>
    /// <param name="envelope">The message's, still open.</param>
    /// <param name="attempt">With whom.</param>
    /// <param name="reports">Each collected recipient once.</param>
    public void Report(in Delivery delivery, in Envelope envelope, in AttemptInfo attempt, ReadOnlySpan<RecipientReport> reports)
    {
        if (TryEnd(delivery))
        {
            _queue.Reporter.Report(delivery, envelope, attempt, reports);
        }
    }

    /// <summary>
    /// Ends a delivery of a message whose envelope is damaged: nobody knows its recipients, or whom to tell. Its entry
    /// goes, and with the last one of them the message itself: its segment is kept aside.
    /// </summary>
    public void SetAside(in Delivery delivery)
    {
        if (TryEnd(delivery))
        {
            DeliveryReporter.Landed(delivery);
            _queue.Free(delivery.Entry);
            SetAside(delivery.Message);
        }
    }

    /// <summary>The same for a message of which this was the last that was under way; others go when their turn comes.</summary>
    public void SetAside(MessageHandle message) => _queue.SetAside(message);

    /// <summary>Ends a delivery that was not attempted: it is ready again, first in its destination, its attempts unchanged.</summary>
    public void Release(in Delivery delivery)
    {
        if (!TryEnd(delivery))
        {
            return;
        }
        Check.That(_queue.Slab[delivery.Entry].State == EntryState.InFlight, "a delivery is released once");
        _queue.Reporter.GaveBack(delivery);
        if (_queue.ExtraOrNone(delivery.Entry) is { } extra)
        {
            extra.NextCursor = -1;
        }
        _queue.Reporter.MoveOn(delivery.Entry, 0, ReadyPlace.Released);
    }

    /// <summary>
    /// None of a site's hosts could be used (connection, banner, EHLO, TLS). It backs off on a schedule of its own, and
    /// its messages keep theirs; while others of its deliveries are in flight it is only slowed down.
    /// </summary>
    /// <param name="site">The site.</param>
    /// <param name="outcome">Why.</param>
    /// <param name="reason">The same in words, or in those of the host.</param>
    /// <param name="counted">The same reply was reported for a message before.</param>
    public void SiteFailed(Site site, in Outcome outcome, ReadOnlySpan<byte> reason, bool counted = false)
    {
        _loop.CheckThread();
        _queue.Backoffs.Failed(site, outcome, reason, counted);
    }

    /// <summary>A host of a site said something that ends a connection and no message's attempt: the rules for replies count it.</summary>
    /// <param name="site">The site.</param>
    /// <param name="outcome">The reply.</param>
    /// <param name="reply">Its text.</param>
    /// <param name="takenMs"><see cref="Delivery.TakenMs"/> of the message that it kept from being attempted; -1 when there is none.</param>
    public void SiteReplied(Site site, in Outcome outcome, ReadOnlySpan<byte> reply, long takenMs = -1)
    {
        _loop.CheckThread();
        _queue.Gears.Replied(site, outcome, reply, takenMs);
    }

    /// <summary>A site took a connection or a message: ends its backoff and lets its concurrency grow.</summary>
    public void SiteSucceeded(Site site)
    {
        _loop.CheckThread();
        _queue.Backoffs.Succeeded(site);
    }

    /// <summary>There is room for a session again, after <see cref="Dispatcher.Dispatch"/> had said that there is none.</summary>
    public void RoomAgain()
    {
        _loop.CheckThread();
        _queue.Sites.RoomAgain();
    }

    /// <summary><see cref="BounceSink.HasRoom"/>, <see cref="BounceSink.IsStuck"/> or <see cref="BounceSink.IsPaced"/> has become true.</summary>
    public void BouncesMove()
    {
        _loop.CheckThread();
        _queue.Settler.Resume();
        _queue.Sites.RoomAgain();
    }

    /// <summary>False for a delivery that the watchdog has given up.</summary>
    private bool TryEnd(in Delivery delivery)
    {
        _loop.CheckThread();
        if (_queue.Flights.TryEnd(delivery))
        {
            return true;
        }
        _queue.Log.Error("late_report"u8).Add("destination"u8, delivery.Destination.Key).AddSeconds("after"u8, _loop.NowMs - delivery.TakenMs).Write();
        return false;
    }
}
