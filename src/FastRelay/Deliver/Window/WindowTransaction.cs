using FastRelay.Smtp;

namespace FastRelay.Deliver;

/// <summary>
/// One transaction of a <see cref="TransactionWindow"/>: RSET, MAIL, RCPT and one BDAT with the whole content (RFC 3030 2),
/// written without waiting for any reply (RFC 2920 3.1). Pure. Every command is numbered by its position, and a reply
/// belongs to the oldest unanswered one.
/// </summary>
public sealed class WindowTransaction
{
    private const int ResetPosition = CommandWriter.ResetPosition;
    private const int MailPosition = CommandWriter.MailPosition;
    private int _written;
    private int _answered;
    private bool _eightBit;
    private bool _contentWritten;

    /// <summary>Creates a transaction.</summary>
    /// <param name="recipientsMax">Recipients at most.</param>
    public WindowTransaction(int recipientsMax) => Ledger = new TransactionLedger(recipientsMax);

    /// <summary>The recipients and what became of them.</summary>
    public TransactionLedger Ledger { get; }

    /// <summary>Octets of its content.</summary>
    public long ContentBytes { get; private set; }

    /// <summary>A reply is owed.</summary>
    public bool AwaitsReply => _answered < _written;

    /// <summary>A command is still to be written.</summary>
    public bool HasMoreToWrite => _written <= ChunkPosition;

    /// <summary>All of it is being given to the network: from here the peer may have the message.</summary>
    public bool IsSent { get; private set; }

    /// <summary>The network has taken its last octet: nobody reads its content any more, and an answer to it can be an honest one.</summary>
    public bool IsGone { get; private set; }

    /// <summary>Every command was answered.</summary>
    public bool IsAnswered => _answered > ChunkPosition;

    /// <summary>The peer has not answered MAIL: as far as is known there is no message yet.</summary>
    public bool IsUntouched => _answered <= MailPosition;

    /// <summary>421 was the answer to MAIL, or to the RSET before it: the peer had enough of the connection, not of the message.</summary>
    public bool IsTurnedAway { get; private set; }

    /// <summary>One of its answers was 421.</summary>
    public bool WasClosed { get; private set; }

    /// <summary>
    /// Its replies are shown to be its own: BDAT was taken with an enhanced code, which <see cref="OnReply"/> does not take from MAIL or RCPT.
    /// Without one a reply too many before it goes unseen (250 is 250), and a refusal may be the recipient's next to it.
    /// </summary>
    public bool IsProved { get; private set; }

    /// <summary>Every recipient has its outcome.</summary>
    public bool IsDecided => Ledger.Decided == Ledger.Count;

    /// <summary>What is being waited for.</summary>
    public SmtpStage Stage => IsUntouched ? SmtpStage.Mail : _answered < ChunkPosition ? SmtpStage.Rcpt : SmtpStage.Dot;

    /// <summary>The envelope index of the recipient that the next <see cref="Write"/> names; -1 when it names none.</summary>
    public int NextRecipient => _written > MailPosition && _written <= Ledger.Count ? Ledger.IndexAt(_written - 1) : -1;

    /// <summary>The next <see cref="Write"/> gives MAIL.</summary>
    public bool NextIsMail => _written == MailPosition;

    private int ChunkPosition => Ledger.Count + 1;

    /// <summary>Begins.</summary>
    /// <param name="recipients">Envelope indexes, ascending.</param>
    /// <param name="contentBytes">Octets of the content, without stuffed dots.</param>
    /// <param name="eightBit">BODY=8BITMIME was said.</param>
    /// <param name="reset">RSET comes first. It also ends what a peer may keep open after it refused a BDAT LAST.</param>
    public void Begin(ReadOnlySpan<int> recipients, long contentBytes, bool eightBit, bool reset)
    {
        Check.That(contentBytes >= 0);
        Ledger.Begin(recipients);
        ContentBytes = contentBytes;
        _eightBit = eightBit;
        _contentWritten = IsSent = IsGone = IsTurnedAway = WasClosed = IsProved = false;
        _written = _answered = reset ? ResetPosition : MailPosition;
    }

    /// <summary>Writes the next command; 0 when all are written and the content is to follow.</summary>
    public int Write(Span<byte> into, in EhloCapabilities peer, ReadOnlySpan<byte> reversePath, ReadOnlySpan<byte> mailbox)
    {
        if (!HasMoreToWrite)
        {
            return 0;
        }
        int position = _written++;
        return position < ChunkPosition
            ? CommandWriter.Envelope(into, position, peer, reversePath, mailbox, ContentBytes, _eightBit)
            : CommandWriter.LastChunk(into, ContentBytes);
    }

    /// <summary>The content stands behind the commands, in a buffer or on its way.</summary>
    public void ContentWritten()
    {
        Check.That(!HasMoreToWrite && !_contentWritten);
        _contentWritten = true;
    }

    /// <summary>What was written goes to the network now.</summary>
    public void Sending() => IsSent |= _contentWritten;

    /// <summary>What was written has left.</summary>
    public void Gone() => IsGone |= _contentWritten;

    /// <summary>Takes the oldest owed reply.</summary>
    /// <returns>False when it cannot stand where it does: the peer and we are not in step.</returns>
    public bool OnReply(in ServerReply reply)
    {
        int position = _answered++;
        if (reply.Kind == 3)
        {
            return false;
        }
        WasClosed |= reply.Code == 421;
        IsTurnedAway |= reply.Code == 421 && position <= MailPosition;
        return position switch
        {
            ResetPosition => reply.Kind == 2 || reply.Code == 421,
            MailPosition => OnMailReply(reply),
            _ when position < ChunkPosition => OnRcptReply(position - 1, reply),
            _ => OnChunkReply(reply),
        };
    }

    /// <summary>Recipients without an outcome get this one.</summary>
    public void End(Outcome outcome, ReadOnlySpan<byte> text) => Ledger.DecideRest(outcome, text);

    private bool OnMailReply(in ServerReply reply)
    {
        if (reply.Kind != 2)
        {
            // RCPT and BDAT are answered all the same, and the peer takes the octets of the content for nobody (RFC 3030 2).
            Ledger.DecideRest(reply.At(SmtpStage.Mail), reply.Text);
        }
        return true;
    }

    private bool OnRcptReply(int recipient, in ServerReply reply)
    {
        if (reply.Kind == 2)
        {
            Ledger.Accept(recipient);
        }
        else
        {
            Ledger.Decide(recipient, reply.At(SmtpStage.Rcpt), reply.Text);
        }
        return true;
    }

    private bool OnChunkReply(in ServerReply reply)
    {
        // Consent to what has not arrived, to a message for nobody, or with the code of an address (RFC 3463 3.2), which
        // answers MAIL or RCPT: a reply too many stands before it.
        if (reply.Kind == 2 && (!IsGone || Ledger.Accepted == 0 || reply.Enhanced is { Class: 2, Subject: 1 }))
        {
            return false;
        }
        IsProved = reply.Kind == 2 && !reply.Enhanced.IsNone;
        Ledger.DecideAccepted(reply.At(SmtpStage.Dot), reply.Text);
        // A refusal before all has left counts, and there is no way back in step: the content is still being read from.
        return IsGone;
    }
}
