using FastRelay.Outside;

namespace FastRelay.Journal;

/// <summary>
/// Writes groups one after the other: nothing of a group is written before the sync of the one before has returned.
/// No timer: while one sync is in flight the next group fills. After a failure it seals the segment, opens the next and
/// goes on; while that fails it tries again every second.
/// </summary>
internal sealed class Flusher : LoopItem
{
    private const long RetryMs = 1000;
    private readonly World _world;
    private readonly SegmentStore _store;
    private readonly GroupResult _result;
    private readonly CommitJob _job;
    private readonly LoopTimer _retry;
    private readonly SyncMode _sync;
    private readonly Slice _slice;
    private bool _busy;
    private bool _applying;
    private int _placed;
    private bool _failedSinceCommit;

    public Flusher(World world, JournalOptions options, SegmentStore store, GroupResult result)
    {
        _world = world;
        _store = store;
        _result = result;
        _sync = options.Sync;
        _slice = new Slice(world.Loop);
        _job = new CommitJob(options.Sync, OnCommitted);
        _retry = new LoopTimer(world.Loop, this);
        store.Opened = OnOpened;
    }

    /// <summary>What is staged; set once the first number is known.</summary>
    public required Staging Staging { get; set; }

    /// <summary>Ids below were given out; goes into segment headers.</summary>
    public required Func<ulong> NextSequence { get; init; }

    /// <summary>Told after each group that became durable or failed.</summary>
    public required Action Advanced { get; init; }

    /// <summary>The last commit or segment failed: mail is refused until a segment was opened.</summary>
    public bool Failing { get; private set; }

    /// <summary>Groups up to this one are durable.</summary>
    public ulong DurableGroup { get; set; }

    /// <summary>Nothing is staged and nothing is under way.</summary>
    public bool IsIdle => !_busy && Staging.IsEmpty;

    /// <summary>The group at hand finds no segment.</summary>
    public bool Starved { get; private set; }

    /// <summary>A group or segment header is with the disk, or the index is being told of one.</summary>
    public bool IsBusy => _busy;

    /// <summary>Records are staged and nothing brings them to the disk: not a write under way, nor a retry, nor room that is waited for. No longer than one turn of the loop.</summary>
    public bool StandsStill => !_busy && !Starved && !_retry.IsArmed && Staging.StagedBytes > 0;

    /// <summary>Syncs of groups that returned 0.</summary>
    public long Syncs { get; private set; }

    /// <summary>Groups made durable.</summary>
    public long Groups { get; private set; }

    /// <summary>Their records.</summary>
    public long Records { get; private set; }

    /// <summary>Writes and syncs that failed.</summary>
    public long Failures { get; private set; }

    /// <summary>There may be something to write.</summary>
    public void Kick()
    {
        if (!_busy && !_retry.IsArmed)
        {
            _world.Loop.Enqueue(this);
        }
    }

    /// <summary>No more retries: the journal is closing.</summary>
    public void Stop() => _retry.Cancel();

    /// <summary>Next group, unless one is under way or a retry is not due yet.</summary>
    protected override void Run()
    {
        if (_applying)
        {
            Apply();
            return;
        }
        if (_busy || _retry.IsArmed)
        {
            return;
        }
        GroupBuffer? group = Staging.Next();
        if (_store.Active is null ? group is null && !Failing : group is null)
        {
            return;
        }
        if (_store.Active is null || !_store.Fits(group!.PaddedBytes))
        {
            OpenNext(group);
            return;
        }
        _busy = true;
        _job.Prepare(group, _store.Active);
        _world.Disk.Submit(_job, DiskLane.Write);
    }

    private void OpenNext(GroupBuffer? group)
    {
        if (_store.TryOpenNext(group?.Number ?? Staging.NextNumber, NextSequence()))
        {
            _busy = true;
            Starved = false;
            return;
        }
        Starved = true;
        // No spare. When none can be had, mail that waits is told so; outcomes stay until a segment is free.
        if (_store.CannotGrow)
        {
            FailAllMail();
        }
    }

    private void OnOpened(DiskError error)
    {
        _busy = false;
        if (error.Ok)
        {
            Failing = false;
            Kick();
        }
        else
        {
            Failures++;
            Failing = true;
            FailAllMail();
            _retry.After(RetryMs);
        }
        Advanced();
    }

    private void OnCommitted()
    {
        if (_job.Error.Ok)
        {
            (_applying, _placed) = (true, 0);
            Apply();
        }
        else
        {
            End();
        }
    }

    // A group may hold ten thousand outcomes. It counts as under way until the index knows of all of them: nothing is reclaimed by a part.
    private void Apply()
    {
        if (_result.Apply(_job.Group!, _store.Active!, _store.Active!.End, ref _placed, _slice))
        {
            _applying = false;
            End();
        }
        else
        {
            _world.Loop.Enqueue(this);
        }
    }

    private void End()
    {
        _busy = false;
        GroupBuffer group = _job.Group!;
        if (_job.Error.Ok)
        {
            Succeed(group);
        }
        else
        {
            Fail(group);
        }
        Advanced();
        Kick();
    }

    private void Succeed(GroupBuffer group)
    {
        SegmentFile segment = _store.Active!;
        segment.End += group.PaddedBytes;
        _store.WrittenBytes += group.PaddedBytes;
        DurableGroup = group.Number;
        Syncs += _sync == SyncMode.Group ? 1 : 0;
        Groups++;
        Records += group.Records;
        _failedSinceCommit = false;
        Staging.Retire(group);
    }

    private void Fail(GroupBuffer group)
    {
        Failures++;
        Failing = true;
        _store.SealActive();
        Staging.CloseFilling();
        _result.Fail(group, Staging);
        RetireEmpty();
        if (_failedSinceCommit)
        {
            // A fresh segment did not help: the disk is in trouble, so go slowly and answer those who wait.
            FailAllMail();
            _retry.After(RetryMs);
        }
        _failedSinceCommit = true;
    }

    private void FailAllMail()
    {
        Staging.CloseFilling();
        foreach (GroupBuffer group in Staging.Closed)
        {
            _result.Fail(group, Staging);
        }
        RetireEmpty();
    }

    private void RetireEmpty()
    {
        while (Staging.Closed.Count > 0 && Staging.Closed[0].IsEmpty)
        {
            Staging.Retire(Staging.Closed[0]);
        }
    }
}
