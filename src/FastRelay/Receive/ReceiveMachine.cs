using FastRelay.Journal;
using FastRelay.Smtp;

namespace FastRelay.Receive;

/// <summary>What the driver does after it has sent the reply.</summary>
public enum ReceiveAction : byte
{
    /// <summary>Go on with the next command.</summary>
    Continue,

    /// <summary>The reply is 354: read a message.</summary>
    Data,

    /// <summary>Drop what is buffered and start TLS.</summary>
    StartTls,

    /// <summary>Send the reply and close.</summary>
    Close,
}

/// <summary>One step of the dialogue.</summary>
/// <param name="Action">What the driver does next.</param>
/// <param name="ReplyLength">Octets of the reply written into the span that was given.</param>
public readonly record struct ReceiveStep(ReceiveAction Action, int ReplyLength);

/// <summary>
/// The server's side of RFC 5321 as a pure machine: a command line in, a reply and an action out. It does no IO, reads
/// no clock and awaits nothing; <see cref="ReceiveSession"/> drives it. Extensions: PIPELINING (2920), SIZE (1870),
/// 8BITMIME (6152), ENHANCEDSTATUSCODES (2034), STARTTLS (3207).
/// </summary>
/// <param name="hostname">Our name in the greeting and in EHLO.</param>
/// <param name="limits">Bounds; see <c>docs/LIMITS.md</c> for what a peer is told at each.</param>
/// <param name="policy">Who may relay.</param>
/// <param name="envelope">Filled by MAIL and RCPT; the driver hands it to the journal with the message.</param>
public sealed class ReceiveMachine(byte[] hostname, Limits limits, RelayPolicy policy, EnvelopeBuilder envelope)
{
    /// <summary>Octets that a reply span must offer.</summary>
    public const int ReplyBytes = 1024;

    private const SmtpExtensions OfferedExtensions =
        SmtpExtensions.Pipelining | SmtpExtensions.Size | SmtpExtensions.EightBitMime | SmtpExtensions.EnhancedStatusCodes;

    private readonly byte[] _helo = new byte[256];
    private readonly byte[] _peer = new byte[64];
    private int _heloLength;
    private int _peerLength;
    private bool _trusted;
    private bool _offersTls;
    private bool _inMail;
    private int _errors;
    private int _messages;
    private bool _greeted;

    /// <summary>The argument of the last EHLO or HELO; empty before.</summary>
    public ReadOnlySpan<byte> Helo => _helo.AsSpan(0, _heloLength);

    /// <summary>The client's address and port as text.</summary>
    public ReadOnlySpan<byte> Peer => _peer.AsSpan(0, _peerLength);

    /// <summary>True after EHLO, false after HELO.</summary>
    public bool Extended { get; private set; }

    /// <summary>True once STARTTLS has been done.</summary>
    public bool Secured { get; private set; }

    /// <summary>True between MAIL and the end of the transaction.</summary>
    public bool InTransaction => _inMail;

    /// <summary>Messages of this session that were answered 250.</summary>
    public int Messages => _messages;

    /// <summary>Begins a session and writes the greeting.</summary>
    /// <param name="peer">Address and port as text, at most 64 octets.</param>
    /// <param name="trusted">The client's address may relay.</param>
    /// <param name="offersTls">STARTTLS is announced.</param>
    /// <param name="reply">At least <see cref="ReplyBytes"/>.</param>
    public int Start(ReadOnlySpan<byte> peer, bool trusted, bool offersTls, Span<byte> reply)
    {
        peer.CopyTo(_peer);
        _peerLength = peer.Length;
        _trusted = trusted;
        _offersTls = offersTls;
        _errors = 0;
        _messages = 0;
        _greeted = false;
        Secured = false;
        ForgetClient();
        var writer = new ReplyWriter(reply);
        writer.Greeting(hostname);
        return writer.Written;
    }

    /// <summary>After the handshake everything learned from the client before is forgotten (RFC 3207 4.2).</summary>
    public void TlsStarted()
    {
        Secured = true;
        ForgetClient();
    }

    /// <summary>Answers one line as <see cref="LineScanner"/> found it.</summary>
    /// <param name="status">Line, TooLong or BareNewline.</param>
    /// <param name="line">The line without its CRLF; not looked at unless <paramref name="status"/> is Line.</param>
    /// <param name="admission">Whether the journal takes mail now.</param>
    /// <param name="reply">At least <see cref="ReplyBytes"/>.</param>
    public ReceiveStep Step(ScanStatus status, ReadOnlySpan<byte> line, JournalStatus admission, Span<byte> reply)
    {
        if (status == ScanStatus.TooLong)
        {
            return Error(Replies.LineTooLong, reply);
        }
        if (status == ScanStatus.BareNewline)
        {
            return Error(Replies.BareNewlineInCommand, reply);
        }
        Command command = Command.Parse(line);
        switch (command.Verb)
        {
            case Verb.Ehlo:
            case Verb.Helo:
                return Hello(command, reply);
            case Verb.Mail:
                return Mail(command, admission, reply);
            case Verb.Rcpt:
                return Rcpt(command, reply);
            case Verb.Data:
                return Data(command, admission, reply);
            case Verb.Rset:
                if (!command.Argument.IsEmpty)
                {
                    return Error(Replies.SyntaxInArguments, reply);
                }
                EndTransaction();
                return Ok(Replies.Ok, reply);
            case Verb.Noop:
                return Ok(Replies.Ok, reply);
            case Verb.Vrfy:
                return Ok(command.Argument.IsEmpty ? Replies.SyntaxInArguments : Replies.VrfyCannot, reply);
            case Verb.Help:
                return Ok(Replies.Help, reply);
            case Verb.Quit:
                return new ReceiveStep(ReceiveAction.Close, Put(Replies.Bye, reply));
            case Verb.StartTls:
                return StartTls(command, reply);
            case Verb.HttpLike:
                // Cross-protocol: a browser or a proxy was made to talk to us. Nothing it sends may run as commands.
                return new ReceiveStep(ReceiveAction.Close, Put(Replies.OtherProtocol, reply));
            case Verb.Unknown:
                return Error(Replies.CommandUnrecognised, reply);
            default:
                return Error(Replies.NotImplemented, reply);
        }
    }

    /// <summary>The message was read and is durable: the only 250 that says so.</summary>
    public int Accepted(ReadOnlySpan<byte> id, Span<byte> reply)
    {
        _messages++;
        EndTransaction();
        var writer = new ReplyWriter(reply);
        writer.QueuedAs(id);
        return writer.Written;
    }

    /// <summary>The message was read to its end and is refused; the session stays in step.</summary>
    public int Refused(ReadOnlySpan<byte> text, Span<byte> reply)
    {
        EndTransaction();
        return Put(text, reply);
    }

    private ReceiveStep Hello(in Command command, Span<byte> reply)
    {
        ReadOnlySpan<byte> name = command.Argument;
        if (name.Length > _helo.Length || !DomainName.IsEhloArgument(name))
        {
            return Error(Replies.BadEhloName, reply);
        }
        EndTransaction();
        name.CopyTo(_helo);
        _heloLength = name.Length;
        _greeted = true;
        Extended = command.Verb == Verb.Ehlo;
        var writer = new ReplyWriter(reply);
        if (Extended)
        {
            writer.Ehlo(hostname, _offersTls && !Secured ? OfferedExtensions | SmtpExtensions.StartTls : OfferedExtensions, limits.MessageBytes, AuthMechanisms.None);
        }
        else
        {
            writer.Helo(hostname);
        }
        return new ReceiveStep(ReceiveAction.Continue, writer.Written);
    }

    private ReceiveStep Mail(in Command command, JournalStatus admission, Span<byte> reply)
    {
        if (!_greeted)
        {
            return Error(Replies.EhloFirst, reply);
        }
        if (_inMail)
        {
            return Error(Replies.NestedMail, reply);
        }
        if (command.IsMalformed)
        {
            return Error(Replies.MailSyntax, reply);
        }
        PathStatus status = MailPath.ParseReverse(command.Argument, utf8: false, out MailPath path, out int consumed);
        if (status != PathStatus.Ok)
        {
            return Error(BadPath(status, Replies.BadSender), reply);
        }
        switch (MailParameters.TryParse(command.Argument[consumed..], out MailParameters parameters))
        {
            case ParameterStatus.Syntax:
                return Error(Replies.SyntaxInArguments, reply);
            case ParameterStatus.Unknown:
                return Error(Replies.ParameterUnknown, reply);
        }
        if (parameters.Size > limits.MessageBytes)
        {
            return Error(Replies.MessageTooBig, reply);
        }
        if (admission != JournalStatus.Ok)
        {
            return Ok(NotNow(admission), reply);
        }
        if (_messages >= limits.SessionMessages)
        {
            return new ReceiveStep(ReceiveAction.Close, Put(Replies.TooManyMessages, reply));
        }
        envelope.Start(path.Mailbox, parameters.Body == BodyType.EightBitMime ? EnvelopeFlags.EightBit : EnvelopeFlags.None, Peer, Helo);
        _inMail = true;
        return Ok(Replies.SenderOk, reply);
    }

    private ReceiveStep Rcpt(in Command command, Span<byte> reply)
    {
        if (!_inMail)
        {
            return Error(Replies.MailFirst, reply);
        }
        if (command.IsMalformed)
        {
            return Error(Replies.RcptSyntax, reply);
        }
        PathStatus status = MailPath.ParseForward(command.Argument, utf8: false, out MailPath path, out int consumed);
        if (status != PathStatus.Ok)
        {
            return Error(BadPath(status, Replies.BadRecipient), reply);
        }
        switch (RcptParameters.TryParse(command.Argument[consumed..], out _))
        {
            case ParameterStatus.Syntax:
                return Error(Replies.SyntaxInArguments, reply);
            case ParameterStatus.Unknown:
                return Error(Replies.ParameterUnknown, reply);
        }
        if (!_trusted && !policy.AcceptsFromAnyone(path.LocalPart, path.Domain))
        {
            return Error(Replies.RelayDenied, reply);
        }
        if (path.IsPostmaster)
        {
            // RFC 5321 4.5.1: a relay has no postmaster of its own to deliver to; it says so at once.
            return Error(Replies.BadRecipient, reply);
        }
        if (envelope.RecipientCount >= limits.Recipients || !envelope.TryAddRecipient(path.Mailbox))
        {
            // Not counted as an error: RFC 5321 4.5.3.1.10 tells the client to send the rest in another transaction.
            return Ok(Replies.TooManyRecipients, reply);
        }
        return Ok(Replies.RecipientOk, reply);
    }

    private ReceiveStep Data(in Command command, JournalStatus admission, Span<byte> reply)
    {
        if (!command.Argument.IsEmpty)
        {
            return Error(Replies.SyntaxInArguments, reply);
        }
        if (!_inMail)
        {
            return Error(Replies.MailFirst, reply);
        }
        if (envelope.RecipientCount == 0)
        {
            // RFC 2920 3.1: a pipelining client sends DATA before it knows that every RCPT failed.
            return Ok(Replies.NoValidRecipients, reply);
        }
        if (admission != JournalStatus.Ok)
        {
            EndTransaction();
            return Ok(NotNow(admission), reply);
        }
        return new ReceiveStep(ReceiveAction.Data, Put(Replies.StartMailInput, reply));
    }

    private ReceiveStep StartTls(in Command command, Span<byte> reply)
    {
        if (!_offersTls)
        {
            return Error(Replies.NotImplemented, reply);
        }
        if (!command.Argument.IsEmpty)
        {
            return Error(Replies.SyntaxInArguments, reply);
        }
        if (Secured)
        {
            return Error(Replies.TlsActive, reply);
        }
        return new ReceiveStep(ReceiveAction.StartTls, Put(Replies.StartTlsReady, reply));
    }

    private void ForgetClient()
    {
        _greeted = false;
        _heloLength = 0;
        Extended = false;
        EndTransaction();
    }

    private void EndTransaction()
    {
        _inMail = false;
        envelope.Clear();
    }

    private static ReadOnlySpan<byte> BadPath(PathStatus status, ReadOnlySpan<byte> syntax) =>
        status == PathStatus.NeedsSmtpUtf8 ? Replies.NeedsSmtpUtf8 : syntax;

    private static ReadOnlySpan<byte> NotNow(JournalStatus admission) =>
        admission == JournalStatus.Full ? Replies.InsufficientStorage : Replies.LocalError;

    private static ReceiveStep Ok(ReadOnlySpan<byte> text, Span<byte> reply) => new(ReceiveAction.Continue, Put(text, reply));

    private ReceiveStep Error(ReadOnlySpan<byte> text, Span<byte> reply)
    {
        if (++_errors < limits.SessionErrors)
        {
            return new ReceiveStep(ReceiveAction.Continue, Put(text, reply));
        }
        int length = Put(text, reply);
        length += Put(Replies.TooManyErrors, reply[length..]);
        return new ReceiveStep(ReceiveAction.Close, length);
    }

    private static int Put(ReadOnlySpan<byte> text, Span<byte> reply)
    {
        text.CopyTo(reply);
        return text.Length;
    }
}
