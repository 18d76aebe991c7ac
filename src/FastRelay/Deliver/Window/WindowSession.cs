using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using FastRelay.Journal;
using FastRelay.Outside;
using FastRelay.Queue;
using FastRelay.Smtp;

namespace FastRelay.Deliver;

/// <summary>How a window ended.</summary>
/// <param name="Completed">Transactions that the connection has answered to their end.</param>
/// <param name="IsOpen">The connection is in step and may serve others.</param>
/// <param name="Left">A message that cannot go in a window; null when there is none.</param>
internal readonly record struct WindowEnd(int Completed, bool IsOpen, Delivery? Left);

/// <summary>
/// Keeps several messages in flight on one connection: drives a <see cref="TransactionWindow"/>. Replies are read here
/// while <see cref="WindowWriter"/> writes: whoever only writes and whoever only answers would wait for each other for
/// ever (RFC 2920 3.1). Owned by one session.
/// </summary>
internal sealed class WindowSession
{
    private readonly Deliverer _owner;
    private readonly SendSession _session;
    private readonly SendDialogue _dialogue;
    private readonly WindowWriter _writer;
    private readonly Signal<bool> _mayRead;
    private readonly Flight[] _flights;
    private int _stacked;
    private Site _site = null!;
    private HostTrust _trust = null!;
    private OutcomeCause _brokenBy;
    private (Outcome Outcome, byte[] Text)? _siteRefusal;
    private long _sentMs;

    /// <summary>Creates it.</summary>
    /// <param name="owner">The stage.</param>
    /// <param name="session">Whose connection it is.</param>
    /// <param name="dialogue">The connection.</param>
    /// <param name="size">Messages in flight at most.</param>
    public WindowSession(Deliverer owner, SendSession session, SendDialogue dialogue, int size)
    {
        _owner = owner;
        _session = session;
        _dialogue = dialogue;
        Window = new TransactionWindow(size, owner.Limits.RecipientsPerTransaction);
        _flights = new Flight[size];
        _mayRead = new Signal<bool>(owner.World.Loop);
        _writer = new WindowWriter(owner, this, dialogue);
    }

    /// <summary>Messages in flight at most.</summary>
    public int Size => Window.Size;

    /// <summary>The account of the replies.</summary>
    public TransactionWindow Window { get; }

    /// <summary>The connection is over: nothing more is written.</summary>
    public bool IsBroken => _brokenBy != OutcomeCause.None;

    /// <summary>What is said of a message that no transaction was begun for.</summary>
    public AttemptInfo Attempt => _session.Attempt(Window.Completed > 0);

    /// <summary>Another message may be begun, room permitting.</summary>
    public bool MayAdd => !IsBroken && !_session.Leaves && !Window.IsClosing && !_owner.IsDraining
        && Window.Completed + Window.Count < _session.MessagesMost
        // Doubt about another connection holds for this one, too: what is in flight is answered, and then one follows another.
        && _trust.MayFill(_owner.World.Loop.NowMs);

    /// <summary>Sends a message and all that the site has while they fit, until every answer is there.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public async ValueTask<WindowEnd> RunAsync(Site site, HostTrust trust, Delivery first)
    {
        _site = site;
        _trust = trust;
        _brokenBy = OutcomeCause.None;
        _siteRefusal = null;
        _mayRead.Reset();
        Window.Start(_dialogue.Machine.Capabilities, _dialogue.Machine.Completed);
        ValueTask writing = _writer.RunAsync(site, first);
        await ReadAsync();
        await writing;
        if (Window.Count > 0)
        {
            End();
        }
        Delivery? left = _writer.TakeLeft();
        if (_siteRefusal is { } refusal)
        {
            if (left is { } unsent)
            {
                _owner.Queue.Release(unsent);
                left = null;
            }
            // With nothing of this connection in flight any more: a host that serves nobody is not one that is busy.
            _owner.Queue.SiteFailed(_site, refusal.Outcome, refusal.Text, counted: true);
        }
        return new WindowEnd(Window.Completed, !IsBroken && !Window.IsClosing, left);
    }

    /// <summary>A message came into the window's hands, or left them: the site is told how many are beyond the first.</summary>
    public void Counted()
    {
        int beyond = Math.Max(0, Window.Count + (_writer.HasTaken ? 1 : 0) - 1);
        _site.Stacked += beyond - _stacked;
        _stacked = beyond;
    }

    /// <summary>Notes whose transaction is at a place of the window.</summary>
    public void Began(int place, in Delivery delivery, BodyReader body) => _flights[place] = new Flight(delivery, body);

    /// <summary>What was written goes to the network now.</summary>
    public void Sending()
    {
        Window.Sending();
        _sentMs = _owner.World.Loop.NowMs;
    }

    /// <summary>A command was written, bytes have left, or the writer is done.</summary>
    public void WriterMoved()
    {
        if (_mayRead.IsWaiting)
        {
            _mayRead.Set(true);
        }
        else if (Window.AwaitsReply)
        {
            // A slow line may need longer for what is in flight than a server for its answer.
            _dialogue.ArmFor(Window.Stage);
        }
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask ReadAsync()
    {
        PipeReader input = _dialogue.Link!.Input;
        bool fresh = true;
        while (true)
        {
            if (!Window.AwaitsReply)
            {
                _dialogue.Disarm();
                if (_writer.IsDone)
                {
                    return;
                }
                await _mayRead.WaitAsync();
                fresh = true;
                continue;
            }
            if (fresh)
            {
                // Each reply has its own time (RFC 5321 4.5.3.2), and one that drips has one for all of it.
                _dialogue.ArmFor(Window.Stage);
            }
            ReadResult read = await input.ReadAsync();
            bool inStep = Take(read.Buffer.FirstSpan, out int consumed, out fresh);
            input.AdvanceTo(read.Buffer.GetPosition(consumed), read.Buffer.End);
            if (!inStep || read.IsCompleted)
            {
                Break(inStep ? _dialogue.LossCause() : OutcomeCause.BadReply);
                return;
            }
        }
    }

    // The replies of one read; false when they cannot be told apart any more.
    private bool Take(ReadOnlySpan<byte> bytes, out int consumed, out bool answered)
    {
        consumed = 0;
        answered = false;
        while (consumed < bytes.Length)
        {
            if (!Window.AwaitsReply)
            {
                return false;
            }
            _dialogue.Tap.Message = _flights[Window.HeadPlace].Body.Id;
            WindowStep step = Window.Receive(bytes[consumed..], out int taken);
            _dialogue.Tap.Reply(bytes.Slice(consumed, taken));
            consumed += taken;
            answered |= Window.HasWholeReply;
            switch (step)
            {
                case WindowStep.OutOfStep:
                    return false;
                case WindowStep.Settled:
                    Settle();
                    break;
                case WindowStep.Read when !Window.HasWholeReply:
                    return true;
            }
        }
        return true;
    }

    private void Settle()
    {
        long now = _owner.World.Loop.NowMs;
        _trust.Answered();
        // Among several in flight it is not known when this one left.
        if (Window.Count == 1 && now - _sentMs <= HostTrust.QuickReplyMs)
        {
            _site.QuickUntilMs = now + Site.QuickMs;
        }
        Report(Window.Completed > 1);
        _writer.RoomAgain();
    }

    private void Report(bool reused)
    {
        Flight flight = _flights[Window.HeadPlace];
        _flights[Window.HeadPlace] = default;
        TransactionLedger ledger = Window.Head.Ledger;
        if (!Window.Head.IsProved)
        {
            ledger.Doubt(OutcomePolicy.From(SmtpStage.Rcpt, OutcomeCause.Unproved), default);
        }
        _owner.Report(flight.Delivery, flight.Body.Envelope, ledger, _session.Attempt(reused));
        if (ledger.ConcernsSite)
        {
            _session.RefusedUntilTls(ledger.OutcomeAt(0));
            if (!reused)
            {
                _siteRefusal ??= (ledger.OutcomeAt(0), ledger.TextAt(0).ToArray());
            }
        }
        flight.Body.Close();
        Pop();
    }

    private void Pop()
    {
        Window.Pop();
        Counted();
    }

    // What was not attempted goes back to the front of the queue: the last one first, so that all keep their order.
    private void ReleaseFrom(int place, int count)
    {
        for (int i = count - 1; i >= 0; i--)
        {
            ref Flight flight = ref _flights[(place + i) % Size];
            if (flight.Body is not null)
            {
                flight.Body.Close();
                _owner.Queue.Release(flight.Delivery);
                flight = default;
            }
        }
    }

    private void Break(OutcomeCause cause)
    {
        _brokenBy = cause;
        if (_writer.IsWriting)
        {
            // It may wait for a peer that reads no more.
            _dialogue.Cut(cause);
        }
        _writer.RoomAgain();
    }

    // The connection is over and the writer at rest: every message that is left is in doubt, or as it was.
    private void End()
    {
        OutcomeCause cause = IsBroken ? _brokenBy : _dialogue.LossCause();
        _brokenBy = cause;
        int place = Window.HeadPlace;
        int count = Window.Count;
        bool first = true;
        bool trouble = false;
        while (Window.Count > 0)
        {
            bool turnedAway = Window.Head.IsTurnedAway;
            long takenMs = _flights[Window.HeadPlace].Delivery.TakenMs;
            WindowFate fate = Window.End(cause, first);
            if (fate == WindowFate.Report)
            {
                Report(Window.Completed > 0);
            }
            else
            {
                Pop();
            }
            if (first && Window.IsSiteTrouble)
            {
                trouble = true;
            }
            else if (fate == WindowFate.Release && turnedAway)
            {
                _session.EndedAfter(_site, Window.Completed);
                _owner.Queue.SiteReplied(_site, Window.Failure, Window.FailureReason.Span, takenMs);
            }
            first = false;
        }
        ReleaseFrom(place, count);
        if (trouble && !(Window.Failure.EnhancedCode.Subject != 7 && _session.LeaveHost(_site)))
        {
            // With nothing of this connection in flight any more: a host that serves nobody is not one that is busy.
            _owner.Queue.SiteFailed(_site, Window.Failure, Window.FailureReason.Span, counted: true);
        }
        if (Window.IsInDoubt || cause == OutcomeCause.BadReply)
        {
            _trust.Doubted(_owner.World.Loop.NowMs);
        }
    }

    private readonly record struct Flight(Delivery Delivery, BodyReader Body);
}
