namespace FastRelay.Config;

/// <summary>Reads the <c>[[route]]</c> tables.</summary>
internal static class RouteReader
{
    /// <summary>The route table, in its order.</summary>
    public static List<RouteConfig> Read(TableReader root, RelayConfig config, ConfigReader owner)
    {
        var all = new List<RouteConfig>();
        foreach (TableReader table in root.Tables("route") ?? [])
        {
            string domain = (table.Text("domain", "example.com") ?? "").ToLowerInvariant();
            if (table.Node("domain") is not { } node)
            {
                owner.Error(table.Line, table.Key("domain"), "is missing: \"example.com\", \".example.com\" for what is below it, or \"*\"");
            }
            else if (node.Kind == NodeKind.Text && domain != "*" && !IsHostName(domain.StartsWith('.') ? domain[1..] : domain))
            {
                table.Error(node, "domain", $"{node.Describe()} is no domain: write \"example.com\", \".example.com\" for what is below it, or \"*\"");
            }
            else if (all.Find(r => r.Domain == domain || r.Domain == "*") is { } earlier)
            {
                owner.Warn(table.Line, table.Key("domain"), $"never matches: the route for \"{earlier.Domain}\" stands before it, and the first match wins");
            }
            string? to = table.Text("to", "smtp:[192.0.2.1]:25");
            if (to is null && table.Node("to") is null)
            {
                owner.Error(table.Line, table.Key("to"), "is missing, as in to = \"smtp:[192.0.2.1]:25\"");
            }
            if (to is not null && Judge(to, owner.CheckTarget) is { } problem)
            {
                table.Error(table.Node("to")!, "to", problem);
            }
            DeliverTls tls = ConfigReader.TlsOf(table, config.Deliver.Tls);
            table.Later("sender");
            table.Later("tenant");
            table.Finish();
            all.Add(new RouteConfig(domain, to ?? "", tls));
        }
        return all;
    }

    private static string? Judge(string to, TargetCheck check)
    {
        foreach (string later in (ReadOnlySpan<string>)["lmtp:", "maildir:", "mbox:", "pipe:"])
        {
            if (to.StartsWith(later, StringComparison.Ordinal))
            {
                return $"\"{later}\" is not available yet in this release";
            }
        }
        return check(to);
    }

    /// <summary>Labels of 1 to 63 letters, digits, hyphens and underscores, 253 characters in all; lower case.</summary>
    public static bool IsHostName(string name) =>
        name.Length is > 0 and <= 253 && name.Split('.').All(label =>
            label.Length is > 0 and <= 63 && !label.StartsWith('-') && !label.EndsWith('-')
            && label.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_'));
}
