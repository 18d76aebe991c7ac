using FastRelay.Routing;
using FastRelay.Smtp;
using Phase = FastRelay.Deliver.SendPhase;

namespace FastRelay.Deliver;

/// <summary>
/// The SMTP client as a pure machine (RFC 5321 3.1 to 3.9; RFC 2920; RFC 3207 4): bytes of replies in, commands and
/// per-recipient outcomes out. No IO, clock or await. One per connection, reused by <see cref="Start"/>. A reply that nobody asked
/// for, or of a kind that its command cannot have, ends the connection: there is no way back in step.
/// </summary>
public sealed class SendMachine
{
    internal byte[] HelloName { get; set; }
    private readonly byte[] _text = new byte[Limits.ReplyTextBytes];
    private SendTransaction _transaction;
    private SendTransaction _following; // behind the final dot of the other one; the two change places
    private ReplyParser _parser = new(ReplyParser.LineOctetsUsual, Limits.ReplyBytes, ReplyParser.LinesUsual);
    private EhloCapabilities _capabilities;
    private Phase _phase = Phase.Closed;
    private SmtpStage _stage;
    private StartTlsUse _tlsUse;
    private Credentials? _credentials;
    private bool _tlsOn;
    private bool _written;

    /// <summary>Creates a machine.</summary>
    /// <param name="helloName">What EHLO says: our domain or an address literal, validated.</param>
    /// <param name="recipientsMax">Recipients of one transaction at most.</param>
    public SendMachine(byte[] helloName, int recipientsMax)
    {
        Check.That(helloName.Length is > 0 and <= 255);
        HelloName = helloName;
        _transaction = new SendTransaction(recipientsMax);
        _following = new SendTransaction(recipientsMax);
    }

    /// <summary>The recipients of the transaction under way, or the last one, and what became of them.</summary>
    public TransactionLedger Ledger => _transaction.Ledger;

    /// <summary>What the peer offered after its last EHLO.</summary>
    public ref readonly EhloCapabilities Capabilities => ref _capabilities;

    /// <summary>The authentication under way.</summary>
    public AuthClient Auth { get; } = new();

    /// <summary>What is being waited for: the row of the outcome policy and of the timeouts.</summary>
    public SmtpStage Stage => _phase == Phase.Transaction ? _transaction.Stage : _stage;

    /// <summary>A reply is owed to us.</summary>
    public bool AwaitsReply => _phase switch
    {
        Phase.Banner => true,
        Phase.Ehlo or Phase.Helo or Phase.StartTls or Phase.Auth or Phase.Quit => _written,
        Phase.Transaction => _transaction.AwaitsReply,
        _ => false,
    };

    /// <summary>The octets taken last ended a reply.</summary>
    public bool HasWholeReply => _parser.IsComplete;

    /// <summary>The peer said more than it was asked for behind a transaction that is over: see <see cref="SendTransaction.Doubt"/>.</summary>
    public void WasOutOfTurn() => _transaction.Doubt();

    /// <summary>Another transaction may begin.</summary>
    public bool IsUsable => CanQuit && !_transaction.IsSuspect;

    /// <summary>QUIT may be said.</summary>
    public bool CanQuit => _phase == Phase.Ready && !HasFollowing;

    /// <summary>Several transactions may be under way at once, in a <see cref="TransactionWindow"/>.</summary>
    public bool CanOpenWindow => IsUsable && _capabilities.Has(SmtpExtensions.Chunking | SmtpExtensions.Pipelining);

    /// <summary>
    /// Another transaction's envelope left behind this one's final dot. True until <see cref="Follow"/>, or the connection's end: then it was not attempted.
    /// </summary>
    public bool HasFollowing => _following.IsOpen;

    /// <summary>Transactions of this connection that ended with the connection intact.</summary>
    public int Completed { get; private set; }

    /// <summary>
    /// The transaction ended before the peer answered its MAIL, on a connection that had served before: peers close
    /// idle and long-used connections so, and it says nothing about the message.
    /// </summary>
    public bool NotAttempted { get; private set; }

    /// <summary>The final dot of the transaction was answered on a connection that goes on.</summary>
    public bool DotAnswered { get; private set; }

    /// <summary>The connection ended while the answer to the final dot was owed, or the peer is out of step: it is not to be sent one envelope behind another.</summary>
    public bool LosesTrust { get; private set; }

    /// <summary>
    /// The host would not serve the first transaction of the connection at all: it closed, said 421 or said nothing
    /// before anything was known about the message. That is trouble with the site, not with the message.
    /// </summary>
    public bool IsSiteTrouble { get; private set; }

    /// <summary>Why the connection failed; meaningful after <see cref="SendStep.Closed"/>.</summary>
    public Outcome Failure { get; private set; }

    /// <summary>The reply's text, or our words, for <see cref="Failure"/>; valid until <see cref="Start"/>.</summary>
    public ReadOnlyMemory<byte> FailureReason { get; private set; }

    /// <summary>The envelope index of the recipient that the next <see cref="Write"/> names; -1 when it names none.</summary>
    public int NextRecipient => _phase == Phase.Transaction ? Writing.NextRecipient : -1;

    /// <summary>The next <see cref="Write"/> gives MAIL, if it gives anything.</summary>
    public bool NextIsMail => _phase == Phase.Transaction && Writing.NextIsMail;

    // After the final dot only the next one has something to say.
    private SendTransaction Writing => _transaction.IsAtDot ? _following : _transaction;

    /// <summary>A new connection; the peer speaks first, or with <see cref="StartTlsUse.Implicit"/> TLS comes before all.</summary>
    /// <param name="tls">When it speaks TLS.</param>
    /// <param name="credentials">Who we are to the host; null for a host that is not asked to authenticate us. Used inside TLS only.</param>
    public SendStep Start(StartTlsUse tls, Credentials? credentials = null)
    {
        (_tlsUse, _credentials, _tlsOn) = (tls, credentials, false);
        Completed = 0;
        NotAttempted = IsSiteTrouble = false;
        (Failure, FailureReason) = (default, default);
        _capabilities = default;
        _parser.Reset();
        _transaction.Clear();
        _following.Clear();
        return tls == StartTlsUse.Implicit
            ? Enter(Phase.Handshake, SmtpStage.StartTls, SendStep.StartTls)
            : Enter(Phase.Banner, SmtpStage.Banner, SendStep.Read);
    }

    /// <summary>Takes what is there of the next owed reply; while the body is sent, of a reply that comes too early.</summary>
    /// <param name="input">Unconsumed bytes followed by newer ones.</param>
    /// <param name="consumed">Bytes to drop from its front; what follows belongs to the next reply.</param>
    public SendStep Receive(ReadOnlySpan<byte> input, out int consumed)
    {
        Check.That(AwaitsReply || _transaction.IsInBody, "a reply was read that nobody owes");
        ReplyStatus status = _phase == Phase.Ehlo
            ? _parser.Feed(input, _text, ref _capabilities, out consumed)
            : _parser.Feed(input, _text, out consumed);
        return status switch
        {
            ReplyStatus.NeedMore => SendStep.Read,
            ReplyStatus.Bad => Lost(OutcomeCause.BadReply),
            _ => OnReply(new ServerReply(_parser.Code, _parser.EnhancedCode, _text.AsSpan(0, _parser.TextLength))),
        };
    }

    /// <summary>Writes the next command that may go now.</summary>
    /// <param name="into">At least <see cref="CommandWriter.CommandBytes"/>.</param>
    /// <param name="reversePath">Of the message under way, without brackets.</param>
    /// <param name="mailbox">The recipient <see cref="NextRecipient"/>; empty when that is -1.</param>
    /// <returns>Bytes written; 0 when nothing more may go before a reply.</returns>
    public int Write(Span<byte> into, ReadOnlySpan<byte> reversePath, ReadOnlySpan<byte> mailbox)
    {
        Check.That(into.Length >= CommandWriter.CommandBytes);
        if (_phase == Phase.Transaction)
        {
            return Writing.Write(into, _capabilities, reversePath, mailbox);
        }
        if (_written || _phase is not (Phase.Ehlo or Phase.Helo or Phase.StartTls or Phase.Auth or Phase.Quit))
        {
            return 0;
        }
        _written = true;
        return _phase switch
        {
            Phase.Ehlo => CommandWriter.Hello(into, extended: true, HelloName),
            Phase.Helo => CommandWriter.Hello(into, extended: false, HelloName),
            Phase.StartTls => CommandWriter.Bare(into, "STARTTLS\r\n"u8),
            Phase.Auth => Auth.Write(into),
            _ => CommandWriter.Bare(into, "QUIT\r\n"u8),
        };
    }

    /// <summary>The handshake worked: what the peer said in clear is forgotten (RFC 3207 4.2).</summary>
    public SendStep TlsStarted()
    {
        Check.That(_phase == Phase.Handshake);
        _tlsOn = true;
        return _tlsUse == StartTlsUse.Implicit ? Enter(Phase.Banner, SmtpStage.Banner, SendStep.Read) : Enter(Phase.Ehlo, SmtpStage.Ehlo);
    }

    /// <summary>The key of <see cref="SendStep.Derive"/> is there.</summary>
    public SendStep KeyDerived(ReadOnlySpan<byte> salted)
    {
        Check.That(_phase == Phase.Auth);
        return OnAuth(Auth.OnDerived(salted));
    }

    /// <summary>The handshake failed, or TLS broke before the host said anything inside it; the connection is of no more use.</summary>
    public SendStep TlsFailed(ReadOnlyMemory<byte> reason)
    {
        Check.That(_phase == Phase.Handshake || IsTlsUnproved);
        _stage = SmtpStage.StartTls;
        return Close(OutcomePolicy.From(SmtpStage.StartTls, OutcomeCause.TlsFailed), reason);
    }

    /// <summary>Hands were shaken, and nothing the host has said inside TLS yet: with TLS 1.3 it may still refuse us (RFC 8446 4.4.2.4).</summary>
    public bool IsTlsUnproved => _tlsOn && _phase is (Phase.Ehlo or Phase.Banner);

    /// <summary>Begins a transaction.</summary>
    /// <param name="recipients">The envelope indexes of its recipients, in ascending order; 1 to the bound.</param>
    /// <param name="contentBytes">Octets of the content as SIZE counts them: without stuffed dots.</param>
    /// <param name="eightBit">BODY=8BITMIME is said to a host with 8BITMIME.</param>
    /// <param name="needsUtf8">An address or the header is not ASCII: a host without SMTPUTF8 cannot have it (RFC 6531 3.6).</param>
    /// <param name="hindrance">Why the host is not asked at all; None when it may be.</param>
    public SendStep Begin(ReadOnlySpan<int> recipients, long contentBytes, bool eightBit, bool needsUtf8 = false, OutcomeCause hindrance = OutcomeCause.None)
    {
        Check.That(IsUsable);
        NotAttempted = DotAnswered = LosesTrust = false;
        _transaction.Begin(recipients, contentBytes, eightBit);
        hindrance = _capabilities.HindranceTo(contentBytes, needsUtf8) is not OutcomeCause.None and var own ? own : hindrance;
        if (hindrance != OutcomeCause.None)
        {
            _transaction.Refuse(OutcomePolicy.From(SmtpStage.Mail, hindrance), FailureText.Of(hindrance).Span);
            return SendStep.Done;
        }
        return Enter(Phase.Transaction, SmtpStage.Mail);
    }

    /// <summary>The final dot went to the network: from here the peer may have the message.</summary>
    public SendStep BodySent()
    {
        Check.That(_phase == Phase.Transaction);
        _transaction.BodySent();
        return SendStep.Read;
    }

    /// <summary>
    /// Another transaction may join the one whose final dot has just gone out, in the same flight (RFC 2920 3.1): RSET first,
    /// so that no reply can be taken for another's. What the peer cannot have, <see cref="Begin"/> refuses on its own.
    /// </summary>
    public bool CanJoin(long contentBytes, bool needsUtf8) => _phase == Phase.Transaction && _transaction.IsAtDot && !_following.IsOpen
        && _capabilities.Has(SmtpExtensions.Pipelining) && _capabilities.HindranceTo(contentBytes, needsUtf8) == OutcomeCause.None;

    /// <summary>Joins a transaction; see <see cref="CanJoin"/> and <see cref="Begin"/>.</summary>
    public void Join(ReadOnlySpan<int> recipients, long contentBytes, bool eightBit)
    {
        Check.That(_transaction.IsAtDot && !_following.IsOpen);
        _following.Begin(recipients, contentBytes, eightBit, reset: true);
    }

    /// <summary>Goes on with the transaction that joined, after the outcomes of the one before were told.</summary>
    public SendStep Follow()
    {
        Check.That(_phase == Phase.Ready && HasFollowing);
        (_transaction, _following) = (_following, _transaction);
        NotAttempted = DotAnswered = LosesTrust = false;
        return Enter(Phase.Transaction, SmtpStage.Mail, _transaction.HasMoreToWrite ? SendStep.Write : SendStep.Read);
    }

    /// <summary>A <see cref="TransactionWindow"/> is empty again, and the connection goes on or does not.</summary>
    /// <param name="completed">As <see cref="Completed"/> is to be.</param>
    /// <param name="isOpen">Another transaction may begin.</param>
    public void CloseWindow(int completed, bool isOpen)
    {
        Check.That(IsUsable && completed >= Completed);
        _transaction.NeedResetAfter(completed - Completed);
        Completed = completed;
        _phase = isOpen ? Phase.Ready : Phase.Closed;
    }

    /// <summary>Ends the connection politely, outside a transaction.</summary>
    public SendStep Quit()
    {
        Check.That(CanQuit);
        return Enter(Phase.Quit, SmtpStage.Quit);
    }

    /// <summary>
    /// The connection is lost, a time ran out, or the peer talks nonsense. Recipients without an outcome are put off;
    /// after the final dot they are in doubt.
    /// </summary>
    public SendStep Lost(OutcomeCause cause)
    {
        bool untouched = _phase == Phase.Transaction && _transaction.IsUntouched;
        LosesTrust = _phase == Phase.Transaction && (_transaction.IsAtDot || cause == OutcomeCause.BadReply);
        NotAttempted = Completed > 0 && _phase == Phase.Transaction
            && (_transaction.ResetRefused || (cause == OutcomeCause.ConnectionLost && untouched));
        IsSiteTrouble = Completed == 0 && untouched && cause != OutcomeCause.ShuttingDown;
        Outcome outcome = OutcomePolicy.From(Stage, cause);
        return EndWith(outcome, FailureText.Of(outcome.Cause));
    }

    private SendStep OnReply(in ServerReply reply)
    {
        if (reply.Code == 421)
        {
            // The peer closes, whatever was asked (RFC 5321 3.8).
            NotAttempted = Completed > 0 && _phase == Phase.Transaction && _transaction.IsUntouched;
            IsSiteTrouble = Completed == 0 && _phase == Phase.Transaction;
            return EndWith(reply.At(Stage), _text.AsMemory(0, reply.Text.Length));
        }
        switch (_phase)
        {
            case Phase.Banner:
                return reply.Kind == 2 ? Enter(Phase.Ehlo, SmtpStage.Ehlo) : Refused(reply);
            case Phase.Ehlo when reply.Kind == 5 && !_tlsOn:
                return Enter(Phase.Helo, SmtpStage.Ehlo);
            case Phase.Ehlo or Phase.Helo:
                return reply.Kind == 2 ? OnGreeted() : Refused(reply);
            case Phase.StartTls when reply.Kind == 2:
                return Enter(Phase.Handshake, SmtpStage.StartTls, SendStep.StartTls);
            case Phase.StartTls:
                return _tlsUse == StartTlsUse.WhenOffered && _credentials is null && reply.Kind is 4 or 5 ? BeReady(SendStep.Ready) : Refused(reply);
            case Phase.Auth:
                return reply.Kind is 4 or 5 ? Close(reply.At(Stage), reply.Kind == 5 ? FailureText.AuthRefused : FailureText.AuthLater) : OnAuth(Auth.OnReply(reply));
            case Phase.Transaction:
                return OnTransactionReply(reply);
            default:
                return Close(default, default);
        }
    }

    private SendStep OnGreeted()
    {
        if (_tlsOn || _tlsUse == StartTlsUse.Never)
        {
            return _credentials is null ? BeReady(SendStep.Ready) : BeginAuth(_credentials);
        }
        if (_capabilities.Has(SmtpExtensions.StartTls))
        {
            return Enter(Phase.StartTls, SmtpStage.StartTls);
        }
        return _tlsUse == StartTlsUse.Always
            ? Close(OutcomePolicy.From(SmtpStage.StartTls, OutcomeCause.TlsFailed), FailureText.TlsNotOffered)
            : _credentials is null ? BeReady(SendStep.Ready) : BeginAuth(_credentials);
    }

    private SendStep BeginAuth(Credentials credentials)
    {
        _stage = SmtpStage.Auth;
        return OnAuth(Auth.Start(credentials, _capabilities.Auth, _tlsOn));
    }

    private SendStep OnAuth(AuthStep step) => step switch
    {
        AuthStep.Write => Enter(Phase.Auth, SmtpStage.Auth),
        AuthStep.Derive => SendStep.Derive,
        AuthStep.Done => BeReady(SendStep.Ready),
        _ => Close(OutcomePolicy.From(SmtpStage.Auth, OutcomeCause.AuthFailed), Auth.Failure),
    };

    private SendStep OnTransactionReply(in ServerReply reply)
    {
        DotAnswered = _transaction.IsAtDot;
        SendStep step = _transaction.OnReply(reply);
        switch (step)
        {
            case SendStep.Done:
                Completed++;
                return BeReady(SendStep.Done);
            case SendStep.Closed:
                return Lost(OutcomeCause.BadReply);
            default:
                return step;
        }
    }

    private SendStep Refused(in ServerReply reply) => reply.Kind == 3
        ? Lost(OutcomeCause.BadReply)
        : Close(reply.At(Stage), _text.AsMemory(0, reply.Text.Length));

    // Ends the connection, and the transaction when one is open.
    private SendStep EndWith(Outcome outcome, ReadOnlyMemory<byte> reason)
    {
        bool open = _transaction.IsOpen;
        if (open)
        {
            _transaction.End(outcome, reason.Span);
        }
        Close(outcome, reason);
        return open ? SendStep.Done : SendStep.Closed;
    }

    private SendStep Close(Outcome outcome, ReadOnlyMemory<byte> reason)
    {
        Failure = outcome;
        FailureReason = reason;
        _phase = Phase.Closed;
        _following.GiveUp();
        return SendStep.Closed;
    }

    private SendStep BeReady(SendStep step) => Enter(Phase.Ready, SmtpStage.Mail, step);

    private SendStep Enter(Phase phase, SmtpStage stage, SendStep step = SendStep.Write)
    {
        if (phase is Phase.Ehlo or Phase.Helo)
        {
            _capabilities = default;
        }
        _phase = phase;
        _stage = stage;
        _written = false;
        return step;
    }
}
