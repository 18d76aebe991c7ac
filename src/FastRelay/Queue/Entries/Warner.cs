using System.Text;
using FastRelay.Journal;
using FastRelay.Outside;
using FastRelay.Smtp;

namespace FastRelay.Queue;

/// <summary>
/// Has senders told, once for a message, that it still waits (RFC 3461 5.2.5). The sweep finds what is old enough; one
/// message after the other is read then. What was old enough before a start counts as told.
/// </summary>
internal sealed class Warner
{
    /// <summary>Messages that may wait to be read; those past it are found again by the next sweep.</summary>
    public const int WaitingMax = 10_000;

    private const int RoomLookMs = 20;
    private readonly QueueState _queue;
    private readonly Queue<MessageId> _waiting = new();
    private readonly List<FailedRecipient> _delayed = [];
    private long _expireMs;
    private long _beforeExpirySeconds;
    private bool _running;

    public Warner(QueueState queue)
    {
        _queue = queue;
        Change();
    }

    /// <summary>The options are others now. What is queued keeps its expiry, so the longest that was in force counts.</summary>
    public void Change()
    {
        _expireMs = Math.Max(_expireMs, _queue.Options.ExpireMs);
        _beforeExpirySeconds = _queue.Options.WarnMs > 0 ? (_expireMs - _queue.Options.WarnMs) / 1000 : 0;
    }

    /// <summary>
    /// True when an entry is so old that its sender is to be told; one that is replayed so was told before the start, or has
    /// lost that chance. Its arrival decides. The expiry, which no jump of the wall clock moves, must be near enough too, so
    /// that such a jump tells nobody before his time unless another expiry was put in force meanwhile.
    /// </summary>
    public bool IsOld(in Entry entry, int nowSeconds, long arrivalUnixMs) =>
        IsLate(entry, nowSeconds) && _queue.UnixMs - arrivalUnixMs >= _queue.Options.WarnMs;

    private bool IsLate(in Entry entry, int nowSeconds) => _beforeExpirySeconds > 0 && nowSeconds >= entry.ExpireSeconds - _beforeExpirySeconds;

    /// <summary>The sweep has come to an entry.</summary>
    public void Look(in Entry entry, int nowSeconds)
    {
        if (entry.State is not (EntryState.Ready or EntryState.Deferred)
            || (entry.Flags & (EntryFlags.Warned | EntryFlags.NullReversePath)) != 0
            || nowSeconds >= entry.ExpireSeconds || !IsLate(entry, nowSeconds) || _waiting.Count == WaitingMax || _queue.Destinations[entry.Destination].Tenant.TellsByEvent
            || !IsOld(entry, nowSeconds, _queue.Journal.ArrivalUnixMs(new MessageHandle(entry.Message))))
        {
            return;
        }
        for (int handle = _queue.Messages[entry.Message]; handle != 0; handle = _queue.Slab[handle].NextOfMessage)
        {
            _queue.Slab[handle].Flags |= EntryFlags.Warned;
        }
        _waiting.Enqueue(_queue.Journal.IdOf(new MessageHandle(entry.Message)));
        if (!_running)
        {
            _running = true;
            _ = RunAsync();
        }
    }

    private async Task RunAsync()
    {
        var sleeper = new Sleeper(_queue.World.Loop);
        try
        {
            while (_waiting.Count > 0 && !_queue.Stopping)
            {
                if (_queue.Bounces is not { MayWarn: true })
                {
                    // Also bounds how many are made in a second, when a provider has stood still under a million messages.
                    await sleeper.SleepAsync(RoomLookMs);
                }
                else if (_queue.Journal.TryFind(_waiting.Dequeue(), out MessageHandle message))
                {
                    await WarnAsync(message);
                }
            }
            _running = false;
        }
        catch (Exception e)
        {
            Check.Fatal(e.ToString());
        }
    }

    private async ValueTask WarnAsync(MessageHandle message)
    {
        MessageId id = _queue.Journal.IdOf(message);
        BodyReader body = _queue.Journal.OpenBody();
        body.Start(message);
        BodyStatus status = await body.PrepareAsync();
        // A message may be gone while it was read, and its slot another's.
        if (status == BodyStatus.Ok && _queue.Journal.TryFind(id, out MessageHandle still) && still == message)
        {
            Collect(message, body.Envelope);
        }
        body.Close();
    }

    private void Collect(MessageHandle message, in Envelope envelope)
    {
        _delayed.Clear();
        long expires = 0;
        string tenant = "";
        for (int handle = _queue.Messages[message.Slot]; handle != 0; handle = _queue.Slab[handle].NextOfMessage)
        {
            ref Entry entry = ref _queue.Slab[handle];
            if (entry.State is EntryState.Ready or EntryState.Deferred)
            {
                expires = entry.ExpireSeconds * 1000L;
                tenant = _queue.Destinations[entry.Destination].Tenant.Name;
                Collect(message, envelope, handle);
            }
        }
        if (_delayed.Count > 0)
        {
            DateTimeOffset until = _queue.World.Time.GetUtcNow().AddMilliseconds(expires - _queue.World.Loop.NowMs);
            _queue.Bounces!.Warn(message, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_delayed), until, tenant);
        }
    }

    private void Collect(MessageHandle message, in Envelope envelope, int handle)
    {
        Destination destination = _queue.Destinations[_queue.Slab[handle].Destination];
        EntryExtra? extra = _queue.ExtraOrNone(handle);
        byte[] why = Encoding.Latin1.GetBytes(Why(in _queue.Slab[handle], destination));
        EnhancedCode code = EnhancedCode.TryParse(why, out EnhancedCode said, out _) && said.Class == 4 ? said : new EnhancedCode(4, 0, 0);
        var outcome = new Outcome(OutcomeClass.Deferred, Reach.Message, OutcomeCause.None, 0, code);
        foreach (EnvelopeRecipient recipient in envelope)
        {
            // Without NOTIFY a report of a delay is ours to choose (RFC 3461 4.1).
            bool wants = (NotifyOn)recipient.Notify == NotifyOn.Unspecified || ((NotifyOn)recipient.Notify & NotifyOn.Delay) != 0;
            if (wants && _queue.Journal.IsPending(message, recipient.Index)
                && extra?.Failed.Contains(recipient.Index) != true && destination.Serves(recipient.Mailbox))
            {
                _delayed.Add(new FailedRecipient(recipient.Index, outcome, "", why) { Kind = NoticeKind.Delayed });
            }
        }
    }

    private string Why(in Entry entry, Destination destination) =>
        entry.State == EntryState.Ready && _queue.StopOf(destination) is { Length: > 0 } stop ? stop
        : Encoding.Latin1.GetString(_queue.Reasons.Text(entry.Reason));
}
