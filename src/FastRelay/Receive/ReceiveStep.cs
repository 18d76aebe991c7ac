namespace FastRelay.Receive;

/// <summary>What the driver does after it has sent the reply.</summary>
public enum ReceiveAction : byte
{
    /// <summary>Go on with the next command.</summary>
    Continue,

    /// <summary>The reply is 354: read a message.</summary>
    Data,

    /// <summary>No reply yet: read <see cref="ReceiveStep.Octets"/> of a message, then ask <see cref="ReceiveMachine.ChunkRead"/>.</summary>
    Chunk,

    /// <summary>No reply yet: swallow <see cref="ReceiveStep.Octets"/>, then ask <see cref="ReceiveMachine.ChunkRead"/>.</summary>
    SkipChunk,

    /// <summary>No reply yet: check the password in <see cref="ReceiveMachine.Exchange"/>, then tell <see cref="ReceiveMachine.PasswordChecked"/>.</summary>
    CheckPassword,

    /// <summary>Drop what is buffered and start TLS.</summary>
    StartTls,

    /// <summary>Send the reply and close.</summary>
    Close,
}

/// <summary>One step of the dialogue.</summary>
/// <param name="Action">What the driver does next.</param>
/// <param name="ReplyLength">Octets of the reply written into the span that was given.</param>
/// <param name="Octets">Of a chunk.</param>
/// <param name="DelayMs">The reply, and all that follows, waits so long: the client does wrong too often.</param>
public readonly record struct ReceiveStep(ReceiveAction Action, int ReplyLength, long Octets = 0, int DelayMs = 0);
