using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using FastRelay.Outside;

namespace FastRelay.Load;

/// <summary>
/// One run of the source on one loop: hands messages to sessions, in a closed loop as they ask and in an open loop as
/// the schedule says, and ends when all are done.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "The end of the run, which every run has, ends the pacer.")]
public sealed class LoadRun : LoopItem
{
    private readonly List<LoadSession> _sessions = [];
    private readonly Stack<LoadSession> _connectedIdle = new();
    private readonly Stack<LoadSession> _restingIdle = new();
    private readonly List<LoadSession> _held = [];
    private readonly Action _onDone;
    private readonly LoopTimer _end;
    private readonly LoopTimer _holdEnd;
    private readonly long _wallBase;
    private Arrivals? _arrivals;
    private Pacer? _pacer;
    private long _next;
    private int _finished;
    private bool _armed;

    /// <summary>Prepares a run.</summary>
    /// <param name="world">Where it lives.</param>
    /// <param name="options">What to do.</param>
    /// <param name="onDone">Called on the loop when everything has ended.</param>
    public LoadRun(World world, LoadOptions options, Action onDone)
    {
        Check.That(options.Targets.Count > 0);
        World = world;
        Options = options;
        Dialling = new DialGate(options);
        _onDone = onDone;
        RunNumber = (uint)world.Random.Next();
        Commands = new LoadCommands(options);
        Maker = new MessageMaker(options, RunNumber, world.Time.GetUtcNow());
        _end = new LoopTimer(world.Loop, new Ending(this));
        _holdEnd = new LoopTimer(world.Loop, new HoldEnding(this));
        StartTimestamp = Stopwatch.GetTimestamp();
        _wallBase = ((world.Time.GetUtcNow().Ticks - DateTime.UnixEpoch.Ticks) / TimeSpan.TicksPerMicrosecond)
            - Microseconds(StartTimestamp);
    }

    /// <summary>Where it lives.</summary>
    public World World { get; }

    /// <summary>What it was told.</summary>
    public LoadOptions Options { get; }

    /// <summary>What it has done.</summary>
    public LoadCounters Counters { get; } = new();

    /// <summary>Tells its messages from those of other runs.</summary>
    public uint RunNumber { get; }

    /// <summary>When it began, on <see cref="Stopwatch"/>'s scale.</summary>
    public long StartTimestamp { get; private set; }

    /// <summary>The same by the clock, UTC.</summary>
    public DateTimeOffset StartedAt { get; private set; }

    /// <summary>When the last session ended; 0 before.</summary>
    public long EndTimestamp { get; private set; }

    /// <summary>No message will be begun any more.</summary>
    public bool IsOver { get; private set; }

    /// <summary>It ended because nothing could be reached.</summary>
    public bool GaveUp { get; private set; }

    /// <summary>Somebody ended it while there was more to do.</summary>
    public bool IsStopped { get; private set; }

    /// <summary>How long the server had let nobody in when it ended, although somebody tried, ms; 0 when it had let somebody in.</summary>
    public double NobodyMs { get; private set; }

    /// <summary>Whom the server lets in.</summary>
    internal Admittance Admittance { get; } = new();

    internal DialGate Dialling { get; }

    internal LoadCommands Commands { get; }

    internal MessageMaker Maker { get; }

    /// <summary>Where sessions write commands before there is anything to send: an idle link owns no buffer.</summary>
    internal byte[] Scratch { get; } = new byte[LoadMachine.CommandBytes];

    internal bool IsOpenLoop => Options.Rate > 0 && Options.HoldMs == 0;

    internal bool HasMore => !IsOver && (Options.HoldMs == 0 ? Options.Messages == 0 || _next < Options.Messages : _held.Count < Options.Sessions);

    /// <summary>Starts; on the loop's thread, or before it runs.</summary>
    public void Start()
    {
        StartTimestamp = Stopwatch.GetTimestamp();
        StartedAt = World.Time.GetUtcNow();
        Admittance.Begin();
        if (Options.DurationMs > 0)
        {
            _end.After(Options.DurationMs);
        }
        if (IsOpenLoop)
        {
            _arrivals = new Arrivals(Options.Rate, Options.Poisson ? new Random(Options.Seed) : null, StartTimestamp);
            _pacer = new Pacer(World.Loop, this);
        }
        long sessions = Options.Messages > 0 && Options.HoldMs == 0 ? Math.Min(Options.Sessions, Options.Messages) : Options.Sessions;
        for (long i = 0; i < sessions; i++)
        {
            _sessions.Add(new LoadSession(this));
        }
        foreach (LoadSession session in _sessions)
        {
            session.Live();
        }
        if (IsOpenLoop)
        {
            Run();
        }
    }

    /// <summary>Begins no message any more, because somebody said so; those under way may end. On the loop's thread.</summary>
    public void StopEarly()
    {
        IsStopped |= Options.HoldMs > 0 ? !IsOver : HasMore;
        Stop();
    }

    /// <summary>Begins no message any more; those under way may end. On the loop's thread.</summary>
    public void Stop()
    {
        CountOverdue();
        NobodyMs = IsOver ? NobodyMs : Admittance.NobodyMs;
        IsOver = true;
        _end.Cancel();
        LetGo(_connectedIdle);
        LetGo(_restingIdle);
        ReleaseHeld();
    }

    /// <summary>Resets every connection; on the loop's thread.</summary>
    public void Abort()
    {
        Stop();
        _sessions.ForEach(s => s.Abort());
    }

    /// <summary>Open loop: hands due messages to sessions that wait, and asks to be woken for the next.</summary>
    protected override void Run()
    {
        if (EndTimestamp > 0)
        {
            return;
        }
        HandOut();
        if (!HasMore)
        {
            Stop();
            return;
        }
        // When none waits, those that end a message help themselves, and the first to rest asks again.
        _armed = _connectedIdle.Count + _restingIdle.Count > 0;
        if (_armed)
        {
            _pacer!.Arm(_arrivals!.Next);
        }
    }

    private void HandOut()
    {
        while (_connectedIdle.Count + _restingIdle.Count > 0 && TryTake(out LoadTicket ticket))
        {
            (_connectedIdle.Count > 0 ? _connectedIdle : _restingIdle).Pop().Assign(ticket);
        }
    }

    internal long WallMicroseconds(long timestamp) => _wallBase + Microseconds(timestamp);

    internal bool TryTake(out LoadTicket ticket)
    {
        ticket = new LoadTicket(-1, 0);
        if (!HasMore)
        {
            return false;
        }
        long now = Stopwatch.GetTimestamp();
        if (_arrivals is not null)
        {
            if (_arrivals.Next > now)
            {
                return false;
            }
            ticket = new LoadTicket(_next++, _arrivals.Next);
            Counters.StartLag.Record(_arrivals.Next, now);
            _arrivals.Advance();
        }
        else
        {
            ticket = new LoadTicket(_next++, now);
        }
        Counters.Started++;
        return true;
    }

    internal void Rest(LoadSession session, bool connected)
    {
        (connected ? _connectedIdle : _restingIdle).Push(session);
        if (!_armed)
        {
            World.Loop.Enqueue(this);
        }
    }

    internal void DialFailed(int errno)
    {
        Counters.ConnectFailed++;
        Counters.LastErrno = errno;
        Counters.LastRefusal = null;
        Admittance.TurnedAway();
        GiveUpIfHopeless();
    }

    /// <summary>A connection was not let as far as a message.</summary>
    internal void NotGreeted(string why)
    {
        Counters.NotGreeted++;
        Counters.LastRefusal = why;
        Admittance.TurnedAway();
        GiveUpIfHopeless();
    }

    internal void Connected()
    {
        Counters.Connections++;
        Counters.Sessions++;
        Counters.SessionsPeak = Math.Max(Counters.SessionsPeak, Counters.Sessions);
    }

    internal void Disconnected() => Counters.Sessions--;

    /// <summary>Holds a session until all are there and the time has passed.</summary>
    internal void Hold(LoadSession session)
    {
        _held.Add(session);
        Counters.Held++;
        if (IsOver)
        {
            ReleaseHeld();
        }
        else if (Counters.Held == Options.Sessions)
        {
            _holdEnd.After(Options.HoldMs);
        }
    }

    internal void Ended(LoadMachine machine, in LoadTicket ticket, long started, long dotTimestamp, long bytes)
    {
        long since = IsOpenLoop ? ticket.IntendedTimestamp : started;
        switch (machine.Outcome)
        {
            case LoadOutcome.Accepted:
                long now = Stopwatch.GetTimestamp();
                Counters.Accepted++;
                Counters.RecipientsAccepted += machine.RecipientsAccepted;
                Counters.Bytes += bytes;
                Counters.Dot.Record(dotTimestamp, now);
                Counters.Message.Record(since, now);
                Counters.Recent.Record(since, now);
                break;
            case LoadOutcome.Refused:
                Counters.Refused++;
                break;
            default:
                Lose(since);
                break;
        }
        Counters.RecipientsRefused += machine.RecipientsRefused;
    }

    /// <summary>A message whose connection ended, or could not be had: it counts with the time that it has waited since then.</summary>
    internal void Lose(long since)
    {
        long now = Stopwatch.GetTimestamp();
        Counters.Lost++;
        Counters.Message.Record(since, now);
        Counters.Recent.Record(since, now);
    }

    internal void Finished()
    {
        if (++_finished == _sessions.Count)
        {
            EndTimestamp = Stopwatch.GetTimestamp();
            IsOver = true;
            _end.Cancel();
            _pacer?.Dispose();
            _onDone();
        }
    }

    private static long Microseconds(long timestamp) => (long)(timestamp * (1_000_000.0 / Stopwatch.Frequency));

    private static void LetGo(Stack<LoadSession> idle)
    {
        while (idle.TryPop(out LoadSession? session))
        {
            session.Assign(new LoadTicket(-1, 0));
        }
    }

    /// <summary>A server that has taken nobody as far as a message for <see cref="LoadOptions.HopelessMs"/> is not waited for.</summary>
    private void GiveUpIfHopeless()
    {
        if (!IsOver && Admittance.NobodyMs > Options.HopelessMs)
        {
            GaveUp = true;
            Stop();
        }
    }

    private void CountOverdue()
    {
        long now = Stopwatch.GetTimestamp();
        while (IsOpenLoop && HasMore && _arrivals!.Next <= now)
        {
            _next++;
            Counters.NotStarted++;
            Counters.StartLag.Record(_arrivals.Next, now);
            Counters.Message.Record(_arrivals.Next, now);
            _arrivals.Advance();
        }
    }

    private void ReleaseHeld()
    {
        _holdEnd.Cancel();
        IsOver = true;
        _held.ForEach(s => s.Assign(new LoadTicket(-1, 0)));
        _held.Clear();
    }

    private sealed class Ending(LoadRun run) : LoopItem
    {
        protected override void Run()
        {
            if (run.Options.HoldMs == 0)
            {
                if (run.IsOpenLoop)
                {
                    // What came due since the last look, and somebody is free for, is late and not left undone.
                    run.HandOut();
                }
                run.Stop();
            }
            else if (run.Counters.Held < run.Options.Sessions)
            {
                // Those that came in time are held; the report says how many were asked for.
                run._holdEnd.After(run.Options.HoldMs);
            }
        }
    }

    private sealed class HoldEnding(LoadRun run) : LoopItem
    {
        protected override void Run() => run.ReleaseHeld();
    }
}
