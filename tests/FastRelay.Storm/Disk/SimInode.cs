namespace FastRelay.Storm;

/// <summary>
/// One file in two images: the cache, which programs see, and the platter, which survives a power cut. A sector that
/// was written since the last good sync is dirty; for sectors written more than once the versions in between are kept,
/// because any of them may be the one that reached the platter.
/// </summary>
internal sealed class SimInode(long id)
{
    public const int SectorBytes = 512;
    private readonly Dictionary<int, List<(long Sequence, byte[] Bytes)>> _between = [];
    private byte[] _cache = [];
    private byte[] _platter = [];
    private long[] _dirty = [];
    private readonly Queue<(int From, int To)> _lastSyncs = new();
    private int _platterLength;
    private long _sequence;

    public long Id => id;

    public int Length { get; private set; }

    public ReadOnlyMemory<byte> Memory(long offset, int length) => _cache.AsMemory((int)offset, length);

    /// <summary>Dirty sectors: what a power cut may take.</summary>
    public int DirtySectors => _dirty.Count(static s => s != 0);

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        if (data.Length == 0)
        {
            return;
        }
        Grow((int)offset + data.Length);
        _sequence++;
        int last = ((int)offset + data.Length - 1) / SectorBytes;
        for (int sector = (int)offset / SectorBytes; sector <= last; sector++)
        {
            if (_dirty[sector] != 0)
            {
                Between(sector).Add((_dirty[sector], _cache.AsSpan(sector * SectorBytes, SectorBytes).ToArray()));
            }
            _dirty[sector] = _sequence;
        }
        data.CopyTo(_cache.AsSpan((int)offset));
    }

    public int Read(long offset, Span<byte> buffer)
    {
        int count = (int)Math.Clamp(Length - offset, 0, buffer.Length);
        _cache.AsSpan((int)offset, count).CopyTo(buffer);
        return count;
    }

    public void Sync()
    {
        int from = int.MaxValue;
        int to = 0;
        for (int sector = 0; sector < _dirty.Length; sector++)
        {
            if (_dirty[sector] != 0)
            {
                Persist(sector, _cache.AsSpan(sector * SectorBytes, SectorBytes));
                _dirty[sector] = 0;
                from = Math.Min(from, sector * SectorBytes);
                to = (sector + 1) * SectorBytes;
            }
        }
        if (to > 0)
        {
            _lastSyncs.Enqueue((from, to));
            if (_lastSyncs.Count > 3)
            {
                _lastSyncs.Dequeue();
            }
        }
        _between.Clear();
        _platterLength = Length;
    }

    /// <summary>
    /// A sync that fails. Some sectors reached the platter; all are marked clean, so that no later sync writes the
    /// others; some of those fall out of the cache and read as they were before.
    /// </summary>
    public void FailSync(SimRandom random)
    {
        bool evict = random.OneIn(3);
        for (int sector = 0; sector < _dirty.Length; sector++)
        {
            if (_dirty[sector] == 0)
            {
                continue;
            }
            Span<byte> cached = _cache.AsSpan(sector * SectorBytes, SectorBytes);
            if (random.OneIn(2))
            {
                Persist(sector, cached);
            }
            else if (evict)
            {
                _platter.AsSpan(sector * SectorBytes, SectorBytes).CopyTo(cached);
            }
            _dirty[sector] = 0;
        }
        _between.Clear();
        _platterLength = Length;
    }

    /// <summary>Are these bytes on the platter? With <paramref name="recent"/> it looks only where the last syncs wrote.</summary>
    public bool HasOnPlatter(ReadOnlySpan<byte> bytes, bool recent)
    {
        if (!recent)
        {
            return _platter.AsSpan(0, _platterLength).IndexOf(bytes) >= 0;
        }
        foreach ((int from, int to) in _lastSyncs)
        {
            if (_platter.AsSpan(from, to - from).IndexOf(bytes) >= 0)
            {
                return true;
            }
        }
        return false;
    }

    /// <summary>Flips bits of a byte, in the cache and on the platter.</summary>
    public void Rot(int offset, byte mask)
    {
        _cache[offset] ^= mask;
        _platter[offset] ^= mask;
    }

    /// <summary>
    /// Becomes what a power cut leaves: nothing of what was not synced, or all, or each sector by a coin, or each write by
    /// a coin, or all up to some moment with the write of that moment torn.
    /// </summary>
    /// <returns>The name of what happened; null when nothing was at stake.</returns>
    public string? PowerCut(SimRandom random)
    {
        int dirty = DirtySectors;
        int length = random.Next(3) switch
        {
            0 => _platterLength,
            1 => Length,
            _ => Math.Min(_platterLength, Length) + random.Next(Math.Abs(Length - _platterLength) + 1),
        };
        int mode = random.Next(5);
        long moment = mode == 3 && dirty > 0 ? PickDirtySequence(random) : random.NextInt64(1 << 30);
        for (int sector = 0; dirty > 0 && sector < _dirty.Length; sector++)
        {
            if (_dirty[sector] != 0)
            {
                CutSector(random, sector, mode, moment);
            }
        }
        string? kind = dirty == 0 && Length == _platterLength ? null : mode switch
        {
            0 => "cut loses unsynced writes",
            1 => "cut keeps unsynced writes",
            2 => "cut scatters unsynced sectors",
            3 => "cut tears a write",
            _ => "cut reorders unsynced writes",
        };
        Array.Clear(_platter, length, _platter.Length - length);
        _platter.CopyTo(_cache, 0);
        Length = _platterLength = length;
        Array.Clear(_dirty);
        _between.Clear();
        return kind;
    }

    private void CutSector(SimRandom random, int sector, int mode, long moment)
    {
        List<(long Sequence, byte[] Bytes)>? between = _between.GetValueOrDefault(sector);
        int versions = between?.Count ?? 0;
        int chosen = mode switch
        {
            0 => 0,
            1 => versions + 1,
            2 => random.Next(versions + 2),
            3 => UpTo(random, sector, moment, between),
            _ => ByWrite(sector, moment, between),
        };
        if (chosen == versions + 1)
        {
            Persist(sector, _cache.AsSpan(sector * SectorBytes, SectorBytes));
        }
        else if (chosen > 0)
        {
            Persist(sector, between![chosen - 1].Bytes);
        }
    }

    private int UpTo(SimRandom random, int sector, long moment, List<(long Sequence, byte[] Bytes)>? between)
    {
        int chosen = 0;
        bool torn = false;
        for (int i = 0; i <= (between?.Count ?? 0); i++)
        {
            long sequence = i == (between?.Count ?? 0) ? _dirty[sector] : between![i].Sequence;
            if (sequence <= moment)
            {
                chosen = i + 1;
                torn = sequence == moment;
            }
        }
        return torn && random.OneIn(2) ? chosen - 1 : chosen;
    }

    private int ByWrite(int sector, long salt, List<(long Sequence, byte[] Bytes)>? between)
    {
        int chosen = 0;
        for (int i = 0; i <= (between?.Count ?? 0); i++)
        {
            long sequence = i == (between?.Count ?? 0) ? _dirty[sector] : between![i].Sequence;
            // The same coin for all sectors of one write.
            if (new SimRandom((ulong)(sequence ^ (salt << 32))).OneIn(2))
            {
                chosen = i + 1;
            }
        }
        return chosen;
    }

    private long PickDirtySequence(SimRandom random)
    {
        int at = random.Next(_dirty.Length);
        while (_dirty[at] == 0)
        {
            at = (at + 1) % _dirty.Length;
        }
        return _dirty[at];
    }

    private List<(long Sequence, byte[] Bytes)> Between(int sector)
    {
        if (!_between.TryGetValue(sector, out List<(long, byte[])>? list))
        {
            list = [];
            _between.Add(sector, list);
        }
        return list;
    }

    private void Persist(int sector, ReadOnlySpan<byte> bytes) => bytes.CopyTo(_platter.AsSpan(sector * SectorBytes));

    private void Grow(int length)
    {
        if (length > _cache.Length)
        {
            int size = Math.Max(((length + 4095) / 4096) * 4096, Math.Min(_cache.Length * 2, 1 << 24));
            Array.Resize(ref _cache, size);
            Array.Resize(ref _platter, size);
            Array.Resize(ref _dirty, size / SectorBytes);
        }
        Length = Math.Max(Length, length);
    }
}
