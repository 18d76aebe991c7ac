using System.Text;

namespace FastRelay.Storm;

/// <summary>How often each kind of fault was met: a fault that never occurs proves nothing.</summary>
public sealed class SimFaults
{
    private readonly SortedDictionary<string, long> _counts = new(StringComparer.Ordinal);

    /// <summary>True while faults may be injected; false in the calm at the end of a storm.</summary>
    public bool On { get; set; } = true;

    public IReadOnlyDictionary<string, long> Counts => _counts;

    /// <summary>Counts occurrences.</summary>
    public void Hit(string kind, long count = 1) => _counts[kind] = _counts.GetValueOrDefault(kind) + count;

    /// <summary>Adds the counts of another run.</summary>
    public void Add(SimFaults other)
    {
        foreach ((string kind, long count) in other._counts)
        {
            _counts[kind] = _counts.GetValueOrDefault(kind) + count;
        }
    }

    public override string ToString()
    {
        var text = new StringBuilder();
        foreach ((string kind, long count) in _counts)
        {
            text.Append(kind.PadRight(32)).Append(count).Append('\n');
        }
        return text.ToString();
    }
}
