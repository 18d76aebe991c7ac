using System.Diagnostics;
using System.IO.Pipelines;
using System.Net.Security;
using System.Runtime.CompilerServices;
using FastRelay.Outside;
using FastRelay.Smtp;

namespace FastRelay.Load;

/// <summary>One connection of the source at a time; drives a <see cref="LoadMachine"/>. Its root lives as long as the run.</summary>
internal sealed class LoadSession : LoopItem
{
    private const int ShortestBackoffMs = 100;
    private const int LongestBackoffMs = 2_000;

    private readonly LoadRun _run;
    private readonly LoadMachine _machine;
    private readonly Signal<LoadTicket> _work;
    private readonly Signal<bool> _mayDial;
    private readonly Sleeper _sleeper;
    private readonly LoopTimer _timeout;
    private readonly byte[] _text = new byte[64];
    private ReplyParser _parser = new();
    private EhloCapabilities _offers;
    private Link? _link;
    private LoadTicket _ticket;
    private bool _hasTicket;
    private bool _ready;
    private long _dotTimestamp;

    public LoadSession(LoadRun run)
    {
        _run = run;
        _machine = new LoadMachine(run.Commands, run.Options.Pipelining, run.Options.Tls, run.Counters.Replies);
        Loop loop = run.World.Loop;
        _work = new Signal<LoadTicket>(loop);
        _mayDial = new Signal<bool>(loop);
        _sleeper = new Sleeper(loop);
        _timeout = new LoopTimer(loop, this);
    }

    /// <summary>Starts its life; once.</summary>
    public void Live() => _ = LiveAsync();

    /// <summary>Ends a wait for work: a message, or with a negative number that there is none any more.</summary>
    public void Assign(in LoadTicket ticket) => _work.Set(ticket);

    /// <summary>Ends a wait to dial.</summary>
    public void Dial() => _mayDial.Set(true);

    /// <summary>Ends the connection at once.</summary>
    public void Abort()
    {
        _link?.Abort();
        _sleeper.Wake();
    }

    /// <summary>The server did not answer in time.</summary>
    protected override void Run() => _link?.Abort();

    private async Task LiveAsync()
    {
        try
        {
            int backoffMs = ShortestBackoffMs;
            while (await NeedsConnectionAsync())
            {
                if (!_run.Dialling.TryEnter(this))
                {
                    await _mayDial.WaitAsync();
                }
                bool greeted = await OpenAsync();
                _run.Dialling.Leave();
                if (greeted)
                {
                    backoffMs = ShortestBackoffMs;
                    await ServeAsync();
                }
                Disconnect();
                LoseTicket();
                if (!greeted && !_run.IsOver)
                {
                    await _sleeper.SleepAsync(backoffMs);
                    backoffMs = Math.Min(backoffMs * 2, LongestBackoffMs);
                }
            }
            _run.Finished();
        }
        catch (Exception broken)
        {
            // What a server or the network does never throws: this is a defect of ours.
            Check.Fatal("a load session failed: " + broken);
        }
    }

    /// <summary>Waits until there is something to connect for; false at the end of the run.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<bool> NeedsConnectionAsync()
    {
        if (!_run.IsOpenLoop)
        {
            return _run.HasMore;
        }
        return await NextAsync(connected: false);
    }

    /// <summary>The next message into <see cref="_ticket"/>; in an open loop it may have to be waited for.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<bool> NextAsync(bool connected)
    {
        if (!_run.TryTake(out _ticket))
        {
            if (!_run.IsOpenLoop || _run.IsOver)
            {
                return false;
            }
            _run.Rest(this, connected);
            _ticket = await _work.WaitAsync();
        }
        _hasTicket = _ticket.Sequence >= 0;
        return _hasTicket;
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<bool> OpenAsync()
    {
        LoadCounters counters = _run.Counters;
        long dialled = Stopwatch.GetTimestamp();
        DialResult dial = await _run.World.Network.ConnectAsync(_run.Dialling.NextTarget(), _run.Dialling.NextSource(), _run.Options.ConnectTimeoutMs);
        if (dial.Link is null)
        {
            _run.DialFailed(dial.Errno);
            return false;
        }
        _link = dial.Link;
        _run.Connected();
        long connected = Stopwatch.GetTimestamp();
        counters.Connect.Record(dialled, connected);
        _parser.Reset();
        bool secured = _run.Options.Tls == LoadTls.Implicit;
        if (secured && !await HandshakeAsync())
        {
            _run.NotGreeted("the TLS handshake failed");
            return false;
        }
        LoadStep step = await ConverseAsync(_machine.Start(secured), connected);
        if (step == LoadStep.StartTls)
        {
            if (!await HandshakeAsync())
            {
                _run.NotGreeted("the TLS handshake failed");
                return false;
            }
            step = await ConverseAsync(Written(_machine.TlsStarted(_run.Scratch, out int written), written), 0);
        }
        _ready = step == LoadStep.Ready;
        if (_ready)
        {
            _run.Admittance.Enter();
        }
        else
        {
            _run.NotGreeted(_machine.LastReply);
        }
        return _ready;
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask ServeAsync()
    {
        LoadStep step = LoadStep.Ready;
        int written;
        if (_run.Options.HoldMs > 0)
        {
            _run.Hold(this);
            await _work.WaitAsync();
            step = await ConverseAsync(Written(_machine.Noop(_run.Scratch, out written), written), 0);
            _run.Counters.HeldAnswered += _machine.NoopAnswered ? 1 : 0;
        }
        else
        {
            for (long sent = 0; step == LoadStep.Ready && (_run.Options.MessagesPerSession == 0 || sent < _run.Options.MessagesPerSession); sent++)
            {
                if (!_hasTicket && !await NextAsync(connected: true))
                {
                    break;
                }
                _hasTicket = false;
                step = await TransactAsync();
            }
        }
        if (step == LoadStep.Ready)
        {
            await ConverseAsync(Written(_machine.Quit(_run.Scratch, out written), written), 0);
        }
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<LoadStep> TransactAsync()
    {
        long started = Stopwatch.GetTimestamp();
        LoadStep step = await ConverseAsync(Written(_machine.Begin(_ticket.Sequence, _run.Scratch, out int written), written), 0);
        long bytes = 0;
        if (step == LoadStep.Content)
        {
            bytes = await SendContentAsync();
            step = await ConverseAsync(_machine.ContentSent(), 0);
        }
        _run.Ended(_machine, _ticket, started, _dotTimestamp, bytes);
        return step;
    }

    /// <summary>Writes the content with its final dot; the last piece is left for the flush that precedes reading.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<long> SendContentAsync()
    {
        PipeWriter output = _link!.Output;
        long bytes = 0;
        if (_machine.HasContent)
        {
            MadeMessage made = _run.Maker.Make(_ticket.Sequence, _run.WallMicroseconds(_ticket.IntendedTimestamp), output.GetSpan(MessageMaker.HeadBytes));
            output.Advance(made.HeadLength);
            bytes = made.HeadLength + made.Body.Length + made.TailLength;
            if (bytes <= Link.WriteBufferBytes - 256)
            {
                Put(made.Body.Span);
            }
            else
            {
                _timeout.After(_run.Options.ReplyTimeoutMs);
                await output.WriteAsync(made.Body);
            }
            Put(_run.Maker.TailOf(made.TailLength));
        }
        Put(".\r\n"u8);
        _dotTimestamp = Stopwatch.GetTimestamp();
        return bytes;
    }

    /// <summary>Sends what is written and reads replies until something else is to be done.</summary>
    /// <param name="step">Read, or at once what else.</param>
    /// <param name="since">When the banner began to be waited for; 0 for anything else.</param>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<LoadStep> ConverseAsync(LoadStep step, long since)
    {
        Link link = _link!;
        while (step == LoadStep.Read)
        {
            _timeout.After(_run.Options.ReplyTimeoutMs);
            // A lost connection shows with the read, which may still find a last reply.
            await link.Output.FlushAsync();
            ReadResult read = await link.Input.ReadAsync();
            if (since > 0)
            {
                _run.Counters.Banner.Record(since, Stopwatch.GetTimestamp());
                since = 0;
            }
            int at = Answer(read.Buffer.FirstSpan, ref step, out bool flush);
            link.Input.AdvanceTo(read.Buffer.GetPosition(at), flush ? read.Buffer.GetPosition(at) : read.Buffer.End);
            if (step == LoadStep.Read && read.IsCompleted && !flush)
            {
                step = _machine.Lose();
            }
        }
        _timeout.Cancel();
        return step;
    }

    /// <summary>Feeds the machine with whole replies until it wants something else than more of them.</summary>
    private int Answer(ReadOnlySpan<byte> input, ref LoadStep step, out bool flush)
    {
        int at = 0;
        flush = false;
        while (step == LoadStep.Read && !flush && at < input.Length)
        {
            ReplyStatus status = _machine.Stage() == DialogueStage.Ehlo
                ? _parser.Feed(input[at..], _text, ref _offers, out int consumed)
                : _parser.Feed(input[at..], _text, out consumed);
            at += consumed;
            if (status == ReplyStatus.NeedMore)
            {
                break;
            }
            if (status == ReplyStatus.Bad)
            {
                step = _machine.Lose();
                break;
            }
            step = _machine.Reply(_parser.Code, _offers, _run.Scratch, out int written);
            _offers = default;
            Written(step, written);
            flush = written > 0;
        }
        return at;
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<bool> HandshakeAsync()
    {
        _timeout.After(_run.Options.ReplyTimeoutMs);
        SslClientAuthenticationOptions options = _run.Options.TlsOptions!;
        TlsResult result = await _link!.StartTlsAsync(options);
        _timeout.Cancel();
        _run.Counters.TlsFailed += result.Ok ? 0 : 1;
        return result.Ok;
    }

    private void Disconnect()
    {
        _timeout.Cancel();
        if (_ready)
        {
            _ready = false;
            _run.Admittance.Leave();
        }
        if (_link is not null)
        {
            _link.Close();
            _link = null;
            _run.Disconnected();
        }
    }

    /// <summary>A message that was taken for a connection which then could not be had.</summary>
    private void LoseTicket()
    {
        if (_hasTicket)
        {
            _hasTicket = false;
            _run.Lose(_ticket.IntendedTimestamp);
        }
    }

    /// <summary>Takes over what a step of the machine wrote.</summary>
    private LoadStep Written(LoadStep step, int written)
    {
        if (written > 0)
        {
            Put(_run.Scratch.AsSpan(0, written));
        }
        return step;
    }

    private void Put(ReadOnlySpan<byte> octets)
    {
        octets.CopyTo(_link!.Output.GetSpan(octets.Length));
        _link.Output.Advance(octets.Length);
    }
}
