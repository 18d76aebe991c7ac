using FastRelay.Outside;

namespace FastRelay.Journal;

/// <summary>
/// Makes a spare in slices, so that commits of the same lane get in between: created, zeroed, synced, mapped, named,
/// directory synced. Zeroing once makes later syncs carry data only (measured: a third cheaper).
/// </summary>
internal sealed class SpareMaker(Disk disk, string folder, SyncMode sync) : DiskJob
{
    private const long SliceBytes = 2 << 20;
    private const int MostTries = 8;
    private const int Enospc = 28;
    private string _path = "";
    private ulong _number;
    private long _bytes;
    private long _filled;
    private int _tries;
    private DiskFile? _file;

    /// <summary>True from <see cref="Prepare"/> until the result was taken.</summary>
    public bool Busy { get; private set; }

    /// <summary>The finished spare; null while it is made or when it failed.</summary>
    public SegmentFile? Made { get; private set; }

    /// <summary>Why it failed.</summary>
    public DiskError Error { get; private set; }

    /// <summary>Called on the loop after each slice.</summary>
    public Action? Done { get; set; }

    /// <summary>True when nothing is left to do.</summary>
    public bool Finished => Made is not null || !Error.Ok;

    /// <summary>Sets it up.</summary>
    public void Prepare(ulong number, long bytes)
    {
        Check.That(!Busy);
        Busy = true;
        _number = number;
        _path = Path.Combine(folder, SegmentNames.Unfinished(number));
        _bytes = bytes;
        _filled = 0;
        _tries = 0;
        _file = null;
        Made = null;
        Error = DiskError.None;
    }

    /// <summary>Takes the result.</summary>
    public SegmentFile? Take()
    {
        Check.That(Finished);
        Busy = false;
        SegmentFile? made = Made;
        Made = null;
        return made;
    }

    /// <summary>Gives up what was being made; the next start removes its file.</summary>
    public void Abandon()
    {
        Busy = false;
        _file?.Dispose();
        _file = null;
    }

    /// <summary>One slice; recovery calls it directly until <see cref="Finished"/>.</summary>
    public void Work()
    {
        DiskError error = Slice(_path);
        if (!error.Ok)
        {
            _file?.Dispose();
            _file = null;
            // What cannot be removed is removed at the next start.
            disk.Delete(_path);
            Error = error;
        }
    }

    /// <inheritdoc/>
    protected override void Execute() => Work();

    /// <inheritdoc/>
    protected override void Run() => Done!();

    private DiskError Slice(string path)
    {
        DiskError error = DiskError.None;
        if (_file is null)
        {
            error = disk.Open(path, DiskOpen.CreateNew, out _file);
        }
        if (!error.Ok)
        {
            return error;
        }
        long end = Math.Min(_bytes, _filled + SliceBytes);
        error = _file!.ZeroFill(end);
        if (error.Ok && sync == SyncMode.Group)
        {
            error = _file.SyncData();
        }
        if (error is { Ok: false, Errno: not Enospc } && ++_tries < MostTries)
        {
            // Nothing in a spare counts, so a slice may be tried again: else a disk that fails now and then never makes one.
            return DiskError.None;
        }
        if (error.Ok)
        {
            _filled = end;
            _tries = 0;
        }
        return error.Ok && _filled == _bytes ? Finish(path) : error;
    }

    private DiskError Finish(string path)
    {
        DiskError error = _file!.Map(out DiskMap? map);
        if (!error.Ok)
        {
            return error;
        }
        string ready = Path.Combine(folder, SegmentNames.Spare(_number));
        error = disk.Rename(path, ready);
        if (error.Ok && sync == SyncMode.Group)
        {
            error = disk.SyncDirectory(folder);
        }
        if (!error.Ok)
        {
            map!.Dispose();
            disk.Delete(ready);
            return error;
        }
        Made = new SegmentFile(_file, map!, ready);
        _file = null;
        return error;
    }
}
