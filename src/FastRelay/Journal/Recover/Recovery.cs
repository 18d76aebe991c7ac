using FastRelay.Outside;

namespace FastRelay.Journal;

/// <summary>
/// Opens a spool: every start is a recovery, and there is no second path for a crash. Reads all segments in order,
/// rebuilds the index, repairs the torn end, keeps ids from repeating, and hands the live messages to the queue.
/// </summary>
internal sealed class Recovery
{
    private const ulong SequenceSkip = 1_000_000;
    private const int LeastSegmentBytes = 4 << 20;
    private readonly World _world;
    private readonly JournalOptions _options;
    private readonly RecoveryReport _report = new();
    private readonly SpoolFolder _folder;
    private SegmentStore _store = null!;
    private MessageIndex _index = null!;
    private RecordReplay _replay = null!;
    private EventRecovery? _events;

    private Recovery(World world, JournalOptions options)
    {
        _world = world;
        _options = options;
        _folder = new SpoolFolder(world.Disk, options.Path);
    }

    /// <summary>Opens the spool of the options and replays it.</summary>
    public static JournalOpenResult Open(World world, JournalOptions options, IReplay replay)
    {
        var recovery = new Recovery(world, options);
        string error = recovery.Lock(out IDisposable? held);
        if (error.Length == 0)
        {
            error = recovery.Recover(held!, replay, out MessageJournal? journal);
            if (error.Length == 0)
            {
                return new JournalOpenResult(journal, "", recovery._report);
            }
            recovery._events?.Close();
            recovery._folder.Close();
            held!.Dispose();
        }
        return new JournalOpenResult(null, error, recovery._report);
    }

    /// <summary>A parent that we may not open is not ours: whoever made the spool in it has made it durable.</summary>
    private const int Eacces = 13;

    private string Lock(out IDisposable? held)
    {
        held = null;
        DiskError error = _world.Disk.CreateDirectory(_options.Path);
        if (!error.Ok)
        {
            return $"{_options.Path}: the spool cannot be made: {error}";
        }
        // A new spool is an entry of its parent: until that is durable, a power cut takes the whole folder away.
        string parent = Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(_options.Path)) is { Length: > 0 } folder ? folder : ".";
        error = _options.Sync == SyncMode.Group ? _world.Disk.SyncDirectory(parent) : DiskError.None;
        if (error is { Ok: false, Errno: not Eacces })
        {
            return $"{_options.Path}: the spool's parent cannot be synced: {error}";
        }
        error = _world.Disk.Lock(Path.Combine(_options.Path, SegmentNames.Lock), out held);
        return error switch
        {
            { Ok: true } => "",
            { Errno: 11 } => $"{_options.Path}: the spool is in use by another process",
            _ => $"{_options.Path}: the spool cannot be locked: {error}",
        };
    }

    private string Recover(IDisposable held, IReplay replay, out MessageJournal? journal)
    {
        journal = null;
        DiskError error = _world.Disk.Space(_options.Path, out DiskSpace space);
        if (!error.Ok)
        {
            return $"{_options.Path}: {error}";
        }
        string problem = _folder.Read(DiskOpen.ReadWrite);
        if (problem.Length > 0)
        {
            return problem;
        }
        Prepare(space);
        var segments = new SegmentRecovery(_options, _folder, _store, _replay, _report);
        problem = segments.ReadAll();
        if (problem.Length == 0)
        {
            _replay.Finish();
            TakeSpares();
            problem = SyncNames();
        }
        if (problem.Length == 0)
        {
            problem = OpenTail(segments);
        }
        if (problem.Length > 0)
        {
            return problem;
        }
        var opened = new MessageJournal(_world, _options, held, _store, _index, segments.NextGroup, FirstSequence());
        _world.Loop.AtOneMoment(() => Tell(opened, replay));
        opened.Start(_events);
        journal = opened;
        return "";
    }

    private void Prepare(DiskSpace space)
    {
        Limits limits = _options.Limits;
        long fair = Math.Max(LeastSegmentBytes, space.TotalBytes / 64 / LeastSegmentBytes * LeastSegmentBytes);
        int segmentBytes = (int)Math.Min(limits.SegmentBytes, fair);
        Check.That(segmentBytes >= 2 * GroupBuffer.Capacity, "segment_bytes is at least 2 MiB");
        long floor = Math.Min(limits.FreeBytesFloor, space.TotalBytes / 10);
        _store = new SegmentStore(_world, _options, segmentBytes, floor)
        {
            NextSpareNumber = _folder.MaxSpareNumber + 1,
        };
        _folder.Aside.ForEach(_store.Aside.Add);
        _store.Probe.Space = space;
        _index = new MessageIndex(_store.Table);
        _events = EventRecovery.Begin(_world, _options, _folder, _index, _store.Table);
        _replay = new RecordReplay(_index, _report) { Events = _events?.Replay };
        NoteSurroundings(space);
    }

    private void NoteSurroundings(DiskSpace space)
    {
        _report.FileSystem = space.Kind;
        string doubt = space.Kind switch
        {
            "tmpfs" or "ramfs" => "is lost with the power",
            "overlay" or "fuse" or "9p" => "may not keep what a sync promises",
            "nfs" or "cifs" or "smb2" or "ceph" => "is on the network: a lock or a sync may not mean what it says",
            "btrfs" or "zfs" or "bcachefs" => "copies on write: commits are slower, and a full disk is met later",
            _ => "",
        };
        if (doubt.Length > 0)
        {
            _report.Note($"{_options.Path}: a spool on {space.Kind} {doubt}");
        }
        foreach (string path in _folder.Aside)
        {
            _report.Note($"{path}: a damaged segment, kept for you; nothing needs it");
        }
        foreach (string name in _folder.Foreign)
        {
            _report.Note($"{name}: not a file of the spool; left alone");
        }
    }

    private void TakeSpares()
    {
        foreach (string path in _folder.Rubbish)
        {
            _world.Disk.Delete(path);
        }
        foreach (FoundFile found in _folder.Spares)
        {
            if (found.Finding == HeaderFinding.Good)
            {
                _store.SawEpoch(found.Header.Epoch);
            }
            if (found.File is null)
            {
                continue;
            }
            if (found.File.Length == _store.SegmentBytes && found.File.Map(out DiskMap? map).Ok)
            {
                _store.AddSpare(new SegmentFile(found.File, map!, found.Path));
                continue;
            }
            found.File.Dispose();
            _world.Disk.Delete(found.Path);
        }
        _folder.Spares.Clear();
    }

    /// <summary>A name that a killed process gave may be in memory only, too.</summary>
    private string SyncNames()
    {
        DiskError error = _options.Sync == SyncMode.Group ? _world.Disk.SyncDirectory(_options.Path) : DiskError.None;
        return error.Ok ? "" : $"{_options.Path}: {error}";
    }

    private string OpenTail(SegmentRecovery segments)
    {
        if (segments.TailIsUsable)
        {
            SegmentFile tail = _store.Order[^1];
            DiskError synced = segments.MakeTailDurable();
            if (!synced.Ok)
            {
                return $"{tail.Path}: {synced}";
            }
            _store.ResumeNewest();
            return "";
        }
        DiskError error = _store.OpenNextNow(segments.NextGroup, _replay.NextSequence);
        return error.Ok ? "" : $"{_options.Path}: no segment can be made: {error}";
    }

    /// <summary>Ids never repeat, even when the newest segment was lost: they skip ahead, and in a new spool begin with the time.</summary>
    private ulong FirstSequence()
    {
        ulong byTime = (ulong)Math.Max(0, _world.Time.GetUtcNow().ToUnixTimeSeconds()) << 20;
        ulong seen = _replay.NextSequence;
        return Math.Max(byTime, seen + (seen > 1 ? SequenceSkip : 0));
    }

    private void Tell(MessageJournal journal, IReplay replay)
    {
        foreach (int slot in _index.SlotsById())
        {
            IndexEntry entry = _index[slot];
            ReadOnlySpan<byte> record = _store.Table[entry.Segment].Map.Span(entry.Offset, entry.RecordLength);
            var envelope = new Envelope(MessageFacts.Read(record).EnvelopeOf(record));
            var message = new MessageHandle(slot);
            replay.Message(message, envelope, new ReplayState(journal, message));
        }
    }
}
