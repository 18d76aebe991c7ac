using FastRelay.Outside;

namespace FastRelay.Storm;

#pragma warning disable CA1001 // The poller holds nothing.
/// <summary>One machine, or one incarnation of it: a loop, links and jobs that all end when it dies.</summary>
public sealed class SimHost
{
    private readonly WaitOnly _poller;

    internal SimHost(SimUniverse universe, string name)
    {
        Universe = universe;
        Name = name;
        _poller = new WaitOnly();
        Loop = new Loop(universe.Time, _poller, universe.Random.Fork(name, universe.Trace));
        Network = new SimNetwork(this);
    }

    public SimUniverse Universe { get; }

    public string Name { get; }

    public Loop Loop { get; }

    public SimNetwork Network { get; }

    /// <summary>False after a crash: its events are dropped and its links are gone.</summary>
    public bool Alive { get; private set; } = true;

    /// <summary>How long its loop would sleep, as of its last turn.</summary>
    public long WaitNs => _poller.WaitNs;

    /// <summary>Plans an event of this host.</summary>
    public void After(long delayNs, Action run) => Universe.After(this, delayNs, run);

    /// <summary>Starts work on this host's loop. What it throws while the host lives is a failure of the whole run.</summary>
    public void Spawn(Func<ValueTask> work) => _ = RunAsync(work).AsTask();

    /// <summary>Builds the world that a relay on this host sees.</summary>
    public World World(SimDisk disk, Resolver resolver, Output output) => new(
        Universe.Time,
        Loop,
        disk,
        Network,
        resolver,
        new SimOffload(this),
        Universe.Random.Fork("world"),
        output);

    private async ValueTask RunAsync(Func<ValueTask> work)
    {
        try
        {
            await work();
        }
        catch (SimPowerCutException)
        {
            // The power went off under it.
        }
        catch (Exception e) when (Alive)
        {
            Universe.Fail(e);
        }
    }

    internal void Die()
    {
        if (Alive)
        {
            Alive = false;
            Network.Die();
        }
    }

    /// <summary>Tells the universe how long the loop would sleep, instead of sleeping.</summary>
    private sealed class WaitOnly : Poller
    {
        public long WaitNs { get; private set; } = long.MaxValue;

        public override void Poll(Loop loop, int timeoutMs) =>
            WaitNs = timeoutMs < 0 ? long.MaxValue : timeoutMs * 1_000_000L;

        public override void Wake() => WaitNs = 0;

        public override void Dispose()
        {
        }
    }
}
