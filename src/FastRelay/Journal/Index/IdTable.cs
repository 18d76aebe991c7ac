namespace FastRelay.Journal;

/// <summary>
/// Finds an entry's slot by its id: 256 open-addressed tables of slots, each of which grows alone, so that growth
/// stalls for a 256th of the whole. Removal shifts back, so there are no tombstones.
/// </summary>
internal sealed class IdTable(Slab<IndexEntry> entries)
{
    private const int Parts = 256;
    private const int FirstSize = 16;
    private const int Empty = -1;
    private readonly NativeArray<int>?[] _parts = new NativeArray<int>?[Parts];
    private readonly int[] _counts = new int[Parts];

    // The next part to grow grows into this one and leaves its own behind.
    private NativeArray<int> _spare = new(1);

    /// <summary>The slot of an id, or -1.</summary>
    public int Find(ulong id)
    {
        NativeArray<int>? part = _parts[id % Parts];
        if (part is null)
        {
            return -1;
        }
        int mask = part.Length - 1;
        for (int i = Home(id, mask); part[i] != Empty; i = (i + 1) & mask)
        {
            if (entries[part[i]].Id == id)
            {
                return part[i];
            }
        }
        return -1;
    }

    /// <summary>Adds an entry that is not there, by its id.</summary>
    public void Add(int slot)
    {
        ulong id = entries[slot].Id;
        int p = (int)(id % Parts);
        NativeArray<int> part = _parts[p] ??= NewPart(FirstSize);
        if ((_counts[p] + 1) * 4 > part.Length * 3)
        {
            part = Grow(p);
        }
        Put(part, slot, id);
        _counts[p]++;
    }

    /// <summary>Removes an entry, while its id can still be read.</summary>
    public void Remove(int slot)
    {
        ulong id = entries[slot].Id;
        int p = (int)(id % Parts);
        NativeArray<int> part = _parts[p]!;
        int mask = part.Length - 1;
        int hole = Home(id, mask);
        while (part[hole] != slot)
        {
            Check.That(part[hole] != Empty, "an id that is not in the table");
            hole = (hole + 1) & mask;
        }
        for (int i = (hole + 1) & mask; part[i] != Empty; i = (i + 1) & mask)
        {
            int home = Home(entries[part[i]].Id, mask);
            // It may move into the hole unless its home lies behind the hole on the way to it.
            if (((i - home) & mask) >= ((i - hole) & mask))
            {
                part[hole] = part[i];
                hole = i;
            }
        }
        part[hole] = Empty;
        _counts[p]--;
    }

    private static int Home(ulong id, int mask) => (int)((id / Parts * 0x9E3779B97F4A7C15UL) >> 32) & mask;

    private static NativeArray<int> NewPart(int size)
    {
        var part = new NativeArray<int>(size);
        part.Span.Fill(Empty);
        return part;
    }

    private static void Put(NativeArray<int> part, int slot, ulong id)
    {
        int mask = part.Length - 1;
        int i = Home(id, mask);
        while (part[i] != Empty)
        {
            i = (i + 1) & mask;
        }
        part[i] = slot;
    }

    private NativeArray<int> Grow(int p)
    {
        NativeArray<int> old = _parts[p]!;
        NativeArray<int> part = _spare;
        part.Reset(old.Length * 2);
        part.Span.Fill(Empty);
        foreach (int slot in old.Span)
        {
            if (slot != Empty)
            {
                Put(part, slot, entries[slot].Id);
            }
        }
        _parts[p] = part;
        old.Reset(1);
        _spare = old;
        return part;
    }
}
