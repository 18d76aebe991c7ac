using System.IO.Pipelines;
using FastRelay.Outside;

namespace FastRelay.Storm;

/// <summary>Gathers at most <see cref="Link.WriteBufferBytes"/>; a flush ends when the send buffer took every byte.</summary>
internal sealed class SimWriter(SimLink link) : PipeWriter
{
    private byte[] _buffer = [];
    private int _count;
    private bool _flushing;

    public bool HasBuffer => _buffer.Length > 0;

    public override bool CanGetUnflushedBytes => true;

    public override long UnflushedBytes => _count;

    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        link.Loop.CheckThread();
        Check.That(!_flushing, "writing during a flush");
        Check.That(_count + sizeHint <= Link.WriteBufferBytes, "more than a write buffer");
        if (_buffer.Length == 0)
        {
            _buffer = new byte[Link.WriteBufferBytes];
        }
        Check.That(_count < _buffer.Length, "the write buffer is full");
        return _buffer.AsMemory(_count);
    }

    public override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    public override void Advance(int bytes)
    {
        Check.That(bytes >= 0 && _count + bytes <= _buffer.Length);
        _count += bytes;
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) =>
        WriteAsync(ReadOnlyMemory<byte>.Empty, cancellationToken);

    public override async ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
    {
        link.Loop.CheckThread();
        Check.That(!_flushing, "two flushes at once");
        _flushing = true;
        bool sent = await SendAllAsync(_buffer.AsMemory(0, _count)) && await SendAllAsync(source);
        _flushing = false;
        _count = 0;
        _buffer = [];
        return new FlushResult(isCanceled: false, isCompleted: !sent);
    }

    public override void CancelPendingFlush() => throw new NotSupportedException("abort the link instead");

    public override void Complete(Exception? exception = null)
    {
    }

    private async ValueTask<bool> SendAllAsync(ReadOnlyMemory<byte> data)
    {
        while (data.Length > 0)
        {
            int taken = link.Send(data.Span);
            if (taken < 0)
            {
                return false;
            }
            data = data[taken..];
            if (data.Length > 0)
            {
                link.Universe.Faults.Hit("link short flush");
                await link.Writable.WaitAsync();
            }
        }
        return true;
    }
}
