using System.Globalization;

namespace FastRelay.Config;

/// <summary>Reads the <c>[[site]]</c> tables.</summary>
internal static class SiteReader
{
    /// <summary>Entries of <c>rates</c> at most: each is looked at for every message.</summary>
    public const int RatesMax = 8;

    // Without any of them a row would say nothing.
    private static readonly string[] s_keys = ["rate", "rates", "sessions", "in_flight", "eight_bit", "tls"];

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
            (int messages, long windowMs) = Rate(table, "rate", "600/1m", SiteRate.CountMax);
            List<SiteRate> rates = Rates(table);
            int inFlight = RouteReader.InFlight(table);
            EightBitMode? eightBit = RouteReader.EightBit(table);
            DeliverTls? tls = Tls(table);
            if (s_keys.All(key => table.Node(key) is null))
            {
                owner.Error(table.Line, table.Key("rate"), "or rates or sessions must be given, as in rate = \"600/1m\", or in_flight, eight_bit or tls");
            }
            table.Finish();
            var site = new SiteConfig(match, sessions, messages, windowMs) { InFlight = inFlight, EightBit = eightBit, Tls = tls };
            all.Add(rates.Count > 0 ? site with { Rates = rates } : site);
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
            && ConfigText.TryParseDuration(text[(slash + 1)..], out long windowMs) && windowMs is >= 1_000 and <= SiteRate.WindowMsMax)
        {
            return (count, windowMs);
        }
        table.Error(table.Node(key)!, key, $"\"{text}\" is no rate: write a number and a window of 1s to 30d, as in \"{example}\" or \"10000/1d\"");
        return default;
    }

    private static DeliverTls? Tls(TableReader table)
    {
        if (table.Node("tls") is { Kind: NodeKind.Text, Text: "implicit" } node)
        {
            table.Error(node, "tls", "\"implicit\" is for a [[route]] to \"smtp:host:465\": the hosts that DNS names are called at one port, where they begin in clear; what is as strict is \"verified\"");
            return null;
        }
        int choice = table.Choice("tls", "none", "opportunistic", "required", "verified");
        return choice < 0 ? null : (DeliverTls)choice;
    }

    private static List<SiteRate> Rates(TableReader table)
    {
        const string example = "[\"100 messages/1m\", \"20 connections/10s\", \"50MiB/1h\"]";
        var rates = new List<SiteRate>();
        foreach (ConfigNode item in table.List("rates", example) ?? [])
        {
            if (rates.Count == RatesMax)
            {
                table.Error(item, "rates", $"there are more than {RatesMax}");
                break;
            }
            if (item.Kind == NodeKind.Text && SiteRate.Parse(item.Text) is { } rate)
            {
                rates.Add(rate);
            }
            else
            {
                table.Error(item, "rates", $"{item.Describe()} is no rate: write messages, connections or a size, and a window of 1s to 30d, as in {example}");
            }
        }
        return rates;
    }
}
