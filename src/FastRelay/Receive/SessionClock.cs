using FastRelay.Outside;

namespace FastRelay.Receive;

/// <summary>What a session waits for; decides what a timeout does.</summary>
internal enum SessionWait : byte
{
    /// <summary>For nothing that a timeout may end: its own work, the disk.</summary>
    Nothing,

    /// <summary>A command: the read is cancelled, and the client told 421.</summary>
    Command,

    /// <summary>A piece of a message: as for a command.</summary>
    Data,

    /// <summary>The client to take its replies: nobody is there to be told anything.</summary>
    Flush,

    /// <summary>A TLS handshake: as for a flush.</summary>
    Handshake,
}

/// <summary>The timeouts of one session: for what it waits, and until when, and how it ended. No wait outlasts the transaction's own bound.</summary>
internal sealed class SessionClock : LoopItem
{
    private readonly Loop _loop;
    private readonly LoopTimer _timer;
    private Link _link = null!;
    private long _transactionEndMs;
    private long _commandDueMs;

    public SessionClock(Loop loop)
    {
        _loop = loop;
        _timer = new LoopTimer(loop, this);
    }

    /// <summary>What is waited for.</summary>
    public SessionWait Waiting { get; private set; }

    /// <summary>How the session ended, as far as is known.</summary>
    public SessionEnd End { get; set; }

    /// <summary>Replies of the classes 4 and 5 to its commands.</summary>
    public int Refused { get; set; }

    /// <summary>A connection begins.</summary>
    public void Start(Link link)
    {
        _link = link;
        End = SessionEnd.Lost;
        Refused = 0;
        Waiting = SessionWait.Nothing;
    }

    /// <summary>A connection ends.</summary>
    public void Stop()
    {
        _timer.Cancel();
        Waiting = SessionWait.Nothing;
        _link = null!;
    }

    /// <summary>A transaction begins: no wait in it goes past <paramref name="timeoutMs"/> from now.</summary>
    public void BeginTransaction(long timeoutMs) => _transactionEndMs = _loop.NowMs + timeoutMs;

    /// <summary>From now on a whole command is waited for, <paramref name="timeoutMs"/> at most, in however many pieces it comes.</summary>
    public void ExpectCommand(long timeoutMs) => _commandDueMs = _loop.NowMs + timeoutMs;

    /// <summary>A wait for the next piece of the command begins.</summary>
    public void WaitForCommand(bool inTransaction) =>
        Wait(SessionWait.Command, Math.Max(1, _commandDueMs - _loop.NowMs), inTransaction);

    /// <summary>A wait begins; it is ended after <paramref name="timeoutMs"/>.</summary>
    public void Wait(SessionWait what, long timeoutMs, bool inTransaction)
    {
        Waiting = what;
        _timer.After(inTransaction ? Math.Min(timeoutMs, Math.Max(1, _transactionEndMs - _loop.NowMs)) : timeoutMs);
    }

    /// <summary>The wait is over. The timer stays armed and finds nothing to do: moving it costs more.</summary>
    public void Done() => Waiting = SessionWait.Nothing;

    /// <summary>The timer is due.</summary>
    protected override void Run()
    {
        switch (Waiting)
        {
            case SessionWait.Command:
            case SessionWait.Data:
                _link.CancelRead();
                break;
            case SessionWait.Flush:
            case SessionWait.Handshake:
                End = SessionEnd.Timeout;
                _link.Abort();
                break;
        }
    }
}
