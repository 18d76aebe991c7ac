using FastRelay.Outside;

namespace FastRelay.Storm;

/// <summary>An open simulated file.</summary>
internal sealed class SimFile(SimStorage storage, SimInode inode, string path, bool writable) : DiskFile
{
    private const int Ebadf = 9;
    private bool _disposed;

    public override long Length => inode.Length;

    public override DiskError Write(long offset, ReadOnlySpan<byte> data)
    {
        Use("write", offset, data.Length);
        storage.Universe.Trace.Add("data", data);
        if (!writable)
        {
            return new DiskError(Ebadf, "pwrite");
        }
        long more = Math.Max(0, offset + data.Length - inode.Length);
        if ((more > 0 || storage.Profile.CopyOnWrite) && storage.IsFull(more))
        {
            inode.Write(offset, data[..(int)Math.Min(storage.Random.Next(data.Length), data.Length - more + storage.RoomBytes)]);
            return new DiskError(SimStorage.Enospc, "pwrite");
        }
        if (storage.Fails("write error", storage.Profile.WriteErrorOneIn))
        {
            inode.Write(offset, data[..storage.Random.Next(data.Length)]);
            return new DiskError(SimStorage.Eio, "pwrite");
        }
        inode.Write(offset, data);
        return DiskError.None;
    }

    public override DiskError Read(long offset, Span<byte> buffer, out int read)
    {
        Use("read", offset, buffer.Length);
        read = 0;
        if (storage.Fails("read error", storage.Profile.ReadErrorOneIn))
        {
            return new DiskError(SimStorage.Eio, "pread");
        }
        read = inode.Read(offset, buffer);
        return DiskError.None;
    }

    public override DiskError SyncData()
    {
        Use("sync", 0, 0);
        if (storage.Fails("sync error", storage.Profile.SyncErrorOneIn))
        {
            inode.FailSync(storage.Random);
            return storage.Profile.HideSyncErrors ? DiskError.None : new DiskError(SimStorage.Eio, "fdatasync");
        }
        if (!storage.Profile.LieAboutSync)
        {
            inode.Sync();
        }
        storage.Syncs++;
        return DiskError.None;
    }

    public override DiskError ZeroFill(long length)
    {
        Use("zero", length, 0);
        long from = inode.Length;
        if (length <= from)
        {
            return DiskError.None;
        }
        byte[] zeros = new byte[length - from];
        if (storage.IsFull(zeros.Length))
        {
            inode.Write(from, zeros.AsSpan(0, (int)Math.Min(storage.Random.Next(zeros.Length), storage.RoomBytes)));
            return new DiskError(SimStorage.Enospc, "pwrite");
        }
        inode.Write(from, zeros);
        return DiskError.None;
    }

    public override DiskError Map(out DiskMap? map)
    {
        Use("map", 0, 0);
        map = new SimMap(storage, inode, path, inode.Length);
        return DiskError.None;
    }

    public override void Dispose() => _disposed = true;

    private void Use(string operation, long a, long b)
    {
        Check.That(!_disposed, "a closed file");
        storage.Operate(operation, path, a, b);
    }
}

/// <summary>A view of the cache of a file.</summary>
internal sealed class SimMap(SimStorage storage, SimInode inode, string path, int length) : DiskMap
{
    private bool _disposed;

    public override long Length => length;

    public override ReadOnlySpan<byte> Span(long offset, int length) => Memory(offset, length).Span;

    public override ReadOnlyMemory<byte> Memory(long offset, int count)
    {
        Check.That(!_disposed, "an unmapped file");
        Check.That(offset >= 0 && count >= 0 && offset + count <= length, "outside the map");
        return inode.Memory(offset, count);
    }

    public override DiskError Populate(long offset, long count)
    {
        Check.That(!_disposed, "an unmapped file");
        storage.Operate("populate", path, offset, count);
        return storage.Fails("read error", storage.Profile.ReadErrorOneIn)
            ? new DiskError(SimStorage.Eio, "madvise")
            : DiskError.None;
    }

    public override void Dispose() => _disposed = true;
}
