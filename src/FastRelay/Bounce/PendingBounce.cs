using FastRelay.Journal;
using FastRelay.Queue;

namespace FastRelay.Bounce;

/// <summary>What the sender of one message is still to be told of.</summary>
/// <param name="message">Which.</param>
/// <param name="id">Its id.</param>
/// <param name="tenant">Whose it is; empty for the default tenant.</param>
/// <param name="recipients">How many there is room for at first: nearly always it is one, of a hundred thousand that may wait.</param>
internal sealed class PendingBounce(MessageHandle message, MessageId id, string tenant, int recipients)
{
    public MessageHandle Message { get; } = message;

    public MessageId Id { get; } = id;

    /// <summary>Whose message it is; empty for the default tenant.</summary>
    public string Tenant { get; } = tenant;

    public List<FailedRecipient> Failed { get; } = new(recipients);

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

    /// <summary>It tells of somebody who failed for good.</summary>
    public bool HasFailure => Failed.Exists(static one => one.Kind == NoticeKind.Failed);

    /// <summary>Next of the same tenant's.</summary>
    public PendingBounce? Next { get; set; }
}
