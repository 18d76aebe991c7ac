using System.Net;

namespace FastRelay.Load;

/// <summary>What a fault does when it strikes.</summary>
public enum FaultKind : byte
{
    /// <summary>Nothing: the normal answer.</summary>
    None,

    /// <summary>Another reply; one of class 421 also ends the connection.</summary>
    Reply,

    /// <summary>The normal answer, late: a tarpit.</summary>
    Delay,

    /// <summary>No answer at all; the connection stays open.</summary>
    Stall,

    /// <summary>The connection is closed instead of an answer.</summary>
    Close,

    /// <summary>The connection is reset instead of an answer.</summary>
    Reset,
}

/// <summary>One way in which a server misbehaves.</summary>
public sealed record FaultRule
{
    /// <summary>Where in the dialogue.</summary>
    public required DialogueStage At { get; init; }

    /// <summary>What it does.</summary>
    public required FaultKind Kind { get; init; }

    /// <summary>The reply with its CRLF, for <see cref="FaultKind.Reply"/>.</summary>
    public byte[] Reply { get; init; } = [];

    /// <summary>Wait before it, ms; for every kind.</summary>
    public int DelayMs { get; init; }

    /// <summary>How often it strikes, 0 to 1.</summary>
    public double Odds { get; init; } = 1;

    /// <summary>Only on this address of the sink; null for all.</summary>
    public IPAddress? Local { get; init; }

    /// <summary>Only for recipients in this domain, lower case; null for all. For <see cref="DialogueStage.Rcpt"/> only.</summary>
    public byte[]? Domain { get; init; }
}
