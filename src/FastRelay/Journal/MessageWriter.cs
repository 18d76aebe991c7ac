#pragma warning disable CA1822 // bodies follow
namespace FastRelay.Journal;

/// <summary>The journal; its bodies follow this surface.</summary>
public sealed class MessageWriter(MessageJournal journal)
{
    private readonly byte[] _buffer = new byte[Limits.ChunkBytes];
    private int _used;
    private long _length;

    /// <summary>Octets written so far, in stored form.</summary>
    public long Length => _length;

    /// <summary>The buffer is full: call <see cref="FlushAsync"/> before more.</summary>
    public bool IsFull => _used > Limits.ChunkBytes - 4096;

    /// <summary>Dots that stuffing added, for BDAT and for sizes.</summary>
    public int StuffedDots { get; set; }

    /// <summary>Begins a message.</summary>
    /// <returns>Its id, for the trace header.</returns>
    public MessageId Begin()
    {
        _used = 0;
        _length = 0;
        StuffedDots = 0;
        return new MessageId(1);
    }

    /// <summary>Room for more of the body in stored form.</summary>
    /// <param name="min">Bytes wanted, at most 4,096; not while <see cref="IsFull"/>.</param>
    public Span<byte> GetSpan(int min)
    {
        Check.That(min <= 4096 && !IsFull);
        return _buffer.AsSpan(_used);
    }

    /// <summary>Says how much of the last <see cref="GetSpan"/> was written.</summary>
    public void Advance(int bytes)
    {
        _used += bytes;
        _length += bytes;
    }

    /// <summary>Hands the buffer to the journal when it is full; waits for room. Anything but Ok ends the message.</summary>
    public ValueTask<JournalStatus> FlushAsync() => new(journal.Admission);

    /// <summary>Commits the message: completes when its group is durable, or failed.</summary>
    public ValueTask<CommitResult> CommitAsync(EnvelopeBuilder envelope) => CommitAsync(envelope, MessageHandle.None, default);

    /// <summary>Commits a bounce whose record itself settles recipients of the original, so that no crash can bounce twice.</summary>
    /// <param name="envelope">Envelope of the bounce.</param>
    /// <param name="settles">The original.</param>
    /// <param name="recipientIndexes">Recipients of the original that the bounce reports; copied at once.</param>
    public ValueTask<CommitResult> CommitAsync(EnvelopeBuilder envelope, MessageHandle settles, ReadOnlySpan<int> recipientIndexes) => new(new CommitResult(JournalStatus.Closed, MessageHandle.None));

    /// <summary>Gives the message up, at any time but during a wait; what was staged becomes garbage.</summary>
    public void Abandon()
    {
        _used = 0;
        _length = 0;
    }
}
