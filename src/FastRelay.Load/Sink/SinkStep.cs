namespace FastRelay.Load;

/// <summary>What the sink's driver does after it has sent the reply.</summary>
public enum SinkAction : byte
{
    /// <summary>Goes on with the next line, or octets of a message.</summary>
    Continue,

    /// <summary>Starts TLS as the server.</summary>
    StartTls,

    /// <summary>Says nothing more and leaves the connection open.</summary>
    Stall,

    /// <summary>Closes politely.</summary>
    Close,

    /// <summary>Resets.</summary>
    Reset,
}

/// <summary>One answer of the sink.</summary>
/// <param name="Length">Octets of the reply; 0 for none.</param>
/// <param name="Action">What comes after it.</param>
/// <param name="DelayMs">Wait before the reply.</param>
public readonly record struct SinkStep(int Length, SinkAction Action, int DelayMs);
