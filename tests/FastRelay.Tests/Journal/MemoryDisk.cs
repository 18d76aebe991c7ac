using FastRelay.Outside;

namespace FastRelay.Tests.Journal;

/// <summary>What a disk was asked to do, as the tests see it.</summary>
public enum DiskAction
{
    Open,
    Write,
    Sync,
    Zero,
    Rename,
    Delete,
    SyncDirectory,
}

/// <summary>
/// Files in memory that know what is durable and what is not. Jobs run when the test pumps; every changing call can
/// be made to fail, and a crash keeps what was synced (or everything, like a killed process on a living system).
/// </summary>
public sealed class MemoryDisk(Loop loop) : Disk
{
    private readonly Dictionary<string, MemoryInode> _names = [];
    private readonly Dictionary<string, MemoryInode> _durableNames = [];
    private readonly Queue<DiskJob> _writeLane = new();
    private readonly Queue<DiskJob> _readLane = new();

    /// <summary>Given the action and the file's name, says an error number or 0.</summary>
    public Func<DiskAction, string, int>? Fault { get; set; }

    /// <summary>Given a file's name and the bytes that are to be read, says an error number or 0.</summary>
    public Func<string, long, int, int>? ReadFault { get; set; }

    /// <summary>Told after each action that worked.</summary>
    public Action<DiskAction, string>? Did { get; set; }

    public long FreeBytes { get; set; } = 1L << 34;

    public long TotalBytes { get; set; } = 1L << 36;

    public bool Locked { get; set; }

    public string Kind { get; set; } = "ext4";

    public IEnumerable<string> Names => _names.Keys.Select(static path => Path.GetFileName(path)!).Order(StringComparer.Ordinal);

    public bool HasJobs => _writeLane.Count > 0 || _readLane.Count > 0;

    public byte[] Content(string name) => _names[Find(name)].Bytes;

    public void Put(string path, byte[] bytes)
    {
        var inode = new MemoryInode(bytes);
        _names[path] = inode;
        _durableNames[path] = inode;
    }

    /// <summary>What is in memory is clean, and is not what the disk holds: as after a failed sync.</summary>
    public void ForgetDurable(string name, byte[] durable) => _names[Find(name)].SetDurable(durable);

    public bool RunWriteJob() => RunJob(_writeLane);

    public bool RunReadJob() => RunJob(_readLane);

    /// <summary>The disk as the next start finds it.</summary>
    public MemoryDisk AfterCrash(Loop loop, bool keepUnsynced)
    {
        var next = new MemoryDisk(loop) { FreeBytes = FreeBytes, TotalBytes = TotalBytes };
        foreach ((string path, MemoryInode inode) in keepUnsynced ? _names : _durableNames)
        {
            next.Put(path, (byte[])(keepUnsynced ? inode.Bytes : inode.Durable).Clone());
        }
        return next;
    }

    public override DiskError CreateDirectory(string path) => DiskError.None;

    public override DiskError List(string path, List<string> names)
    {
        names.AddRange(_names.Keys.Where(name => Path.GetDirectoryName(name) == path).Select(static name => Path.GetFileName(name)!));
        return DiskError.None;
    }

    public override DiskError Open(string path, DiskOpen mode, out DiskFile? file)
    {
        file = null;
        if (Fails(DiskAction.Open, path, out DiskError error))
        {
            return error;
        }
        if (!_names.TryGetValue(path, out MemoryInode? inode))
        {
            if (mode != DiskOpen.CreateNew)
            {
                return new DiskError(2, "open");
            }
            inode = new MemoryInode([]);
            _names[path] = inode;
        }
        else if (mode == DiskOpen.CreateNew)
        {
            return new DiskError(17, "open");
        }
        file = new MemoryFile(this, inode, Path.GetFileName(path));
        return DiskError.None;
    }

    public override DiskError Rename(string from, string to)
    {
        if (Fails(DiskAction.Rename, from, out DiskError error))
        {
            return error;
        }
        if (!_names.Remove(from, out MemoryInode? inode))
        {
            return new DiskError(2, "rename");
        }
        _names[to] = inode;
        Did?.Invoke(DiskAction.Rename, to);
        return DiskError.None;
    }

    public override DiskError Delete(string path)
    {
        if (Fails(DiskAction.Delete, path, out DiskError error))
        {
            return error;
        }
        if (!_names.Remove(path, out MemoryInode? inode))
        {
            return new DiskError(2, "unlink");
        }
        FreeBytes += inode.Bytes.Length;
        return DiskError.None;
    }

    public override DiskError SyncDirectory(string path)
    {
        if (Fails(DiskAction.SyncDirectory, path, out DiskError error))
        {
            return error;
        }
        _durableNames.Clear();
        foreach ((string name, MemoryInode inode) in _names)
        {
            _durableNames[name] = inode;
        }
        Did?.Invoke(DiskAction.SyncDirectory, path);
        return DiskError.None;
    }

    public override DiskError Lock(string path, out IDisposable? held)
    {
        held = Locked ? null : new MemoryLock(this);
        if (Locked)
        {
            return new DiskError(11, "flock");
        }
        Locked = true;
        return DiskError.None;
    }

    public override DiskError Space(string path, out DiskSpace space)
    {
        space = new DiskSpace(FreeBytes, TotalBytes, Kind);
        return DiskError.None;
    }

    public override void Submit(DiskJob job, DiskLane lane) => (lane == DiskLane.Write ? _writeLane : _readLane).Enqueue(job);

    internal bool Fails(DiskAction action, string path, out DiskError error)
    {
        int errno = Fault?.Invoke(action, Path.GetFileName(path)) ?? 0;
        error = errno == 0 ? DiskError.None : new DiskError(errno, action.ToString());
        return errno != 0;
    }

    private string Find(string name) => _names.Keys.Single(path => Path.GetFileName(path) == name);

    private bool RunJob(Queue<DiskJob> lane)
    {
        if (!lane.TryDequeue(out DiskJob? job))
        {
            return false;
        }
        Execute(job);
        loop.Post(job);
        return true;
    }

    private sealed class MemoryLock(MemoryDisk disk) : IDisposable
    {
        public void Dispose() => disk.Locked = false;
    }
}

/// <summary>A file's bytes as written and as synced.</summary>
public sealed class MemoryInode(byte[] bytes)
{
    private int _dirtyFrom = int.MaxValue;
    private int _dirtyTo;

    public byte[] Bytes { get; private set; } = bytes;

    public byte[] Durable { get; private set; } = (byte[])bytes.Clone();

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        data.CopyTo(Bytes.AsSpan((int)offset));
        _dirtyFrom = Math.Min(_dirtyFrom, (int)offset);
        _dirtyTo = Math.Max(_dirtyTo, (int)offset + data.Length);
    }

    public void SetDurable(byte[] durable) => durable.CopyTo(Durable.AsSpan());

    public void Grow(int length)
    {
        byte[] bytes = Bytes;
        Array.Resize(ref bytes, length);
        Bytes = bytes;
    }

    public void Sync()
    {
        if (Durable.Length != Bytes.Length)
        {
            // What a file grew by is zeros, or was written and is dirty.
            byte[] durable = Durable;
            Array.Resize(ref durable, Bytes.Length);
            Durable = durable;
        }
        if (_dirtyFrom < _dirtyTo)
        {
            Bytes.AsSpan(_dirtyFrom, _dirtyTo - _dirtyFrom).CopyTo(Durable.AsSpan(_dirtyFrom));
        }
        _dirtyFrom = int.MaxValue;
        _dirtyTo = 0;
    }
}

/// <summary>An open file of a <see cref="MemoryDisk"/>.</summary>
public sealed class MemoryFile(MemoryDisk disk, MemoryInode inode, string name) : DiskFile
{
    public override long Length => inode.Bytes.Length;

    public override DiskError Write(long offset, ReadOnlySpan<byte> data)
    {
        if (disk.Fails(DiskAction.Write, name, out DiskError error))
        {
            // A failed write may have written a part.
            inode.Write(offset, data[..(data.Length / 2)]);
            return error;
        }
        inode.Write(offset, data);
        disk.Did?.Invoke(DiskAction.Write, name);
        return DiskError.None;
    }

    public override DiskError Read(long offset, Span<byte> buffer, out int read)
    {
        read = 0;
        if ((disk.ReadFault?.Invoke(Path.GetFileName(name), offset, buffer.Length) ?? 0) is not 0 and int errno)
        {
            return new DiskError(errno, "read");
        }
        read = (int)Math.Clamp(inode.Bytes.Length - offset, 0, buffer.Length);
        inode.Bytes.AsSpan((int)offset, read).CopyTo(buffer);
        return DiskError.None;
    }

    public override DiskError SyncData()
    {
        if (disk.Fails(DiskAction.Sync, name, out DiskError error))
        {
            return error;
        }
        inode.Sync();
        disk.Did?.Invoke(DiskAction.Sync, name);
        return DiskError.None;
    }

    public override DiskError ZeroFill(long length)
    {
        if (disk.Fails(DiskAction.Zero, name, out DiskError error))
        {
            return error;
        }
        long more = length - inode.Bytes.Length;
        if (more > 0)
        {
            if (more > disk.FreeBytes)
            {
                return new DiskError(28, "pwrite");
            }
            disk.FreeBytes -= more;
            inode.Grow((int)length);
        }
        return DiskError.None;
    }

    public override DiskError Map(out DiskMap? map)
    {
        map = new MemoryMap(inode);
        return DiskError.None;
    }

    public override void Dispose()
    {
    }
}

/// <summary>A map over a <see cref="MemoryInode"/>.</summary>
public sealed class MemoryMap(MemoryInode inode) : DiskMap
{
    public override long Length => inode.Bytes.Length;

    public override ReadOnlySpan<byte> Span(long offset, int length) => inode.Bytes.AsSpan((int)offset, length);

    public override ReadOnlyMemory<byte> Memory(long offset, int length) => inode.Bytes.AsMemory((int)offset, length);

    public override DiskError Populate(long offset, long length) => DiskError.None;

    public override void Dispose()
    {
    }
}
