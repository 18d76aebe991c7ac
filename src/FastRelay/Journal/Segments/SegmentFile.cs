using FastRelay.Outside;

namespace FastRelay.Journal;

/// <summary>A segment or a spare: its file, its map, and what is known of its content. The map lives as long as the file, over every reuse.</summary>
internal sealed class SegmentFile(DiskFile file, DiskMap map, string path)
{
    /// <summary>Place in the <see cref="SegmentTable"/>; stays over every reuse.</summary>
    public int Slot { get; set; } = -1;

    /// <summary>For writing and checked reading.</summary>
    public DiskFile File => file;

    /// <summary>For reading what was written.</summary>
    public DiskMap Map => map;

    /// <summary>Its present name.</summary>
    public string Path { get; set; } = path;

    /// <summary>Bytes of the file.</summary>
    public long Length { get; } = map.Length;

    /// <summary>Place in the journal.</summary>
    public ulong Number { get; set; }

    /// <summary>Of this use.</summary>
    public ulong Epoch { get; set; }

    /// <summary>Where the next group goes, or where it was sealed.</summary>
    public long End { get; set; }

    /// <summary>Bytes of records in it that are still needed.</summary>
    public long LiveBytes { get; set; }

    /// <summary>Body readers that use it.</summary>
    public int Pins { get; set; }

    /// <summary>Something in it is not what was written: it is kept aside when nothing needs it any more.</summary>
    public bool Damaged { get; set; }

    /// <summary>The group that holds the last record which made something here garbage: until it is durable, nothing may be overwritten.</summary>
    public ulong ReleaseGroup { get; set; }

    /// <summary>
    /// A record at an offset here was written when this run had written that offset more than this; less than nothing
    /// means that an earlier run wrote it.
    /// </summary>
    public long OpenedAtBytes { get; set; } = long.MinValue / 2;
}

/// <summary>Segments by slot, and the sum of their live bytes.</summary>
internal sealed class SegmentTable
{
    private readonly List<SegmentFile?> _files = [];
    private readonly Stack<int> _free = new();

    /// <summary>The group that takes records now.</summary>
    public ulong StagingGroup { get; set; }

    /// <summary>Bytes of all live records.</summary>
    public long LiveBytes { get; private set; }

    /// <summary>A segment by its slot.</summary>
    public SegmentFile this[int slot] => _files[slot]!;

    /// <summary>Gives a file a slot.</summary>
    public void Add(SegmentFile file)
    {
        if (_free.TryPop(out int slot))
        {
            _files[slot] = file;
        }
        else
        {
            slot = _files.Count;
            _files.Add(file);
        }
        file.Slot = slot;
    }

    /// <summary>Takes a file out.</summary>
    public void Remove(SegmentFile file)
    {
        _files[file.Slot] = null;
        _free.Push(file.Slot);
        file.Slot = -1;
    }

    /// <summary>Counts live bytes up or down.</summary>
    public void AddLive(int slot, int bytes)
    {
        SegmentFile file = this[slot];
        file.LiveBytes += bytes;
        LiveBytes += bytes;
        Check.That(file.LiveBytes >= 0);
        if (bytes < 0)
        {
            file.ReleaseGroup = StagingGroup;
        }
    }
}
