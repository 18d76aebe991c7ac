using System.Text;
using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Smtp;

namespace FastRelay.Receive;

/// <summary>
/// The rules of one mail transaction (RFC 5321 3.3): MAIL, RCPT and what may begin the content. Pure; it fills the
/// envelope and answers. <see cref="ReceiveMachine"/> asks it.
/// </summary>
/// <param name="envelope">Filled by MAIL and RCPT.</param>
internal sealed class MailTransaction(EnvelopeBuilder envelope)
{
    private const int OwnTextMax = 512;

    private readonly RecipientSet _seen = new();
    // Not before they are needed: thousands of sessions are silent.
    private byte[] _text = [];
    private byte[] _mailbox = [];
    private EnvelopeFlags _flags;
    private MailPriority? _priority;

    /// <summary>Who may relay, and the bounds.</summary>
    public required ReceiveOptions Options { get; set; }

    /// <summary>Who is there.</summary>
    public required ReceiveClient Client { get; set; }

    /// <summary>Extensions whose parameters MAIL and RCPT know beyond SIZE and BODY.</summary>
    public const SmtpExtensions Parameters = SmtpExtensions.Dsn | SmtpExtensions.SmtpUtf8;

    /// <summary>Asked whether the client may go on so fast; null asks nobody.</summary>
    public Func<ClientRate, bool>? MayGoOn { get; set; }

    /// <summary>True between MAIL and the end of the transaction.</summary>
    public bool IsOpen { get; private set; }

    /// <summary>A mailbox of the envelope is not ASCII: only a host with SMTPUTF8 can take it.</summary>
    public bool NeedsUtf8 { get; private set; }

    /// <summary>The client may name the tenant of this message in its header.</summary>
    public bool NamesTenant { get; private set; }

    /// <summary>The client may name the priority of this message in its header.</summary>
    public bool NamesPriority { get; private set; }

    /// <summary>How urgent the message is: as its header says, its client's row, its listener, or its tenant.</summary>
    /// <param name="named">What the header says; empty when it says nothing, or the client may not.</param>
    public MailPriority PriorityOf(ReadOnlySpan<byte> named) =>
        MailPriorities.TryParse(named, out MailPriority said) ? said : _priority ?? Options.Tenants.PriorityOf(envelope.View.Tenant);

    /// <summary>
    /// The content is there. What was declared is replaced by what is so: 8-bit content is sent on as 8-bit also when the
    /// client forgot to say so, and SMTPUTF8 is asked of the next hop only when an address or the header needs it (RFC 6531 3.6).
    /// </summary>
    public void Describe(bool eightBit, bool eightBitHeader) => envelope.SetFlags(
        (_flags & EnvelopeFlags.EightBit) | (eightBit ? EnvelopeFlags.EightBit : 0)
        | (NeedsUtf8 || eightBitHeader ? _flags & EnvelopeFlags.SmtpUtf8 : 0));

    /// <summary>A BDAT was taken: the content has begun (RFC 3030 2).</summary>
    public bool HasChunks { get; private set; }

    /// <summary>Ends it, however it went.</summary>
    public void End()
    {
        IsOpen = false;
        HasChunks = false;
        envelope.Clear();
        _seen.Clear();
    }

    /// <summary>MAIL.</summary>
    public Answer Mail(in Command command, JournalStatus admission)
    {
        if (!Client.Greeted)
        {
            return Answer.Wrong(Replies.EhloFirst);
        }
        if (Client.Closed.Length > 0)
        {
            return Answer.Wrong(Client.Closed);
        }
        if (IsOpen)
        {
            return Answer.Wrong(Replies.NestedMail);
        }
        if (command.IsMalformed)
        {
            return Answer.Wrong(Replies.MailSyntax);
        }
        PathStatus status = MailPath.ParseReverse(command.Argument, true, out MailPath path, out int consumed);
        if (status != PathStatus.Ok)
        {
            return Answer.Wrong(Replies.BadSender);
        }
        ParameterStatus parsed = MailParameters.TryParse(command.Argument[consumed..], Client.OffersAuth ? Parameters | SmtpExtensions.Auth : Parameters, out MailParameters parameters);
        if (parsed != ParameterStatus.Ok)
        {
            return BadParameter(parsed);
        }
        if (!parameters.SmtpUtf8 && !System.Text.Ascii.IsValid(path.Mailbox))
        {
            // Asked for behind the path that needs it.
            return Answer.Wrong(Replies.SenderNeedsSmtpUtf8);
        }
        if (parameters.Size > Options.Limits.MessageBytes)
        {
            return Answer.Wrong(Replies.MessageTooBig);
        }
        if (admission != JournalStatus.Ok)
        {
            return NotNow(admission);
        }
        if (MayGoOn?.Invoke(ClientRate.Messages) == false)
        {
            return Answer.Say(Replies.TooManyMessagesLately);
        }
        if (_mailbox.Length == 0)
        {
            _mailbox = new byte[OwnTextMax];
        }
        if (!TryPlain(path, _mailbox, out ReadOnlySpan<byte> mailbox))
        {
            return Answer.Wrong(Replies.BadInternationalDomain);
        }
        _flags = (parameters.Body == BodyType.EightBitMime ? EnvelopeFlags.EightBit : 0) | (parameters.SmtpUtf8 ? EnvelopeFlags.SmtpUtf8 : 0);
        envelope.Start(mailbox, _flags, Client.PeerText, Client.Helo, (byte)parameters.Return, parameters.EnvelopeId);
        Span<byte> tenant = stackalloc byte[Limits.TenantBytes];
        int named = Options.Tenants.Of(Client, tenant, out bool mayName);
        envelope.SetTenant(tenant[..named]);
        NamesTenant = mayName;
        _priority = Options.Tenants.PriorityOf(Client, out mayName);
        NamesPriority = mayName;
        NeedsUtf8 = !System.Text.Ascii.IsValid(mailbox);
        IsOpen = true;
        return Answer.Say(Replies.SenderOk);
    }

    /// <summary>RCPT.</summary>
    public Answer Rcpt(in Command command)
    {
        if (!IsOpen)
        {
            return Answer.Wrong(Replies.MailFirst);
        }
        if (HasChunks)
        {
            return Answer.Wrong(Replies.RcptDuringBdat);
        }
        if (MayGoOn?.Invoke(ClientRate.Recipients) == false)
        {
            return Answer.Say(Replies.TooManyRecipientsLately);
        }
        if (command.IsMalformed)
        {
            return Answer.Wrong(Replies.RcptSyntax);
        }
        PathStatus status = MailPath.ParseForward(command.Argument, (_flags & EnvelopeFlags.SmtpUtf8) != 0, out MailPath path, out int consumed);
        if (status != PathStatus.Ok)
        {
            return BadPath(status, Replies.BadRecipient);
        }
        SmtpExtensions said = (_flags & EnvelopeFlags.SmtpUtf8) != 0 ? Parameters : Parameters & ~SmtpExtensions.SmtpUtf8;
        ParameterStatus parsed = RcptParameters.TryParse(command.Argument[consumed..], said, out RcptParameters parameters);
        if (parsed != ParameterStatus.Ok)
        {
            return BadParameter(parsed);
        }
        if (!TryPlain(path, _mailbox, out ReadOnlySpan<byte> mailbox))
        {
            return Answer.Wrong(Replies.BadInternationalDomain);
        }
        if (!Client.Trusted && Client.Certificate is null && (Client.User is null || !Options.Policy.Users) && !Options.Policy.AcceptsFromAnyone(path.LocalPart, path.Domain.IsEmpty ? default : mailbox[(path.LocalPart.Length + 1)..]))
        {
            return Answer.Wrong(Replies.RelayDenied);
        }
        if (path.IsPostmaster)
        {
            // RFC 5321 4.5.1: a relay has no postmaster of its own to deliver to; it says so at once.
            return Answer.Wrong(Replies.BadRecipient);
        }
        return Take(mailbox, parameters);
    }

    /// <summary>DATA. The content may follow when the answer is 354.</summary>
    public Answer Data(in Command command, JournalStatus admission)
    {
        if (!command.Argument.IsEmpty)
        {
            return Answer.Wrong(Replies.SyntaxInArguments);
        }
        if (!IsOpen)
        {
            return Answer.Wrong(Replies.MailFirst);
        }
        if (HasChunks)
        {
            return Answer.Wrong(Replies.DataDuringBdat);
        }
        if (envelope.RecipientCount == 0)
        {
            // RFC 2920 3.1: a pipelining client sends DATA before it knows that every RCPT failed.
            return Answer.Say(Replies.NoValidRecipients);
        }
        if (admission != JournalStatus.Ok)
        {
            End();
            return NotNow(admission);
        }
        return Answer.Say(Replies.StartMailInput);
    }

    /// <summary>
    /// BDAT. The chunk's octets are on their way whatever is answered (RFC 3030 2): an empty answer says that they belong
    /// to the message, any other is given once they were swallowed. A chunk that is refused ends the transaction.
    /// </summary>
    public Answer Chunk(in ChunkSize size, JournalStatus admission)
    {
        Answer answer = !IsOpen ? Answer.Wrong(Replies.MailFirst)
            : envelope.RecipientCount == 0 ? Answer.Say(Replies.NoValidRecipients)
            : size.Octets > Options.Limits.MessageBytes ? Answer.Wrong(Replies.MessageTooBig)
            : admission != JournalStatus.Ok && !HasChunks ? NotNow(admission)
            : default;
        if (answer.Text.IsEmpty)
        {
            HasChunks = true;
        }
        else
        {
            End();
        }
        return answer;
    }

    private Answer Take(scoped ReadOnlySpan<byte> mailbox, scoped in RcptParameters parameters)
    {
        if (Options.Refuses?.Invoke(mailbox) is { } text)
        {
            return Answer.Wrong(Refusal(text));
        }
        if (_seen.Has(mailbox, envelope))
        {
            // The same mailbox again: it is served once (RFC 5321 says nothing against naming it twice), and what its first
            // RCPT asked for holds (RFC 3461 4 has no rule for a second one).
            return Answer.Say(Replies.RecipientOk);
        }
        if (envelope.RecipientCount >= Options.Limits.Recipients || !envelope.TryAddRecipient(mailbox, (byte)parameters.Notify, parameters.OriginalRecipient))
        {
            // Not counted as an error: RFC 5321 4.5.3.1.10 tells the client to send the rest in another transaction.
            return Answer.Say(Replies.TooManyRecipients);
        }
        _seen.Added(mailbox, envelope);
        NeedsUtf8 |= !System.Text.Ascii.IsValid(mailbox);
        return Answer.Say(Replies.RecipientOk);
    }

    // A domain in U-labels is kept and sent on in A-labels, which every host and DNS understand (RFC 5891 4.4, RFC 6531 3.3).
    private static bool TryPlain(in MailPath path, Span<byte> scratch, out ReadOnlySpan<byte> mailbox)
    {
        mailbox = path.Mailbox;
        if (System.Text.Ascii.IsValid(path.Domain))
        {
            return true;
        }
        int local = path.LocalPart.Length + 1;
        path.Mailbox[..local].CopyTo(scratch);
        // In A-labels a domain is longer, and bounded all the same (RFC 5321 4.5.3.1.2).
        bool good = Idna.TryToAscii(path.Domain, scratch.Slice(local, Math.Min(DomainName.LengthMax, scratch.Length - local)), out int length);
        mailbox = scratch[..(local + length)];
        return good;
    }

    // The operator's own words behind their enhanced code; checked to be printable when the route was read.
    private ReadOnlySpan<byte> Refusal(string text)
    {
        if (_text.Length == 0)
        {
            _text = new byte[OwnTextMax];
        }
        "550 "u8.CopyTo(_text);
        int room = OwnTextMax - 6;
        int length = 4 + Encoding.ASCII.GetBytes(text.AsSpan(0, Math.Min(text.Length, room)), _text.AsSpan(4));
        "\r\n"u8.CopyTo(_text.AsSpan(length));
        return _text.AsSpan(0, length + 2);
    }

    private static Answer BadParameter(ParameterStatus status) =>
        Answer.Wrong(status == ParameterStatus.Unknown ? Replies.ParameterUnknown : Replies.SyntaxInArguments);

    private static Answer BadPath(PathStatus status, ReadOnlySpan<byte> syntax) =>
        Answer.Wrong(status == PathStatus.NeedsSmtpUtf8 ? Replies.NeedsSmtpUtf8 : syntax);

    private static Answer NotNow(JournalStatus admission) =>
        Answer.Say(admission == JournalStatus.Full ? Replies.InsufficientStorage : Replies.LocalError);
}
