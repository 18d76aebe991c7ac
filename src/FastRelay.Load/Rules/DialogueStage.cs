namespace FastRelay.Load;

/// <summary>The points of a dialogue at which a server answers; what faults are tied to and replies are counted by.</summary>
public enum DialogueStage : byte
{
    /// <summary>The greeting, RFC 5321 4.3.1.</summary>
    Banner,

    /// <summary>EHLO or HELO.</summary>
    Ehlo,

    /// <summary>STARTTLS.</summary>
    StartTls,

    /// <summary>AUTH and its responses.</summary>
    Auth,

    /// <summary>MAIL.</summary>
    Mail,

    /// <summary>RCPT.</summary>
    Rcpt,

    /// <summary>DATA.</summary>
    Data,

    /// <summary>The end of the content: the reply that takes responsibility.</summary>
    Dot,

    /// <summary>QUIT.</summary>
    Quit,

    /// <summary>RSET, NOOP and what the server did not understand.</summary>
    Other,
}
