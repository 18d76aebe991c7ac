namespace FastRelay.Load;

/// <summary>What a source has done. Written by its loop only; other threads may read a figure that is a moment old.</summary>
public sealed class LoadCounters
{
    /// <summary>Connections made.</summary>
    public long Connections { get; internal set; }

    /// <summary>Attempts to connect that failed.</summary>
    public long ConnectFailed { get; internal set; }

    /// <summary>Connections that were not let as far as a message.</summary>
    public long NotGreeted { get; internal set; }

    /// <summary>TLS handshakes that failed.</summary>
    public long TlsFailed { get; internal set; }

    /// <summary>Open now.</summary>
    public long Sessions { get; internal set; }

    /// <summary>Most open at once.</summary>
    public long SessionsPeak { get; internal set; }

    /// <summary>Messages begun.</summary>
    public long Started { get; internal set; }

    /// <summary>Messages for which the server took responsibility.</summary>
    public long Accepted { get; internal set; }

    /// <summary>Messages that it refused.</summary>
    public long Refused { get; internal set; }

    /// <summary>Messages whose connection ended first, or could not be made.</summary>
    public long Lost { get; internal set; }

    /// <summary>Open loop: messages that were due before the end and that no session was free to begin.</summary>
    public long NotStarted { get; internal set; }

    /// <summary>Recipients of accepted messages that were accepted.</summary>
    public long RecipientsAccepted { get; internal set; }

    /// <summary>Recipients that were refused.</summary>
    public long RecipientsRefused { get; internal set; }

    /// <summary>Octets of accepted messages in wire form.</summary>
    public long Bytes { get; internal set; }

    /// <summary>Sessions held open and idle, when that was asked.</summary>
    public long Held { get; internal set; }

    /// <summary>Those of them that answered NOOP at the end.</summary>
    public long HeldAnswered { get; internal set; }

    /// <summary>The last error number of a failed connection; 0 for none.</summary>
    public int LastErrno { get; internal set; }

    /// <summary>Why the last connection that was made was not let as far as a message; null when the last was not made.</summary>
    public string? LastRefusal { get; internal set; }

    /// <summary>Replies by stage and code.</summary>
    public ReplyTally Replies { get; } = new();

    /// <summary>From dialling to the connection.</summary>
    public Latency Connect { get; } = new();

    /// <summary>From the connection to the banner.</summary>
    public Latency Banner { get; } = new();

    /// <summary>From the final dot to its reply.</summary>
    public Latency Dot { get; } = new();

    /// <summary>
    /// Accepted messages: from MAIL (closed loop) or the intended start (open loop) to 250. One that was lost counts with the
    /// time until then, and one that was due and never begun with the time that it had waited at the end: left out, a server
    /// that stalls would look fast. Refused ones are not in it.
    /// </summary>
    public Latency Message { get; } = new();

    /// <summary>Open loop: how long after its intended start a message was begun.</summary>
    public Latency StartLag { get; } = new();

    /// <summary>As <see cref="Message"/>, of the sample under way.</summary>
    public Latency Recent { get; } = new();
}
