using FastRelay.Outside;

namespace FastRelay.Journal;

/// <summary>The part of recovery that reads segments: in order, by the links in their headers, group by group.</summary>
internal sealed class SegmentRecovery(JournalOptions options, SpoolFolder folder, SegmentStore store, RecordReplay replay, RecoveryReport report)
{
    /// <summary>Nothing is written: of a torn last group the whole records count where they are, and a block that cannot be read counts as zeros.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>Number of the next group to be written.</summary>
    public ulong NextGroup { get; private set; } = 1;

    /// <summary>The newest segment can take more groups.</summary>
    public bool TailIsUsable { get; private set; }

    private long LastGroupAt { get; set; }

    /// <summary>Reads everything.</summary>
    /// <returns>What stands in the way, in words; empty when nothing does.</returns>
    public string ReadAll()
    {
        byte[] window = folder.Segments.Count > 0 ? SegmentScanner.NewWindow() : [];
        ulong oldest = 0;
        foreach (FoundFile found in folder.Segments)
        {
            if (found.Finding == HeaderFinding.Good)
            {
                oldest = found.Header.OldestNumber;
                store.SawEpoch(found.Epoch);
                replay.SawSequence(found.Header.NextSequence);
            }
        }
        for (int i = 0; i < folder.Segments.Count; i++)
        {
            FoundFile found = folder.Segments[i];
            if (SpoolFolder.Number(found) < oldest)
            {
                // It was dead when a newer one was opened; only its new name was lost.
                folder.Spares.Add(found);
                continue;
            }
            FoundFile? next = i + 1 < folder.Segments.Count ? folder.Segments[i + 1] : null;
            // The disk reads the next while the processor works on this one.
            next?.File?.WillRead();
            string problem = Scan(found, next, window);
            if (problem.Length > 0)
            {
                return problem;
            }
        }
        folder.Segments.RemoveAll(static found => found.File is null);
        store.LeastNumber = folder.MaxNumber + 1;
        return "";
    }

    private string Scan(FoundFile found, FoundFile? next, byte[] window)
    {
        bool chained = next is { Finding: HeaderFinding.Good } && next.Header.PreviousNumber == SpoolFolder.Number(found);
        if (next is { Finding: HeaderFinding.Good } && !chained)
        {
            report.Note($"{found.Path}: the segment after it is missing");
        }
        ulong first = found.Header.FirstGroup;
        DiskError error = DiskError.None;
        bool readable = found.Finding == HeaderFinding.Good || TryAdopt(found, chained ? next!.Header.PreviousEpoch : 0, out first, out error);
        if (!error.Ok)
        {
            return SpoolFolder.CannotBeRead(found, SegmentHeader.Block, error);
        }
        if (!readable)
        {
            report.Note($"{found.Path}: its first block is damaged and no group was found; left alone");
            found.File!.Dispose();
            found.File = null;
            return "";
        }
        error = found.File!.Map(out DiskMap? map);
        if (!error.Ok)
        {
            return $"{found.Path}: {error}";
        }
        var file = new SegmentFile(found.File, map!, found.Path)
        {
            Number = SpoolFolder.Number(found),
            Epoch = found.Epoch,
            Damaged = found.Finding != HeaderFinding.Good,
        };
        store.SawEpoch(found.Epoch);
        store.AddSegment(file);
        if (report.Segments++ == 0)
        {
            replay.Events?.StartsAt(first);
        }
        long sealedEnd = chained ? (long)next!.Header.PreviousEnd : 0;
        LastGroupAt = 0;
        var scanner = new SegmentScanner(found.File, found.Epoch, sealedEnd, Math.Max(first, NextGroup), window, strict: !ReadOnly);
        error = Walk(scanner, file, isLast: next is null);
        if (!scanner.Error.Ok)
        {
            return SpoolFolder.CannotBeRead(found, scanner.ErrorAt, scanner.Error);
        }
        if (next is { Finding: HeaderFinding.Good } && !chained)
        {
            replay.Events?.Missing(NextGroup);
        }
        if (sealedEnd > 0)
        {
            file.End = Math.Min(sealedEnd, file.Length);
        }
        TailIsUsable = found.Finding == HeaderFinding.Good && next is null;
        return error.Ok ? "" : $"{found.Path}: {error}";
    }

    /// <summary>The segment's own header is lost: its successor's header names its epoch, or its first group does, when that is the one that should come next.</summary>
    private bool TryAdopt(FoundFile found, ulong epoch, out ulong first, out DiskError error)
    {
        first = NextGroup;
        var frame = new byte[GroupHeader.Bytes];
        error = found.File!.Read(SegmentHeader.Block, frame, out int read);
        if (!error.Ok || read < frame.Length)
        {
            return false;
        }
        bool known = epoch != 0;
        found.Epoch = known ? epoch : GroupHeader.ClaimedEpoch(frame);
        bool whole = GroupHeader.TryRead(frame, found.Epoch, out GroupHeader header);
        // A recycled file's old groups have older numbers: only the next one, or any in an otherwise empty spool, will do.
        if (!known && (!whole || (header.Number != NextGroup && store.Order.Count > 0)))
        {
            return false;
        }
        first = whole ? header.Number : NextGroup;
        report.Note($"{found.Path}: its first block is damaged; its groups are read all the same");
        return true;
    }

    private DiskError Walk(SegmentScanner scanner, SegmentFile file, bool isLast)
    {
        DiskError error = DiskError.None;
        while (error.Ok && scanner.Next())
        {
            Describe(scanner, file);
            file.Damaged |= scanner.Action is RecoveryAction.SkipHole or RecoveryAction.AcceptAfterGap or RecoveryAction.Salvage;
            if (scanner.Action == RecoveryAction.SkipHole)
            {
                continue;
            }
            GroupHeader group = scanner.Header;
            replay.Events?.Group(group.Number);
            report.Groups++;
            report.CleanEnd = (group.Flags & GroupFlags.CleanEnd) != 0;
            LastGroupAt = scanner.Position;
            if (scanner.Action == RecoveryAction.KeepWhole && isLast)
            {
                return ReadOnly ? TakeWhole(scanner, file) : Repair(scanner, file);
            }
            RecoveryAction action = scanner.Action == RecoveryAction.KeepWhole ? RecoveryAction.Salvage : scanner.Action;
            replay.Group(scanner.Payload, group.Tag, file, scanner.Position + GroupHeader.Bytes, action == RecoveryAction.Salvage);
        }
        if (!scanner.Error.Ok)
        {
            return scanner.Error;
        }
        if (scanner.Action == RecoveryAction.CutDamaged)
        {
            file.Damaged = true;
            report.DamagedGroups++;
            replay.Events?.Missing(scanner.Expected);
            report.Note($"{file.Path}: acknowledged groups from {scanner.Position} on cannot be read");
        }
        file.End = scanner.End;
        NextGroup = Math.Max(NextGroup, scanner.Expected);
        return error;
    }

    /// <summary>
    /// The last group may be in memory only, where a killed process left it, and after a failed sync a later one proves
    /// nothing about it. From here on it counts, so it is written again and synced. Only the last: nothing is written
    /// before the sync of the group before has returned.
    /// </summary>
    public DiskError MakeTailDurable()
    {
        SegmentFile tail = store.Order[^1];
        if (options.Sync == SyncMode.None)
        {
            return DiskError.None;
        }
        DiskError error = DiskError.None;
        if (LastGroupAt > 0 && LastGroupAt < tail.End)
        {
            var group = new byte[tail.End - LastGroupAt];
            error = tail.File.Read(LastGroupAt, group, out int read);
            if (error.Ok && read == group.Length)
            {
                error = tail.File.Write(LastGroupAt, group);
            }
        }
        return error.Ok ? tail.File.SyncData() : error;
    }

    private void Describe(SegmentScanner scanner, SegmentFile file)
    {
        switch (scanner.Action)
        {
            case RecoveryAction.SkipHole:
                report.DamagedGroups++;
                replay.Events?.Missing(scanner.Expected);
                report.Note($"{file.Path}: no group can be read from {scanner.Position} to {scanner.End}");
                break;
            case RecoveryAction.AcceptAfterGap:
                report.DamagedGroups++;
                replay.Events?.Missing(scanner.Header.Number - 1);
                report.Note($"{file.Path}: groups before number {scanner.Header.Number} at {scanner.Position} are missing");
                break;
            case RecoveryAction.Salvage:
                report.DamagedGroups++;
                report.Note($"{file.Path}: group {scanner.Header.Number} at {scanner.Position} is damaged");
                break;
            case RecoveryAction.KeepWhole:
                report.TornGroups++;
                break;
            default:
                break;
        }
    }

    private DiskError TakeWhole(SegmentScanner scanner, SegmentFile file)
    {
        ReadOnlySpan<byte> payload = scanner.Payload;
        foreach (RecordPlace place in RecordReplay.WholeRecords(payload, scanner.Header.Tag))
        {
            long at = scanner.Position + GroupHeader.Bytes + place.Offset;
            replay.Group(payload.Slice(place.Offset, place.Length), scanner.Header.Tag, file, at, damaged: false);
        }
        return DiskError.None;
    }

    /// <summary>
    /// The torn last group was never acknowledged. Its whole records are written again in its place, as a whole group,
    /// before they count: so the next start finds no damage, and nothing is ever written behind a torn group.
    /// </summary>
    private DiskError Repair(SegmentScanner scanner, SegmentFile file)
    {
        GroupHeader torn = scanner.Header;
        ReadOnlySpan<byte> payload = scanner.Payload;
        var group = new GroupBuffer();
        group.Open(torn.Number, torn.Tag);
        foreach (RecordPlace place in RecordReplay.WholeRecords(payload, torn.Tag))
        {
            payload.Slice(place.Offset, place.Length).CopyTo(group.Take(place.Length, out _));
        }
        file.End = scanner.Position;
        NextGroup = torn.Number;
        if (group.IsEmpty)
        {
            return DiskError.None;
        }
        DiskError error = file.File.Write(file.End, group.Seal(file.Epoch));
        if (error.Ok && options.Sync == SyncMode.Group)
        {
            error = file.File.SyncData();
        }
        if (error.Ok)
        {
            int records = group.Length - GroupHeader.Bytes;
            replay.Group(group.Bytes(GroupHeader.Bytes, records), torn.Tag, file, file.End + GroupHeader.Bytes, damaged: false);
            file.End += group.PaddedBytes;
            NextGroup = torn.Number + 1;
        }
        return error;
    }
}
