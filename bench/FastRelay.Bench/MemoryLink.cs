using System.IO.Pipelines;
using System.Net;
using System.Net.Security;
using FastRelay.Outside;

namespace FastRelay.Bench;

/// <summary>A connection whose other end is the benchmark: what it sends is there at once, what it gets back is counted.</summary>
internal sealed class MemoryLink(Loop loop) : Link
{
    private static readonly PipeOptions s_options = new(
        readerScheduler: PipeScheduler.Inline, writerScheduler: PipeScheduler.Inline, pauseWriterThreshold: 0, minimumSegmentSize: ReadBufferBytes, useSynchronizationContext: false);

    private readonly Pipe _toRelay = new(s_options);
    private readonly Pipe _fromRelay = new(s_options);

    public bool Closed { get; private set; }

    public override Loop Loop => loop;

    public override PipeReader Input => _toRelay.Reader;

    public override PipeWriter Output => _fromRelay.Writer;

    public override IPEndPoint Local { get; } = new(IPAddress.Loopback, 25);

    public override IPEndPoint Remote { get; } = new(IPAddress.Loopback, 40_000);

    public override LinkError Error => LinkError.None;

    public override string? TlsName => null;

    /// <summary>Sends; the session goes on inside of this call.</summary>
    public void Send(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_toRelay.Writer.GetSpan(bytes.Length));
        _toRelay.Writer.Advance(bytes.Length);
        ValueTask<FlushResult> flush = _toRelay.Writer.FlushAsync();
        Check.That(flush.IsCompleted, "nobody pauses this pipe");
    }

    /// <summary>Reply lines that have come since the last call.</summary>
    public int TakeReplies()
    {
        int lines = 0;
        if (_fromRelay.Reader.TryRead(out ReadResult read))
        {
            foreach (ReadOnlyMemory<byte> piece in read.Buffer)
            {
                lines += piece.Span.Count((byte)'\n');
            }
            _fromRelay.Reader.AdvanceTo(read.Buffer.End);
        }
        return lines;
    }

    public override ValueTask<TlsResult> StartTlsAsync(ServerTls tls, bool keepInput = false) => throw new NotSupportedException();

    public override ValueTask<TlsResult> StartTlsAsync(SslClientAuthenticationOptions options) => throw new NotSupportedException();

    /// <summary>Never: the session waits in a read, so that it goes on inside of <see cref="Send"/>.</summary>
    public override bool WakeOnInput(LoopItem item) => false;

    public override void CancelRead() => _toRelay.Reader.CancelPendingRead();

    public override void Abort()
    {
    }

    public override void Close() => Closed = true;
}

/// <summary>A network with one listener, to which the benchmark connects.</summary>
internal sealed class MemoryNetwork(Loop loop) : Network
{
    private readonly Door _door = new(loop);

    public override int OpenLinks => 0;

    public void Connect(MemoryLink link) => _door.Arrive(link);

    public override int Listen(IPEndPoint endPoint, out Listener? listener)
    {
        listener = _door;
        return 0;
    }

    public override ValueTask<DialResult> ConnectAsync(IPEndPoint remote, IPAddress? source, int timeoutMs) => throw new NotSupportedException();

    public override bool IsOwnAddress(IPAddress address) => IPAddress.IsLoopback(address);

    private sealed class Door(Loop loop) : Listener
    {
        private readonly Signal<Link?> _arrived = new(loop);

        public override IPEndPoint EndPoint { get; } = new(IPAddress.Loopback, 25);

        public override long Pauses => 0;

        public void Arrive(Link link) => _arrived.Set(link);

        public override ValueTask<Link?> AcceptAsync() => _arrived.WaitAsync();

        public override void Close()
        {
        }
    }
}
