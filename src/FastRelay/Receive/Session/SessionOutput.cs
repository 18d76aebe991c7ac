using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using System.Text;
using FastRelay.Observe;
using FastRelay.Outside;
using FastRelay.Smtp;

namespace FastRelay.Receive;

/// <summary>The replies of one session: gathered, and sent in one write (RFC 2920 3.2).</summary>
/// <param name="tap">Shows the dialogue to those who watch.</param>
internal sealed class SessionOutput(TraceTap tap)
{
    /// <summary>Octets of replies that are gathered before they are sent although more commands are buffered.</summary>
    private const int GatheredReplies = Link.WriteBufferBytes - (2 * ReceiveMachine.ReplyBytes);

    private Link _link = null!;
    private SessionClock _clock = null!;
    private long _timeoutMs;
    private int _gathered;

    /// <summary>Replies are to be sent before another command is answered.</summary>
    public bool IsFull => _gathered > GatheredReplies;

    /// <summary>Somebody watches.</summary>
    public bool IsWatched => tap.IsOn;

    /// <summary>A session begins.</summary>
    /// <param name="connection">Takes the replies; its clock bounds the wait for a client that does not read.</param>
    public void Start(ReceiveConnection connection)
    {
        tap.Begin(connection.Peer);
        Attach(connection);
    }

    /// <summary>A session goes on that was at rest.</summary>
    public void Resume(ReceiveConnection connection)
    {
        tap.Resume(connection.Peer, connection.Mark);
        Attach(connection);
    }

    /// <summary>The session comes to rest: what those who watch later must know of it.</summary>
    public TraceMark Mark => tap.Mark;

    /// <summary>Room for one reply.</summary>
    public Span<byte> Room() => _link.Output.GetSpan(ReceiveMachine.ReplyBytes);

    /// <summary>A reply of so many octets was written into <see cref="Room"/>.</summary>
    public void Gather(int length)
    {
        if (tap.IsOn && length > 0)
        {
            tap.Reply(Room()[..length]);
        }
        _link.Output.Advance(length);
        _gathered += length;
    }

    /// <summary>Adds the reply that closes a session without a command: the client was too slow, or the relay stops.</summary>
    public void Bye(SessionEnd end)
    {
        _clock.End = end;
        ReadOnlySpan<byte> text = end == SessionEnd.Shutdown ? Replies.ShuttingDown : Replies.TimedOut;
        text.CopyTo(_link.Output.GetSpan(text.Length));
        Gather(text.Length);
    }

    /// <summary>A line of the client, for those who watch.</summary>
    /// <param name="status">How it was found.</param>
    /// <param name="line">Without its CRLF; empty unless it is a whole line.</param>
    /// <param name="secret">It belongs to an AUTH exchange.</param>
    public void Heard(ScanStatus status, ReadOnlySpan<byte> line, bool secret)
    {
        if (!tap.IsOn)
        {
            return;
        }
        if (status == ScanStatus.Line)
        {
            tap.Command(line, secret);
            return;
        }
        tap.NoLine();
    }

    /// <summary>TLS has begun or could not, for those who watch.</summary>
    public void Secured(Link link, in TlsResult result)
    {
        // With TLS from the first octet nothing has begun yet that could be watched.
        if (tap.IsOn && ReferenceEquals(link, _link))
        {
            tap.Note(Encoding.UTF8.GetBytes(result.Ok ? link.TlsName ?? "TLS" : "TLS failed: " + result.Reason));
        }
    }

    /// <summary>Sends what is gathered: the client has its time to take all of it.</summary>
    /// <returns>False when the client is gone.</returns>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public async ValueTask<bool> FlushAsync(bool inTransaction)
    {
        _gathered = 0;
        _clock.Wait(SessionWait.Flush, _timeoutMs, inTransaction);
        FlushResult flush = await _link.Output.FlushAsync();
        _clock.Done();
        return !flush.IsCompleted;
    }

    private void Attach(ReceiveConnection connection)
    {
        _link = connection.Link;
        _clock = connection.Clock;
        _timeoutMs = connection.Options.Limits.IdleTimeoutMs;
        _gathered = 0;
    }
}
