using System.Numerics;
using System.Runtime.InteropServices;

namespace FastRelay.Journal;

/// <summary>
/// All messages in memory: where their records lie and which recipients are pending. It keeps each segment's count of
/// live bytes, by which reclaim works. Loop thread only.
/// </summary>
internal sealed class MessageIndex
{
    private readonly Slab<IndexEntry> _entries = new();
    private readonly Slab<RecordNode> _nodes = new();
    private readonly IdTable _ids;
    private readonly WideSets _wide = new();
    private readonly SegmentTable _segments;
    private int _open;

    public MessageIndex(SegmentTable segments)
    {
        _segments = segments;
        _ids = new IdTable(_entries);
        Oldest = new OldestMessages(_entries);
        Deferrals = new Deferrals(_entries, _nodes, _wide, segments);
        Holds = new HoldSets(this);
    }

    /// <summary>Committed messages.</summary>
    public int Messages => _entries.Count - _open;

    /// <summary>Where the last outcomes of deferred recipients lie.</summary>
    public Deferrals Deferrals { get; }

    /// <summary>Which recipients the operator holds.</summary>
    public HoldSets Holds { get; }

    /// <summary>Which of them arrived first.</summary>
    public OldestMessages Oldest { get; }

    /// <summary>Slots are below this.</summary>
    public int Bound => _entries.Bound;

    /// <summary>An entry in place.</summary>
    public ref IndexEntry this[int slot] => ref _entries[slot];

    /// <summary>A node in place.</summary>
    public ref RecordNode Node(int node) => ref _nodes[node];

    /// <summary>The slot of an id, open ones too; -1 when unknown.</summary>
    public int Find(ulong id) => _ids.Find(id);

    /// <summary>True when a slot holds a committed message.</summary>
    public bool IsLive(int slot) => slot >= 0 && slot < _entries.Bound && _entries[slot] is { Id: not 0 } entry && (entry.Flags & EntryFlags.Open) == 0;

    /// <summary>The slots of all committed messages, in order of id.</summary>
    public int[] SlotsById()
    {
        var ids = new ulong[Messages];
        var slots = new int[ids.Length];
        int count = 0;
        for (int slot = 0; slot < Bound; slot++)
        {
            if (IsLive(slot))
            {
                ids[count] = _entries[slot].Id;
                slots[count++] = slot;
            }
        }
        Array.Sort(ids, slots);
        return slots;
    }

    /// <summary>Adds a message whose DATA is under way.</summary>
    public int AddOpen(ulong id)
    {
        int slot = _entries.Allocate();
        _entries[slot] = new IndexEntry { Id = id, Segment = -1, Chunks = -1, Deferrals = -1, Flags = EntryFlags.Open };
        _ids.Add(slot);
        _open++;
        return slot;
    }

    /// <summary>Makes a message committed, with all recipients pending; its head must still be placed.</summary>
    /// <param name="slot">Slot of its open entry, or -1 when it has no chunks.</param>
    /// <param name="id">The message.</param>
    /// <param name="recipients">How many.</param>
    /// <param name="arrivalMs">Unix ms.</param>
    /// <param name="bodyLength">Whole body.</param>
    /// <returns>The slot.</returns>
    public int Commit(int slot, ulong id, int recipients, long arrivalMs, long bodyLength)
    {
        if (slot < 0)
        {
            slot = AddOpen(id);
        }
        ref IndexEntry entry = ref _entries[slot];
        Check.That(entry.Id == id && (entry.Flags & EntryFlags.Open) != 0);
        _open--;
        int early = (entry.Flags & EntryFlags.WideSet) != 0 ? (int)entry.Pending : -1;
        entry.Flags = EntryFlags.None;
        entry.Recipients = recipients;
        entry.ArrivalMs = arrivalMs;
        entry.BodyLength = bodyLength;
        Oldest.Add(slot, arrivalMs);
        if (recipients > 64)
        {
            entry.Flags = EntryFlags.WideSet;
            entry.Pending = (ulong)_wide.Take(recipients);
        }
        else
        {
            entry.Pending = recipients == 64 ? ulong.MaxValue : (1UL << recipients) - 1;
        }
        if (early >= 0)
        {
            Deferrals.Adopt(slot, early);
        }
        return slot;
    }

    /// <summary>Says where the head record lies; an earlier place becomes garbage.</summary>
    public void PlaceHead(int slot, int segment, long offset, int recordLength)
    {
        ref IndexEntry entry = ref _entries[slot];
        Release(entry.Segment, entry.RecordLength);
        entry.Segment = segment;
        entry.Offset8 = (uint)(offset >> 3);
        entry.RecordLength = recordLength;
        _segments.AddLive(segment, RecordHeader.Pad(recordLength));
    }

    /// <summary>Says where a node's record lies; an earlier place becomes garbage.</summary>
    public void PlaceNode(int node, int segment, long offset, int recordLength)
    {
        ref RecordNode record = ref _nodes[node];
        Release(record.Segment, record.RecordLength);
        record.Segment = segment;
        record.Offset8 = (uint)(offset >> 3);
        record.RecordLength = recordLength;
        _segments.AddLive(segment, RecordHeader.Pad(recordLength));
    }

    /// <summary>Adds a chunk node behind <paramref name="last"/>, or as the first when that is -1.</summary>
    public int AddChunk(int slot, int last)
    {
        int node = _nodes.Allocate();
        _nodes[node] = new RecordNode { Next = -1, Segment = -1 };
        if (last < 0)
        {
            _entries[slot].Chunks = node;
        }
        else
        {
            _nodes[last].Next = node;
        }
        return node;
    }

    /// <summary>The node of a chunk; -1 when the message has no such chunk.</summary>
    public int ChunkNode(int slot, int index)
    {
        int node = _entries[slot].Chunks;
        while (node >= 0 && index-- > 0)
        {
            node = _nodes[node].Next;
        }
        return node;
    }

    /// <summary>An outcome that settles not all is under way to the disk.</summary>
    public void OutcomeIsStaged(int slot)
    {
        ref IndexEntry entry = ref _entries[slot];
        entry.StagedOutcomes += entry.StagedOutcomes == ushort.MaxValue ? (ushort)0 : (ushort)1;
    }

    /// <summary>It got there.</summary>
    public void OutcomeIsDurable(int slot)
    {
        ref IndexEntry entry = ref _entries[slot];
        entry.StagedOutcomes -= entry.StagedOutcomes == ushort.MaxValue ? (ushort)0 : (ushort)1;
    }

    /// <summary>Clears a recipient's pending bit.</summary>
    /// <returns>False when it was clear already.</returns>
    public bool Settle(int slot, int recipient)
    {
        ref IndexEntry entry = ref _entries[slot];
        Check.That((uint)recipient < (uint)entry.Recipients, "recipient index out of range");
        ref ulong word = ref PendingWord(ref entry, recipient >> 6);
        ulong bit = 1UL << (recipient & 63);
        bool was = (word & bit) != 0;
        word &= ~bit;
        return was;
    }

    /// <summary>True while a recipient is not settled.</summary>
    public bool IsPending(int slot, int recipient)
    {
        ref IndexEntry entry = ref _entries[slot];
        return (uint)recipient < (uint)entry.Recipients && (PendingWord(ref entry, recipient >> 6) & (1UL << (recipient & 63))) != 0;
    }

    /// <summary>Recipients that are not settled.</summary>
    public int PendingCount(int slot)
    {
        int count = 0;
        foreach (ulong word in PendingWords(slot))
        {
            count += BitOperations.PopCount(word);
        }
        return count;
    }

    /// <summary>All pending bits, to store or to restore them.</summary>
    public Span<ulong> PendingWords(int slot)
    {
        ref IndexEntry entry = ref _entries[slot];
        return (entry.Flags & EntryFlags.WideSet) != 0
            ? _wide.Words((int)entry.Pending)[..WideSets.WordsOf(entry.Recipients)]
            : MemoryMarshal.CreateSpan(ref entry.Pending, 1);
    }

    /// <summary>Forgets a message; all its records become garbage.</summary>
    public void Remove(int slot)
    {
        ref IndexEntry entry = ref _entries[slot];
        Check.That(entry.Id != 0 && entry.Settling == 0);
        Release(entry.Segment, entry.RecordLength);
        for (int node = entry.Chunks; node >= 0;)
        {
            node = FreeNode(node);
        }
        Deferrals.Clear(ref entry);
        Holds.Forget(slot);
        if ((entry.Flags & EntryFlags.WideSet) != 0)
        {
            _wide.Free((int)entry.Pending);
        }
        if ((entry.Flags & EntryFlags.Open) != 0)
        {
            _open--;
        }
        _ids.Remove(slot);
        _entries.Free(slot);
    }

    private ref ulong PendingWord(ref IndexEntry entry, int word)
    {
        if ((entry.Flags & EntryFlags.WideSet) != 0)
        {
            return ref _wide.Words((int)entry.Pending)[word];
        }
        return ref entry.Pending;
    }

    private int FreeNode(int node)
    {
        RecordNode record = _nodes[node];
        Release(record.Segment, record.RecordLength);
        _nodes.Free(node);
        return record.Next;
    }

    private void Release(int segment, int recordLength)
    {
        if (segment >= 0)
        {
            _segments.AddLive(segment, -RecordHeader.Pad(recordLength));
        }
    }
}
