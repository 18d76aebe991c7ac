namespace FastRelay.Config;

/// <summary>One <c>[[tenant]]</c>. Tenants without one have weight 1 and no bound of their own.</summary>
/// <param name="Name">As <see cref="TenantName"/> wants it; empty for the default tenant.</param>
/// <param name="Weight">Its messages in each round over the tenants of a site: 1 to <see cref="TenantReader.WeightMax"/>.</param>
/// <param name="Sessions">Most of its messages under way at one site, and so most of the site's sessions; 0 for no bound.</param>
public sealed record TenantConfig(string Name, int Weight, int Sessions)
{
    /// <summary>The source or pool that its mail leaves from; empty for that of <c>[deliver]</c>.</summary>
    public string Source { get; init; } = "";

    /// <summary>How urgent its mail is where neither the client's row nor its listener says so; null for normal.</summary>
    public MailPriority? Priority { get; init; }

    /// <summary>How failures of its mail are told; null for what <c>[queue]</c> says.</summary>
    public BounceNotice? Bounce { get; init; }

    /// <summary>Bounces and warnings of its mail begun in any minute; 0 for no rate of its own.</summary>
    public int BouncesPerMinute { get; init; }
}
