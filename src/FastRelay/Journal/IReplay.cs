namespace FastRelay.Journal;

/// <summary>Learns what a journal holds when it is opened: the queue.</summary>
public interface IReplay
{
    /// <summary>Called once for each live message after the journal was read, in order of id, before <see cref="MessageJournal.Open"/> returns.</summary>
    /// <param name="message">Its handle.</param>
    /// <param name="envelope">Its envelope; which recipients are pending says <see cref="ReplayState.IsPending"/>.</param>
    /// <param name="state">What is known of earlier attempts.</param>
    void Message(MessageHandle message, in Envelope envelope, in ReplayState state);
}

/// <summary>Where the operator has moved some recipients of a message to, or that he fails them; the default value says that they go as the configuration says.</summary>
/// <param name="target">What <c>queue move</c> was told, at most <see cref="TargetBytesMax"/> octets; or <see cref="Bounce"/>.</param>
/// <param name="unixMs">When, Unix ms; kept in whole seconds.</param>
public readonly ref struct RecordedMove(ReadOnlySpan<byte> target, long unixMs)
{
    /// <summary>Octets of a target: the longest name of DNS or pattern of a route, with what stands around it.</summary>
    public const int TargetBytesMax = 300;

    /// <summary>In place of a target: <c>queue bounce</c> fails them, with its text as the reason. No target of a move reads so.</summary>
    public static ReadOnlySpan<byte> Bounce => "bounce"u8;

    /// <summary>What <c>queue move</c> was told; empty when they are not moved.</summary>
    public ReadOnlySpan<byte> Target { get; } = target;

    /// <summary>They are to be failed.</summary>
    public bool IsBounce => Target.SequenceEqual(Bounce);

    /// <summary>When, Unix ms.</summary>
    public long UnixMs { get; } = unixMs;
}

/// <summary>What earlier attempts at some recipients of a message came to, as last recorded.</summary>
public readonly ref struct DeferredSet
{
    internal DeferredSet(int attempts, long nextDueUnixMs, ReadOnlySpan<byte> reason, RecordedMove move)
    {
        Attempts = attempts;
        NextDueUnixMs = nextDueUnixMs;
        Reason = reason;
        Move = move;
    }

    /// <summary>Attempts made.</summary>
    public int Attempts { get; }

    /// <summary>When the next is due, Unix ms.</summary>
    public long NextDueUnixMs { get; }

    /// <summary>Why the last one did not settle them.</summary>
    public ReadOnlySpan<byte> Reason { get; }

    /// <summary>Where the operator has moved them to.</summary>
    public RecordedMove Move { get; }
}

/// <summary>What the journal knows of a message beside its envelope, while <see cref="IReplay.Message"/> runs.</summary>
public readonly ref struct ReplayState
{
    private readonly MessageJournal _journal;
    private readonly MessageHandle _message;

    internal ReplayState(MessageJournal journal, MessageHandle message)
    {
        _journal = journal;
        _message = message;
    }

    /// <summary>The message's id.</summary>
    public MessageId Id => _journal.IdOf(_message);

    /// <summary>True when the operator holds the recipient.</summary>
    public bool IsHeld(int recipientIndex) => _journal.Holds.Has(_message, recipientIndex);

    /// <summary>True while the recipient is not settled.</summary>
    public bool IsPending(int recipientIndex) => _journal.IsPending(_message, recipientIndex);

    /// <summary>What the last attempt at a recipient recorded; false when none was made.</summary>
    public bool TryGetDeferred(int recipientIndex, out DeferredSet set) => _journal.TryGetDeferred(_message, recipientIndex, out set);
}
