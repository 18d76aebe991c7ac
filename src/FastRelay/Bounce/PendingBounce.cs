using FastRelay.Journal;
using FastRelay.Queue;

namespace FastRelay.Bounce;

/// <summary>What the sender of one message is still to be told of.</summary>
internal sealed class PendingBounce(MessageHandle message, MessageId id)
{
    public MessageHandle Message { get; } = message;

    public MessageId Id { get; } = id;

    public List<FailedRecipient> Failed { get; } = [];

    /// <summary>When the last of them failed.</summary>
    public DateTimeOffset FailedAt { get; set; }

    /// <summary>Since when it waits, or since it was last refused, on the loop's scale.</summary>
    public long SinceMs { get; set; }

    /// <summary>When what is delayed is given up; null for a report that settles its recipients.</summary>
    public DateTimeOffset? RetryUntil { get; init; }

    /// <summary>Its report is on its way to the disk, and settles its recipients there.</summary>
    public bool IsCommitting { get; set; }

    /// <summary>The relay stops, and those that were delivered are settled without a report.</summary>
    public bool IsGivenUp { get; set; }

    /// <summary>Recipients that were delivered.</summary>
    public int Relayed => Failed.Count(static one => one.Kind == NoticeKind.Relayed);

    /// <summary>Next in the order of service.</summary>
    public PendingBounce? Next { get; set; }
}
