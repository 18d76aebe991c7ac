using System.Text;

namespace FastRelay.Config;

/// <summary>The reference of the configuration: every key that the code reads, with what the code takes.</summary>
public static class ConfigReference
{
    /// <summary>As docs/CONFIG.md has it.</summary>
    public static string Markdown()
    {
        var text = new StringBuilder("""
            # Configuration: every key

            Written by `fastrelay check --reference` from the code that reads the keys; a test keeps this page equal to it. What they are for
            and how they go together is in [OPERATIONS.md](OPERATIONS.md); why each limit is what it is in [LIMITS.md](LIMITS.md).

            A size is written `"50MiB"` or in octets, a duration `"5m"` or `"1h30m"`. A path begins at the folder of the file that was named by
            `--config`. An unknown key is an error. Every key has been there since 0.1.0, unless its meaning says otherwise.

            """);
        string? table = null;
        foreach (ConfigKey key in Keys())
        {
            if (table != Heading(key))
            {
                table = Heading(key);
                text.Append("\n## ").Append(table).Append("\n\n| key | type | default | what it may be | meaning |\n|---|---|---|---|---|\n");
            }
            (string usual, string meaning) = Text(key);
            text.Append($"| `{key.Name}` | {key.Type} | {Cell(usual)} | {Cell(key.Bounds)} | {Cell(meaning)} |\n");
        }
        return text.ToString();
    }

    /// <summary>For a terminal.</summary>
    public static string Plain()
    {
        var text = new StringBuilder();
        string? table = null;
        foreach (ConfigKey key in Keys())
        {
            if (table != Heading(key))
            {
                text.Append(table is null ? "" : "\n");
                table = Heading(key);
                text.Append(table).Append('\n');
            }
            (string usual, string meaning) = Text(key);
            text.Append($"  {key.Name}: {key.Type}{(key.Bounds.Length > 0 ? (key.Type == "one of" ? " " : ", ") + key.Bounds.Replace("`", "", StringComparison.Ordinal) : "")}; default: {usual}\n");
            text.Append(meaning.Length > 0 ? $"      {meaning}\n" : "");
        }
        return text.ToString();
    }

    /// <summary>The keys in the order in which the code reads them, a table's together.</summary>
    internal static IReadOnlyList<ConfigKey> Keys() => [.. ConfigReader.Record().Keys.GroupBy(static key => key.Table).SelectMany(static group => group)];

    private static string Heading(ConfigKey key) => key.Table.Length == 0 ? "At the top" : key.IsList ? $"[[{key.Table}]]" : $"[{key.Table}]";

    private static (string Default, string Meaning) Text(ConfigKey key)
    {
        if (key.Table == "limits" && LimitTable.Find(key.Name) is { } row)
        {
            string usual = row.Format(row.Get(new Limits()));
            return (row.Unit == LimitUnit.Count ? usual : $"\"{usual}\"", LimitTexts.All.GetValueOrDefault(row.Key) ?? "");
        }
        return KeyTexts.All.TryGetValue(key.Full, out (string, string) text) ? text : ("", "");
    }

    private static string Cell(string text) => text.Replace("|", "\\|", StringComparison.Ordinal);
}
