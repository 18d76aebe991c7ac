namespace FastRelay.Host.Admin;

/// <summary>A tenant that has mail, or had some lately.</summary>
/// <param name="Name">Its name; empty for the default one.</param>
/// <param name="Queued">Its mail in all states: messages, each once for each destination.</param>
/// <param name="InFlight">Deliveries of it under way.</param>
/// <param name="Weight">Its messages in each round over the tenants of a site.</param>
/// <param name="Sessions">Most of its messages under way at one site; null for no bound.</param>
/// <param name="Suspended">The operator has suspended it.</param>
/// <param name="Until">When that ends, UTC; null when it is resumed, or is not suspended.</param>
public sealed record TenantView(string Name, long Queued, long InFlight, int Weight, int? Sessions, bool Suspended, DateTimeOffset? Until);

/// <summary>Tenants, those with the most mail first.</summary>
/// <param name="Tenants">At most 50.</param>
public sealed record TenantList(IReadOnlyList<TenantView> Tenants);
