namespace FastRelay.Config;

/// <summary>Where a secret is: a file, or a variable of the environment, which stands in place of a path as <c>env:NAME</c>.</summary>
public static class SecretPlace
{
    private const string Environment = "env:";
    private const string Example = "RELAY_SECRET";

    /// <summary>The place of a variable.</summary>
    public static string OfVariable(string name) => Environment + name;

    /// <summary>The variable's name; null for a file.</summary>
    public static string? VariableOf(string place) => place.StartsWith(Environment, StringComparison.Ordinal) ? place[Environment.Length..] : null;

    /// <summary>Reads a secret's place from the two keys that may say it: <c>KEY_file</c> or <c>KEY_env</c>.</summary>
    /// <param name="table">Has them.</param>
    /// <param name="key">As in <c>password</c>.</param>
    /// <param name="file">What <c>KEY_file</c> says, resolved; null when it is not there.</param>
    /// <param name="owner">Remembers where it stands.</param>
    /// <returns>Null when neither is there, or they are wrong.</returns>
    internal static string? Read(TableReader table, string key, string? file, ConfigReader owner)
    {
        string variable = key + "_env";
        if (table.Text(variable, Example) is not { } name)
        {
            return file;
        }
        ConfigNode node = table.Node(variable)!;
        if (name.Length is 0 or > 255 || char.IsAsciiDigit(name[0]) || !name.All(static c => char.IsAsciiLetterOrDigit(c) || c == '_'))
        {
            table.Error(node, variable, $"{node.Describe()} is no name of a variable: letters, digits and _, as in \"{Example}\"");
        }
        else if (file is not null)
        {
            table.Error(node, variable, $"and {key}_file both say where it is: keep one of them");
        }
        return owner.Keep(table, variable, OfVariable(name));
    }
}
