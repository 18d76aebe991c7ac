using System.Globalization;
using System.IO.Pipelines;
using System.Net.Security;
using System.Runtime.CompilerServices;
using System.Text;
using FastRelay.Journal;
using FastRelay.Observe;
using FastRelay.Outside;
using FastRelay.Routing;
using FastRelay.Smtp;

namespace FastRelay.Deliver;

/// <summary>
/// Drives a <see cref="SendMachine"/> over a link: writes what it wants said, reads what it waits for, and cuts the
/// link when a stage takes too long. Owned by one session.
/// </summary>
internal sealed class SendDialogue : LoopItem
{
    /// <summary>A last piece of a body up to this size leaves in one segment with the final dot.</summary>
    private const int InlineBytes = Link.WriteBufferBytes - 1024;

    /// <summary>Commands are flushed when this little room is left in the link's buffer.</summary>
    private const int FlushBelowBytes = 2 * (CommandWriter.CommandBytes + DsnParameters.Bytes);

    /// <summary>The answer to QUIT matters to nobody, ms.</summary>
    private const int QuitTimeoutMs = 5_000;

    private readonly LoopTimer _timer;
    private readonly Offload _offload;
    private readonly KeyJob _keys;
    private Link? _link;
    private BodyReader? _body;
    private BodyReader? _following;
    private SevenBitContent? _sevenBit;
    private OutcomeCause _cutBy;
    private bool _timed;

    public SendDialogue(World world, Limits limits, SendMachine machine, TraceTap tap)
    {
        Tap = tap;
        Loop loop = world.Loop;
        Limits = limits;
        _offload = world.Offload;
        _keys = new KeyJob(loop);
        _timer = new LoopTimer(loop, this);
        Machine = machine;
    }

    public SendMachine Machine { get; }

    /// <summary>Shows the dialogue to those who watch.</summary>
    public TraceTap Tap { get; }

    /// <summary>How long each stage may take: set between connections.</summary>
    public Limits Limits { get; private set; }

    /// <summary>Another site: the bounds that are in force now, and what EHLO says to it.</summary>
    public void Start(Limits limits, byte[] helloName) => (Limits, Machine.HelloName) = (limits, helloName);

    /// <summary>The link under way; null between connections.</summary>
    public Link? Link => _link;

    /// <summary>The peer said more than it was asked for: nothing it says later can be matched.</summary>
    public bool IsOutOfTurn { get; private set; }

    /// <summary>Takes over a new link, up to the end of EHLO or a handshake.</summary>
    public ValueTask<SendStep> OpenAsync(Link link, string host, StartTlsUse tls, Credentials? credentials)
    {
        Check.That(_link is null);
        Tap.Begin(link.Remote, host);
        _link = link;
        _cutBy = OutcomeCause.None;
        IsOutOfTurn = false;
        return ConverseAsync(Machine.Start(tls, credentials));
    }

    /// <summary>The message whose addresses and body are sent, and its content in 7 bits when it is to be that; null outside a transaction.</summary>
    public void SetBody(BodyReader? body, SevenBitContent? sevenBit = null)
    {
        (_body, _sevenBit) = (body, sevenBit);
        _following = null;
        Tap.Message = body?.Id ?? 0;
    }

    /// <summary>Cuts the connection; what is under way ends with this cause.</summary>
    public void Cut(OutcomeCause cause)
    {
        if (_link is not null && _cutBy == OutcomeCause.None)
        {
            _cutBy = cause;
            _link.Abort();
        }
    }

    /// <summary>Forgets the link.</summary>
    public void Close()
    {
        Disarm();
        _link?.Close();
        _link = null;
    }

    /// <summary>True when the peer has neither closed nor spoken while nothing was asked of it.</summary>
    public bool IsQuiet()
    {
        if (!_link!.Input.TryRead(out ReadResult read))
        {
            return true;
        }
        _link.Input.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        return false;
    }

    /// <summary>Talks until the machine wants something that is not talking.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public async ValueTask<SendStep> ConverseAsync(SendStep step)
    {
        while (true)
        {
            switch (step)
            {
                case SendStep.Write:
                    step = await WriteCommandsAsync();
                    break;
                case SendStep.Read:
                    step = await ReadReplyAsync();
                    break;
                case SendStep.Derive:
                    Disarm();
                    step = Machine.KeyDerived((await _keys.RunAsync(_offload, Machine.Auth.Credentials, Machine.Auth.Salt, Machine.Auth.Iterations)).Span);
                    break;
                default:
                    Disarm();
                    return step;
            }
        }
    }

    /// <summary>Sends the body and the final dot after 354.</summary>
    /// <param name="session">Asked before the final dot whether the message may be sent, and behind it what follows.</param>
    /// <returns>What comes next: the final reply to be read, or the end.</returns>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public async ValueTask<SendStep> SendBodyAsync(SendSession session)
    {
        Link link = _link!;
        bool some = TryNext(out ReadOnlyMemory<byte> piece);
        while (some)
        {
            bool more = TryNext(out ReadOnlyMemory<byte> next);
            if (!more && piece.Length <= InlineBytes)
            {
                break;
            }
            Arm(Limits.DataBlockTimeoutMs);
            FlushResult sent = await link.Output.WriteAsync(piece);
            if (sent.IsCompleted || !IsQuietInBody(link))
            {
                // What the peer said before it left, or instead of reading on, is its answer.
                return await ReadReplyAsync();
            }
            piece = next;
            some = more;
        }
        if (!session.MaySend)
        {
            return Machine.Lost(OutcomeCause.ShuttingDown);
        }
        WriteEnd(link.Output, some ? piece.Span : default);
        SendStep step = Machine.BodySent();
        if (Tap.IsOn)
        {
            Tap.Note(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"content of {new MessageId(_body!.Id)}, {_body.Length} octets, and the final dot")));
        }
        _following = session.Join();
        if (_following is not null)
        {
            // What finds no room is written when the dot is answered.
            WriteSome(link.Output, some ? piece.Length : 0);
        }
        Arm(Limits.FinalDotTimeoutMs);
        // A failed flush is told by the read that follows; the dot may be out, so it is in doubt either way.
        await link.Output.FlushAsync();
        return step;
    }

    /// <summary>Shakes hands after the peer said 220 to STARTTLS, and goes on to the second EHLO.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public async ValueTask<SendStep> SecureAsync(SslClientAuthenticationOptions options)
    {
        Arm(Limits.TlsHandshakeTimeoutMs);
        TlsResult result = await _link!.StartTlsAsync(options);
        Disarm();
        if (Tap.IsOn)
        {
            Tap.Note(Encoding.UTF8.GetBytes(result.Ok ? _link!.TlsName ?? "TLS" : "TLS failed: " + result.Reason));
        }
        if (!result.Ok)
        {
            string reason = _cutBy == OutcomeCause.ReplyTimeout ? "the handshake took too long" : result.Reason;
            return Machine.TlsFailed(Encoding.UTF8.GetBytes("TLS handshake: " + FailureText.OfTls(reason)));
        }
        if (result.Dropped > 0)
        {
            // Clear text behind the 220 was meant to be taken for encrypted replies (CVE-2011-0411's mirror).
            return Machine.TlsFailed("the host sent clear text behind its answer to STARTTLS"u8.ToArray());
        }
        return await ConverseAsync(Machine.TlsStarted());
    }

    /// <summary>The stage took too long. A run that was queued when the reply came finds the timer off, or armed again.</summary>
    protected override void Run()
    {
        if (_timed && !_timer.IsArmed)
        {
            Cut(OutcomeCause.ReplyTimeout);
        }
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<SendStep> WriteCommandsAsync()
    {
        PipeWriter output = _link!.Output;
        while (true)
        {
            bool more = WriteSome(output);
            Arm(TimeoutOf(Machine.Stage));
            FlushResult sent = await output.FlushAsync();
            if (sent.IsCompleted && !Machine.AwaitsReply)
            {
                return Machine.Lost(LossCause());
            }
            if (!more || sent.IsCompleted)
            {
                return SendStep.Read;
            }
        }
    }

    // True when more may be written after a flush.
    private bool WriteSome(PipeWriter output, int gathered = 0)
    {
        while (true)
        {
            if (gathered > Link.WriteBufferBytes - FlushBelowBytes)
            {
                return true;
            }
            Span<byte> into = output.GetSpan(CommandWriter.CommandBytes + DsnParameters.Bytes);
            bool secret = Machine.Stage == SmtpStage.Auth;
            int written = WriteOne(into);
            // Commands that go behind the final dot belong to the message after it; the replies before theirs do not.
            Tap.Commands(into[..written], (_following ?? _body)?.Id ?? 0, secret);
            output.Advance(written);
            gathered += written;
            if (written == 0)
            {
                return false;
            }
        }
    }

    private int WriteOne(Span<byte> into)
    {
        if ((_following ?? _body) is not { } body)
        {
            return Machine.Write(into, default, default);
        }
        Envelope envelope = body.Envelope;
        int recipient = Machine.NextRecipient;
        bool mail = Machine.NextIsMail;
        EnvelopeRecipient named = recipient < 0 ? default : envelope.At(recipient);
        int length = Machine.Write(into, envelope.ReversePath, named.Mailbox);
        SmtpExtensions offered = Machine.Capabilities.Extensions;
        if (length == 0 || (offered & (SmtpExtensions.Dsn | SmtpExtensions.SmtpUtf8)) == 0)
        {
            return length;
        }
        return recipient >= 0 ? DsnParameters.AddToRcpt(into, length, envelope, named, offered)
            : mail ? DsnParameters.AddToMail(into, length, envelope, offered)
            : length;
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<SendStep> ReadReplyAsync()
    {
        PipeReader input = _link!.Input;
        Arm(TimeoutOf(Machine.Stage));
        while (true)
        {
            ReadResult read = await input.ReadAsync();
            ReadOnlySpan<byte> bytes = read.Buffer.FirstSpan;
            SendStep step = Feed(bytes, out int consumed, out bool answered);
            SequencePosition end = read.Buffer.GetPosition(consumed);
            if (step == SendStep.Done && Machine.HasFollowing)
            {
                // What is left is the answers to the envelope behind the dot.
                input.AdvanceTo(end);
                return step;
            }
            input.AdvanceTo(end, read.Buffer.End);
            if (step != SendStep.Read)
            {
                return consumed < bytes.Length ? OnOutOfTurn(step, bytes[consumed..]) : step;
            }
            if (read.IsCompleted)
            {
                return _cutBy == OutcomeCause.None && Machine.IsTlsUnproved && _link!.TlsProblem is { } problem
                    ? Machine.TlsFailed(Encoding.UTF8.GetBytes("TLS handshake: " + FailureText.OfTls(problem)))
                    : Machine.Lost(LossCause());
            }
            if (answered)
            {
                // Each of a flight's replies has its own time (RFC 5321 4.5.3.2), and a reply that drips has one for all of it.
                Arm(TimeoutOf(Machine.Stage));
            }
        }
    }

    private SendStep Feed(ReadOnlySpan<byte> bytes, out int consumed, out bool answered)
    {
        consumed = 0;
        answered = false;
        while (consumed < bytes.Length)
        {
            bool secret = Machine.Stage == SmtpStage.Auth;
            SendStep step = Machine.Receive(bytes[consumed..], out int taken);
            Tap.Reply(bytes.Slice(consumed, taken), secret);
            consumed += taken;
            answered |= Machine.HasWholeReply;
            if (step != SendStep.Read || taken == 0)
            {
                return step;
            }
        }
        return SendStep.Read;
    }

    // The peer said more than was asked. A finished transaction stands, but for refusals that may be another's; anything else cannot
    // go on. 421 may come at any time (RFC 5321 3.8).
    private SendStep OnOutOfTurn(SendStep step, ReadOnlySpan<byte> more)
    {
        IsOutOfTurn = true;
        if (step == SendStep.Done && !more.StartsWith("421"u8))
        {
            Machine.WasOutOfTurn();
        }
        return step is SendStep.Done or SendStep.Closed or SendStep.StartTls ? step : Machine.Lost(OutcomeCause.BadReply);
    }

    private bool TryNext(out ReadOnlyMemory<byte> piece) => _sevenBit is null ? _body!.TryNext(out piece) : _sevenBit.TryNext(out piece);

    private static bool IsQuietInBody(Link link)
    {
        if (!link.Input.TryRead(out ReadResult read))
        {
            return true;
        }
        // Left for the read that follows.
        link.Input.AdvanceTo(read.Buffer.Start, read.Buffer.Start);
        return false;
    }

    private static void WriteEnd(PipeWriter output, ReadOnlySpan<byte> last)
    {
        Span<byte> into = output.GetSpan(last.Length + 3);
        last.CopyTo(into);
        ".\r\n"u8.CopyTo(into[last.Length..]);
        output.Advance(last.Length + 3);
    }

    /// <summary>Cuts the link unless a reply comes in its time.</summary>
    public void ArmFor(SmtpStage stage) => Arm(TimeoutOf(stage));

    private void Arm(int delayMs)
    {
        _timed = true;
        _timer.After(delayMs);
    }

    /// <summary>Nothing is waited for.</summary>
    public void Disarm()
    {
        _timed = false;
        _timer.Cancel();
    }

    /// <summary>Why the connection was lost: by us, or by the peer.</summary>
    public OutcomeCause LossCause() => _cutBy == OutcomeCause.None ? OutcomeCause.ConnectionLost : _cutBy;

    private int TimeoutOf(SmtpStage stage) => stage switch
    {
        SmtpStage.Data => Limits.DataReplyTimeoutMs,
        SmtpStage.Dot => Limits.FinalDotTimeoutMs,
        SmtpStage.Quit => QuitTimeoutMs,
        _ => Limits.CommandTimeoutMs,
    };
}
