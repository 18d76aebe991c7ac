namespace FastRelay.Storm;

/// <summary>
/// A directory in two forms: as programs see it, and as the last sync left it, with the changes in between in order. A
/// power cut keeps some first part of them.
/// </summary>
internal sealed class SimDirectory
{
    private readonly List<(string? Removed, string? Added, object? Node)> _changes = [];
    private readonly SortedDictionary<string, object> _durable = new(StringComparer.Ordinal);

    public SortedDictionary<string, object> Entries { get; private set; } = new(StringComparer.Ordinal);

    /// <summary>What no power cut can take.</summary>
    public IEnumerable<object> Durable => _durable.Values;

    /// <summary>Changes that a power cut may take.</summary>
    public int Unsynced => _changes.Count;

    public void Add(string name, object node)
    {
        Entries[name] = node;
        _changes.Add((null, name, node));
    }

    public void Remove(string name)
    {
        Entries.Remove(name);
        _changes.Add((name, null, null));
    }

    public void Rename(string from, string to)
    {
        object node = Entries[from];
        Entries.Remove(from);
        Entries[to] = node;
        _changes.Add((from, to, node));
    }

    public void Sync() => Keep(_changes.Count);

    /// <summary>Becomes what a power cut leaves.</summary>
    /// <returns>How many changes were lost.</returns>
    public int PowerCut(SimRandom random)
    {
        int kept = random.Next(3) switch
        {
            0 => 0,
            1 => _changes.Count,
            _ => random.Next(_changes.Count + 1),
        };
        int lost = _changes.Count - kept;
        Keep(kept);
        _changes.Clear();
        Entries = new SortedDictionary<string, object>(_durable, StringComparer.Ordinal);
        return lost;
    }

    private void Keep(int count)
    {
        for (int i = 0; i < count; i++)
        {
            (string? removed, string? added, object? node) = _changes[i];
            if (removed is not null)
            {
                _durable.Remove(removed);
            }
            if (added is not null)
            {
                _durable[added] = node!;
            }
        }
        _changes.RemoveRange(0, count);
    }
}
