using FastRelay.Config;
using FastRelay.Routing;

namespace FastRelay.Queue;

/// <summary>Somebody whose mail takes turns with that of others. It holds its own destinations, so that its backlog is nobody else's.</summary>
public sealed class Tenant
{
    private readonly Dictionary<string, Destination> _byDomain = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Destination>.AlternateLookup<ReadOnlySpan<char>> _lookup;
    private readonly Dictionary<Route, Destination> _byRoute = [];

    internal Tenant(string name, int number)
    {
        Name = name;
        Number = number;
        Utf8Name = System.Text.Encoding.Latin1.GetBytes(name);
        _lookup = _byDomain.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    /// <summary>Its name; empty for the default tenant, whose mail names none.</summary>
    public string Name { get; }

    /// <summary>Its messages in each round over the tenants of a site, 1 or more.</summary>
    public int Weight { get; private set; } = 1;

    /// <summary>Most of its messages under way at one site; 0 for no bound.</summary>
    public int Sessions { get; private set; }

    /// <summary>Where its mail leaves from, by name; empty where that is nothing of its own.</summary>
    public string Source { get; private set; } = "";

    /// <summary>Its senders get no reports by mail: who reads the event stream is told of what fails.</summary>
    public bool TellsByEvent { get; private set; }

    /// <summary>Entries of its destinations, in all states: messages, each once for each destination.</summary>
    public long Entries { get; internal set; }

    /// <summary>Deliveries of it under way.</summary>
    public long InFlight { get; internal set; }

    internal byte[] Utf8Name { get; }

    internal int Number { get; }

    /// <summary>Until when it gets nothing, on the loop's scale; <see cref="long.MaxValue"/> until the operator resumes it, 0 when it is not suspended.</summary>
    internal long SuspendedUntilMs { get; set; }

    internal bool IsSuspended => SuspendedUntilMs > 0;

    /// <summary>Why it gets nothing; empty when it is not suspended.</summary>
    internal string SuspendReason => IsSuspended ? $"the operator has suspended \"{Suspensions.TenantPrefix}{Name}\"" : "";

    /// <summary>Destinations that are its own, also those that get no new mail.</summary>
    internal int Destinations { get; set; }

    internal void Set(TenantConfig? config, QueueOptions options)
    {
        TellsByEvent = (config?.Bounce ?? options.Bounce) == BounceNotice.Event;
        Weight = Math.Clamp(config?.Weight ?? 1, 1, TenantReader.WeightMax);
        Sessions = config?.Sessions ?? 0;
        Source = config?.Source ?? "";
    }

    internal bool TryFind(ReadOnlySpan<char> domain, out Destination? destination) => _lookup.TryGetValue(domain, out destination);

    internal bool TryFind(Route route, out Destination? destination) => _byRoute.TryGetValue(route, out destination);

    internal void Add(Destination destination)
    {
        if (destination.Origin.NextHop.Kind == NextHopKind.Mx)
        {
            _byDomain.Add(destination.Origin.Domain, destination);
        }
        else
        {
            _byRoute.Add(destination.Origin, destination);
        }
    }

    internal void Remove(Destination destination)
    {
        if (destination.Origin.NextHop.Kind == NextHopKind.Mx)
        {
            _byDomain.Remove(destination.Origin.Domain);
        }
        else
        {
            _byRoute.Remove(destination.Origin);
        }
    }
}
