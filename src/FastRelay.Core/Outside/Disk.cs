namespace FastRelay.Outside;

/// <summary>What a file operation came to: nothing wrong, or an error number with the operation that met it.</summary>
/// <param name="Errno">0 when it worked; else the system's number (28 ENOSPC, 5 EIO, 30 EROFS, 2 ENOENT, 17 EEXIST, 11 EWOULDBLOCK for a held lock).</param>
/// <param name="Operation">The system call, for people.</param>
public readonly record struct DiskError(int Errno, string Operation)
{
    /// <summary>Everything went well.</summary>
    public static DiskError None => default;

    /// <summary>True when nothing went wrong.</summary>
    public bool Ok => Errno == 0;

    /// <summary>True for ENOSPC and EDQUOT: room, not damage.</summary>
    public bool IsFull => Errno is 28 or 122;

    /// <inheritdoc/>
    public override string ToString() => Ok ? "ok" : $"{Operation}: {ErrnoText.Of(Errno)}";
}

/// <summary>How <see cref="Disk.Open"/> treats what is there.</summary>
public enum DiskOpen
{
    /// <summary>Must exist; reading only.</summary>
    Read,

    /// <summary>Must exist; reading and writing.</summary>
    ReadWrite,

    /// <summary>Must not exist; is made with mode 0600.</summary>
    CreateNew,
}

/// <summary>Which thread runs a <see cref="DiskJob"/>. Each lane runs its jobs one at a time, in order.</summary>
public enum DiskLane
{
    /// <summary>Commits and segment work.</summary>
    Write,

    /// <summary>Populating and checking cold bodies.</summary>
    Read,
}

/// <summary>Work that may block on the disk: <see cref="Execute"/> runs on its lane's thread, then <see cref="LoopItem.Run"/> on the loop.</summary>
public abstract class DiskJob : LoopItem
{
    /// <summary>The blocking part. It touches only what it owns and files of its own.</summary>
    protected internal abstract void Execute();
}

/// <summary>What is known of a file system.</summary>
/// <param name="FreeBytes">Free for us.</param>
/// <param name="TotalBytes">Size.</param>
/// <param name="Kind">Name of its kind, as in <c>ext4</c>, <c>tmpfs</c>; a hex number when unknown.</param>
public readonly record struct DiskSpace(long FreeBytes, long TotalBytes, string Kind);

/// <summary>
/// Files. All results are checked ones: a sync that returns ok has returned 0 from the kernel (this runtime's own flush
/// calls hide every error: measured).
/// </summary>
public abstract class Disk
{
    /// <summary>Makes a directory with mode 0700 when it is missing.</summary>
    public abstract DiskError CreateDirectory(string path);

    /// <summary>Names in a directory, in no order.</summary>
    public abstract DiskError List(string path, List<string> names);

    /// <summary>Opens a file.</summary>
    public abstract DiskError Open(string path, DiskOpen mode, out DiskFile? file);

    /// <summary>Renames within a file system, replacing what has the new name.</summary>
    public abstract DiskError Rename(string from, string to);

    /// <summary>Removes a file.</summary>
    public abstract DiskError Delete(string path);

    /// <summary>Makes entries of a directory durable.</summary>
    public abstract DiskError SyncDirectory(string path);

    /// <summary>Takes a lock on a file (made when missing) that ends with the process; errno 11 when another holds it.</summary>
    public abstract DiskError Lock(string path, out IDisposable? held);

    /// <summary>Space and kind of the file system that holds a path.</summary>
    public abstract DiskError Space(string path, out DiskSpace space);

    /// <summary>Runs a job on a lane, then completes it on the loop. Loop thread.</summary>
    public abstract void Submit(DiskJob job, DiskLane lane);

    /// <summary>Runs the blocking part of a job, for disks that live in other assemblies.</summary>
    protected static void Execute(DiskJob job) => job.Execute();
}

/// <summary>An open file. Positional calls only; safe from any thread.</summary>
public abstract class DiskFile : IDisposable
{
    /// <summary>Length in bytes.</summary>
    public abstract long Length { get; }

    /// <summary>Writes all of the data or says why not; short writes and EINTR are gone on with.</summary>
    public abstract DiskError Write(long offset, ReadOnlySpan<byte> data);

    /// <summary>Reads until the buffer is full or the file ends.</summary>
    public abstract DiskError Read(long offset, Span<byte> buffer, out int read);

    /// <summary>Says that the whole file will be read soon, so that the disk may begin; nothing depends on it.</summary>
    public virtual void WillRead()
    {
    }

    /// <summary>fdatasync, checked. A failed one proves that nothing since the last good one is durable.</summary>
    public abstract DiskError SyncData();

    /// <summary>Gives the file a length and writes zeros over what is new, so that later syncs carry no allocation.</summary>
    public abstract DiskError ZeroFill(long length);

    /// <summary>Maps the whole file for reading.</summary>
    public abstract DiskError Map(out DiskMap? map);

    /// <inheritdoc/>
    public abstract void Dispose();
}

/// <summary>A read-only map of a file: sees what <see cref="DiskFile.Write"/> wrote. Never used after <see cref="Dispose"/>, never over a file that shrinks.</summary>
public abstract class DiskMap : IDisposable
{
    /// <summary>Length in bytes.</summary>
    public abstract long Length { get; }

    /// <summary>Bytes of the map, without copying; a touch of a cold page may block.</summary>
    public abstract ReadOnlySpan<byte> Span(long offset, int length);

    /// <summary>The same as memory, for an asynchronous send; no allocation.</summary>
    public abstract ReadOnlyMemory<byte> Memory(long offset, int length);

    /// <summary>Brings pages in, so that a later touch does not block; a bad sector is an error here, not a signal. May block: for a lane.</summary>
    public abstract DiskError Populate(long offset, long length);

    /// <inheritdoc/>
    public abstract void Dispose();
}
