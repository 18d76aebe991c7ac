using FastRelay.Outside;
using FastRelay.Routing;

namespace FastRelay.Queue;

/// <summary>What mail waits for: the one thing that must change before it goes on.</summary>
public enum WaitKind
{
    /// <summary>Nothing: it is under way, or would go at once.</summary>
    Nothing,

    /// <summary>An answer of DNS.</summary>
    Dns,

    /// <summary>The end of its site's backoff.</summary>
    Backoff,

    /// <summary>The end of its site's suspension, or the operator.</summary>
    Suspension,

    /// <summary>One of the sessions that its site may have.</summary>
    Session,

    /// <summary>A rate of its site: one that the operator allows, or one that its hosts have been seen to allow.</summary>
    Rate,

    /// <summary>One of the connections that there may be in all.</summary>
    Connection,

    /// <summary>Its turn among what is ready for its site.</summary>
    Turn,

    /// <summary>The time of its next attempt.</summary>
    Time,

    /// <summary>The operator, who holds it.</summary>
    Hold,

    /// <summary>The spool, which takes no outcomes just now.</summary>
    Disk,

    /// <summary>Room for failures: too many wait for their bounces.</summary>
    Bounces,

    /// <summary>The next start: the relay is stopping.</summary>
    Start,

    /// <summary>To be bounced or removed without an attempt.</summary>
    Settling,
}

/// <summary>What mail waits for, and why.</summary>
/// <param name="For">The thing.</param>
/// <param name="Text">A sentence for people; may hold what a peer said.</param>
public sealed record WaitReason(WaitKind For, string Text);

/// <summary>A limit that bears on a destination.</summary>
/// <param name="Name">Its key under <c>[limits]</c>, or <c>site sessions</c> for what the site has been seen to bear.</param>
/// <param name="Used">Now.</param>
/// <param name="Most">The bound.</param>
public sealed record LimitUse(string Name, long Used, long Most)
{
    /// <summary>It is used up: nothing more may begin just now. A rate that spreads its number over its window binds before.</summary>
    public bool Binds
    {
        get => field || Used >= Most;
        init;
    }
}

/// <summary>What the resolver cache knows of one question.</summary>
/// <param name="Name">Asked for.</param>
/// <param name="Type">Record type.</param>
/// <param name="Answer">What the servers said.</param>
/// <param name="LeftMs">For how long it holds, ms; 0 when it is over.</param>
/// <param name="Stale">Older than its TTL, used because no server answers (RFC 8767).</param>
public sealed record CachedRecord(string Name, DnsType Type, DnsAnswer Answer, long LeftMs, bool Stale);

/// <summary>What deliveries have taught about a host, as it was when it was looked at; all 0 when that is nothing. It is of the host, not of one site.</summary>
public readonly record struct HostMemory
{
    /// <summary>For how long it is still dialled in clear, as a handshake has failed, ms; 0 when it is not.</summary>
    public long ClearMs { get; init; }

    /// <summary>For how long the other hosts of its site are still tried before it, as it did not serve, ms; 0 when they are not.</summary>
    public long AvoidedMs { get; init; }

    /// <summary>For how long it still gets one message at a time, as a connection was lost while a message was in doubt, ms; 0 when it does not.</summary>
    public long AloneMs { get; init; }

    /// <summary>Messages after which it ends its connections; 0 when none is known.</summary>
    public int MessagesMost { get; init; }

    /// <summary>For how long we still stop at <see cref="MessagesMost"/>, ms; 0 when none is known.</summary>
    public long MessagesMs { get; init; }
}

/// <summary>Where mail for a domain goes and what it waits for, as it was when it was looked at.</summary>
public sealed record Explanation
{
    /// <summary>The destination's key: the domain, or the route's text.</summary>
    public required string Destination { get; init; }

    /// <summary>Pattern of the row of the route table that decided; empty when none did and DNS decides.</summary>
    public required string Pattern { get; init; }

    /// <summary>The way out, as a route says it: <c>mx:</c>, <c>smtp:host</c> and so on.</summary>
    public required string NextHop { get; init; }

    /// <summary>Whose mail the destination is for; empty for the default tenant.</summary>
    public string Tenant { get; init; } = "";

    /// <summary>Who we are to its hosts: the source's name and address; empty for what <c>[deliver]</c> says.</summary>
    public string Source { get; init; } = "";

    /// <summary>Where the operator has moved its mail; empty where the configuration decides.</summary>
    public string MovedTo { get; init; } = "";

    /// <summary>When mail was last moved there, Unix ms; 0 for never.</summary>
    public long MovedUnixMs { get; init; }

    /// <summary>Which part of the configuration says what deliveries ask of TLS.</summary>
    public required string TlsBy { get; init; }

    /// <summary>Its hosts, or why it has none.</summary>
    public required Plan Plan { get; init; }

    /// <summary>What is remembered of the hosts of <see cref="Plan"/>, in their order.</summary>
    public required IReadOnlyList<HostMemory> Remembered { get; init; }

    /// <summary>For how long the plan holds, ms; 0 when it is over, <see cref="long.MaxValue"/> when it holds for ever.</summary>
    public required long PlanLeftMs { get; init; }

    /// <summary>What the plan rests on, as the cache has it.</summary>
    public required IReadOnlyList<CachedRecord> Dns { get; init; }

    /// <summary>Entries of the destination in all states.</summary>
    public required int Entries { get; init; }

    /// <summary>Those of them that are ready.</summary>
    public required int Ready { get; init; }

    /// <summary>The site; null when no mail made one.</summary>
    public required SiteView? Site { get; init; }

    /// <summary>What the site shares with the others of its provider; null where it shares nothing.</summary>
    public BudgetView? Budget { get; init; }

    /// <summary>Every limit between its mail and a connection.</summary>
    public required IReadOnlyList<LimitUse> Limits { get; init; }

    /// <summary>What its ready mail waits for.</summary>
    public required WaitReason Waits { get; init; }

    /// <summary>What one delivery of the site takes a session, ms, lately; 0 when none was made.</summary>
    public required double DeliveryMs { get; init; }

    /// <summary>Messages a second that the site, or its tenant there, can have: what its sessions carry at that, or a rate that is lower; 0 when it is not known.</summary>
    public required double CeilingPerSecond { get; init; }

    /// <summary>The rate or limit that the ceiling comes from; empty where it comes from the sessions.</summary>
    public required string CeilingBy { get; init; }
}

/// <summary>A message, with each of its destinations explained.</summary>
/// <param name="Message">The message.</param>
/// <param name="Ways">In the order of <see cref="QueuedMessage.Destinations"/>.</param>
public sealed record ExplainedMessage(QueuedMessage Message, IReadOnlyList<Explanation> Ways);
