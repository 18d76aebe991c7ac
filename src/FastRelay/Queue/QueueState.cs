using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Observe;
using FastRelay.Outside;
using FastRelay.Routing;

namespace FastRelay.Queue;

/// <summary>
/// What the parts of the queue share: the entries and the moves between their states. Every move keeps the counts, the
/// lists and the site's ready work true; nothing else writes <see cref="Entry.State"/>.
/// </summary>
internal sealed class QueueState
{
    private readonly long[] _counts = new long[6];
    private readonly long[] _ready = new long[MailPriorities.Count];
    private readonly Dictionary<int, EntryExtra> _extras = [];
    private readonly Stack<EntryExtra> _idleExtras = new();
    private readonly HashSet<MessageHandle> _unreadable = [];
    private MessageJournal? _journal;

    public QueueState(World world, Router router, QueueOptions options, Limits limits, Log log, Counters counters)
    {
        World = world;
        Options = options;
        Limits = limits;
        Log = log;
        Counters = counters;
        Wheel = new DueWheel(Slab, NowSeconds);
        Tenants = new TenantTable(options);
        Sources = new SourceChoice(this);
        Gears = new Gears(this);
        Shaper = new Shaper(this);
        Sites = new SiteTable(this);
        Backoffs = new Backoffs(this);
        Destinations = new DestinationTable(this, router);
        Clock = new QueueClock(this);
        Settler = new Settler(this);
        Warner = new Warner(this);
        Reporter = new DeliveryReporter(this);
        Moves = new MoveTable(this, router);
        TenantStops = new TenantStops(this);
        Watchdog = new Watchdog(this);
    }

    public World World { get; }

    public QueueOptions Options { get; set; }

    public Limits Limits { get; set; }

    public Log Log { get; }

    public Counters Counters { get; }

    public EntrySlab Slab { get; } = new();

    public DueWheel Wheel { get; }

    public MessageEntries Messages { get; } = new();

    public ReasonTable Reasons { get; } = new();

    public Gears Gears { get; }

    public Shaper Shaper { get; }

    public SiteTable Sites { get; }

    public Backoffs Backoffs { get; }

    public TenantTable Tenants { get; }

    public SourceChoice Sources { get; }

    public DestinationTable Destinations { get; }

    public QueueClock Clock { get; }

    public Settler Settler { get; }

    public Warner Warner { get; }

    public DeliveryReporter Reporter { get; }

    public MoveTable Moves { get; }

    public TenantStops TenantStops { get; }

    public Flights Flights { get; } = new();

    public Watchdog Watchdog { get; }

    public BounceSink? Bounces { get; set; }

    /// <summary>The number of the last message that was added or replayed.</summary>
    public long LastOrder { get; set; }

    /// <summary>May something begin that can fail for good? Not while bounces have to catch up: what waits for them is in memory only.</summary>
    public bool MayFail => Bounces is not { HasRoom: false, IsStuck: false, IsPaced: false };

    /// <summary>Why ready mail of a destination is not begun: DNS, its tenant's suspension or its site's gear; empty when nothing of these keeps it.</summary>
    public string StopOf(Destination destination) => destination.DnsReason.Length > 0 ? destination.DnsReason
        : destination.Tenant.IsSuspended ? destination.Tenant.SuspendReason
        : destination.Site is { } site ? Gears.ReasonOf(site) : "";

    public bool Stopping { get; set; }

    public bool HasJournal => _journal is not null;

    public MessageJournal Journal
    {
        get
        {
            Check.That(_journal is not null, "the queue has a journal before anything is taken from it");
            return _journal;
        }
        set => _journal = value;
    }

    public int NowSeconds => (int)(World.Loop.NowMs / 1000);

    public long UnixMs => World.Time.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>When mail is given up that arrived at a time, on the loop's scale in seconds.</summary>
    public int ExpireSecondsOf(long arrivalUnixMs)
    {
        long age = Math.Max(0, UnixMs - arrivalUnixMs);
        return (int)((World.Loop.NowMs + Math.Max(0, Options.ExpireMs - age) + 999) / 1000);
    }

    public long CountOf(EntryState state) => _counts[(int)state];

    /// <summary>Ready entries of a priority.</summary>
    public long ReadyOf(MailPriority priority) => _ready[(int)priority];

    /// <summary>True when an entry is in use and of this message.</summary>
    public bool IsOf(int handle, int slot) => Slab[handle] is { State: not EntryState.Free } entry && entry.Message == slot;

    /// <summary>Makes an entry, in no list; the caller moves it on at once.</summary>
    public int New(MessageHandle message, Destination destination, int expireSeconds, EntryFlags flags, MailPriority priority)
    {
        int handle = Slab.Allocate();
        ref Entry entry = ref Slab[handle];
        entry.Message = message.Slot;
        entry.Destination = destination.Number;
        entry.ExpireSeconds = expireSeconds;
        entry.Flags = flags;
        entry.Priority = priority;
        entry.State = EntryState.InFlight;
        _counts[(int)EntryState.InFlight]++;
        entry.NextOfMessage = Messages[message.Slot];
        Messages[message.Slot] = handle;
        Destinations.Entered(destination);
        return handle;
    }

    /// <summary>From nowhere into its destination's list.</summary>
    public void MakeReady(int handle, ReadyPlace place = ReadyPlace.Last)
    {
        ref Entry entry = ref Slab[handle];
        if (StruckMail.GoFirst(this, handle, 0))
        {
            return;
        }
        Move(ref entry, EntryState.InFlight, EntryState.Ready);
        entry.DueSeconds = NowSeconds;
        Destination destination = Destinations[entry.Destination];
        int rank = entry.Priority.Rank();
        destination.Lanes[rank].List.Add(Slab, handle, place);
        if (destination.InSite)
        {
            destination.Site!.Lanes.Changed(destination, rank, 1);
            Sites.Wake(destination.Site);
            return;
        }
        Destinations.HasReady(destination);
    }

    /// <summary>From nowhere into the wheel. The last attempt falls on the moment of expiry at the latest.</summary>
    /// <param name="handle">In flight, or in no list.</param>
    /// <param name="delayMs">From now.</param>
    /// <param name="pastExpiry">True waits the whole delay all the same.</param>
    public void Defer(int handle, long delayMs, bool pastExpiry = false)
    {
        ref Entry entry = ref Slab[handle];
        long due = (World.Loop.NowMs + delayMs + 999) / 1000;
        if (!pastExpiry && StruckMail.GoFirst(this, handle, (int)due))
        {
            return;
        }
        Move(ref entry, EntryState.InFlight, EntryState.Deferred);
        entry.DueSeconds = (int)(pastExpiry ? due : Math.Min(due, Math.Max(entry.ExpireSeconds, NowSeconds + 1)));
        Wheel.Add(handle);
        Clock.Arm();
    }

    /// <summary>From nowhere to the operator's hold.</summary>
    public void Hold(int handle)
    {
        if (StruckMail.GoFirst(this, handle, 0, rests: true))
        {
            Slab[handle].Flags |= EntryFlags.Holding;
            return;
        }
        Move(ref Slab[handle], EntryState.InFlight, EntryState.Held);
    }

    /// <summary>From nowhere to the list of those that are settled without an attempt.</summary>
    public void Settle(int handle)
    {
        Move(ref Slab[handle], EntryState.InFlight, EntryState.Settling);
        Settler.Add(handle);
    }

    /// <summary>Out of whatever list it is in, ready to be moved on; not for those being settled or in flight.</summary>
    public void TakeOut(int handle)
    {
        ref Entry entry = ref Slab[handle];
        switch (entry.State)
        {
            case EntryState.Ready:
                Destination destination = Destinations[entry.Destination];
                int rank = entry.Priority.Rank();
                destination.Lanes[rank].List.Remove(Slab, handle);
                if (destination.InSite)
                {
                    destination.Site!.Lanes.Changed(destination, rank, -1);
                    if (destination.Ready == 0)
                    {
                        destination.Site.Leave(destination);
                    }
                }
                break;
            case EntryState.Deferred:
                Wheel.Remove(handle);
                break;
            case EntryState.Held:
                break;
            default:
                Check.That(false, "an entry that is busy cannot be taken out");
                break;
        }
        Move(ref entry, entry.State, EntryState.InFlight);
    }

    /// <summary>The wheel or the settler has taken it out of its list.</summary>
    public void TakenOut(int handle, EntryState from) => Move(ref Slab[handle], from, EntryState.InFlight);

    /// <summary>Frees an entry that is in no list.</summary>
    public void Free(int handle)
    {
        ref Entry entry = ref Slab[handle];
        Check.That(entry.State == EntryState.InFlight, "an entry is freed from nowhere");
        _counts[(int)EntryState.InFlight]--;
        if ((entry.Flags & EntryFlags.Extra) != 0)
        {
            DropExtra(handle);
        }
        int slot = entry.Message;
        int at = Messages[slot];
        if (at == handle)
        {
            Messages[slot] = entry.NextOfMessage;
        }
        else
        {
            while (Slab[at].NextOfMessage != handle)
            {
                at = Slab[at].NextOfMessage;
            }
            Slab[at].NextOfMessage = entry.NextOfMessage;
        }
        Destination destination = Destinations[entry.Destination];
        Slab.Release(handle);
        Destinations.Left(destination);
    }

    /// <summary>A message with a damaged envelope: forgotten when no entry of it is left.</summary>
    public void SetAside(MessageHandle message)
    {
        if (Messages[message.Slot] != 0)
        {
            _unreadable.Add(message);
        }
        else
        {
            _unreadable.Remove(message);
            Counters.SetAside++;
            Log.Error("set_aside"u8).Add("id"u8, Journal.IdOf(message).ToString()).Add("reason"u8, "envelope_damaged"u8).Write();
            Journal.SetAside(message);
        }
    }

    /// <summary>
    /// An entry was freed by a report without a failure. When it was the last of a message that could not be bounced
    /// because its envelope is damaged, nobody else will look at the message again: it is forgotten now.
    /// </summary>
    public void SetAsideIfLast(MessageHandle message)
    {
        if (_unreadable.Count > 0 && Messages[message.Slot] == 0 && _unreadable.Remove(message) && Journal.PendingCount(message) > 0)
        {
            SetAside(message);
        }
    }

    /// <summary>An entry that was just taken, as a delivery.</summary>
    public Delivery DeliveryOf(int handle, Site? site)
    {
        ref Entry entry = ref Slab[handle];
        Destination destination = Destinations[entry.Destination];
        TenantLane? lane = site is null ? null : destination.Lane;
        int flight = site is null ? 0 : Flights.Begin(handle, site, lane!, World.Loop.NowMs);
        long waitedMs = Math.Max(0, NowSeconds - entry.DueSeconds) * 1000L;
        return new Delivery(handle, new MessageHandle(entry.Message), destination, site, lane, entry.Attempts, waitedMs, World.Loop.NowMs)
        {
            Flight = flight,
            FlightNumber = flight == 0 ? 0 : Flights[flight].Number,
        };
    }

    /// <summary>See <see cref="MessageQueue.CollectRecipients"/>.</summary>
    public int CollectRecipients(in Delivery delivery, in Envelope envelope, Span<int> into, out bool more)
    {
        if (!Flights.Holds(delivery))
        {
            // Given up: another has it, or it is gone.
            more = false;
            return 0;
        }
        EntryFlags flags = Slab[delivery.Entry].Flags;
        EntryExtra? extra = ExtraOrNone(delivery.Entry);
        int from = extra?.Cursor ?? 0;
        int room = Math.Min(into.Length, Limits.RecipientsPerTransaction);
        int count = 0;
        more = false;
        foreach (EnvelopeRecipient recipient in envelope)
        {
            int index = recipient.Index;
            if (index < from
                || !Journal.IsPending(delivery.Message, index)
                || (extra is not null && (extra.Failed.Contains(index) || extra.Struck?.ContainsKey(index) == true))
                || ((flags & EntryFlags.Shared) != 0 && !delivery.Destination.Serves(recipient.Mailbox)))
            {
                continue;
            }
            if (count == room)
            {
                more = true;
                Extra(delivery.Entry).NextCursor = index;
                break;
            }
            into[count++] = index;
        }
        return count;
    }

    /// <summary>What few entries need; made when missing.</summary>
    public EntryExtra Extra(int handle)
    {
        ref Entry entry = ref Slab[handle];
        if ((entry.Flags & EntryFlags.Extra) != 0)
        {
            return _extras[handle];
        }
        EntryExtra extra = _idleExtras.Count > 0 ? _idleExtras.Pop() : new EntryExtra();
        extra.Clear();
        _extras.Add(handle, extra);
        entry.Flags |= EntryFlags.Extra;
        return extra;
    }

    /// <summary>The extra of an entry, or null.</summary>
    public EntryExtra? ExtraOrNone(int handle) =>
        (Slab[handle].Flags & EntryFlags.Extra) != 0 ? _extras[handle] : null;

    /// <summary>It needs no more than others.</summary>
    public void DropExtra(int handle)
    {
        if (_extras.Remove(handle, out EntryExtra? extra) && _idleExtras.Count < 64)
        {
            _idleExtras.Push(extra);
        }
        Slab[handle].Flags &= ~EntryFlags.Extra;
    }

    private void Move(ref Entry entry, EntryState from, EntryState to)
    {
        Check.That(entry.State == from, "an entry moves from the state that it is in");
        entry.State = to;
        _counts[(int)from]--;
        _counts[(int)to]++;
        _ready[(int)entry.Priority] += (to == EntryState.Ready ? 1 : 0) - (from == EntryState.Ready ? 1 : 0);
    }
}
