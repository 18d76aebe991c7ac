using FastRelay.Outside;

namespace FastRelay.Journal;

/// <summary>
/// Writes one message at a time into the journal: one for each session, reused. It owns a buffer of
/// <see cref="Limits.ChunkBytes"/> only between <see cref="Begin"/> and the end of the message, so a session's memory
/// does not depend on the message's size: a small message is one record, a large one leaves in chunks.
/// </summary>
public sealed class MessageWriter
{
    private const int LeastSpan = 4096;
    private readonly MessageJournal _journal;
    private readonly Signal<JournalStatus> _flushed;
    private readonly Signal<CommitResult> _committed;
    private byte[]? _buffer;
    private int[] _settled = [];
    private int _settledCount;
    private int _lastChunk = -1;
    private EnvelopeBuilder? _envelope;
    private bool _waiting;

    /// <summary>Creates a writer of a journal.</summary>
    public MessageWriter(MessageJournal journal)
    {
        _journal = journal;
        _flushed = new Signal<JournalStatus>(journal.Loop);
        _committed = new Signal<CommitResult>(journal.Loop);
    }

    /// <summary>Octets written so far, in stored form.</summary>
    public long Length { get; private set; }

    /// <summary>The buffer is full: call <see cref="FlushAsync"/> before more.</summary>
    public bool IsFull => Used > Limits.ChunkBytes - LeastSpan;

    /// <summary>Dots that stuffing added to the body; set before the commit.</summary>
    public int StuffedDots { get; set; }

    /// <summary>Id of the message under way.</summary>
    public MessageId Id { get; private set; }

    internal int Used { get; private set; }

    internal ReadOnlySpan<byte> Body => _buffer.AsSpan(0, Used);

    internal int Chunks { get; private set; }

    internal uint WholeCrc { get; private set; }

    internal int Slot { get; private set; } = -1;

    internal int SettlesSlot { get; private set; } = -1;

    internal ReadOnlySpan<int> Settled => _settled.AsSpan(0, _settledCount);

    internal MessageWriter? NextWaiter { get; set; }

    internal int RecordOffset { get; private set; }

    internal int RecordLength { get; private set; }

    internal int Recipients { get; private set; }

    internal long ArrivalMs { get; private set; }

    /// <summary>A notification of our own, which may use the reserve.</summary>
    internal bool IsOwn => _envelope is not null && (_envelope.View.Flags & EnvelopeFlags.Bounce) != 0;

    /// <summary>It asked for its commit; else, while it waits, for a chunk.</summary>
    internal bool Commits => _envelope is not null;

    /// <summary>One of its chunks was lost with its group.</summary>
    internal bool IsBroken => Slot >= 0 && (_journal.Index[Slot].Flags & EntryFlags.Failed) != 0;

    /// <summary>Begins a message.</summary>
    /// <returns>Its id, for the trace header.</returns>
    public MessageId Begin()
    {
        Check.That(_buffer is null && !_waiting, "the message before was neither committed nor abandoned");
        _buffer = _journal.RentChunk();
        Id = _journal.NextId();
        Used = 0;
        Length = 0;
        StuffedDots = 0;
        Chunks = 0;
        WholeCrc = 0;
        Slot = -1;
        _lastChunk = -1;
        SettlesSlot = -1;
        _settledCount = 0;
        return Id;
    }

    /// <summary>Room for more of the body in stored form.</summary>
    /// <param name="min">Bytes wanted, at most 4,096; not while <see cref="IsFull"/>.</param>
    public Span<byte> GetSpan(int min)
    {
        Check.That(min <= LeastSpan && !IsFull && _buffer is not null && !_waiting);
        return _buffer.AsSpan(Used, Limits.ChunkBytes - Used);
    }

    /// <summary>Says how much of the last <see cref="GetSpan"/> was written.</summary>
    public void Advance(int bytes)
    {
        Check.That(bytes >= 0 && Used + bytes <= Limits.ChunkBytes);
        Used += bytes;
        Length += bytes;
    }

    /// <summary>Hands the buffer's content to the journal; waits for room. After anything but Ok only <see cref="Abandon"/> is left.</summary>
    public ValueTask<JournalStatus> FlushAsync()
    {
        _journal.Loop.CheckThread();
        Check.That(_buffer is not null && !_waiting);
        if (Used == 0)
        {
            return new ValueTask<JournalStatus>(JournalStatus.Ok);
        }
        if (_journal.TryStage(this, out JournalStatus status))
        {
            return new ValueTask<JournalStatus>(status);
        }
        _waiting = true;
        return _flushed.WaitAsync();
    }

    /// <summary>Commits the message: completes when its group is durable, or failed. Then the writer may begin the next.</summary>
    public ValueTask<CommitResult> CommitAsync(EnvelopeBuilder envelope) => CommitAsync(envelope, MessageHandle.None, default);

    /// <summary>Commits a bounce whose record itself settles recipients of the original, so that no crash can bounce twice.</summary>
    /// <param name="envelope">Envelope of the bounce.</param>
    /// <param name="settles">The original.</param>
    /// <param name="recipientIndexes">Recipients of the original that the bounce reports; copied at once.</param>
    public ValueTask<CommitResult> CommitAsync(EnvelopeBuilder envelope, MessageHandle settles, ReadOnlySpan<int> recipientIndexes)
    {
        _journal.Loop.CheckThread();
        Check.That(_buffer is not null && !_waiting);
        Check.That(envelope.RecipientCount > 0, "a message without recipients");
        _envelope = envelope;
        if (settles.IsValid)
        {
            KeepSettled(settles, recipientIndexes);
        }
        if (_journal.TryStage(this, out JournalStatus status) && status != JournalStatus.Ok)
        {
            End();
            return new ValueTask<CommitResult>(new CommitResult(status, MessageHandle.None));
        }
        _waiting = true;
        return _committed.WaitAsync();
    }

    /// <summary>Gives the message up, at any time but during a wait; what was staged becomes garbage. Does nothing when there is none.</summary>
    public void Abandon()
    {
        _journal.Loop.CheckThread();
        Check.That(!_waiting, "a message was abandoned during a wait");
        if (_buffer is not null)
        {
            End();
        }
    }

    /// <summary>The buffer's content becomes a chunk: says which node will hold its place.</summary>
    internal int AddChunk()
    {
        if (Slot < 0)
        {
            Slot = _journal.Index.AddOpen(Id.Value);
        }
        WholeCrc = Crc32C.Append(WholeCrc, Body);
        _lastChunk = _journal.Index.AddChunk(Slot, _lastChunk);
        Chunks++;
        return _lastChunk;
    }

    /// <summary>The chunk was staged: the buffer is free again.</summary>
    internal void ChunkStaged() => Used = 0;

    /// <summary>The envelope, stamped with the time of arrival, and the checksum of the whole body.</summary>
    internal EnvelopeBuilder Close(long nowMs)
    {
        ArrivalMs = nowMs;
        _envelope!.SetArrival(nowMs);
        Recipients = _envelope.RecipientCount;
        WholeCrc = Crc32C.Append(WholeCrc, Body);
        return _envelope;
    }

    /// <summary>Bytes that the record to be staged needs.</summary>
    internal int NextRecordBytes() => Commits
        ? RecordHeader.Bytes + MessageFacts.Bytes + _envelope!.Encoded.Length + (_settledCount * 4) + Used
        : RecordHeader.Bytes + ChunkFacts.Bytes + Used;

    /// <summary>The head record was staged; the buffer is free.</summary>
    internal void HeadStaged(int offset, int length)
    {
        RecordOffset = offset;
        RecordLength = length;
    }

    /// <summary>Ends a wait for room, when it is not a commit that now waits for its group.</summary>
    internal void FinishWait(JournalStatus status)
    {
        if (Commits)
        {
            if (status != JournalStatus.Ok)
            {
                Finish(status, MessageHandle.None);
            }
            return;
        }
        _waiting = false;
        _flushed.Set(status);
    }

    /// <summary>The commit is decided.</summary>
    internal void Finish(JournalStatus status, MessageHandle message)
    {
        _waiting = false;
        if (status == JournalStatus.Ok)
        {
            // The entry is the index's now.
            Slot = -1;
        }
        End();
        _committed.Set(new CommitResult(status, message));
    }

    private void KeepSettled(MessageHandle settles, ReadOnlySpan<int> indexes)
    {
        ref IndexEntry entry = ref _journal.Index[settles.Slot];
        Check.That(_journal.Index.IsLive(settles.Slot) && entry.Settling < byte.MaxValue);
        entry.Settling++;
        SettlesSlot = settles.Slot;
        if (_settled.Length < indexes.Length)
        {
            _settled = new int[indexes.Length];
        }
        indexes.CopyTo(_settled);
        _settledCount = indexes.Length;
    }

    private void End()
    {
        _journal.ReturnChunk(_buffer!);
        _buffer = null;
        _envelope = null;
        Used = 0;
        if (Slot >= 0)
        {
            _journal.Index.Remove(Slot);
            Slot = -1;
        }
        if (SettlesSlot >= 0)
        {
            _journal.Result.ReleaseSettled(SettlesSlot);
            SettlesSlot = -1;
        }
    }
}
