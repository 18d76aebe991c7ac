using FastRelay.Outside;
using static System.Buffers.Binary.BinaryPrimitives;

namespace FastRelay.Journal;

/// <summary>
/// The file that says how far the event stream has told the journal. It has two slots, written in turn: a write that a crash
/// tears leaves the one before. Layout: docs/JOURNAL_FORMAT.md, "Event cursor".
/// </summary>
internal sealed class CursorFile : IDisposable
{
    /// <summary>Bytes of the file: a block for each slot.</summary>
    public const int Bytes = 2 * SegmentHeader.Block;

    private const int SlotBytes = 64;
    private const int CrcAt = SlotBytes - 4;
    private const uint Version = 1;
    private const int Enoent = 2;
    private readonly DiskFile _file;
    private readonly bool _syncs;
    private ulong _turn;

    private CursorFile(DiskFile file, bool syncs)
    {
        _file = file;
        _syncs = syncs;
    }

    private static ReadOnlySpan<byte> Magic => "FREVTC\r\n"u8;

    /// <summary>Every event of the records in groups up to this one is written.</summary>
    public ulong Group { get; private set; }

    /// <summary>When that was said, Unix ms.</summary>
    public long UnixMs { get; private set; }

    /// <summary>Opens a cursor; null with an empty problem when there is none, or with what is wrong with it.</summary>
    public static CursorFile? Open(Disk disk, string path, bool syncs, out string problem)
    {
        problem = "";
        DiskError error = disk.Open(path, DiskOpen.ReadWrite, out DiskFile? file);
        if (!error.Ok)
        {
            problem = error.Errno == Enoent ? "" : error.ToString();
            return null;
        }
        var cursor = new CursorFile(file!, syncs);
        Span<byte> slot = stackalloc byte[SlotBytes];
        for (int i = 0; i < 2; i++)
        {
            if (file!.Read(i * SegmentHeader.Block, slot, out int read).Ok && read == SlotBytes)
            {
                cursor.Take(slot);
            }
        }
        if (cursor._turn > 0)
        {
            return cursor;
        }
        problem = "its checksum is wrong";
        cursor.Dispose();
        return null;
    }

    /// <summary>Makes a cursor, whole or not at all: blocking. One that is there, and what an earlier try has left, is replaced.</summary>
    public static DiskError Make(Disk disk, string path, bool syncs, ulong group, long unixMs, out CursorFile? cursor)
    {
        string fresh = path + ".new";
        disk.Delete(fresh);
        cursor = null;
        DiskError error = disk.Open(fresh, DiskOpen.CreateNew, out DiskFile? file);
        if (!error.Ok)
        {
            return error;
        }
        var made = new CursorFile(file!, syncs);
        error = file!.ZeroFill(Bytes);
        error = error.Ok ? made.Write(group, unixMs) : error;
        error = error.Ok ? disk.Rename(fresh, path) : error;
        error = error.Ok && syncs ? disk.SyncDirectory(Path.GetDirectoryName(path)!) : error;
        if (error.Ok)
        {
            cursor = made;
        }
        else
        {
            made.Dispose();
        }
        return error;
    }

    /// <summary>Moves the cursor: blocking, for a lane. What it said before holds until this has worked.</summary>
    public DiskError Write(ulong group, long unixMs)
    {
        ulong turn = _turn + 1;
        Span<byte> slot = stackalloc byte[SlotBytes];
        slot.Clear();
        Magic.CopyTo(slot);
        WriteUInt32LittleEndian(slot[8..], Version);
        WriteUInt64LittleEndian(slot[16..], turn);
        WriteUInt64LittleEndian(slot[24..], group);
        WriteInt64LittleEndian(slot[32..], unixMs);
        WriteUInt32LittleEndian(slot[CrcAt..], Crc32C.Of(slot[..CrcAt]));
        DiskError error = _file.Write((long)(turn & 1) * SegmentHeader.Block, slot);
        error = error.Ok && _syncs ? _file.SyncData() : error;
        if (error.Ok)
        {
            (_turn, Group, UnixMs) = (turn, group, unixMs);
        }
        return error;
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private void Take(ReadOnlySpan<byte> slot)
    {
        ulong turn = ReadUInt64LittleEndian(slot[16..]);
        if (slot.StartsWith(Magic) && ReadUInt32LittleEndian(slot[8..]) == Version && turn > _turn
            && ReadUInt32LittleEndian(slot[CrcAt..]) == Crc32C.Of(slot[..CrcAt]))
        {
            (_turn, Group, UnixMs) = (turn, ReadUInt64LittleEndian(slot[24..]), ReadInt64LittleEndian(slot[32..]));
        }
    }
}

/// <summary>Moves the cursor on a lane, and makes it when it could not be made before.</summary>
/// <param name="disk">Where.</param>
/// <param name="path">The file.</param>
/// <param name="syncs">Every move is synced.</param>
/// <param name="file">The cursor; null when there is none yet. It is closed by <see cref="Close"/>.</param>
internal sealed class CursorJob(Disk disk, string path, bool syncs, CursorFile? file) : DiskJob
{
    private CursorFile? _file = file;
    private ulong _group;
    private long _unixMs;

    /// <summary>What it came to.</summary>
    public DiskError Error { get; private set; }

    /// <summary>Called on the loop when it is done.</summary>
    public Action? Done { get; set; }

    /// <summary>Every move is synced.</summary>
    public bool Syncs => syncs;

    /// <summary>A cursor is there.</summary>
    public bool HasFile => _file is not null;

    /// <summary>Closes the file.</summary>
    public void Close() => _file?.Dispose();

    /// <summary>Sets it up.</summary>
    public void Prepare(ulong group, long unixMs)
    {
        _group = group;
        _unixMs = unixMs;
    }

    /// <inheritdoc/>
    protected override void Execute() => Work();

    /// <summary>The work itself; a start calls it directly.</summary>
    public DiskError Work() => Error = _file is null
        ? CursorFile.Make(disk, path, syncs, _group, _unixMs, out _file)
        : _file.Write(_group, _unixMs);

    /// <inheritdoc/>
    protected override void Run() => Done!();
}
