using System.Globalization;
using FastRelay.Outside;

namespace FastRelay.Journal;

/// <summary>
/// The live messages of a spool, without the relay: replays it as a start would, takes no lock and changes nothing. Beside a
/// running relay it shows the moment at which it read; a message that was moved since cannot be read any more.
/// </summary>
public sealed class JournalView : IDisposable
{
    private readonly SegmentStore _store;
    private readonly MessageIndex _index;
    private readonly int[] _slots;

    private JournalView(SegmentStore store, MessageIndex index, RecoveryReport report)
    {
        _store = store;
        _index = index;
        _slots = index.SlotsById();
        Report = report;
    }

    /// <summary>What a start would find.</summary>
    public RecoveryReport Report { get; }

    /// <summary>Messages with a pending recipient.</summary>
    public int Count => _slots.Length;

    /// <summary>One of them, in order of id.</summary>
    public ViewedMessage this[int i] => new(_store, _index, _slots[i]);

    /// <summary>Reads a spool.</summary>
    /// <param name="world">Its disk; no loop needs to run.</param>
    /// <param name="path">The spool.</param>
    /// <param name="problem">What stands in the way, in words; empty when nothing does.</param>
    public static JournalView? Open(World world, string path, out string problem)
    {
        var folder = new SpoolFolder(world.Disk, path);
        var options = new JournalOptions { Path = path };
        var report = new RecoveryReport();
        var store = new SegmentStore(world, options, options.Limits.SegmentBytes, 0);
        var index = new MessageIndex(store.Table);
        var replay = new RecordReplay(index, report);
        problem = folder.Read(DiskOpen.Read);
        if (problem.Length == 0)
        {
            problem = new SegmentRecovery(options, folder, store, replay, report) { ReadOnly = true }.ReadAll();
        }
        if (problem.Length > 0)
        {
            folder.Close();
            return null;
        }
        foreach (FoundFile spare in folder.Spares)
        {
            spare.File?.Dispose();
        }
        replay.Finish();
        return new JournalView(store, index, report);
    }

    /// <summary>Closes the files.</summary>
    public void Dispose() => _store.Dispose();
}

/// <summary>A message of a <see cref="JournalView"/>; spans are of the map, valid until the view is disposed.</summary>
public readonly struct ViewedMessage
{
    private readonly SegmentStore _store;
    private readonly MessageIndex _index;
    private readonly int _slot;

    internal ViewedMessage(SegmentStore store, MessageIndex index, int slot)
    {
        _store = store;
        _index = index;
        _slot = slot;
    }

    /// <summary>Its id.</summary>
    public MessageId Id => new(_index[_slot].Id);

    /// <summary>The operator holds it, for a recipient that is not settled at least.</summary>
    public bool Hold => _index.Holds.IsHeld(_slot);

    /// <summary>True when the operator holds the recipient.</summary>
    public bool IsHeld(int recipient) => _index.Holds.IsHeld(_slot, recipient);

    /// <summary>Octets of the body in stored form.</summary>
    public long BodyLength => _index[_slot].BodyLength;

    /// <summary>Pieces that hold the body; the last is the record with the envelope.</summary>
    public int Pieces
    {
        get
        {
            int count = 1;
            for (int node = _index[_slot].Chunks; node >= 0; node = _index.Node(node).Next)
            {
                count++;
            }
            return count;
        }
    }

    /// <summary>True while the recipient is not settled.</summary>
    public bool IsPending(int recipient) => _index.IsPending(_slot, recipient);

    /// <summary>The envelope, with the body's CRC-32C in stored form and its stuffed dots.</summary>
    /// <returns>False when it cannot be read, or was moved since the view was opened.</returns>
    public bool TryGetEnvelope(out Envelope envelope, out uint bodyCrc, out int stuffedDots)
    {
        envelope = default;
        bodyCrc = 0;
        stuffedDots = 0;
        IndexEntry entry = _index[_slot];
        if (!TryRecord(entry.Segment, entry.Offset, entry.RecordLength, out ReadOnlySpan<byte> record, out RecordHeader header)
            || !MessageFacts.TryRead(record, header, out MessageFacts facts))
        {
            return false;
        }
        envelope = new Envelope(facts.EnvelopeOf(record));
        bodyCrc = facts.BodyCrc;
        stuffedDots = facts.StuffedDots;
        return true;
    }

    /// <summary>What the last attempt at a recipient recorded.</summary>
    public bool TryGetDeferred(int recipient, out DeferredSet set)
    {
        set = default;
        int node = _index.Deferrals.NodeOf(_slot, recipient);
        return node >= 0
            && TryRecord(_index.Node(node).Segment, _index.Node(node).Offset, _index.Node(node).RecordLength, out _, out _)
            && _index.Deferrals.TryRead(_slot, recipient, out set);
    }

    /// <summary>A piece of the body, checked.</summary>
    /// <param name="i">0 first, below <see cref="Pieces"/>.</param>
    /// <param name="piece">Its octets in stored form.</param>
    /// <param name="where">Where it lies, as <c>FILE at OFFSET</c>; empty for a piece that is missing.</param>
    /// <returns>False when it is missing or damaged.</returns>
    public bool TryGetPiece(int i, out ReadOnlySpan<byte> piece, out string where)
    {
        piece = default;
        where = "";
        IndexEntry entry = _index[_slot];
        RecordNode at = new() { Segment = entry.Segment, Offset8 = entry.Offset8, RecordLength = entry.RecordLength };
        int node = entry.Chunks;
        for (int n = 0; n < i && node >= 0; n++)
        {
            node = _index.Node(node).Next;
        }
        at = node >= 0 ? _index.Node(node) : at;
        if (at.Segment < 0)
        {
            return false;
        }
        where = string.Create(CultureInfo.InvariantCulture, $"{_store.Table[at.Segment].Path} at {at.Offset}");
        if (!TryRecord(at.Segment, at.Offset, at.RecordLength, out ReadOnlySpan<byte> record, out RecordHeader header) || !header.BodyIsIntact(record))
        {
            return false;
        }
        piece = record.Slice(header.BodyAt, header.BodyBytes);
        return true;
    }

    private bool TryRecord(int segment, long offset, int length, out ReadOnlySpan<byte> record, out RecordHeader header)
    {
        record = default;
        header = default;
        DiskMap map = _store.Table[segment].Map;
        // Where a touch would be a signal, this is an error.
        if (!map.Populate(offset, length).Ok)
        {
            return false;
        }
        record = map.Span(offset, length);
        return RecordHeader.TryRead(record, out header) && header.Sequence == _index[_slot].Id;
    }
}
