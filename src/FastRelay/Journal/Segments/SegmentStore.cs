using FastRelay.Outside;

namespace FastRelay.Journal;

/// <summary>
/// The files of the spool: the open segment, the older ones, the spares, and the background work that keeps spares
/// ready. One spare is a reserve: mail never uses it, so that outcomes and bounces can be recorded on a full disk.
/// </summary>
internal sealed class SegmentStore : LoopItem
{
    private const int Reserve = 1;
    private const int WantedSpares = Reserve + 1;
    private const int MostSpares = 4;
    private const long RetryMs = 1000;
    private const long HotBytes = 64 << 20;

    /// <summary>Of a segment that the start has to make itself: zeroing 64 MiB took three quarters of the time to the first banner (35 of 44 ms).</summary>
    private const int FirstSegmentBytes = 4 << 20;

    private readonly World _world;
    private readonly string _folder;
    private readonly List<SegmentFile> _spares = [];
    private readonly SegmentOpener _opener;
    private readonly SpareMaker _maker;
    private readonly Recycler _recycler;
    private readonly LoopTimer _retry;
    private readonly int _mostAside;
    private ulong _maxEpoch;
    private bool _makeFailed;
    private long _lastProbeMs;

    public SegmentStore(World world, JournalOptions options, int segmentBytes, long floorBytes)
    {
        _world = world;
        _folder = options.Path;
        SegmentBytes = segmentBytes;
        FloorBytes = floorBytes;
        _opener = new SegmentOpener(world.Disk, _folder, options.Sync) { Done = OnOpened };
        _maker = new SpareMaker(world.Disk, _folder, options.Sync) { Done = OnMade };
        _recycler = new Recycler(world.Disk, _folder, options.Sync) { Done = OnRecycled };
        Probe = new SpaceProbe(world.Disk, _folder) { Done = OnProbed };
        Aside = new Evidence(world.Disk) { Done = () => RoomChanged!() };
        _retry = new LoopTimer(world.Loop, this);
        _mostAside = options.Limits.DamagedSegments;
    }

    /// <summary>Segments by slot.</summary>
    public SegmentTable Table { get; } = new();

    /// <summary>Segments, oldest first; the open one is the last.</summary>
    public List<SegmentFile> Order { get; } = [];

    /// <summary>The segment that takes groups; null after a failure, until the next is open.</summary>
    public SegmentFile? Active { get; private set; }

    /// <summary>Bytes of new segments.</summary>
    public int SegmentBytes { get; }

    /// <summary>Bytes of the file system that mail leaves free.</summary>
    public long FloorBytes { get; }

    /// <summary>Free space.</summary>
    public SpaceProbe Probe { get; }

    /// <summary>Ready files.</summary>
    public int Spares => _spares.Count;

    /// <summary>Bytes that were made durable in this run.</summary>
    public long WrittenBytes { get; set; }

    /// <summary>Segments recycled.</summary>
    public long Recycled { get; private set; }

    /// <summary>Damaged segments that are kept for the operator.</summary>
    public Evidence Aside { get; }

    /// <summary>Number for the next spare's name.</summary>
    public ulong NextSpareNumber { get; set; } = 1;

    /// <summary>Number that the next segment has at least: files of damaged ones keep theirs.</summary>
    public ulong LeastNumber { get; set; } = 1;

    /// <summary>No more spares can be had now: the disk is full, or making one failed.</summary>
    public bool CannotGrow => !_maker.Busy && (_makeFailed || !SpaceForSpare);

    /// <summary>Background work is under way.</summary>
    public bool Busy => _maker.Busy || _recycler.File is not null || Probe.Busy || Aside.Busy;

    /// <summary>Free space is below the floor.</summary>
    public bool BelowFloor => Probe.Space.FreeBytes < FloorBytes;

    /// <summary>Told when the next segment is open, or why it is not.</summary>
    public Action<DiskError>? Opened { get; set; }

    /// <summary>Told when there may be more room, or when it is certain that there is not.</summary>
    public Action? RoomChanged { get; set; }

    /// <summary>Nothing more is begun.</summary>
    public bool Stopping { get; set; }

    private bool SpaceForSpare => _spares.Count < Reserve
        ? Probe.Space.FreeBytes >= SegmentBytes
        : Probe.Space.FreeBytes - SegmentBytes > FloorBytes;

    /// <summary>Remembers an epoch that was used.</summary>
    public void SawEpoch(ulong epoch) => _maxEpoch = Math.Max(_maxEpoch, epoch);

    /// <summary>Adds a spare, or the rest of an older run.</summary>
    public void AddSpare(SegmentFile file) => _spares.Add(file);

    /// <summary>Adds a segment that recovery found, newer than those before.</summary>
    public void AddSegment(SegmentFile file)
    {
        Table.Add(file);
        Order.Add(file);
    }

    /// <summary>Makes the newest segment the open one, at start-up.</summary>
    public void ResumeNewest()
    {
        Active = Order[^1];
        Active.OpenedAtBytes = WrittenBytes - Active.End;
    }

    /// <summary>True when a record was written moments ago, so that its pages are in memory and need no check.</summary>
    public bool IsHot(SegmentFile file, long offset)
    {
        long at = file.OpenedAtBytes + offset;
        return at >= 0 && WrittenBytes - at < HotBytes;
    }

    /// <summary>True when a group fits into the open segment.</summary>
    public bool Fits(long paddedBytes) => Active is not null && Active.End + paddedBytes <= Active.Length;

    /// <summary>Bytes that mail may still stage, with this much staged already; the reserve is not counted.</summary>
    public long RoomForMail(long stagedBytes)
    {
        int extra = _spares.Count - Reserve;
        if (extra < 0 || Active is null)
        {
            return 0;
        }
        return Active.Length - Active.End - stagedBytes + ((long)extra * (SegmentBytes - SegmentHeader.Block - GroupBuffer.Capacity));
    }

    /// <summary>The same for bounces and reclaim, which may use half of the reserve.</summary>
    public long RoomForOwn(long stagedBytes)
    {
        long room = Math.Max(RoomForMail(stagedBytes), Active is null ? 0 : Active.Length - Active.End - stagedBytes);
        return _spares.Count >= Reserve ? room + (SegmentBytes / 2) : room / 2;
    }

    /// <summary>Gives the open segment up where its last good group ends.</summary>
    public void SealActive() => Active = null;

    /// <summary>Begins to open the next segment.</summary>
    /// <returns>False when there is no spare.</returns>
    public bool TryOpenNext(ulong firstGroup, ulong nextSequence)
    {
        if (_opener.File is null)
        {
            if (_spares.Count == 0)
            {
                Tend();
                return false;
            }
            Active = null;
        }
        PrepareOpener(firstGroup, nextSequence);
        _world.Disk.Submit(_opener, DiskLane.Write);
        return true;
    }

    /// <summary>Makes the first or next segment at start-up, blocking.</summary>
    public DiskError OpenNextNow(ulong firstGroup, ulong nextSequence)
    {
        if (_spares.Count == 0)
        {
            _maker.Prepare(NextSpareNumber++, Math.Min(SegmentBytes, FirstSegmentBytes));
            while (!_maker.Finished)
            {
                _maker.Work();
            }
            if (_maker.Take() is not { } made)
            {
                return _maker.Error;
            }
            _spares.Add(made);
        }
        PrepareOpener(firstGroup, nextSequence);
        DiskError error = _opener.Work();
        return error.Ok ? Adopt() : error;
    }

    /// <summary>Keeps spares coming; called whenever something may have changed.</summary>
    public void Tend()
    {
        if (Stopping || _maker.Busy || _retry.IsArmed || _spares.Count >= WantedSpares)
        {
            return;
        }
        if (!SpaceForSpare)
        {
            if (_spares.Count < Reserve)
            {
                Aside.GiveUpOne();
            }
            _retry.After(RetryMs);
            return;
        }
        _maker.Prepare(NextSpareNumber++, SegmentBytes);
        _world.Disk.Submit(_maker, DiskLane.Write);
    }

    /// <summary>Looks at the free space again when the last look is a second old.</summary>
    public void FreshenSpace()
    {
        if (!Probe.Busy && !Stopping && _world.Loop.NowMs - _lastProbeMs >= RetryMs)
        {
            _lastProbeMs = _world.Loop.NowMs;
            Probe.Busy = true;
            _world.Disk.Submit(Probe, DiskLane.Write);
        }
    }

    /// <summary>The oldest segment when it is not the open one.</summary>
    public SegmentFile? Oldest => Order.Count > 0 && Order[0] != Active ? Order[0] : null;

    /// <summary>Recycles the oldest segment when nothing needs it any more.</summary>
    /// <param name="durableGroup">Groups up to this one are durable.</param>
    public void RecycleDead(ulong durableGroup)
    {
        if (Stopping || _recycler.File is not null || Oldest is not { } file
            || file.LiveBytes != 0 || file.Pins != 0 || file.ReleaseGroup > durableGroup)
        {
            return;
        }
        // A damaged segment is evidence, and room for what deliveries come to is worth more.
        bool mayKeep = Aside.Count < _mostAside && _spares.Count >= Reserve && SpaceForSpare;
        SegmentFate fate = file.Path.Length == 0 ? SegmentFate.Removed
            : file.Damaged && mayKeep ? SegmentFate.Aside
            : file.Length != SegmentBytes || _spares.Count >= MostSpares ? SegmentFate.Removed : SegmentFate.Spare;
        _recycler.Prepare(file, fate, NextSpareNumber++);
        _world.Disk.Submit(_recycler, DiskLane.Write);
    }

    /// <summary>Closes all files that no reader uses.</summary>
    public void Dispose()
    {
        foreach (SegmentFile file in Order)
        {
            DisposeFile(file);
        }
        foreach (SegmentFile file in _spares)
        {
            DisposeFile(file);
        }
        if (_opener.Take() is { } unopened)
        {
            DisposeFile(unopened);
        }
        Order.Clear();
        _spares.Clear();
        Active = null;
        _retry.Cancel();
    }

    /// <summary>The retry timer: looks at the space, and then tries again.</summary>
    protected override void Run()
    {
        _makeFailed = false;
        if (!Probe.Busy && !Stopping)
        {
            _lastProbeMs = _world.Loop.NowMs;
            Probe.Busy = true;
            _world.Disk.Submit(Probe, DiskLane.Write);
        }
    }

    private static void DisposeFile(SegmentFile file)
    {
        if (file.Pins == 0)
        {
            file.Map.Dispose();
            file.File.Dispose();
        }
    }

    private void PrepareOpener(ulong firstGroup, ulong nextSequence)
    {
        SegmentFile? last = Order.Count > 0 ? Order[^1] : null;
        // After a failure the same file is tried again, under a new epoch: the header is written anew, so its sync says something.
        _maxEpoch = (((_maxEpoch >> 32) + 1) << 32) | (uint)_world.Random.NextInt64();
        SegmentFile next = _opener.File ?? _spares[^1];
        _opener.Prepare(next, new SegmentHeader
        {
            Epoch = _maxEpoch,
            Number = Math.Max(LeastNumber, (last?.Number ?? 0) + 1),
            FirstGroup = firstGroup,
            PreviousNumber = last?.Number ?? 0,
            PreviousEpoch = last?.Epoch ?? 0,
            PreviousEnd = (ulong)(last?.End ?? 0),
            OldestNumber = Order.Count > 0 ? Order[0].Number : 1,
            NextSequence = nextSequence,
            OpenedUnixMs = _world.Time.GetUtcNow().ToUnixTimeMilliseconds(),
            FileBytes = (ulong)next.Length,
        });
        if (_spares.Count > 0 && _spares[^1] == _opener.File)
        {
            _spares.RemoveAt(_spares.Count - 1);
        }
    }

    private DiskError Adopt()
    {
        SegmentFile file = _opener.Take()!;
        file.Number = _opener.Header.Number;
        file.Epoch = _opener.Header.Epoch;
        file.End = SegmentHeader.Block;
        file.LiveBytes = 0;
        file.ReleaseGroup = 0;
        file.OpenedAtBytes = WrittenBytes - SegmentHeader.Block;
        Table.Add(file);
        Order.Add(file);
        Active = file;
        return DiskError.None;
    }

    private void OnOpened()
    {
        DiskError error = _opener.Error;
        if (error.Ok)
        {
            Adopt();
            Tend();
        }
        Opened!(error);
    }

    private void OnMade()
    {
        if (!_maker.Finished && !Stopping)
        {
            _world.Disk.Submit(_maker, DiskLane.Write);
            return;
        }
        if (_maker.Finished && _maker.Take() is { } made)
        {
            _makeFailed = false;
            _spares.Add(made);
            FreshenSpace();
            Tend();
        }
        else
        {
            _maker.Abandon();
            _makeFailed = true;
            _retry.After(RetryMs);
        }
        RoomChanged!();
    }

    private void OnRecycled()
    {
        SegmentFile file = _recycler.Take();
        if (!_recycler.Error.Ok)
        {
            // Renamed or not, it stays the oldest segment, and the next look tries again.
            _retry.After(RetryMs);
            return;
        }
        Order.RemoveAt(0);
        Table.Remove(file);
        Recycled++;
        file.Damaged = false;
        if (_recycler.Fate == SegmentFate.Aside)
        {
            Aside.Add(file.Path);
        }
        if (_recycler.Fate != SegmentFate.Spare)
        {
            DisposeFile(file);
            FreshenSpace();
        }
        else
        {
            _spares.Insert(0, file);
        }
        RoomChanged!();
    }

    private void OnProbed()
    {
        Tend();
        RoomChanged!();
    }
}
