using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Smtp;

namespace FastRelay.Receive;

/// <summary>
/// The server's side of RFC 5321 as a pure machine: a command line in, a reply and an action out. It does no IO, reads
/// no clock and awaits nothing; <see cref="ReceiveSession"/> drives it. Extensions: PIPELINING (2920), SIZE (1870),
/// 8BITMIME (6152), CHUNKING (3030), DSN (3461), SMTPUTF8 (6531), ENHANCEDSTATUSCODES (2034), STARTTLS (3207), AUTH (4954).
/// </summary>
public sealed class ReceiveMachine
{
    /// <summary>Octets that a reply span must offer.</summary>
    public const int ReplyBytes = 1024;

    /// <summary>A chunk past this is no message of anybody's (the largest that <c>message_bytes</c> can be): told 552 and closed instead of swallowed, octets.</summary>
    public const long ChunkMax = 16L << 30;

    private const SmtpExtensions OfferedExtensions =
        SmtpExtensions.Pipelining | SmtpExtensions.Size | SmtpExtensions.EightBitMime | SmtpExtensions.EnhancedStatusCodes | SmtpExtensions.Chunking | MailTransaction.Parameters;

    private readonly MailTransaction _mail;
    private readonly AuthDialogue _auth;
    // Not before it is needed: thousands of sessions are silent.
    private byte[] _refusal = [];
    private int _refusalLength;
    private bool _refusalIsError;

    /// <summary>Creates a machine.</summary>
    /// <param name="options">Our name, who may relay, and the bounds; see <c>docs/LIMITS.md</c> for what a peer is told at each.</param>
    /// <param name="envelope">Filled by MAIL and RCPT; the driver hands it to the journal with the message.</param>
    public ReceiveMachine(ReceiveOptions options, EnvelopeBuilder envelope)
    {
        var nobody = new ReceiveClient();
        _mail = new MailTransaction(envelope) { Options = options, Client = nobody };
        _auth = new AuthDialogue { Limits = options.Limits, Client = nobody };
    }

    /// <summary>Our name, who may relay, and the bounds: set between sessions, so that one under way keeps those it began with.</summary>
    public ReceiveOptions Options
    {
        get => _mail.Options;
        set
        {
            _mail.Options = value;
            _auth.Limits = value.Limits;
        }
    }

    /// <summary>Who is there.</summary>
    public ReceiveClient Client => _mail.Client;

    /// <summary>The listener that the session came by.</summary>
    public ListenConfig Listener => Client.Listener!;

    /// <summary>Nothing is under way that <see cref="Client"/> does not know: another machine could go on with the session.</summary>
    public bool IsAtRest => !InTransaction && Exchange is null;

    /// <summary>True between MAIL and the end of the transaction.</summary>
    public bool InTransaction => _mail.IsOpen;

    /// <summary>Content came by BDAT and has not ended: when the transaction ends, the message is given up.</summary>
    public bool HasChunks => _mail.HasChunks;

    /// <summary>The chunk under way ends the message.</summary>
    public bool LastChunk { get; private set; }

    /// <summary>The AUTH exchange under way; null when none is.</summary>
    internal AuthExchange? Exchange => _auth.Exchange;

    /// <summary>Octets of the next line with its CRLF: an AUTH exchange may have long ones (RFC 4954 4).</summary>
    public int LineBytes => Exchange is not null || _auth.IsOffered ? AuthExchange.LineBytes : Options.Limits.CommandLineBytes;

    private bool OffersTls => Listener.Tls == ListenTls.StartTls && !Client.Secured;

    /// <summary>Begins a session and writes the greeting.</summary>
    /// <param name="peer">Address and port.</param>
    /// <param name="trusted">The client's address may relay.</param>
    /// <param name="listener">What the listener offers and asks.</param>
    /// <param name="users">Who may authenticate; null when nobody may.</param>
    /// <param name="reply">At least <see cref="ReplyBytes"/>.</param>
    /// <param name="certificate">Fingerprint of the client's certificate when TLS began before and it may relay; else null.</param>
    /// <param name="address">The client's; null where a proxy cannot name it.</param>
    public int Start(System.Net.IPEndPoint peer, bool trusted, ListenConfig listener, UserTable? users, Span<byte> reply, string? certificate = null, System.Net.IPAddress? address = null)
    {
        var client = new ReceiveClient { Address = address, Listener = listener };
        client.Start(peer, trusted, secured: listener.Tls == ListenTls.Implicit, certificate);
        Resume(client, users);
        Admit();
        var writer = new ReplyWriter(reply);
        writer.Greeting(Options.Hostname);
        return writer.Written;
    }

    /// <summary>Goes on with a session that was at rest (<see cref="IsAtRest"/>).</summary>
    /// <param name="client">What is known of it.</param>
    /// <param name="users">Who may authenticate; null when nobody may.</param>
    public void Resume(ReceiveClient client, UserTable? users)
    {
        End();
        _mail.Client = _auth.Client = client;
        _auth.Users = users;
    }

    /// <summary>Ends a session, wherever it is: a password that was half given is wiped.</summary>
    public void End()
    {
        _auth.End();
        _mail.End();
    }

    /// <summary>After the handshake everything learned from the client before is forgotten (RFC 3207 4.2).</summary>
    /// <param name="certificate">Fingerprint of the client's certificate when it may relay; else null.</param>
    public void TlsStarted(string? certificate = null)
    {
        Client.Secure(certificate);
        End();
        Admit();
    }

    /// <summary>Answers one line as <see cref="LineScanner"/> found it.</summary>
    /// <param name="status">Line, TooLong or BareNewline.</param>
    /// <param name="line">The line without its CRLF; not looked at unless <paramref name="status"/> is Line.</param>
    /// <param name="admission">Whether the journal takes mail now.</param>
    /// <param name="reply">At least <see cref="ReplyBytes"/>.</param>
    public ReceiveStep Step(ScanStatus status, ReadOnlySpan<byte> line, JournalStatus admission, Span<byte> reply)
    {
        if (status != ScanStatus.Line)
        {
            ReadOnlySpan<byte> wrong = status == ScanStatus.BareNewline ? Replies.BareNewlineInCommand : Exchange is null ? Replies.LineTooLong : Replies.AuthLineTooLong;
            _auth.End();
            return Error(wrong, reply);
        }
        if (Exchange is not null)
        {
            return Authenticated(_auth.Continue(line, reply));
        }
        Command command = Command.Parse(line);
        if (line.Length + 2 > Options.Limits.CommandLineBytes && command.Verb != Verb.Auth)
        {
            return Error(Replies.LineTooLong, reply);
        }
        switch (command.Verb)
        {
            case Verb.Ehlo:
            case Verb.Helo:
                return Hello(command, reply);
            case Verb.Mail:
                return Mail(command, admission, reply);
            case Verb.Rcpt:
                return Put(_mail.Rcpt(command), reply);
            case Verb.Data:
                Answer data = _mail.Data(command, admission);
                return data.Text[0] == (byte)'3' ? new ReceiveStep(ReceiveAction.Data, Put(data.Text, reply)) : Put(data, reply);
            case Verb.Bdat:
                return Chunk(command, admission, reply);
            case Verb.Rset:
                return Reset(command, reply);
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
            case Verb.Auth:
                return Listener.Tls == ListenTls.None ? Error(Replies.NotImplemented, reply) : Authenticated(_auth.Begin(command, InTransaction, reply));
            case Verb.HttpLike:
                // Cross-protocol: a browser or a proxy was made to talk to us. Nothing it sends may run as commands.
                return new ReceiveStep(ReceiveAction.Close, Put(Replies.OtherProtocol, reply));
            case Verb.Unknown:
                return Error(Replies.CommandUnrecognised, reply);
            default:
                return Error(Replies.NotImplemented, reply);
        }
    }

    /// <summary>The octets of a chunk that was not the last, or was refused, are off the wire.</summary>
    public ReceiveStep ChunkRead(Span<byte> reply)
    {
        if (_refusalLength == 0)
        {
            return Ok(Replies.Ok, reply);
        }
        ReadOnlySpan<byte> text = _refusal.AsSpan(0, _refusalLength);
        _refusalLength = 0;
        return _refusalIsError ? Error(text, reply) : Ok(text, reply);
    }

    /// <summary>The client may name the tenant of the message under way in its header.</summary>
    public bool NamesTenant => _mail.NamesTenant;

    /// <summary>The client may name its priority there.</summary>
    public bool NamesPriority => _mail.NamesPriority;

    /// <summary>See <see cref="MailTransaction.PriorityOf"/>.</summary>
    public MailPriority PriorityOf(ReadOnlySpan<byte> named) => _mail.PriorityOf(named);

    /// <summary>The content was read: what it turned out to hold, for the envelope.</summary>
    public void Describe(bool eightBit, bool eightBitHeader) => _mail.Describe(eightBit, eightBitHeader);

    /// <summary>The message was read and is durable: the only 250 that says so.</summary>
    public int Accepted(ReadOnlySpan<byte> id, Span<byte> reply)
    {
        Client.Messages++;
        _mail.End();
        var writer = new ReplyWriter(reply);
        writer.QueuedAs(id);
        return writer.Written;
    }

    /// <summary>The message was read to its end, or a chunk of it, and is refused; the session stays in step.</summary>
    public int Refused(ReadOnlySpan<byte> text, Span<byte> reply)
    {
        _mail.End();
        return Put(text, reply);
    }

    private ReceiveStep Hello(in Command command, Span<byte> reply)
    {
        ReadOnlySpan<byte> name = command.Argument;
        if (name.Length > ReceiveClient.HeloMax || !DomainName.IsEhloArgument(name))
        {
            return Error(Replies.BadEhloName, reply);
        }
        _mail.End();
        Client.Greet(name, command.Verb == Verb.Ehlo);
        var writer = new ReplyWriter(reply);
        if (Client.Extended)
        {
            SmtpExtensions offered = OfferedExtensions | (OffersTls ? SmtpExtensions.StartTls : 0) | (_auth.IsOffered ? SmtpExtensions.Auth : 0);
            writer.Ehlo(Options.Hostname, offered, Options.Limits.MessageBytes, AuthMechanisms.Plain | AuthMechanisms.Login | AuthMechanisms.ScramSha256);
        }
        else
        {
            writer.Helo(Options.Hostname);
        }
        return new ReceiveStep(ReceiveAction.Continue, writer.Written);
    }

    private ReceiveStep Mail(in Command command, JournalStatus admission, Span<byte> reply)
    {
        if (Client.User is { } user && _auth.Users?.Has(user) != true)
        {
            return new ReceiveStep(ReceiveAction.Close, Put(Replies.UserRemoved, reply));
        }
        Answer answer = _mail.Mail(command, admission);
        if (_mail.IsOpen && !answer.IsError && Client.Messages >= Options.Limits.SessionMessages)
        {
            _mail.End();
            return new ReceiveStep(ReceiveAction.Close, Put(Replies.TooManyMessages, reply));
        }
        return Put(answer, reply);
    }

    private ReceiveStep Chunk(in Command command, JournalStatus admission, Span<byte> reply)
    {
        if (!ChunkSize.TryParse(command.Argument, out ChunkSize size))
        {
            // Nobody knows how many octets belong to it. Whatever it meant to add is missing: the message is given up.
            _mail.End();
            return Error(Replies.BdatSyntax, reply);
        }
        if (size.Octets > ChunkMax)
        {
            _mail.End();
            return new ReceiveStep(ReceiveAction.Close, Put(Replies.MessageTooBig, reply));
        }
        Answer answer = _mail.Chunk(size, admission);
        LastChunk = size.IsLast;
        if (!answer.Text.IsEmpty && _refusal.Length == 0)
        {
            _refusal = new byte[ReplyBytes];
        }
        _refusalLength = Put(answer.Text, _refusal);
        _refusalIsError = answer.IsError;
        return new ReceiveStep(_refusalLength == 0 ? ReceiveAction.Chunk : ReceiveAction.SkipChunk, 0, size.Octets);
    }

    private ReceiveStep Reset(in Command command, Span<byte> reply)
    {
        if (!command.Argument.IsEmpty)
        {
            return Error(Replies.SyntaxInArguments, reply);
        }
        _mail.End();
        return Ok(Replies.Ok, reply);
    }

    private ReceiveStep StartTls(in Command command, Span<byte> reply)
    {
        if (Listener.Tls == ListenTls.None)
        {
            return Error(Replies.NotImplemented, reply);
        }
        if (!command.Argument.IsEmpty)
        {
            return Error(Replies.SyntaxInArguments, reply);
        }
        if (Client.Secured)
        {
            return Error(Replies.TlsActive, reply);
        }
        if (HasChunks)
        {
            return Error(Replies.NotDuringTransaction, reply);
        }
        return new ReceiveStep(ReceiveAction.StartTls, Put(Replies.StartTlsReady, reply));
    }

    /// <summary>The password of the exchange was checked.</summary>
    public ReceiveStep PasswordChecked(bool matches, Span<byte> reply) => Authenticated(_auth.PasswordChecked(matches, reply));

    /// <summary>The password of the exchange cannot be checked now.</summary>
    public ReceiveStep PasswordUnchecked(Span<byte> reply) => _auth.PasswordUnchecked(reply);

    private ReceiveStep Authenticated(in ReceiveStep step)
    {
        Admit();
        return step;
    }

    /// <summary>Asked for each MAIL and RCPT whether the client may go on so fast; null asks nobody.</summary>
    internal Func<ClientRate, bool>? MayGoOn
    {
        init => _mail.MayGoOn = value;
    }

    /// <summary>Who may authenticate now. The user of a session is looked for again at each MAIL.</summary>
    public UserTable? Users
    {
        set => _auth.Users = value;
    }

    /// <summary>Told of each exchange that ended, for log and counters.</summary>
    internal Action<AuthExchange, AuthVerdict>? AuthEnded
    {
        init => _auth.Ended = value;
    }

    // A submission service with users is for those who prove who they are (RFC 6409 4.3), and they come inside TLS.
    private void Admit()
    {
        Client.OffersAuth = _auth.Users is not null && Client.Secured;
        bool closed = Listener.Submission && _auth.Users is not null && Client is { User: null, Certificate: null };
        Client.Closed = !closed ? [] : Client.Secured ? s_authRequired : s_startTlsFirst;
    }

    private static readonly byte[] s_authRequired = Replies.AuthRequired.ToArray();
    private static readonly byte[] s_startTlsFirst = Replies.StartTlsFirst.ToArray();

    private ReceiveStep Put(in Answer answer, Span<byte> reply) => answer.IsError ? Error(answer.Text, reply) : Ok(answer.Text, reply);

    private static ReceiveStep Ok(ReadOnlySpan<byte> text, Span<byte> reply) => SessionErrors.Say(text, reply);

    private ReceiveStep Error(ReadOnlySpan<byte> text, Span<byte> reply) => SessionErrors.Wrong(Client, Options.Limits, text, reply);

    private static int Put(ReadOnlySpan<byte> text, Span<byte> reply) => SessionErrors.Put(text, reply);
}
