using FastRelay.Config;
using FastRelay.Observe;

namespace FastRelay.Journal;

/// <summary>
/// Tells again what the records behind the cursor say, while a start reads them: whoever was killed may not have told it. A record
/// holds less than was told at the time, so fields are missing. Nothing is kept but counts.
/// </summary>
/// <param name="events">Takes the lines.</param>
/// <param name="index">Knows the messages that were read so far.</param>
/// <param name="segments">Where their records lie.</param>
/// <param name="cursor">Groups up to this one are told.</param>
/// <param name="saidUnixMs">When the cursor said so, Unix ms.</param>
internal sealed class EventReplay(EventStream events, MessageIndex index, SegmentTable segments, ulong cursor, long saidUnixMs)
{
    private const int NotifySuccess = 2;
    private readonly LogStamp _since = new();
    private string _lastGap = "";
    private bool _tells;
    private bool _waits = true;

    /// <summary>Events told.</summary>
    public long Told { get; private set; }

    /// <summary>Gaps told.</summary>
    public long Gaps { get; private set; }

    private static ReadOnlySpan<byte> FinalRecipient => "\r\nFinal-Recipient: "u8;

    private static ReadOnlySpan<byte> Action => "\r\nAction: "u8;

    /// <summary>The journal begins with this group: what was before is gone.</summary>
    public void StartsAt(ulong group)
    {
        if (group > cursor + 1)
        {
            TellGap("reclaimed");
        }
    }

    /// <summary>A group cannot be read.</summary>
    public void Missing(ulong group)
    {
        if (group > cursor)
        {
            TellGap("damaged");
        }
    }

    /// <summary>Of the group at hand some record cannot be read.</summary>
    public void Unreadable()
    {
        if (_tells)
        {
            TellGap("damaged");
        }
    }

    /// <summary>The records of a group follow.</summary>
    public void Group(ulong number) => _tells = number > cursor;

    /// <summary>An Accepted record: a message of a client, or a report of ours, which settles recipients of another one.</summary>
    public void Accepted(ReadOnlySpan<byte> record, in RecordHeader header, in MessageFacts facts, int slot)
    {
        if (!_tells || header.Kind != RecordKind.Accepted)
        {
            return;
        }
        var envelope = new Envelope(facts.EnvelopeOf(record));
        Span<byte> id = stackalloc byte[MessageId.TextLength];
        new MessageId(header.Sequence).Format(id);
        if ((envelope.Flags & EnvelopeFlags.Bounce) == 0)
        {
            Tell(WithRoom().Begin("accepted"u8).AddRecovered().Add("id"u8, id).Add("from"u8, envelope.ReversePath).Add("recipients"u8, envelope.RecipientCount)
                .Add("peer"u8, envelope.Peer).AddTenant(envelope.Tenant).AddPriority(envelope.Priority.Utf8Said()));
            return;
        }
        if (facts.Settles == 0)
        {
            Tell(WithRoom().Begin("delay_warning"u8).AddRecovered().Add("id"u8, id));
            return;
        }
        Settled(record, header, facts, slot);
        Span<byte> original = stackalloc byte[MessageId.TextLength];
        new MessageId(facts.Settles).Format(original);
        Tell(WithRoom().Begin("bounce"u8).AddRecovered().Add("id"u8, id).Add("for"u8, original).Add("recipients"u8, facts.SettledCount));
    }

    /// <summary>An Outcome or Settled record.</summary>
    /// <param name="slot">Of its message; below zero when that is not known any more.</param>
    /// <param name="record">The record.</param>
    /// <param name="header">Its header.</param>
    public void Outcome(int slot, ReadOnlySpan<byte> record, in RecordHeader header)
    {
        if (!_tells || (header.Flags & RecordHeader.CopyFlag) != 0 || !OutcomeFacts.TryRead(record, header, out OutcomeFacts facts))
        {
            return;
        }
        Envelope envelope = EnvelopeOf(slot);
        for (int i = 0; i < facts.Count; i++)
        {
            RecipientOutcome outcome = facts[i];
            bool isDeferred = outcome.Result == RecipientResult.Deferred;
            if (!isDeferred || (facts.Attempts > 0 && !facts.Move.IsBounce))
            {
                // Without an attempt it is a move by the operator, which has no event; nor has his order to bounce.
                Tell(header.Sequence, envelope, outcome.Index, outcome.Result, facts.Attempts, isDeferred ? facts.Reason : default);
            }
        }
    }

    /// <summary>A report names those who failed, and those who were passed on where their sender wanted to hear of it: only its text tells which.</summary>
    private void Settled(ReadOnlySpan<byte> record, in RecordHeader header, in MessageFacts facts, int slot)
    {
        Envelope envelope = EnvelopeOf(index.Find(facts.Settles));
        ReadOnlySpan<byte> text = facts.Chunks > 0 ? FirstChunk(slot) : record.Slice(header.BodyAt, header.BodyBytes);
        for (int i = 0; i < facts.SettledCount; i++)
        {
            bool isSaid = NextAction(ref text, out bool isRelayed);
            int recipient = facts.SettledIndex(record, i);
            bool known = !envelope.Encoded.IsEmpty && (uint)recipient < (uint)envelope.RecipientCount;
            if (isSaid || (known && (envelope.At(recipient).Notify & NotifySuccess) == 0))
            {
                Tell(facts.Settles, envelope, recipient, isRelayed ? RecipientResult.Delivered : RecipientResult.Dropped, 0, default);
            }
            else
            {
                TellGap("report");
            }
        }
    }

    private void Tell(ulong message, Envelope envelope, int recipient, RecipientResult result, int attempts, ReadOnlySpan<byte> reply)
    {
        Span<byte> id = stackalloc byte[MessageId.TextLength];
        new MessageId(message).Format(id);
        EventLine line = WithRoom().Begin(Of(result)).AddRecovered().Add("id"u8, id);
        // Of a message whose own record is gone only the number of the recipient is left.
        line = envelope.Encoded.IsEmpty || (uint)recipient >= (uint)envelope.RecipientCount
            ? line.Add("recipient"u8, recipient)
            : line.Add("from"u8, envelope.ReversePath).Add("to"u8, envelope.Recipient(recipient)).AddTenant(envelope.Tenant).AddPriority(envelope.Priority.Utf8Said());
        line = attempts > 0 ? line.Add("attempts"u8, attempts) : line;
        Tell(reply.IsEmpty ? line : line.Add("reply"u8, reply));
    }

    // Faster than any disk writes: what would find no room is waited for, until whoever reads has shown that he does not.
    private EventStream WithRoom()
    {
        _waits = _waits && events.WaitForRoom();
        return events;
    }

    private void Tell(in EventLine line) => Told += line.Write() ? 1 : 0;

    private static ReadOnlySpan<byte> Of(RecipientResult result) => result switch
    {
        RecipientResult.Delivered => "delivered"u8,
        RecipientResult.Deferred => "deferred"u8,
        _ => "failed"u8,
    };

    /// <summary>The fields of a report name its recipients in the order of the record (RFC 3464 2.3).</summary>
    private static bool NextAction(ref ReadOnlySpan<byte> text, out bool isRelayed)
    {
        isRelayed = false;
        int recipient = text.IndexOf(FinalRecipient);
        text = recipient < 0 ? default : text[(recipient + FinalRecipient.Length)..];
        int action = text.IndexOf(Action);
        text = action < 0 ? default : text[(action + Action.Length)..];
        isRelayed = text.StartsWith("relayed"u8);
        return isRelayed || text.StartsWith("failed"u8);
    }

    private Envelope EnvelopeOf(int slot)
    {
        if (!index.IsLive(slot))
        {
            return default;
        }
        IndexEntry entry = index[slot];
        ReadOnlySpan<byte> record = segments[entry.Segment].Map.Span(entry.Offset, entry.RecordLength);
        return new Envelope(MessageFacts.Read(record).EnvelopeOf(record));
    }

    private ReadOnlySpan<byte> FirstChunk(int slot)
    {
        RecordNode node = index.Node(index[slot].Chunks);
        return node.Segment < 0 ? default : segments[node.Segment].Map.Span(node.Offset, node.RecordLength)[(RecordHeader.Bytes + ChunkFacts.Bytes)..];
    }

    private void TellGap(string reason)
    {
        if (reason == _lastGap)
        {
            return;
        }
        _lastGap = reason;
        Gaps++;
        WithRoom().Begin("gap"u8).AddRecovered().Add("since"u8, _since.Of(DateTimeOffset.FromUnixTimeMilliseconds(saidUnixMs))).Add("reason"u8, reason).Write();
    }
}
