using FastRelay.Host.Admin;

namespace FastRelay.Host.Commands;

/// <summary>What <c>queue top</c> saw at one moment; rates are what two of them differ by.</summary>
/// <param name="Status">Figures.</param>
/// <param name="Sites">The busiest first.</param>
/// <param name="Seconds">When, on a scale of this process.</param>
internal sealed record TopLook(StatusView Status, IReadOnlyList<ExplainSite> Sites, double Seconds)
{
    /// <summary>Looks.</summary>
    /// <exception cref="AdminClientException">Nobody answers.</exception>
    public static async Task<TopLook> TakeAsync(AdminClient client)
    {
        SiteList? sites = await client.GetAsync("/api/sites", AdminJson.Default.SiteList);
        StatusView? status = await client.GetAsync("/api/status", AdminJson.Default.StatusView);
        return status is null || sites is null
            ? throw new AdminClientException("the relay does not tell its sites: is it of another release?", unreachable: false)
            : new TopLook(status, sites.Sites, Environment.TickCount64 / 1000.0);
    }

    /// <summary>A figure; 0 for one that this release does not have.</summary>
    public long Of(string figure) => (long)Status.Figures.GetValueOrDefault(figure);

    /// <summary>What a figure grew by each second.</summary>
    public double Rate(TopLook before, string figure) => PerSecond(before, Of(figure) - before.Of(figure));

    /// <summary>Transactions each second in which a site took mail; 0 for one that was not seen before, whose count is of a longer time.</summary>
    public double Rate(TopLook before, ExplainSite site) =>
        before.Sites.FirstOrDefault(one => one.Name == site.Name) is { } known ? PerSecond(before, site.Taken - known.Taken) : 0;

    // A relay that was started anew counts from 0.
    private double PerSecond(TopLook before, long grown) => Seconds > before.Seconds ? Math.Max(0, grown) / (Seconds - before.Seconds) : 0;
}
