using System.Runtime.CompilerServices;
using FastRelay.Journal;
using FastRelay.Observe;
using FastRelay.Outside;
using FastRelay.Queue;

namespace FastRelay.Bounce;

/// <summary>
/// Step 15 of a message's life: tells senders of failures (RFC 3464). Failures wait here in memory only: their
/// recipients stay pending in the journal until the bounce's own record settles them, so that after a crash they fail
/// again and are told once.
/// </summary>
public sealed class Bouncer : BounceSink
{
    private readonly World _world;
    private readonly MessageJournal _journal;
    private readonly MessageQueue _queue;
    private BounceOptions _options;
    private readonly Log _log;
    private readonly Counters _counters;
    private readonly Dictionary<MessageHandle, PendingBounce> _waiting = [];
    private PendingBounce? _first;
    private PendingBounce? _last;
    private int _warnings;
    private int _running;
    private int _recipients;
    private int _refused;
    private int _relayed;
    private readonly List<PendingBounce> _working = [];
    private EventNotices? _told;
    private bool _stopping;

    /// <summary>Creates the stage.</summary>
    public Bouncer(World world, MessageJournal journal, MessageQueue queue, BounceOptions options, Log log, Counters counters)
    {
        Check.That(options.AtOnce > 0);
        _world = world;
        _journal = journal;
        _queue = queue;
        _options = options;
        _log = log;
        _counters = counters;
    }

    /// <summary>Messages whose senders are still to be told, those at work included.</summary>
    public int Pending => _waiting.Count + _warnings + _running + Told;

    /// <summary>Failed recipients whose events are not written yet.</summary>
    public int Told => _told?.Count ?? 0;

    /// <inheritdoc/>
    public override bool HasRoom => _recipients + Told < _options.Waiting;

    /// <inheritdoc/>
    public override bool MayWarn => HasRoom && !IsStuck && _warnings < _options.AtOnce;

    /// <inheritdoc/>
    public override bool IsStuck => _refused > 0 || _told is { IsStuck: true };

    /// <summary>Puts other options in force for bounces that are not begun yet.</summary>
    public void Change(BounceOptions options)
    {
        _world.Loop.CheckThread();
        _options = options;
    }

    /// <summary>Ends the retries: what is pending is told after the next start.</summary>
    public void Stop() => _stopping = true;

    /// <summary>
    /// Ends the work before the journal closes. Recipients that were delivered stay pending until their report is durable, so
    /// reports are waited for; those that do not come in time are given up, which is better than a second delivery.
    /// </summary>
    /// <param name="untilMs">The latest end of the wait, on the loop's scale.</param>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    public async ValueTask DrainAsync(long untilMs)
    {
        const int LookMs = 20;
        var sleeper = new Sleeper(_world.Loop);
        while ((_relayed > 0 || Told > 0) && _world.Loop.NowMs < untilMs)
        {
            await sleeper.SleepAsync(LookMs);
        }
        Stop();
        _told?.Stop();
        _working.ForEach(GiveUp);
        for (PendingBounce? pending = _first; pending is not null; pending = pending.Next)
        {
            GiveUp(pending);
        }
    }

    /// <inheritdoc/>
    public override void Bounce(MessageHandle message, ReadOnlySpan<FailedRecipient> failed)
    {
        _world.Loop.CheckThread();
        Check.That(failed.Length > 0);
        if (!_waiting.TryGetValue(message, out PendingBounce? pending))
        {
            pending = new PendingBounce(message, _journal.IdOf(message));
            _waiting.Add(message, pending);
            Append(pending);
        }
        Fill(pending, failed);
    }

    /// <inheritdoc/>
    public override void ToldByEvent(MessageHandle message, ReadOnlySpan<int> recipients)
    {
        _world.Loop.CheckThread();
        // Made late: the event stream is opened after the stages.
        _told ??= new EventNotices(_world, _journal, _log, _counters, _queue.BouncesMove);
        _told.Add(message, recipients);
    }

    /// <inheritdoc/>
    public override void Warn(MessageHandle message, ReadOnlySpan<FailedRecipient> delayed, DateTimeOffset until)
    {
        _world.Loop.CheckThread();
        Check.That(delayed.Length > 0);
        // By itself: a bounce settles everybody that it names.
        var pending = new PendingBounce(message, _journal.IdOf(message)) { RetryUntil = until };
        _warnings++;
        Append(pending);
        Fill(pending, delayed);
    }

    /// <inheritdoc/>
    public override string Watch(long forMs)
    {
        long before = _world.Loop.NowMs - forMs;
        if (_first is not null && _running < _options.AtOnce && !_stopping)
        {
            // Somebody always works while something waits.
            string id = _first.Id.ToString();
            _running++;
            _ = WorkAsync(new BounceWriter(_world, _journal, _options));
            return id;
        }
        if (!IsStuck && _journal.Admission == JournalStatus.Ok && _working.Find(one => one.SinceMs < before) is { } late)
        {
            // It waits for the disk, to be read or to be committed: another would tell its sender twice.
            late.SinceMs = _world.Loop.NowMs;
            return late.Id.ToString();
        }
        return "";
    }

    private void Append(PendingBounce pending)
    {
        if (_last is null)
        {
            _first = pending;
        }
        else
        {
            _last.Next = pending;
        }
        _last = pending;
    }

    private void Fill(PendingBounce pending, ReadOnlySpan<FailedRecipient> recipients)
    {
        _recipients += pending.RetryUntil is null ? recipients.Length : 0;
        _relayed -= pending.Relayed;
        pending.FailedAt = _world.Time.GetUtcNow();
        pending.SinceMs = _world.Loop.NowMs;
        pending.Failed.AddRange(recipients);
        _relayed += pending.Relayed;
        if (_running < _options.AtOnce)
        {
            _running++;
            _ = WorkAsync(new BounceWriter(_world, _journal, _options));
        }
    }

    // A root: one for each bounce that is written at the same time. It ends when nothing waits.
    private async Task WorkAsync(BounceWriter writer)
    {
        try
        {
            while (Take() is { } pending)
            {
                _working.Add(pending);
                pending.SinceMs = _world.Loop.NowMs;
                await TellAsync(writer, pending);
                _working.Remove(pending);
                Forget(pending);
            }
            _running--;
        }
        catch (Exception broken)
        {
            Check.Fatal("a bounce failed: " + broken);
        }
    }

    // What is on its way to the disk is left to the journal, which writes it before it closes.
    private void GiveUp(PendingBounce pending)
    {
        if (pending.Relayed == 0 || pending.IsCommitting || pending.IsGivenUp
            || !_journal.TryFind(pending.Id, out MessageHandle message) || message != pending.Message)
        {
            return;
        }
        pending.IsGivenUp = true;
        RecipientOutcome[] delivered =
        [
            .. pending.Failed.Where(one => one.Kind == NoticeKind.Relayed && _journal.IsPending(message, one.Index))
                .Select(static one => new RecipientOutcome(one.Index, RecipientResult.Delivered)),
        ];
        _log.Warn("report_given_up"u8).Add("for"u8, pending.Id.ToString()).Add("recipients"u8, delivered.Length).Write();
        if (delivered.Length > 0)
        {
            _journal.RecordOutcome(message, delivered, 0, 0, default);
        }
    }

    private void Forget(PendingBounce pending)
    {
        _relayed -= pending.Relayed;
        bool had = HasRoom;
        _recipients -= pending.RetryUntil is null ? pending.Failed.Count : 0;
        if (!had && HasRoom)
        {
            _queue.BouncesMove();
        }
    }

    private PendingBounce? Take()
    {
        PendingBounce? pending = _stopping ? null : _first;
        if (pending is not null)
        {
            _first = pending.Next;
            _last = _first is null ? null : _last;
            pending.Next = null;
            if (pending.RetryUntil is null)
            {
                _waiting.Remove(pending.Message);
            }
            else
            {
                _warnings--;
            }
        }
        return pending;
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask TellAsync(BounceWriter writer, PendingBounce pending)
    {
        var sleeper = new Sleeper(_world.Loop);
        int wait = _options.RetryMs;
        if (pending.RetryUntil is not null && _journal.Admission != JournalStatus.Ok)
        {
            // What is kept free is for mail that has failed: a queue that is full takes no report of a delay.
            return;
        }
        while (!_stopping && writer.IsLive(pending))
        {
            if (await writer.WriteAsync(pending) is not { } result)
            {
                _log.Error("unreadable"u8).Add("id"u8, pending.Id.ToString()).Add("status"u8, "corrupt"u8).Add("envelope"u8, "unreadable"u8).Write();
                // Another bounce of the same message may have done it while this one read.
                if (writer.IsLive(pending))
                {
                    _queue.SetAside(pending.Message);
                }
                return;
            }
            if (result.Status == JournalStatus.Ok)
            {
                _counters.Bounced += pending.RetryUntil is null ? 1 : 0;
                _counters.Warned += pending.RetryUntil is null ? 0 : 1;
                LogBounce(pending, result.Message);
                AddToQueue(result.Message, writer.Envelope);
                return;
            }
            if (result.Status == JournalStatus.Closed || pending.RetryUntil is not null)
            {
                return;
            }
            LogRefused(pending, result.Status, wait);
            _refused++;
            _queue.BouncesMove();
            await sleeper.SleepAsync(wait);
            _refused--;
            pending.SinceMs = _world.Loop.NowMs;
            wait = Math.Min(wait * 2, _options.RetryCapMs);
        }
    }

    private void AddToQueue(MessageHandle bounce, EnvelopeBuilder envelope)
    {
        Envelope view = envelope.View;
        _queue.Add(bounce, view);
    }

    private void LogBounce(PendingBounce pending, MessageHandle bounce)
    {
        _log.Line(pending.RetryUntil is null ? "bounce"u8 : "delay_warning"u8).Add("id"u8, _journal.IdOf(bounce).ToString()).Add("for"u8, pending.Id.ToString())
            .Add("recipients"u8, pending.Failed.Count).Write();
        _log.Events?.Begin(pending.RetryUntil is null ? "bounce"u8 : "delay_warning"u8).Add("id"u8, _journal.IdOf(bounce).ToString()).Add("for"u8, pending.Id.ToString())
            .Add("recipients"u8, pending.Failed.Count).Write();
    }

    private void LogRefused(PendingBounce pending, JournalStatus status, int wait)
    {
        _log.Warn("bounce_waits"u8).Add("for"u8, pending.Id.ToString())
            .Add("reason"u8, status == JournalStatus.Full ? "journal_full"u8 : "journal_failed"u8)
            .AddSeconds("wait"u8, wait).Write();
    }
}
