using FastRelay.Config;
using FastRelay.Routing;

namespace FastRelay.Queue;

/// <summary>Which sources mail may leave from. Read-only once made; a change of the configuration makes another.</summary>
internal sealed class SourceTable
{
    private readonly Dictionary<string, EgressSource[]> _pools = new(StringComparer.Ordinal);
    private readonly string _usual;

    /// <param name="options">The sources, the pools and what names them.</param>
    /// <param name="before">The table until now; null for the first.</param>
    public SourceTable(QueueOptions options, SourceTable? before = null)
    {
        _usual = options.Source;
        foreach (SourceConfig source in options.Sources)
        {
            EgressSource? known = before?.Find(source.Name);
            _pools.Add(source.Name, [known?.Config == source ? known : new EgressSource(source, known)]);
        }
        All = [.. options.Sources.Select(source => _pools[source.Name][0])];
        foreach (PoolConfig pool in options.Pools)
        {
            _pools.Add(pool.Name, [.. pool.Sources.Select(name => _pools[name][0])]);
        }
    }

    /// <summary>Every source, in the order of the configuration.</summary>
    public IReadOnlyList<EgressSource> All { get; }

    /// <summary>The sources of a route's mail of a tenant: what the route names, else the tenant, else everybody. Null where nobody names any.</summary>
    public EgressSource[]? Of(Route route, Tenant tenant)
    {
        string name = route.Source.Length > 0 ? route.Source : tenant.Source.Length > 0 ? tenant.Source : _usual;
        return name.Length > 0 ? _pools.GetValueOrDefault(name) : null;
    }

    /// <summary>The source of a name, as it is now; null when it is gone.</summary>
    public EgressSource? Find(string name) => _pools.GetValueOrDefault(name) is [{ } one] && one.Name == name ? one : null;
}
