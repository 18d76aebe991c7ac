using System.Net;
using System.Runtime.CompilerServices;
using FastRelay.Config;
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
    private InjectorField _tenant;
    private InjectorField _priority;
    private DotDecoder _decoder;
    private DotEncoder _encoder;
    private long _chunkLeft;
    private bool _begun;
    private bool _inChunk;
    private bool _eightBit;
    private bool _eightBitHeader;
    private bool _skips;
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
        BareNewline,
        Failed,
    }

    /// <summary>True when <see cref="FlushAsync"/> must run before more is taken.</summary>
    public bool IsFull => _verdict == Verdict.Good && _writer.IsFull;

    /// <summary>Takes octets of a chunk and not lines up to a dot.</summary>
    public bool InChunk => _inChunk;

    /// <summary>The message is whole and on its way to the disk.</summary>
    public bool IsCommitting { get; private set; }

    /// <summary>The chunk under way is off the wire: nothing needs to be read.</summary>
    public bool ChunkIsRead => _inChunk && _chunkLeft == 0;

    /// <summary>A BDAT was taken (RFC 3030 2): its octets come next; the first one begins the message.</summary>
    public void BeginChunk(Link link, IPAddress peer, long octets)
    {
        if (!_begun)
        {
            Begin(link, peer);
        }
        _inChunk = true;
        _chunkLeft = octets;
    }

    /// <summary>A BDAT was refused: its octets come all the same and mean nothing.</summary>
    public void SkipChunk(long octets)
    {
        _inChunk = true;
        _skips = true;
        _chunkLeft = octets;
    }

    /// <summary>After 354, or with the first chunk: reserves the id and writes the trace header.</summary>
    /// <param name="link">Where it comes from.</param>
    /// <param name="peer">The client's address, which a proxy may have named.</param>
    public void Begin(Link link, IPAddress peer)
    {
        _link = link;
        _begun = true;
        _inChunk = false;
        _skips = false;
        _decoder = default;
        _encoder = default;
        _eightBit = false;
        _eightBitHeader = false;
        _header = default;
        _tenant.Begin(machine.NamesTenant, machine.Options.Tenants.Header);
        _priority.Begin(machine.NamesPriority, machine.Options.Tenants.PriorityHeader);
        _verdict = Verdict.Good;
        _commit = default;
        _bytes = 0;
        _beganMs = receiver.World.Loop.NowMs;
        MessageId id = _writer.Begin();
        _idLength = id.Format(_id);
        Span<byte> room = _writer.GetSpan(LeastRoom);
        var trace = new TraceHeader
        {
            EhloName = machine.Client.Helo,
            Peer = peer,
            Host = machine.Options.Hostname,
            With = machine.Client.With,
            Id = _id.AsSpan(0, _idLength),
            OnlyRecipient = envelope.RecipientCount == 1 ? envelope.View.Recipient(0) : default,
            Time = receiver.World.Time.GetUtcNow(),
        };
        Check.That(trace.TryWrite(room, out int length));
        _writer.Advance(length);
    }

    /// <summary>Takes what it can of the input.</summary>
    /// <returns>True when the message, or the chunk, has ended.</returns>
    public bool Take(ReadOnlySpan<byte> input, out int used)
    {
        if (_inChunk)
        {
            return TakeChunk(input, out used);
        }
        used = 0;
        Span<byte> scratch = stackalloc byte[LeastRoom];
        while (used < input.Length && !IsFull)
        {
            Span<byte> room = _verdict == Verdict.Good ? _writer.GetSpan(LeastRoom) : scratch;
            Span<byte> into = Piece(room);
            DotStatus status = _decoder.Decode(input[used..], into, out int consumed, out int written);
            used += consumed;
            if (_verdict == Verdict.Good)
            {
                Judge(room, written);
            }
            if (status == DotStatus.End)
            {
                return true;
            }
        }
        return false;
    }

    /// <summary>Stages what has gathered; waits while the journal has no room, which stops the client.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    public async ValueTask FlushAsync()
    {
        JournalStatus status = await _writer.FlushAsync();
        if (status != JournalStatus.Ok)
        {
            _commit = new CommitResult(status, default);
            Refuse(Verdict.Failed);
        }
    }

    /// <summary>The client left, timed out, or began anew before the end. Does nothing when no message is under way.</summary>
    public void Abandon()
    {
        if (_begun)
        {
            _begun = false;
            _writer.Abandon();
        }
    }

    /// <summary>Makes the message durable and queues it, unless it is refused.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    public async ValueTask CommitAsync()
    {
        _begun = false;
        EndContent();
        if (_verdict != Verdict.Good)
        {
            return;
        }
        if (TenantName.IsValid(_tenant.Value))
        {
            envelope.SetTenant(_tenant.Value);
        }
        envelope.SetPriority(machine.PriorityOf(_priority.Value));
        machine.Describe(_eightBit, _eightBitHeader);
        _writer.StuffedDots = (int)StuffedDots;
        IsCommitting = true;
        _commit = await _writer.CommitAsync(envelope);
        IsCommitting = false;
        if (_commit.Status != JournalStatus.Ok)
        {
            _verdict = Verdict.Failed;
            return;
        }
        receiver.Accepted(_link, machine, envelope, _commit.Message, _id.AsSpan(0, _idLength), _bytes - StuffedDots, _endedMs - _beganMs);
    }

    /// <summary>A chunk is off the wire. The message is at its end, and to be committed, when it was the last one and belonged to a message.</summary>
    public bool EndChunk()
    {
        bool skipped = _skips;
        _skips = false;
        if (skipped || !machine.LastChunk)
        {
            return false;
        }
        if (_verdict == Verdict.Good)
        {
            // Content by BDAT need not end its last line; in stored form, which goes out by DATA too, it does.
            bool fits = _encoder.Finish(_writer.GetSpan(LeastRoom), out int written);
            Check.That(fits);
            Judge(_writer.GetSpan(LeastRoom), written);
        }
        return true;
    }

    /// <summary>The reply to a chunk that did not end a message: as the machine decided, or the message broke a bound.</summary>
    public ReceiveStep ReplyToChunk(Span<byte> reply) =>
        _begun && _verdict != Verdict.Good ? new ReceiveStep(ReceiveAction.Continue, Reply(reply)) : machine.ChunkRead(reply);

    /// <summary>The final reply, after <see cref="CommitAsync"/>.</summary>
    public int Reply(Span<byte> reply) => _verdict switch
    {
        Verdict.Good => machine.Accepted(_id.AsSpan(0, _idLength), reply),
        Verdict.BareNewline => machine.Refused(Replies.BareNewlineInContent, reply),
        Verdict.TooBig => machine.Refused(Replies.MessageTooBig, reply),
        Verdict.HeaderTooBig => machine.Refused(Replies.HeaderTooBig, reply),
        Verdict.TooManyHops => machine.Refused(Replies.TooManyHops, reply),
        _ => machine.Refused(_commit.Status == JournalStatus.Full ? Replies.InsufficientStorage : Replies.LocalError, reply),
    };

    private bool TakeChunk(ReadOnlySpan<byte> input, out int used)
    {
        input = input[..(int)Math.Min(input.Length, _chunkLeft)];
        used = 0;
        if (_skips || _verdict != Verdict.Good)
        {
            used = input.Length;
        }
        while (used < input.Length && !IsFull)
        {
            Span<byte> room = _writer.GetSpan(LeastRoom);
            Span<byte> into = Piece(room);
            _encoder.Encode(input[used..], into, out int consumed, out int written);
            used += consumed;
            Judge(room, written);
            if (_verdict != Verdict.Good)
            {
                used = input.Length;
            }
        }
        _chunkLeft -= used;
        return _chunkLeft == 0;
    }

    private long StuffedDots => _decoder.StuffedDots + _encoder.StuffedDots;

    private bool Adds => machine.Listener.Submission;

    private bool Cuts => _tenant.Cuts || _priority.Cuts;

    // While the header lasts, fields may have to be put in, or what was held back of one that might have had to go.
    private Span<byte> Piece(Span<byte> room)
    {
        if (_header.HasEnded || !(Adds || Cuts))
        {
            return room;
        }
        // Each cutter may give back what it held of the piece before, and what the first gives is a piece for the second.
        int held = _tenant.Room + _priority.Room;
        Span<byte> rest = Adds ? room[..^SubmissionFields.OctetsMax] : room;
        return rest[..Math.Min(rest.Length - held, FieldCutter.PieceMax - held)];
    }

    private void EndContent()
    {
        _endedMs = receiver.World.Loop.NowMs;
        if (_verdict != Verdict.Good)
        {
            return;
        }
        if (machine.Listener.RefuseBareNewlines && _decoder.BareNewlines + _encoder.BareNewlines > 0)
        {
            Refuse(Verdict.BareNewline);
        }
        else if (Adds && !_header.HasEnded)
        {
            // A header without a body, and without the empty line that would end it.
            int added = WriteMissing(_writer.GetSpan(LeastRoom));
            _bytes += added;
            _writer.Advance(added);
        }
    }

    private int WriteMissing(Span<byte> into) =>
        SubmissionFields.Write(_header, receiver.World.Time.GetUtcNow(), _id.AsSpan(0, _idLength), machine.Options.Hostname, into);

    /// <summary>Holds what was decoded into the front of the writer's room against the bounds, and keeps it.</summary>
    private void Judge(Span<byte> room, int written)
    {
        if (!_header.HasEnded)
        {
            written = _priority.Cut(room, _tenant.Cut(room, written));
            int header = _header.Feed(room[..written]);
            _eightBitHeader = _eightBitHeader || !System.Text.Ascii.IsValid(room[..header]);
            if (_header.ReceivedCount > machine.Options.Limits.Hops)
            {
                Refuse(Verdict.TooManyHops);
                return;
            }
            if (_header.HeaderOctets > machine.Options.Limits.HeaderBytes)
            {
                Refuse(Verdict.HeaderTooBig);
                return;
            }
            if (_header.HasEnded && Adds)
            {
                written += Insert(room, header - 2, written);
            }
        }
        _eightBit = _eightBit || !System.Text.Ascii.IsValid(room[..written]);
        _bytes += written;
        // RFC 1870 5: what the dots of transparency add does not count.
        if (_bytes - StuffedDots + _tenant.Octets + _priority.Octets > machine.Options.Limits.MessageBytes)
        {
            Refuse(Verdict.TooBig);
            return;
        }
        _writer.Advance(written);
    }

    // Before the empty line, which a codec gives in one piece.
    private int Insert(Span<byte> room, int at, int written)
    {
        Span<byte> fields = stackalloc byte[SubmissionFields.OctetsMax];
        int length = WriteMissing(fields);
        room[at..written].CopyTo(room[(at + length)..]);
        fields[..length].CopyTo(room[at..]);
        return length;
    }

    private void Refuse(Verdict verdict)
    {
        _verdict = verdict;
        _writer.Abandon();
    }
}
