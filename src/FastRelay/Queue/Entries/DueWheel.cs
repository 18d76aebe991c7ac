using System.Numerics;

namespace FastRelay.Queue;

/// <summary>
/// Deferred entries by the second in which they are due: four wheels of 256 slots, of 1 s, 256 s, 18 h and 194 days a
/// slot. An entry stands in the finest wheel whose present turn reaches it and moves down when its slot's turn comes.
/// Adding and removing are O(1). Never early, never lost. Seconds are on the loop's monotonic scale.
/// </summary>
internal sealed class DueWheel
{
    private const int SlotBits = 8;
    private const int Slots = 1 << SlotBits;
    private const int Levels = 4;
    private readonly EntrySlab _slab;
    private readonly int[] _first = new int[Levels * Slots];
    private readonly ulong[] _used = new ulong[Levels * Slots / 64];
    private int _cursor;
    private int _moving;

    /// <summary>Creates an empty wheel.</summary>
    /// <param name="slab">Holds the entries.</param>
    /// <param name="nowSeconds">0 or more.</param>
    public DueWheel(EntrySlab slab, int nowSeconds)
    {
        _slab = slab;
        _cursor = nowSeconds;
    }

    /// <summary>Entries in it.</summary>
    public int Count { get; private set; }

    /// <summary>Adds an entry, due at its <see cref="Entry.DueSeconds"/>; one that is overdue comes out at the next <see cref="TryNext"/>.</summary>
    public void Add(int handle)
    {
        Link(handle);
        Count++;
    }

    /// <summary>Takes an entry out before it is due.</summary>
    public void Remove(int handle)
    {
        Unlink(handle);
        Count--;
    }

    /// <summary>
    /// Takes out the next entry that is due. Moving entries down a wheel is work as well and costs budget, so that a
    /// slot of a million is spread over many turns.
    /// </summary>
    /// <param name="nowSeconds">Not before the time of an earlier call.</param>
    /// <param name="budget">Entries that may be touched; counted down. At 0, come again in the next turn.</param>
    /// <param name="handle">An entry that is no longer in the wheel.</param>
    /// <returns>False when none is due, or the budget is used up.</returns>
    public bool TryNext(int nowSeconds, ref int budget, out int handle)
    {
        handle = 0;
        while (true)
        {
            if (!MoveDown(ref budget))
            {
                return false;
            }
            int slot = _cursor & (Slots - 1);
            if (_first[slot] != 0 && _cursor <= nowSeconds)
            {
                if (budget <= 0)
                {
                    return false;
                }
                budget--;
                handle = _first[slot];
                Unlink(handle);
                Count--;
                return true;
            }
            if (_cursor >= nowSeconds)
            {
                return false;
            }
            Step(nowSeconds);
        }
    }

    /// <summary>The earliest second at which <see cref="TryNext"/> has something to do; <see cref="int.MaxValue"/> when the wheel is empty.</summary>
    public int NextSeconds()
    {
        if (Count == 0)
        {
            return int.MaxValue;
        }
        if (_moving > 0)
        {
            return _cursor;
        }
        for (int level = 0; level < Levels; level++)
        {
            int shift = level * SlotBits;
            int from = ((_cursor >> shift) & (Slots - 1)) + (level == 0 ? 0 : 1);
            int slot = NextUsed(level, from);
            if (slot >= 0)
            {
                long above = ((long)_cursor >> (shift + SlotBits)) << (shift + SlotBits);
                return (int)Math.Min(int.MaxValue - 1, above + ((long)slot << shift));
            }
        }
        Check.That(false, "an entry in the wheel has a slot");
        return int.MaxValue;
    }

    /// <summary>Moves the entries of slots whose turn has begun to finer wheels.</summary>
    private bool MoveDown(ref int budget)
    {
        while (_moving > 0)
        {
            int slot = (_moving * Slots) + ((_cursor >> (_moving * SlotBits)) & (Slots - 1));
            int handle = _first[slot];
            if (handle == 0)
            {
                _moving--;
                continue;
            }
            if (budget <= 0)
            {
                return false;
            }
            budget--;
            Unlink(handle);
            Link(handle);
        }
        return true;
    }

    /// <summary>Moves on to the next second that has entries, the next turn of the finest wheel, or now.</summary>
    private void Step(int nowSeconds)
    {
        int slot = NextUsed(0, (_cursor & (Slots - 1)) + 1);
        int turn = (_cursor | (Slots - 1)) + 1;
        int target = slot >= 0 ? (_cursor & ~(Slots - 1)) | slot : turn;
        if (target > nowSeconds)
        {
            _cursor = nowSeconds;
            return;
        }
        _cursor = target;
        if (target == turn)
        {
            _moving = Math.Min(Levels - 1, BitOperations.TrailingZeroCount(target) / SlotBits);
        }
    }

    private void Link(int handle)
    {
        ref Entry entry = ref _slab[handle];
        int due = Math.Max(entry.DueSeconds, _cursor);
        int level = (31 - BitOperations.LeadingZeroCount((uint)(due ^ _cursor) | 1)) / SlotBits;
        int slot = (level * Slots) + ((due >> (level * SlotBits)) & (Slots - 1));
        int first = _first[slot];
        entry.Next = first;
        entry.Previous = ~slot;
        if (first != 0)
        {
            _slab[first].Previous = handle;
        }
        _first[slot] = handle;
        _used[slot >> 6] |= 1UL << (slot & 63);
    }

    private void Unlink(int handle)
    {
        ref Entry entry = ref _slab[handle];
        if (entry.Next != 0)
        {
            _slab[entry.Next].Previous = entry.Previous;
        }
        if (entry.Previous >= 0)
        {
            _slab[entry.Previous].Next = entry.Next;
        }
        else
        {
            int slot = ~entry.Previous;
            _first[slot] = entry.Next;
            if (entry.Next == 0)
            {
                _used[slot >> 6] &= ~(1UL << (slot & 63));
            }
        }
        entry.Next = entry.Previous = 0;
    }

    /// <summary>The first used slot of a level at or after an index; -1 when there is none.</summary>
    private int NextUsed(int level, int from)
    {
        for (int word = from >> 6; word < Slots / 64; word++)
        {
            ulong bits = _used[(level * Slots / 64) + word];
            if (word == from >> 6)
            {
                bits &= ulong.MaxValue << (from & 63);
            }
            if (bits != 0)
            {
                return (word << 6) + BitOperations.TrailingZeroCount(bits);
            }
        }
        return -1;
    }
}
