using FastRelay.Config;

namespace FastRelay.Routing;

/// <summary>What a delivery asks of TLS (RFC 3207); a later one is stricter.</summary>
public enum TlsPolicy : byte
{
    /// <summary>STARTTLS is never used.</summary>
    None,

    /// <summary>Used when offered, never verified; a failed handshake is redialled in clear.</summary>
    Opportunistic,

    /// <summary>Must be used, not verified; without it the delivery is deferred.</summary>
    Required,

    /// <summary>Must be used, with a certificate that verifies for the host's name; otherwise deferred.</summary>
    Verified,

    /// <summary>As <see cref="Verified"/>, from the first octet (RFC 8314 3.3), usually on port 465.</summary>
    Implicit,
}

/// <summary>What a <c>[[site]]</c> asks of TLS at the hosts of a plan.</summary>
/// <param name="Tls">What.</param>
/// <param name="Rule">Its <c>match</c>.</param>
public sealed record SiteTls(TlsPolicy Tls, string Rule)
{
    /// <summary>A policy in the words of the configuration.</summary>
    public static TlsPolicy Of(DeliverTls word) => word switch
    {
        DeliverTls.None => TlsPolicy.None,
        DeliverTls.Required => TlsPolicy.Required,
        DeliverTls.Verified => TlsPolicy.Verified,
        DeliverTls.Implicit => TlsPolicy.Implicit,
        _ => TlsPolicy.Opportunistic,
    };

    /// <summary>
    /// The word of the first rule that matches, in place of what holds where no row says. What a row of the route table says by
    /// itself the rule makes stricter and not less: rows go by the recipient's domain, rules by what DNS says (docs/decisions/0031).
    /// </summary>
    /// <param name="route">Leads to the hosts.</param>
    /// <param name="hosts">All that DNS or the route names, those without an address just now too.</param>
    /// <param name="provider">Who runs all of them; null when that is not known.</param>
    /// <param name="rules">In order; those without a word count as well.</param>
    /// <returns>Null where no rule has the say.</returns>
    internal static SiteTls? Of(Route route, ReadOnlySpan<PlanHost> hosts, string? provider, IReadOnlyList<SiteConfig> rules)
    {
        foreach (SiteConfig rule in rules)
        {
            bool isAt = rule.Match == provider;
            for (int i = 0; i < hosts.Length && !isAt; i++)
            {
                isAt = DomainNames.IsWithin(hosts[i].Name, rule.Match);
            }
            if (isAt)
            {
                return rule.Tls is { } word && Of(word) is var tls && !(route.OwnTls && route.Tls > tls) ? new SiteTls(tls, rule.Match) : null;
            }
        }
        return null;
    }
}
