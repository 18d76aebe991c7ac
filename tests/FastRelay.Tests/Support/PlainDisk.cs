using FastRelay.Outside;

namespace FastRelay.Tests.Support;

/// <summary>A disk in memory on which nothing goes wrong unless <see cref="Fault"/> says so; what it holds survives the stages on it. Jobs run at once and complete from the loop.</summary>
public sealed class PlainDisk(Loop loop) : Disk
{
    private readonly Dictionary<string, Content> _files = [];
    private readonly List<DiskJob> _held = [];
    private Loop _loop = loop;

    /// <summary>Jobs wait for <see cref="LetGo"/>.</summary>
    public bool Hold { get; set; }

    /// <summary>Jobs that were held are done, and those that come are not held.</summary>
    public void LetGo()
    {
        Hold = false;
        foreach (DiskJob job in _held)
        {
            Submit(job, DiskLane.Write);
        }
        _held.Clear();
    }

    /// <summary>What every write and sync comes to.</summary>
    public DiskError Fault { get; set; }

    /// <summary>What every sync of a folder comes to.</summary>
    public DiskError FolderFault { get; set; }

    /// <summary>The next process runs on another loop.</summary>
    public void Move(Loop to) => _loop = to;

    public override DiskError CreateDirectory(string path) => DiskError.None;

    public override DiskError List(string path, List<string> names)
    {
        names.AddRange(_files.Keys.Where(name => Path.GetDirectoryName(name) == path).Select(name => Path.GetFileName(name)!));
        return DiskError.None;
    }

    public override DiskError Open(string path, DiskOpen mode, out DiskFile? file)
    {
        file = null;
        bool there = _files.TryGetValue(path, out Content? content);
        if (mode == DiskOpen.CreateNew)
        {
            if (there)
            {
                return new DiskError(17, "open");
            }
            content = new Content();
            _files.Add(path, content);
        }
        else if (!there)
        {
            return new DiskError(2, "open");
        }
        file = new File(this, content!);
        return DiskError.None;
    }

    public override DiskError Rename(string from, string to)
    {
        if (!_files.Remove(from, out Content? content))
        {
            return new DiskError(2, "rename");
        }
        _files[to] = content;
        return DiskError.None;
    }

    public override DiskError Delete(string path) => _files.Remove(path) ? DiskError.None : new DiskError(2, "unlink");

    public override DiskError SyncDirectory(string path) => FolderFault;

    public override DiskError Lock(string path, out IDisposable? held)
    {
        held = new MemoryStream();
        return DiskError.None;
    }

    public override DiskError Space(string path, out DiskSpace space)
    {
        space = new DiskSpace(1L << 40, 1L << 40, "memory");
        return DiskError.None;
    }

    public override void Submit(DiskJob job, DiskLane lane)
    {
        if (Hold)
        {
            _held.Add(job);
            return;
        }
        Execute(job);
        _loop.Enqueue(job);
    }

    private sealed class Content
    {
        public byte[] Bytes { get; set; } = [];
    }

    private sealed class File(PlainDisk disk, Content content) : DiskFile
    {
        public override long Length => content.Bytes.Length;

        public override DiskError Write(long offset, ReadOnlySpan<byte> data)
        {
            if (!disk.Fault.Ok)
            {
                return disk.Fault;
            }
            if (offset + data.Length > content.Bytes.Length)
            {
                byte[] bytes = content.Bytes;
                Array.Resize(ref bytes, (int)offset + data.Length);
                content.Bytes = bytes;
            }
            data.CopyTo(content.Bytes.AsSpan((int)offset));
            return DiskError.None;
        }

        public override DiskError Read(long offset, Span<byte> buffer, out int read)
        {
            read = (int)Math.Clamp(content.Bytes.Length - offset, 0, buffer.Length);
            content.Bytes.AsSpan((int)Math.Min(offset, content.Bytes.Length), read).CopyTo(buffer);
            return DiskError.None;
        }

        public override DiskError SyncData() => disk.Fault;

        public override DiskError ZeroFill(long length)
        {
            byte[] bytes = content.Bytes;
            Array.Resize(ref bytes, (int)length);
            content.Bytes = bytes;
            return DiskError.None;
        }

        public override DiskError Map(out DiskMap? map)
        {
            map = new View(content);
            return DiskError.None;
        }

        public override void Dispose()
        {
        }
    }

    private sealed class View(Content content) : DiskMap
    {
        public override long Length => content.Bytes.Length;

        public override ReadOnlySpan<byte> Span(long offset, int length) => content.Bytes.AsSpan((int)offset, length);

        public override ReadOnlyMemory<byte> Memory(long offset, int length) => content.Bytes.AsMemory((int)offset, length);

        public override DiskError Populate(long offset, long length) => DiskError.None;

        public override void Dispose()
        {
        }
    }
}
