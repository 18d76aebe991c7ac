namespace FastRelay.Config;

/// <summary>Notes what <see cref="TableReader"/> is asked for while an empty configuration is read: the reference cannot differ from the code.</summary>
internal sealed class KeyRecorder
{
    private readonly List<ConfigKey> _keys = [];
    private readonly HashSet<string> _lists = [];
    private readonly List<string> _seen = [];

    /// <summary>All keys with their types, in the order of reading.</summary>
    public IReadOnlyList<ConfigKey> Keys => _keys;

    /// <summary>Keys that were looked at and whose type nobody asked for; tables among them.</summary>
    public IEnumerable<string> Untyped => _seen.Except(_keys.Select(static key => key.Full));

    /// <summary>A table is one of a list.</summary>
    public void List(string table) => _lists.Add(table);

    /// <summary>A key is looked at.</summary>
    public void Seen(string table, string key)
    {
        string full = table.Length == 0 ? key : $"{table}.{key}";
        if (!_seen.Contains(full))
        {
            _seen.Add(full);
        }
    }

    /// <summary>A key is read as this type.</summary>
    public void Read(string table, string key, string type, string bounds)
    {
        var known = new ConfigKey(table, _lists.Contains(table), key, type, bounds);
        if (!_keys.Exists(one => one.Full == known.Full))
        {
            _keys.Add(known);
        }
    }
}
