using Tomlyn.Parsing;
using Tomlyn.Syntax;

namespace FastRelay.Config;

/// <summary>
/// Turns TOML into nodes that know their lines. The syntax tree is read, not a model made by reflection: it keeps
/// positions, and nothing of it is trimmed away in the published file.
/// </summary>
internal static class ConfigDocument
{
    /// <summary>Parses a document; syntax errors are added to <paramref name="errors"/>.</summary>
    public static ConfigNode Parse(string text, string file, List<ConfigError> errors)
    {
        var root = new ConfigNode(NodeKind.Table, 1);
        DocumentSyntax document = SyntaxParser.Parse(text, file, validate: true);
        foreach (DiagnosticMessage diagnostic in document.Diagnostics)
        {
            if (diagnostic.Kind == DiagnosticMessageKind.Error)
            {
                errors.Add(new ConfigError(file, diagnostic.Span.Start.Line + 1, "", "not TOML: " + diagnostic.Message));
            }
        }
        if (errors.Count > 0)
        {
            return root;
        }
        AddAll(root, document.KeyValues, file, errors);
        foreach (TableSyntaxBase table in document.Tables)
        {
            List<string> path = Path(table.Name!);
            ConfigNode? target = table is TableArraySyntax
                ? NewItem(root, path, Line(table), file, errors)
                : Descend(root, path, Line(table), file, errors);
            if (target is not null)
            {
                AddAll(target, table.Items, file, errors);
            }
        }
        return root;
    }

    private static void AddAll(ConfigNode table, SyntaxList<KeyValueSyntax> items, string file, List<ConfigError> errors)
    {
        foreach (KeyValueSyntax item in items)
        {
            Add(table, item, file, errors);
        }
    }

    private static void Add(ConfigNode table, KeyValueSyntax item, string file, List<ConfigError> errors)
    {
        List<string> path = Path(item.Key!);
        int line = Line(item.Key!);
        ConfigNode? target = path.Count > 1 ? Descend(table, path[..^1], line, file, errors) : table;
        if (target is null)
        {
            return;
        }
        if (target.Find(path[^1]) is { } earlier)
        {
            errors.Add(new ConfigError(file, line, string.Join('.', path), $"stands here for the second time; the first is in line {earlier.Line}"));
            return;
        }
        target.Members.Add((path[^1], line, Value(item.Value!, file, errors)));
    }

    private static ConfigNode Value(ValueSyntax value, string file, List<ConfigError> errors)
    {
        int line = Line(value);
        switch (value)
        {
            case StringValueSyntax text:
                return new ConfigNode(NodeKind.Text, line) { Text = text.Value ?? "" };
            case IntegerValueSyntax integer:
                return new ConfigNode(NodeKind.Integer, line) { Integer = integer.Value };
            case BooleanValueSyntax boolean:
                return new ConfigNode(NodeKind.Boolean, line) { Boolean = boolean.Value };
            case ArraySyntax array:
                var list = new ConfigNode(NodeKind.List, line);
                foreach (ArrayItemSyntax item in array.Items)
                {
                    list.Items.Add(Value(item.Value!, file, errors));
                }
                return list;
            case InlineTableSyntax inline:
                var table = new ConfigNode(NodeKind.Table, line);
                foreach (InlineTableItemSyntax item in inline.Items)
                {
                    Add(table, item.KeyValue!, file, errors);
                }
                return table;
            default:
                return new ConfigNode(NodeKind.Other, line) { Text = value.ToString().Trim() };
        }
    }

    /// <summary>The table at a path; made when missing. In a list of tables the last one is meant (TOML 1.0, array of tables).</summary>
    private static ConfigNode? Descend(ConfigNode from, List<string> path, int line, string file, List<ConfigError> errors)
    {
        ConfigNode table = from;
        foreach (string key in path)
        {
            ConfigNode? next = table.Find(key);
            if (next is null)
            {
                next = new ConfigNode(NodeKind.Table, line);
                table.Members.Add((key, line, next));
            }
            else if (next.Kind == NodeKind.TableList)
            {
                next = next.Items[^1];
            }
            else if (next.Kind != NodeKind.Table)
            {
                errors.Add(new ConfigError(file, line, string.Join('.', path), $"is a table here and {next.Describe()} in line {next.Line}"));
                return null;
            }
            table = next;
        }
        return table;
    }

    private static ConfigNode? NewItem(ConfigNode root, List<string> path, int line, string file, List<ConfigError> errors)
    {
        ConfigNode? parent = Descend(root, path[..^1], line, file, errors);
        if (parent is null)
        {
            return null;
        }
        ConfigNode? list = parent.Find(path[^1]);
        if (list is null)
        {
            list = new ConfigNode(NodeKind.TableList, line);
            parent.Members.Add((path[^1], line, list));
        }
        else if (list.Kind != NodeKind.TableList)
        {
            errors.Add(new ConfigError(file, line, string.Join('.', path), $"is a list of tables here and {list.Describe()} in line {list.Line}"));
            return null;
        }
        var item = new ConfigNode(NodeKind.Table, line);
        list.Items.Add(item);
        return item;
    }

    private static List<string> Path(KeySyntax key)
    {
        List<string> path = [Name(key.Key!)];
        foreach (DottedKeyItemSyntax dotted in key.DotKeys)
        {
            path.Add(Name(dotted.Key!));
        }
        return path;
    }

    private static string Name(BareKeyOrStringValueSyntax key) => key switch
    {
        BareKeySyntax bare => bare.Key!.Text ?? "",
        StringValueSyntax text => text.Value ?? "",
        _ => "",
    };

    private static int Line(SyntaxNode node) => node.Span.Start.Line + 1;
}
