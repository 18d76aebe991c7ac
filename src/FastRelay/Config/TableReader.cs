namespace FastRelay.Config;

/// <summary>
/// Reads one table: each key is asked for once by its kind, what is wrong is noted with its line, and
/// <see cref="Finish"/> finds the keys that nobody asked for.
/// </summary>
/// <param name="table">The table.</param>
/// <param name="path">Its place in the document; empty for the root.</param>
/// <param name="note">Takes what is wrong: line, key with its tables, message.</param>
/// <param name="recorder">Notes what is asked for; null in earnest.</param>
internal sealed class TableReader(ConfigNode table, string path, Action<int, string, string> note, KeyRecorder? recorder = null)
{
    private readonly List<string> _known = [];
    private readonly List<string> _later = [];

    /// <summary>Line of the table's first word.</summary>
    public int Line => table.Line;

    /// <summary>Path with a key, as errors name it.</summary>
    public string Key(string key) => path.Length == 0 ? key : $"{path}.{key}";

    /// <summary>The value of a key, or null.</summary>
    public ConfigNode? Node(string key)
    {
        _known.Add(key);
        recorder?.Seen(path, key);
        return table.Find(key);
    }

    /// <summary>Notes an error at a value.</summary>
    public void Error(ConfigNode node, string key, string message) => note(node.Line, Key(key), message);

    /// <summary>A text, or null when the key is absent or wrong.</summary>
    /// <param name="key">Its name.</param>
    /// <param name="example">What would be right.</param>
    /// <param name="type">What kind of text, for the reference.</param>
    public string? Text(string key, string example, string type = "text")
    {
        recorder?.Read(path, key, type, $"as in `\"{example}\"`");
        ConfigNode? node = Node(key);
        if (node is null || node.Kind == NodeKind.Text)
        {
            return node?.Text;
        }
        Error(node, key, $"must be a text, as in {key} = \"{example}\"; it is {node.Describe()}");
        return null;
    }

    /// <summary>true or false, or null.</summary>
    public bool? Boolean(string key)
    {
        recorder?.Read(path, key, "true or false", "");
        ConfigNode? node = Node(key);
        if (node is null || node.Kind == NodeKind.Boolean)
        {
            return node?.Boolean;
        }
        Error(node, key, $"must be true or false; it is {node.Describe()}");
        return null;
    }

    /// <summary>A whole number within bounds, or null.</summary>
    public long? Integer(string key, long min, long max)
    {
        recorder?.Read(path, key, "number", FormattableString.Invariant($"{min} to {max}"));
        ConfigNode? node = Node(key);
        if (node is null)
        {
            return null;
        }
        if (node.Kind != NodeKind.Integer)
        {
            Error(node, key, $"must be a whole number from {min} to {max}; it is {node.Describe()}");
            return null;
        }
        if (node.Integer < min || node.Integer > max)
        {
            Error(node, key, $"must be {min} to {max}; it is {node.Integer}");
            return null;
        }
        return node.Integer;
    }

    /// <summary>A duration within bounds, ms, or null.</summary>
    public long? Duration(string key, long minMs, long maxMs)
    {
        recorder?.Read(path, key, "duration", $"{ConfigText.FormatDuration(minMs)} to {ConfigText.FormatDuration(maxMs)}");
        ConfigNode? node = Node(key);
        return node is null ? null : Duration(node, key, minMs, maxMs);
    }

    /// <summary>The same for a value at hand.</summary>
    public long? Duration(ConfigNode node, string key, long minMs, long maxMs)
    {
        if (node.Kind != NodeKind.Text || !ConfigText.TryParseDuration(node.Text, out long ms))
        {
            Error(node, key, $"must be a duration with its unit (ms, s, m, h, d, w), as in \"5m\" or \"1h30m\"; it is {node.Describe()}");
            return null;
        }
        if (ms < minMs || ms > maxMs)
        {
            Error(node, key, $"must be {ConfigText.FormatDuration(minMs)} to {ConfigText.FormatDuration(maxMs)}; it is {node.Describe()}");
            return null;
        }
        return ms;
    }

    /// <summary>A size within bounds, octets, or null.</summary>
    public long? Size(string key, long min, long max)
    {
        recorder?.Read(path, key, "size", $"{ConfigText.FormatSize(min)} to {ConfigText.FormatSize(max)}");
        ConfigNode? node = Node(key);
        if (node is null)
        {
            return null;
        }
        long bytes = node.Integer;
        if (node.Kind != NodeKind.Integer && (node.Kind != NodeKind.Text || !ConfigText.TryParseSize(node.Text, out bytes)))
        {
            Error(node, key, $"must be a size, as in \"50MiB\" or 65536 for octets; it is {node.Describe()}");
            return null;
        }
        if (bytes < min || bytes > max)
        {
            Error(node, key, $"must be {ConfigText.FormatSize(min)} to {ConfigText.FormatSize(max)}; it is {node.Describe()}");
            return null;
        }
        return bytes;
    }

    /// <summary>Index of the word among the choices; -1 when absent or wrong.</summary>
    public int Choice(string key, params ReadOnlySpan<string> words)
    {
        recorder?.Read(path, key, "one of", string.Join(", ", words.ToArray().Select(static word => $"`\"{word}\"`")));
        ConfigNode? node = Node(key);
        if (node is null)
        {
            return -1;
        }
        int index = node.Kind == NodeKind.Text ? words.IndexOf(node.Text) : -1;
        if (index < 0)
        {
            string all = string.Join(", ", words.ToArray().Select(w => $"\"{w}\""));
            Error(node, key, $"must be one of {all}; it is {node.Describe()}");
        }
        return index;
    }

    /// <summary>The items of a list of texts or other values; null when absent or no list.</summary>
    public List<ConfigNode>? List(string key, string example)
    {
        recorder?.Read(path, key, "list", $"as in `{example}`");
        ConfigNode? node = Node(key);
        if (node is null || node.Kind == NodeKind.List)
        {
            return node?.Items;
        }
        Error(node, key, $"must be a list, as in {key} = {example}; it is {node.Describe()}");
        return null;
    }

    /// <summary>A table below; an empty one when absent or wrong.</summary>
    public TableReader Table(string key)
    {
        ConfigNode? node = Node(key);
        if (node is not null && node.Kind != NodeKind.Table)
        {
            string instead = node.Kind == NodeKind.TableList ? $"stands once, as [{Key(key)}] with single brackets" : $"must be a table, [{Key(key)}]";
            Error(node, key, $"{instead}; it is {node.Describe()}");
            node = null;
        }
        return new TableReader(node ?? new ConfigNode(NodeKind.Table, 0), Key(key), note, recorder);
    }

    /// <summary>The tables of a list; null when the key is absent.</summary>
    public List<TableReader>? Tables(string key)
    {
        ConfigNode? node = Node(key);
        if (node is null)
        {
            recorder?.List(Key(key));
            return recorder is null ? null : [new TableReader(new ConfigNode(NodeKind.Table, 0), Key(key), note, recorder)];
        }
        bool inline = node.Kind == NodeKind.List && node.Items.TrueForAll(i => i.Kind == NodeKind.Table);
        if (node.Kind != NodeKind.TableList && !inline)
        {
            Error(node, key, $"is a list of tables: write [[{Key(key)}]] with double brackets; it is {node.Describe()}");
            return null;
        }
        return node.Items.ConvertAll(item => new TableReader(item, Key(key), note));
    }

    /// <summary>A key that a later release will know: refused clearly, so that nobody believes it is in force.</summary>
    public void Later(string key)
    {
        _later.Add(key);
        if (table.Find(key) is { } node)
        {
            Error(node, key, "is not available yet in this release; remove it");
        }
    }

    /// <summary>Notes every key that nobody asked for, with the nearest one that exists.</summary>
    public void Finish()
    {
        foreach ((string key, int line, ConfigNode _) in table.Members)
        {
            if (!_known.Contains(key) && !_later.Contains(key))
            {
                string? near = Suggestion.Nearest(key, _known);
                string where = path.Length == 0 ? "here" : $"in [{path}]";
                note(line, Key(key), Suggestion.Postfix.TryGetValue(key, out string? ours)
                    ? $"unknown key; what Postfix calls so is {ours}"
                    : near is not null
                    ? $"unknown key; did you mean \"{near}\"?"
                    : $"unknown key; {where} may stand: {string.Join(", ", _known.Distinct())}");
            }
        }
    }
}
