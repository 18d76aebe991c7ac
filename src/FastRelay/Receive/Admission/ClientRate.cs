namespace FastRelay.Receive;

/// <summary>What a client may do only so often in a minute.</summary>
internal enum ClientRate : byte
{
    /// <summary>Connect.</summary>
    Connections,

    /// <summary>Say MAIL.</summary>
    Messages,

    /// <summary>Say RCPT.</summary>
    Recipients,
}
