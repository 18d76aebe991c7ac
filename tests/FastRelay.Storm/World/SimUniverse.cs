using System.Globalization;

namespace FastRelay.Storm;

/// <summary>
/// Everything of one simulation: virtual time, the heap of future events, the hosts with their loops, the wire between
/// them, the trace and the fault counts. One seed decides all of it. Single-threaded.
/// </summary>
public sealed class SimUniverse
{
    [ThreadStatic]
    private static SimUniverse? s_current;

    private readonly PriorityQueue<SimEvent, (long Ns, uint Shuffle, long Sequence)> _events = new();
    private readonly SimRandom _order;
    private readonly List<SimHost> _hosts = [];
    private long _sequence;

    static SimUniverse() => Check.OnFatal = static message =>
    {
        // What stops the process in production ends the run here, with the seed.
        var fatal = new StormException(message);
        s_current?.Fail(fatal);
        throw fatal;
    };

    public SimUniverse(ulong seed)
    {
        s_current = this;
        // Continuations that are captured by a context would leave the loops.
        SynchronizationContext.SetSynchronizationContext(null);
        Seed = seed;
        Random = new SimRandom(seed);
        _order = Random.Fork("order");
        Faults = new SimFaults();
        Wire = new SimWire(this, Random.Fork("wire"));
        if (Environment.GetEnvironmentVariable("STORM_TRACE") is { Length: > 0 })
        {
            Trace.Keep = [];
        }
    }

    public ulong Seed { get; }

    public SimTime Time { get; } = new();

    public SimTrace Trace { get; } = new();

    /// <summary>Root of all chance; fork it.</summary>
    public SimRandom Random { get; }

    public SimFaults Faults { get; }

    public SimWire Wire { get; }

    public IReadOnlyList<SimHost> Hosts => _hosts;

    /// <summary>Steps made.</summary>
    public long Steps { get; private set; }

    /// <summary>Events that wait, of live and of dead hosts.</summary>
    public int PendingEvents => _events.Count;

    /// <summary>The first thing that went wrong; the run ends with it.</summary>
    public Exception? Failure { get; private set; }

    /// <summary>Ends the run at the end of the step.</summary>
    public void Fail(Exception failure) => Failure ??= failure;

    /// <summary>Ends the run when a condition that must hold does not.</summary>
    public void Require(bool condition, string broken)
    {
        if (!condition)
        {
            Fail(new StormException(broken));
        }
    }

    /// <summary>Throws what went wrong, with the seed.</summary>
    public void ThrowIfFailed()
    {
        if (Failure is not null)
        {
            WriteTrace();
            throw new StormException($"{Failure.Message} ({this})", Failure);
        }
    }

    /// <summary>Adds a host: a machine with its own loop.</summary>
    public SimHost AddHost(string name)
    {
        var host = new SimHost(this, name);
        _hosts.Add(host);
        return host;
    }

    /// <summary>Forgets a host that died.</summary>
    public void RemoveHost(SimHost host)
    {
        host.Die();
        _hosts.Remove(host);
    }

    /// <summary>Plans an event; it is dropped when its host is dead by then.</summary>
    public void After(SimHost? host, long delayNs, Action run) =>
        _events.Enqueue(
            new SimEvent(host, run),
            (Time.NowNs + Math.Max(0, delayNs), (uint)_order.NextInt64(1L << 32), _sequence++));

    /// <summary>
    /// Some microseconds pass, due events run, each loop makes one turn in a random order; when nothing is left to do
    /// now, time jumps to the next event or timer.
    /// </summary>
    /// <returns>False when nothing will ever happen again.</returns>
    public bool Step()
    {
        Steps++;
        Time.MoveTo(Time.NowNs + 1_000 + _order.NextInt64(4_000));
        bool busy = RunDue();
        long wait = long.MaxValue;
        int first = _order.Next(_hosts.Count);
        for (int i = 0; i < _hosts.Count; i++)
        {
            SimHost host = _hosts[(first + i) % _hosts.Count];
            busy |= host.Loop.Turn(canSleep: true);
            ThrowIfFailed();
            wait = Math.Min(wait, host.WaitNs);
        }
        if (busy)
        {
            return true;
        }
        long next = wait == long.MaxValue ? long.MaxValue : Time.NowNs + wait;
        if (_events.TryPeek(out _, out var due))
        {
            next = Math.Min(next, due.Ns);
        }
        if (next == long.MaxValue)
        {
            return false;
        }
        Time.MoveTo(next);
        return true;
    }

    /// <summary>Steps until a condition holds.</summary>
    /// <returns>False when virtual time ran out or nothing will ever happen again.</returns>
    public bool RunUntil(Func<bool> done, long limitMs)
    {
        long endNs = Time.NowNs + (limitMs * 1_000_000);
        while (!done())
        {
            if (Time.NowNs > endNs || !Step())
            {
                return done();
            }
        }
        return true;
    }

    /// <summary>Steps for a while of virtual time.</summary>
    public void RunFor(long ms) => RunUntil(static () => false, ms);

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"seed {Seed}, {Time.NowMs} ms, {Steps} steps, trace {Trace.Hash:x16}");

    /// <summary>With STORM_TRACE in the environment, writes every event to that file.</summary>
    public void WriteTrace()
    {
        if (Trace.Keep is not null)
        {
            File.WriteAllLines(Environment.GetEnvironmentVariable("STORM_TRACE")!, Trace.Keep);
        }
    }

    private bool RunDue()
    {
        bool any = false;
        while (_events.TryPeek(out _, out var due) && due.Ns <= Time.NowNs)
        {
            SimEvent next = _events.Dequeue();
            if (next.Host is { Alive: false })
            {
                continue;
            }
            any = true;
            Trace.Add("event", due.Ns, due.Sequence);
            next.Run();
        }
        return any;
    }

    private readonly record struct SimEvent(SimHost? Host, Action Run);
}

/// <summary>Something that must hold did not.</summary>
public sealed class StormException(string message, Exception? inner = null) : Exception(message, inner);
