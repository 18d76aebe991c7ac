namespace FastRelay.Smtp;

/// <summary>What became of a recipient in one attempt.</summary>
public enum OutcomeClass : byte
{
    /// <summary>Nothing is decided: the dialogue goes on. Also the default value, so that nothing counts as delivered by accident.</summary>
    None,

    /// <summary>The next hop has taken responsibility (RFC 5321 6.1).</summary>
    Delivered,

    /// <summary>To be tried again later.</summary>
    Deferred,

    /// <summary>Never to be tried again; a bounce is due.</summary>
    Failed,
}

/// <summary>How far an outcome reaches.</summary>
public enum Reach : byte
{
    /// <summary>One recipient.</summary>
    Recipient,

    /// <summary>All recipients of the transaction.</summary>
    Message,

    /// <summary>The host or this connection to it: nothing more is sent on it, another MX may be tried.</summary>
    Host,

    /// <summary>The whole site backs off.</summary>
    Site,
}

/// <summary>Where an outcome comes from.</summary>
public enum OutcomeCause : byte
{
    /// <summary>None; with <see cref="OutcomeClass.None"/>.</summary>
    None,

    /// <summary>The next hop's reply.</summary>
    Reply,

    /// <summary>No connection: refused, unreachable, or an address that is not allowed.</summary>
    ConnectFailed,

    /// <summary>No connection in time.</summary>
    ConnectTimeout,

    /// <summary>The connection broke before the final dot was sent.</summary>
    ConnectionLost,

    /// <summary>The connection broke, or the answer made no sense, after the final dot: the next hop may have the message.</summary>
    InDoubt,

    /// <summary>No reply in time, before the final dot.</summary>
    ReplyTimeout,

    /// <summary>A reply that is no SMTP, or that cannot stand here.</summary>
    BadReply,

    /// <summary>TLS that policy demands did not come about.</summary>
    TlsFailed,

    /// <summary>DNS gave no answer: SERVFAIL, REFUSED, timeout.</summary>
    DnsTemporary,

    /// <summary>The domain does not exist, or has neither MX nor address.</summary>
    NoSuchDomain,

    /// <summary>The domain says that it takes no mail (RFC 7505).</summary>
    NullMx,

    /// <summary>The best MX is this host (RFC 5321 5.1).</summary>
    MailLoop,

    /// <summary>Too long in the queue.</summary>
    Expired,

    /// <summary>Larger than the next hop's announced SIZE.</summary>
    TooBig,

    /// <summary>The stored body does not match its checksum; it is never sent.</summary>
    CorruptBody,

    /// <summary>Bounced by the operator.</summary>
    ByOperator,

    /// <summary>Removed by the operator: nobody is told.</summary>
    Removed,

    /// <summary>Needs an extension that the next hop does not offer, such as SMTPUTF8.</summary>
    NotSupported,

    /// <summary>A route says so: <c>error:</c>.</summary>
    ByRoute,

    /// <summary>Discarded by a <c>discard:</c> route.</summary>
    Discarded,

    /// <summary>This process stops; the attempt was given up before the final dot.</summary>
    ShuttingDown,

    /// <summary>A smarthost with which we cannot authenticate: it offers nothing that we speak, or cannot prove that it knows the password.</summary>
    AuthFailed,

    /// <summary>8-bit content that the next hop does not take, and that is not, or cannot be, converted.</summary>
    EightBit,

    /// <summary>8-bit content that the next hop does not take, and that is signed: converting would break the signature.</summary>
    EightBitSigned,

    /// <summary>It has failed, but its sender can be told neither now nor soon: it is tried again.</summary>
    Untold,

    /// <summary>Refused for good among several messages in flight by a host whose replies do not show that they are in step: it is asked again by itself.</summary>
    Unproved,
}

/// <summary>The outcome of one attempt, small enough to store: class, reach, reply code, enhanced code, cause.</summary>
/// <param name="Class">What became of it.</param>
/// <param name="Reach">How far it reaches.</param>
/// <param name="Cause">Where it comes from.</param>
/// <param name="ReplyCode">The next hop's reply code 200 to 599; 0 when there was no reply.</param>
/// <param name="EnhancedCode">The reply's enhanced code, or ours for a cause without a reply; none when a reply had none.</param>
public readonly record struct Outcome(OutcomeClass Class, Reach Reach, OutcomeCause Cause, ushort ReplyCode, EnhancedCode EnhancedCode)
{
    /// <summary>The dialogue goes on or the answer is of no consequence.</summary>
    public bool IsNone => Class == OutcomeClass.None;
}
