using System.Runtime.CompilerServices;
using FastRelay.Outside;

namespace FastRelay.Journal;

/// <summary>
/// What was answered 250 and is not settled yet: an append-only log of commit groups in segments, and its index in
/// memory. One loop owns it. Files and records: docs/JOURNAL_FORMAT.md. How a group becomes durable:
/// <see cref="Flusher"/>. How room comes back: <see cref="Reclaimer"/>. Every start is a recovery: <see cref="Recovery"/>.
/// </summary>
public sealed class MessageJournal
{
    private const int RoomForOne = 64 * 1024;
    private const int OldestPagesPerTurn = 4;
    private readonly World _world;
    private Limits _limits;
    private readonly IDisposable _lock;
    private readonly SegmentStore _store;
    private readonly Staging _staging;
    private readonly RecordStager _stager;
    private readonly Flusher _flusher;
    private readonly Reclaimer _reclaimer;
    private readonly ChunkPool _chunks = new();
    private readonly BodyPool _bodies;
    private readonly RoomQueue _room = new();
    private readonly Signal<bool> _closed;
    private ulong _nextSequence;
    private bool _closing;
    private bool _cleanEndStaged;

    internal MessageJournal(World world, JournalOptions options, IDisposable spoolLock, SegmentStore store, MessageIndex index, ulong nextGroup, ulong nextSequence)
    {
        _world = world;
        _limits = options.Limits;
        _lock = spoolLock;
        _store = store;
        Index = index;
        _nextSequence = nextSequence;
        Result = new GroupResult(index);
        _staging = new Staging(store.Table, nextGroup, (uint)world.Random.NextInt64(), Kick);
        _stager = new RecordStager(_staging, index);
        Holds = new MessageHolds(this, _stager);
        _flusher = new Flusher(world, options, store, Result)
        {
            Staging = _staging,
            NextSequence = () => _nextSequence,
            Advanced = OnAdvanced,
            DurableGroup = nextGroup - 1,
        };
        _reclaimer = new Reclaimer(world, store, index, _staging, _stager, _flusher) { ReadEnded = OnReclaimRead };
        _bodies = new BodyPool(world, store, index);
        _closed = new Signal<bool>(world.Loop);
        store.RoomChanged = OnRoomChanged;
    }

    /// <summary>Opens a journal and replays what it holds: blocking, before the loop runs. Never throws for what a disk does.</summary>
    public static JournalOpenResult Open(World world, JournalOptions options, IReplay replay) => Recovery.Open(world, options, replay);

    /// <summary>Puts other bounds of the queue in force: <see cref="Limits.QueueEntries"/> and <see cref="Limits.QueueBytes"/>. The others belong to files that are there.</summary>
    public void Change(Limits limits)
    {
        _world.Loop.CheckThread();
        _limits = limits;
    }

    /// <summary>May a new message start? Asked at MAIL and at DATA.</summary>
    public JournalStatus Admission
    {
        get
        {
            _store.FreshenSpace();
            if (_closing)
            {
                return JournalStatus.Closed;
            }
            if (_flusher.Failing)
            {
                return JournalStatus.Failed;
            }
            bool full = Index.Messages >= _limits.QueueEntries
                || _store.Table.LiveBytes >= _limits.QueueBytes
                || _store.BelowFloor
                || (_store.CannotGrow && _store.RoomForMail(_staging.StagedBytes) < RoomForOne);
            return full ? JournalStatus.Full : JournalStatus.Ok;
        }
    }

    /// <summary>False while outcomes wait too long for the disk: start no new delivery, so that a crash re-sends little.</summary>
    public bool HasOutcomeRoom => !_flusher.Failing && !_staging.IsBehind;

    /// <summary>Records are staged and nothing brings them to the disk: true for no longer than a turn of the loop.</summary>
    public bool StandsStill => _flusher.StandsStill;

    /// <summary>Counts.</summary>
    public JournalStats Stats => new(
        _flusher.Syncs,
        _flusher.Groups,
        _flusher.Records,
        _store.WrittenBytes,
        _store.Table.LiveBytes,
        Index.Messages,
        _store.Order.Count,
        _store.Spares,
        _store.Probe.Space.FreeBytes,
        _flusher.Failures,
        Result.Moved,
        _store.Recycled,
        _store.Aside.Count,
        _staging.StagedBytes, _store.Probe.Space.TotalBytes, _store.FloorBytes);

    internal Loop Loop => _world.Loop;

    internal MessageIndex Index { get; }

    internal GroupResult Result { get; }

    /// <summary>How far the event stream has told it; null without one.</summary>
    internal EventCursor? EventCursor { get; private set; }

    /// <summary>
    /// Records what an attempt came to; never waits. Delivered and Dropped settle; when no recipient is left the message
    /// is settled as a whole and its handle is free for another.
    /// </summary>
    /// <param name="message">The message.</param>
    /// <param name="outcomes">Each recipient once.</param>
    /// <param name="nextDueUnixMs">When the deferred ones are due, Unix ms; 0 when none is.</param>
    /// <param name="attempts">Attempts made at them.</param>
    /// <param name="reason">Why; <see cref="Limits.ReplyTextBytes"/> octets are kept.</param>
    /// <param name="move">Where the operator has moved the deferred ones to: the last record of a recipient counts in this as well.</param>
    /// <returns>True when the message is settled and the handle gone.</returns>
    public bool RecordOutcome(MessageHandle message, ReadOnlySpan<RecipientOutcome> outcomes, long nextDueUnixMs, int attempts, ReadOnlySpan<byte> reason, in RecordedMove move = default)
    {
        CheckLive(message);
        foreach (RecipientOutcome outcome in outcomes)
        {
            if (outcome.Result != RecipientResult.Deferred)
            {
                Index.Settle(message.Slot, outcome.Index);
            }
        }
        bool settled = Index.PendingCount(message.Slot) == 0;
        reason = reason[..Math.Min(reason.Length, Limits.ReplyTextBytes)];
        Check.That(move.Target.Length <= RecordedMove.TargetBytesMax);
        _stager.Outcome(message.Slot, outcomes, attempts, nextDueUnixMs, reason, settled, move);
        Result.RemoveIfDone(message.Slot);
        return settled;
    }

    /// <summary>True while the recipient is not settled.</summary>
    public bool IsPending(MessageHandle message, int recipientIndex) => Index.IsLive(message.Slot) && Index.IsPending(message.Slot, recipientIndex);

    /// <summary>Recipients that are not settled; 0 for a handle that is gone.</summary>
    public int PendingCount(MessageHandle message) => Index.IsLive(message.Slot) ? Index.PendingCount(message.Slot) : 0;

    /// <summary>The message's id.</summary>
    public MessageId IdOf(MessageHandle message) => new(Live(message).Id);

    /// <summary>Finds a live message.</summary>
    public bool TryFind(MessageId id, out MessageHandle message)
    {
        _world.Loop.CheckThread();
        int slot = id.Value == 0 ? -1 : Index.Find(id.Value);
        bool found = Index.IsLive(slot) && (Index[slot].Flags & EntryFlags.Aside) == 0;
        message = found ? new MessageHandle(slot) : MessageHandle.None;
        return message.IsValid;
    }

    /// <summary>Recipients of its envelope, settled ones too.</summary>
    public int RecipientCount(MessageHandle message) => Live(message).Recipients;

    /// <summary>When it was committed, Unix ms.</summary>
    public long ArrivalUnixMs(MessageHandle message) => Live(message).ArrivalMs;

    /// <summary>The message that arrived first, held ones too; <see cref="MessageHandle.None"/> when nothing is queued.</summary>
    /// <returns>False when more of the index has to be looked at than one turn of the loop may: ask again in another.</returns>
    public bool TryFindOldest(out MessageHandle message)
    {
        bool found = Index.Oldest.TryFind(OldestPagesPerTurn, out int slot);
        message = slot >= 0 ? new MessageHandle(slot) : MessageHandle.None;
        return found;
    }

    /// <summary>Octets of the body in stored form.</summary>
    public long BodyLength(MessageHandle message) => Live(message).BodyLength;

    /// <summary>Which recipients the operator holds.</summary>
    public MessageHolds Holds { get; }

    internal int SlotOf(MessageHandle message)
    {
        CheckLive(message);
        return message.Slot;
    }

    /// <summary>
    /// Forgets a message whose envelope cannot be read, so that nobody can be told of it. Nothing is recorded: its segment
    /// is kept aside once nothing needs it, and when the next start can read the envelope after all, the message is back.
    /// A bounce whose commit is under way is let end; the message goes with it.
    /// </summary>
    public void SetAside(MessageHandle message)
    {
        CheckLive(message);
        ref IndexEntry entry = ref Index[message.Slot];
        _store.Table[entry.Segment].Damaged = true;
        entry.Flags |= EntryFlags.Aside;
        Result.RemoveIfDone(message.Slot);
        _store.RecycleDead(_flusher.DurableGroup);
    }

    /// <summary>What the last attempt at a recipient recorded; reads the map, so it may block: for replay and for <c>queue show</c>.</summary>
    public bool TryGetDeferred(MessageHandle message, int recipientIndex, out DeferredSet set)
    {
        CheckLive(message);
        return Index.Deferrals.TryRead(message.Slot, recipientIndex, out set);
    }

    /// <summary>A reader from the pool; its Close gives it back.</summary>
    public BodyReader OpenBody() => _bodies.Take();

    /// <summary>Flushes everything staged, writes a clean end mark, closes the files. While the disk fails it gives up, and recovery does its work at the next start.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    public async ValueTask CloseAsync()
    {
        _world.Loop.CheckThread();
        Check.That(!_closing, "the journal was closed twice");
        _closing = true;
        _store.Stopping = true;
        _room.FinishAll(JournalStatus.Closed);
        GoOnClosing();
        await _closed.WaitAsync();
    }

    internal MessageId NextId() => new(_nextSequence++);

    /// <summary>The id of the next message: what is here now has a lower one.</summary>
    public MessageId UpcomingId => new(_nextSequence);

    internal byte[] RentChunk() => _chunks.Rent();

    internal void ReturnChunk(byte[] chunk) => _chunks.Return(chunk);

    /// <summary>Stages what a writer has, when there is room or when it is certain that there is not.</summary>
    /// <returns>False when the writer must wait: it was put into the queue for room.</returns>
    internal bool TryStage(MessageWriter writer, out JournalStatus status)
    {
        if (_room.IsEmpty || writer.IsOwn)
        {
            if (StageNow(writer, out status))
            {
                return true;
            }
        }
        status = JournalStatus.Ok;
        _room.Add(writer);
        return false;
    }

    internal void Start(EventRecovery? events = null)
    {
        EventCursor = events?.End(_store, _flusher);
        _store.Tend();
        _reclaimer.Step();
    }

    private bool StageNow(MessageWriter writer, out JournalStatus status)
    {
        status = _closing ? JournalStatus.Closed : _flusher.Failing || writer.IsBroken ? JournalStatus.Failed : JournalStatus.Ok;
        if (status != JournalStatus.Ok)
        {
            return true;
        }
        int bytes = writer.NextRecordBytes();
        bool own = writer.IsOwn;
        if (!own && !_staging.HasRoom(bytes))
        {
            return false;
        }
        // Two blocks: a group's frame and its padding.
        long needed = bytes + (2 * SegmentHeader.Block);
        long room = own ? _store.RoomForOwn(_staging.StagedBytes) : _store.RoomForMail(_staging.StagedBytes);
        if (room < needed)
        {
            _store.Tend();
            status = JournalStatus.Full;
            return _store.CannotGrow;
        }
        if (writer.Commits)
        {
            _stager.Head(writer, _world.Time.GetUtcNow().ToUnixTimeMilliseconds());
        }
        else
        {
            _stager.Chunk(writer);
        }
        return true;
    }

    private void ServeRoom()
    {
        while (_room.First is { } writer)
        {
            MessageWriter? next = writer.NextWaiter;
            if (!StageNow(writer, out JournalStatus status))
            {
                return;
            }
            _room.RemoveFirst(next);
            writer.FinishWait(status);
        }
    }

    private ref IndexEntry Live(MessageHandle message)
    {
        CheckLive(message);
        return ref Index[message.Slot];
    }

    private void CheckLive(MessageHandle message)
    {
        _world.Loop.CheckThread();
        Check.That(Index.IsLive(message.Slot), "a handle of no live message");
    }

    private void Kick() => _flusher.Kick();

    private void OnAdvanced()
    {
        if (_flusher.Failing)
        {
            _room.FinishAll(JournalStatus.Failed);
            _reclaimer.Restart();
        }
        else
        {
            ServeRoom();
            _reclaimer.Step();
        }
        EventCursor?.Advanced();
        _store.RecycleDead(_flusher.DurableGroup);
        GoOnClosing();
    }

    private void OnRoomChanged()
    {
        ServeRoom();
        _flusher.Kick();
        _store.RecycleDead(_flusher.DurableGroup);
        _reclaimer.Step();
        EventCursor?.Advanced();
        GoOnClosing();
    }

    private void OnReclaimRead()
    {
        _store.RecycleDead(_flusher.DurableGroup);
        GoOnClosing();
    }

    private void GoOnClosing()
    {
        if (!_closing || _flusher.IsBusy)
        {
            return;
        }
        bool gaveUp = _flusher.Failing || _flusher.Starved;
        if (!gaveUp && !_staging.IsEmpty)
        {
            _flusher.Kick();
            return;
        }
        if (!gaveUp && !_cleanEndStaged)
        {
            _cleanEndStaged = true;
            _staging.AppendCleanEnd();
            _flusher.Kick();
            return;
        }
        if (_store.Busy || _reclaimer.Busy)
        {
            return;
        }
        _flusher.Stop();
        _store.Dispose();
        _lock.Dispose();
        _closed.Set(true);
    }
}
