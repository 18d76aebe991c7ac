using System.Runtime.CompilerServices;
using FastRelay.Journal;
using FastRelay.Outside;
using FastRelay.Smtp;

namespace FastRelay.Receive;

/// <summary>
/// Takes one message after another from the wire into the journal: trace header, dot codec, header scan and bounds.
/// A message that breaks a bound is read to its end, so that the session stays in step, and then refused.
/// </summary>
internal sealed class MessageReceiver(Receiver receiver, ReceiveMachine machine, EnvelopeBuilder envelope)
{
    /// <summary>Free octets of the writer below which the caller flushes; the decoder grows its input by at most this much at a time.</summary>
    private const int LeastRoom = 2048;

    private readonly MessageWriter _writer = new(receiver.Journal);
    private readonly byte[] _id = new byte[32];
    private DotDecoder _decoder;
    private HeaderScanner _header;
    private Verdict _verdict;
    private Link _link = null!;
    private CommitResult _commit;
    private long _beganMs;
    private long _endedMs;
    private int _idLength;
    private long _bytes;

    private enum Verdict : byte
    {
        Good,
        TooBig,
        HeaderTooBig,
        TooManyHops,
        Failed,
    }

    /// <summary>True when <see cref="FlushAsync"/> must run before more is taken.</summary>
    public bool IsFull => _verdict == Verdict.Good && _writer.IsFull;

    /// <summary>After 354: reserves the id and writes the trace header.</summary>
    public void Begin(Link link)
    {
        _link = link;
        _decoder = default;
        _header = default;
        _verdict = Verdict.Good;
        _commit = default;
        _bytes = 0;
        _beganMs = receiver.World.Loop.NowMs;
        MessageId id = _writer.Begin();
        _idLength = id.Format(_id);
        Span<byte> room = _writer.GetSpan(LeastRoom);
        var trace = new TraceHeader
        {
            EhloName = machine.Helo,
            Peer = link.Remote.Address,
            Host = receiver.Hostname,
            With = machine.Secured ? WithProtocol.Esmtps : machine.Extended ? WithProtocol.Esmtp : WithProtocol.Smtp,
            Id = _id.AsSpan(0, _idLength),
            OnlyRecipient = envelope.RecipientCount == 1 ? envelope.View.Recipient(0) : default,
            Time = receiver.World.Time.GetUtcNow(),
        };
        Check.That(trace.TryWrite(room, out int length));
        _writer.Advance(length);
    }

    /// <summary>Takes what it can of the input.</summary>
    /// <returns>True when the message has ended.</returns>
    public bool Take(ReadOnlySpan<byte> input, out int used)
    {
        used = 0;
        Span<byte> scratch = stackalloc byte[LeastRoom];
        while (used < input.Length && !IsFull)
        {
            Span<byte> room = _verdict == Verdict.Good ? _writer.GetSpan(LeastRoom) : scratch;
            DotStatus status = _decoder.Decode(input[used..], room, out int consumed, out int written);
            used += consumed;
            if (_verdict == Verdict.Good)
            {
                Judge(room[..written]);
            }
            if (status == DotStatus.End)
            {
                _endedMs = receiver.World.Loop.NowMs;
                return true;
            }
        }
        return false;
    }

    /// <summary>Stages what has gathered; waits while the journal has no room, which stops the client.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask FlushAsync()
    {
        JournalStatus status = await _writer.FlushAsync();
        if (status != JournalStatus.Ok)
        {
            _commit = new CommitResult(status, default);
            Refuse(Verdict.Failed);
        }
    }

    /// <summary>The client left, or timed out, before the final dot.</summary>
    public void Abandon()
    {
        if (_verdict == Verdict.Good)
        {
            _writer.Abandon();
        }
    }

    /// <summary>Makes the message durable and queues it, unless it is refused.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask CommitAsync()
    {
        if (_verdict != Verdict.Good)
        {
            return;
        }
        _writer.StuffedDots = (int)_decoder.StuffedDots;
        _commit = await _writer.CommitAsync(envelope);
        if (_commit.Status != JournalStatus.Ok)
        {
            _verdict = Verdict.Failed;
            return;
        }
        receiver.Accepted(_link, machine, envelope, _commit.Message, _id.AsSpan(0, _idLength), _bytes, _endedMs - _beganMs);
    }

    /// <summary>The final reply, after <see cref="CommitAsync"/>.</summary>
    public int Reply(Span<byte> reply) => _verdict switch
    {
        Verdict.Good => machine.Accepted(_id.AsSpan(0, _idLength), reply),
        Verdict.TooBig => machine.Refused(Replies.MessageTooBig, reply),
        Verdict.HeaderTooBig => machine.Refused(Replies.HeaderTooBig, reply),
        Verdict.TooManyHops => machine.Refused(Replies.TooManyHops, reply),
        _ => machine.Refused(_commit.Status == JournalStatus.Full ? Replies.InsufficientStorage : Replies.LocalError, reply),
    };

    private void Judge(ReadOnlySpan<byte> stored)
    {
        _bytes += stored.Length;
        if (!_header.HasEnded)
        {
            _header.Feed(stored);
            if (_header.ReceivedCount > receiver.Limits.Hops)
            {
                Refuse(Verdict.TooManyHops);
                return;
            }
            if (_header.HeaderOctets > receiver.Limits.HeaderBytes)
            {
                Refuse(Verdict.HeaderTooBig);
                return;
            }
        }
        if (_bytes > receiver.Limits.MessageBytes)
        {
            Refuse(Verdict.TooBig);
            return;
        }
        _writer.Advance(stored.Length);
    }

    private void Refuse(Verdict verdict)
    {
        _verdict = verdict;
        _writer.Abandon();
    }
}
