using FastRelay.Config;
using FastRelay.Smtp;

namespace FastRelay.Deliver;

/// <summary>What a <see cref="TransactionWindow"/> made of the peer's bytes.</summary>
public enum WindowStep : byte
{
    /// <summary>More bytes are wanted.</summary>
    Read,

    /// <summary>The oldest transaction is over: report it, then call <see cref="TransactionWindow.Pop"/>.</summary>
    Settled,

    /// <summary>A reply that cannot stand where it does: the connection is of no more use.</summary>
    OutOfStep,
}

/// <summary>What becomes of a transaction whose connection ended before it was over.</summary>
public enum WindowFate : byte
{
    /// <summary>Its recipients have their outcomes: it is reported like any other.</summary>
    Report,

    /// <summary>It was not attempted: it goes back as it was.</summary>
    Release,
}

/// <summary>
/// The transactions of one connection that are under way at the same time (RFC 2920 3.1, RFC 3030 4.2), oldest first: the
/// account of which reply belongs to which command of which message. Pure: no IO, clock or await. Bounded by its size.
/// </summary>
/// <remarks>
/// A transaction is taken out when its last command was answered, so the oldest unanswered command is always one of the
/// first transaction, and no reply can be counted for two.
/// </remarks>
public sealed class TransactionWindow
{
    private readonly WindowTransaction?[] _ring;
    private readonly int _recipientsMax;
    private readonly byte[] _text = new byte[Limits.ReplyTextBytes];
    private ReplyParser _parser = new(ReplyParser.LineOctetsUsual, Limits.ReplyBytes, ReplyParser.LinesUsual);
    private EhloCapabilities _peer;
    private int _head;
    private bool _needsReset;
    private bool _closedLast;

    /// <summary>Creates a window.</summary>
    /// <param name="size">Transactions at most, 1 to <see cref="RouteConfig.InFlightMost"/>.</param>
    /// <param name="recipientsMax">Recipients of one transaction at most.</param>
    public TransactionWindow(int size, int recipientsMax)
    {
        Check.That(size is > 0 and <= RouteConfig.InFlightMost);
        _ring = new WindowTransaction?[size];
        _recipientsMax = recipientsMax;
    }

    /// <summary>Transactions at most.</summary>
    public int Size => _ring.Length;

    /// <summary>Transactions under way.</summary>
    public int Count { get; private set; }

    /// <summary>Octets of their contents.</summary>
    public long Bytes { get; private set; }

    /// <summary>Transactions of this connection that were answered to their end.</summary>
    public int Completed { get; private set; }

    /// <summary>The peer said 421 (RFC 5321 3.8): nothing more is begun.</summary>
    public bool IsClosing { get; private set; }

    /// <summary>The connection ended while answers to whole messages were owed, or lost its step; after <see cref="End"/>.</summary>
    public bool IsInDoubt { get; private set; }

    /// <summary>The host would not serve the first message of the connection at all; after <see cref="End"/>.</summary>
    public bool IsSiteTrouble { get; private set; }

    /// <summary>What ended the connection; after <see cref="End"/>, or with <see cref="IsClosing"/>.</summary>
    public Outcome Failure { get; private set; }

    /// <summary>The reply's text, or our words, for <see cref="Failure"/>; valid until the next reply.</summary>
    public ReadOnlyMemory<byte> FailureReason { get; private set; }

    /// <summary>A reply is owed.</summary>
    public bool AwaitsReply => Count > 0 && Head.AwaitsReply;

    /// <summary>What is being waited for.</summary>
    public SmtpStage Stage => Head.Stage;

    /// <summary>The octets taken last ended a reply.</summary>
    public bool HasWholeReply => _parser.IsComplete;

    /// <summary>The oldest transaction.</summary>
    public WindowTransaction Head
    {
        get
        {
            Check.That(Count > 0);
            return _ring[_head]!;
        }
    }

    /// <summary>The place of the oldest transaction: it keeps it as long as it is under way.</summary>
    public int HeadPlace => _head;

    /// <summary>The newest transaction: the one that is being written.</summary>
    public WindowTransaction Tail
    {
        get
        {
            Check.That(Count > 0);
            return _ring[PlaceOf(Count - 1)]!;
        }
    }

    /// <summary>Opens the window on a connection that is ready for a transaction.</summary>
    /// <param name="peer">What the peer offers.</param>
    /// <param name="completed">Transactions that the connection has served.</param>
    public void Start(in EhloCapabilities peer, int completed)
    {
        Check.That(Count == 0 && Bytes == 0);
        _peer = peer;
        _parser.Reset();
        Completed = completed;
        _needsReset = completed > 0;
        IsClosing = IsInDoubt = IsSiteTrouble = _closedLast = false;
        Failure = default;
        FailureReason = default;
    }

    /// <summary>Begins another transaction; the one before must be written to its end.</summary>
    /// <returns>Its place.</returns>
    public int Add(ReadOnlySpan<int> recipients, long contentBytes, bool eightBit)
    {
        Check.That(Count < _ring.Length && (Count == 0 || !Tail.HasMoreToWrite));
        int place = PlaceOf(Count++);
        WindowTransaction transaction = _ring[place] ??= new WindowTransaction(_recipientsMax);
        transaction.Begin(recipients, contentBytes, eightBit, _needsReset);
        Bytes += contentBytes;
        // Always between two of them, so that no reply can join two.
        _needsReset = true;
        return place;
    }

    /// <summary>Writes the next command of the newest transaction; see <see cref="WindowTransaction.Write"/>.</summary>
    public int Write(Span<byte> into, ReadOnlySpan<byte> reversePath, ReadOnlySpan<byte> mailbox) => Tail.Write(into, _peer, reversePath, mailbox);

    /// <summary>What was written goes to the network now: messages that are whole may reach the peer.</summary>
    public void Sending()
    {
        for (int i = Count - 1; i >= 0 && !_ring[PlaceOf(i)]!.IsSent; i--)
        {
            _ring[PlaceOf(i)]!.Sending();
        }
    }

    /// <summary>All that was written has left.</summary>
    public void Sent()
    {
        for (int i = Count - 1; i >= 0 && !_ring[PlaceOf(i)]!.IsGone; i--)
        {
            _ring[PlaceOf(i)]!.Gone();
        }
    }

    /// <summary>Takes what is there of the next owed reply.</summary>
    /// <param name="input">Unconsumed bytes followed by newer ones.</param>
    /// <param name="consumed">Bytes to drop from its front; what follows belongs to the next reply.</param>
    public WindowStep Receive(ReadOnlySpan<byte> input, out int consumed)
    {
        Check.That(AwaitsReply, "a reply was read that nobody owes");
        switch (_parser.Feed(input, _text, out consumed))
        {
            case ReplyStatus.NeedMore:
                return WindowStep.Read;
            case ReplyStatus.Bad:
                return WindowStep.OutOfStep;
        }
        var reply = new ServerReply(_parser.Code, _parser.EnhancedCode, _text.AsSpan(0, _parser.TextLength));
        SmtpStage stage = Head.Stage;
        if (!Head.OnReply(reply))
        {
            return WindowStep.OutOfStep;
        }
        // Behind a 421 comes the end, or, from a peer that does not mean it, the other answers: reading on tells which.
        _closedLast = reply.Code == 421;
        if (_closedLast)
        {
            IsClosing = true;
            Failure = reply.At(stage);
            FailureReason = _text.AsMemory(0, reply.Text.Length);
        }
        if (!Head.IsAnswered)
        {
            return WindowStep.Read;
        }
        if (!Head.IsDecided)
        {
            return WindowStep.OutOfStep;
        }
        Completed++;
        return WindowStep.Settled;
    }

    /// <summary>Takes the oldest transaction out.</summary>
    public void Pop()
    {
        Bytes -= Head.ContentBytes;
        // Only the oldest gathers texts, so that one room for many refusals is enough.
        Head.Ledger.Trim();
        _head = (_head + 1) % _ring.Length;
        Count--;
    }

    /// <summary>
    /// The connection has ended. Decides the oldest transaction; called for each until none is left, with
    /// <see cref="Pop"/> between. What was sent whole and is unanswered is in doubt, unless the peer's last word was 421:
    /// it does nothing behind that. What was not sent is as it was, except the first one when it was being judged.
    /// </summary>
    /// <param name="cause">Why it ended.</param>
    /// <param name="isFirst">It was the oldest when the connection ended.</param>
    public WindowFate End(OutcomeCause cause, bool isFirst)
    {
        WindowTransaction head = Head;
        bool closed = _closedLast && cause == OutcomeCause.ConnectionLost;
        if (isFirst)
        {
            IsSiteTrouble = Completed == 0 && (head.IsUntouched || head.IsTurnedAway) && cause != OutcomeCause.ShuttingDown;
            if (!closed)
            {
                Failure = OutcomePolicy.From(SmtpStage.Mail, cause);
                FailureReason = FailureText.Of(cause);
            }
        }
        if (closed)
        {
            if (!head.WasClosed || (head.IsTurnedAway && Completed > 0))
            {
                return WindowFate.Release;
            }
            head.End(Failure, FailureReason.Span);
        }
        if (head.IsDecided)
        {
            return WindowFate.Report;
        }
        if (head.IsSent)
        {
            IsInDoubt = true;
            Decide(head, SmtpStage.Dot, cause);
            return WindowFate.Report;
        }
        bool served = Completed > 0 && head.IsUntouched && cause == OutcomeCause.ConnectionLost;
        if (!isFirst || served || cause == OutcomeCause.ShuttingDown)
        {
            return WindowFate.Release;
        }
        // Not sent to its end, so that the peer cannot have it.
        Decide(head, head.Stage == SmtpStage.Dot ? SmtpStage.Data : head.Stage, cause);
        return WindowFate.Report;
    }

    private static void Decide(WindowTransaction transaction, SmtpStage stage, OutcomeCause cause)
    {
        Outcome outcome = OutcomePolicy.From(stage, cause);
        transaction.End(outcome, FailureText.Of(outcome.Cause).Span);
    }

    private int PlaceOf(int index) => (_head + index) % _ring.Length;
}
