namespace FastRelay.Config;

/// <summary>One thing that is wrong in a configuration, or that an operator should know.</summary>
/// <param name="File">The file as it was named.</param>
/// <param name="Line">From 1; 0 when it concerns the file as a whole.</param>
/// <param name="Key">The key with its tables, as in <c>limits.idle_timeout</c>; empty for syntax errors.</param>
/// <param name="Message">What is wrong and what would be right.</param>
public sealed record ConfigError(string File, int Line, string Key, string Message)
{
    /// <summary><c>file:line: key: message</c>, the form that editors jump to.</summary>
    public override string ToString() =>
        $"{File}{(Line > 0 ? $":{Line}" : "")}: {(Key.Length > 0 ? Key + ": " : "")}{Message}";
}

/// <summary>What reading a configuration came to.</summary>
/// <param name="Config">Null when there is any error.</param>
/// <param name="Errors">All of them, by line.</param>
/// <param name="Warnings">Allowed, and worth a second look: an open relay, an admin address that others reach.</param>
public sealed record ConfigResult(RelayConfig? Config, IReadOnlyList<ConfigError> Errors, IReadOnlyList<ConfigError> Warnings);
