using System.Buffers;
using System.IO.Pipelines;
using System.Threading.Tasks.Sources;

namespace FastRelay.Outside.Linux;

/// <summary>
/// The clear-text input of a link: a read is one system call into one buffer, and one contiguous span.
/// </summary>
internal sealed class LinkReader : PipeReader
{
    private readonly EpollLink _link;
    private InputBuffer _input;
    private bool _cancelled;

    // Not before a read has to wait: who is silent for long waits otherwise (WakeOnInput).
    private ReadOperation? _waiting;

    public LinkReader(EpollLink link)
    {
        _link = link;
        _input = new InputBuffer(link.Buffers);
    }

    private ReadOperation Operation => _waiting ??= new ReadOperation(this);

    /// <summary>A read would not wait, whatever the socket has.</summary>
    public bool HasResult => _cancelled || _input.HasUnexamined;

    /// <summary>Bytes were read that the session did not consume.</summary>
    public bool HasUnconsumed => _input.Count > 0;

    /// <inheritdoc/>
    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        _link.Loop.CheckThread();
        if (_link.TakeTurn())
        {
            if (TryProduce(out ReadResult result))
            {
                return new ValueTask<ReadResult>(result);
            }
            _link.WaitReadable(Operation);
        }
        else
        {
            _link.Loop.Enqueue(Operation);
        }
        return Operation.Wait();
    }

    /// <inheritdoc/>
    public override bool TryRead(out ReadResult result)
    {
        _link.Loop.CheckThread();
        Check.That(_waiting is not { IsWaiting: true }, "two readers on one link");
        result = default;
        return _link.TakeTurn() && TryProduce(out result);
    }

    /// <inheritdoc/>
    public override void AdvanceTo(SequencePosition consumed) => _input.Advance(consumed, consumed);

    /// <inheritdoc/>
    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined) => _input.Advance(consumed, examined);

    /// <inheritdoc/>
    public override void CancelPendingRead()
    {
        _cancelled = true;
        if (_waiting is { IsWaiting: true })
        {
            _link.Loop.Enqueue(_waiting);
        }
        else
        {
            _link.WakeReader();
        }
    }

    /// <inheritdoc/>
    public override void Complete(Exception? exception = null) => Release();

    /// <summary>Forgets what was read and gives the buffer back.</summary>
    public void Release() => _input.Release();

    /// <summary>A copy of the unconsumed bytes.</summary>
    public byte[] Unconsumed() => _input.Unconsumed().ToArray();

    /// <summary>Throws away unconsumed bytes; returns how many.</summary>
    public int DropBuffered()
    {
        Check.That(_waiting is not { IsWaiting: true }, "TLS starts while a read is pending");
        int dropped = _input.Count;
        Release();
        return dropped;
    }

    private bool TryProduce(out ReadResult result)
    {
        bool completed = false;
        bool cancelled = _cancelled;
        _cancelled = false;
        if (!cancelled && !_input.HasUnexamined)
        {
            int n = _link.MayBeReadable ? Fill() : EpollLink.WouldBlock;
            if (n == EpollLink.WouldBlock)
            {
                result = default;
                return false;
            }
            completed = n == 0;
        }
        result = new ReadResult(_input.Unconsumed(), cancelled, completed);
        return true;
    }

    private int Fill()
    {
        if (_link.ReadError != LinkError.None)
        {
            return 0;
        }
        int n = _link.TryReceive(_input.Room().Span);
        _input.Filled(n);
        return n;
    }

    private sealed class ReadOperation(LinkReader reader) : LoopItem, IValueTaskSource<ReadResult>
    {
        private ManualResetValueTaskSourceCore<ReadResult> _core;

        public bool IsWaiting { get; private set; }

        public ValueTask<ReadResult> Wait()
        {
            Check.That(!IsWaiting, "two readers on one link");
            IsWaiting = true;
            _core.Reset();
            return new ValueTask<ReadResult>(this, _core.Version);
        }

        protected internal override void Run()
        {
            if (!IsWaiting)
            {
                return;
            }
            // The first operation of a turn: it is counted, and it always makes progress.
            _ = reader._link.TakeTurn();
            if (reader.TryProduce(out ReadResult result))
            {
                IsWaiting = false;
                _core.SetResult(result);
            }
            else
            {
                reader._link.WaitReadable(this);
            }
        }

        ReadResult IValueTaskSource<ReadResult>.GetResult(short token) => _core.GetResult(token);

        ValueTaskSourceStatus IValueTaskSource<ReadResult>.GetStatus(short token) => _core.GetStatus(token);

        void IValueTaskSource<ReadResult>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            _core.OnCompleted(continuation, state, token, ValueTaskSourceOnCompletedFlags.None);
    }
}
