using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Runtime.CompilerServices;
using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Outside;
using FastRelay.Smtp;

namespace FastRelay.Receive;

/// <summary>
/// Drives one <see cref="ReceiveMachine"/> over one <see cref="Link"/> at a time: bytes to lines to replies, and
/// messages into the journal. A session object lives as long as the relay and serves one connection after another, so
/// that a connection allocates nothing. Replies to pipelined commands leave in one write (RFC 2920 3.2).
/// </summary>
internal sealed class ReceiveSession
{
    /// <summary>Commands answered before the session lets others run, although more are buffered.</summary>
    private const int CommandsPerTurn = 64;

    private readonly Receiver _receiver;
    private readonly ReceiveMachine _machine;
    private readonly EnvelopeBuilder _envelope = new();
    private readonly Signal<Link> _next;
    private readonly SessionClock _clock;
    private readonly SessionOutput _output;
    // Not before they are needed: thousands of sessions are silent, and these are half of what one would cost.
    private MessageReceiver? _message;
    private PasswordCheck? _password;
    private Signal<bool>? _turn;
    private Sleeper? _delay;
    private Link _link = null!;
    private IPEndPoint _client = null!;
    private ProxiedKind _kind;
    private bool _admitted;
    private string? _certificate;
    private ListenConfig _listener = null!;
    private LineScanner _lines;
    private long _octets;
    private int _delayMs;
    private ContentPace _pace;

    public ReceiveSession(Receiver receiver)
    {
        _receiver = receiver;
        _next = new Signal<Link>(Loop);
        _clock = new SessionClock(Loop);
        _output = new SessionOutput(_clock, receiver.Tap());
        _machine = new ReceiveMachine(receiver.Options, _envelope) { AuthEnded = (exchange, verdict) => receiver.Authenticated(_client, exchange, verdict), MayGoOn = rate => receiver.MayGoOn(_client, rate, known: _kind != ProxiedKind.Unknown) };
    }

    private Limits Limits => _machine.Options.Limits;

    private Loop Loop => _receiver.World.Loop;

    private MessageReceiver Message => _message ??= new MessageReceiver(_receiver, _machine, _envelope);

    private Sleeper Delay => _delay ??= new Sleeper(Loop);

    /// <summary>True when the connection may be ended without breaking a promise: no message is under way.</summary>
    private bool IsIdle => _clock.Waiting == SessionWait.Command && !_machine.InTransaction;

    /// <summary>Starts the session's life; called once.</summary>
    public void Live() => _ = LiveAsync();

    /// <summary>Hands it a connection, admitted unless a proxy will say for whom it is; the session must be resting.</summary>
    public void Serve(Link link, ListenConfig listener)
    {
        _listener = listener;
        _client = link.Remote;
        _admitted = listener.Proxies is null;
        _next.Set(link);
    }

    /// <summary>The relay stops: says 421 as soon as no message is under way.</summary>
    public void Drain()
    {
        if (_link is not null && IsIdle)
        {
            _link.CancelRead();
        }
    }

    /// <summary>Ends the connection at once.</summary>
    public void Abort()
    {
        _link?.Abort();
        _delay?.Wake();
    }

    private async Task LiveAsync()
    {
        try
        {
            while (true)
            {
                _link = await _next.WaitAsync();
                _clock.Start(_link);
                _machine.Options = _receiver.Options;
                await ServeAsync();
                _clock.Stop();
                _receiver.Ended(this, _client, _admitted, _machine.Messages, _clock);
                _link = null!;
            }
        }
        catch (Exception broken)
        {
            // What a client or the network does never throws: this is a defect of ours, and a session that is gone unseen
            // would keep its place and its message for ever.
            Check.Fatal("a receive session failed: " + broken);
        }
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask ServeAsync()
    {
        bool open = await OpenAsync();
        _clock.ExpectCommand(Limits.IdleTimeoutMs);
        while (open)
        {
            if (_receiver.Draining && !_machine.InTransaction)
            {
                _output.Bye(SessionEnd.Shutdown);
                await FlushAsync();
                break;
            }
            _clock.WaitForCommand(_machine.InTransaction);
            ReadResult read = await _link.Input.ReadAsync();
            _clock.Done();
            if (read.IsCanceled)
            {
                _link.Input.AdvanceTo(read.Buffer.Start, read.Buffer.End);
                _output.Bye(_receiver.Draining ? SessionEnd.Shutdown : SessionEnd.Timeout);
                await FlushAsync();
                break;
            }
            ReceiveAction action = Answer(read.Buffer, out long consumed, out int commands, out bool more);
            // What follows a BDAT is its content and has not been looked at.
            bool unseen = more || action != ReceiveAction.Continue;
            _link.Input.AdvanceTo(read.Buffer.GetPosition(consumed), unseen ? read.Buffer.GetPosition(consumed) : read.Buffer.End);
            if (_delayMs > 0)
            {
                await Delay.SleepAsync(_delayMs);
            }
            // One write for all replies, but none held back while the client waits for it.
            open = await FlushAsync() && (action != ReceiveAction.Continue ? await ActAsync(action)
                : more ? await YieldAsync()
                : !read.IsCompleted);
            if (commands > 0)
            {
                // By whole commands and not by octets: a line that drips or never ends is silence.
                _clock.ExpectCommand(Limits.IdleTimeoutMs);
            }
        }
        _message?.Abandon();
        _machine.End();
        _link.Close();
    }

    /// <summary>Does what a command asks of the driver.</summary>
    /// <returns>False when the session ends.</returns>
    private ValueTask<bool> ActAsync(ReceiveAction action)
    {
        switch (action)
        {
            case ReceiveAction.Data:
                Message.Begin(_link, _client.Address);
                return ReceiveMessageAsync();
            case ReceiveAction.Chunk:
                Message.BeginChunk(_link, _client.Address, _octets);
                return ReceiveMessageAsync();
            case ReceiveAction.SkipChunk:
                Message.SkipChunk(_octets);
                return ReceiveMessageAsync();
            case ReceiveAction.CheckPassword:
                return CheckPasswordAsync();
            case ReceiveAction.StartTls:
                return StartTlsAsync();
            default:
                return new ValueTask<bool>(false);
        }
    }

    /// <summary>Lets others run first: waiting before setting sends the session to the end of the run queue.</summary>
    private ValueTask<bool> YieldAsync()
    {
        _turn ??= new Signal<bool>(Loop);
        ValueTask<bool> turn = _turn.WaitAsync();
        _turn.Set(true);
        return turn;
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<bool> OpenAsync()
    {
        _machine.Reset();
        _kind = ProxiedKind.Client;
        if (_listener.Proxies is not null)
        {
            ProxyOpening opening = await ProxyOpening.ReadAsync(_link, _clock, _receiver);
            (_kind, _client, _admitted) = (opening.Kind, opening.Client, opening.Admitted);
            if (!_admitted)
            {
                return false;
            }
        }
        _certificate = null;
        if (_listener.Tls == ListenTls.Implicit && !await HandshakeAsync(keepInput: _listener.Proxies is not null))
        {
            return false;
        }
        Start();
        return await FlushAsync();
    }

    private void Start()
    {
        // Anew for each message, not for each of its chunks: a minute's window would never end.
        _pace = new ContentPace(Limits.MinimumRateBytes);
        _lines.Reset();
        Span<byte> peer = stackalloc byte[ReceiveClient.PeerMax];
        int length = Observe.LogLine.Format(_client, peer);
        // A client that its proxy cannot name is not the proxy.
        bool trusted = _kind != ProxiedKind.Unknown && _machine.Options.Policy.Trusts(_client.Address);
        _output.Start(_link, _client, Limits.IdleTimeoutMs);
        Span<byte> reply = _output.Room();
        _output.Gather(_machine.Start(peer[..length], trusted, _listener, _receiver.Users, reply, _certificate, _kind == ProxiedKind.Unknown ? null : _client.Address));
    }

    /// <summary>Answers the lines that are whole, up to one that needs the driver.</summary>
    private ReceiveAction Answer(in ReadOnlySequence<byte> buffer, out long consumed, out int commands, out bool more)
    {
        ReadOnlySpan<byte> input = buffer.FirstSpan;
        (consumed, commands, more, _delayMs) = (0, 0, false, 0);
        while (true)
        {
            // When the relay stops, what a client sent ahead starts no new transaction.
            bool stops = commands > 0 && _receiver.Draining && !_machine.InTransaction;
            if (commands == CommandsPerTurn || _output.IsFull || stops)
            {
                more = true;
                return ReceiveAction.Continue;
            }
            ScanStatus status = _lines.Next(input[(int)consumed..], _machine.LineBytes, out int length, out int used);
            ReadOnlySpan<byte> line = status == ScanStatus.Line ? input.Slice((int)consumed, length) : default;
            consumed += used;
            if (status == ScanStatus.NeedMore)
            {
                return ReceiveAction.Continue;
            }
            commands++;
            if (status == ScanStatus.Tail)
            {
                continue;
            }
            bool secret = _machine.Exchange is not null;
            _output.Heard(status, line, secret);
            bool wasInTransaction = _machine.InTransaction;
            Envelope before = RejectLog.Before(_envelope);
            Span<byte> reply = _output.Room();
            _machine.Users = _receiver.Users;
            ReceiveStep step = _machine.Step(status, line, _receiver.Journal.Admission, reply);
            _receiver.Rejects.Line(_clock, _client, step, reply, line, secret, before);
            _output.Gather(step.ReplyLength);
            _octets = step.Octets;
            if (wasInTransaction && !_machine.InTransaction)
            {
                // RSET, EHLO or a refusal between two chunks.
                _message?.Abandon();
            }
            if (!wasInTransaction && _machine.InTransaction)
            {
                _clock.BeginTransaction(Limits.TransactionTimeoutMs);
                _pace = new ContentPace(Limits.MinimumRateBytes);
            }
            _delayMs = step.DelayMs;
            if (step.Action != ReceiveAction.Continue)
            {
                return step.Action;
            }
            if (_delayMs > 0)
            {
                more = true;
                return ReceiveAction.Continue;
            }
        }
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<bool> ReceiveMessageAsync()
    {
        while (!Message.ChunkIsRead)
        {
            Wait(SessionWait.Data, Limits.DataTimeoutMs);
            long beganMs = Loop.NowMs;
            ReadResult read = await _link.Input.ReadAsync();
            _clock.Done();
            if (read.IsCanceled || _pace.IsTooSlow(Loop.NowMs - beganMs, read.Buffer.Length))
            {
                _link.Input.AdvanceTo(read.Buffer.Start, read.Buffer.End);
                _message?.Abandon();
                _output.Bye(SessionEnd.Timeout);
                await FlushAsync();
                return false;
            }
            int offset = 0;
            bool ended = false;
            while (!ended && offset < read.Buffer.Length)
            {
                ended = Message.Take(read.Buffer.FirstSpan[offset..], out int used);
                offset += used;
                if (Message.IsFull)
                {
                    await Message.FlushAsync();
                }
            }
            _link.Input.AdvanceTo(read.Buffer.GetPosition(offset));
            if (ended)
            {
                break;
            }
            if (read.IsCompleted)
            {
                // No final dot, no message (RFC 5321 4.1.1.4): nothing of it is delivered.
                _message?.Abandon();
                return false;
            }
        }
        bool isWhole = !Message.InChunk || Message.EndChunk();
        if (isWhole)
        {
            // The commit is never given up: a client that leaves now has its message delivered all the same.
            await Message.CommitAsync();
        }
        Envelope before = RejectLog.Before(_envelope);
        Span<byte> reply = _output.Room();
        ReceiveStep step = isWhole ? new ReceiveStep(ReceiveAction.Continue, Message.Reply(reply)) : Message.ReplyToChunk(reply);
        if (!_machine.InTransaction)
        {
            _message?.Abandon();
        }
        _receiver.Rejects.Answer(_clock, _client, step, reply, "data"u8, before);
        _output.Gather(step.ReplyLength);
        return await FlushAsync() && step.Action != ReceiveAction.Close;
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<bool> StartTlsAsync()
    {
        bool ok = await HandshakeAsync(keepInput: false);
        if (ok)
        {
            _machine.TlsStarted(_certificate);
        }
        return ok;
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<bool> HandshakeAsync(bool keepInput)
    {
        Wait(SessionWait.Handshake, Limits.TlsHandshakeTimeoutMs);
        TlsResult result = await _link.StartTlsAsync(_receiver.Tls!, keepInput);
        _clock.Done();
        _lines.Reset();
        _receiver.TlsStarted(_client, result);
        _output.Secured(_link, result);
        _certificate = _machine.Options.Policy.Trusted(result.PeerFingerprint);
        return result.Ok;
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<bool> CheckPasswordAsync()
    {
        _password ??= new PasswordCheck(Loop, _receiver.Passwords);
        bool? matches = await _password.MatchesAsync(_machine.Exchange!.Verifier, _machine.Exchange.Password, _client.Address, _link);
        ReceiveStep step = Gathered(matches);
        if (step.DelayMs > 0)
        {
            await Delay.SleepAsync(step.DelayMs);
        }
        return await FlushAsync() && step.Action != ReceiveAction.Close;
    }

    private ReceiveStep Gathered(bool? matches)
    {
        Span<byte> reply = _output.Room();
        ReceiveStep step = matches is { } known ? _machine.PasswordChecked(known, reply) : _machine.PasswordUnchecked(reply);
        _receiver.Rejects.Answer(_clock, _client, step, reply, "auth"u8, default);
        _output.Gather(step.ReplyLength);
        return step;
    }

    private ValueTask<bool> FlushAsync() => _output.FlushAsync(_machine.InTransaction);

    private void Wait(SessionWait what, long timeoutMs) => _clock.Wait(what, timeoutMs, _machine.InTransaction);
}
