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
/// messages into the journal. A session object is lent to a <see cref="ReceiveConnection"/> while its client speaks, and serves
/// another when that one is silent between two transactions, or at its end: there are as many as clients spoke at the same time,
/// and not as many as are connected. Replies to pipelined commands leave in one write (RFC 2920 3.2).
/// </summary>
internal sealed class ReceiveSession
{
    /// <summary>Commands answered before the session lets others run, although more are buffered.</summary>
    private const int CommandsPerTurn = 64;

    private readonly Receiver _receiver;
    private readonly ReceiveMachine _machine;
    private readonly EnvelopeBuilder _envelope = new();
    private readonly SessionOutput _output;
    private readonly Action _onServed;
    // Not before they are needed.
    private MessageReceiver? _message;
    private PasswordCheck? _password;
    private Signal<bool>? _turn;
    private Sleeper? _delay;
    private ReceiveConnection _connection = null!;
    private Link _link = null!;
    private SessionClock _clock = null!;
    private ValueTaskAwaiter<bool> _serving;
    private string? _certificate;
    private LineScanner _lines;
    private long _octets;
    private int _delayMs;
    private ContentPace _pace;

    public ReceiveSession(Receiver receiver)
    {
        _receiver = receiver;
        _onServed = Served;
        _output = new SessionOutput(receiver.Tap());
        _machine = new ReceiveMachine(receiver.Options, _envelope) { AuthEnded = (exchange, verdict) => receiver.Authenticated(Peer, exchange, verdict), MayGoOn = rate => receiver.MayGoOn(Peer, rate, known: _connection.Kind != ProxiedKind.Unknown) };
    }

    private Limits Limits => _machine.Options.Limits;

    private Loop Loop => _receiver.World.Loop;

    private MessageReceiver Message => _message ??= new MessageReceiver(_receiver, _machine, _envelope);

    private Sleeper Delay => _delay ??= new Sleeper(Loop);

    private IPEndPoint Peer => _connection.Peer;

    /// <summary>A message is being made durable: its client is owed the answer.</summary>
    public bool IsCommitting => _message is { IsCommitting: true };

    // Nothing is under way but what the connection keeps. Who watches a trace may have seen something of it that it does not.
    private bool CanRest => _machine.IsAtRest && _lines.IsAtRest && !_output.IsWatched;

    /// <summary>Ends a delay early: the connection was cut, or the relay stops.</summary>
    public void Wake() => _delay?.Wake();

    /// <summary>Serves a connection until it rests or ends.</summary>
    /// <param name="connection">New, or one that was at rest.</param>
    /// <param name="begins">Where it came in when it is new.</param>
    public void Serve(ReceiveConnection connection, ListenConfig? begins)
    {
        connection.Session = this;
        (_connection, _link, _clock) = (connection, connection.Link, connection.Clock);
        _machine.Options = connection.Options;
        _pace = new ContentPace(Limits.MinimumRateBytes);
        _lines.Reset();
        if (begins is null)
        {
            _machine.Resume(connection.Client!, _receiver.Users);
            _output.Resume(connection);
        }
#pragma warning disable CA2012 // Consumed once, by Served: nobody awaits a session.
        _serving = ServeAsync(begins).GetAwaiter();
#pragma warning restore CA2012
        if (_serving.IsCompleted)
        {
            Served();
        }
        else
        {
            _serving.UnsafeOnCompleted(_onServed);
        }
    }

    private void Served()
    {
        bool rests = false;
        try
        {
            rests = _serving.GetResult();
        }
        catch (Exception broken)
        {
            // What a client or the network does never throws: this is a defect of ours, and a session that is gone unseen
            // would keep its place and its message for ever.
            Check.Fatal("a receive session failed: " + broken);
        }
        ReceiveConnection connection = _connection;
        connection.Session = null;
        _serving = default;
        (_connection, _link, _clock) = (null!, null!, null!);
        if (!rests)
        {
            _receiver.Ended(connection);
        }
        _receiver.Rest(this);
    }

    /// <returns>True when the connection rests: it wakes by itself.</returns>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<bool> ServeAsync(ListenConfig? begins)
    {
        bool open = true;
        if (begins is not null)
        {
            open = await OpenAsync(begins);
            _clock.ExpectCommand(Limits.IdleTimeoutMs);
        }
        while (open)
        {
            if (_receiver.Draining)
            {
                // To any command (RFC 5321 3.8), in a transaction too: what is not committed is owed to nobody.
                _output.Bye(SessionEnd.Shutdown);
                await FlushAsync();
                break;
            }
            _clock.WaitForCommand(_machine.InTransaction);
            if (CanRest && _link.WakeOnInput(_connection))
            {
                _connection.Mark = _output.Mark;
                return true;
            }
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
                : more ? await (_turn ??= new Signal<bool>(Loop)).YieldAsync(true)
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
        return false;
    }

    /// <summary>Does what a command asks of the driver.</summary>
    /// <returns>False when the session ends.</returns>
    private ValueTask<bool> ActAsync(ReceiveAction action)
    {
        switch (action)
        {
            case ReceiveAction.Data:
                Message.Begin(_link, Peer.Address);
                return ReceiveMessageAsync();
            case ReceiveAction.Chunk:
                Message.BeginChunk(_link, Peer.Address, _octets);
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

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<bool> OpenAsync(ListenConfig listener)
    {
        if (listener.Proxies is not null)
        {
            ProxyOpening opening = await ProxyOpening.ReadAsync(_link, _clock, _receiver);
            (_connection.Kind, _connection.Peer, _connection.Admitted) = opening;
            if (!opening.Admitted)
            {
                return false;
            }
        }
        _certificate = null;
        if (listener.Tls == ListenTls.Implicit && !await HandshakeAsync(keepInput: listener.Proxies is not null))
        {
            return false;
        }
        // A client that its proxy cannot name is not the proxy.
        bool known = _connection.Kind != ProxiedKind.Unknown;
        _output.Start(_connection);
        _output.Gather(_machine.Start(Peer, known && _machine.Options.Policy.Trusts(Peer.Address), listener, _receiver.Users, _output.Room(), _certificate, known ? Peer.Address : null));
        _connection.Client = _machine.Client;
        return await FlushAsync();
    }

    /// <summary>Answers the lines that are whole, up to one that needs the driver.</summary>
    private ReceiveAction Answer(in ReadOnlySequence<byte> buffer, out long consumed, out int commands, out bool more)
    {
        ReadOnlySpan<byte> input = buffer.FirstSpan;
        (consumed, commands, more, _delayMs) = (0, 0, false, 0);
        while (true)
        {
            // When the relay stops, what a client sent ahead is not begun.
            bool stops = commands > 0 && _receiver.Draining;
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
            _receiver.Rejects.Line(_clock, Peer, step, reply, line, secret, before);
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
                // Anew for each message, not for each of its chunks: a minute's window would never end.
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
                _output.Bye(read.IsCanceled && _receiver.Draining ? SessionEnd.Shutdown : SessionEnd.Timeout);
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
        _receiver.Rejects.Answer(_clock, Peer, step, reply, "data"u8, before);
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
        _receiver.TlsStarted(Peer, result);
        _clock.End = result.Ok || _clock.End == SessionEnd.Timeout ? _clock.End : SessionEnd.Tls;
        _output.Secured(_link, result);
        _certificate = _machine.Options.Policy.Trusted(result.PeerFingerprint);
        return result.Ok;
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<bool> CheckPasswordAsync()
    {
        _password ??= new PasswordCheck(Loop, _receiver.Passwords);
        bool? matches = await _password.MatchesAsync(_machine.Exchange!.Verifier, _machine.Exchange.Password, Peer.Address, _link);
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
        _receiver.Rejects.Answer(_clock, Peer, step, reply, "auth"u8, default);
        _output.Gather(step.ReplyLength);
        return step;
    }

    private ValueTask<bool> FlushAsync() => _output.FlushAsync(_machine.InTransaction);

    private void Wait(SessionWait what, long timeoutMs) => _clock.Wait(what, timeoutMs, _machine.InTransaction);
}
