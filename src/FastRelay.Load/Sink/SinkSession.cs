using System.Diagnostics;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using FastRelay.Outside;
using FastRelay.Smtp;

namespace FastRelay.Load;

/// <summary>
/// Drives one <see cref="SinkMachine"/> over one <see cref="Link"/> at a time. A session serves one connection after
/// another; replies to pipelined commands leave in one write (RFC 2920 3.2).
/// </summary>
internal sealed class SinkSession
{
    private const int LineBytes = 4096;
    private const int GatheredReplies = Link.WriteBufferBytes - (2 * SinkMachine.ReplyBytes);

    private readonly SinkServer _server;
    private readonly SinkMachine _machine;
    private readonly MessageCheck? _check;
    private readonly Signal<Link> _next;
    private readonly Sleeper _sleeper;
    private readonly byte[] _held = new byte[SinkMachine.ReplyBytes];
    private Link _link = null!;
    private LineScanner _lines;
    private EndOfData _end;
    private long _messageBytes;
    private long _dataTimestamp;
    private long _readTimestamp;
    private readonly int[] _answered = new int[(int)DialogueStage.Other + 1];
    private int _gathered;
    private bool _stalled;

    public SinkSession(SinkServer server)
    {
        _server = server;
        Loop loop = server.World.Loop;
        _next = new Signal<Link>(loop);
        _sleeper = new Sleeper(loop);
        _machine = new SinkMachine(server.Rules, server.Counters.Replies, server.Options.Tls is not null);
        _check = server.Options.Check ? new MessageCheck() : null;
        _ = LiveAsync();
    }

    /// <summary>Hands it a connection; the session must be resting.</summary>
    public void Serve(Link link) => _next.Set(link);

    /// <summary>Ends the connection at once.</summary>
    public void Abort()
    {
        _link?.Abort();
        _sleeper.Wake();
    }

    private async Task LiveAsync()
    {
        try
        {
            while (true)
            {
                _link = await _next.WaitAsync();
                await ServeAsync();
                _link.Close();
                _server.Ended(this, _link);
                _link = null!;
            }
        }
        catch (Exception broken)
        {
            // What a client or the network does never throws: this is a defect of ours.
            Check.Fatal("a sink session failed: " + broken);
        }
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask ServeAsync()
    {
        _gathered = 0;
        Array.Clear(_answered);
        _stalled = false;
        _lines.Reset();
        _end = default;
        _readTimestamp = Stopwatch.GetTimestamp();
        if (_server.Options.ImplicitTls && !await StartTlsAsync())
        {
            return;
        }
        SinkStep step = _machine.Start(_link.Local.Address, SinkServer.KeyOf(_link.Remote.Address), _server.Options.ImplicitTls, _server.World.Loop.NowMs, _link.Output.GetSpan(SinkMachine.ReplyBytes));
        bool open = await ObeyAsync(step) && await FlushAsync();
        while (open)
        {
            ReadResult read = await _link.Input.ReadAsync();
            _readTimestamp = Stopwatch.GetTimestamp();
            int offset = 0;
            while (open && Advance(read.Buffer.FirstSpan, ref offset, out step))
            {
                bool simple = step is { Action: SinkAction.Continue, DelayMs: 0 };
                if (simple)
                {
                    Gather(step.Length);
                }
                else if (step.Action == SinkAction.StartTls)
                {
                    // TLS replaces the input: what is buffered behind the command is dropped with it.
                    break;
                }
                else
                {
                    open = await ObeyAsync(step);
                }
                if (_gathered > GatheredReplies)
                {
                    open = open && await FlushAsync();
                }
            }
            _link.Input.AdvanceTo(read.Buffer.GetPosition(offset), read.Buffer.End);
            if (open && step.Action == SinkAction.StartTls)
            {
                open = await ObeyAsync(step) && await StartTlsAsync();
            }
            open = open && !read.IsCompleted && (_gathered == 0 || await FlushAsync());
        }
        if (_machine.InData || _machine.InChunks)
        {
            _server.Counters.Broken++;
        }
    }

    /// <summary>Takes the next line, or octets of a message.</summary>
    /// <returns>False when the input is used up.</returns>
    private bool Advance(ReadOnlySpan<byte> input, ref int offset, out SinkStep step)
    {
        step = default;
        if (_stalled || offset == input.Length)
        {
            offset = input.Length;
            return false;
        }
        if (_machine.ChunkLeft > 0)
        {
            TakeChunk(input, ref offset, ref step);
            return true;
        }
        if (_machine.InData)
        {
            bool ended = _end.Find(input[offset..], out int taken);
            _check?.Add(input.Slice(offset, taken));
            offset += taken;
            _messageBytes += taken;
            if (ended)
            {
                step = EndMessage(_link.Output.GetSpan(SinkMachine.ReplyBytes));
            }
            return true;
        }
        ScanStatus status = _lines.Next(input[offset..], LineBytes, out int length, out int used);
        ReadOnlySpan<byte> line = status == ScanStatus.Line ? input.Slice(offset, length) : default;
        offset += used;
        if (status == ScanStatus.NeedMore)
        {
            return false;
        }
        if (status == ScanStatus.Tail)
        {
            step = default;
            return true;
        }
        bool inChunks = _machine.InChunks;
        step = _machine.Step(status, line, _server.World.Loop.NowMs, _link.Output.GetSpan(SinkMachine.ReplyBytes));
        if (_machine.InData || (_machine.InChunks && !inChunks))
        {
            _messageBytes = 0;
            _dataTimestamp = _readTimestamp;
            _check?.Start(isPlain: _machine.InChunks);
        }
        if (_machine.LastIsChunk && _machine.ChunkLeft == 0)
        {
            step = EndChunk(_link.Output.GetSpan(SinkMachine.ReplyBytes));
        }
        return true;
    }

    private void TakeChunk(ReadOnlySpan<byte> input, ref int offset, ref SinkStep step)
    {
        int taken = (int)Math.Min(_machine.ChunkLeft, input.Length - offset);
        if (_machine.InChunks)
        {
            _check?.Add(input.Slice(offset, taken));
            _messageBytes += taken;
        }
        offset += taken;
        _machine.TookChunk(taken);
        if (_machine.ChunkLeft == 0)
        {
            step = EndChunk(_link.Output.GetSpan(SinkMachine.ReplyBytes));
        }
    }

    private SinkStep EndChunk(Span<byte> reply)
    {
        SinkStep step = _machine.EndOfChunk(_messageBytes, _server.World.Loop.NowMs, reply, out bool isMessage, out bool accepted);
        if (isMessage)
        {
            Took(accepted, step);
        }
        return step;
    }

    private SinkStep EndMessage(Span<byte> reply)
    {
        SinkStep step = _machine.EndOfMessage(_messageBytes, _server.World.Loop.NowMs, reply, out bool accepted);
        Took(accepted, step);
        return step;
    }

    private void Took(bool accepted, SinkStep step)
    {
        _server.Counters.Content.Record(_dataTimestamp, _readTimestamp);
        // Its 250 leaves that much later: what the source is told, and what the latency is counted to.
        _server.Took(_machine, _messageBytes, accepted, _check, step.DelayMs + _server.Options.Scenario.RoundTripMs);
    }

    /// <summary>What is more than a reply: waits, says, and does.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<bool> ObeyAsync(SinkStep step)
    {
        if (step.DelayMs > 0)
        {
            // The reply waits outside the link, so that those before it can go.
            _link.Output.GetSpan(SinkMachine.ReplyBytes)[..step.Length].CopyTo(_held);
            if (_gathered > 0 && !await FlushAsync())
            {
                return false;
            }
            await _sleeper.SleepAsync(step.DelayMs);
            _held.AsSpan(0, step.Length).CopyTo(_link.Output.GetSpan(SinkMachine.ReplyBytes));
        }
        Gather(step.Length);
        switch (step.Action)
        {
            case SinkAction.Close:
                _server.Counters.Cut += step.Length == 0 ? 1 : 0;
                await FlushAsync();
                return false;
            case SinkAction.Reset:
                _server.Counters.Cut++;
                _link.Abort();
                return false;
            case SinkAction.Stall:
                _server.Counters.Cut++;
                _stalled = true;
                return await FlushAsync();
            case SinkAction.StartTls:
                return await FlushAsync();
            default:
                return true;
        }
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<bool> StartTlsAsync()
    {
        TlsResult result = await _link.StartTlsAsync(_server.Options.Tls!);
        _lines.Reset();
        if (result.Ok)
        {
            _server.Counters.Tls++;
            _machine.TlsStarted();
        }
        else
        {
            _server.Counters.TlsFailed++;
        }
        return result.Ok;
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<bool> FlushAsync()
    {
        _gathered = 0;
        if (_server.Options.Scenario.RoundTripMs > 0)
        {
            await _sleeper.SleepAsync(_server.Options.Scenario.RoundTripMs);
        }
        FlushResult flush = await _link.Output.FlushAsync();
        long now = Stopwatch.GetTimestamp();
        for (int stage = 0; stage < _answered.Length; stage++)
        {
            for (; _answered[stage] > 0; _answered[stage]--)
            {
                _server.Counters.Answers[stage].Record(_readTimestamp, now);
            }
        }
        return !flush.IsCompleted;
    }

    private void Gather(int length)
    {
        _link.Output.Advance(length);
        _gathered += length;
        _answered[(int)_machine.LastStage] += length > 0 ? 1 : 0;
    }
}
