using FastRelay.Outside;

namespace FastRelay.Journal;

/// <summary>What becomes of a dead segment.</summary>
internal enum SegmentFate : byte
{
    /// <summary>A spare, under a new name.</summary>
    Spare,

    /// <summary>Removed.</summary>
    Removed,

    /// <summary>Kept for the operator, under a name that says that it is damaged.</summary>
    Aside,
}

/// <summary>Renames a dead segment, or removes it; then the directory is synced, so that no crash brings it back.</summary>
internal sealed class Recycler(Disk disk, string folder, SyncMode sync) : DiskJob
{
    private string _name = "";

    /// <summary>The segment; null when idle.</summary>
    public SegmentFile? File { get; private set; }

    /// <summary>What becomes of it.</summary>
    public SegmentFate Fate { get; private set; }

    /// <summary>What it came to.</summary>
    public DiskError Error { get; private set; }

    /// <summary>Called on the loop when it is done.</summary>
    public Action? Done { get; set; }

    /// <summary>Sets it up.</summary>
    public void Prepare(SegmentFile file, SegmentFate fate, ulong spareNumber)
    {
        Check.That(File is null);
        File = file;
        Fate = fate;
        _name = fate == SegmentFate.Aside ? SegmentNames.Aside(file.Number) : SegmentNames.Spare(spareNumber);
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
        string name = Path.Combine(folder, _name);
        // When the directory's sync fails all of this is done again: what has gone stays gone.
        Error = file.Path.Length == 0 ? DiskError.None
            : Fate == SegmentFate.Removed ? disk.Delete(file.Path)
            : disk.Rename(file.Path, name);
        if (Error.Ok)
        {
            file.Path = Fate == SegmentFate.Removed ? "" : name;
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
