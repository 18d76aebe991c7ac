using System.IO.Pipelines;
using System.Net.Security;
using System.Runtime.CompilerServices;
using System.Threading.Tasks.Sources;

namespace FastRelay.Outside.Linux;

/// <summary>
/// The decrypted input of a link. Waits for octets below the stream and not inside it: an idle TLS link owns no buffer of
/// ours and the stream none of its own, and the stream's reads complete at once. Its pool of suspended reads holds one a
/// thread and one a core, so that of many sessions nearly each wait in it was a new object: 540 octets a message. The read
/// of the stream goes on when a waiting reader is cancelled.
/// </summary>
internal sealed class TlsReader : PipeReader
{
    private readonly EpollLink _link;
    private readonly TlsLayer _layer;
    private readonly SslStream _stream;
    private readonly LinkStream _bytes;
    private readonly Action _onFilled;
    // Not before a read has to wait: who is silent for long waits otherwise.
    private ReadOperation? _waiting;
    private LoopItem? _onInput;
    private InputBuffer _input;
    private ValueTaskAwaiter<int> _fill;
    private bool _filling;
    private bool _ended;
    private bool _cancelled;

    /// <summary>The stream has no decrypted octets and no whole record that were not given to us.</summary>
    private bool _isDry;

    public TlsReader(EpollLink link, TlsLayer layer, SslStream stream, LinkStream bytes)
    {
        _bytes = bytes;
        _link = link;
        _layer = layer;
        _stream = stream;
        _onFilled = OnFilled;
        _input = new InputBuffer(link.Buffers);
    }

    private bool HasResult => _cancelled || _ended || _input.HasUnexamined;

    private ReadOperation Operation => _waiting ??= new ReadOperation(this);

    /// <summary>As <see cref="Link.WakeOnInput"/>.</summary>
    public bool WakeOnInput(LoopItem item)
    {
        if (!HasResult)
        {
            StartFill();
        }
        if (HasResult)
        {
            return false;
        }
        _onInput = item;
        return true;
    }

    /// <inheritdoc/>
    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        _link.Loop.CheckThread();
        if (TryTake(out ReadResult result))
        {
            return new ValueTask<ReadResult>(result);
        }
        StartFill();
        return TryTake(out result) ? new ValueTask<ReadResult>(result) : Operation.Wait();
    }

    /// <inheritdoc/>
    public override bool TryRead(out ReadResult result)
    {
        _link.Loop.CheckThread();
        Check.That(_waiting is not { IsWaiting: true }, "two readers on one link");
        if (TryTake(out result))
        {
            return true;
        }
        StartFill();
        return TryTake(out result);
    }

    /// <inheritdoc/>
    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    /// <inheritdoc/>
    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        // After a cancelled read the stream may be filling the buffer: it is not given back under its hands.
        if (!_filling)
        {
            _input.Advance(consumed, examined);
        }
    }

    /// <inheritdoc/>
    public override void CancelPendingRead()
    {
        _cancelled = true;
        Wake();
    }

    /// <inheritdoc/>
    public override void Complete(Exception? exception = null) => Release();

    /// <summary>Gives the buffer back; nothing is read any more.</summary>
    public void Release()
    {
        _ended = true;
        if (_filling)
        {
            _input.Abandon();
        }
        else
        {
            _input.Release();
        }
    }

    private void Wake()
    {
        LoopItem? item = _waiting is { IsWaiting: true } ? _waiting : _onInput;
        _onInput = null;
        if (item is not null)
        {
            _link.Loop.Enqueue(item);
        }
    }

    private bool TryTake(out ReadResult result)
    {
        bool cancelled = _cancelled;
        bool completed = !cancelled && !_input.HasUnexamined && _ended;
        if (!cancelled && !completed && !_input.HasUnexamined)
        {
            result = default;
            return false;
        }
        _cancelled = false;
        result = new ReadResult(_input.Unconsumed(), cancelled, completed);
        return true;
    }

    private void StartFill()
    {
        if (_filling)
        {
            return;
        }
        _filling = true;
#pragma warning disable CA2012 // Consumed once, by OnFilled: a method that awaited it could not be cancelled.
        _fill = FillAsync().GetAwaiter();
#pragma warning restore CA2012
        if (_fill.IsCompleted)
        {
            OnFilled();
        }
        else
        {
            _fill.UnsafeOnCompleted(_onFilled);
        }
    }

    private void OnFilled()
    {
        int n = _fill.GetResult();
        _fill = default;
        _filling = false;
        Wake();
        if (!_ended)
        {
            _input.Filled(n);
            _ended = n == 0;
            if (_ended && !_layer.Failed)
            {
                // close_notify is the peer's end, whether or not its FIN is here yet.
                _link.EndReading();
            }
        }
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<int> FillAsync()
    {
        try
        {
            if (_isDry)
            {
                _ = await _bytes.ReadAsync(Memory<byte>.Empty);
            }
            // The stream's own wait, which ends at once when a whole record is there: for the rest of one no buffer is rented.
            // Before the first octets it may hold some that came with the handshake.
            _ = await _stream.ReadAsync(Memory<byte>.Empty);
            if (_ended)
            {
                return 0;
            }
            Memory<byte> room = _input.Room();
            int n = await _stream.ReadAsync(room);
            // A read takes every whole record of data that is there while there is room. The peer's end behind it may be in the
            // stream all the same: it is seen when the connection ends, or at the wait's own timeout.
            _isDry = n < room.Length;
            return n;
        }
        catch (Exception e) when (e is not CheckFailedException)
        {
            _layer.Fail(e);
            return 0;
        }
    }

    private sealed class ReadOperation(TlsReader reader) : LoopItem, IValueTaskSource<ReadResult>
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
            if (IsWaiting && reader.TryTake(out ReadResult result))
            {
                IsWaiting = false;
                _core.SetResult(result);
            }
        }

        ReadResult IValueTaskSource<ReadResult>.GetResult(short token) => _core.GetResult(token);

        ValueTaskSourceStatus IValueTaskSource<ReadResult>.GetStatus(short token) => _core.GetStatus(token);

        void IValueTaskSource<ReadResult>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            _core.OnCompleted(continuation, state, token, ValueTaskSourceOnCompletedFlags.None);
    }
}
