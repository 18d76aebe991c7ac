namespace FastRelay.Config;

/// <summary>Kinds of values in a TOML document.</summary>
internal enum NodeKind
{
    Text,
    Integer,
    Boolean,
    Other,
    List,
    Table,
    TableList,
}

/// <summary>A value of the document with the line where it stands, so that every error can point at it.</summary>
internal sealed class ConfigNode(NodeKind kind, int line)
{
    /// <summary>What it is.</summary>
    public NodeKind Kind { get; } = kind;

    /// <summary>Line from 1; in a document of several files <see cref="ConfigFileSet"/> says what it means.</summary>
    public int Line { get; private set; } = line;

    /// <summary>For Text the value; for Other what was written.</summary>
    public string Text { get; init; } = "";

    /// <summary>For Integer.</summary>
    public long Integer { get; init; }

    /// <summary>For Boolean.</summary>
    public bool Boolean { get; init; }

    /// <summary>For List and TableList.</summary>
    public List<ConfigNode> Items { get; } = [];

    /// <summary>For Table, in the order of the document.</summary>
    public List<(string Key, int Line, ConfigNode Value)> Members { get; } = [];

    /// <summary>Itself with all below it, its lines in another file.</summary>
    /// <param name="file">The file's number, above the bits of a line.</param>
    public ConfigNode At(int file)
    {
        Line |= file;
        Items.ForEach(item => item.At(file));
        for (int i = 0; i < Members.Count; i++)
        {
            (string key, int line, ConfigNode value) = Members[i];
            Members[i] = (key, line | file, value.At(file));
        }
        return this;
    }

    /// <summary>For people: what stands there.</summary>
    public string Describe() => Kind switch
    {
        NodeKind.Text => $"\"{Text}\"",
        NodeKind.Integer => Integer.ToString(System.Globalization.CultureInfo.InvariantCulture),
        NodeKind.Boolean => Boolean ? "true" : "false",
        NodeKind.List => "a list",
        NodeKind.Table => "a table",
        NodeKind.TableList => "a list of tables",
        _ => Text,
    };

    /// <summary>The member of a table, or null.</summary>
    public ConfigNode? Find(string key)
    {
        foreach ((string name, _, ConfigNode value) in Members)
        {
            if (name == key)
            {
                return value;
            }
        }
        return null;
    }
}
