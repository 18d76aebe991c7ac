using FastRelay.Outside;

namespace FastRelay.Journal;

/// <summary>Makes a spare the next segment: header, sync, name, directory sync. Until all of that worked nothing in it counts.</summary>
internal sealed class SegmentOpener(Disk disk, string folder, SyncMode sync) : DiskJob
{
    private readonly byte[] _block = new byte[SegmentHeader.Block];

    /// <summary>The file.</summary>
    public SegmentFile? File { get; private set; }

    /// <summary>What will be its header.</summary>
    public SegmentHeader Header { get; private set; }

    /// <summary>What it came to.</summary>
    public DiskError Error { get; private set; }

    /// <summary>Called on the loop when it is done.</summary>
    public Action? Done { get; set; }

    /// <summary>Sets it up.</summary>
    public void Prepare(SegmentFile file, in SegmentHeader header)
    {
        File = file;
        Header = header;
    }

    /// <summary>Takes the file, which is a segment now; or gives it up.</summary>
    public SegmentFile? Take()
    {
        SegmentFile? file = File;
        File = null;
        return file;
    }

    /// <summary>The work itself; recovery calls it directly.</summary>
    public DiskError Work()
    {
        SegmentFile file = File!;
        Header.Write(_block);
        DiskError error = file.File.Write(0, _block);
        if (error.Ok && sync == SyncMode.Group)
        {
            error = file.File.SyncData();
        }
        string path = Path.Combine(folder, SegmentNames.Segment(Header.Number));
        if (error.Ok && file.Path != path)
        {
            error = disk.Rename(file.Path, path);
            if (error.Ok)
            {
                file.Path = path;
            }
        }
        if (error.Ok && sync == SyncMode.Group)
        {
            error = disk.SyncDirectory(folder);
        }
        return error;
    }

    /// <inheritdoc/>
    protected override void Execute() => Error = Work();

    /// <inheritdoc/>
    protected override void Run() => Done!();
}
