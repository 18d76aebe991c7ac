using FastRelay.Smtp;

namespace FastRelay.Load;

/// <summary>
/// The source's half of one connection: replies in, commands out. Pure: no IO, no clock, no await. With pipelining the
/// envelope goes out in flights of at most <see cref="FlightRecipients"/> recipients (RFC 2920 3.1 leaves the size to
/// the client), so that neither side's buffers can fill while the other waits.
/// </summary>
public sealed class LoadMachine(LoadCommands commands, bool pipelining, LoadTls tls, ReplyTally replies)
{
    /// <summary>RCPT commands of a flight.</summary>
    public const int FlightRecipients = 32;

    /// <summary>Room that the commands of a step need, octets: a flight of the longest paths, MAIL and DATA.</summary>
    public const int CommandBytes = 14 * 1024;

    private State _state;
    private bool _secured;
    private bool _authenticated;
    private bool _mayPipeline;
    private long _sequence;
    private int _sent;
    private int _answered;
    private bool _mailSent;
    private bool _mailAnswered;
    private bool _mailAccepted;
    private bool _dataSent;
    private DialogueStage _lastStage;
    private int _lastCode;

    private enum State : byte
    {
        Banner,
        Ehlo,
        Helo,
        StartTls,
        Auth,
        Ready,
        Envelope,
        Dot,
        Reset,
        Noop,
        Quit,
        Closed,
    }

    /// <summary>What became of the message that <see cref="Begin"/> began.</summary>
    public LoadOutcome Outcome { get; private set; }

    /// <summary>Recipients of this message that the server took.</summary>
    public int RecipientsAccepted { get; private set; }

    /// <summary>Recipients of this message that it did not.</summary>
    public int RecipientsRefused { get; private set; }

    /// <summary>The dialogue got as far as MAIL would.</summary>
    public bool Greeted { get; private set; }

    /// <summary>The last reply of this connection, in words.</summary>
    public string LastReply => _lastCode == 0 ? "no banner came" : $"{_lastCode} to {_lastStage.ToString().ToLowerInvariant()}";

    /// <summary>The last NOOP was answered 250.</summary>
    public bool NoopAnswered { get; private set; }

    /// <summary>The content may be sent with recipients behind it; else the lone dot must.</summary>
    public bool HasContent => _mailAccepted && RecipientsAccepted > 0;

    /// <summary>Starts a connection: a banner is awaited.</summary>
    public LoadStep Start(bool secured)
    {
        _state = State.Banner;
        _secured = secured;
        _authenticated = false;
        _mayPipeline = false;
        Greeted = false;
        NoopAnswered = false;
        Outcome = LoadOutcome.None;
        _lastCode = 0;
        return LoadStep.Read;
    }

    /// <summary>TLS is up; EHLO comes again (RFC 3207 4.2).</summary>
    public LoadStep TlsStarted(Span<byte> into, out int written)
    {
        _secured = true;
        return Say(State.Ehlo, commands.Ehlo, into, out written);
    }

    /// <summary>Begins a message; the machine must be ready.</summary>
    public LoadStep Begin(long sequence, Span<byte> into, out int written)
    {
        Check.That(_state == State.Ready);
        _state = State.Envelope;
        _sequence = sequence;
        _sent = _answered = 0;
        _mailSent = _mailAnswered = _mailAccepted = _dataSent = false;
        RecipientsAccepted = RecipientsRefused = 0;
        Outcome = LoadOutcome.None;
        written = 0;
        return Flight(into, ref written);
    }

    /// <summary>The content and its dot are on their way.</summary>
    public LoadStep ContentSent()
    {
        _state = State.Dot;
        return LoadStep.Read;
    }

    /// <summary>NOOP.</summary>
    public LoadStep Noop(Span<byte> into, out int written) => Say(State.Noop, "NOOP\r\n"u8, into, out written);

    /// <summary>QUIT.</summary>
    public LoadStep Quit(Span<byte> into, out int written) => Say(State.Quit, "QUIT\r\n"u8, into, out written);

    /// <summary>The connection is gone.</summary>
    public LoadStep Lose()
    {
        if (_state is State.Envelope or State.Dot)
        {
            Outcome = LoadOutcome.Lost;
        }
        _state = State.Closed;
        return LoadStep.Closed;
    }

    /// <summary>Takes one reply.</summary>
    /// <param name="code">200 to 599.</param>
    /// <param name="offers">What EHLO offered, when this answers it.</param>
    /// <param name="into">At least <see cref="CommandBytes"/>.</param>
    /// <param name="written">Octets of commands that go out.</param>
    public LoadStep Reply(int code, in EhloCapabilities offers, Span<byte> into, out int written)
    {
        written = 0;
        _lastStage = Stage();
        _lastCode = code;
        replies.Count(_lastStage, code);
        if (code == 421)
        {
            Outcome = _state is State.Envelope or State.Dot ? LoadOutcome.Refused : Outcome;
            _state = State.Closed;
            return LoadStep.Closed;
        }
        switch (_state)
        {
            case State.Banner:
                return code == 220 ? Say(State.Ehlo, commands.Ehlo, into, out written) : Close();
            case State.Ehlo when code != 250:
                return Say(State.Helo, commands.Helo, into, out written);
            case State.Ehlo:
                _mayPipeline = pipelining && offers.Has(SmtpExtensions.Pipelining);
                return Greet(into, out written);
            case State.Helo:
                return code == 250 ? Greet(into, out written) : Close();
            case State.StartTls:
                return code == 220 ? LoadStep.StartTls : Close();
            case State.Auth:
                _authenticated = code == 235;
                return _authenticated ? Ready() : Close();
            case State.Envelope:
                return Envelope(code, into, ref written);
            case State.Dot:
                Outcome = code / 100 == 2 && HasContent ? LoadOutcome.Accepted : LoadOutcome.Refused;
                return Ready();
            case State.Reset:
                return code == 250 ? Ready() : Close();
            case State.Noop:
                NoopAnswered = code == 250;
                return Ready();
            default:
                return Close();
        }
    }

    /// <summary>The stage that the next reply answers.</summary>
    public DialogueStage Stage() => _state switch
    {
        State.Banner => DialogueStage.Banner,
        State.Ehlo or State.Helo => DialogueStage.Ehlo,
        State.StartTls => DialogueStage.StartTls,
        State.Auth => DialogueStage.Auth,
        State.Envelope => !_mailAnswered ? DialogueStage.Mail : _answered < _sent ? DialogueStage.Rcpt : DialogueStage.Data,
        State.Dot => DialogueStage.Dot,
        State.Quit => DialogueStage.Quit,
        _ => DialogueStage.Other,
    };

    private LoadStep Greet(Span<byte> into, out int written)
    {
        if (tls == LoadTls.StartTls && !_secured)
        {
            return Say(State.StartTls, "STARTTLS\r\n"u8, into, out written);
        }
        if (commands.Auth.Length > 0 && !_authenticated)
        {
            return Say(State.Auth, commands.Auth, into, out written);
        }
        written = 0;
        return Ready();
    }

    private LoadStep Envelope(int code, Span<byte> into, ref int written)
    {
        if (!_mailAnswered)
        {
            _mailAnswered = true;
            _mailAccepted = code / 100 == 2;
            if (!_mailAccepted && _sent == 0)
            {
                RecipientsRefused = commands.Recipients;
                Outcome = LoadOutcome.Refused;
                return Ready();
            }
        }
        else if (_answered < _sent)
        {
            _answered++;
            bool accepted = code / 100 == 2;
            RecipientsAccepted += accepted ? 1 : 0;
            RecipientsRefused += accepted ? 0 : 1;
        }
        else if (code == 354)
        {
            return LoadStep.Content;
        }
        else
        {
            Outcome = LoadOutcome.Refused;
            return _mailAccepted ? Say(State.Reset, "RSET\r\n"u8, into, out written) : Ready();
        }
        if (_answered < _sent || _dataSent)
        {
            return LoadStep.Read;
        }
        if (_sent == commands.Recipients && RecipientsAccepted == 0)
        {
            // Without pipelining there is no DATA on its way, and none is needed.
            Outcome = LoadOutcome.Refused;
            return Say(State.Reset, "RSET\r\n"u8, into, out written);
        }
        return Flight(into, ref written);
    }

    /// <summary>Writes what may go without waiting: one command, or with pipelining as many recipients as fit a flight.</summary>
    private LoadStep Flight(Span<byte> into, ref int written)
    {
        if (!_mailSent)
        {
            _mailSent = true;
            written = Put(commands.Mail, into, written);
            if (!_mayPipeline)
            {
                return LoadStep.Read;
            }
        }
        int last = Math.Min(commands.Recipients, _sent + (_mayPipeline ? FlightRecipients : 1));
        bool sendsRecipients = _sent < commands.Recipients;
        for (; _sent < last; _sent++)
        {
            written = Put(commands.Rcpt(_sequence, _sent), into, written);
        }
        if (_sent == commands.Recipients && (_mayPipeline || !sendsRecipients))
        {
            _dataSent = true;
            written = Put("DATA\r\n"u8, into, written);
        }
        return LoadStep.Read;
    }

    private LoadStep Ready()
    {
        Greeted = true;
        _state = State.Ready;
        return LoadStep.Ready;
    }

    private LoadStep Close()
    {
        _state = State.Closed;
        return LoadStep.Closed;
    }

    private LoadStep Say(State state, ReadOnlySpan<byte> command, Span<byte> into, out int written)
    {
        _state = state;
        written = Put(command, into, 0);
        return LoadStep.Read;
    }

    private static int Put(ReadOnlySpan<byte> command, Span<byte> into, int at)
    {
        command.CopyTo(into[at..]);
        return at + command.Length;
    }
}
