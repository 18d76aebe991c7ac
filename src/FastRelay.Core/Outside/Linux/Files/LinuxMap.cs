using System.Buffers;

namespace FastRelay.Outside.Linux;

/// <summary>
/// A shared read-only mapping. Not the runtime's: disposing of its view accessor syncs the whole file, even one that
/// is only read.
/// </summary>
internal sealed unsafe class LinuxMap : DiskMap
{
    private const int PageBytes = 4096;

    private readonly LinuxFile _file;
    private readonly Pages _pages;
    private readonly long _length;
    private byte* _address;

    public LinuxMap(LinuxFile file, byte* address, long length)
    {
        Check.That(length is > 0 and <= int.MaxValue, "a map is at most 2 GiB");
        _file = file;
        _address = address;
        _length = length;
        _pages = new Pages(this);
    }

    /// <inheritdoc/>
    public override long Length => _length;

    /// <inheritdoc/>
    public override ReadOnlySpan<byte> Span(long offset, int length)
    {
        CheckRange(offset, length);
        return new ReadOnlySpan<byte>(_address + offset, length);
    }

    /// <inheritdoc/>
    public override ReadOnlyMemory<byte> Memory(long offset, int length)
    {
        CheckRange(offset, length);
        return _pages.Memory.Slice((int)offset, length);
    }

    /// <inheritdoc/>
    public override DiskError Populate(long offset, long length)
    {
        CheckRange(offset, length);
        long start = offset & ~(PageBytes - 1L);
        int result;
        do
        {
            result = Libc.Advise(_address + start, offset + length - start, Libc.MADV_POPULATE_READ);
        }
        while (result is -Libc.EINTR or -Libc.EAGAIN);
        // Before Linux 5.14: reading brings the pages in as well, and fails where they cannot be had.
        return result == -Libc.EINVAL ? ReadThrough(start, offset + length) : DiskErrors.Of(result, "madvise");
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        if (_address is not null)
        {
            byte* address = _address;
            _address = null;
            int result = Libc.Unmap(address, _length);
            Check.That(result >= 0);
        }
    }

    private DiskError ReadThrough(long offset, long end)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(64 * 1024);
        try
        {
            while (offset < end)
            {
                DiskError error = _file.Read(offset, buffer.AsSpan(0, (int)Math.Min(buffer.Length, end - offset)), out int read);
                if (!error.Ok || read == 0)
                {
                    return error;
                }
                offset += read;
            }
            return DiskError.None;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private void CheckRange(long offset, long length) =>
        Check.That(_address is not null && offset >= 0 && length >= 0 && offset + length <= _length, "outside the map, or after its end");

    /// <summary>The map as memory. Its pages do not move, so pinning is nothing.</summary>
    private sealed class Pages(LinuxMap map) : MemoryManager<byte>
    {
        public override Span<byte> GetSpan()
        {
            Check.That(map._address is not null, "a map was used after its end");
            return new Span<byte>(map._address, (int)map._length);
        }

        public override MemoryHandle Pin(int elementIndex = 0) => new(map._address + elementIndex, pinnable: this);

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
