#pragma warning disable CA1822 // bodies follow
using FastRelay.Outside;

namespace FastRelay.Journal;

/// <summary>The journal; its bodies follow this surface.</summary>
public sealed class MessageJournal
{
    private const string Unfinished = "the journal is not there yet";

    /// <summary>Opens a journal: blocking, before the loop runs.</summary>
    public static JournalOpenResult Open(World world, JournalOptions options, IReplay replay) =>
        new(null, options.Path + ": " + Unfinished, new RecoveryReport());

    /// <summary>May a new message start? Asked at MAIL and at DATA.</summary>
    public JournalStatus Admission { get; }

    /// <summary>False while outcomes wait too long for the disk: start no new delivery, so that a crash re-sends little.</summary>
    public bool HasOutcomeRoom { get; } = true;

    /// <summary>Counts.</summary>
    public JournalStats Stats { get; }

    /// <summary>
    /// Records what an attempt came to; never waits. Delivered and Dropped settle; when no recipient is left the message
    /// is settled as a whole and its handle is free for another.
    /// </summary>
    /// <param name="message">The message.</param>
    /// <param name="outcomes">Each recipient once.</param>
    /// <param name="nextDueUnixMs">When the deferred ones are due, Unix ms; 0 when none is.</param>
    /// <param name="attempts">Attempts made at them.</param>
    /// <param name="reason">Why, at most <see cref="Limits.ReplyTextBytes"/> octets are kept.</param>
    /// <returns>True when the message is settled and the handle gone.</returns>
    public bool RecordOutcome(MessageHandle message, ReadOnlySpan<RecipientOutcome> outcomes, long nextDueUnixMs, int attempts, ReadOnlySpan<byte> reason) => throw new CheckFailedException(Unfinished);

    /// <summary>True while the recipient is not settled.</summary>
    public bool IsPending(MessageHandle message, int recipientIndex) => throw new CheckFailedException(Unfinished);

    /// <summary>Recipients that are not settled; 0 for a handle that is gone.</summary>
    public int PendingCount(MessageHandle message) => throw new CheckFailedException(Unfinished);

    /// <summary>The message's id.</summary>
    public MessageId IdOf(MessageHandle message) => throw new CheckFailedException(Unfinished);

    /// <summary>Finds a live message.</summary>
    public bool TryFind(MessageId id, out MessageHandle message) => throw new CheckFailedException(Unfinished);

    /// <summary>When it was committed, Unix ms.</summary>
    public long ArrivalUnixMs(MessageHandle message) => throw new CheckFailedException(Unfinished);

    /// <summary>Octets of the body in stored form.</summary>
    public long BodyLength(MessageHandle message) => throw new CheckFailedException(Unfinished);

    /// <summary>The operator holds it.</summary>
    public bool IsHeld(MessageHandle message) => throw new CheckFailedException(Unfinished);

    /// <summary>Holds or releases a message; recorded.</summary>
    public void SetHold(MessageHandle message, bool hold) => throw new CheckFailedException(Unfinished);

    /// <summary>What the last attempt at a recipient recorded; reads the map, so it may block: for replay and for <c>queue show</c>.</summary>
    public bool TryGetDeferred(MessageHandle message, int recipientIndex, out DeferredSet set) => throw new CheckFailedException(Unfinished);

    /// <summary>A reader from the pool; its Close gives it back.</summary>
    public BodyReader OpenBody() => throw new CheckFailedException(Unfinished);

    /// <summary>Flushes everything staged, writes a clean end mark, closes the files.</summary>
    public ValueTask CloseAsync() => throw new CheckFailedException(Unfinished);
}
