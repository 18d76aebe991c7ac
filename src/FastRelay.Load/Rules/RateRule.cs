namespace FastRelay.Load;

/// <summary>What a rate cap counts.</summary>
public enum RateUnit : byte
{
    /// <summary>Connections, judged at the banner.</summary>
    Connections,

    /// <summary>Messages, judged at MAIL.</summary>
    Messages,

    /// <summary>Recipients, judged at RCPT.</summary>
    Recipients,
}

/// <summary>Whose doings a rate cap adds up.</summary>
public enum RateScope : byte
{
    /// <summary>Everybody's.</summary>
    All,

    /// <summary>One client address.</summary>
    Address,

    /// <summary>One recipient domain; for recipients only.</summary>
    Domain,
}

/// <summary>A cap over a sliding window: at most <paramref name="Count"/> in any <paramref name="WindowMs"/>.</summary>
/// <param name="Unit">What is counted.</param>
/// <param name="Scope">Whose.</param>
/// <param name="Count">1 to <see cref="CountMax"/>.</param>
/// <param name="WindowMs">Length of the window, ms.</param>
/// <param name="Reply">What one past the cap is told, with CRLF; class 421 ends the connection.</param>
public sealed record RateRule(RateUnit Unit, RateScope Scope, int Count, long WindowMs, byte[] Reply)
{
    /// <summary>Bound of <see cref="Count"/>: a window remembers that many times.</summary>
    public const int CountMax = 1_000_000;
}
