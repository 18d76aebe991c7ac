using System.IO.Pipelines;
using System.Net.Security;
using System.Runtime.CompilerServices;

namespace FastRelay.Outside.Linux;

/// <summary>The output of a link above TLS: gathers up to 16 KiB, then hands it to the stream as one record.</summary>
internal sealed class TlsWriter(EpollLink link, TlsLayer layer, SslStream stream) : PipeWriter
{
    private byte[]? _buffer;
    private int _filled;
    private bool _flushing;

    /// <inheritdoc/>
    public override bool CanGetUnflushedBytes => true;

    /// <inheritdoc/>
    public override long UnflushedBytes => _filled;

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
        link.Loop.CheckThread();
        Check.That(!_flushing, "two writers on one link");
        if (_filled > 0 && source.Length <= _buffer!.Length - _filled)
        {
            // One record and one system call are worth more than a short copy.
            source.Span.CopyTo(_buffer.AsSpan(_filled));
            _filled += source.Length;
            source = default;
        }
        return SendAsync(source);
    }

    /// <inheritdoc/>
    public override void CancelPendingFlush() => Check.That(false, "a flush is ended by aborting the link");

    /// <inheritdoc/>
    public override void Complete(Exception? exception = null) => Release();

    /// <summary>Forgets what was not flushed and gives the buffer back.</summary>
    public void Release()
    {
        if (_buffer is not null)
        {
            if (_flushing)
            {
                // The stream may still read from it.
                link.Buffers.Forget();
            }
            else
            {
                link.Buffers.Return(_buffer);
            }
            _buffer = null;
        }
        _filled = 0;
    }

    private bool IsOver => layer.Failed || link.WriteError != LinkError.None;

    private void EnsureRoom(int sizeHint)
    {
        Check.That(!_flushing, "bytes added while a flush is pending");
        _buffer ??= link.Buffers.Rent();
        Check.That(_buffer.Length - _filled >= Math.Max(sizeHint, 1), "a write buffer that was not flushed in time");
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<FlushResult> SendAsync(ReadOnlyMemory<byte> source)
    {
        _flushing = true;
        try
        {
            if (_filled > 0 && !IsOver)
            {
                await stream.WriteAsync(_buffer.AsMemory(0, _filled));
            }
            if (!source.IsEmpty && !IsOver)
            {
                await stream.WriteAsync(source);
            }
        }
        catch (Exception e) when (e is not CheckFailedException)
        {
            layer.Fail();
        }
        _flushing = false;
        Release();
        return new FlushResult(isCanceled: false, isCompleted: IsOver);
    }
}
