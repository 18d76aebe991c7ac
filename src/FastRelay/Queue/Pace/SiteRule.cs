using FastRelay.Routing;

namespace FastRelay.Queue;

/// <summary>What the operator allows for sites: one <c>[[site]]</c>. The first rule that matches a site is its rule.</summary>
/// <param name="Match">Lower case: a provider that this program knows, as in <c>google.com</c>, or a domain that one of the site's hosts is or is below.</param>
/// <param name="Sessions">Connections to it at most; 0 leaves it to <see cref="Limits.SendSessionsPerSite"/>.</param>
/// <param name="Messages">Messages that may be begun in any <paramref name="WindowMs"/>; 0 for as many as it takes.</param>
/// <param name="WindowMs">The window, ms.</param>
public sealed record SiteRule(string Match, int Sessions, int Messages, long WindowMs)
{
    /// <summary>True when a site of this plan is meant.</summary>
    public bool Matches(Plan plan) =>
        plan.Provider == Match || plan.Hosts.Any(host => host.Name.EndsWith(Match, StringComparison.Ordinal)
            && (host.Name.Length == Match.Length || host.Name[host.Name.Length - Match.Length - 1] == '.'));
}
