using System.Globalization;
using FastRelay.Outside;

namespace FastRelay.Journal;

/// <summary>What <see cref="JournalInspector"/> found, in the order of the journal.</summary>
public interface IJournalVisitor
{
    /// <summary>A segment begins.</summary>
    void Segment(in InspectedSegment segment);

    /// <summary>A group, or a place where one should be, in the segment at hand.</summary>
    void Group(in InspectedGroup group);

    /// <summary>A record of the group at hand. The spans are valid during the call.</summary>
    void Record(in InspectedRecord record);

    /// <summary>Bytes of the group at hand in which no record can be read.</summary>
    /// <param name="offset">Where in the segment.</param>
    /// <param name="bytes">How many.</param>
    void Unreadable(long offset, long bytes);

    /// <summary>Any other file of the folder, or something to say.</summary>
    void Note(string text);
}

/// <summary>A segment's header.</summary>
/// <param name="Path">The file.</param>
/// <param name="Header">As in <c>good</c>, <c>blank</c>, <c>damaged</c>.</param>
/// <param name="Number">Place in the journal.</param>
/// <param name="Epoch">Its epoch.</param>
/// <param name="FirstGroup">Number of its first group.</param>
/// <param name="FileBytes">Bytes of the file.</param>
/// <param name="SealedEnd">Where it was sealed; 0 for the open one.</param>
/// <param name="OpenedUnixMs">When it was opened.</param>
public readonly record struct InspectedSegment(string Path, string Header, ulong Number, ulong Epoch, ulong FirstGroup, long FileBytes, long SealedEnd, long OpenedUnixMs);

/// <summary>A group.</summary>
/// <param name="Offset">Where its frame begins.</param>
/// <param name="Number">Its number; 0 when no frame can be read.</param>
/// <param name="Bytes">Bytes on disk, padding included.</param>
/// <param name="Records">Records that the frame claims.</param>
/// <param name="Condition">As in <c>whole</c>, <c>torn</c>, <c>damaged</c>, <c>hole</c>, <c>missing groups before</c>, <c>clean end</c>.</param>
public readonly record struct InspectedGroup(long Offset, ulong Number, long Bytes, int Records, string Condition);

/// <summary>A record.</summary>
public readonly ref struct InspectedRecord
{
    private readonly ReadOnlySpan<byte> _record;
    private readonly RecordHeader _header;

    internal InspectedRecord(ReadOnlySpan<byte> record, in RecordHeader header, long offset)
    {
        _record = record;
        _header = header;
        Offset = offset;
    }

    /// <summary>Where it begins in the segment.</summary>
    public long Offset { get; }

    /// <summary>As in <c>Accepted</c>, <c>Chunk</c>, <c>Outcome</c>, <c>Settled</c>, <c>Moved</c>, <c>Control</c>, <c>Void</c>.</summary>
    public string Kind => _header.Kind switch
    {
        RecordKind.Chunk => "Chunk",
        RecordKind.Accepted => "Accepted",
        RecordKind.Outcome => "Outcome",
        RecordKind.Settled => "Settled",
        RecordKind.Moved => "Moved",
        RecordKind.Control => "Control",
        RecordKind.Fence => "Fence",
        RecordKind.Void => "Void",
        _ => "Unknown",
    };

    /// <summary>The message that it is about.</summary>
    public MessageId Id => new(_header.Sequence);

    /// <summary>Bytes without padding.</summary>
    public int Bytes => _header.Length;

    /// <summary>The part of a body that it holds, in stored form.</summary>
    public ReadOnlySpan<byte> Body => _record.Slice(_header.BodyAt, _header.BodyBytes);

    /// <summary>That part is what was written.</summary>
    public bool BodyIsIntact => _header.BodyIsIntact(_record);

    /// <summary>For Accepted and Moved: the message's facts.</summary>
    /// <param name="envelope">Its envelope.</param>
    /// <param name="bodyLength">Bytes of the whole body.</param>
    /// <param name="chunks">Chunk records that hold the body's beginning.</param>
    /// <param name="settles">The message whose recipients it settles; value 0 for none.</param>
    /// <returns>False for other kinds.</returns>
    public bool TryGetMessage(out Envelope envelope, out long bodyLength, out int chunks, out MessageId settles)
    {
        envelope = default;
        bodyLength = 0;
        chunks = 0;
        settles = default;
        if (_header.Kind is not (RecordKind.Accepted or RecordKind.Moved) || !MessageFacts.TryRead(_record, _header, out MessageFacts facts))
        {
            return false;
        }
        envelope = new Envelope(facts.EnvelopeOf(_record));
        bodyLength = facts.BodyLength;
        chunks = facts.Chunks;
        settles = new MessageId(facts.Settles);
        return true;
    }

    /// <summary>For Outcome and Settled: what the attempt came to.</summary>
    /// <param name="recipients">Recipients named; see <see cref="OutcomeOf"/>.</param>
    /// <param name="attempts">Attempts made.</param>
    /// <param name="nextDueUnixMs">When the deferred ones are due.</param>
    /// <param name="reason">Why.</param>
    /// <returns>False for other kinds.</returns>
    public bool TryGetOutcome(out int recipients, out int attempts, out long nextDueUnixMs, out ReadOnlySpan<byte> reason)
    {
        recipients = attempts = 0;
        nextDueUnixMs = 0;
        reason = default;
        if (_header.Kind is not (RecordKind.Outcome or RecordKind.Settled) || !OutcomeFacts.TryRead(_record, _header, out OutcomeFacts facts))
        {
            return false;
        }
        recipients = facts.Count;
        attempts = facts.Attempts;
        nextDueUnixMs = facts.NextDueUnixMs;
        reason = facts.Reason;
        return true;
    }

    /// <summary>For Outcome: where the operator has moved the deferred recipients to; for other kinds nowhere.</summary>
    public RecordedMove Move =>
        _header.Kind == RecordKind.Outcome && OutcomeFacts.TryRead(_record, _header, out OutcomeFacts facts) ? facts.Move : default;

    /// <summary>One of the recipients that an outcome names.</summary>
    public RecipientOutcome OutcomeOf(int i)
    {
        Check.That(OutcomeFacts.TryRead(_record, _header, out OutcomeFacts facts) && (uint)i < (uint)facts.Count);
        return facts[i];
    }
}

/// <summary>Reads a spool without the relay: takes no lock and changes nothing, so it may meet groups that are being written.</summary>
public static class JournalInspector
{
    /// <summary>Walks all segments, oldest first.</summary>
    /// <param name="disk">Where.</param>
    /// <param name="path">The spool.</param>
    /// <param name="visitor">Told what is found.</param>
    /// <returns>What stands in the way, in words; empty when nothing does.</returns>
    public static string Inspect(Disk disk, string path, IJournalVisitor visitor)
    {
        var folder = new SpoolFolder(disk, path);
        try
        {
            string problem = folder.Read(DiskOpen.Read);
            if (problem.Length > 0)
            {
                return problem;
            }
            byte[] window = SegmentScanner.NewWindow();
            ulong expected = 1;
            for (int i = 0; i < folder.Segments.Count; i++)
            {
                FoundFile? next = i + 1 < folder.Segments.Count ? folder.Segments[i + 1] : null;
                InspectSegment(folder.Segments[i], next, ref expected, window, visitor);
            }
            foreach (FoundFile spare in folder.Spares)
            {
                visitor.Note($"{spare.Path}: spare");
            }
            foreach (string aside in folder.Aside)
            {
                visitor.Note($"{aside}: a damaged segment, kept for the operator");
            }
            foreach (string name in folder.Foreign)
            {
                visitor.Note($"{name}: not a file of the spool");
            }
            return "";
        }
        finally
        {
            folder.Close();
        }
    }

    private static void InspectSegment(FoundFile found, FoundFile? next, ref ulong expected, byte[] window, IJournalVisitor visitor)
    {
        SegmentHeader header = found.Header;
        bool chained = next is { Finding: HeaderFinding.Good } && next.Header.PreviousNumber == SpoolFolder.Number(found);
        long sealedEnd = chained ? (long)next!.Header.PreviousEnd : 0;
        string condition = found.Finding switch
        {
            HeaderFinding.Good => "good",
            HeaderFinding.Blank => "blank",
            _ => "damaged",
        };
        visitor.Segment(new InspectedSegment(found.Path, condition, SpoolFolder.Number(found), header.Epoch, header.FirstGroup, found.File!.Length, sealedEnd, header.OpenedUnixMs));
        ulong epoch = found.Finding == HeaderFinding.Good ? found.Epoch : chained ? next!.Header.PreviousEpoch : 0;
        if (epoch == 0)
        {
            return;
        }
        var scanner = new SegmentScanner(found.File!, epoch, sealedEnd, Math.Max(header.FirstGroup, expected), window, strict: false);
        while (scanner.Next())
        {
            visitor.Group(new InspectedGroup(scanner.Position, scanner.Header.Number, scanner.End - scanner.Position, scanner.Header.Records, Condition(scanner)));
            if (scanner.Action != RecoveryAction.SkipHole)
            {
                InspectRecords(scanner, visitor);
            }
        }
        if (scanner.Action == RecoveryAction.CutDamaged)
        {
            visitor.Group(new InspectedGroup(scanner.Position, 0, sealedEnd - scanner.Position, 0, "damaged"));
        }
        if (scanner.UnreadableBlocks > 0)
        {
            visitor.Note(string.Create(CultureInfo.InvariantCulture, $"{found.Path}: {scanner.UnreadableBlocks} blocks cannot be read"));
        }
        expected = scanner.Expected;
    }

    private static void InspectRecords(SegmentScanner scanner, IJournalVisitor visitor)
    {
        ReadOnlySpan<byte> payload = scanner.Payload;
        long at = scanner.Position + GroupHeader.Bytes;
        int offset = 0;
        int end = 0;
        while (RecordReplay.TryFind(payload, scanner.Header.Tag, ref offset, out RecordHeader record))
        {
            Gap(visitor, at + end, offset - end);
            visitor.Record(new InspectedRecord(payload.Slice(offset, record.Length), record, at + offset));
            offset += record.PaddedLength;
            end = offset;
        }
        Gap(visitor, at + end, scanner.Header.PayloadBytes - end);
    }

    private static void Gap(IJournalVisitor visitor, long at, long bytes)
    {
        if (bytes > 0)
        {
            visitor.Unreadable(at, bytes);
        }
    }

    private static string Condition(SegmentScanner scanner) => scanner.Action switch
    {
        RecoveryAction.Accept => (scanner.Header.Flags & GroupFlags.CleanEnd) != 0 ? "clean end" : "whole",
        RecoveryAction.AcceptAfterGap => "missing groups before",
        RecoveryAction.Salvage => "damaged",
        RecoveryAction.KeepWhole => "torn",
        _ => "hole",
    };
}
