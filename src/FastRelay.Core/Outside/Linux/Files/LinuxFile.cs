namespace FastRelay.Outside.Linux;

/// <summary>An open file by its descriptor.</summary>
internal sealed class LinuxFile(int fd) : DiskFile
{
    private const int ZeroBytes = 256 * 1024;

    private static readonly byte[] _zeros = new byte[ZeroBytes];
    private int _fd = fd;

    /// <inheritdoc/>
    public override long Length
    {
        get
        {
            long length = Libc.Length(_fd);
            Check.That(length >= 0);
            return length;
        }
    }

    /// <inheritdoc/>
    public override DiskError Write(long offset, ReadOnlySpan<byte> data)
    {
        while (!data.IsEmpty)
        {
            int n = Libc.WriteAt(_fd, data, offset);
            if (n == -Libc.EINTR)
            {
                continue;
            }
            // 0 for a non-empty write is no progress and no reason: taken for a full device rather than tried for ever.
            if (n <= 0)
            {
                return DiskErrors.Of(n == 0 ? -Libc.ENOSPC : n, "pwrite");
            }
            data = data[n..];
            offset += n;
        }
        return DiskError.None;
    }

    /// <inheritdoc/>
    public override DiskError Read(long offset, Span<byte> buffer, out int read)
    {
        read = 0;
        while (read < buffer.Length)
        {
            int n = Libc.ReadAt(_fd, buffer[read..], offset + read);
            if (n == -Libc.EINTR)
            {
                continue;
            }
            if (n < 0)
            {
                return DiskErrors.Of(n, "pread");
            }
            if (n == 0)
            {
                break;
            }
            read += n;
        }
        return DiskError.None;
    }

    /// <inheritdoc/>
    public override void WillRead() => Libc.WillRead(_fd);

    /// <inheritdoc/>
    public override DiskError SyncData()
    {
        int result;
        do
        {
            result = Libc.SyncData(_fd);
        }
        while (result == -Libc.EINTR);
        return DiskErrors.Of(result, "fdatasync");
    }

    /// <inheritdoc/>
    public override DiskError ZeroFill(long length)
    {
        long offset = Length;
        if (offset >= length)
        {
            return DiskError.None;
        }
        int result;
        do
        {
            result = Libc.Allocate(_fd, offset, length - offset);
        }
        while (result == -Libc.EINTR);
        // Some file systems cannot reserve; there the writes below find out.
        if (result is not (>= 0 or -Libc.EOPNOTSUPP or -Libc.ENOSYS))
        {
            return DiskErrors.Of(result, "fallocate");
        }
        while (offset < length)
        {
            int count = (int)Math.Min(ZeroBytes, length - offset);
            DiskError error = Write(offset, _zeros.AsSpan(0, count));
            if (!error.Ok)
            {
                return error;
            }
            offset += count;
        }
        return DiskError.None;
    }

    /// <inheritdoc/>
    public override unsafe DiskError Map(out DiskMap? map)
    {
        map = null;
        long length = Length;
        byte* address = Libc.MapShared(_fd, length, out int errno);
        if (errno != 0)
        {
            return new DiskError(errno, "mmap");
        }
        map = new LinuxMap(this, address, length);
        return DiskError.None;
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        if (_fd >= 0)
        {
            Libc.Close(_fd);
            _fd = -1;
        }
    }
}
