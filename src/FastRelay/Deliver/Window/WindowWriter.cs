using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using FastRelay.Journal;
using FastRelay.Outside;
using FastRelay.Queue;
using FastRelay.Smtp;

namespace FastRelay.Deliver;

/// <summary>
/// The writing half of a <see cref="WindowSession"/>: takes the site's messages and writes each as one piece, RSET to the
/// last octet of BDAT, while the window has room. Small messages gather in the link's buffer and leave in one write.
/// </summary>
internal sealed class WindowWriter : LoopItem
{
    /// <summary>A connection begins with this many messages in flight; each that is answered adds one. A host that turns connections away leaves few in doubt.</summary>
    public const int FirstInFlight = 4;

    private const int CommandRoom = CommandWriter.CommandBytes + DsnParameters.Bytes;

    private readonly Deliverer _owner;
    private readonly WindowSession _session;
    private readonly SendDialogue _dialogue;
    private readonly LoopTimer _timer;
    private readonly Signal<bool> _mayWrite;
    private Site _site = null!;
    private Delivery _delivery;
    private BodyReader? _body;
    private bool _taken;
    private bool _hasLeft;
    private bool _lost;
    private bool _timed;
    private int _gathered;

    /// <summary>Creates it.</summary>
    public WindowWriter(Deliverer owner, WindowSession session, SendDialogue dialogue)
    {
        _owner = owner;
        _session = session;
        _dialogue = dialogue;
        _timer = new LoopTimer(owner.World.Loop, this);
        _mayWrite = new Signal<bool>(owner.World.Loop);
    }

    /// <summary>It writes nothing more.</summary>
    public bool IsDone { get; private set; }

    /// <summary>Bytes are on their way.</summary>
    public bool IsWriting => _timed;

    private TransactionWindow Window => _session.Window;

    /// <summary>The message that it took last and that cannot go in a window; null when there is none.</summary>
    public Delivery? TakeLeft()
    {
        Delivery? left = _hasLeft ? _delivery : null;
        _hasLeft = false;
        return left;
    }

    /// <summary>A message was taken that the window does not have yet.</summary>
    public bool HasTaken => _taken;

    /// <summary>A message was answered, or the connection is over.</summary>
    public void RoomAgain() => _mayWrite.Set(true);

    /// <summary>Writes until there is nothing left to write and nothing left to be answered.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    public async ValueTask RunAsync(Site site, Delivery first)
    {
        try
        {
            await WriteAsync(site, first);
        }
        catch (Exception broken)
        {
            // A defect of ours: the reader would wait for ever for a writer that is gone.
            Check.Fatal("writing a window failed: " + broken);
        }
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask WriteAsync(Site site, Delivery first)
    {
        IsDone = _lost = _hasLeft = false;
        _gathered = 0;
        _mayWrite.Reset();
        _site = site;
        _delivery = first;
        _taken = true;
        while (!_lost && !_session.IsBroken)
        {
            if (!_taken && MayTake() && _owner.Queue.TryTake(site, out _delivery))
            {
                _taken = true;
                _session.Counted();
            }
            if (_taken && _body is null && !await OpenAsync())
            {
                continue;
            }
            if (_taken && _session.MayAdd && HasRoom())
            {
                if (!Fits())
                {
                    if (Window.Count == 0)
                    {
                        _hasLeft = true;
                        break;
                    }
                }
                else
                {
                    await WriteMessageAsync();
                    continue;
                }
            }
            if (!await FlushAsync() || (Window.Count == 0 && (!_taken || !_session.MayAdd)))
            {
                break;
            }
            await _mayWrite.WaitAsync();
        }
        Rest();
    }

    /// <summary>A write took too long. A run that was queued when it ended finds the timer off, or armed again.</summary>
    protected override void Run()
    {
        if (_timed && !_timer.IsArmed)
        {
            _dialogue.Cut(OutcomeCause.ReplyTimeout);
        }
    }

    private bool MayTake() => _session.MayAdd && _owner.MaySend && HasRoom();

    private bool HasRoom() => Window.Count < Math.Min(Window.Size, FirstInFlight + Window.Completed);

    // What does not fit into an empty window, and what the peer cannot have, goes by itself: DATA has an answer for each.
    private bool Fits()
    {
        long octets = OctetsOf(_body!);
        bool needsUtf8 = (_body!.Envelope.Flags & EnvelopeFlags.SmtpUtf8) != 0;
        return !_owner.Queue.GoesAlone(_delivery)
            && Window.Bytes + octets <= _dialogue.Limits.InFlightBytes
            && !_owner.MustBeSevenBit(_site, _body, _dialogue.Machine.Capabilities)
            && _dialogue.Machine.Capabilities.HindranceTo(octets, needsUtf8) == OutcomeCause.None;
    }

    private static long OctetsOf(BodyReader body) => body.Length - body.StuffedDots;

    /// <summary>Opens the message that was taken; false when nothing of it can be sent, which the queue has been told.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<bool> OpenAsync()
    {
        _body = _owner.Journal.OpenBody();
        _body.Start(_delivery.Message);
        ValueTask<BodyStatus> prepared = _body.PrepareAsync();
        if (!prepared.IsCompleted)
        {
            // The disk may take its time: what is written already does not wait for it.
            await FlushAsync();
        }
        BodyStatus status = await prepared;
        if (status == BodyStatus.Ok)
        {
            return true;
        }
        _owner.ReportUnreadable(_delivery, _body, status, _session.Attempt);
        Forget();
        return false;
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask WriteMessageAsync()
    {
        BodyReader body = _body!;
        Envelope envelope = body.Envelope;
        int count = _owner.Queue.CollectRecipients(_delivery, envelope, _owner.RecipientScratch, out _);
        if (count == 0)
        {
            // All of them were settled meanwhile, by the operator.
            _owner.Queue.Report(_delivery, envelope, _session.Attempt, default);
            Forget();
            return;
        }
        int place = Window.Add(_owner.RecipientScratch[..count], OctetsOf(body), (envelope.Flags & EnvelopeFlags.EightBit) != 0);
        _session.Began(place, _delivery, body);
        // The window has it now.
        _body = null;
        _taken = false;
        _session.Counted();
        WindowTransaction transaction = Window.Tail;
        while (transaction.HasMoreToWrite)
        {
            if (_gathered > Link.WriteBufferBytes - CommandRoom && !await FlushAsync())
            {
                return;
            }
            WriteCommand(body, transaction);
        }
        _session.WriterMoved();
        await WriteContentAsync(body, transaction);
    }

    private void WriteCommand(BodyReader body, WindowTransaction transaction)
    {
        PipeWriter output = _dialogue.Link!.Output;
        Span<byte> into = output.GetSpan(CommandRoom);
        Envelope envelope = body.Envelope;
        int recipient = transaction.NextRecipient;
        bool mail = transaction.NextIsMail;
        EnvelopeRecipient named = recipient < 0 ? default : envelope.At(recipient);
        int length = Window.Write(into, envelope.ReversePath, named.Mailbox);
        SmtpExtensions offered = _dialogue.Machine.Capabilities.Extensions;
        if ((offered & (SmtpExtensions.Dsn | SmtpExtensions.SmtpUtf8)) != 0)
        {
            length = recipient >= 0 ? DsnParameters.AddToRcpt(into, length, envelope, named, offered)
                : mail ? DsnParameters.AddToMail(into, length, envelope, offered)
                : length;
        }
        _dialogue.Tap.Commands(into[..length], body.Id, secret: false);
        output.Advance(length);
        _gathered += length;
    }

    // The content as it was before DATA's dots were stuffed (RFC 3030 2: no octet of a chunk has a meaning).
    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask WriteContentAsync(BodyReader body, WindowTransaction transaction)
    {
        bool isPlain = body.StuffedDots == 0;
        var unstuffer = default(DotUnstuffer);
        long left = transaction.ContentBytes;
        bool more = body.TryNext(out ReadOnlyMemory<byte> piece);
        while (more)
        {
            if (isPlain && piece.Length > Link.WriteBufferBytes - _gathered)
            {
                // Straight from the map, with what is gathered before it.
                left -= piece.Length;
                if (left == 0)
                {
                    transaction.ContentWritten();
                }
                if (!await SendAsync(piece))
                {
                    return;
                }
                piece = default;
            }
            else if (!piece.IsEmpty)
            {
                if (_gathered == Link.WriteBufferBytes && !await FlushAsync())
                {
                    return;
                }
                int taken = Copy(piece.Span, isPlain, ref unstuffer, ref left);
                piece = piece[taken..];
            }
            if (piece.IsEmpty)
            {
                more = body.TryNext(out piece);
            }
        }
        // The peer counts the octets that were promised: one more or less, and all that follows is taken for something else.
        Check.That(left == 0, "a body with another length than its record says");
        if (isPlain && transaction.IsSent)
        {
            return;
        }
        transaction.ContentWritten();
    }

    private int Copy(ReadOnlySpan<byte> piece, bool isPlain, ref DotUnstuffer unstuffer, ref long left)
    {
        int length = Math.Min(piece.Length, Link.WriteBufferBytes - _gathered);
        PipeWriter output = _dialogue.Link!.Output;
        Span<byte> into = output.GetSpan(length);
        int written = length;
        if (isPlain)
        {
            piece[..length].CopyTo(into);
        }
        else
        {
            written = unstuffer.Decode(piece[..length], into);
        }
        output.Advance(written);
        _gathered += written;
        left -= written;
        return length;
    }

    private ValueTask<bool> FlushAsync() => _gathered == 0 ? new ValueTask<bool>(!_lost) : SendAsync(default);

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<bool> SendAsync(ReadOnlyMemory<byte> behind)
    {
        _session.Sending();
        _timed = true;
        _timer.After(_dialogue.Limits.DataBlockTimeoutMs);
        FlushResult sent = await _dialogue.Link!.Output.WriteAsync(behind);
        if (!sent.IsCompleted)
        {
            // Before anything else runs: the peer's answer to the last octet cannot have been read yet.
            Window.Sent();
        }
        _timed = false;
        _timer.Cancel();
        _gathered = 0;
        // What the peer said before it left is its answer: the reader finds it, and then the end.
        _lost |= sent.IsCompleted;
        _session.WriterMoved();
        return !_lost;
    }

    private void Forget()
    {
        _body!.Close();
        _body = null;
        _taken = false;
        _session.Counted();
    }

    // What was taken and not begun goes back, or on by itself.
    private void Rest()
    {
        if (_body is not null)
        {
            _body.Close();
            _body = null;
        }
        if (_taken && !_hasLeft)
        {
            _owner.Queue.Release(_delivery);
        }
        _taken = false;
        IsDone = true;
        _session.Counted();
        _session.WriterMoved();
    }
}
