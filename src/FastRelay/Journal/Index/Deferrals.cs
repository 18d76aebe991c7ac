namespace FastRelay.Journal;

/// <summary>
/// Where the last outcome of each deferred recipient lies. A node stands for a record, as long as it is the last word
/// on some recipient. Up to 64 recipients the node has a bit for each; with more the message has a table from
/// recipient to node, and the node a count. Loop thread only.
/// </summary>
internal sealed class Deferrals(Slab<IndexEntry> entries, Slab<RecordNode> nodes, WideSets wide, SegmentTable segments)
{
    /// <summary>No envelope has more recipients: each takes three bytes at least.</summary>
    private const int MostRecipients = Limits.EnvelopeBytes / 3;

    /// <summary>Takes an outcome that is durable at a place: it is the last word on all that it names.</summary>
    /// <param name="slot">The message; of an open one the number of recipients is not known yet.</param>
    /// <param name="facts">The record.</param>
    /// <param name="segment">Where it lies.</param>
    /// <param name="offset">Where in it.</param>
    /// <param name="recordLength">Its bytes without padding.</param>
    public void Take(int slot, scoped in OutcomeFacts facts, int segment, long offset, int recordLength)
    {
        ref IndexEntry entry = ref entries[slot];
        if ((entry.Flags & (EntryFlags.Open | EntryFlags.WideSet)) == EntryFlags.Open)
        {
            entry.Flags |= EntryFlags.WideSet;
            entry.Pending = (ulong)wide.Take(0);
        }
        int node = Add(ref entry, segment, offset, recordLength);
        if ((entry.Flags & EntryFlags.WideSet) != 0)
        {
            TakeWide(ref entry, facts, node);
        }
        else
        {
            TakeNarrow(ref entry, facts, node);
        }
        DropEmpty(ref entry);
    }

    /// <summary>The node of the record that has the last word on a recipient; -1 when it has no outcome or was settled by its last.</summary>
    public int NodeOf(int slot, int recipient)
    {
        ref IndexEntry entry = ref entries[slot];
        if ((entry.Flags & EntryFlags.WideSet) != 0)
        {
            return wide.LastOf((int)entry.Pending, recipient);
        }
        int node = entry.Deferrals;
        while (node >= 0 && (recipient > 63 || (nodes[node].Mask & (1UL << recipient)) == 0))
        {
            node = nodes[node].Next;
        }
        return node;
    }

    /// <summary>Reads the last outcome of a deferred recipient from the map, so it may block.</summary>
    public bool TryRead(int slot, int recipient, out DeferredSet set)
    {
        set = default;
        int last = NodeOf(slot, recipient);
        if (last < 0)
        {
            return false;
        }
        RecordNode node = nodes[last];
        ReadOnlySpan<byte> record = segments[node.Segment].Map.Span(node.Offset, node.RecordLength);
        if (!RecordHeader.TryRead(record, out RecordHeader header) || !OutcomeFacts.TryRead(record, header, out OutcomeFacts facts))
        {
            return false;
        }
        for (int i = 0; i < facts.Count; i++)
        {
            if (facts[i].Index == recipient && facts[i].Result == RecipientResult.Deferred)
            {
                set = new DeferredSet(facts.Attempts, facts.NextDueUnixMs, facts.Reason, facts.Move);
                return true;
            }
        }
        return false;
    }

    /// <summary>The node of a record by its place; -1 when it has no word left.</summary>
    public int NodeAt(int slot, int segment, long offset)
    {
        int node = entries[slot].Deferrals;
        while (node >= 0 && (nodes[node].Segment != segment || nodes[node].Offset != offset))
        {
            node = nodes[node].Next;
        }
        return node;
    }

    /// <summary>A message whose outcomes came before its head is committed: now the number of its recipients is known.</summary>
    /// <param name="slot">The message, already with its own pending set.</param>
    /// <param name="early">The number of the set that it had while it was open; given back here.</param>
    public void Adopt(int slot, int early)
    {
        ref IndexEntry entry = ref entries[slot];
        for (int node = entry.Deferrals; node >= 0; node = nodes[node].Next)
        {
            nodes[node].Mask = 0;
        }
        for (int i = 0; i < entry.Recipients; i++)
        {
            int node = wide.LastOf(early, i);
            if (node >= 0 && (entry.Flags & EntryFlags.WideSet) != 0)
            {
                wide.SetLast((int)entry.Pending, i, node);
                nodes[node].Mask++;
            }
            else if (node >= 0)
            {
                nodes[node].Mask |= 1UL << i;
            }
        }
        wide.Free(early);
        DropEmpty(ref entry);
    }

    /// <summary>Forgets all of a message that goes.</summary>
    public void Clear(ref IndexEntry entry)
    {
        for (int node = entry.Deferrals; node >= 0;)
        {
            node = Free(node);
        }
        entry.Deferrals = -1;
    }

    private void TakeNarrow(ref IndexEntry entry, scoped in OutcomeFacts facts, int newest)
    {
        ulong covered = 0;
        ulong deferred = 0;
        for (int i = 0; i < facts.Count; i++)
        {
            RecipientOutcome outcome = facts[i];
            // A number out of range comes from damage.
            ulong bit = (uint)outcome.Index < (uint)entry.Recipients ? 1UL << outcome.Index : 0;
            covered |= bit;
            deferred |= outcome.Result == RecipientResult.Deferred ? bit : 0;
        }
        for (int node = nodes[newest].Next; node >= 0; node = nodes[node].Next)
        {
            nodes[node].Mask &= ~covered;
        }
        nodes[newest].Mask = deferred;
    }

    private void TakeWide(ref IndexEntry entry, scoped in OutcomeFacts facts, int newest)
    {
        int recipients = (entry.Flags & EntryFlags.Open) != 0 ? MostRecipients : entry.Recipients;
        for (int i = 0; i < facts.Count; i++)
        {
            RecipientOutcome outcome = facts[i];
            if ((uint)outcome.Index >= (uint)recipients)
            {
                continue;
            }
            int set = (int)entry.Pending;
            int last = wide.LastOf(set, outcome.Index);
            if (last >= 0)
            {
                nodes[last].Mask--;
            }
            bool deferred = outcome.Result == RecipientResult.Deferred;
            if (last >= 0 || deferred)
            {
                wide.SetLast(set, outcome.Index, deferred ? newest : -1);
            }
            nodes[newest].Mask += deferred ? 1UL : 0;
        }
    }

    private int Add(ref IndexEntry entry, int segment, long offset, int recordLength)
    {
        int node = nodes.Allocate();
        nodes[node] = new RecordNode { Next = entry.Deferrals, Segment = segment, Offset8 = (uint)(offset >> 3), RecordLength = recordLength };
        segments.AddLive(segment, RecordHeader.Pad(recordLength));
        entry.Deferrals = node;
        return node;
    }

    private void DropEmpty(ref IndexEntry entry)
    {
        int kept = -1;
        for (int node = entry.Deferrals; node >= 0;)
        {
            if (nodes[node].Mask != 0)
            {
                kept = node;
                node = nodes[node].Next;
                continue;
            }
            node = Free(node);
            if (kept < 0)
            {
                entry.Deferrals = node;
            }
            else
            {
                nodes[kept].Next = node;
            }
        }
    }

    private int Free(int node)
    {
        RecordNode record = nodes[node];
        segments.AddLive(record.Segment, -RecordHeader.Pad(record.RecordLength));
        nodes.Free(node);
        return record.Next;
    }
}
