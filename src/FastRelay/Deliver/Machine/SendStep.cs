namespace FastRelay.Deliver;

/// <summary>What <see cref="SendMachine"/> wants of its driver next.</summary>
public enum SendStep : byte
{
    /// <summary>Bytes from the peer: call <see cref="SendMachine.Receive"/> with more.</summary>
    Read,

    /// <summary>Commands wait: call <see cref="SendMachine.Write"/> until it returns 0, flush, then read.</summary>
    Write,

    /// <summary>The peer said 220 to STARTTLS: shake hands, then call <see cref="SendMachine.TlsStarted"/> or <see cref="SendMachine.TlsFailed"/>.</summary>
    StartTls,

    /// <summary>Derive the key that <see cref="SendMachine.Auth"/> names, off the loop, then call <see cref="SendMachine.KeyDerived"/>.</summary>
    Derive,

    /// <summary>The connection is open and no transaction is under way.</summary>
    Ready,

    /// <summary>354: send the body, ask whether the final dot may go, send it, and call <see cref="SendMachine.BodySent"/>.</summary>
    Body,

    /// <summary>The transaction has ended: every recipient has its outcome. <see cref="SendMachine.IsUsable"/> says whether another may follow.</summary>
    Done,

    /// <summary>The conversation is over; outside a transaction <see cref="SendMachine.Failure"/> says why.</summary>
    Closed,
}

/// <summary>When a connection speaks TLS.</summary>
public enum StartTlsUse : byte
{
    /// <summary>Never, also when offered.</summary>
    Never,

    /// <summary>When offered; a refusal goes on in clear.</summary>
    WhenOffered,

    /// <summary>Always: without it the host is not used.</summary>
    Always,

    /// <summary>From the first octet, before the banner (RFC 8314 3.3).</summary>
    Implicit,
}
