using System.Numerics;

namespace FastRelay.Outside;

/// <summary>
/// The loop's timers: a hashed wheel of 4,096 slots of 16 ms (65 s a round). Moving a deadline later, which every
/// command does, only writes the new time: the timer is put in its new slot when the old one comes up.
/// </summary>
internal sealed class TimerWheel
{
    private const int TickMs = 16;
    private const int Slots = 4096;

    /// <summary>Timers that one turn looks at: a hundred thousand suspensions may end in the same moment. The others are a turn later.</summary>
    internal const int PerTurn = 512;

    private readonly LoopTimer?[] _slots = new LoopTimer?[Slots];
    private readonly ulong[] _used = new ulong[Slots / 64];
    private long _nextTick;

    public void Set(LoopTimer timer, long dueMs)
    {
        timer.IsDue = false;
        // Rounded up: a timer never fires early.
        long tick = Math.Max((dueMs + TickMs - 1) / TickMs, _nextTick);
        if (timer.Slot >= 0)
        {
            if (dueMs >= timer.DueMs && timer.IsArmed)
            {
                timer.DueMs = dueMs;
                return;
            }
            Unlink(timer);
        }
        timer.DueMs = dueMs;
        // Beyond one round it waits in the last slot of this round and moves on from there.
        Link(timer, (int)(Math.Min(tick, _nextTick + Slots - 1) & (Slots - 1)));
    }

    public void Cancel(LoopTimer timer)
    {
        timer.IsDue = false;
        if (timer.Slot >= 0)
        {
            Unlink(timer);
        }
        timer.DueMs = long.MaxValue;
    }

    /// <summary>Milliseconds until the next used slot, at most a round; -1 when there is none.</summary>
    public int NextWaitMs(long nowMs)
    {
        int first = (int)(_nextTick & (Slots - 1));
        for (int i = 0; i <= _used.Length; i++)
        {
            int word = ((first >> 6) + i) & (_used.Length - 1);
            ulong bits = _used[word];
            if (i == 0)
            {
                bits &= ulong.MaxValue << (first & 63);
            }
            else if (i == _used.Length)
            {
                bits &= ~(ulong.MaxValue << (first & 63));
            }
            if (bits != 0)
            {
                int slot = (word << 6) + BitOperations.TrailingZeroCount(bits);
                long tick = _nextTick + ((slot - first) & (Slots - 1));
                return (int)Math.Max(0, (tick * TickMs) - nowMs);
            }
        }
        return -1;
    }

    public void Fire(Loop loop, long nowMs)
    {
        long lastTick = nowMs / TickMs;
        if (lastTick - _nextTick >= Slots)
        {
            // After a long sleep every slot is looked at once, not once a round.
            _nextTick = lastTick - Slots + 1;
        }
        int budget = PerTurn;
        for (; _nextTick <= lastTick; _nextTick++)
        {
            if (!FireSlot(loop, (int)(_nextTick & (Slots - 1)), nowMs, ref budget))
            {
                return;
            }
        }
    }

    /// <returns>False when the budget did not suffice.</returns>
    private bool FireSlot(Loop loop, int slot, long nowMs, ref int budget)
    {
        while (_slots[slot] is { } timer)
        {
            if (budget-- == 0)
            {
                return false;
            }
            Unlink(timer);
            if (timer.DueMs <= nowMs)
            {
                timer.DueMs = long.MaxValue;
                timer.IsDue = true;
                loop.Enqueue(timer);
            }
            else
            {
                long tick = Math.Max((timer.DueMs + TickMs - 1) / TickMs, _nextTick + 1);
                Link(timer, (int)(Math.Min(tick, _nextTick + Slots - 1) & (Slots - 1)));
            }
        }
        return true;
    }

    private void Link(LoopTimer timer, int slot)
    {
        LoopTimer? first = _slots[slot];
        timer.Slot = slot;
        timer.Next = first;
        timer.Previous = null;
        if (first is not null)
        {
            first.Previous = timer;
        }
        _slots[slot] = timer;
        _used[slot >> 6] |= 1UL << (slot & 63);
    }

    private void Unlink(LoopTimer timer)
    {
        int slot = timer.Slot;
        if (timer.Previous is null)
        {
            _slots[slot] = timer.Next;
        }
        else
        {
            timer.Previous.Next = timer.Next;
        }
        if (timer.Next is not null)
        {
            timer.Next.Previous = timer.Previous;
        }
        if (_slots[slot] is null)
        {
            _used[slot >> 6] &= ~(1UL << (slot & 63));
        }
        timer.Next = timer.Previous = null;
        timer.Slot = -1;
    }
}
