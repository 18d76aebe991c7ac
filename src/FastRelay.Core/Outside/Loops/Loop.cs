namespace FastRelay.Outside;

/// <summary>
/// The run queue that resumes every awaitable of ours, and the timers beside it. One thread owns it. Production takes
/// the queue in order, the simulator lets a seeded <see cref="Random"/> pick: the same class runs in both, so what the
/// simulator proves holds for the product.
/// </summary>
/// <remarks>
/// Resuming waiters from inside each other overflows the stack at about 50,000 links (measured) and makes the order
/// depend on the depth; so nothing completes inline: whoever completes an awaitable enqueues it, and
/// <see cref="Turn"/> runs it at the top of the stack.
/// </remarks>
public sealed class Loop
{
    /// <summary>A turn that takes longer is a stall, microseconds.</summary>
    public const long StallUs = 10_000;

    private readonly TimeProvider _time;
    private readonly Poller _poller;
    private readonly Random? _pick;
    private readonly TimerWheel _timers;
    private readonly long _startTimestamp;
    private Place[] _queue = new Place[1024];
    private int _head;
    private int _count;
    private LoopItem? _posted;
    private long _nowMs;
    private long _began;
    private bool _inTurn;
    private int _sleeping;
    private int _threadId;
    private volatile bool _stopping;

    /// <summary>Creates a loop; the thread that first calls <see cref="Turn"/> or <see cref="Run"/> owns it.</summary>
    /// <param name="time">Monotonic time for timers.</param>
    /// <param name="poller">Waits for outside events.</param>
    /// <param name="pick">When given, picks the next item at random (simulator); null takes them in order.</param>
    public Loop(TimeProvider time, Poller poller, Random? pick = null)
    {
        _time = time;
        _poller = poller;
        _pick = pick;
        _startTimestamp = time.GetTimestamp();
        _timers = new TimerWheel();
        _threadId = Environment.CurrentManagedThreadId;
    }

    /// <summary>Monotonic milliseconds since the loop was made, read once a turn; between turns (start-up) read anew.</summary>
    public long NowMs
    {
        get
        {
            if (!_inTurn)
            {
                UpdateNow();
            }
            return _nowMs;
        }
    }

    /// <summary>
    /// Does something between turns for which all of it is one moment, as in a turn: a start that tells of a million messages
    /// would read the clock some million times (measured: a sixth of it). Loop thread.
    /// </summary>
    public void AtOneMoment(Action work)
    {
        CheckThread();
        bool before = _inTurn;
        if (!before)
        {
            _began = UpdateNow();
        }
        _inTurn = true;
        try
        {
            work();
        }
        finally
        {
            _inTurn = before;
        }
    }

    /// <summary>Turns begun: the unit in which links share the loop.</summary>
    public long Turns { get; private set; }

    /// <summary>The longest turn so far, polling and sleeping not counted, in microseconds: what everybody else waited for one.</summary>
    public long LongestTurnUs { get; private set; }

    /// <summary>
    /// The most of the processor that one turn has used so far, in microseconds; 0 where nobody knows. The rest of <see cref="LongestTurnUs"/> is
    /// what the host did meanwhile.
    /// </summary>
    public long LongestTurnCpuUs { get; private set; }

    /// <summary>How long the turn under way has lasted, in microseconds; 0 between turns.</summary>
    public long TurnUs => _inTurn ? (long)_time.GetElapsedTime(_began).TotalMicroseconds : 0;

    /// <summary>Turns that took longer than <see cref="StallUs"/>.</summary>
    public long Stalls { get; private set; }

    /// <summary>Items that wait in the run queue.</summary>
    public int QueueLength => _count;

    /// <summary>True on the owning thread.</summary>
    public bool IsCurrent => Environment.CurrentManagedThreadId == _threadId;

    /// <summary>The poller that links and listeners register with.</summary>
    public Poller Poller => _poller;

    /// <summary>Queues an item; loop thread only. A second call before it ran does nothing.</summary>
    public void Enqueue(LoopItem item)
    {
        CheckThread();
        if (Interlocked.Exchange(ref item.Queued, 1) == 0)
        {
            Push(item);
        }
    }

    /// <summary>Queues an item from any thread and wakes the loop when it sleeps.</summary>
    public void Post(LoopItem item)
    {
        if (Interlocked.Exchange(ref item.Queued, 1) != 0)
        {
            return;
        }
        LoopItem? top;
        do
        {
            top = Volatile.Read(ref _posted);
            item.NextPosted = top;
        }
        while (Interlocked.CompareExchange(ref _posted, item, top) != top);
        // The exchange above is a full fence: either the loop sees the item before it sleeps, or we see it asleep.
        if (Volatile.Read(ref _sleeping) == 1 && Interlocked.Exchange(ref _sleeping, 0) == 1)
        {
            _poller.Wake();
        }
    }

    /// <summary>Arms a timer for a time on the <see cref="NowMs"/> scale; moves it when armed already.</summary>
    public void SetTimer(LoopTimer timer, long dueMs)
    {
        CheckThread();
        _timers.Set(timer, dueMs);
    }

    /// <summary>Disarms a timer; does nothing when it is not armed.</summary>
    public void CancelTimer(LoopTimer timer)
    {
        CheckThread();
        _timers.Cancel(timer);
    }

    /// <summary>Makes <see cref="Run"/> return after the turn under way. Any thread.</summary>
    public void Stop()
    {
        _stopping = true;
        if (Interlocked.Exchange(ref _sleeping, 0) == 1)
        {
            _poller.Wake();
        }
    }

    /// <summary>Runs turns on the calling thread, which becomes the owner, until <see cref="Stop"/>.</summary>
    public void Run()
    {
        Adopt();
        while (!_stopping)
        {
            Turn(canSleep: true);
        }
    }

    /// <summary>Makes the calling thread the owner; before the first turn only.</summary>
    public void Adopt() => _threadId = Environment.CurrentManagedThreadId;

    /// <summary>
    /// One turn: poll, fire due timers, take what other threads posted, and run what is queued now. What these items
    /// queue waits for the next turn, so no session can keep the sockets from being polled.
    /// </summary>
    /// <returns>True when anything ran.</returns>
    public bool Turn(bool canSleep)
    {
        Turns++;
        _poller.Poll(this, SleepTime(canSleep));
        Volatile.Write(ref _sleeping, 0);
        _began = UpdateNow();
        long cpuNs = _poller.CpuNs;
        _inTurn = true;
        _timers.Fire(this, _nowMs);
        TakePosted();
        int batch = _count;
        for (int i = 0; i < batch; i++)
        {
            LoopItem item = Pop();
            // A full fence, not a release: a poster that still sees 1 has written its news before, and Run must see
            // them. With a plain store, Run's loads may pass it and the news is lost.
            Interlocked.Exchange(ref item.Queued, 0);
            item.Run();
        }
        _inTurn = false;
        Judge(cpuNs);
        return batch > 0;
    }

    /// <summary>Asserts that the caller runs on the owning thread; on in production too.</summary>
    public void CheckThread() => Check.That(IsCurrent, "called from another thread than the loop's");

    private int SleepTime(bool canSleep)
    {
        if (!canSleep || _count > 0 || _stopping)
        {
            return 0;
        }
        Interlocked.Exchange(ref _sleeping, 1);
        if (Volatile.Read(ref _posted) is not null || _stopping)
        {
            Volatile.Write(ref _sleeping, 0);
            return 0;
        }
        // The turn before may have been long; only a loop that is about to sleep pays for a second look at the clock.
        UpdateNow();
        return _timers.NextWaitMs(_nowMs);
    }

    private long UpdateNow()
    {
        long now = _time.GetTimestamp();
        _nowMs = (long)_time.GetElapsedTime(_startTimestamp, now).TotalMilliseconds;
        return now;
    }

    private void Judge(long cpuNs)
    {
        long tookUs = (long)_time.GetElapsedTime(_began).TotalMicroseconds;
        LongestTurnUs = Math.Max(LongestTurnUs, tookUs);
        if (tookUs > LongestTurnCpuUs)
        {
            LongestTurnCpuUs = Math.Max(LongestTurnCpuUs, (_poller.CpuNs - cpuNs) / 1_000);
        }
        Stalls += tookUs > StallUs ? 1 : 0;
    }

    private void TakePosted()
    {
        LoopItem? item = Interlocked.Exchange(ref _posted, null);
        LoopItem? ordered = null;
        while (item is not null)
        {
            // The list is last in, first out: turn it round, so that a group's waiters are served in order.
            LoopItem? next = item.NextPosted;
            item.NextPosted = ordered;
            ordered = item;
            item = next;
        }
        while (ordered is not null)
        {
            LoopItem? next = ordered.NextPosted;
            ordered.NextPosted = null;
            Push(ordered);
            ordered = next;
        }
    }

    private void Push(LoopItem item)
    {
        if (_count == _queue.Length)
        {
            var larger = new Place[_queue.Length * 2];
            for (int i = 0; i < _count; i++)
            {
                larger[i] = _queue[(_head + i) & (_queue.Length - 1)];
            }
            _queue = larger;
            _head = 0;
        }
        _queue[(_head + _count) & (_queue.Length - 1)].Item = item;
        _count++;
    }

    private LoopItem Pop()
    {
        int mask = _queue.Length - 1;
        if (_pick is not null && _count > 1)
        {
            int other = (_head + _pick.Next(_count)) & mask;
            (_queue[_head], _queue[other]) = (_queue[other], _queue[_head]);
        }
        LoopItem item = _queue[_head].Item;
        _queue[_head].Item = null!;
        _head = (_head + 1) & mask;
        _count--;
        return item;
    }

    // An array of references asks at each store whether its type allows this one.
    private struct Place
    {
        public LoopItem Item;
    }
}
