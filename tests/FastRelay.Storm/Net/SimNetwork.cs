using System.Net;
using FastRelay.Outside;

namespace FastRelay.Storm;

/// <summary>The network as one host sees it.</summary>
public sealed class SimNetwork : Network
{
    private readonly SimHost _host;
    private readonly List<SimLink> _links = [];
    private readonly List<SimListener> _listeners = [];

    internal SimNetwork(SimHost host) => _host = host;

    /// <summary>Addresses of this host's own interfaces.</summary>
    public HashSet<IPAddress> OwnAddresses { get; } = [];

    public override int OpenLinks => _links.Count;

    /// <summary>Buffers that open links hold now.</summary>
    public int RentedBuffers => _links.Sum(static l => l.Buffers);

    /// <summary>Open links that were dialled to one of some addresses.</summary>
    public int OpenTo(IReadOnlyCollection<IPEndPoint> remotes) => _links.Count(l => l.IsOpen && remotes.Contains(l.Remote));

    /// <summary>Open links that came in at an address.</summary>
    public int OpenAt(IPEndPoint local) => _links.Count(l => l.IsOpen && l.Local.Equals(local));

    /// <summary>The most links open at once.</summary>
    public int MostOpenLinks { get; private set; }

    public override int Listen(IPEndPoint endPoint, out Listener? listener)
    {
        IPEndPoint bound = endPoint.Port == 0 ? new IPEndPoint(endPoint.Address, _host.Universe.Wire.NextPort()) : endPoint;
        var made = new SimListener(_host, bound);
        if (!_host.Universe.Wire.TryBind(made))
        {
            listener = null;
            return 98;
        }
        _listeners.Add(made);
        listener = made;
        return 0;
    }

    public override ValueTask<DialResult> ConnectAsync(IPEndPoint remote, IPAddress? source, int timeoutMs)
    {
        _host.Loop.CheckThread();
        var done = new Signal<DialResult>(_host.Loop);
        _host.Universe.Wire.Connect(_host, remote, source, timeoutMs, done);
        return done.WaitAsync();
    }

    public override bool IsOwnAddress(IPAddress address) => OwnAddresses.Contains(address);

    /// <summary>Resets every connection of this host.</summary>
    public void AbortAll()
    {
        foreach (SimLink link in _links.ToArray())
        {
            link.Abort();
        }
    }

    internal void Opened(SimLink link)
    {
        _links.Add(link);
        MostOpenLinks = Math.Max(MostOpenLinks, _links.Count);
    }

    internal void Forget(SimLink link) => _links.Remove(link);

    /// <summary>The host is gone: its listeners too, and its peers learn it some time later.</summary>
    internal void Die()
    {
        foreach (SimListener listener in _listeners)
        {
            _host.Universe.Wire.Unbind(listener);
        }
        foreach (SimLink link in _links.ToArray())
        {
            link.HostDied();
        }
        _links.Clear();
    }
}
