namespace FastRelay.Load;

/// <summary>What the source's driver does next.</summary>
public enum LoadStep : byte
{
    /// <summary>Waits for a reply, after sending what was written.</summary>
    Read,

    /// <summary>Sends the message's content and its final dot, then reads.</summary>
    Content,

    /// <summary>Starts TLS as the client.</summary>
    StartTls,

    /// <summary>Nothing is under way: a message, NOOP or QUIT may begin.</summary>
    Ready,

    /// <summary>The connection is of no more use.</summary>
    Closed,
}

/// <summary>What became of a message.</summary>
public enum LoadOutcome : byte
{
    /// <summary>Under way, or never begun.</summary>
    None,

    /// <summary>The server took responsibility for it, for one recipient at least.</summary>
    Accepted,

    /// <summary>The server said no.</summary>
    Refused,

    /// <summary>The connection ended before the server said either.</summary>
    Lost,
}

/// <summary>A message that is to be sent.</summary>
/// <param name="Sequence">Its number, from 0.</param>
/// <param name="IntendedTimestamp">When it should start, on <see cref="System.Diagnostics.Stopwatch"/>'s scale; latency counts from here.</param>
public readonly record struct LoadTicket(long Sequence, long IntendedTimestamp);
