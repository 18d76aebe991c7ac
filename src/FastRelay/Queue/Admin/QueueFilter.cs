using FastRelay.Journal;

namespace FastRelay.Queue;

/// <summary>Where the mail of one destination of a message is, for people.</summary>
public enum QueuedState : byte
{
    /// <summary>Waits for its turn, for DNS, or for its site to end a backoff.</summary>
    Ready,

    /// <summary>Being delivered.</summary>
    InFlight,

    /// <summary>Waits for its next attempt.</summary>
    Deferred,

    /// <summary>Held by the operator.</summary>
    Held,

    /// <summary>Being failed or removed.</summary>
    Ending,
}

/// <summary>What the operator has asked for of mail that is being delivered, and of what is not settled yet.</summary>
public enum QueueOrder : byte
{
    /// <summary>Nothing that is not done.</summary>
    None,

    /// <summary>Held when its delivery is over.</summary>
    Hold,

    /// <summary>Removed when its delivery is over, or its turn has come.</summary>
    Remove,

    /// <summary>Bounced when its delivery is over, its turn has come, or its sender can be told.</summary>
    Bounce,
}

/// <summary>Selects what an operation of the operator is about; every condition that is given must hold. With none it is everything.</summary>
public sealed record QueueFilter
{
    /// <summary>One message.</summary>
    public MessageId? Id { get; init; }

    /// <summary>The reverse-path, ASCII letters in any case; <c>&lt;&gt;</c> for the null one.</summary>
    public string? Sender { get; init; }

    /// <summary>
    /// The domain of a recipient's address, in any case, and nothing else. Mail of a message for several domains that goes by one route is
    /// one entry: bouncing and removing is for the recipients of this domain alone; holding, releasing and retrying for the entry when it has
    /// one of them; moving for the entry when it has no other.
    /// </summary>
    public string? Domain { get; init; }

    /// <summary>A site's key.</summary>
    public string? Site { get; init; }

    /// <summary>A tenant's name, in its own case; empty for the default tenant.</summary>
    public string? Tenant { get; init; }

    /// <summary>A state.</summary>
    public QueuedState? State { get; init; }

    /// <summary>It arrived then or before, Unix ms; 0 for at any time.</summary>
    public long ArrivedByUnixMs { get; init; }

    /// <summary>Its id was given before this one; null for any. What is changed is what was there when the change was asked for, and not the reports that it leads to.</summary>
    public MessageId? Before { get; init; }

    /// <summary>True when no condition is given.</summary>
    public bool IsEverything => Id is null && Sender is null && Domain is null && Site is null && Tenant is null && State is null && ArrivedByUnixMs == 0 && Before is null;
}
