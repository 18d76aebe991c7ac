using System.Runtime.CompilerServices;
using FastRelay.Journal;
using FastRelay.Observe;
using FastRelay.Outside;
using FastRelay.Queue;

namespace FastRelay.Bounce;

/// <summary>
/// Step 15 of a message's life: tells senders of failures (RFC 3464). Failures wait here in memory only: their
/// recipients stay pending in the journal until the bounce's own record settles them, so that after a crash they fail
/// again and are told once. No more a minute are begun than the limits say (docs/decisions/0033).
/// </summary>
public sealed class Bouncer : BounceSink
{
    /// <summary>That bounces wait for their rate is said at most so often.</summary>
    private const int SayMs = 60_000;

    private readonly World _world;
    private readonly MessageJournal _journal;
    private readonly MessageQueue _queue;
    private BounceOptions _options;
    private readonly Log _log;
    private readonly Counters _counters;
    private readonly Dictionary<MessageHandle, PendingBounce> _waiting = [];
    private readonly BounceQueue _reports;
    private readonly LoopTimer _timer;
    private long _saidMs = -SayMs;
    private long _dueMs = long.MinValue;
    private int _warnings;
    private int _running;
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
        _reports = new BounceQueue(options);
        _timer = new LoopTimer(world.Loop, new Due(this));
    }

    /// <summary>Messages whose senders are still to be told, those at work included.</summary>
    public int Pending => _reports.Count + _running + Told;

    /// <summary>Failed recipients whose events are not written yet.</summary>
    public int Told => _told?.Count ?? 0;

    /// <inheritdoc/>
    public override int Waiting => _reports.Recipients + Told;

    /// <inheritdoc/>
    public override bool HasRoom => Waiting < _options.Waiting;

    /// <inheritdoc/>
    public override bool MayWarn => HasRoom && !IsStuck && _warnings < _options.AtOnce && _reports.IsIdle(_world.Loop.NowMs);

    /// <inheritdoc/>
    public override bool IsPaced => _reports.IsPaced;

    /// <inheritdoc/>
    public override bool IsStuck => _refused > 0 || _told is { IsStuck: true };

    /// <summary>Puts other options in force for bounces that are not begun yet.</summary>
    public void Change(BounceOptions options)
    {
        _world.Loop.CheckThread();
        _options = options;
        _reports.Change(options, _world.Loop.NowMs);
        Begin(); // another rate is another time to wait
        _queue.BouncesMove(); // and another bound may be room
    }

    /// <inheritdoc/>
    public override bool PutsOff(string tenant) => (IsStuck && !HasRoom) || (IsPaced && !_reports.HasShare(tenant, _options.Waiting - Told));

    /// <inheritdoc/>
    public override BounceWait? WaitOf(MessageHandle message)
    {
        MessageId id = _journal.IdOf(message);
        PendingBounce? pending = _waiting.GetValueOrDefault(message) is { HasFailure: true } waiting && waiting.Id == id ? waiting
            : _working.Find(one => one.Message == message && one.Id == id && one.HasFailure);
        if (pending is null)
        {
            return null;
        }
        FailedRecipient[] failed = [.. pending.Failed.Where(static one => one.Kind == NoticeKind.Failed)];
        string why = IsStuck ? "waits for the spool, which takes no bounce just now" : IsPaced ? RateReason : "waits for its turn to be written";
        return new BounceWait(Array.ConvertAll(failed, static one => one.Index), why, failed[0].ReplyText);
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
        _timer.Cancel();
        _working.ForEach(GiveUp);
        foreach (PendingBounce pending in _reports.All)
        {
            GiveUp(pending);
        }
    }

    /// <inheritdoc/>
    public override void Bounce(MessageHandle message, ReadOnlySpan<FailedRecipient> failed, string tenant = "")
    {
        _world.Loop.CheckThread();
        Check.That(failed.Length > 0);
        bool isUrgent = HasRelayed(failed);
        MessageId id = _journal.IdOf(message);
        // A message that was set aside meanwhile has left its slot, and its bounce, behind: that one ends by itself.
        PendingBounce? known = _waiting.GetValueOrDefault(message) is { } waiting && waiting.Id == id ? waiting : null;
        // One that waits for its rate is not made urgent by what comes later: that is told by itself, and the other goes on waiting.
        PendingBounce pending = known is null || (isUrgent && known.Relayed == 0) ? new PendingBounce(message, id, tenant, failed.Length) : known;
        Fill(pending, failed);
        if (pending != known)
        {
            _waiting[message] = known ?? pending;
            _reports.Add(pending);
        }
        Begin();
    }

    /// <inheritdoc/>
    public override void ToldByEvent(MessageHandle message, ReadOnlySpan<int> recipients)
    {
        _world.Loop.CheckThread();
        // Only where a tenant is told so.
        _told ??= new EventNotices(_world, _journal, _log, _counters, _queue.BouncesMove);
        _told.Add(message, recipients);
    }

    /// <inheritdoc/>
    public override void Warn(MessageHandle message, ReadOnlySpan<FailedRecipient> delayed, DateTimeOffset until, string tenant = "")
    {
        _world.Loop.CheckThread();
        Check.That(delayed.Length > 0);
        // A courtesy: one that waits for its tenant's own rate would keep those of all others waiting.
        if (!_reports.MayBegin(tenant, _world.Loop.NowMs))
        {
            return;
        }
        // By itself: a bounce settles everybody that it names.
        var pending = new PendingBounce(message, _journal.IdOf(message), tenant, delayed.Length) { RetryUntil = until };
        _warnings++;
        Fill(pending, delayed);
        _reports.Add(pending);
        Begin();
    }

    /// <inheritdoc/>
    public override string Watch(long forMs)
    {
        long before = _world.Loop.NowMs - forMs;
        if (_reports.Any is { } waiting && _running < _options.AtOnce && !_stopping && !_timer.IsArmed && _dueMs < before)
        {
            // Somebody always works while something waits, or it is known when somebody will; a timer that is due may not have had its turn yet.
            string id = waiting.Id.ToString();
            Begin();
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

    private static bool HasRelayed(ReadOnlySpan<FailedRecipient> recipients)
    {
        foreach (ref readonly FailedRecipient one in recipients)
        {
            if (one.Kind == NoticeKind.Relayed)
            {
                return true;
            }
        }
        return false;
    }

    private void Fill(PendingBounce pending, ReadOnlySpan<FailedRecipient> recipients)
    {
        _reports.Counts(pending, recipients.Length);
        _relayed -= pending.Relayed;
        pending.FailedAt = _world.Time.GetUtcNow();
        pending.SinceMs = _world.Loop.NowMs;
        pending.Failed.AddRange(recipients);
        _relayed += pending.Relayed;
    }

    private void Begin()
    {
        if (_running < _options.AtOnce && _reports.Count > 0 && !_stopping)
        {
            _running++;
            _ = WorkAsync();
        }
    }

    // A root: one for each bounce that is written at the same time. It ends when nothing waits.
    private async Task WorkAsync()
    {
        BounceWriter? writer = null;
        try
        {
            while (Take() is { } pending)
            {
                // Not before: while a rate holds all of them back, each that fails comes here for nothing.
                writer ??= new BounceWriter(_world, _journal, _options);
                _working.Add(pending);
                pending.SinceMs = _world.Loop.NowMs;
                if (!_timer.IsArmed)
                {
                    Begin();
                }
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
        _reports.Counts(pending, -pending.Failed.Count);
        if (!had && HasRoom)
        {
            _queue.BouncesMove();
        }
    }

    private PendingBounce? Take()
    {
        if (_stopping)
        {
            return null;
        }
        bool waited = _reports.IsPaced;
        if (_reports.Take(_world.Loop.NowMs, out long waitMs) is not { } pending)
        {
            if (waitMs > 0)
            {
                Pace(waitMs, !waited);
            }
            return null;
        }
        _counters.BouncesPaced += waited && pending.Relayed == 0 ? 1 : 0;
        if (pending.RetryUntil is not null)
        {
            _warnings--;
        }
        else if (_waiting.GetValueOrDefault(pending.Message) == pending)
        {
            _waiting.Remove(pending.Message);
        }
        return pending;
    }

    private void Pace(long waitMs, bool begins)
    {
        _timer.After(waitMs);
        _dueMs = _world.Loop.NowMs + waitMs;
        if (!begins)
        {
            return;
        }
        if (_world.Loop.NowMs - _saidMs >= SayMs)
        {
            _saidMs = _world.Loop.NowMs;
            _log.Warn("bounces_paced"u8).Add("waiting"u8, _reports.Recipients).Add("per_minute"u8, _options.PerMinute).Write();
        }
        if (!HasRoom)
        {
            // What stood still for the want of room goes on: what fails is put off from now on.
            _queue.BouncesMove();
        }
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
                _queue.Add(result.Message, writer.Envelope.View);
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

    /// <summary>A rate allows the next report.</summary>
    private sealed class Due(Bouncer bouncer) : LoopItem
    {
        protected override void Run() => bouncer.Begin();
    }
}
