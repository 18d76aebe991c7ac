namespace FastRelay.Config;

/// <summary>What a reply does to its site, beyond what it does to the message.</summary>
public enum ReplyAction : byte
{
    /// <summary>Nothing: a rule that stands before another and takes its replies away.</summary>
    Ignore,

    /// <summary>Half of the sessions that it may have now, for the rule's time.</summary>
    Slow,

    /// <summary>No delivery for the rule's time, then one session until the site has taken something.</summary>
    Backoff,

    /// <summary>No delivery for the rule's time.</summary>
    Suspend,

    /// <summary>A rate is learned for the site, and forgotten when no such reply has come for the rule's time.</summary>
    Pace,
}

/// <summary>One <c>[[reply_rule]]</c>. The first whose site and text match a failing reply counts it.</summary>
/// <param name="Site">Lower case: a provider, or a domain that a host of the site is or is below; empty for every site.</param>
/// <param name="Match">A regular expression, any case, over <c>code text</c> as in <c>421 4.7.28 too fast</c>.</param>
/// <param name="Count">Replies in <paramref name="WindowMs"/> that it takes; 1 at the first.</param>
/// <param name="WindowMs">The window, ms, which begins with the first reply; 0 when <paramref name="Count"/> is 1.</param>
/// <param name="Action">What is done.</param>
/// <param name="ForMs">For how long, ms; 0 for <see cref="ReplyAction.Ignore"/>.</param>
public sealed record ReplyRuleConfig(string Site, string Match, int Count, long WindowMs, ReplyAction Action, long ForMs);
