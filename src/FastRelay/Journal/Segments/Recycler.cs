using FastRelay.Outside;

namespace FastRelay.Journal;

/// <summary>Turns a dead segment into a spare by renaming it, or removes it; then the directory is synced, so that no crash brings it back.</summary>
internal sealed class Recycler(Disk disk, string folder, SyncMode sync) : DiskJob
{
    private ulong _spareNumber;

    /// <summary>The segment; null when idle.</summary>
    public SegmentFile? File { get; private set; }

    /// <summary>It is removed instead of kept.</summary>
    public bool Remove { get; private set; }

    /// <summary>What it came to.</summary>
    public DiskError Error { get; private set; }

    /// <summary>Called on the loop when it is done.</summary>
    public Action? Done { get; set; }

    /// <summary>Sets it up.</summary>
    public void Prepare(SegmentFile file, bool remove, ulong spareNumber)
    {
        Check.That(File is null);
        File = file;
        Remove = remove;
        _spareNumber = spareNumber;
    }

    /// <summary>Takes the result.</summary>
    public SegmentFile Take()
    {
        SegmentFile file = File!;
        File = null;
        return file;
    }

    /// <inheritdoc/>
    protected override void Execute()
    {
        SegmentFile file = File!;
        string spare = Path.Combine(folder, SegmentNames.Spare(_spareNumber));
        Error = Remove ? disk.Delete(file.Path) : disk.Rename(file.Path, spare);
        if (Error.Ok && !Remove)
        {
            file.Path = spare;
        }
        if (Error.Ok && sync == SyncMode.Group)
        {
            Error = disk.SyncDirectory(folder);
        }
    }

    /// <inheritdoc/>
    protected override void Run() => Done!();
}

/// <summary>Looks how much room the file system has.</summary>
internal sealed class SpaceProbe(Disk disk, string folder) : DiskJob
{
    private DiskSpace _space;

    /// <summary>As last looked.</summary>
    public DiskSpace Space { get; set; }

    /// <summary>A probe is under way.</summary>
    public bool Busy { get; set; }

    /// <summary>Called on the loop when it is done.</summary>
    public Action? Done { get; set; }

    /// <inheritdoc/>
    protected override void Execute()
    {
        if (!disk.Space(folder, out _space).Ok)
        {
            _space = default;
        }
    }

    /// <inheritdoc/>
    protected override void Run()
    {
        Busy = false;
        if (_space.TotalBytes > 0)
        {
            Space = _space;
        }
        Done!();
    }
}
