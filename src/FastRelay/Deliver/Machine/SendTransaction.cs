using FastRelay.Smtp;

namespace FastRelay.Deliver;

/// <summary>
/// One mail transaction of <see cref="SendMachine"/>: MAIL, RCPT and DATA in one flight when the peer pipelines, one by
/// one otherwise; the body; the final dot (RFC 5321 3.3, RFC 2920 3.1). Pure. Every command is numbered by its
/// position and every reply belongs to the oldest unanswered one.
/// </summary>
public sealed class SendTransaction
{
    private enum Phase : byte
    {
        Idle,
        Envelope,
        Body,
        Dot,
        LoneDot,
    }

    private const int ResetPosition = CommandWriter.ResetPosition;
    private const int MailPosition = CommandWriter.MailPosition;
    private Phase _phase;
    private int _written;
    private int _answered;
    private bool _dotWritten;
    private bool _mailAccepted;
    private bool _mailFailed;
    private bool _needsReset;
    private long _contentBytes;
    private bool _eightBit;
    private bool _contentAsked;

    /// <summary>Creates a transaction.</summary>
    /// <param name="recipientsMax">Recipients at most.</param>
    public SendTransaction(int recipientsMax) => Ledger = new TransactionLedger(recipientsMax);

    /// <summary>The recipients and what became of them.</summary>
    public TransactionLedger Ledger { get; }

    /// <summary>From <see cref="Begin"/> until every recipient has its outcome.</summary>
    public bool IsOpen => _phase != Phase.Idle;

    /// <summary>The final dot went out and its reply is owed.</summary>
    public bool IsAtDot => _phase == Phase.Dot;

    /// <summary>A command may still be written, room and the peer's replies permitting.</summary>
    public bool HasMoreToWrite => _phase == Phase.Envelope && _written <= DataPosition;

    /// <summary>The body is being sent.</summary>
    public bool IsInBody => _phase == Phase.Body;

    /// <summary>The peer has not answered MAIL: as far as it is concerned there is no message yet.</summary>
    public bool IsUntouched => _phase == Phase.Envelope && _answered <= MailPosition;

    /// <summary>A lone dot ended a DATA that the peer took without a recipient: it is not to be trusted with more.</summary>
    public bool IsSuspect { get; private set; }

    /// <summary>RSET to end the last transaction was refused.</summary>
    public bool ResetRefused { get; private set; }

    /// <summary>What is being waited for.</summary>
    public SmtpStage Stage { get; private set; }

    /// <summary>A reply is owed.</summary>
    public bool AwaitsReply => _phase switch
    {
        Phase.Envelope => _answered < _written,
        Phase.LoneDot => _dotWritten,
        Phase.Dot => true,
        _ => false,
    };

    /// <summary>The envelope index of the recipient that the next <see cref="Write"/> names; -1 when it names none.</summary>
    public int NextRecipient => _phase == Phase.Envelope && _written > MailPosition && _written <= Ledger.Count
        ? Ledger.IndexAt(_written - 1)
        : -1;

    /// <summary>The next <see cref="Write"/> gives MAIL, if it gives anything.</summary>
    public bool NextIsMail => _phase == Phase.Envelope && _written == MailPosition;

    private int DataPosition => Ledger.Count + 1;

    /// <summary>A new connection: nothing is left to reset.</summary>
    public void Clear()
    {
        _phase = Phase.Idle;
        _needsReset = false;
        IsSuspect = false;
        ResetRefused = false;
    }

    /// <summary>Other transactions, so many, were on the connection meanwhile: the next one begins with RSET when there were any.</summary>
    public void NeedResetAfter(int others) => _needsReset |= others > 0;

    /// <summary>Begins, with the recipients that have these numbers in the envelope.</summary>
    /// <param name="recipients">Envelope indexes, ascending.</param>
    /// <param name="contentBytes">Octets as SIZE counts them.</param>
    /// <param name="eightBit">BODY=8BITMIME was said.</param>
    /// <param name="reset">RSET comes first: nothing of another transaction may be taken for this one's.</param>
    public void Begin(ReadOnlySpan<int> recipients, long contentBytes, bool eightBit, bool reset = false)
    {
        Check.That(!IsOpen && contentBytes >= 0);
        Ledger.Begin(recipients);
        _contentBytes = contentBytes;
        _eightBit = eightBit;
        _mailAccepted = _mailFailed = _contentAsked = false;
        _written = _answered = _needsReset || reset ? ResetPosition : MailPosition;
        _needsReset = false;
        Enter(Phase.Envelope, SmtpStage.Mail);
    }

    /// <summary>The message is not even offered: every recipient gets this outcome.</summary>
    public void Refuse(Outcome outcome, ReadOnlySpan<byte> text)
    {
        Ledger.DecideRest(outcome, text);
        _needsReset |= _written == ResetPosition;
        _phase = Phase.Idle;
    }

    /// <summary>Writes the next command that may go now; 0 when none may before a reply.</summary>
    public int Write(Span<byte> into, in EhloCapabilities peer, ReadOnlySpan<byte> reversePath, ReadOnlySpan<byte> mailbox)
    {
        if (_phase == Phase.LoneDot && !_dotWritten)
        {
            _dotWritten = true;
            return CommandWriter.Bare(into, ".\r\n"u8);
        }
        bool waits = _answered < _written && !peer.Has(SmtpExtensions.Pipelining);
        if (_phase != Phase.Envelope || _written > DataPosition || waits)
        {
            return 0;
        }
        int position = _written++;
        return position < DataPosition
            ? CommandWriter.Envelope(into, position, peer, reversePath, mailbox, _contentBytes, _eightBit)
            : CommandWriter.Bare(into, "DATA\r\n"u8);
    }

    /// <summary>The final dot went to the network.</summary>
    public void BodySent()
    {
        Check.That(_phase == Phase.Body);
        Enter(Phase.Dot, SmtpStage.Dot);
    }

    /// <summary>Takes the oldest owed reply.</summary>
    /// <returns><see cref="SendStep.Closed"/> when the reply cannot stand where it does: the caller gives the transaction up.</returns>
    public SendStep OnReply(in ServerReply reply)
    {
        switch (_phase)
        {
            case Phase.Envelope:
                return OnEnvelopeReply(reply);
            case Phase.Dot:
                Ledger.DecideAccepted(reply.At(SmtpStage.Dot), reply.Text);
                return reply.Kind == 3 ? SendStep.Closed : Finish();
            case Phase.LoneDot:
                // Whatever it says: nobody was accepted, so nobody got the empty message.
                return Finish();
            default:
                // In the middle of the body a refusal counts, though the connection is out of step; a consent does not.
                if (reply.Kind is 4 or 5)
                {
                    Ledger.DecideAccepted(reply.At(SmtpStage.Dot), reply.Text);
                }
                return SendStep.Closed;
        }
    }

    /// <summary>
    /// The transaction ends with the connection: recipients without an outcome get this one. Where the step was lost before 354, those
    /// that were refused for good get it too: a reply too many or too few makes one recipient's refusal another's.
    /// </summary>
    public void End(Outcome outcome, ReadOnlySpan<byte> text)
    {
        Check.That(IsOpen);
        Ledger.DecideRest(outcome, text);
        _phase = Phase.Idle;
        if (outcome.Cause == OutcomeCause.BadReply)
        {
            Doubt();
        }
    }

    /// <summary>The peer was not in step: what it refused for good is put off, unless 354 has shown that the replies before it were in their places.</summary>
    public void Doubt()
    {
        if (!_contentAsked)
        {
            Ledger.Doubt(OutcomePolicy.From(SmtpStage.Rcpt, OutcomeCause.BadReply), FailureText.Of(OutcomeCause.BadReply).Span);
        }
    }

    /// <summary>Forgets a transaction of which the peer has no body: nothing became of its recipients.</summary>
    public void GiveUp()
    {
        Check.That(_phase is Phase.Idle or Phase.Envelope);
        _phase = Phase.Idle;
    }

    private SendStep OnEnvelopeReply(in ServerReply reply)
    {
        int position = _answered++;
        if (reply.Kind == 3 && position is not ResetPosition && position != DataPosition)
        {
            return SendStep.Closed;
        }
        return position switch
        {
            ResetPosition => OnResetReply(reply),
            MailPosition => OnMailReply(reply),
            _ when position < DataPosition => OnRcptReply(position - 1, reply),
            _ => OnDataReply(reply),
        };
    }

    private SendStep OnResetReply(in ServerReply reply)
    {
        ResetRefused = reply.Kind != 2;
        return ResetRefused ? SendStep.Closed : Next(SmtpStage.Mail);
    }

    private SendStep OnMailReply(in ServerReply reply)
    {
        if (reply.Kind == 2)
        {
            _mailAccepted = true;
            return Next(SmtpStage.Rcpt);
        }
        _mailFailed = reply.Kind == 5;
        Ledger.DecideRest(reply.At(SmtpStage.Mail), reply.Text);
        return _answered < _written ? Next(SmtpStage.Rcpt) : Finish();
    }

    private SendStep OnRcptReply(int recipient, in ServerReply reply)
    {
        if (reply.Kind == 2)
        {
            if (_mailFailed)
            {
                // RCPT without MAIL is out of sequence: the refusal was not MAIL's.
                return SendStep.Closed;
            }
            Ledger.Accept(recipient);
        }
        else
        {
            Ledger.Decide(recipient, reply.At(SmtpStage.Rcpt), reply.Text);
        }
        bool last = recipient == Ledger.Count - 1;
        if (last && Ledger.Accepted == 0 && _answered == _written)
        {
            // Not pipelined and nobody to send to: DATA is not asked for.
            _needsReset = true;
            return Finish();
        }
        return Next(last ? SmtpStage.Data : SmtpStage.Rcpt);
    }

    private SendStep OnDataReply(in ServerReply reply)
    {
        _contentAsked = reply.Kind == 3;
        switch (reply.Kind)
        {
            case 3 when Ledger.Accepted > 0:
                Enter(Phase.Body, SmtpStage.Data);
                return SendStep.Body;
            case 3:
                // RFC 2920 3.1: pipelined DATA was taken although no recipient was: end it with a lone dot.
                IsSuspect = true;
                Enter(Phase.LoneDot, SmtpStage.Data);
                return SendStep.Write;
            case 2:
                return SendStep.Closed;
            default:
                Ledger.DecideAccepted(reply.At(SmtpStage.Data), reply.Text);
                _needsReset = _mailAccepted;
                return Finish();
        }
    }

    private SendStep Next(SmtpStage stage)
    {
        Stage = stage;
        return _answered < _written ? SendStep.Read : SendStep.Write;
    }

    private SendStep Finish()
    {
        Check.That(Ledger.Decided == Ledger.Count, "a recipient without an outcome");
        _phase = Phase.Idle;
        return SendStep.Done;
    }

    private void Enter(Phase phase, SmtpStage stage)
    {
        _phase = phase;
        _dotWritten = false;
        Stage = stage;
    }
}
