using System.Net;
using FastRelay.Outside;

namespace FastRelay.Storm;

/// <summary>A listening socket with its backlog.</summary>
public sealed class SimListener : Listener
{
    private readonly Queue<SimLink> _backlog = new();
    private readonly Signal<bool> _arrived;
    private bool _closed;
    private long _pauses;

    internal SimListener(SimHost host, IPEndPoint endPoint)
    {
        Host = host;
        EndPoint = endPoint;
        _arrived = new Signal<bool>(host.Loop);
    }

    public override IPEndPoint EndPoint { get; }

    public override long Pauses => _pauses;

    internal SimHost Host { get; }

    public override async ValueTask<Link?> AcceptAsync()
    {
        Host.Loop.CheckThread();
        while (!_closed)
        {
            if (_backlog.Count > 0)
            {
                if (Host.Universe.Faults.On && Host.Universe.Wire.Random.OneIn(100))
                {
                    // Out of descriptors: 100 ms later there are some again.
                    _pauses++;
                    Host.Universe.Faults.Hit("accept out of descriptors");
                    Host.After(100_000_000, () => _arrived.Set(true));
                    await _arrived.WaitAsync();
                    continue;
                }
                return _backlog.Dequeue();
            }
            await _arrived.WaitAsync();
        }
        return null;
    }

    public override void Close()
    {
        if (_closed)
        {
            return;
        }
        _closed = true;
        Host.Universe.Wire.Unbind(this);
        foreach (SimLink link in _backlog)
        {
            link.Abort();
        }
        _backlog.Clear();
        _arrived.Set(true);
    }

    internal void Arrived(SimLink link)
    {
        _backlog.Enqueue(link);
        _arrived.Set(true);
    }
}
