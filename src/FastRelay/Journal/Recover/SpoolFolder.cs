using System.Globalization;
using FastRelay.Outside;

namespace FastRelay.Journal;

/// <summary>A file of the spool as found, with what its first block says.</summary>
internal sealed class FoundFile(string path, ulong nameNumber)
{
    /// <summary>Where.</summary>
    public string Path => path;

    /// <summary>The number in its name.</summary>
    public ulong NameNumber => nameNumber;

    /// <summary>Open, once it was.</summary>
    public DiskFile? File { get; set; }

    /// <summary>Can the first block be trusted?</summary>
    public HeaderFinding Finding { get; set; }

    /// <summary>What it says.</summary>
    public SegmentHeader Header { get; set; }

    /// <summary>Epoch by which groups are read, from the header or, when that is lost, from elsewhere.</summary>
    public ulong Epoch { get; set; }
}

/// <summary>Lists a spool and reads all first blocks, without changing anything.</summary>
internal sealed class SpoolFolder(Disk disk, string path)
{
    /// <summary>Segments, in order of number.</summary>
    public List<FoundFile> Segments { get; } = [];

    /// <summary>Spares.</summary>
    public List<FoundFile> Spares { get; } = [];

    /// <summary>Unfinished spares.</summary>
    public List<string> Rubbish { get; } = [];

    /// <summary>Damaged segments that an earlier run kept for the operator.</summary>
    public List<string> Aside { get; } = [];

    /// <summary>A cursor of the event stream is there.</summary>
    public bool HasEventCursor { get; private set; }

    /// <summary>Names that are not ours.</summary>
    public List<string> Foreign { get; } = [];

    /// <summary>The largest number in a name, of segments.</summary>
    public ulong MaxNumber { get; private set; }

    /// <summary>The largest number in a name, of spares.</summary>
    public ulong MaxSpareNumber { get; private set; }

    /// <summary>Reads names and first blocks.</summary>
    /// <param name="mode">How to open the files.</param>
    /// <returns>What stands in the way, in words; empty when nothing does.</returns>
    public string Read(DiskOpen mode)
    {
        var names = new List<string>();
        DiskError error = disk.List(path, names);
        if (!error.Ok)
        {
            return $"{path}: cannot be listed: {error}";
        }
        names.Sort(StringComparer.Ordinal);
        foreach (string name in names)
        {
            Sort(name);
        }
        foreach (FoundFile found in Segments)
        {
            error = ReadHeader(found, mode);
            if (!error.Ok)
            {
                return found.File is null ? $"{found.Path}: {error}" : CannotBeRead(found, 0, error);
            }
        }
        foreach (FoundFile found in Spares)
        {
            ReadHeader(found, mode);
        }
        foreach (FoundFile found in (IEnumerable<FoundFile>)[.. Segments, .. Spares])
        {
            if (found.Finding == HeaderFinding.Unknown)
            {
                return $"{found.Path}: written by a later version of fastrelay (format {found.Header.FileBytes}); nothing was touched";
            }
        }
        Segments.Sort(static (a, b) => Number(a).CompareTo(Number(b)));
        return "";
    }

    /// <summary>Closes all files that were not taken over.</summary>
    public void Close()
    {
        foreach (FoundFile found in Segments)
        {
            found.File?.Dispose();
        }
        foreach (FoundFile found in Spares)
        {
            found.File?.Dispose();
        }
    }

    /// <summary>The number by the header, or by the name when that is lost.</summary>
    public static ulong Number(FoundFile found) => found.Finding == HeaderFinding.Good ? found.Header.Number : found.NameNumber;

    /// <summary>A relay that started without what the disk does not give now would lose acknowledged mail for good.</summary>
    public static string CannotBeRead(FoundFile found, long at, DiskError error) =>
        string.Create(CultureInfo.InvariantCulture, $"{found.Path}: the block at {at} cannot be read: {error}; nothing was changed (see \"The disk\" in OPERATIONS.md)");

    private void Sort(string name)
    {
        string full = Path.Combine(path, name);
        switch (SegmentNames.Parse(name, out ulong number))
        {
            case SpoolFile.Segment:
                Segments.Add(new FoundFile(full, number));
                MaxNumber = Math.Max(MaxNumber, number);
                break;
            case SpoolFile.Spare:
                Spares.Add(new FoundFile(full, number));
                MaxSpareNumber = Math.Max(MaxSpareNumber, number);
                break;
            case SpoolFile.Unfinished:
                Rubbish.Add(full);
                MaxSpareNumber = Math.Max(MaxSpareNumber, number);
                break;
            case SpoolFile.Aside:
                Aside.Add(full);
                MaxNumber = Math.Max(MaxNumber, number);
                break;
            case SpoolFile.Beside:
                HasEventCursor |= name == SegmentNames.EventCursor;
                break;
            default:
                Foreign.Add(name);
                break;
        }
    }

    private DiskError ReadHeader(FoundFile found, DiskOpen mode)
    {
        DiskError error = disk.Open(found.Path, mode, out DiskFile? file);
        if (!error.Ok)
        {
            return error;
        }
        found.File = file;
        var block = new byte[SegmentHeader.Block];
        error = file!.Read(0, block, out int count);
        if (!error.Ok && mode == DiskOpen.ReadWrite)
        {
            // What the disk does not give now may be whole: a relay that started without it would lose acknowledged
            // mail for good. Only what was read and is wrong counts as damage.
            return error;
        }
        bool read = error.Ok && count == block.Length;
        found.Finding = read ? SegmentHeader.Read(block, out SegmentHeader header) : Damaged(out header);
        if (found.Finding == HeaderFinding.Unknown)
        {
            header = new SegmentHeader { FileBytes = SegmentHeader.ClaimedVersion(block) };
        }
        found.Header = header;
        found.Epoch = header.Epoch;
        return DiskError.None;
    }

    private static HeaderFinding Damaged(out SegmentHeader header)
    {
        header = default;
        return HeaderFinding.Damaged;
    }
}
