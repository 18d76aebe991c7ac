namespace FastRelay.Config;

/// <summary>
/// The files of one configuration, read into one document. A node's line says its file too: the file's number stands
/// above <see cref="LineBits"/> bits, so that every reader can point at the right place without knowing of files.
/// </summary>
internal sealed class ConfigFileSet
{
    /// <summary>Files of a configuration at most.</summary>
    public const int FilesMax = 1_000;

    /// <summary>Lines of one file at most: those past it would point into the next file.</summary>
    public const int LinesMax = (1 << LineBits) - 1;

    private const int LineBits = 20;

    private readonly List<string> _names = [];
    private readonly HashSet<string> _paths = new(StringComparer.Ordinal);
    private readonly IncludeFinder? _find;
    private readonly List<ConfigError> _errors;

    /// <summary>Collects what is wrong in <paramref name="errors"/>.</summary>
    public ConfigFileSet(IncludeFinder? find, List<ConfigError> errors)
    {
        _find = find;
        _errors = errors;
    }

    /// <summary>Reads the main file with everything that it includes.</summary>
    /// <param name="text">TOML.</param>
    /// <param name="name">For errors.</param>
    /// <param name="path">Absolute: includes begin in its folder.</param>
    public ConfigNode Read(string text, string name, string path)
    {
        var root = new ConfigNode(NodeKind.Table, 1);
        Add(root, text, name, path);
        return root;
    }

    /// <summary>The file and the line of a node's line.</summary>
    public (string File, int Line) PlaceOf(int line) => (_names[line >> LineBits], line & LinesMax);

    /// <summary>The place of a file among those that were read: errors are told in this order.</summary>
    public int OrderOf(string file) => _names.IndexOf(file);

    private void Add(ConfigNode root, string text, string name, string path)
    {
        int number = _names.Count << LineBits;
        _names.Add(name);
        _paths.Add(path);
        if (text.AsSpan().Count('\n') + (text.EndsWith('\n') ? 0 : 1) > LinesMax)
        {
            _errors.Add(new ConfigError(name, LinesMax, "", $"is longer than {LinesMax} lines: put the rest into a file of its own, as in include = [\"conf.d/*.toml\"]"));
            return;
        }
        int before = _errors.Count;
        ConfigNode document = ConfigDocument.Parse(text, name, _errors);
        if (_errors.Count > before)
        {
            return;
        }
        foreach ((string key, int line, ConfigNode value) in document.Members)
        {
            if (key != "include")
            {
                Merge(root, key, line | number, value.At(number), "");
            }
        }
        if (document.Find("include") is { } include)
        {
            Include(root, include, name, Path.GetDirectoryName(path)!);
        }
    }

    private void Include(ConfigNode root, ConfigNode include, string name, string folder)
    {
        if (include.Kind != NodeKind.List || include.Items.Exists(static item => item.Kind != NodeKind.Text || item.Text.Length == 0))
        {
            _errors.Add(new ConfigError(name, include.Line, "include", $"must be a list of files, as in include = [\"conf.d/*.toml\"]; it is {include.Describe()}"));
            return;
        }
        foreach (ConfigNode item in include.Items)
        {
            foreach (IncludedFile file in _find?.Invoke(item.Text, folder) ?? [])
            {
                string? wrong = file.Text is null ? $"\"{item.Text}\": {file.Problem}"
                    : _paths.Contains(file.Path) ? $"\"{item.Text}\": {file.Path} is included already, or includes itself"
                    : _names.Count == FilesMax ? $"\"{item.Text}\": there are more than {FilesMax} files"
                    : null;
                if (wrong is not null)
                {
                    _errors.Add(new ConfigError(name, item.Line, "include", wrong));
                    continue;
                }
                Add(root, file.Text!, file.Path, file.Path);
            }
        }
    }

    /// <summary>Tables grow together, lists of tables are appended, and any other key stands once in all files.</summary>
    private void Merge(ConfigNode into, string key, int line, ConfigNode value, string table)
    {
        if (into.Find(key) is not { } there)
        {
            into.Members.Add((key, line, value));
            return;
        }
        if (there.Kind == NodeKind.Table && value.Kind == NodeKind.Table)
        {
            foreach ((string name, int its, ConfigNode member) in value.Members)
            {
                Merge(there, name, its, member, $"{table}{key}.");
            }
            return;
        }
        if (there.Kind == NodeKind.TableList && value.Kind == NodeKind.TableList)
        {
            there.Items.AddRange(value.Items);
            return;
        }
        (string file, int at) = PlaceOf(there.Line);
        (string own, int ours) = PlaceOf(line);
        _errors.Add(new ConfigError(own, ours, table + key, $"stands here for the second time; the first is in {file}:{at}"));
    }
}
