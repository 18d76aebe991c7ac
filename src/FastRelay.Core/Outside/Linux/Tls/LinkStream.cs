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
    private ReadOnlyMemory<byte> _early;

    /// <summary>Makes it.</summary>
    /// <param name="link">Whose bytes.</param>
    /// <param name="early">Bytes that were read from it before; they come first.</param>
    public LinkStream(EpollLink link, ReadOnlyMemory<byte> early)
    {
        _link = link;
        _early = early;
        _read = new ReadOperation(this);
        _write = new WriteOperation(this);
    }

    /// <summary>Set while a handshake runs off the loop: operations only wait then, <see cref="Move"/> does them.</summary>
    public TlsHandshake? Handshake { get; set; }

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
        if (Handshake is not null)
        {
            return _read.Wait(buffer);
        }
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
        if (Handshake is not null)
        {
            return _write.Wait(buffer);
        }
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

    /// <summary>Does what a handshake off the loop waits for. Loop thread.</summary>
    public void Move()
    {
        // The one that waits: the other may begin to as soon as the handshake goes on.
        if (_read.IsWaiting)
        {
            _read.Run();
        }
        else
        {
            _write.Run();
        }
    }

    private int Receive(Memory<byte> buffer)
    {
        if (_early.IsEmpty)
        {
            return !_link.MayBeReadable ? EpollLink.WouldBlock : buffer.IsEmpty ? 0 : _link.TryReceive(buffer.Span);
        }
        int n = Math.Min(_early.Length, buffer.Length);
        _early[..n].CopyTo(buffer);
        _early = _early[n..];
        return n;
    }

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

    /// <summary>A read or a write that waits for the link.</summary>
    internal abstract class Operation(LinkStream stream) : LoopItem
    {
        /// <summary>Goes on with whoever waits, on the calling thread.</summary>
        public abstract void Complete();

        /// <summary>A handshake computes off the loop: what it waits for is not known now.</summary>
        protected bool IsAway => stream.Handshake is { IsAway: true };

        /// <summary>The bytes were moved: goes on here, or off the loop while a handshake runs there.</summary>
        protected void Moved()
        {
            if (stream.Handshake is { } handshake)
            {
                handshake.Resume(this);
            }
            else
            {
                Complete();
            }
        }
    }

    private sealed class ReadOperation(LinkStream stream) : Operation(stream), IValueTaskSource<int>
    {
        private readonly LinkStream _stream = stream;
        private ManualResetValueTaskSourceCore<int> _core;
        private Memory<byte> _buffer;
        private int _result;

        public bool IsWaiting { get; private set; }

        public ValueTask<int> Wait(Memory<byte> buffer)
        {
            Check.That(!IsWaiting, "two readers on one TLS stream");
            IsWaiting = true;
            _buffer = buffer;
            _core.Reset();
            return new ValueTask<int>(this, _core.Version);
        }

        protected internal override void Run()
        {
            if (IsAway || !IsWaiting)
            {
                return;
            }
            _ = _stream._link.TakeTurn();
            _result = _stream.Receive(_buffer);
            if (_result == EpollLink.WouldBlock)
            {
                _stream._link.WaitReadable(this);
                return;
            }
            IsWaiting = false;
            _buffer = default;
            Moved();
        }

        public override void Complete() => _core.SetResult(_result);

        int IValueTaskSource<int>.GetResult(short token) => _core.GetResult(token);

        ValueTaskSourceStatus IValueTaskSource<int>.GetStatus(short token) => _core.GetStatus(token);

        void IValueTaskSource<int>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            _core.OnCompleted(continuation, state, token, ValueTaskSourceOnCompletedFlags.None);
    }

    private sealed class WriteOperation(LinkStream stream) : Operation(stream), IValueTaskSource
    {
        private readonly LinkStream _stream = stream;
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
            if (IsAway || !_waiting)
            {
                return;
            }
            _ = _stream._link.TakeTurn();
            if (!_stream.Send(ref _data))
            {
                _stream._link.WaitWritable(this);
                return;
            }
            _waiting = false;
            _data = default;
            Moved();
        }

        public override void Complete() => _core.SetResult(true);

        void IValueTaskSource.GetResult(short token) => _core.GetResult(token);

        ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _core.GetStatus(token);

        void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            _core.OnCompleted(continuation, state, token, ValueTaskSourceOnCompletedFlags.None);
    }
}
