using System.Net;
using FastRelay.Outside;

namespace FastRelay.Storm;

/// <summary>The network between all hosts: who listens where, and how a connection is made.</summary>
public sealed class SimWire
{
    private const int Refused = 111;
    private const int Unreachable = 113;
    private const int TimedOut = 110;
    private readonly SimUniverse _universe;
    private readonly SimRandom _random;
    private readonly Dictionary<IPEndPoint, SimListener> _listeners = [];
    private readonly HashSet<IPAddress> _silent = [];
    private int _nextPort = 32_768;
    private long _nextLink;

    internal SimWire(SimUniverse universe, SimRandom random)
    {
        _universe = universe;
        _random = random;
    }

    /// <summary>Chooses what a new connection will suffer; by seed unless a test sets it.</summary>
    public Func<IPEndPoint, LinkProfile>? Profile { get; set; }

    /// <summary>One dial in this many fails while faults are on; 0 is never.</summary>
    public int DialFaultOneIn { get; set; }

    internal SimUniverse Universe => _universe;

    internal SimRandom Random => _random;

    /// <summary>Packets to an address vanish, or no longer do.</summary>
    public void SetSilent(IPAddress address, bool silent) => _ = silent ? _silent.Add(address) : _silent.Remove(address);

    internal bool TryBind(SimListener listener) => _listeners.TryAdd(listener.EndPoint, listener);

    internal void Unbind(SimListener listener)
    {
        if (_listeners.TryGetValue(listener.EndPoint, out SimListener? bound) && bound == listener)
        {
            _listeners.Remove(listener.EndPoint);
        }
    }

    internal int NextPort()
    {
        _nextPort = _nextPort >= 60_000 ? 32_768 : _nextPort + 1;
        return _nextPort;
    }

    internal void Connect(SimHost host, IPEndPoint remote, IPAddress? source, int timeoutMs, Signal<DialResult> done)
    {
        var local = new IPEndPoint(source ?? IPAddress.Loopback, NextPort());
        int errno = DialFault(remote);
        long delayNs = _random.Magnitude(10_000, 200_000_000);
        if (errno == TimedOut || delayNs > timeoutMs * 1_000_000L)
        {
            errno = TimedOut;
            delayNs = timeoutMs * 1_000_000L;
        }
        host.After(delayNs, () => done.Set(Arrive(host, local, remote, errno)));
    }

    private int DialFault(IPEndPoint remote)
    {
        if (_silent.Contains(remote.Address))
        {
            _universe.Faults.Hit("dial silent");
            return TimedOut;
        }
        if (!_universe.Faults.On || !_random.OneIn(DialFaultOneIn))
        {
            return 0;
        }
        int errno = _random.Pick([Refused, Unreachable, TimedOut]);
        _universe.Faults.Hit($"dial {errno}");
        return errno;
    }

    private DialResult Arrive(SimHost host, IPEndPoint local, IPEndPoint remote, int errno)
    {
        if (errno == 0 && !_listeners.ContainsKey(remote) && !_listeners.ContainsKey(Any(remote)))
        {
            errno = Refused;
        }
        _universe.Trace.Add("dial", remote.Port, errno);
        if (errno != 0)
        {
            return new DialResult(null, errno);
        }
        SimListener listener = _listeners.GetValueOrDefault(remote) ?? _listeners[Any(remote)];
        LinkProfile profile = Profile?.Invoke(remote) ?? LinkProfile.FromSeed(_random, _universe.Faults);
        var connection = new SimConnection(this, profile, ++_nextLink);
        var near = new SimLink(host, connection, local, remote, isClient: true);
        var far = new SimLink(listener.Host, connection, remote, local, isClient: false);
        connection.Join(near, far);
        listener.Arrived(far);
        return new DialResult(near, 0);
    }

    private static IPEndPoint Any(IPEndPoint remote) => new(IPAddress.Any, remote.Port);
}
