using System.Globalization;
using System.Text.RegularExpressions;
using FastRelay.Config;

namespace FastRelay.Queue;

/// <summary>
/// Finds the rule that a failing reply meets and counts it. Only failing replies are looked at, and a pattern is
/// compiled when the first reply of a site that it is for comes: mail that is taken costs nothing.
/// </summary>
/// <param name="rules">In their order.</param>
internal sealed class ReplyRules(IReadOnlyList<ReplyRuleConfig> rules)
{
    private readonly Regex?[] _patterns = new Regex?[rules.Count];
    private readonly char[] _reply = new char[Limits.ReplyTextBytes + "421 ".Length];

    /// <summary>
    /// These rules after a reload: what is the same stays compiled, as a pattern takes up to 3 MB and 16 ms of the
    /// loop to compile; and rules that are all the same go on counting.
    /// </summary>
    public ReplyRules With(IReadOnlyList<ReplyRuleConfig> others)
    {
        if (others.SequenceEqual(rules))
        {
            return this;
        }
        var changed = new ReplyRules(others);
        for (int i = 0; i < rules.Count; i++)
        {
            if (_patterns[i] is not { } pattern)
            {
                continue;
            }
            for (int at = 0; at < others.Count; at++)
            {
                if (others[at].Match == rules[i].Match)
                {
                    changed._patterns[at] = pattern;
                }
            }
        }
        return changed;
    }

    /// <summary>The rule that the reply sets off; null when none matches, or the one that does has not seen enough of them.</summary>
    /// <param name="site">Whose host replied.</param>
    /// <param name="code">The reply's code.</param>
    /// <param name="text">Its text, from the enhanced code on.</param>
    /// <param name="nowMs">The loop's time.</param>
    public ReplyRuleConfig? SetOff(Site site, int code, ReadOnlySpan<byte> text, long nowMs)
    {
        if (rules.Count == 0 || code is < 400 or > 599)
        {
            return null;
        }
        ReadOnlySpan<char> reply = default;
        for (int i = 0; i < rules.Count; i++)
        {
            ReplyRuleConfig rule = rules[i];
            if (rule.Site.Length > 0 && !site.Plan.IsAt(rule.Site))
            {
                continue;
            }
            if (reply.IsEmpty)
            {
                reply = Render(code, text);
            }
            if ((_patterns[i] ??= ReplyRuleReader.Compile(rule.Match)).IsMatch(reply))
            {
                return rule.Action != ReplyAction.Ignore && IsEnough(site.Budget, i, rule, nowMs) ? rule : null;
            }
        }
        return null;
    }

    // The window begins with its first reply; one that is over is begun anew.
    private bool IsEnough(SiteBudget budget, int index, ReplyRuleConfig rule, long nowMs)
    {
        if (rule.Count == 1)
        {
            return true;
        }
        if (budget.RuleCountsOf != this)
        {
            (budget.RuleCountsOf, budget.RuleCounts) = (this, null);
        }
        budget.RuleCounts ??= [];
        (long since, int count) = budget.RuleCounts.GetValueOrDefault(index);
        (since, count) = count == 0 || nowMs - since >= rule.WindowMs ? (nowMs, 1) : (since, count + 1);
        budget.RuleCounts[index] = count < rule.Count ? (since, count) : default;
        return count == rule.Count;
    }

    private ReadOnlySpan<char> Render(int code, ReadOnlySpan<byte> text)
    {
        code.TryFormat(_reply, out int at, provider: CultureInfo.InvariantCulture);
        _reply[at++] = ' ';
        text = text[..Math.Min(text.Length, Limits.ReplyTextBytes)];
        foreach (byte octet in text)
        {
            _reply[at++] = (char)octet;
        }
        return _reply.AsSpan(0, at);
    }
}
