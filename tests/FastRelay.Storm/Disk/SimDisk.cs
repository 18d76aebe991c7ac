using FastRelay.Outside;

namespace FastRelay.Storm;

/// <summary>A storage as one incarnation of a host sees it; lanes run their jobs one at a time as events.</summary>
public sealed class SimDisk(SimHost host, SimStorage storage) : Disk
{
    private const int Enoent = 2;
    private const int Eagain = 11;
    private const int Eexist = 17;
    private const int Enotdir = 20;
    private readonly Lane[] _lanes = [new(), new()];

    /// <summary>Jobs that wait or run.</summary>
    public int Jobs => _lanes[0].Jobs.Count + _lanes[1].Jobs.Count;

    public override DiskError CreateDirectory(string path)
    {
        storage.Operate("mkdir", SimStorage.Normal(path));
        if (storage.Find(path) is { } node)
        {
            return node is SimDirectory ? DiskError.None : new DiskError(Eexist, "mkdir");
        }
        if (storage.Parent(path, out string name) is not SimDirectory parent)
        {
            return new DiskError(Enoent, "mkdir");
        }
        if (storage.Fails("metadata", storage.Profile.MetadataErrorOneIn))
        {
            return new DiskError(SimStorage.Eio, "mkdir");
        }
        parent.Add(name, new SimDirectory());
        return DiskError.None;
    }

    public override DiskError List(string path, List<string> names)
    {
        storage.Operate("list", SimStorage.Normal(path));
        object? node = storage.Find(path);
        if (node is not SimDirectory directory)
        {
            return new DiskError(node is null ? Enoent : Enotdir, "opendir");
        }
        string[] found = [.. directory.Entries.Keys];
        storage.Random.Shuffle(found);
        names.AddRange(found);
        return DiskError.None;
    }

    public override DiskError Open(string path, DiskOpen mode, out DiskFile? file)
    {
        file = null;
        storage.Operate("open", SimStorage.Normal(path), (int)mode);
        if (storage.Parent(path, out string name) is not SimDirectory parent)
        {
            return new DiskError(Enoent, "open");
        }
        bool exists = parent.Entries.TryGetValue(name, out object? node);
        if (mode == DiskOpen.CreateNew)
        {
            if (exists)
            {
                return new DiskError(Eexist, "open");
            }
            if (storage.IsFull(0) || storage.Fails("metadata", storage.Profile.MetadataErrorOneIn))
            {
                return new DiskError(SimStorage.Enospc, "open");
            }
            node = storage.NewInode();
            parent.Add(name, node);
        }
        if (node is not SimInode inode)
        {
            return new DiskError(exists ? 21 : Enoent, "open");
        }
        file = new SimFile(storage, inode, SimStorage.Normal(path), mode != DiskOpen.Read);
        return DiskError.None;
    }

    public override DiskError Rename(string from, string to)
    {
        storage.Operate("rename", $"{SimStorage.Normal(from)} {SimStorage.Normal(to)}");
        SimDirectory? parent = storage.Parent(from, out string oldName);
        SimDirectory? target = storage.Parent(to, out string newName);
        if (parent is null || target is null || !parent.Entries.ContainsKey(oldName))
        {
            return new DiskError(Enoent, "rename");
        }
        if (parent != target)
        {
            return new DiskError(18, "rename");
        }
        if (storage.Fails("metadata", storage.Profile.MetadataErrorOneIn))
        {
            return new DiskError(SimStorage.Eio, "rename");
        }
        parent.Rename(oldName, newName);
        return DiskError.None;
    }

    public override DiskError Delete(string path)
    {
        storage.Operate("unlink", SimStorage.Normal(path));
        if (storage.Parent(path, out string name) is not SimDirectory parent || !parent.Entries.ContainsKey(name))
        {
            return new DiskError(Enoent, "unlink");
        }
        if (storage.Fails("metadata", storage.Profile.MetadataErrorOneIn))
        {
            return new DiskError(SimStorage.Eio, "unlink");
        }
        parent.Remove(name);
        return DiskError.None;
    }

    public override DiskError SyncDirectory(string path)
    {
        storage.Operate("syncdir", SimStorage.Normal(path));
        if (storage.Find(path) is not SimDirectory directory)
        {
            return new DiskError(Enoent, "fsync");
        }
        if (storage.Profile.LieAboutDirectorySync)
        {
            return DiskError.None;
        }
        if (storage.Fails("metadata", storage.Profile.MetadataErrorOneIn))
        {
            return new DiskError(SimStorage.Eio, "fsync");
        }
        directory.Sync();
        return DiskError.None;
    }

    public override DiskError Lock(string path, out IDisposable? held)
    {
        held = null;
        string normal = SimStorage.Normal(path);
        storage.Operate("lock", normal);
        if (storage.Parent(path, out string name) is not SimDirectory parent)
        {
            return new DiskError(Enoent, "open");
        }
        if (!parent.Entries.ContainsKey(name))
        {
            parent.Add(name, storage.NewInode());
        }
        if (!storage.Locks.Add(normal))
        {
            return new DiskError(Eagain, "flock");
        }
        held = new HeldLock(storage, normal);
        return DiskError.None;
    }

    public override DiskError Space(string path, out DiskSpace space)
    {
        storage.Operate("statfs", SimStorage.Normal(path));
        space = new DiskSpace(storage.FreeBytes, storage.Profile.CapacityBytes, "simulated");
        return DiskError.None;
    }

    public override void Submit(DiskJob job, DiskLane lane)
    {
        host.Loop.CheckThread();
        Lane queue = _lanes[(int)lane];
        queue.Jobs.Enqueue(job);
        if (queue.Jobs.Count == 1)
        {
            StartNext(queue);
        }
    }

    private void StartNext(Lane lane)
    {
        (long least, long most) = storage.Profile.JobNs;
        long totalNs = storage.Random.Magnitude(least, most);
        if (storage.FaultsOn && storage.Random.OneIn(storage.Profile.StallOneIn))
        {
            storage.Universe.Faults.Hit("disk stall");
            totalNs += storage.Random.Magnitude(10_000_000, 3_000_000_000);
        }
        long beforeNs = storage.Random.NextInt64(totalNs + 1);
        host.After(beforeNs, () =>
        {
            Execute(lane.Jobs.Peek());
            host.After(totalNs - beforeNs, () =>
            {
                DiskJob job = lane.Jobs.Dequeue();
                host.Loop.Post(job);
                if (lane.Jobs.Count > 0)
                {
                    StartNext(lane);
                }
            });
        });
    }

    private sealed class Lane
    {
        public readonly Queue<DiskJob> Jobs = new();
    }

    private sealed class HeldLock(SimStorage storage, string path) : IDisposable
    {
        public void Dispose() => storage.Locks.Remove(path);
    }
}
