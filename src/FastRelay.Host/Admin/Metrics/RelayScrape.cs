namespace FastRelay.Host.Admin;

/// <summary>What a page of /metrics is made of.</summary>
/// <param name="Reading">All figures.</param>
/// <param name="Sources">Each with a series for each outcome: they are few and the operator's own. Tenants have none, since whoever names them could make as many as he likes.</param>
/// <param name="Certificates">Ours, the first to end first.</param>
/// <param name="Sites">Those with the most to do. All of them would be as many series as there are hosts in the world that take mail.</param>
public sealed record RelayScrape(RelayReading Reading, IReadOnlyList<SourceView> Sources, IReadOnlyList<CertificateTerm> Certificates, IReadOnlyList<ExplainSite> Sites)
{
    /// <summary>Sites that have series: those with the most mail.</summary>
    public const int SitesMax = 20;
}
