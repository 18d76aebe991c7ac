namespace FastRelay.Storm;

/// <summary>
/// A hash of everything that happens in a run, in order: two runs of a seed must give the same one. With
/// <see cref="Keep"/> the lines stay too, so that the first difference can be named.
/// </summary>
public sealed class SimTrace
{
    private ulong _hash = 14695981039346656037;

    /// <summary>Set to keep the last lines for a report.</summary>
    public List<string>? Keep { get; set; }

    /// <summary>The hash so far.</summary>
    public ulong Hash => _hash;

    /// <summary>Things folded so far.</summary>
    public long Count { get; private set; }

    public void Add(string kind, long a, long b = 0)
    {
        foreach (char c in kind)
        {
            Fold(c);
        }
        Fold((ulong)a);
        Fold((ulong)b);
        Count++;
        Keep?.Add($"{kind} {a} {b}");
    }

    public void Add(string kind, string name, long a = 0, long b = 0)
    {
        foreach (char c in name)
        {
            Fold(c);
        }
        Add(kind, a, b);
        if (Keep is not null)
        {
            Keep[^1] += " " + name;
        }
    }

    public void Add(string kind, ReadOnlySpan<byte> bytes) => Add(kind, bytes.Length, (long)HashOf(bytes));

    /// <summary>A stable hash of bytes, the same in every process.</summary>
    public static ulong HashOf(ReadOnlySpan<byte> bytes)
    {
        ulong hash = 14695981039346656037;
        foreach (byte b in bytes)
        {
            hash = (hash ^ b) * 1099511628211;
        }
        return hash;
    }

    private void Fold(ulong value)
    {
        _hash = (_hash ^ value) * 1099511628211;
        _hash ^= _hash >> 29;
    }
}
