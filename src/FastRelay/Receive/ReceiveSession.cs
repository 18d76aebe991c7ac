using System.Buffers;
using System.IO.Pipelines;
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

    /// <summary>Replies gathered before they are flushed although more commands are buffered.</summary>
    private const int GatheredReplies = Link.WriteBufferBytes - (2 * ReceiveMachine.ReplyBytes);

    private readonly Receiver _receiver;
    private readonly ReceiveMachine _machine;
    private readonly EnvelopeBuilder _envelope = new();
    private readonly MessageReceiver _message;
    private readonly Signal<Link> _next;
    private readonly Signal<bool> _turn;
    private readonly SessionClock _clock;
    private readonly Sleeper _delay;
    private readonly byte[] _peer = new byte[64];
    private Link _link = null!;
    private ListenConfig _listener = null!;
    private PasswordCheck? _password;
    private LineScanner _lines;
    private int _gathered;
    private long _octets;
    private int _delayMs;

    public ReceiveSession(Receiver receiver)
    {
        _receiver = receiver;
        Loop loop = receiver.World.Loop;
        _next = new Signal<Link>(loop);
        _turn = new Signal<bool>(loop);
        _clock = new SessionClock(loop);
        _delay = new Sleeper(loop);
        _machine = new ReceiveMachine(receiver.Options, _envelope) { AuthEnded = (exchange, verdict) => receiver.Authenticated(_link, exchange, verdict) };
        _message = new MessageReceiver(receiver, _machine, _envelope);
    }

    private Limits Limits => _machine.Options.Limits;

    /// <summary>True when the connection may be ended without breaking a promise: no message is under way.</summary>
    private bool IsIdle => _clock.Waiting == SessionWait.Command && !_machine.InTransaction;

    /// <summary>Starts the session's life; called once.</summary>
    public void Live() => _ = LiveAsync();

    /// <summary>Hands it a connection; the session must be resting.</summary>
    public void Serve(Link link, ListenConfig listener)
    {
        _listener = listener;
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
        _delay.Wake();
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
                _receiver.Ended(this, _link, _machine.Messages);
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
        while (open)
        {
            if (_receiver.Draining && !_machine.InTransaction)
            {
                Reply(Replies.ShuttingDown);
                await FlushAsync();
                break;
            }
            Wait(SessionWait.Command, Limits.IdleTimeoutMs);
            ReadResult read = await _link.Input.ReadAsync();
            _clock.Done();
            if (read.IsCanceled)
            {
                _link.Input.AdvanceTo(read.Buffer.Start, read.Buffer.End);
                Reply(_receiver.Draining ? Replies.ShuttingDown : Replies.TimedOut);
                await FlushAsync();
                break;
            }
            ReceiveAction action = Answer(read.Buffer, out long consumed, out bool more);
            // What follows a BDAT is its content and has not been looked at.
            bool unseen = more || action != ReceiveAction.Continue;
            _link.Input.AdvanceTo(read.Buffer.GetPosition(consumed), unseen ? read.Buffer.GetPosition(consumed) : read.Buffer.End);
            if (_delayMs > 0)
            {
                await _delay.SleepAsync(_delayMs);
            }
            // One write for all replies, but none held back while the client waits for it.
            open = await FlushAsync();
            if (!open)
            {
                break;
            }
            open = action != ReceiveAction.Continue ? await ActAsync(action)
                : more ? await YieldAsync()
                : !read.IsCompleted;
        }
        _message.Abandon();
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
                _message.Begin(_link);
                return ReceiveMessageAsync();
            case ReceiveAction.Chunk:
                _message.BeginChunk(_link, _octets);
                return ReceiveMessageAsync();
            case ReceiveAction.SkipChunk:
                _message.SkipChunk(_octets);
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
        ValueTask<bool> turn = _turn.WaitAsync();
        _turn.Set(true);
        return turn;
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<bool> OpenAsync()
    {
        if (_listener.Tls == ListenTls.Implicit && !await HandshakeAsync())
        {
            return false;
        }
        Start();
        return await FlushAsync();
    }

    private void Start()
    {
        _delayMs = 0;
        _gathered = 0;
        _lines.Reset();
        int length = Observe.LogLine.Format(_link.Remote, _peer);
        bool trusted = _machine.Options.Policy.Trusts(_link.Remote.Address);
        Span<byte> reply = _link.Output.GetSpan(ReceiveMachine.ReplyBytes);
        Gather(_machine.Start(_peer.AsSpan(0, length), trusted, _listener, _receiver.Users, reply));
    }

    /// <summary>Answers the lines that are whole, up to one that needs the driver.</summary>
    private ReceiveAction Answer(in ReadOnlySequence<byte> buffer, out long consumed, out bool more)
    {
        ReadOnlySpan<byte> input = buffer.FirstSpan;
        consumed = 0;
        more = false;
        _delayMs = 0;
        for (int commands = 0; ; commands++)
        {
            if (commands == CommandsPerTurn || _gathered > GatheredReplies)
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
            bool wasInTransaction = _machine.InTransaction;
            Span<byte> reply = _link.Output.GetSpan(ReceiveMachine.ReplyBytes);
            ReceiveStep step = _machine.Step(status, line, _receiver.Journal.Admission, reply);
            if (step.ReplyLength > 0)
            {
                _receiver.Count(reply);
            }
            Gather(step.ReplyLength);
            _octets = step.Octets;
            if (wasInTransaction && !_machine.InTransaction)
            {
                // RSET, EHLO or a refusal between two chunks.
                _message.Abandon();
            }
            if (!wasInTransaction && _machine.InTransaction)
            {
                _clock.BeginTransaction(Limits.TransactionTimeoutMs);
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
        while (!_message.ChunkIsRead)
        {
            Wait(SessionWait.Data, Limits.DataTimeoutMs);
            ReadResult read = await _link.Input.ReadAsync();
            _clock.Done();
            if (read.IsCanceled)
            {
                _link.Input.AdvanceTo(read.Buffer.Start, read.Buffer.End);
                _message.Abandon();
                Reply(Replies.TimedOut);
                await FlushAsync();
                return false;
            }
            int offset = 0;
            bool ended = false;
            while (!ended && offset < read.Buffer.Length)
            {
                ended = _message.Take(read.Buffer.FirstSpan[offset..], out int used);
                offset += used;
                if (_message.IsFull)
                {
                    await _message.FlushAsync();
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
                _message.Abandon();
                return false;
            }
        }
        bool isWhole = !_message.InChunk || _message.EndChunk();
        if (isWhole)
        {
            // The commit is never given up: a client that leaves now has its message delivered all the same.
            await _message.CommitAsync();
        }
        Span<byte> reply = _link.Output.GetSpan(ReceiveMachine.ReplyBytes);
        ReceiveStep step = isWhole ? new ReceiveStep(ReceiveAction.Continue, _message.Reply(reply)) : _message.ReplyToChunk(reply);
        if (!_machine.InTransaction)
        {
            _message.Abandon();
        }
        _receiver.Count(reply);
        Gather(step.ReplyLength);
        return await FlushAsync() && step.Action != ReceiveAction.Close;
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<bool> StartTlsAsync()
    {
        bool ok = await HandshakeAsync();
        if (ok)
        {
            _machine.TlsStarted();
        }
        return ok;
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<bool> HandshakeAsync()
    {
        Wait(SessionWait.Handshake, Limits.TlsHandshakeTimeoutMs);
        TlsResult result = await _link.StartTlsAsync(_receiver.Tls!);
        _clock.Done();
        _lines.Reset();
        _receiver.TlsStarted(_link, result);
        return result.Ok;
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<bool> CheckPasswordAsync()
    {
        _password ??= new PasswordCheck(_receiver.World.Loop);
        bool matches = await _password.RunAsync(_receiver.World.Offload, _machine.Exchange!.Verifier, _machine.Exchange.Password);
        ReceiveStep step = Gathered(matches);
        if (step.DelayMs > 0)
        {
            await _delay.SleepAsync(step.DelayMs);
        }
        return await FlushAsync() && step.Action != ReceiveAction.Close;
    }

    private ReceiveStep Gathered(bool passwordMatches)
    {
        Span<byte> reply = _link.Output.GetSpan(ReceiveMachine.ReplyBytes);
        ReceiveStep step = _machine.PasswordChecked(passwordMatches, reply);
        _receiver.Count(reply);
        Gather(step.ReplyLength);
        return step;
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<bool> FlushAsync()
    {
        _gathered = 0;
        Wait(SessionWait.Flush, Limits.IdleTimeoutMs);
        FlushResult flush = await _link.Output.FlushAsync();
        _clock.Done();
        return !flush.IsCompleted;
    }

    private void Reply(ReadOnlySpan<byte> text)
    {
        text.CopyTo(_link.Output.GetSpan(text.Length));
        Gather(text.Length);
    }

    private void Gather(int length)
    {
        _link.Output.Advance(length);
        _gathered += length;
    }

    private void Wait(SessionWait what, long timeoutMs) => _clock.Wait(what, timeoutMs, _machine.InTransaction);
}
