namespace FastRelay.Outside;

/// <summary>
/// Everything that can surprise us. Production builds one from <c>Outside/Linux</c>; the simulator builds one from a
/// seed. Nothing below <c>Relay.cs</c> reaches the outside by another door.
/// </summary>
/// <param name="Time">Wall clock (headers, stored due times) and monotonic timestamps.</param>
/// <param name="Loop">The run queue and timers of the owning thread.</param>
/// <param name="Disk">Files, maps and the threads that may block on them.</param>
/// <param name="Network">Listeners and outgoing connections.</param>
/// <param name="Resolver">Uncached DNS queries; the cache is Routing's.</param>
/// <param name="Offload">A bounded pool for CPU-heavy jobs.</param>
/// <param name="Random">Jitter and MX spreading; seeded in the simulator.</param>
/// <param name="Output">Where log lines go; never blocks.</param>
public sealed record World(
    TimeProvider Time,
    Loop Loop,
    Disk Disk,
    Network Network,
    Resolver Resolver,
    Offload Offload,
    Random Random,
    Output Output);
