using System.Threading.Tasks.Sources;

namespace FastRelay.Outside.Linux;

/// <summary>
/// The bytes of a link as the stream that <see cref="System.Net.Security.SslStream"/> wants beneath it. Asynchronous
/// only, one reader and one writer. A zero-byte read waits for readability and owns nothing meanwhile. A lost peer is
/// the end of the stream, and writing to it does nothing: the link knows why.
/// </summary>
internal sealed class LinkStream : Stream
{
    private const int AlertBytes = 256;

    private readonly EpollLink _link;
    private readonly ReadOperation _read;
    private readonly WriteOperation _write;

    public LinkStream(EpollLink link)
    {
        _link = link;
        _read = new ReadOperation(this);
        _write = new WriteOperation(this);
    }

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanWrite => true;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <inheritdoc/>
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        _link.Loop.CheckThread();
        if (!_link.TakeTurn())
        {
            _link.Loop.Enqueue(_read);
            return _read.Wait(buffer);
        }
        int n = Receive(buffer);
        if (n != EpollLink.WouldBlock)
        {
            return new ValueTask<int>(n);
        }
        _link.WaitReadable(_read);
        return _read.Wait(buffer);
    }

    /// <inheritdoc/>
    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        _link.Loop.CheckThread();
        // An alert goes out even when the turn is used up: closing follows at once.
        if (!_link.TakeTurn() && buffer.Length > AlertBytes)
        {
            _link.Loop.Enqueue(_write);
            return _write.Wait(buffer);
        }
        if (Send(ref buffer))
        {
            return ValueTask.CompletedTask;
        }
        _link.WaitWritable(_write);
        return _write.Wait(buffer);
    }

    /// <inheritdoc/>
    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    private int Receive(Memory<byte> buffer) =>
        !_link.MayBeReadable ? EpollLink.WouldBlock :
        buffer.IsEmpty ? 0 : _link.TryReceive(buffer.Span);

    /// <summary>True when all is sent or never will be.</summary>
    private bool Send(ref ReadOnlyMemory<byte> data)
    {
        while (!data.IsEmpty)
        {
            int n = _link.TrySend(data.Span, default);
            if (n == EpollLink.WouldBlock)
            {
                return false;
            }
            if (n == 0)
            {
                return true;
            }
            data = data[n..];
        }
        return true;
    }

    private sealed class ReadOperation(LinkStream stream) : LoopItem, IValueTaskSource<int>
    {
        private ManualResetValueTaskSourceCore<int> _core;
        private Memory<byte> _buffer;
        private bool _waiting;

        public ValueTask<int> Wait(Memory<byte> buffer)
        {
            Check.That(!_waiting, "two readers on one TLS stream");
            _waiting = true;
            _buffer = buffer;
            _core.Reset();
            return new ValueTask<int>(this, _core.Version);
        }

        protected internal override void Run()
        {
            if (!_waiting)
            {
                return;
            }
            _ = stream._link.TakeTurn();
            int n = stream.Receive(_buffer);
            if (n == EpollLink.WouldBlock)
            {
                stream._link.WaitReadable(this);
                return;
            }
            _waiting = false;
            _buffer = default;
            _core.SetResult(n);
        }

        int IValueTaskSource<int>.GetResult(short token) => _core.GetResult(token);

        ValueTaskSourceStatus IValueTaskSource<int>.GetStatus(short token) => _core.GetStatus(token);

        void IValueTaskSource<int>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            _core.OnCompleted(continuation, state, token, ValueTaskSourceOnCompletedFlags.None);
    }

    private sealed class WriteOperation(LinkStream stream) : LoopItem, IValueTaskSource
    {
        private ManualResetValueTaskSourceCore<bool> _core;
        private ReadOnlyMemory<byte> _data;
        private bool _waiting;

        public ValueTask Wait(ReadOnlyMemory<byte> data)
        {
            Check.That(!_waiting, "two writers on one TLS stream");
            _waiting = true;
            _data = data;
            _core.Reset();
            return new ValueTask(this, _core.Version);
        }

        protected internal override void Run()
        {
            if (!_waiting)
            {
                return;
            }
            _ = stream._link.TakeTurn();
            if (!stream.Send(ref _data))
            {
                stream._link.WaitWritable(this);
                return;
            }
            _waiting = false;
            _data = default;
            _core.SetResult(true);
        }

        void IValueTaskSource.GetResult(short token) => _core.GetResult(token);

        ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _core.GetStatus(token);

        void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            _core.OnCompleted(continuation, state, token, ValueTaskSourceOnCompletedFlags.None);
    }
}
