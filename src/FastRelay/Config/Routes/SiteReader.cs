using System.Globalization;

namespace FastRelay.Config;

/// <summary>Reads the <c>[[site]]</c> tables.</summary>
internal static class SiteReader
{
    /// <summary>Most messages of a window.</summary>
    public const int MessagesMax = 100_000_000;

    /// <summary>The longest window, ms: 30 days.</summary>
    public const long WindowMsMax = 30 * 86_400_000L;

    /// <summary>The rules, in their order.</summary>
    public static List<SiteConfig> Read(TableReader root, ConfigReader owner)
    {
        var all = new List<SiteConfig>();
        foreach (TableReader table in root.Tables("site") ?? [])
        {
            string match = (table.Text("match", "google.com") ?? "").ToLowerInvariant();
            if (table.Node("match") is not { } node)
            {
                owner.Error(table.Line, table.Key("match"), "is missing: a provider as explain names it, or the domain of the hosts, as in \"google.com\"");
            }
            else if (node.Kind == NodeKind.Text && !RouteReader.IsHostName(match))
            {
                table.Error(node, "match", $"{node.Describe()} is no domain");
            }
            else if (all.Find(earlier => match == earlier.Match || match.EndsWith("." + earlier.Match, StringComparison.Ordinal)) is { } wider)
            {
                owner.Warn(table.Line, table.Key("match"), $"never matches: \"{wider.Match}\" stands before it, and the first match wins");
            }
            int sessions = (int)(table.Integer("sessions", 1, 1_000_000) ?? 0);
            (int messages, long windowMs) = Rate(table, "rate", "600/1m", MessagesMax);
            int inFlight = RouteReader.InFlight(table);
            if (sessions == 0 && messages == 0 && table.Node("rate") is null && table.Node("sessions") is null && table.Node("in_flight") is null)
            {
                owner.Error(table.Line, table.Key("rate"), "or sessions must be given, as in rate = \"600/1m\", or in_flight");
            }
            table.Finish();
            all.Add(new SiteConfig(match, sessions, messages, windowMs) { InFlight = inFlight });
        }
        return all;
    }

    /// <summary>A rate as the configuration writes it.</summary>
    public static string Show(int messages, long windowMs) => string.Create(CultureInfo.InvariantCulture, $"{messages}/{ConfigText.FormatDuration(windowMs)}");

    /// <summary>A count and its window; zeros when the key is absent or wrong.</summary>
    public static (int Count, long WindowMs) Rate(TableReader table, string key, string example, int most)
    {
        if (table.Text(key, example) is not { } text)
        {
            return default;
        }
        int slash = text.IndexOf('/', StringComparison.Ordinal);
        if (slash > 0
            && int.TryParse(text.AsSpan(0, slash), NumberStyles.None, CultureInfo.InvariantCulture, out int count) && count > 0 && count <= most
            && ConfigText.TryParseDuration(text[(slash + 1)..], out long windowMs) && windowMs is >= 1_000 and <= WindowMsMax)
        {
            return (count, windowMs);
        }
        table.Error(table.Node(key)!, key, $"\"{text}\" is no rate: write a number and a window of 1s to 30d, as in \"{example}\" or \"10000/1d\"");
        return default;
    }
}
