using System.Net;

namespace FastRelay.Load;

/// <summary>Which sessions may dial now, from where and to where. On the loop's thread.</summary>
internal sealed class DialGate(LoadOptions options)
{
    /// <summary>Connections in the making at once: below the accept queues of usual servers, so that a ramp-up loses no SYN.</summary>
    private const int DialsAtOnce = 128;

    private readonly Queue<LoadSession> _waiting = new();
    private int _dialling;
    private int _source;
    private int _target;

    /// <summary>True when a session may dial at once; else it is told by <see cref="LoadSession.Dial"/>.</summary>
    public bool TryEnter(LoadSession session)
    {
        if (_dialling < DialsAtOnce)
        {
            _dialling++;
            return true;
        }
        _waiting.Enqueue(session);
        return false;
    }

    /// <summary>A session has dialled, with or without success.</summary>
    public void Leave()
    {
        if (_waiting.TryDequeue(out LoadSession? next))
        {
            next.Dial();
        }
        else
        {
            _dialling--;
        }
    }

    /// <summary>The next connection's address of the server.</summary>
    public IPEndPoint NextTarget()
    {
        _target = (_target + 1) % options.Targets.Count;
        return options.Targets[_target];
    }

    /// <summary>The next connection's own address; null for the system's choice.</summary>
    public IPAddress? NextSource()
    {
        if (options.Sources.Count == 0)
        {
            return null;
        }
        _source = (_source + 1) % options.Sources.Count;
        return options.Sources[_source];
    }
}
