namespace FastRelay.Observe;

/// <summary>Counts since the start, owned by the loop; other threads read them as approximate figures.</summary>
public sealed class Counters
{
    /// <summary>Lines of the event stream.</summary>
    public long Events { get; set; }

    /// <summary>Events that found no room.</summary>
    public long EventsLost { get; set; }

    /// <summary>Connections accepted.</summary>
    public long ConnectionsIn { get; set; }

    /// <summary>Connections turned away by a limit.</summary>
    public long ConnectionsRefused { get; set; }

    /// <summary>Connections to listeners for proxies that were no proxy's, or began with no PROXY header.</summary>
    public long ProxyRefused { get; set; }

    /// <summary>Receive sessions open now.</summary>
    public long SessionsIn { get; set; }

    /// <summary>TLS sessions begun by clients.</summary>
    public long TlsIn { get; set; }

    /// <summary>TLS handshakes of clients that failed.</summary>
    public long TlsInFailed { get; set; }

    /// <summary>AUTH commands of clients that succeeded.</summary>
    public long AuthIn { get; set; }

    /// <summary>AUTH commands of clients that failed.</summary>
    public long AuthInFailed { get; set; }

    /// <summary>Messages answered 250.</summary>
    public long Accepted { get; set; }

    /// <summary>Octets of those messages, in stored form.</summary>
    public long AcceptedBytes { get; set; }

    /// <summary>Recipients of those messages.</summary>
    public long AcceptedRecipients { get; set; }

    /// <summary>Commands and messages answered 4xx.</summary>
    public long RefusedTemporarily { get; set; }

    /// <summary>Commands and messages answered 5xx.</summary>
    public long RefusedPermanently { get; set; }

    /// <summary>Recipients delivered.</summary>
    public long Delivered { get; set; }

    /// <summary>How long those recipients' mail took.</summary>
    public DelayHistogram Delays { get; } = new();

    /// <summary>Attempts for a recipient that were put off.</summary>
    public long Deferred { get; set; }

    /// <summary>Recipients that failed for good.</summary>
    public long Failed { get; set; }

    /// <summary>What kept those recipients from being delivered, by class.</summary>
    public TroubleCounts Troubles { get; } = new();

    /// <summary>Bounces written, those that say "relayed" included.</summary>
    public long Bounced { get; set; }

    /// <summary>Failed recipients whose event was the notice.</summary>
    public long ToldByEvent { get; set; }

    /// <summary>Bounces and warnings that had to wait for their rate before they were begun.</summary>
    public long BouncesPaced { get; set; }

    /// <summary>Failures that were put off, because too many waited for their bounce already: each is tried again, and fails again.</summary>
    public long BouncesPutOff { get; set; }

    /// <summary>Reports of a delay written.</summary>
    public long Warned { get; set; }

    /// <summary>Failures that nobody can be told of: the reverse-path was null.</summary>
    public long Dropped { get; set; }

    /// <summary>Messages that were damaged in the spool: never sent, their senders told where the envelope is intact.</summary>
    public long DamagedMessages { get; set; }

    /// <summary>Messages whose envelope was damaged, so that nobody could be told: kept aside with their segment.</summary>
    public long SetAside { get; set; }

    /// <summary>Deliveries lost after the final dot: the peer may have the message.</summary>
    public long InDoubt { get; set; }

    /// <summary>What the watchdog found without anything to wait for.</summary>
    public long Stuck { get; set; }

    /// <summary>Connections dialled.</summary>
    public long ConnectionsOut { get; set; }

    /// <summary>Dials that failed.</summary>
    public long ConnectionsOutFailed { get; set; }

    /// <summary>Sites that a rule for replies has slowed, put in backoff or suspended.</summary>
    public long RuleShifts { get; set; }

    /// <summary>Attempts, and connections, that hosts refused because mail came too fast.</summary>
    public long RateRefusals { get; set; }

    /// <summary>Times that the rate learned for a site was lowered for it.</summary>
    public long RateCuts { get; set; }

    /// <summary>Send sessions open now.</summary>
    public long SessionsOut { get; set; }

    /// <summary>TLS handshakes with hosts that succeeded.</summary>
    public long TlsOut { get; set; }

    /// <summary>TLS handshakes with hosts that failed.</summary>
    public long TlsOutFailed { get; set; }

    /// <summary>Opportunistic TLS handshakes that failed and were redialled in clear.</summary>
    public long TlsFallbacks { get; set; }
}
