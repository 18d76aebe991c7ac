using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using FastRelay.Outside;

namespace FastRelay.Receive;

/// <summary>The replies of one session: gathered, and sent in one write (RFC 2920 3.2).</summary>
/// <param name="clock">Bounds the wait for a client that does not read.</param>
internal sealed class SessionOutput(SessionClock clock)
{
    /// <summary>Octets of replies that are gathered before they are sent although more commands are buffered.</summary>
    private const int GatheredReplies = Link.WriteBufferBytes - (2 * ReceiveMachine.ReplyBytes);

    private Link _link = null!;
    private long _timeoutMs;
    private int _gathered;

    /// <summary>Replies are to be sent before another command is answered.</summary>
    public bool IsFull => _gathered > GatheredReplies;

    /// <summary>A connection begins.</summary>
    /// <param name="link">Takes the replies.</param>
    /// <param name="timeoutMs">How long a client may take to read what is sent.</param>
    public void Start(Link link, long timeoutMs)
    {
        _timeoutMs = timeoutMs;
        _link = link;
        _gathered = 0;
    }

    /// <summary>Room for one reply.</summary>
    public Span<byte> Room() => _link.Output.GetSpan(ReceiveMachine.ReplyBytes);

    /// <summary>A reply of so many octets was written into <see cref="Room"/>.</summary>
    public void Gather(int length)
    {
        _link.Output.Advance(length);
        _gathered += length;
    }

    /// <summary>Adds a reply.</summary>
    public void Reply(ReadOnlySpan<byte> text)
    {
        text.CopyTo(_link.Output.GetSpan(text.Length));
        Gather(text.Length);
    }

    /// <summary>Sends what is gathered: the client has its time to take all of it.</summary>
    /// <returns>False when the client is gone.</returns>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public async ValueTask<bool> FlushAsync(bool inTransaction)
    {
        _gathered = 0;
        clock.Wait(SessionWait.Flush, _timeoutMs, inTransaction);
        FlushResult flush = await _link.Output.FlushAsync();
        clock.Done();
        return !flush.IsCompleted;
    }
}
