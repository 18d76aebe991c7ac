using FastRelay.Journal;
using FastRelay.Smtp;

namespace FastRelay.Queue;

/// <summary>Turns the outcomes of one attempt into journal records, log lines, the entry's next state, and bounces.</summary>
internal sealed class DeliveryReporter(QueueState queue)
{
    private const long UntoldRetryMs = 60_000;

    /// <summary>The first wait of its own of a message that is put off for the rate again.</summary>
    private const long RateRetryMs = 10_000;

    /// <summary>Different replies of one transaction that are shown to the rules: a host that words each anew costs no more.</summary>
    private const int JudgedMax = 16;

    private RecipientOutcome[] _outcomes = new RecipientOutcome[16];
    private int _outcomeCount;
    private readonly List<FailedRecipient> _failed = [];
    private readonly List<int> _told = [];
    private byte[] _whyPutOff = [];
    private byte[] _lastReply = [];

    public void Report(in Delivery delivery, in Envelope envelope, in AttemptInfo attempt, ReadOnlySpan<RecipientReport> reports)
    {
        ref Entry entry = ref queue.Slab[delivery.Entry];
        Check.That(entry.State == EntryState.InFlight && entry.Message == delivery.Message.Slot, "a delivery is reported once");
        bool expired = queue.NowSeconds >= entry.ExpireSeconds;
        bool noNotice = (entry.Flags & EntryFlags.NullReversePath) != 0 || entry.IsDropped;
        int nextRound = expired ? int.MaxValue : NextRound.FirstOf(reports);
        // What is settled without a host was not attempted.
        int attempts = Math.Min(ushort.MaxValue, entry.Attempts + (delivery.SiteOrNone is null ? 0 : 1));
        bool byEvent = delivery.Destination.Tenant.TellsByEvent;
        // Who is told by event needs no bounce, and waits for no rate of them.
        bool untold = !noNotice && (byEvent ? queue.Bounces is { HasRoom: false, IsStuck: true } : queue.Bounces?.PutsOff(delivery.Destination.Tenant.Name) == true);
        bool deferred = (entry.Flags & EntryFlags.RoundDeferred) != 0;
        bool later = false, inDoubt = false, unproved = false, judged = false, took = false;
        ReadOnlySpan<byte> reason = default;
        _outcomeCount = 0;
        _failed.Clear();
        _told.Clear();
        foreach (ref readonly RecipientReport report in reports)
        {
            Outcome outcome = report.Outcome;
            Check.That(outcome.Class != OutcomeClass.None, "a report says what became of the recipient");
            if (outcome.Class == OutcomeClass.Deferred && expired)
            {
                outcome = OutcomePolicy.From(SmtpStage.Connect, OutcomeCause.Expired) with { ReplyCode = outcome.ReplyCode };
            }
            bool removed = outcome.Cause == OutcomeCause.Removed || StruckMail.IsRemoved(queue, delivery.Entry, report.Index);
            bool silent = noNotice || removed;
            judged |= report.Outcome is { Cause: OutcomeCause.Reply, Reach: Reach.Recipient or Reach.Message };
            switch (outcome.Class)
            {
                case OutcomeClass.Delivered:
                    took = true;
                    entry.Pending--;
                    Deliver(envelope, report, outcome, attempt, noNotice || byEvent);
                    break;
                case OutcomeClass.Failed when !silent && (untold || (byEvent && queue.Log.Events is { HasRoom: false })) && WantsFailures(envelope, report.Index):
                    // Nobody can be told just now, so nothing is recorded: it is tried again, and fails again. Of a report with
                    // more lines than the stream holds, those that find room are told now and the others next time.
                    outcome = PutOff(outcome, report.ReplyText.Span, first: !later);
                    later = true;
                    break;
                case OutcomeClass.Failed:
                    entry.Pending--;
                    Fail(in entry, report, outcome, attempt, silent, removed, wantsNone: !silent && !WantsFailures(envelope, report.Index), byEvent);
                    break;
                default:
                    queue.Counters.Deferred++;
                    inDoubt |= outcome.Cause == OutcomeCause.InDoubt;
                    unproved |= outcome.Cause == OutcomeCause.Unproved;
                    if (report.Index < nextRound || !NextRound.Has(outcome))
                    {
                        deferred = true;
                        reason = reason.IsEmpty ? Cut(report.ReplyText.Span) : reason;
                        Add(report.Index, RecipientResult.Deferred);
                    }
                    break;
            }
            OutcomeLog.Write(queue, delivery, envelope, attempt, report, outcome, attempts);
        }
        Check.That(entry.Pending >= 0, "no more recipients are settled than there were");
        bool forRate = TellSite(delivery, took, judged, reports) && (entry.Flags & EntryFlags.RoundDeferred) == 0;
        long delayMs = !deferred ? 0 : forRate ? RateDelayMs(attempts) : queue.Options.RetryAfterMs(attempts, queue.World.Random, inDoubt);
        if (unproved)
        {
            queue.Extra(delivery.Entry).Alone = true;
        }
        Finish(delivery, nextRound, attempts, deferred, delayMs, later, reason);
        HandOver(delivery);
    }

    /// <summary>A failure whose sender cannot be told: it is a deferral, and the first of an entry says why that waits although it has failed.</summary>
    private Outcome PutOff(in Outcome failed, ReadOnlySpan<byte> reply, bool first)
    {
        queue.Counters.Deferred++;
        queue.Counters.BouncesPutOff++;
        ReadOnlySpan<byte> wait = queue.Bounces is { IsPaced: true } ? "waits for the rate of bounces: "u8 : "waits until its sender can be told: "u8;
        if (first && !(_whyPutOff.AsSpan().StartsWith(wait) && _whyPutOff.AsSpan(wait.Length).SequenceEqual(Cut(reply))))
        {
            _whyPutOff = [.. wait, .. Cut(reply)];
        }
        return failed with { Class = OutcomeClass.Deferred, Cause = OutcomeCause.Untold };
    }

    /// <summary>Those who failed wait to be told of; a message with a damaged envelope is looked at.</summary>
    private void HandOver(in Delivery delivery)
    {
        MessageHandle message = delivery.Message;
        if (_told.Count > 0)
        {
            Check.That(queue.Bounces is not null, "failures have somebody to tell of them");
            queue.Bounces.ToldByEvent(message, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_told));
        }
        else if (_failed.Count > 0)
        {
            Check.That(queue.Bounces is not null, "failures have somebody to tell of them");
            queue.Bounces.Bounce(message, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_failed), delivery.Destination.Tenant.Name);
        }
        else
        {
            queue.SetAsideIfLast(message);
        }
    }

    /// <summary>
    /// The wait of those that were put off only because mail came too fast. The first time it is the site's: the message is
    /// ready again, before others, and goes as soon as the site's rate allows. From the second time on, what is said about
    /// the rate may be about this message, which must not be all that the site is tried with: it waits 10 s, 20 s and so on
    /// by itself, up to its usual wait.
    /// </summary>
    private long RateDelayMs(int attempts) => attempts == 1 ? 0
        : Math.Min(RateRetryMs << Math.Min(attempts - 2, 20), queue.Options.RetryAfterMs(attempts, queue.World.Random));

    /// <returns>True when everybody who was put off was put off for the rate alone.</returns>
    private bool TellSite(in Delivery delivery, bool took, bool judged, ReadOnlySpan<RecipientReport> reports)
    {
        if (delivery.SiteOrNone is not { } site)
        {
            return false;
        }
        bool forRate = JudgeReplies(site, delivery.TakenMs, reports);
        // While rules are not asked, a refusal may have been one for the rate: only what was taken opens it.
        if (took || (judged && !forRate && queue.World.Loop.NowMs >= site.BackoffUntilMs && !queue.Gears.IsSuspended(site)))
        {
            queue.Shaper.GotThrough(site, delivery.TakenMs);
        }
        if (took)
        {
            queue.Backoffs.Delivered(site, queue.World.Loop.NowMs - delivery.TakenMs);
        }
        else if (judged)
        {
            queue.Backoffs.Succeeded(site);
        }
        return forRate;
    }

    /// <summary>Shows the rules each different reply of a transaction once: a refusal of all its recipients in one reply counts once.</summary>
    /// <returns>True when everybody who was put off was put off for the rate.</returns>
    private bool JudgeReplies(Site site, long takenMs, ReadOnlySpan<RecipientReport> reports)
    {
        Span<int> judged = stackalloc int[JudgedMax];
        int count = 0;
        bool forRate = false;
        bool forElse = false;
        for (int i = 0; i < reports.Length && count < JudgedMax; i++)
        {
            ref readonly RecipientReport report = ref reports[i];
            if (report.Outcome is not { Cause: OutcomeCause.Reply, Class: OutcomeClass.Deferred or OutcomeClass.Failed })
            {
                forElse |= report.Outcome.Class == OutcomeClass.Deferred;
                continue;
            }
            bool known = false;
            for (int j = 0; j < count && !known; j++)
            {
                ref readonly RecipientReport other = ref reports[judged[j]];
                known = other.Outcome.ReplyCode == report.Outcome.ReplyCode && other.ReplyText.Span.SequenceEqual(report.ReplyText.Span);
            }
            if (!known)
            {
                judged[count++] = i;
                bool rate = queue.Gears.Replied(site, report.Outcome, report.ReplyText.Span, takenMs) == ReplyEffect.Paced;
                forRate |= rate;
                forElse |= !rate && report.Outcome.Class == OutcomeClass.Deferred;
            }
        }
        return forRate && !forElse && count < JudgedMax;
    }

    /// <summary>Records the outcomes and moves the entry on.</summary>
    private void Finish(in Delivery delivery, int nextRound, int attempts, bool deferred, long delayMs, bool later, ReadOnlySpan<byte> reason)
    {
        int handle = delivery.Entry;
        ref Entry entry = ref queue.Slab[handle];
        if (_outcomeCount > 0)
        {
            long nextDue = deferred ? queue.UnixMs + delayMs : 0;
            // What the operator has said of a bounce that he wants is the last word, whatever a host has said since.
            ReadOnlySpan<byte> kept = entry.IsBounced ? queue.Reasons.Text(entry.Reason) : reason;
            queue.Journal.RecordOutcome(delivery.Message, _outcomes.AsSpan(0, _outcomeCount), nextDue, attempts, kept, deferred ? queue.Moves.RecordOf(handle) : default);
        }
        // Without a host it is we who have given up, and what we say of it goes by the reason that is there already.
        bool asked = delivery.SiteOrNone is not null;
        if (((later && asked) || (deferred && !reason.IsEmpty)) && (entry.Flags & EntryFlags.Removing) == 0)
        {
            entry.Reason = queue.Reasons.Add(reason.IsEmpty ? _whyPutOff : reason);
        }
        Landed(delivery);
        if (entry.Pending == 0)
        {
            queue.Free(handle);
            return;
        }
        foreach (FailedRecipient failed in _failed)
        {
            queue.Extra(handle).Failed.Add(failed.Index);
        }
        foreach (int told in _told)
        {
            queue.Extra(handle).Failed.Add(told);
        }
        if (StruckMail.Settled(queue, handle, _outcomes.AsSpan(0, _outcomeCount)) && !asked)
        {
            StruckMail.GoOn(queue, handle, later ? UntoldRetryMs : 0);
            return;
        }
        int next = Math.Min(nextRound, NextCursor(handle));
        if (next != int.MaxValue)
        {
            // The round goes on with the recipients that this transaction had no room for.
            EntryExtra extra = queue.Extra(handle);
            extra.Cursor = next;
            extra.NextCursor = -1;
            entry.Flags = deferred ? entry.Flags | EntryFlags.RoundDeferred : entry.Flags;
            MoveOn(handle, 0, ReadyPlace.First);
            return;
        }
        entry.Flags &= ~EntryFlags.RoundDeferred;
        entry.Attempts = (ushort)attempts;
        if (queue.ExtraOrNone(handle) is { } done)
        {
            done.Cursor = 0;
        }
        if (later)
        {
            // A host that has refused it is asked again no sooner than one that has put it off.
            long againMs = asked && queue.Bounces is { IsPaced: true } ? Math.Max(UntoldRetryMs, queue.Options.RetryAfterMs(attempts, queue.World.Random)) : UntoldRetryMs;
            MoveOn(handle, againMs, ReadyPlace.Last, pastExpiry: true);
            return;
        }
        // Somebody who was not reported although taken is tried again like the deferred.
        MoveOn(handle, deferred ? delayMs : queue.Options.RetryAfterMs(attempts, queue.World.Random), deferred && delayMs == 0 ? ReadyPlace.Refused : ReadyPlace.Last);
    }

    /// <summary>A delivery has ended without an attempt.</summary>
    public void GaveBack(in Delivery delivery)
    {
        queue.Shaper.GaveBack(delivery);
        Landed(delivery);
    }

    /// <summary>
    /// The watchdog's: a delivery that nobody works at. Whether the next hop has the message is not known, so it waits its
    /// whole retry interval like any in doubt; what is reported of it later does not count.
    /// </summary>
    public void GiveUp(int place)
    {
        Flight flight = queue.Flights[place];
        queue.Flights.GiveUp(place);
        queue.Counters.InDoubt++;
        flight.Site!.Landed(flight.Lane!);
        ref Entry entry = ref queue.Slab[flight.Entry];
        entry.Attempts = (ushort)Math.Min(ushort.MaxValue, entry.Attempts + 1);
        entry.Flags &= ~EntryFlags.RoundDeferred;
        if (queue.ExtraOrNone(flight.Entry) is { } extra)
        {
            (extra.Cursor, extra.NextCursor) = (0, -1);
        }
        long delayMs = queue.Options.RetryAfterMs(entry.Attempts, queue.World.Random, inDoubt: true);
        queue.Moves.RecordWait(flight.Entry, queue.UnixMs + delayMs);
        MoveOn(flight.Entry, delayMs, ReadyPlace.Last);
    }

    /// <summary>The site's delivery is over.</summary>
    public static void Landed(in Delivery delivery)
    {
        if (delivery.SiteOrNone is { } site)
        {
            site.Landed(delivery.Lane!);
        }
    }

    /// <summary>To the next state: what the operator asked for meanwhile comes first.</summary>
    public void MoveOn(int handle, long delayMs, ReadyPlace place, bool pastExpiry = false)
    {
        ref Entry entry = ref queue.Slab[handle];
        if ((entry.Flags & EntryFlags.Removing) != 0)
        {
            if (pastExpiry && !entry.IsDropped)
            {
                // Its sender cannot be told just now.
                queue.Defer(handle, delayMs, pastExpiry);
                return;
            }
            queue.Settle(handle);
            return;
        }
        bool moved = queue.Moves.Landed(handle);
        if ((entry.Flags & EntryFlags.Holding) != 0)
        {
            entry.Flags &= ~EntryFlags.Holding;
            queue.Hold(handle);
        }
        else if (moved || delayMs == 0 || (entry.Flags & EntryFlags.RetryWanted) != 0)
        {
            entry.Flags &= ~EntryFlags.RetryWanted;
            queue.MakeReady(handle, moved ? ReadyPlace.Last : place);
        }
        else
        {
            queue.Defer(handle, delayMs, pastExpiry);
        }
    }

    private int NextCursor(int handle) =>
        queue.ExtraOrNone(handle) is { NextCursor: >= 0 } extra ? extra.NextCursor : int.MaxValue;

    private void Deliver(in Envelope envelope, in RecipientReport report, in Outcome outcome, in AttemptInfo attempt, bool noNotice)
    {
        queue.Counters.Delivered++;
        queue.Counters.Delays.Add(queue.UnixMs - envelope.ArrivalUnixMs);
        bool told = !noNotice && attempt is { HasDsn: false, Host.Length: > 0 } && ((NotifyOn)envelope.At(report.Index).Notify & NotifyOn.Success) != 0;
        if (told && queue.Bounces is { HasRoom: true, IsStuck: false })
        {
            // Settled by the report, like a failure by its bounce: a crash before it is durable delivers again.
            Tell(report, outcome, attempt, NoticeKind.Relayed);
            return;
        }
        Add(report.Index, RecipientResult.Delivered);
    }

    private void Fail(in Entry entry, in RecipientReport report, in Outcome outcome, in AttemptInfo attempt, bool noNotice, bool removed, bool wantsNone, bool byEvent)
    {
        queue.Counters.Failed += outcome.Cause == OutcomeCause.Removed ? 0 : 1;
        queue.Counters.Removed += outcome.Cause == OutcomeCause.Removed ? 1 : 0;
        if (noNotice || wantsNone)
        {
            if (!entry.IsDropped && !removed)
            {
                // RFC 5321 4.5.5: a notification that fails makes no other; the log is the last to hear of it. Nor does a
                // message whose sender asked for none (RFC 3461 4.1).
                queue.Counters.Dropped++;
                Span<byte> id = stackalloc byte[MessageId.TextLength];
                queue.Journal.IdOf(new MessageHandle(entry.Message)).Format(id);
                queue.Log.Warn("drop"u8).Add("id"u8, id).Add("recipient"u8, report.Index).Write();
            }
            Add(report.Index, RecipientResult.Dropped);
            return;
        }
        if (byEvent)
        {
            _told.Add(report.Index);
            return;
        }
        Tell(report, outcome, attempt, NoticeKind.Failed);
    }

    private void Tell(in RecipientReport report, in Outcome outcome, in AttemptInfo attempt, NoticeKind kind)
    {
        string host = attempt.Host.Length == 0 ? "" : attempt.Address is null ? attempt.Host : $"{attempt.Host} ({attempt.Address.Address})";
        ReadOnlySpan<byte> reply = Cut(report.ReplyText.Span);
        // Thousands that fail together fail by the same words: one copy of them.
        _lastReply = reply.SequenceEqual(_lastReply) ? _lastReply : reply.ToArray();
        _failed.Add(new FailedRecipient(report.Index, outcome, host, _lastReply) { Kind = kind });
    }

    private static bool WantsFailures(in Envelope envelope, int index)
    {
        var notify = (NotifyOn)envelope.At(index).Notify;
        return notify == NotifyOn.Unspecified || (notify & NotifyOn.Failure) != 0;
    }

    private void Add(int index, RecipientResult result)
    {
        if (_outcomeCount == _outcomes.Length)
        {
            Array.Resize(ref _outcomes, _outcomes.Length * 2);
        }
        _outcomes[_outcomeCount++] = new RecipientOutcome(index, result);
    }

    /// <summary>As much of a reply as is kept of it.</summary>
    internal static ReadOnlySpan<byte> Cut(ReadOnlySpan<byte> text) => text[..Math.Min(text.Length, Limits.ReplyTextBytes)];
}
