namespace FastRelay.Journal;

/// <summary>
/// Which recipients of a message the operator holds. Where it is all of them or none the message's flag says it; a set of bits
/// is kept for those alone of whom some are held. Loop thread only.
/// </summary>
internal sealed class HoldSets(MessageIndex index)
{
    private readonly Dictionary<int, ulong[]> _parts = [];

    /// <summary>True while a recipient that is not settled is held.</summary>
    public bool IsHeld(int slot)
    {
        ReadOnlySpan<ulong> part = PartOf(slot);
        if (part.IsEmpty)
        {
            return (index[slot].Flags & EntryFlags.Hold) != 0;
        }
        ReadOnlySpan<ulong> pending = index.PendingWords(slot);
        int i = 0;
        while (i < part.Length && (part[i] & pending[i]) == 0)
        {
            i++;
        }
        return i < part.Length;
    }

    /// <summary>True when a recipient is held.</summary>
    public bool IsHeld(int slot, int recipient)
    {
        ReadOnlySpan<ulong> part = PartOf(slot);
        return part.IsEmpty ? (index[slot].Flags & EntryFlags.Hold) != 0
            : (uint)recipient < (uint)index[slot].Recipients && (part[recipient >> 6] & (1UL << (recipient & 63))) != 0;
    }

    /// <summary>Bit i: recipient i is held; empty where all are or nobody is.</summary>
    public ReadOnlySpan<ulong> PartOf(int slot) => (index[slot].Flags & EntryFlags.PartHold) != 0 ? _parts[slot] : default;

    /// <summary>Holds or releases recipients.</summary>
    /// <param name="slot">A committed message.</param>
    /// <param name="recipients">Bit i: recipient i is meant; empty means all.</param>
    /// <param name="hold">False releases.</param>
    /// <returns>True when it changed something for one that is not settled.</returns>
    public bool Set(int slot, ReadOnlySpan<ulong> recipients, bool hold)
    {
        ref IndexEntry entry = ref index[slot];
        bool was = (entry.Flags & EntryFlags.Hold) != 0;
        bool parted = (entry.Flags & EntryFlags.PartHold) != 0;
        if (recipients.IsEmpty)
        {
            Whole(slot, ref entry, hold);
            return parted || was != hold;
        }
        ReadOnlySpan<ulong> pending = index.PendingWords(slot);
        ulong[] part = parted ? _parts[slot] : new ulong[pending.Length];
        bool changed = false;
        bool some = false;
        bool all = true;
        for (int i = 0; i < part.Length; i++)
        {
            ulong before = parted || !was ? part[i] : ulong.MaxValue;
            ulong named = i < recipients.Length ? recipients[i] : 0;
            part[i] = hold ? before | named : before & ~named;
            changed |= ((part[i] ^ before) & pending[i]) != 0;
            some |= (part[i] & pending[i]) != 0;
            all &= (~part[i] & pending[i]) == 0;
        }
        if (all || !some)
        {
            Whole(slot, ref entry, some);
        }
        else
        {
            _parts[slot] = part;
            entry.Flags |= EntryFlags.Hold | EntryFlags.PartHold;
        }
        return changed;
    }

    /// <summary>The message goes.</summary>
    public void Forget(int slot)
    {
        if ((index[slot].Flags & EntryFlags.PartHold) != 0)
        {
            _parts.Remove(slot);
        }
    }

    private void Whole(int slot, ref IndexEntry entry, bool hold)
    {
        Forget(slot);
        entry.Flags = (entry.Flags & ~(EntryFlags.Hold | EntryFlags.PartHold)) | (hold ? EntryFlags.Hold : EntryFlags.None);
    }
}
