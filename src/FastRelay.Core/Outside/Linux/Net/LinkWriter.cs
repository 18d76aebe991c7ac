using System.IO.Pipelines;
using System.Threading.Tasks.Sources;

namespace FastRelay.Outside.Linux;

/// <summary>
/// The clear-text output of a link: one buffer, rented at the first byte and given back when the kernel has taken all.
/// A flush completes only then, so a peer that does not read stops its session.
/// </summary>
internal sealed class LinkWriter : PipeWriter
{
    /// <summary>Bytes a system call offers of a large memory, so that the turn's bound is looked at in between.</summary>
    private const int SliceBytes = 64 * 1024;

    private readonly EpollLink _link;
    private byte[]? _buffer;
    private int _sent;
    private int _filled;
    private ReadOnlyMemory<byte> _memory;

    // Not before a flush has to wait: most never do.
    private WriteOperation? _waiting;

    public LinkWriter(EpollLink link) => _link = link;

    private WriteOperation Operation => _waiting ??= new WriteOperation(this);

    /// <inheritdoc/>
    public override bool CanGetUnflushedBytes => true;

    /// <inheritdoc/>
    public override long UnflushedBytes => _filled - _sent;

    /// <inheritdoc/>
    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        EnsureRoom(sizeHint);
        return _buffer.AsMemory(_filled);
    }

    /// <inheritdoc/>
    public override Span<byte> GetSpan(int sizeHint = 0)
    {
        EnsureRoom(sizeHint);
        return _buffer.AsSpan(_filled);
    }

    /// <inheritdoc/>
    public override void Advance(int bytes)
    {
        if (bytes == 0)
        {
            return;
        }
        Check.That(_buffer is not null && bytes > 0 && bytes <= _buffer.Length - _filled, "more bytes than were asked for");
        _filled += bytes;
    }

    /// <inheritdoc/>
    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) => WriteAsync(default, cancellationToken);

    /// <inheritdoc/>
    public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
    {
        _link.Loop.CheckThread();
        Check.That(_waiting is not { IsWaiting: true }, "two writers on one link");
        _memory = source;
        // A small flush always goes out at once; a turn that is used up holds back large ones, and the next read.
        if (_link.TakeTurn() || source.Length <= SliceBytes)
        {
            if (TrySendAll())
            {
                return new ValueTask<FlushResult>(Done());
            }
        }
        else
        {
            _link.Loop.Enqueue(Operation);
        }
        return Operation.Wait();
    }

    /// <inheritdoc/>
    public override void CancelPendingFlush() => Check.That(false, "a flush is ended by aborting the link");

    /// <inheritdoc/>
    public override void Complete(Exception? exception = null) => Release();

    /// <summary>Forgets what was not sent and gives the buffer back.</summary>
    public void Release()
    {
        if (_buffer is not null)
        {
            _link.Buffers.Return(_buffer);
            _buffer = null;
        }
        _sent = _filled = 0;
        _memory = default;
    }

    private void EnsureRoom(int sizeHint)
    {
        Check.That(_waiting is not { IsWaiting: true }, "bytes added while a flush is pending");
        _buffer ??= _link.Buffers.Rent();
        Check.That(_buffer.Length - _filled >= Math.Max(sizeHint, 1), "a write buffer that was not flushed in time");
    }

    /// <summary>True when all is sent, or never will be. Else the operation is enqueued, or waits for room.</summary>
    private bool TrySendAll()
    {
        while (_filled > _sent || !_memory.IsEmpty)
        {
            ReadOnlySpan<byte> memory = _memory.Span;
            int n = _link.TrySend(_buffer.AsSpan(_sent, _filled - _sent), memory[..Math.Min(memory.Length, SliceBytes)]);
            if (n == 0)
            {
                break;
            }
            if (n == EpollLink.WouldBlock)
            {
                _link.WaitWritable(Operation);
                return false;
            }
            int ofBuffer = Math.Min(n, _filled - _sent);
            _sent += ofBuffer;
            _memory = _memory[(n - ofBuffer)..];
            if (!_memory.IsEmpty && !_link.TakeTurn())
            {
                _link.Loop.Enqueue(Operation);
                return false;
            }
        }
        Release();
        return true;
    }

    private FlushResult Done() => new(isCanceled: false, isCompleted: _link.WriteError != LinkError.None);

    private sealed class WriteOperation(LinkWriter writer) : LoopItem, IValueTaskSource<FlushResult>
    {
        private ManualResetValueTaskSourceCore<FlushResult> _core;

        public bool IsWaiting { get; private set; }

        public ValueTask<FlushResult> Wait()
        {
            IsWaiting = true;
            _core.Reset();
            return new ValueTask<FlushResult>(this, _core.Version);
        }

        protected internal override void Run()
        {
            if (!IsWaiting)
            {
                return;
            }
            _ = writer._link.TakeTurn();
            if (writer.TrySendAll())
            {
                IsWaiting = false;
                _core.SetResult(writer.Done());
            }
        }

        FlushResult IValueTaskSource<FlushResult>.GetResult(short token) => _core.GetResult(token);

        ValueTaskSourceStatus IValueTaskSource<FlushResult>.GetStatus(short token) => _core.GetStatus(token);

        void IValueTaskSource<FlushResult>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            _core.OnCompleted(continuation, state, token, ValueTaskSourceOnCompletedFlags.None);
    }
}
