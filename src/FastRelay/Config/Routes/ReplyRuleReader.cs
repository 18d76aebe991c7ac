using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace FastRelay.Config;

/// <summary>Reads the <c>[[reply_rule]]</c> tables.</summary>
internal static class ReplyRuleReader
{
    /// <summary>Rules of a configuration at most.</summary>
    public const int RulesMax = 200;

    /// <summary>Characters of a pattern at most.</summary>
    public const int PatternMax = 256;

    /// <summary>How often a character may be asked for by number, as in <c>\d{3}</c>; a group may not be.</summary>
    public const int RepeatMax = 20;

    private const int CountMax = 1_000_000;
    private const long LongestMs = 7 * 86_400_000L;

    /// <summary>The actions by their names, in the order of <see cref="ReplyAction"/>.</summary>
    private static readonly string[] s_actions = ["ignore", "slow", "backoff", "suspend", "pace"];

    /// <summary>The rules, in their order.</summary>
    /// <param name="root">The document.</param>
    /// <param name="error">Takes what is wrong: line, key, message.</param>
    /// <param name="compiles">False for patterns that are known to be good: each automaton costs time at the start and memory until it is used.</param>
    public static List<ReplyRuleConfig> Read(TableReader root, Action<int, string, string> error, bool compiles = true)
    {
        var all = new List<ReplyRuleConfig>();
        foreach (TableReader table in root.Tables("reply_rule") ?? [])
        {
            if (all.Count == RulesMax)
            {
                error(table.Line, "reply_rule", $"there are more than {RulesMax}");
                break;
            }
            all.Add(One(table, error, compiles));
        }
        return all;
    }

    /// <summary>
    /// The regular expression of a pattern: linear in the reply's length, whatever the pattern. The factor grows with the states of its
    /// automaton, and a group that is repeated by number multiplies them: <c>((a|b)(a|b|ab|ba)?){1,60}q</c> takes GiB and
    /// half a minute for one reply, on the loop. So <see cref="RepeatMax"/>, and no number behind a group.
    /// </summary>
    /// <exception cref="ArgumentException">It is none.</exception>
    /// <exception cref="NotSupportedException">It needs what has no bound (backreferences, lookarounds), or is too large.</exception>
    public static Regex Compile(string pattern) =>
        new(pattern, RegexOptions.NonBacktracking | RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture);

    /// <summary>Writes the rules as a configuration has them.</summary>
    public static void Write(StringBuilder text, IReadOnlyList<ReplyRuleConfig> rules, Func<string, string> quote)
    {
        foreach (ReplyRuleConfig rule in rules)
        {
            text.Append("\n[[reply_rule]]\n");
            if (rule.Site.Length > 0)
            {
                text.Append(CultureInfo.InvariantCulture, $"site = {quote(rule.Site)}\n");
            }
            text.Append(CultureInfo.InvariantCulture, $"match = {quote(rule.Match)}\n");
            if (rule.Count > 1)
            {
                text.Append(CultureInfo.InvariantCulture, $"after = {quote(SiteReader.Show(rule.Count, rule.WindowMs))}\n");
            }
            text.Append(CultureInfo.InvariantCulture, $"action = {quote(s_actions[(int)rule.Action])}\n");
            if (rule.Action != ReplyAction.Ignore)
            {
                text.Append(CultureInfo.InvariantCulture, $"for = {quote(ConfigText.FormatDuration(rule.ForMs))}\n");
            }
        }
    }

    private static ReplyRuleConfig One(TableReader table, Action<int, string, string> error, bool compiles)
    {
        string site = (table.Text("site", "google.com") ?? "").ToLowerInvariant();
        if (table.Node("site") is { Kind: NodeKind.Text } named && !RouteReader.IsHostName(site))
        {
            table.Error(named, "site", $"{named.Describe()} is no domain: a provider as explain names it, or the domain of the hosts; leave it out for every site");
        }
        string match = table.Text("match", "^421 4\\.7\\.") ?? "";
        if (table.Node("match") is not { } pattern)
        {
            error(table.Line, table.Key("match"), "is missing: a regular expression over code and text of a reply, as in '^421 4\\.7\\.0 '");
        }
        else if (pattern.Kind == NodeKind.Text && compiles && Problem(match) is { } problem)
        {
            table.Error(pattern, "match", problem);
        }
        (int count, long windowMs) = SiteReader.Rate(table, "after", "3/10m", CountMax) is { Count: > 0 } rate ? rate : (1, 0);
        int action = table.Choice("action", s_actions);
        if (table.Node("action") is null)
        {
            error(table.Line, table.Key("action"), "is missing: \"pace\", \"slow\", \"backoff\", \"suspend\", or \"ignore\"");
        }
        long forMs = table.Duration("for", 1_000, LongestMs) ?? 0;
        if ((action == (int)ReplyAction.Ignore) != (table.Node("for") is null))
        {
            error(table.Line, table.Key("for"), action == (int)ReplyAction.Ignore ? "is not for \"ignore\", which does nothing" : "is missing: how long it lasts, as in for = \"1h\"");
        }
        table.Finish();
        return new ReplyRuleConfig(site, match, count, count == 1 ? 0 : windowMs, (ReplyAction)Math.Max(0, action), forMs);
    }

    private static string? Problem(string pattern)
    {
        if (pattern.Length is 0 or > PatternMax)
        {
            return $"must be 1 to {PatternMax} characters";
        }
        try
        {
            Compile(pattern);
            return Costs(pattern);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            return $"is no regular expression that can be used here: {e.Message}";
        }
    }

    // The pattern is known to be one: a brace that is neither escaped nor in a class begins a repetition when a number follows. The engine's own
    // bound (REGEX_NONBACKTRACKING_MAX_AUTOMATA_SIZE) cannot do this: at 300 it refuses three of ProviderRules, and lets (...){1,30} take 2 GiB.
    private static string? Costs(string pattern)
    {
        bool inClass = false;
        bool behindGroup = false;
        for (int i = 0; i < pattern.Length; i++)
        {
            bool ofGroup = behindGroup;
            behindGroup = pattern[i] == ')' && !inClass;
            switch (pattern[i])
            {
                case '\\':
                    i++;
                    break;
                case '[' when !inClass:
                    inClass = true;
                    // A bracket that closes stands for itself where it comes first.
                    i += pattern.AsSpan(i + 1).StartsWith("^]") ? 2 : pattern.AsSpan(i + 1).StartsWith("]") ? 1 : 0;
                    break;
                case ']':
                    inClass = false;
                    break;
                case '{' when !inClass && i + 1 < pattern.Length && char.IsAsciiDigit(pattern[i + 1]):
                    if (ofGroup || pattern[(i + 1)..].Split('}')[0].Split(',').Any(static bound => int.TryParse(bound, NumberStyles.None, CultureInfo.InvariantCulture, out int times) && times > RepeatMax))
                    {
                        return $"repeats a group by number, or a character more than {RepeatMax} times: that could take seconds for a reply; write * or + behind a group";
                    }
                    break;
                case '(' when !inClass && pattern.AsSpan(i + 1) is ['?', (>= 'a' and <= 'z') or '-', ..]:
                    // Of them x would hide what is repeated behind white space.
                    return "has options of its own, as in (?i): case does not count anyway";
            }
        }
        return null;
    }
}
