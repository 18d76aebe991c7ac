namespace FastRelay.Deliver;

/// <summary>
/// Which hosts may be sent the next envelope behind a final dot (RFC 2920 3.1): those that have shown that they keep
/// in step. A host that ever lost a connection after a final dot, or its step among several messages in flight, gets one
/// message at a time for a day.
/// </summary>
internal sealed class HostTrust
{
    /// <summary>Messages that a host must have answered cleanly.</summary>
    public const int CleanAnswers = 20;

    /// <summary>A reply to the final dot that comes within this many ms shows a host for which another turn costs less than another connection.</summary>
    public const int QuickReplyMs = 10;

    private const long AloneMs = 24L * 60 * 60 * 1000;
    private int _clean;
    private long _aloneUntilMs;

    /// <summary>May the next envelope leave with the final dot?</summary>
    public bool MayJoin(long nowMs) => _clean >= CleanAnswers && nowMs >= _aloneUntilMs;

    /// <summary>May several messages be in flight, on a route for which the operator has said so?</summary>
    public bool MayFill(long nowMs) => nowMs >= _aloneUntilMs;

    /// <summary>The host answered a final dot, and nothing but that.</summary>
    public void Answered()
    {
        if (_clean < CleanAnswers)
        {
            _clean++;
        }
    }

    /// <summary>A connection was lost after the final dot, or its replies could not be told apart.</summary>
    public void Doubted(long nowMs)
    {
        _clean = 0;
        _aloneUntilMs = nowMs + AloneMs;
    }

    /// <summary>Nothing is lost when it is forgotten: it begins again with few answers.</summary>
    public bool IsForgettable(long nowMs) => nowMs >= _aloneUntilMs;
}

/// <summary>The trust in each host, by name; bounded.</summary>
internal sealed class HostTrusts
{
    /// <summary>Hosts that are remembered at most. Past it those without a doubt are forgotten, then all.</summary>
    public const int HostsMax = 10_000;

    private readonly Dictionary<string, HostTrust> _hosts = new(StringComparer.Ordinal);

    /// <summary>Hosts that are remembered.</summary>
    public int Count => _hosts.Count;

    /// <summary>The trust in a host; a new one when it was not seen before.</summary>
    public HostTrust Of(string host, long nowMs)
    {
        if (!_hosts.TryGetValue(host, out HostTrust? trust))
        {
            if (_hosts.Count >= HostsMax)
            {
                Forget(nowMs);
            }
            trust = new HostTrust();
            _hosts.Add(host, trust);
        }
        return trust;
    }

    private void Forget(long nowMs)
    {
        foreach ((string name, HostTrust known) in _hosts)
        {
            if (known.IsForgettable(nowMs))
            {
                _hosts.Remove(name);
            }
        }
        if (_hosts.Count >= HostsMax)
        {
            _hosts.Clear();
        }
    }
}
