using System.Net;
using FastRelay.Config;

namespace FastRelay.Routing;

/// <summary>What the configuration says about routing.</summary>
public sealed record RouterOptions
{
    /// <summary>The route table; the first row that matches a recipient's domain wins, MX delivery when none does.</summary>
    public IReadOnlyList<RouteRule> Rules { get; init; } = [];

    /// <summary>The table of <see cref="Rules"/> where it was made already: thousands of rows take their time, which the loop has not. Null when it was not.</summary>
    public RouteTable? Table { get; init; }

    /// <summary>Remote port of MX delivery and of routes that name none.</summary>
    public int RemotePort { get; init; } = 25;

    /// <summary>
    /// True lets DNS lead to private, loopback and link-local addresses. Next hops that the operator names in a route
    /// are always allowed.
    /// </summary>
    public bool AllowPrivate { get; init; }

    /// <summary>Which addresses of hosts that DNS gives are tried, and in which order.</summary>
    public DeliverFamilies Families { get; init; }

    /// <summary>What MX deliveries ask of TLS when no row says otherwise.</summary>
    public TlsPolicy Tls { get; init; } = TlsPolicy.Opportunistic;

    /// <summary>What the operator says of sites, in order: the first that matches a plan's hosts may ask something else of TLS.</summary>
    public IReadOnlyList<SiteConfig> Sites { get; init; } = [];

    /// <summary>Providers before those that are known, each with the domains that its hosts are or are below; lower case, first match wins.</summary>
    public IReadOnlyList<(string Suffix, string Provider)> Providers { get; init; } = [];

    /// <summary>Names of this relay, what EHLO says from its sources too: an MX host of that name is ourselves (RFC 5321 5.1). Any case.</summary>
    public IReadOnlyList<string> OwnNames { get; init; } = [];

    /// <summary>Where this relay listens; an address may be <c>0.0.0.0</c> or <c>::</c>.</summary>
    public IReadOnlyList<IPEndPoint> Listening { get; init; } = [];

    /// <summary>True when other options make the same plans of the same routes.</summary>
    internal bool PlansAs(RouterOptions other) =>
        (this with { Rules = other.Rules, Table = other.Table, Sites = other.Sites, Providers = other.Providers, OwnNames = other.OwnNames, Listening = other.Listening }) == other
        && Sites.Select(static site => (site.Match, site.Tls)).SequenceEqual(other.Sites.Select(static site => (site.Match, site.Tls)))
        && Providers.SequenceEqual(other.Providers)
        && OwnNames.SequenceEqual(other.OwnNames)
        && Listening.SequenceEqual(other.Listening);
}
