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

/// <summary>The timeouts of one session: for what it waits, and until when. No wait outlasts the transaction's own bound.</summary>
/// <param name="link">Its connection.</param>
internal sealed class SessionClock(Link link) : LoopTimer(link.Loop, null)
{
    private long _transactionEndMs;
    private long _commandDueMs;

    /// <summary>What is waited for.</summary>
    public SessionWait Waiting { get; private set; }

    /// <summary>How the session ended, as far as is known.</summary>
    public SessionEnd End { get; set; }

    /// <summary>Replies of the classes 4 and 5 to its commands.</summary>
    public int Refused { get; set; }

    /// <summary>The connection ends.</summary>
    public void Stop()
    {
        Cancel();
        Waiting = SessionWait.Nothing;
    }

    /// <summary>A transaction begins: no wait in it goes past <paramref name="timeoutMs"/> from now.</summary>
    public void BeginTransaction(long timeoutMs) => _transactionEndMs = Loop.NowMs + timeoutMs;

    /// <summary>From now on a whole command is waited for, <paramref name="timeoutMs"/> at most, in however many pieces it comes.</summary>
    public void ExpectCommand(long timeoutMs) => _commandDueMs = Loop.NowMs + timeoutMs;

    /// <summary>A wait for the next piece of the command begins.</summary>
    public void WaitForCommand(bool inTransaction) =>
        Wait(SessionWait.Command, Math.Max(1, _commandDueMs - Loop.NowMs), inTransaction);

    /// <summary>A wait begins; it is ended after <paramref name="timeoutMs"/>.</summary>
    public void Wait(SessionWait what, long timeoutMs, bool inTransaction)
    {
        Waiting = what;
        After(inTransaction ? Math.Min(timeoutMs, Math.Max(1, _transactionEndMs - Loop.NowMs)) : timeoutMs);
    }

    /// <summary>The wait is over. The timer stays armed and finds nothing to do: moving it costs more.</summary>
    public void Done() => Waiting = SessionWait.Nothing;

    /// <summary>The timer is due.</summary>
    protected override void OnDue()
    {
        switch (Waiting)
        {
            case SessionWait.Command:
            case SessionWait.Data:
                link.CancelRead();
                break;
            case SessionWait.Flush:
            case SessionWait.Handshake:
                End = SessionEnd.Timeout;
                link.Abort();
                break;
        }
    }
}
