namespace FastRelay.Outside.Linux;

/// <summary>Files by plain system calls with every result tested, and the two threads that may block on them.</summary>
public sealed class LinuxDisk : Disk, IDisposable
{
    private readonly Loop _loop;
    private readonly DiskThread _write;
    private readonly DiskThread _read;

    /// <summary>Starts the lanes' threads; their jobs complete on <paramref name="loop"/>.</summary>
    public LinuxDisk(Loop loop)
    {
        _loop = loop;
        _write = new DiskThread(loop, "disk write");
        _read = new DiskThread(loop, "disk read");
    }

    /// <inheritdoc/>
    public override DiskError CreateDirectory(string path)
    {
        int result = Libc.MakeDirectory(path, 0b111_000_000);
        return result == -Libc.EEXIST && Directory.Exists(path) ? DiskError.None : DiskErrors.Of(result, "mkdir");
    }

    /// <inheritdoc/>
    public override DiskError List(string path, List<string> names) => DiskErrors.Of(Libc.List(path, names), "opendir");

    /// <inheritdoc/>
    public override DiskError Open(string path, DiskOpen mode, out DiskFile? file)
    {
        int flags = mode switch
        {
            DiskOpen.Read => Libc.O_RDONLY,
            DiskOpen.ReadWrite => Libc.O_RDWR,
            _ => Libc.O_RDWR | Libc.O_CREAT | Libc.O_EXCL,
        };
        int fd = OpenRetried(path, flags);
        file = fd >= 0 ? new LinuxFile(fd) : null;
        return DiskErrors.Of(fd, "open");
    }

    /// <inheritdoc/>
    public override DiskError Rename(string from, string to) => DiskErrors.Of(Libc.Rename(from, to), "rename");

    /// <inheritdoc/>
    public override DiskError Delete(string path) => DiskErrors.Of(Libc.Unlink(path), "unlink");

    /// <inheritdoc/>
    public override DiskError SyncDirectory(string path)
    {
        int fd = OpenRetried(path, Libc.O_RDONLY | Libc.O_DIRECTORY);
        if (fd < 0)
        {
            return DiskErrors.Of(fd, "open");
        }
        int result;
        do
        {
            result = Libc.Sync(fd);
        }
        while (result == -Libc.EINTR);
        Libc.Close(fd);
        return DiskErrors.Of(result, "fsync");
    }

    /// <inheritdoc/>
    public override DiskError Lock(string path, out IDisposable? held)
    {
        held = null;
        int fd = OpenRetried(path, Libc.O_RDWR | Libc.O_CREAT);
        if (fd < 0)
        {
            return DiskErrors.Of(fd, "open");
        }
        int result = Libc.LockNow(fd);
        if (result < 0)
        {
            Libc.Close(fd);
            return DiskErrors.Of(result, "flock");
        }
        held = new HeldLock(fd);
        return DiskError.None;
    }

    /// <inheritdoc/>
    public override DiskError Space(string path, out DiskSpace space)
    {
        int result;
        long blockBytes;
        long blocks;
        long available;
        uint magic;
        do
        {
            result = Libc.FileSystem(path, out blockBytes, out blocks, out available, out magic);
        }
        while (result == -Libc.EINTR);
        space = result < 0 ? default : new DiskSpace(available * blockBytes, blocks * blockBytes, FileSystemKinds.NameOf(magic));
        return DiskErrors.Of(result, "statfs");
    }

    /// <inheritdoc/>
    public override void Submit(DiskJob job, DiskLane lane)
    {
        _loop.CheckThread();
        (lane == DiskLane.Write ? _write : _read).Submit(job);
    }

    /// <summary>Lets both lanes finish what was submitted, and ends their threads.</summary>
    public void Dispose()
    {
        _write.Dispose();
        _read.Dispose();
    }

    private static int OpenRetried(string path, int flags)
    {
        int fd;
        do
        {
            fd = Libc.Open(path, flags, 0b110_000_000);
        }
        while (fd == -Libc.EINTR);
        return fd;
    }

    private sealed class HeldLock(int fd) : IDisposable
    {
        private int _fd = fd;

        public void Dispose()
        {
            if (_fd >= 0)
            {
                Libc.Close(_fd);
                _fd = -1;
            }
        }
    }
}

/// <summary>Results of <see cref="Libc"/> as <see cref="DiskError"/>.</summary>
internal static class DiskErrors
{
    /// <summary>None for 0 or more; else the number, made positive.</summary>
    public static DiskError Of(long result, string operation) => result >= 0 ? DiskError.None : new DiskError((int)-result, operation);
}
