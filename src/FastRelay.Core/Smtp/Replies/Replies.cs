namespace FastRelay.Smtp;

/// <summary>
/// Every fixed reply of the server, whole with CRLF and enhanced code (RFC 5321 4.2, RFC 2034, RFC 3463), at most 512 octets.
/// Replies that carry a value of ours are written by <see cref="ReplyWriter"/>; no reply carries a client's text.
/// </summary>
public static class Replies
{
    /// <summary>220: STARTTLS accepted (RFC 3207 4). Whatever came after the command in clear is dropped.</summary>
    public static ReadOnlySpan<byte> StartTlsReady => "220 2.0.0 Ready to start TLS\r\n"u8;

    /// <summary>221: QUIT (RFC 5321 4.1.1.10).</summary>
    public static ReadOnlySpan<byte> Bye => "221 2.0.0 Bye\r\n"u8;

    /// <summary>214: HELP (RFC 5321 4.1.1.8).</summary>
    public static ReadOnlySpan<byte> Help => "214 2.0.0 See RFC 5321\r\n"u8;

    /// <summary>235: AUTH (RFC 4954 6).</summary>
    public static ReadOnlySpan<byte> AuthSucceeded => "235 2.7.0 Authentication succeeded\r\n"u8;

    /// <summary>250: RSET, NOOP, and a chunk of BDAT that is not the last.</summary>
    public static ReadOnlySpan<byte> Ok => "250 2.0.0 OK\r\n"u8;

    /// <summary>250: MAIL accepted.</summary>
    public static ReadOnlySpan<byte> SenderOk => "250 2.1.0 Sender OK\r\n"u8;

    /// <summary>250: RCPT accepted.</summary>
    public static ReadOnlySpan<byte> RecipientOk => "250 2.1.5 Recipient OK\r\n"u8;

    /// <summary>252: VRFY (RFC 5321 3.5.3).</summary>
    public static ReadOnlySpan<byte> VrfyCannot => "252 2.0.0 Cannot verify, but will accept the message and attempt delivery\r\n"u8;

    /// <summary>334: AUTH asks for the response with an empty challenge (RFC 4954 4).</summary>
    public static ReadOnlySpan<byte> AuthContinue => "334 \r\n"u8;

    /// <summary>354: DATA accepted; the one reply without an enhanced code.</summary>
    public static ReadOnlySpan<byte> StartMailInput => "354 End data with <CR><LF>.<CR><LF>\r\n"u8;

    /// <summary>421: Before closing at shutdown (RFC 5321 3.8).</summary>
    public static ReadOnlySpan<byte> ShuttingDown => "421 4.3.2 Service shutting down, closing connection\r\n"u8;

    /// <summary>421: Idle or total time is up (RFC 5321 4.5.3.2.7).</summary>
    public static ReadOnlySpan<byte> TimedOut => "421 4.4.2 Timeout, closing connection\r\n"u8;

    /// <summary>421: No slot for this connection, in all or for this address.</summary>
    public static ReadOnlySpan<byte> TooManyConnections => "421 4.7.0 Too many connections, try again later\r\n"u8;

    /// <summary>421: The session has had its share of messages; a new one may go on.</summary>
    public static ReadOnlySpan<byte> TooManyMessages => "421 4.7.0 Too many messages in one session, closing connection\r\n"u8;

    /// <summary>421: The client sent too many bad commands.</summary>
    public static ReadOnlySpan<byte> TooManyErrors => "421 4.7.0 Too many errors, closing connection\r\n"u8;

    /// <summary>421: This client connects too often.</summary>
    public static ReadOnlySpan<byte> TooManyConnectionsLately => "421 4.7.0 Too many connections lately, try again later\r\n"u8;

    /// <summary>421: The user that the client proved to be was removed since.</summary>
    public static ReadOnlySpan<byte> UserRemoved => "421 4.7.0 User is known no longer, closing connection\r\n"u8;

    /// <summary>450: This client sends too many messages a minute.</summary>
    public static ReadOnlySpan<byte> TooManyMessagesLately => "450 4.7.1 Too many messages lately, try again later\r\n"u8;

    /// <summary>450: This client names too many recipients a minute.</summary>
    public static ReadOnlySpan<byte> TooManyRecipientsLately => "450 4.7.1 Too many recipients lately, try again later\r\n"u8;

    /// <summary>421: The client guesses passwords.</summary>
    public static ReadOnlySpan<byte> AuthTooManyFailures => "421 4.7.0 Too many failed authentications, closing connection\r\n"u8;

    /// <summary>421: HTTP or PROXY spoken to an SMTP port.</summary>
    public static ReadOnlySpan<byte> OtherProtocol => "421 4.7.0 This is not that protocol, closing connection\r\n"u8;

    /// <summary>554: The client did not wait for the banner (RFC 5321 4.3.1).</summary>
    public static ReadOnlySpan<byte> EarlyTalker => "554 5.5.0 Spoke before the greeting, closing connection\r\n"u8;

    /// <summary>451: A failed write or sync, or an error of our own.</summary>
    public static ReadOnlySpan<byte> LocalError => "451 4.3.0 Local error in processing, try again later\r\n"u8;

    /// <summary>451: Intake is paused.</summary>
    public static ReadOnlySpan<byte> TryAgainLater => "451 4.3.2 Not accepting messages now, try again later\r\n"u8;

    /// <summary>452: Disk or queue full, or their floor reached.</summary>
    public static ReadOnlySpan<byte> InsufficientStorage => "452 4.3.1 Insufficient system storage, try again later\r\n"u8;

    /// <summary>452: Over the limit of one transaction (RFC 5321 4.5.3.1.10); those accepted stay.</summary>
    public static ReadOnlySpan<byte> TooManyRecipients => "452 4.5.3 Too many recipients\r\n"u8;

    /// <summary>454: STARTTLS cannot be served at the moment (RFC 3207 4).</summary>
    public static ReadOnlySpan<byte> TlsNotAvailable => "454 4.7.0 TLS not available now\r\n"u8;

    /// <summary>454: AUTH cannot be checked at the moment (RFC 4954 4).</summary>
    public static ReadOnlySpan<byte> AuthTemporaryFailure => "454 4.7.0 Temporary authentication failure\r\n"u8;

    /// <summary>500: No such command.</summary>
    public static ReadOnlySpan<byte> CommandUnrecognised => "500 5.5.1 Command unrecognized\r\n"u8;

    /// <summary>500: An overlong line, swallowed whole (RFC 5321 4.5.3.1.4).</summary>
    public static ReadOnlySpan<byte> LineTooLong => "500 5.5.2 Line too long\r\n"u8;

    /// <summary>500: A command line with a wrong end or a control in it (RFC 5321 2.3.8).</summary>
    public static ReadOnlySpan<byte> BareNewlineInCommand => "500 5.5.2 Lines must end in CRLF and hold no bare CR, LF or NUL\r\n"u8;

    /// <summary>500: RFC 4954 4.</summary>
    public static ReadOnlySpan<byte> AuthLineTooLong => "500 5.5.6 Authentication exchange line is too long\r\n"u8;

    /// <summary>501: Bad parameter, or an argument where none may be.</summary>
    public static ReadOnlySpan<byte> SyntaxInArguments => "501 5.5.4 Syntax error in parameters or arguments\r\n"u8;

    /// <summary>501: RFC 5321 4.1.1.1.</summary>
    public static ReadOnlySpan<byte> BadEhloName => "501 5.5.4 EHLO and HELO need a domain name or an address literal\r\n"u8;

    /// <summary>501: MAIL without FROM:.</summary>
    public static ReadOnlySpan<byte> MailSyntax => "501 5.5.4 Syntax: MAIL FROM:<address>\r\n"u8;

    /// <summary>501: RCPT without TO:.</summary>
    public static ReadOnlySpan<byte> RcptSyntax => "501 5.5.4 Syntax: RCPT TO:<address>\r\n"u8;

    /// <summary>501: A reverse-path that is none.</summary>
    public static ReadOnlySpan<byte> BadSender => "501 5.1.7 Bad sender address syntax\r\n"u8;

    /// <summary>501: A forward-path that is none.</summary>
    public static ReadOnlySpan<byte> BadRecipient => "501 5.1.3 Bad recipient address syntax\r\n"u8;

    /// <summary>501: The client sent '*' (RFC 4954 4).</summary>
    public static ReadOnlySpan<byte> AuthCancelled => "501 5.7.0 Authentication cancelled\r\n"u8;

    /// <summary>501: No base64 (RFC 4954 4).</summary>
    public static ReadOnlySpan<byte> AuthMalformed => "501 5.5.2 Cannot decode the response\r\n"u8;

    /// <summary>502: EXPN, ETRN, TURN, SEND and what else is known but refused.</summary>
    public static ReadOnlySpan<byte> NotImplemented => "502 5.5.1 Command not implemented\r\n"u8;

    /// <summary>503: MAIL without a greeting.</summary>
    public static ReadOnlySpan<byte> EhloFirst => "503 5.5.1 EHLO or HELO first\r\n"u8;

    /// <summary>503: RCPT or DATA outside a transaction.</summary>
    public static ReadOnlySpan<byte> MailFirst => "503 5.5.1 MAIL first\r\n"u8;

    /// <summary>503: DATA before any recipient was given.</summary>
    public static ReadOnlySpan<byte> RcptFirst => "503 5.5.1 RCPT first\r\n"u8;

    /// <summary>503: MAIL within a transaction.</summary>
    public static ReadOnlySpan<byte> NestedMail => "503 5.5.1 Sender already given\r\n"u8;

    /// <summary>503: RFC 3030 3.</summary>
    public static ReadOnlySpan<byte> DataDuringBdat => "503 5.5.1 BDAT has begun, DATA may not follow\r\n"u8;

    /// <summary>503: RCPT once the content has begun (RFC 3030 2).</summary>
    public static ReadOnlySpan<byte> RcptDuringBdat => "503 5.5.1 BDAT has begun, RCPT may not follow\r\n"u8;

    /// <summary>501: BDAT without a count; nobody knows how many octets follow (RFC 3030 2).</summary>
    public static ReadOnlySpan<byte> BdatSyntax => "501 5.5.4 Syntax: BDAT count [LAST]\r\n"u8;

    /// <summary>503: STARTTLS within TLS.</summary>
    public static ReadOnlySpan<byte> TlsActive => "503 5.5.1 TLS already active\r\n"u8;

    /// <summary>503: AUTH twice (RFC 4954 4).</summary>
    public static ReadOnlySpan<byte> AlreadyAuthenticated => "503 5.5.1 Already authenticated\r\n"u8;

    /// <summary>503: AUTH or STARTTLS after MAIL.</summary>
    public static ReadOnlySpan<byte> NotDuringTransaction => "503 5.5.1 Not during a mail transaction\r\n"u8;

    /// <summary>503: Octets came behind STARTTLS in clear: an injection or a mistake (RFC 3207 4.2).</summary>
    public static ReadOnlySpan<byte> PipelinedStartTls => "503 5.5.1 STARTTLS must be the last command of a group\r\n"u8;

    /// <summary>504: RFC 4954 4.</summary>
    public static ReadOnlySpan<byte> AuthMechanismUnknown => "504 5.5.4 Authentication mechanism not supported\r\n"u8;

    /// <summary>530: This listener serves only inside TLS (RFC 3207 4).</summary>
    public static ReadOnlySpan<byte> StartTlsFirst => "530 5.7.0 Must issue a STARTTLS command first\r\n"u8;

    /// <summary>530: This listener serves only users (RFC 4954 6).</summary>
    public static ReadOnlySpan<byte> AuthRequired => "530 5.7.0 Authentication required\r\n"u8;

    /// <summary>535: RFC 4954 6.</summary>
    public static ReadOnlySpan<byte> AuthInvalid => "535 5.7.8 Authentication credentials invalid\r\n"u8;

    /// <summary>538: RFC 4954 6.</summary>
    public static ReadOnlySpan<byte> AuthNeedsTls => "538 5.7.11 Encryption required for requested authentication mechanism\r\n"u8;

    /// <summary>550: This client may not send to this recipient (RFC 5321 7.9).</summary>
    public static ReadOnlySpan<byte> RelayDenied => "550 5.7.1 Relaying denied\r\n"u8;

    /// <summary>550: This client may not use this reverse-path.</summary>
    public static ReadOnlySpan<byte> SenderDenied => "550 5.7.1 Sender not allowed\r\n"u8;

    /// <summary>550: RFC 5321 2.3.8; only where configured to refuse instead of repairing.</summary>
    public static ReadOnlySpan<byte> BareNewlineInContent => "550 5.6.11 Content has bare CR or LF, lines must end in CRLF\r\n"u8;

    /// <summary>552: Declared or sent more than the limit (RFC 1870 6).</summary>
    public static ReadOnlySpan<byte> MessageTooBig => "552 5.3.4 Message size exceeds fixed limit\r\n"u8;

    /// <summary>552: The header section alone is over its limit.</summary>
    public static ReadOnlySpan<byte> HeaderTooBig => "552 5.3.4 Message header exceeds fixed limit\r\n"u8;

    /// <summary>550: A sender that needs SMTPUTF8, and MAIL did not ask for it (RFC 6531 3.5: 550 to MAIL, 553 to RCPT).</summary>
    public static ReadOnlySpan<byte> SenderNeedsSmtpUtf8 => "550 5.6.7 Non-ASCII addresses need SMTPUTF8\r\n"u8;

    /// <summary>553: A recipient that needs SMTPUTF8, in a transaction that did not ask for it (RFC 6531 3.5).</summary>
    public static ReadOnlySpan<byte> NeedsSmtpUtf8 => "553 5.6.7 Non-ASCII addresses need SMTPUTF8\r\n"u8;

    /// <summary>553: A U-label that is none by IDNA2008, or that only a guess could map (RFC 5891).</summary>
    public static ReadOnlySpan<byte> BadInternationalDomain => "553 5.6.7 Domain name is not valid by IDNA2008\r\n"u8;

    /// <summary>554: A permanent refusal without a better code.</summary>
    public static ReadOnlySpan<byte> TransactionFailed => "554 5.5.0 Transaction failed\r\n"u8;

    /// <summary>554: DATA after only refused recipients (RFC 2920 3.1).</summary>
    public static ReadOnlySpan<byte> NoValidRecipients => "554 5.5.1 No valid recipients\r\n"u8;

    /// <summary>554: Over the limit of Received fields (RFC 5321 6.3).</summary>
    public static ReadOnlySpan<byte> TooManyHops => "554 5.4.6 Too many hops, the message is in a loop\r\n"u8;

    /// <summary>554: Instead of the greeting (RFC 5321 3.1).</summary>
    public static ReadOnlySpan<byte> AccessDenied => "554 5.7.1 Access denied\r\n"u8;

    /// <summary>555: A parameter of an extension that is not offered (RFC 5321 4.1.1.11). Never names it.</summary>
    public static ReadOnlySpan<byte> ParameterUnknown => "555 5.5.4 Parameter not recognized or not implemented\r\n"u8;
}
