namespace FastRelay.Host.Admin;

/// <summary>A host of a way.</summary>
/// <param name="Preference">Lower is tried first.</param>
/// <param name="Name">Its name.</param>
/// <param name="Addresses">With their port, in the order of trying.</param>
public sealed record ExplainHost(int Preference, string Name, IReadOnlyList<string> Addresses)
{
    /// <summary>For how long it is still dialled in clear, as a TLS handshake has failed; null when it is not.</summary>
    public long? ClearSeconds { get; init; }

    /// <summary>For how long the other hosts are still tried before it, as it did not serve; null when they are not.</summary>
    public long? AvoidedSeconds { get; init; }

    /// <summary>For how long it still gets one message at a time, as a connection was lost while a message was in doubt; null when it does not.</summary>
    public long? AloneSeconds { get; init; }

    /// <summary>Messages after which it ends its connections; null when none is known.</summary>
    public int? ClosesAfter { get; init; }

    /// <summary>For how long we still stop there; null when none is known.</summary>
    public long? ClosesSeconds { get; init; }
}

/// <summary>What the resolver cache knows of one question.</summary>
/// <param name="Name">Asked for.</param>
/// <param name="Type">MX, A or AAAA.</param>
/// <param name="Status">ok, no-data, no-such-name, failed, timeout or bad.</param>
/// <param name="Records">The answer, in DNS's own form.</param>
/// <param name="LeftSeconds">For how long it holds.</param>
/// <param name="Stale">Past its TTL and used all the same, because no server answers.</param>
public sealed record ExplainDns(string Name, string Type, string Status, IReadOnlyList<string> Records, long LeftSeconds, bool Stale);

/// <summary>Who we are to hosts that ask for a certificate.</summary>
/// <param name="File">Where it was read from.</param>
/// <param name="Subject">Whose it is.</param>
/// <param name="Ends">Until when it is valid, UTC.</param>
public sealed record ExplainCertificate(string File, string Subject, DateTimeOffset Ends);

/// <summary>A limit between mail and its delivery.</summary>
/// <param name="Name">Its key under [limits], or "site sessions".</param>
/// <param name="Used">Now.</param>
/// <param name="Most">The bound.</param>
/// <param name="Binds">It is used up.</param>
public sealed record ExplainLimit(string Name, long Used, long Most, bool Binds);

/// <summary>The rate that the hosts of a site have been seen to allow.</summary>
/// <param name="PerMinute">Messages a minute.</param>
/// <param name="Used">About how many were begun in the last minute.</param>
/// <param name="SinceSeconds">For how long there has been one.</param>
/// <param name="ClosedMs">When one message tries again, while the site refuses; null while it does not.</param>
/// <param name="GrowsSeconds">When it grows next if the mail is there to use it; null while the site refuses.</param>
/// <param name="ForgottenSeconds">When it is forgotten if nothing is refused any more.</param>
/// <param name="Refused">Attempts refused for it.</param>
/// <param name="Reason">What a host said last.</param>
public sealed record ExplainRate(double PerMinute, long Used, long SinceSeconds, long? ClosedMs, long? GrowsSeconds, long ForgottenSeconds, long Refused, string Reason);

/// <summary>A site.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Provider">Who runs it, when that is known.</param>
/// <param name="Gear">normal, slow, backoff or suspended.</param>
/// <param name="GearReason">Why; null in normal.</param>
/// <param name="GearSeconds">For how long still; 0 when the next success ends it, null when the operator does.</param>
/// <param name="Failures">In a row.</param>
/// <param name="Ready">Deliveries that wait for a session.</param>
/// <param name="InFlight">Deliveries under way.</param>
/// <param name="Sessions">Connections.</param>
public sealed record ExplainSite(
    string Name, string? Provider, string Gear, string? GearReason, long? GearSeconds, int Failures, int Ready, int InFlight, int Sessions)
{
    /// <summary>Sessions that it may have at work.</summary>
    public int Limit { get; init; }

    /// <summary>Sites that are shown as one, because they share their provider's budget; null for one site. Told by /api/sites.</summary>
    public int? Sites { get; init; }

    /// <summary>Mail of its destinations that waits for a time, or for the operator; told by /api/sites.</summary>
    public long Deferred { get; init; }

    /// <summary>Deliveries that wait until their tenant, whom the operator has suspended, is resumed; none of ready.</summary>
    public long Stopped { get; init; }

    /// <summary>What is ready for it with high priority.</summary>
    public int ReadyHigh { get; init; }

    /// <summary>What is ready for it with low priority.</summary>
    public int ReadyLow { get; init; }

    /// <summary>Transactions in which it took mail, since the start.</summary>
    public long Taken { get; init; }

    /// <summary>The learned rate; null when none of its hosts has refused anything for being too fast.</summary>
    public ExplainRate? Rate { get; init; }
}

/// <summary>What the sites of a provider share: sessions, rates, and the gears of rules.</summary>
/// <param name="Name">The provider, and the source where there is one.</param>
/// <param name="Sites">Sites that share it.</param>
/// <param name="Waiting">Those of them that wait for their turn.</param>
/// <param name="Sessions">Connections.</param>
/// <param name="Idle">Those of them that are idle.</param>
/// <param name="Limit">Sessions that they may have at work together.</param>
/// <param name="Gear">normal, slow, backoff or suspended.</param>
/// <param name="GearReason">Why; null in normal.</param>
/// <param name="GearSeconds">For how long still; 0 when the next success ends it, null when the operator does.</param>
public sealed record ExplainBudget(string Name, int Sites, int Waiting, int Sessions, int Idle, int Limit, string Gear, string? GearReason, long? GearSeconds);

/// <summary>Where mail for one destination goes, and what it waits for.</summary>
/// <param name="Destination">The domain or the route.</param>
/// <param name="WaitsFor">nothing, dns, suspension, backoff, session, rate, connection, turn, time, hold, disk, start or settling.</param>
/// <param name="Reason">The same as a sentence.</param>
/// <param name="Route">The way out: mx: or a next hop.</param>
/// <param name="User">Who we authenticate as; null where the hosts do not ask.</param>
/// <param name="Pattern">The row of the route table that decided; null when none did.</param>
/// <param name="Tls">none, opportunistic, required, verified or implicit.</param>
/// <param name="Plan">ok, or why there are no hosts.</param>
/// <param name="PlanReason">In words; null when ok.</param>
/// <param name="PlanSeconds">For how long the plan holds; null when for ever.</param>
/// <param name="Hosts">By preference.</param>
/// <param name="Dns">What the plan rests on.</param>
/// <param name="Site">The site; null when no mail made one.</param>
/// <param name="Queued">Messages of the destination.</param>
/// <param name="Ready">Those of them that wait for nothing of their own.</param>
/// <param name="Limits">Every limit on the way.</param>
/// <param name="DeliveryMs">What a delivery takes lately; null when none was made.</param>
/// <param name="CeilingPerSecond">Messages a second that follow; null when not known.</param>
public sealed record ExplainWay(
    string Destination,
    string WaitsFor,
    string Reason,
    string Route,
    string? User,
    string? Pattern,
    string Tls,
    string Plan,
    string? PlanReason,
    long? PlanSeconds,
    IReadOnlyList<ExplainHost> Hosts,
    IReadOnlyList<ExplainDns> Dns,
    ExplainSite? Site,
    int Queued,
    int Ready,
    IReadOnlyList<ExplainLimit> Limits,
    double? DeliveryMs,
    double? CeilingPerSecond)
{
    /// <summary>Which part of the configuration says what is asked of TLS.</summary>
    public string? TlsBy { get; init; }

    /// <summary>The certificate that is shown to hosts that ask for one; null where there is none.</summary>
    public ExplainCertificate? Certificate { get; init; }

    /// <summary>What the site shares with others of its provider; null where it shares nothing.</summary>
    public ExplainBudget? Budget { get; init; }

    /// <summary>The rate or limit that the ceiling comes from; null where it comes from the sessions.</summary>
    public string? CeilingBy { get; init; }

    /// <summary>Whose mail it is; of several tenants that with the most of it. Null for the default one.</summary>
    public string? Tenant { get; init; }

    /// <summary>Who we are to its hosts; null for what [deliver] says.</summary>
    public string? Source { get; init; }

    /// <summary>Where the operator has moved its mail; null where the configuration decides.</summary>
    public string? MovedTo { get; init; }

    /// <summary>When mail was last moved there, UTC.</summary>
    public DateTimeOffset? Moved { get; init; }
}

/// <summary>The answer to explain.</summary>
/// <param name="Target">As asked.</param>
/// <param name="Message">The message, when one was asked for.</param>
/// <param name="Ways">One for a domain or site; for a message one for each destination, at most 20.</param>
public sealed record ExplainView(string Target, QueueItem? Message, IReadOnlyList<ExplainWay> Ways);
