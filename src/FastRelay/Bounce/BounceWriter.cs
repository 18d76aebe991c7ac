using System.Buffers;
using System.Runtime.CompilerServices;
using FastRelay.Journal;
using FastRelay.Outside;
using FastRelay.Queue;
using FastRelay.Smtp;

namespace FastRelay.Bounce;

/// <summary>Composes one bounce at a time and commits it together with the settling of the recipients that it names.</summary>
internal sealed class BounceWriter(World world, MessageJournal journal, BounceOptions options)
{
    private const int PieceBytes = 4096;
    private readonly MessageWriter _writer = new(journal);
    private readonly EnvelopeBuilder _envelope = new();
    // Of one after the other; at most the octets that are returned, and our own.
    private readonly ArrayBufferWriter<byte> _text = new(4096);

    /// <summary>The envelope of the bounce that was committed last.</summary>
    public EnvelopeBuilder Envelope => _envelope;

    /// <summary>Writes the bounce; anything but Ok leaves all as it was.</summary>
    /// <returns>Null when the original's envelope is damaged, so that nobody knows whom to tell.</returns>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public async ValueTask<CommitResult?> WriteAsync(PendingBounce pending)
    {
        BodyReader body = journal.OpenBody();
        body.Start(pending.Message);
        BodyStatus status = await body.PrepareAsync();
        if (!body.HasEnvelope)
        {
            body.Close();
            return status == BodyStatus.Corrupt ? null : new CommitResult(JournalStatus.Failed, MessageHandle.None);
        }
        MessageId id = _writer.Begin();
        Compose(pending, id, body, status);
        body.Close();
        for (int at = 0; at < _text.WrittenCount;)
        {
            JournalStatus flushed = _writer.IsFull ? await _writer.FlushAsync() : JournalStatus.Ok;
            if (flushed != JournalStatus.Ok)
            {
                _writer.Abandon();
                return new CommitResult(flushed, MessageHandle.None);
            }
            at += CopyPiece(_text.WrittenSpan[at..]);
        }
        if (!IsLive(pending))
        {
            // Set aside by another bounce, while this one waited for room.
            _writer.Abandon();
            return new CommitResult(JournalStatus.Closed, MessageHandle.None);
        }
        pending.IsCommitting = true;
        CommitResult result = await CommitAsync(pending);
        pending.IsCommitting = false;
        return result;
    }

    /// <summary>The message is still there: its slot may be another's by now.</summary>
    public bool IsLive(PendingBounce pending) =>
        !pending.IsGivenUp && journal.TryFind(pending.Id, out MessageHandle message) && message == pending.Message;

    private int CopyPiece(ReadOnlySpan<byte> rest)
    {
        Span<byte> into = _writer.GetSpan(Math.Min(rest.Length, PieceBytes));
        int length = Math.Min(rest.Length, into.Length);
        rest[..length].CopyTo(into);
        _writer.Advance(length);
        return length;
    }

    private ValueTask<CommitResult> CommitAsync(PendingBounce pending)
    {
        if (pending.RetryUntil is not null)
        {
            return _writer.CommitAsync(_envelope);
        }
        var indexes = new int[pending.Failed.Count];
        for (int i = 0; i < indexes.Length; i++)
        {
            indexes[i] = pending.Failed[i].Index;
        }
        return _writer.CommitAsync(_envelope, pending.Message, indexes);
    }

    private void Compose(PendingBounce pending, MessageId id, BodyReader body, BodyStatus status)
    {
        // RET=HDRS asks for less (RFC 3461 4.3); RET=FULL for more than is returned of a large message. Without a failure
        // the header is enough (RFC 3461 6.2).
        bool whole = pending.Failed.Exists(static one => one.Kind == NoticeKind.Failed) && body.Length <= BounceText.ReturnedBytes && (status != BodyStatus.Ok || (ReturnContent)body.Envelope.Return != ReturnContent.Headers);
        ReturnedPart part = status != BodyStatus.Ok ? ReturnedPart.Nothing : whole ? ReturnedPart.Message : ReturnedPart.Headers;
        ReadOnlyMemory<byte> original = part == ReturnedPart.Nothing ? default : ReturnedBytes(body, part);
        BounceFacts facts = Facts(pending, id, body.Envelope, part, original);
        _text.ResetWrittenCount();
        BounceShape shape = BounceText.Write(facts, _text);
        _writer.StuffedDots = shape.StuffedDots;
        EnvelopeFlags flags = EnvelopeFlags.Bounce | (shape.EightBit ? EnvelopeFlags.EightBit : EnvelopeFlags.None);
        if (ReportForm.Of(facts).IsUtf8)
        {
            // Its recipient is not ASCII, and neither is its header: a host has to be told so (RFC 6531 3.4).
            flags |= EnvelopeFlags.SmtpUtf8;
        }
        _envelope.Start(default, flags, "[bounce]"u8, default);
        // Whose mail it was waits for its bounces: they take their turn with the rest of it.
        _envelope.SetTenant(body.Envelope.Tenant);
        _envelope.SetPriority(body.Envelope.Priority);
        bool fits = _envelope.TryAddRecipient(facts.ReversePath);
        Check.That(fits);
    }

    private BounceFacts Facts(PendingBounce pending, MessageId id, scoped in Envelope envelope, ReturnedPart part, ReadOnlyMemory<byte> original)
    {
        Check.That(!envelope.ReversePath.IsEmpty, "nobody is told of the failure of a bounce");
        var failed = new FailedNotice[pending.Failed.Count];
        for (int i = 0; i < failed.Length; i++)
        {
            FailedRecipient recipient = pending.Failed[i];
            EnvelopeRecipient known = envelope.At(recipient.Index);
            failed[i] = new FailedNotice(known.Mailbox.ToArray(), recipient.Outcome, recipient.HostText, recipient.ReplyText) { Kind = recipient.Kind, OriginalRecipient = known.OriginalRecipient.ToArray() };
        }
        return new BounceFacts
        {
            Hostname = options.Hostname,
            Id = id.ToString(),
            OriginalId = pending.Id.ToString(),
            ReversePath = envelope.ReversePath.ToArray(),
            EnvelopeId = envelope.EnvelopeId.ToArray(),
            Failed = failed,
            Arrival = DateTimeOffset.FromUnixTimeMilliseconds(envelope.ArrivalUnixMs),
            LastAttempt = pending.FailedAt,
            RetryUntil = pending.RetryUntil,
            Now = world.Time.GetUtcNow(),
            Part = part,
            Original = original,
            Nonce = (ulong)world.Random.NextInt64(),
        };
    }

    // At most ReturnedBytes of the stored form, the header section only when not all is returned.
    private static byte[] ReturnedBytes(BodyReader body, ReturnedPart part)
    {
        var bytes = new byte[Math.Min(body.Length, BounceText.ReturnedBytes)];
        int at = 0;
        while (at < bytes.Length && body.TryNext(out ReadOnlyMemory<byte> piece))
        {
            int length = Math.Min(piece.Length, bytes.Length - at);
            piece.Span[..length].CopyTo(bytes.AsSpan(at));
            at += length;
        }
        Check.That(at == bytes.Length, "a body is as long as it says");
        return part == ReturnedPart.Message ? bytes : BounceText.HeaderOf(bytes, BounceText.ReturnedBytes).ToArray();
    }
}
