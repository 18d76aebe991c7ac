using FastRelay.Journal;
using FastRelay.Queue;

namespace FastRelay.Bounce;

/// <summary>Failures of one message that its sender is still to be told of.</summary>
internal sealed class PendingBounce(MessageHandle message, MessageId id)
{
    public MessageHandle Message { get; } = message;

    public MessageId Id { get; } = id;

    public List<FailedRecipient> Failed { get; } = [];

    /// <summary>When the last of them failed.</summary>
    public DateTimeOffset FailedAt { get; set; }

    /// <summary>Next in the order of service.</summary>
    public PendingBounce? Next { get; set; }
}
