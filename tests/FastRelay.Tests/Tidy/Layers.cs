namespace FastRelay.Tests.Tidy;

/// <summary>Who may use whom: one line a folder.</summary>
internal static class Layers
{
    // Assertions and bounds: used by everyone. Smtp takes its bounds as arguments, so that it can be tested alone.
    private static readonly string[] s_everyone = ["Check", "Limits", "NativeArray"];

    // Settings and what is said to the operator: used by every stage.
    private static readonly string[] s_stages = ["Check", "Limits", "NativeArray", "Config", "Observe"];

    private static readonly Dictionary<string, string[]> s_mayUse = new()
    {
        ["Check"] = [],
        ["Limits"] = ["Check"],
        ["NativeArray"] = ["Check"],
        ["Smtp"] = ["Check"],
        ["Outside"] = s_everyone,
        ["Outside.Linux"] = [.. s_everyone, "Outside"],
        ["Observe"] = [.. s_everyone, "Smtp", "Outside"],
        ["Config"] = [.. s_everyone, "Smtp", "Outside"],
        ["Journal"] = [.. s_stages, "Outside"],
        ["Routing"] = [.. s_stages, "Smtp", "Outside"],
        ["Queue"] = [.. s_stages, "Journal", "Routing", "Smtp", "Outside"],
        ["Sign"] = [.. s_stages, "Smtp", "Outside"],
        ["Receive"] = [.. s_stages, "Smtp", "Sign", "Journal", "Queue", "Outside"],
        ["Deliver"] = [.. s_stages, "Smtp", "Routing", "Queue", "Journal", "Outside"],
        ["Bounce"] = [.. s_stages, "Smtp", "Sign", "Journal", "Queue", "Outside"],
        ["Relay"] = [.. s_stages, "Smtp", "Sign", "Journal", "Routing", "Queue", "Receive", "Deliver", "Bounce", "Outside"],
        ["Load"] = [.. s_everyone, "Smtp", "Outside", "Outside.Linux"],
        ["Host.Admin"] = [.. s_stages, "Smtp", "Outside", "Queue", "Journal", "Routing", "Deliver", "Relay", "Host"],
    };

    /// <summary>Every folder that has a line in the table.</summary>
    public static IEnumerable<string> All => s_mayUse.Keys;

    /// <summary>The host's own files and commands put everything together.</summary>
    public static bool MayUse(string layer, string used)
        => layer == used || layer.StartsWith("Host", StringComparison.Ordinal) && layer != "Host.Admin" || s_mayUse[layer].Contains(used);

    /// <summary>The layer of a file by its folder; null for one that the table does not know.</summary>
    public static string? Of(string path)
    {
        string[] parts = path.Split('/');
        string project = parts[1];
        string folder = parts.Length > 3 ? parts[2] : "";
        string? layer = (project, folder) switch
        {
            ("FastRelay.Core", "") => Path.GetFileNameWithoutExtension(path),
            ("FastRelay.Core", "Outside") => parts is [_, _, _, "Linux", ..] ? "Outside.Linux" : "Outside",
            ("FastRelay", "") => "Relay",
            ("FastRelay.Load", _) => "Load",
            ("FastRelay.Host", "") => "Host",
            ("FastRelay.Host", _) => $"Host.{folder}",
            _ => folder,
        };
        return layer.StartsWith("Host", StringComparison.Ordinal) || s_mayUse.ContainsKey(layer) ? layer : null;
    }

    /// <summary>The namespace that a layer's files declare. Folders inside a layer are shelves and not namespaces.</summary>
    public static string Namespace(string layer) => layer switch
    {
        "Check" or "Limits" or "NativeArray" or "Relay" => "FastRelay",
        _ => $"FastRelay.{layer}",
    };
}
