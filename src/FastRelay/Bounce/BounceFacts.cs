namespace FastRelay.Bounce;

/// <summary>How much of the original message a bounce returns.</summary>
public enum ReturnedPart : byte
{
    /// <summary>The whole message.</summary>
    Message,

    /// <summary>Its header section: it is too large to return whole.</summary>
    Headers,

    /// <summary>Nothing: the stored copy is damaged.</summary>
    Nothing,
}

/// <summary>Everything that the text of a bounce depends on.</summary>
public sealed class BounceFacts
{
    /// <summary>Our name.</summary>
    public required string Hostname { get; init; }

    /// <summary>The bounce's own id.</summary>
    public required string Id { get; init; }

    /// <summary>The id of the message that failed.</summary>
    public required string OriginalId { get; init; }

    /// <summary>The reverse-path of the message that failed; never empty.</summary>
    public required byte[] ReversePath { get; init; }

    /// <summary>Its recipients of whom there is something to say; at least one.</summary>
    public required IReadOnlyList<FailedNotice> Failed { get; init; }

    /// <summary>Its ENVID as given; empty when it had none.</summary>
    public byte[] EnvelopeId { get; init; } = [];

    /// <summary>When the message arrived.</summary>
    public required DateTimeOffset Arrival { get; init; }

    /// <summary>When the last attempt for these recipients was made.</summary>
    public required DateTimeOffset LastAttempt { get; init; }

    /// <summary>When what is delayed is given up; null when nothing is.</summary>
    public DateTimeOffset? RetryUntil { get; init; }

    /// <summary>The date of the bounce.</summary>
    public required DateTimeOffset Now { get; init; }

    /// <summary>What is returned.</summary>
    public required ReturnedPart Part { get; init; }

    /// <summary>The returned part in stored form (CRLF lines, dot-stuffed); empty for <see cref="ReturnedPart.Nothing"/>.</summary>
    public required ReadOnlyMemory<byte> Original { get; init; }

    /// <summary>Makes the boundary unguessable.</summary>
    public required ulong Nonce { get; init; }
}
