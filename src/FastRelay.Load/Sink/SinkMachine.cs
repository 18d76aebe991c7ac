using System.Net;
using FastRelay.Smtp;

namespace FastRelay.Load;

/// <summary>
/// The sink's half of one connection (RFC 5321 4.1): lines in, replies out. Pure: no IO, no clock, no await. It takes
/// what a client may reasonably send and refuses only what the scenario refuses, or what makes no sense in the order.
/// </summary>
public sealed class SinkMachine
{
    /// <summary>Room that a reply needs, octets.</summary>
    public const int ReplyBytes = 512;

    /// <summary>Octets of a path that are kept for rules; RFC 5321 4.5.3.1.3 allows 256.</summary>
    private const int PathBytes = 320;

    private readonly SinkRules _rules;
    private readonly ReplyTally _replies;
    private readonly bool _mayTls;
    private readonly byte[] _sender = new byte[PathBytes];
    private readonly List<int> _copies = [];
    private IPAddress _local = IPAddress.None;
    private ulong _client;
    private int _senderLength;
    private int _messages;
    private int _authLines;
    private bool _greeted;
    private bool _secured;
    private bool _inTransaction;
    private bool _chunkIsLast;
    private bool _chunkIsTaken;

    /// <summary>A machine for one connection after another.</summary>
    /// <param name="rules">The scenario at work.</param>
    /// <param name="replies">Counts what is said.</param>
    /// <param name="mayTls">A certificate is there.</param>
    public SinkMachine(SinkRules rules, ReplyTally replies, bool mayTls)
    {
        _rules = rules;
        _replies = replies;
        _mayTls = mayTls;
    }

    /// <summary>What comes next is content and not a line.</summary>
    public bool InData { get; private set; }

    /// <summary>A message has begun to come by BDAT and has not ended.</summary>
    public bool InChunks { get; private set; }

    /// <summary>The last line was BDAT: its answer is still owed.</summary>
    public bool LastIsChunk { get; private set; }

    /// <summary>Octets of the chunk that are still to come (RFC 3030 2); they are no lines.</summary>
    public long ChunkLeft { get; private set; }

    /// <summary>What the last reply answered.</summary>
    public DialogueStage LastStage { get; private set; }

    /// <summary>Recipients accepted in this transaction.</summary>
    public int Recipients { get; private set; }

    /// <summary>The numbers that the source put into the accepted recipients (<c>user+7@domain</c>), in order; 0 where there is none.</summary>
    public IReadOnlyList<int> Copies => _copies;

    /// <summary>Starts a connection and writes the banner.</summary>
    public SinkStep Start(IPAddress local, ulong client, bool secured, long nowMs, Span<byte> reply)
    {
        _local = local;
        _client = client;
        _messages = 0;
        _authLines = 0;
        _greeted = false;
        _secured = secured;
        InData = false;
        ChunkLeft = 0;
        EndTransaction();
        if (Judged(DialogueStage.Banner, default, nowMs, reply, out SinkStep step))
        {
            return step;
        }
        int length = Put(reply, 0, "220 "u8);
        length += System.Text.Encoding.ASCII.GetBytes(_rules.Scenario.HostName, reply[length..]);
        return Say(DialogueStage.Banner, reply, Put(reply, length, " ESMTP\r\n"u8), step);
    }

    /// <summary>The connection speaks TLS now; what EHLO said is forgotten (RFC 3207 4.2).</summary>
    public void TlsStarted()
    {
        _secured = true;
        _greeted = false;
        EndTransaction();
    }

    /// <summary>Answers one line.</summary>
    /// <param name="status">What the scanner found.</param>
    /// <param name="line">The line without its end; empty unless it is whole.</param>
    /// <param name="nowMs">Monotonic.</param>
    /// <param name="reply">At least <see cref="ReplyBytes"/>.</param>
    public SinkStep Step(ScanStatus status, ReadOnlySpan<byte> line, long nowMs, Span<byte> reply)
    {
        if (status != ScanStatus.Line)
        {
            return Say(DialogueStage.Other, reply, status == ScanStatus.TooLong ? Replies.LineTooLong : Replies.BareNewlineInCommand);
        }
        if (_authLines > 0)
        {
            return --_authLines > 0 ? Say(DialogueStage.Auth, reply, "334 UGFzc3dvcmQ6\r\n"u8) : Authenticated(nowMs, reply);
        }
        Command command = Command.Parse(line);
        LastIsChunk = false;
        switch (command.Verb)
        {
            case Verb.Ehlo:
            case Verb.Helo:
                return Hello(command.Verb == Verb.Ehlo, nowMs, reply);
            case Verb.Mail:
                return Mail(command, nowMs, reply);
            case Verb.Rcpt:
                return Rcpt(command, nowMs, reply);
            case Verb.Data:
                return Data(nowMs, reply);
            case Verb.Bdat when _rules.Scenario.Chunking:
                return Chunk(command.Argument, reply);
            case Verb.Quit:
                return Judged(DialogueStage.Quit, default, nowMs, reply, out SinkStep step)
                    ? step
                    : Say(DialogueStage.Quit, reply, Replies.Bye) with { Action = SinkAction.Close, DelayMs = step.DelayMs };
            case Verb.StartTls when _mayTls && !_secured:
                return Judged(DialogueStage.StartTls, default, nowMs, reply, out step)
                    ? step
                    : Say(DialogueStage.StartTls, reply, "220 2.0.0 Ready to start TLS\r\n"u8) with { Action = SinkAction.StartTls, DelayMs = step.DelayMs };
            case Verb.Auth:
                return Auth(command.Argument, nowMs, reply);
            case Verb.Rset:
                EndTransaction();
                return Say(DialogueStage.Other, reply, "250 2.0.0 Ok\r\n"u8);
            case Verb.Noop:
                return Say(DialogueStage.Other, reply, "250 2.0.0 Ok\r\n"u8);
            case Verb.Vrfy:
                return Say(DialogueStage.Other, reply, "252 2.0.0 Send some mail, I will try\r\n"u8);
            default:
                return Say(DialogueStage.Other, reply, Replies.CommandUnrecognised);
        }
    }

    /// <summary>Octets of the chunk have come.</summary>
    public void TookChunk(int octets) => ChunkLeft -= octets;

    /// <summary>Answers the end of a chunk.</summary>
    /// <param name="bytes">Octets of the message so far.</param>
    /// <param name="nowMs">Monotonic.</param>
    /// <param name="reply">At least <see cref="ReplyBytes"/>.</param>
    /// <param name="isMessage">True when the message ends with it.</param>
    /// <param name="accepted">True when responsibility is taken.</param>
    public SinkStep EndOfChunk(long bytes, long nowMs, Span<byte> reply, out bool isMessage, out bool accepted)
    {
        isMessage = accepted = LastIsChunk = false;
        if (!_chunkIsTaken)
        {
            return Say(DialogueStage.Dot, reply, _inTransaction ? Replies.NoValidRecipients : Replies.MailFirst);
        }
        if (!_chunkIsLast)
        {
            return Say(DialogueStage.Data, reply, "250 2.0.0 Ok\r\n"u8);
        }
        isMessage = true;
        return EndOfMessage(bytes, nowMs, reply, out accepted);
    }

    /// <summary>Answers the end of a message.</summary>
    /// <param name="bytes">Its octets in wire form.</param>
    /// <param name="nowMs">Monotonic.</param>
    /// <param name="reply">At least <see cref="ReplyBytes"/>.</param>
    /// <param name="accepted">True when responsibility is taken.</param>
    public SinkStep EndOfMessage(long bytes, long nowMs, Span<byte> reply, out bool accepted)
    {
        InData = InChunks = false;
        accepted = false;
        SinkStep step;
        if (_rules.Scenario.MessageBytes > 0 && bytes > _rules.Scenario.MessageBytes)
        {
            step = Say(DialogueStage.Dot, reply, Replies.MessageTooBig);
        }
        else if (!Judged(DialogueStage.Dot, default, nowMs, reply, out step))
        {
            accepted = true;
            step = Say(DialogueStage.Dot, reply, "250 2.0.0 Ok\r\n"u8) with { DelayMs = step.DelayMs };
        }
        _messages++;
        _inTransaction = false;
        return step;
    }

    private SinkStep Hello(bool extended, long nowMs, Span<byte> reply)
    {
        EndTransaction();
        if (Judged(DialogueStage.Ehlo, default, nowMs, reply, out SinkStep step))
        {
            return step;
        }
        _greeted = true;
        int at = Put(reply, 0, extended ? "250-"u8 : "250 "u8);
        at += System.Text.Encoding.ASCII.GetBytes(_rules.Scenario.HostName, reply[at..]);
        at = Put(reply, at, "\r\n"u8);
        if (extended)
        {
            at = _rules.Scenario.Pipelining ? Put(reply, at, "250-PIPELINING\r\n"u8) : at;
            at = Put(reply, at, "250-SIZE "u8);
            _ = _rules.Scenario.MessageBytes.TryFormat(reply[at..], out int digits, default, System.Globalization.CultureInfo.InvariantCulture);
            at = Put(reply, at + digits, "\r\n250-8BITMIME\r\n"u8);
            at = _rules.Scenario.Chunking ? Put(reply, at, "250-CHUNKING\r\n"u8) : at;
            at = _mayTls && !_secured ? Put(reply, at, "250-STARTTLS\r\n"u8) : at;
            at = Put(reply, at, "250-AUTH PLAIN LOGIN\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES\r\n"u8);
        }
        return Say(DialogueStage.Ehlo, reply, at, step);
    }

    private SinkStep Mail(in Command command, long nowMs, Span<byte> reply)
    {
        if (!_greeted)
        {
            return Say(DialogueStage.Mail, reply, Replies.EhloFirst);
        }
        if (_inTransaction)
        {
            return Say(DialogueStage.Mail, reply, Replies.NestedMail);
        }
        if (command.IsMalformed || !TryPath(command.Argument, out ReadOnlySpan<byte> path))
        {
            return Say(DialogueStage.Mail, reply, Replies.MailSyntax);
        }
        if (_messages >= _rules.Scenario.MessagesPerSession)
        {
            return Say(DialogueStage.Mail, reply, "421 4.7.0 Too many messages on this connection\r\n"u8) with { Action = SinkAction.Close };
        }
        if (Judged(DialogueStage.Mail, default, nowMs, reply, out SinkStep step))
        {
            return step;
        }
        EndTransaction();
        _inTransaction = true;
        _senderLength = path.Length;
        path.CopyTo(_sender);
        return Say(DialogueStage.Mail, reply, "250 2.1.0 Ok\r\n"u8) with { DelayMs = step.DelayMs };
    }

    private SinkStep Rcpt(in Command command, long nowMs, Span<byte> reply)
    {
        if (!_inTransaction)
        {
            return Say(DialogueStage.Rcpt, reply, Replies.MailFirst);
        }
        if (command.IsMalformed || !TryPath(command.Argument, out ReadOnlySpan<byte> path) || path.IsEmpty)
        {
            return Say(DialogueStage.Rcpt, reply, Replies.RcptSyntax);
        }
        if (Recipients >= _rules.Scenario.Recipients)
        {
            return Say(DialogueStage.Rcpt, reply, Replies.TooManyRecipients);
        }
        if (Judged(DialogueStage.Rcpt, path, nowMs, reply, out SinkStep step))
        {
            return step;
        }
        Recipients++;
        _copies.Add(CopyNumber(path));
        return Say(DialogueStage.Rcpt, reply, "250 2.1.5 Ok\r\n"u8) with { DelayMs = step.DelayMs };
    }

    private SinkStep Data(long nowMs, Span<byte> reply)
    {
        if (InChunks)
        {
            return Say(DialogueStage.Data, reply, Replies.DataDuringBdat);
        }
        if (!_inTransaction || Recipients == 0)
        {
            return Say(DialogueStage.Data, reply, _inTransaction ? Replies.NoValidRecipients : Replies.MailFirst);
        }
        if (Judged(DialogueStage.Data, default, nowMs, reply, out SinkStep step))
        {
            return step;
        }
        InData = true;
        return Say(DialogueStage.Data, reply, "354 End data with <CR><LF>.<CR><LF>\r\n"u8) with { DelayMs = step.DelayMs };
    }

    // Its answer comes after its octets; those of a chunk that is not taken are thrown away (RFC 3030 2).
    private SinkStep Chunk(ReadOnlySpan<byte> argument, Span<byte> reply)
    {
        if (!ChunkSize.TryParse(argument, out ChunkSize size))
        {
            return Say(DialogueStage.Data, reply, Replies.BdatSyntax) with { Action = SinkAction.Close };
        }
        LastIsChunk = true;
        ChunkLeft = size.Octets;
        _chunkIsLast = size.IsLast;
        _chunkIsTaken = _inTransaction && Recipients > 0;
        InChunks |= _chunkIsTaken;
        return default;
    }

    private SinkStep Auth(ReadOnlySpan<byte> argument, long nowMs, Span<byte> reply)
    {
        bool login = argument.StartsWith("LOGIN"u8);
        bool hasResponse = argument.Contains((byte)' ');
        if (login || !hasResponse)
        {
            _authLines = login && !hasResponse ? 2 : 1;
            return Say(DialogueStage.Auth, reply, login ? "334 VXNlcm5hbWU6\r\n"u8 : "334 \r\n"u8);
        }
        return Authenticated(nowMs, reply);
    }

    private SinkStep Authenticated(long nowMs, Span<byte> reply) =>
        Judged(DialogueStage.Auth, default, nowMs, reply, out SinkStep step)
            ? step
            : Say(DialogueStage.Auth, reply, "235 2.7.0 Authentication successful\r\n"u8) with { DelayMs = step.DelayMs };

    /// <summary>True when a rule answers instead; else <paramref name="step"/> holds only the delay.</summary>
    private bool Judged(DialogueStage stage, ReadOnlySpan<byte> recipient, long nowMs, Span<byte> reply, out SinkStep step)
    {
        step = default;
        if (_rules.IsIdeal)
        {
            return false;
        }
        RuleVerdict verdict = _rules.Judge(stage, _local, _client, _sender.AsSpan(0, _senderLength), recipient, nowMs);
        step = new SinkStep(0, SinkAction.Continue, verdict.DelayMs);
        switch (verdict.Kind)
        {
            case FaultKind.Reply:
                bool closes = verdict.Reply.AsSpan().StartsWith("421"u8) || stage == DialogueStage.Banner;
                step = Say(stage, reply, verdict.Reply) with { Action = closes ? SinkAction.Close : SinkAction.Continue, DelayMs = verdict.DelayMs };
                return true;
            case FaultKind.Stall:
                step = step with { Action = SinkAction.Stall };
                return true;
            case FaultKind.Close:
                step = step with { Action = SinkAction.Close };
                return true;
            case FaultKind.Reset:
                step = step with { Action = SinkAction.Reset };
                return true;
            default:
                return false;
        }
    }

    private SinkStep Say(DialogueStage stage, Span<byte> reply, int length, SinkStep judged)
    {
        LastStage = stage;
        _replies.Count(stage, reply);
        return judged with { Length = length };
    }

    private SinkStep Say(DialogueStage stage, Span<byte> reply, ReadOnlySpan<byte> text) => Say(stage, reply, Put(reply, 0, text), default);

    private void EndTransaction()
    {
        InChunks = false;
        _inTransaction = false;
        _senderLength = 0;
        Recipients = 0;
        _copies.Clear();
    }

    private static bool TryPath(ReadOnlySpan<byte> argument, out ReadOnlySpan<byte> path)
    {
        int end = argument.IndexOf((byte)'>');
        bool found = end > 0 && argument[0] == '<' && end <= PathBytes;
        path = found ? argument[1..end] : default;
        return found;
    }

    private static int CopyNumber(ReadOnlySpan<byte> mailbox)
    {
        // The source's number is the last: an address may have a tag of its own.
        int plus = mailbox.LastIndexOf((byte)'+');
        return plus >= 0 && System.Buffers.Text.Utf8Parser.TryParse(mailbox[(plus + 1)..], out int number, out _) && number >= 0 ? number : 0;
    }

    private static int Put(Span<byte> into, int at, ReadOnlySpan<byte> text)
    {
        text.CopyTo(into[at..]);
        return at + text.Length;
    }
}
