using FastRelay.Outside;

namespace FastRelay.Storm;

/// <summary>
/// A file system that outlives the hosts which mount it. It counts operations, can cut the power before any of them,
/// and fails them as its profile says while the universe's faults are on.
/// </summary>
public sealed class SimStorage
{
    internal const int Eio = 5;
    internal const int Enospc = 28;
    private readonly SimUniverse _universe;
    private readonly SimRandom _random;
    private readonly SimDirectory _root = new();
    private readonly Dictionary<string, long> _badUntilNs = [];
    private long _nextInode;
    private long _cutAt = long.MaxValue;
    private Func<string, string, bool>? _cutOperation;
    private string _cutName = "";
    private bool _cutIsAfter;

    public SimStorage(SimUniverse universe, DiskProfile profile)
    {
        _universe = universe;
        _random = universe.Random.Fork("storage");
        Profile = profile;
    }

    public DiskProfile Profile { get; set; }

    /// <summary>Operations so far.</summary>
    public long Operations { get; private set; }

    /// <summary>Good data syncs so far.</summary>
    public long Syncs { get; internal set; }

    /// <summary>True from a power cut until <see cref="PowerOn"/>: nothing works.</summary>
    public bool PowerIsOff { get; private set; }

    internal SimUniverse Universe => _universe;

    internal SimRandom Random => _random;

    internal HashSet<string> Locks { get; } = [];

    internal bool FaultsOn => _universe.Faults.On;

    /// <summary>The power goes off just before the operation that comes after <paramref name="operations"/> more.</summary>
    public void CutAfter(long operations) => _cutAt = Operations + operations;

    /// <summary>The power goes off just before the next operation that is meant, or just after it.</summary>
    public void CutAtOperation(string name, Func<string, string, bool> operation, bool after)
    {
        _cutName = name;
        _cutOperation = operation;
        _cutIsAfter = after;
    }

    /// <summary>No cut is planned any more.</summary>
    public void Unplan()
    {
        _cutAt = long.MaxValue;
        _cutOperation = null;
    }

    /// <summary>Would a power cut at this moment keep this text, in a file that it keeps too?</summary>
    public bool IsDurable(ReadOnlySpan<byte> text) => IsDurable(_root, text, recent: true) || IsDurable(_root, text, recent: false);

    /// <summary>
    /// The machine stops. With <paramref name="keepCache"/> only the process was killed and the kernel still has
    /// everything; without it, what was not synced is lost, kept, torn or reordered.
    /// </summary>
    public void PowerOff(bool keepCache)
    {
        PowerIsOff = true;
        Locks.Clear();
        Unplan();
        if (keepCache)
        {
            _universe.Faults.Hit("kill");
            return;
        }
        _universe.Faults.Hit("power cut");
        var files = new HashSet<SimInode>();
        CutDirectory(_root, files);
    }

    /// <summary>The machine can start again.</summary>
    public void PowerOn() => PowerIsOff = false;

    /// <summary>Flips bits in a stored byte; false when there is no such file or byte.</summary>
    public bool Rot(string path, int offset, byte mask)
    {
        if (Find(path) is not SimInode file || offset >= file.Length)
        {
            return false;
        }
        file.Rot(offset, mask);
        return true;
    }

    /// <summary>Paths of all files, in order.</summary>
    public IReadOnlyList<string> Files()
    {
        var paths = new List<string>();
        ListAll(_root, "", paths);
        return paths;
    }

    /// <summary>Bytes of a file as programs see it.</summary>
    public ReadOnlyMemory<byte> Content(string path) =>
        Find(path) is SimInode file ? file.Memory(0, file.Length) : throw new FileNotFoundException(path);

    internal long UsedBytes => Used(_root);

    internal long FreeBytes => IsBad("full") ? 0 : Math.Max(0, Profile.CapacityBytes - UsedBytes);

    /// <summary>Every operation passes here first.</summary>
    internal void Operate(string operation, string path, long a = 0, long b = 0)
    {
        if (PowerIsOff || Operations >= _cutAt)
        {
            PowerIsOff = true;
            throw new SimPowerCutException();
        }
        if (_cutOperation?.Invoke(operation, path) == true)
        {
            _cutOperation = null;
            _universe.Faults.Hit(_cutIsAfter ? $"cut after {_cutName}" : $"cut before {_cutName}");
            if (!_cutIsAfter)
            {
                PowerIsOff = true;
                throw new SimPowerCutException();
            }
            _cutAt = Operations + 1;
        }
        Operations++;
        _universe.Trace.Add(operation, path, a, b);
    }

    /// <summary>Shall this operation fail? Errors come alone or stay for a while.</summary>
    internal bool Fails(string kind, int oneIn)
    {
        if (!FaultsOn)
        {
            return false;
        }
        if (!IsBad(kind))
        {
            if (!_random.OneIn(oneIn))
            {
                return false;
            }
            if (_random.OneIn(2))
            {
                _badUntilNs[kind] = _universe.Time.NowNs + _random.NextInt64(Profile.BurstNs);
            }
        }
        _universe.Faults.Hit($"disk {kind}");
        return true;
    }

    /// <summary>What still fits: a write that finds no room leaves no more than that behind.</summary>
    internal long RoomBytes => Math.Max(0, Profile.CapacityBytes - UsedBytes);

    internal bool IsFull(long moreBytes)
    {
        if (UsedBytes + moreBytes > Profile.CapacityBytes)
        {
            _universe.Faults.Hit("disk really full");
            return true;
        }
        return Fails("full", Profile.FullOneIn);
    }

    internal SimInode NewInode() => new(++_nextInode);

    internal object? Find(string path)
    {
        object node = _root;
        foreach (string part in Parts(path))
        {
            if (node is not SimDirectory directory || !directory.Entries.TryGetValue(part, out node!))
            {
                return null;
            }
        }
        return node;
    }

    internal SimDirectory? Parent(string path, out string name)
    {
        string[] parts = Parts(path);
        name = parts[^1];
        return Find(string.Join('/', parts[..^1])) as SimDirectory;
    }

    internal static string Normal(string path) => string.Join('/', Parts(path));

    private static string[] Parts(string path) =>
        [.. path.Split('/', StringSplitOptions.RemoveEmptyEntries).Where(static p => p != ".")];

    private bool IsBad(string kind) => FaultsOn && _badUntilNs.GetValueOrDefault(kind) > _universe.Time.NowNs;

    private void CutDirectory(SimDirectory directory, HashSet<SimInode> done)
    {
        if (directory.PowerCut(_random) > 0)
        {
            _universe.Faults.Hit("cut loses directory entries");
        }
        foreach (object node in directory.Entries.Values)
        {
            if (node is SimDirectory child)
            {
                CutDirectory(child, done);
            }
            else if (node is SimInode file && done.Add(file) && file.PowerCut(_random) is string kind)
            {
                _universe.Faults.Hit(kind);
            }
        }
    }

    private static bool IsDurable(SimDirectory directory, ReadOnlySpan<byte> text, bool recent)
    {
        foreach (object node in directory.Durable)
        {
            if (node is SimDirectory child ? IsDurable(child, text, recent) : ((SimInode)node).HasOnPlatter(text, recent))
            {
                return true;
            }
        }
        return false;
    }

    private static long Used(SimDirectory directory)
    {
        long sum = 0;
        foreach (object node in directory.Entries.Values)
        {
            sum += node is SimDirectory child ? Used(child) : ((SimInode)node).Length;
        }
        return sum;
    }

    private static void ListAll(SimDirectory directory, string prefix, List<string> paths)
    {
        foreach ((string name, object node) in directory.Entries)
        {
            if (node is SimDirectory child)
            {
                ListAll(child, $"{prefix}{name}/", paths);
            }
            else
            {
                paths.Add(prefix + name);
            }
        }
    }
}

/// <summary>The power is off: nothing below this call happened, and nothing above it may go on.</summary>
public sealed class SimPowerCutException : Exception
{
    public SimPowerCutException()
        : base("the simulated power is off")
    {
    }
}
