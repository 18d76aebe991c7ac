using FastRelay.Queue;

namespace FastRelay.Deliver;

/// <summary>
/// Which hosts may be sent the next envelope behind a final dot (RFC 2920 3.1): those that have shown that they keep
/// in step. A host that ever lost a connection after a final dot, or its step among several messages in flight, gets one
/// message at a time for a day. Also how many messages a connection to it may serve, where it has shown that it ends them, and whether the
/// others of its site are tried first.
/// </summary>
internal sealed class HostTrust
{
    /// <summary>Messages that a host must have answered cleanly.</summary>
    public const int CleanAnswers = 20;

    /// <summary>A reply to the final dot that comes within this many ms shows a host for which another turn costs less than another connection.</summary>
    public const int QuickReplyMs = 10;

    /// <summary>So many connections in a row that a host ended after the same number of messages show its bound.</summary>
    public const int SameEnds = 3;

    /// <summary>How long its bound is kept to before it is tried again, ms.</summary>
    public const long BoundMs = 60L * 60 * 1000;

    /// <summary>How long a host that would not serve is tried after the others of its site, ms (RFC 5321 5.1: the next host is tried, and not the first again each time).</summary>
    public const long AvoidMs = 5L * 60 * 1000;

    private const long AloneMs = 24L * 60 * 60 * 1000;
    private int _endedAfter;
    private int _ends;
    private long _boundUntilMs;
    private int _clean;
    private long _aloneUntilMs;
    private long _avoidUntilMs;

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

    /// <summary>
    /// The host ended a connection before it heard of another message: 421 or a close where MAIL's answer was due.
    /// </summary>
    /// <param name="messages">How many the connection had served, 1 or more.</param>
    /// <param name="nowMs">On the loop's scale.</param>
    /// <returns>True when its bound has just become known.</returns>
    public bool EndedAfter(int messages, long nowMs)
    {
        bool known = nowMs < _boundUntilMs;
        _ends = messages == _endedAfter ? Math.Min(_ends + 1, SameEnds) : 1;
        _endedAfter = messages;
        _boundUntilMs = _ends == SameEnds ? nowMs + BoundMs : 0;
        return _ends == SameEnds && !known;
    }

    /// <summary>Messages that a connection may serve before QUIT, as far as the host has shown.</summary>
    public int MessagesMost(long nowMs) => nowMs < _boundUntilMs ? _endedAfter : int.MaxValue;

    /// <summary>The host did not serve, and another one of its site may.</summary>
    public void Avoid(long nowMs) => _avoidUntilMs = nowMs + AvoidMs;

    /// <summary>Are the other hosts of its site tried first?</summary>
    public bool IsAvoided(long nowMs) => nowMs < _avoidUntilMs;

    /// <summary>What is remembered of it, for people to read.</summary>
    public HostMemory Memory(long nowMs) => new()
    {
        AvoidedMs = Math.Max(0, _avoidUntilMs - nowMs),
        AloneMs = Math.Max(0, _aloneUntilMs - nowMs),
        MessagesMost = nowMs < _boundUntilMs ? _endedAfter : 0,
        MessagesMs = Math.Max(0, _boundUntilMs - nowMs),
    };

    /// <summary>
    /// The operator says that the host is another one now: it is tried in its place again, and its bound is found out anew. Doubt
    /// stays: it holds up nobody, and guards against a message that arrives twice.
    /// </summary>
    public void Forgive() => (_avoidUntilMs, _boundUntilMs, _ends) = (0, 0, 0);

    /// <summary>Nothing is lost when it is forgotten: it begins again with few answers.</summary>
    public bool IsForgettable(long nowMs) => nowMs >= _aloneUntilMs && nowMs >= _boundUntilMs && nowMs >= _avoidUntilMs;
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

    /// <summary>Is a host tried after the others of its site?</summary>
    public bool IsAvoided(string host, long nowMs) => _hosts.TryGetValue(host, out HostTrust? trust) && trust.IsAvoided(nowMs);

    /// <summary>What is remembered of a host.</summary>
    public HostMemory MemoryOf(string host, long nowMs) => _hosts.TryGetValue(host, out HostTrust? trust) ? trust.Memory(nowMs) : default;

    /// <summary>See <see cref="HostTrust.Forgive"/>.</summary>
    public void Forgive(string host)
    {
        if (_hosts.TryGetValue(host, out HostTrust? trust))
        {
            trust.Forgive();
        }
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
