using FastRelay.Outside;
using FastRelay.Routing;

namespace FastRelay.Queue;

/// <summary>
/// Drives what happens by time: entries that become due, and the sweep for those that have been in the queue too long
/// in a place where no attempt looks at them. Work is cut into slices, so that a million due entries do not stop
/// the sessions.
/// </summary>
internal sealed class QueueClock : LoopItem
{
    // Entries that are moved down the wheel, or taken out of it, between two looks at the clock.
    private const int DueBudget = 64;

    // What becomes ready is linked into its destination, and that into its site.
    private const int DueCost = 4;

    // One that is neither ready nor old is looked at in order of memory, which is cheap.
    private const int SweepSteps = 2_048;
    private const int ReadyCost = 4;
    private const int ForgetBudget = 32;
    private const int OverdueSeconds = 3_600;
    private readonly QueueState _queue;
    private readonly Slice _slice;
    private readonly LoopTimer _timer;
    private readonly LoopTimer _sweepTimer;
    private readonly Sweep _sweep;

    public QueueClock(QueueState queue)
    {
        _queue = queue;
        _slice = new Slice(queue.World.Loop);
        _timer = new LoopTimer(queue.World.Loop, this);
        _sweep = new Sweep(this);
        _sweepTimer = new LoopTimer(queue.World.Loop, _sweep);
    }

    /// <summary>Begins sweeping.</summary>
    public void Start() => _sweepTimer.After(_queue.Options.SweepMs);

    /// <summary>Makes sure that the wheel is looked at when its next entry is due.</summary>
    public void Arm()
    {
        int next = _queue.Wheel.NextSeconds();
        if (next == int.MaxValue)
        {
            return;
        }
        long dueMs = next * 1000L;
        if (!_timer.IsArmed || dueMs < _timer.DueMs)
        {
            _timer.After(Math.Max(0, dueMs - _queue.World.Loop.NowMs));
        }
    }

    protected override void Run()
    {
        int now = _queue.NowSeconds;
        int budget;
        do
        {
            budget = DueBudget;
            Take(now, ref budget);
        }
        while (budget <= 0 && _slice.Spend(DueCost * DueBudget));
        if (budget <= 0)
        {
            _queue.World.Loop.Enqueue(this);
        }
        else
        {
            Arm();
        }
    }

    private void Take(int now, ref int budget)
    {
        while (_queue.Wheel.TryNext(now, ref budget, out int handle))
        {
            _queue.TakenOut(handle, EntryState.Deferred);
            if ((_queue.Slab[handle].Flags & EntryFlags.Removing) != 0)
            {
                // It waited for the disk, or for somebody to be told, and is not to be delivered.
                _queue.Settle(handle);
                continue;
            }
            _queue.Sources.Again(handle);
            _queue.MakeReady(handle);
        }
    }

    private sealed class Sweep(QueueClock clock) : LoopItem
    {
        private readonly Slice _slice = new(clock._queue.World.Loop, SweepSteps);
        private int _at = 1;

        protected override void Run()
        {
            QueueState queue = clock._queue;
            int now = queue.NowSeconds;
            for (; _at < queue.Slab.End && !_slice.IsOver; _at++)
            {
                ref Entry entry = ref queue.Slab[_at];
                queue.Warner.Look(in entry, now);
                if (entry.State != EntryState.Ready)
                {
                    _slice.Spend();
                    continue;
                }
                _slice.Spend(ReadyCost);
                if (entry.ExpireSeconds <= now && IsStuck(queue, in entry, now))
                {
                    queue.TakeOut(_at);
                    queue.Settle(_at);
                }
                else if (!queue.Sources.MovedOn(_at))
                {
                    Watch(queue, queue.Destinations[entry.Destination]);
                }
            }
            bool more = true;
            while (more && !_slice.IsOver)
            {
                more = queue.Destinations.ForgetEmpty(ForgetBudget);
                _slice.Spend(ReadyCost * ForgetBudget);
            }
            if (more || _at < queue.Slab.End)
            {
                queue.World.Loop.Enqueue(this);
                return;
            }
            _at = 1;
            clock._sweepTimer.After(queue.Options.SweepMs);
        }

        /// <summary>
        /// Mail never sits for ever: ready work that nothing would look at is a defect of ours, said once and set going.
        /// </summary>
        private static void Watch(QueueState queue, Destination destination)
        {
            if (destination.InSite)
            {
                if (destination.Site!.CanRun)
                {
                    queue.Sites.Wake(destination.Site);
                }
            }
            else if (!destination.Planning && !destination.Settling && destination.DnsRetryMs == long.MaxValue)
            {
                // A DNS retry may be due in this very turn: that is no defect.
                if (destination.Plan is not { Status: PlanStatus.Temporary })
                {
                    queue.Watchdog.Found("ready"u8, destination.Key, 0);
                }
                queue.Destinations.HasReady(destination);
            }
        }

        /// <summary>
        /// An entry whose turn is near gets its last attempt; one that waits for a site or for DNS does not hope any
        /// longer, and neither does one that has been passed over for an hour.
        /// </summary>
        private static bool IsStuck(QueueState queue, in Entry entry, int now)
        {
            Destination destination = queue.Destinations[entry.Destination];
            return destination.Site is not { } site
                || destination.Tenant.IsSuspended
                || site.Failures > 0
                || queue.World.Loop.NowMs < site.BackoffUntilMs
                || queue.Gears.IsSuspended(site)
                || now - entry.ExpireSeconds > OverdueSeconds;
        }
    }
}
