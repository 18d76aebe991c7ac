using System.Globalization;
using FastRelay.Journal;

namespace FastRelay.Storm;

/// <summary>
/// What a start must have brought back, looked up in the journal before the loop turns: every recipient that is owed, nothing
/// that was settled for certain, attempts and due times, holds. From inside, so that a loss is found at once and not days later.
/// </summary>
internal sealed class QueueAudit(SimUniverse universe, MailChecker checker)
{
    /// <summary>Looks at every message that the relay has ever given an id.</summary>
    public void AfterStart(Relay relay)
    {
        NoteReport(relay);
        LookAtTenants(relay);
        foreach (MailMessage message in checker.Messages)
        {
            if (message.Id.Length > 0 && !message.IsDamaged && MessageId.TryParse(message.Id, out MessageId id))
            {
                bool found = relay.Journal.TryFind(id, out MessageHandle handle);
                Look(relay.Journal, message, found, handle);
            }
        }
    }

    private void Look(MessageJournal journal, MailMessage message, bool found, MessageHandle handle)
    {
        for (int i = 0; i < message.Recipients.Count; i++)
        {
            MailRecipient recipient = message.Recipients[i];
            bool pending = found && journal.IsPending(handle, i);
            bool owed = !recipient.IsAccounted && !recipient.Failed;
            universe.Require(pending || !owed, $"1: {recipient.Mailbox} ({message.State}) is owed and not queued after a start");
            universe.Require(!pending || !recipient.Settled || checker.RecordsLost, $"2: {recipient.Mailbox} was settled and is pending after a start");
            if (pending)
            {
                LookAtAttempts(journal, handle, i, recipient);
                LookAtMove(journal, message, handle, i, recipient);
                recipient.MustBounce = journal.TryGetDeferred(handle, i, out DeferredSet set) && set.Move.IsBounce;
                LookAtHold(journal, message, handle, i, recipient);
            }
        }
        if (!found)
        {
            return;
        }
        LearnMove(journal, message, handle);
        LearnBounce(journal, message, handle);
        bool[] held = [.. Enumerable.Range(0, message.Recipients.Count).Where(i => journal.IsPending(handle, i)).Select(i => journal.Holds.Has(handle, i)).Distinct()];
        if (held.Length == 2)
        {
            universe.Faults.Hit("relay: hold of some survived");
        }
        message.HoldGroup = -1;
        message.HeldMs = -3_600_000;
        PlanWaits(journal, message, handle);
    }

    /// <summary>Who was held is, and nobody else. Of one that had failed, and whose bounce a crash has lost, the model does not know.</summary>
    private void LookAtHold(MessageJournal journal, MailMessage message, MessageHandle handle, int index, MailRecipient recipient)
    {
        bool held = journal.Holds.Has(handle, index);
        bool known = message.HoldGroup < 0 && recipient.Held is not null && !recipient.Failed;
        universe.Require(!known || held == recipient.Held || checker.RecordsLost, $"{recipient.Mailbox} is {(held ? "held" : "released")} after a start");
        if (held && recipient.Held == true)
        {
            universe.Faults.Hit("relay: hold survived");
        }
        recipient.Held = held;
    }

    private void LookAtAttempts(MessageJournal journal, MessageHandle handle, int index, MailRecipient recipient)
    {
        bool known = journal.TryGetDeferred(handle, index, out DeferredSet set);
        int attempts = known ? set.Attempts : 0;
        universe.Require(
            attempts >= recipient.CertainAttempts || checker.RecordsLost,
            string.Create(CultureInfo.InvariantCulture, $"{recipient.Mailbox} was deferred after {recipient.CertainAttempts} attempts, and {attempts} are known after a start"));
        long waitMs = known ? set.NextDueUnixMs - universe.Time.GetUtcNow().ToUnixTimeMilliseconds() : 0;
        recipient.NotBeforeMs = waitMs > 0 ? universe.Time.NowMs + waitMs : 0;
        if (waitMs > 0)
        {
            universe.Faults.Hit("relay: due time survived");
        }
    }

    /// <summary>All who are left are moved, or nobody.</summary>
    private void LookAtMove(MessageJournal journal, MailMessage message, MessageHandle handle, int index, MailRecipient recipient)
    {
        if (message.Moved is { } wanted && message.MoveGroup < 0 && !checker.RecordsLost)
        {
            bool moved = IsMoved(journal, handle, index);
            universe.Require(moved == wanted, $"{recipient.Mailbox} is {(moved ? "moved" : "not moved")} after a start");
            if (moved)
            {
                universe.Faults.Hit("relay: move survived");
            }
        }
    }

    private static void LearnMove(MessageJournal journal, MailMessage message, MessageHandle handle)
    {
        bool[] moved = [.. Enumerable.Range(0, message.Recipients.Count).Where(i => journal.IsPending(handle, i)).Select(i => IsMoved(journal, handle, i)).Distinct()];
        message.Moved = moved is [var one] ? one : null;
        message.MoveGroup = -1;
        message.MovedMs = -3_600_000;
    }

    private static bool IsMoved(MessageJournal journal, MessageHandle handle, int index) =>
        journal.TryGetDeferred(handle, index, out DeferredSet set) && !set.Move.Target.IsEmpty && !set.Move.IsBounce;

    /// <summary>Who has failed meanwhile in another of its destinations is tried again: he was not the operator's to fail any more.</summary>
    private void LearnBounce(MessageJournal journal, MailMessage message, MessageHandle handle)
    {
        MailRecipient[] pending = [.. message.Recipients.Where((_, i) => journal.IsPending(handle, i))];
        message.Bouncing = pending.All(static one => one.MustBounce);
        if (message.Bouncing)
        {
            universe.Faults.Hit("relay: order to bounce survived");
        }
    }

    private void LookAtTenants(Relay relay)
    {
        string[] stopped = [.. relay.Queue.SiteAdmin.Suspensions.Select(static one => one.Name)];
        foreach (string tenant in checker.Tenants.Keys.ToArray())
        {
            (bool wanted, bool certain, _) = checker.Tenants[tenant];
            bool now = stopped.Contains("tenant:" + tenant);
            universe.Require(!certain || now == wanted, $"tenant \"{tenant}\" is {(now ? "suspended" : "not suspended")} after a start");
            if (now)
            {
                universe.Faults.Hit("relay: tenant's suspension survived");
            }
            checker.Tenants[tenant] = (now, true, -3_600_000);
        }
    }

    /// <summary>All recipients of one destination go with the one that is due first.</summary>
    private static void PlanWaits(MessageJournal journal, MailMessage message, MessageHandle handle)
    {
        foreach (IGrouping<string, MailRecipient> group in message.Recipients.Where((_, i) => journal.IsPending(handle, i)).GroupBy(static r => r.Domain))
        {
            long least = group.Min(static r => r.NotBeforeMs);
            foreach (MailRecipient recipient in group)
            {
                recipient.NotBeforeMs = least;
            }
        }
    }

    /// <summary>Counts what recovery decided, and holds it to what happened to the disk.</summary>
    private void NoteReport(Relay relay)
    {
        RecoveryReport report = relay.Recovery;
        Count("clean end", report.CleanEnd);
        Count("no clean end", !report.CleanEnd);
        Count("torn last group", report.TornGroups > 0);
        Count("damaged group", report.DamagedGroups > 0);
        Count("damaged message", report.DamagedMessages > 0);
        Count("hole, goes on at the next good group", Says(report, "no group can be read"));
        Count("a damaged group's good records are saved", Says(report, "is damaged"));
        Count("acknowledged groups at the end are missing", Says(report, "acknowledged groups from"));
        Count("first block damaged, groups read all the same", Says(report, "its groups are read all the same"));
        bool rotted = checker.RecordsLost || checker.Messages.Any(static m => m.IsRotten);
        universe.Require(
            rotted || (report.DamagedGroups == 0 && report.DamagedMessages == 0),
            $"1: a start names damage where nothing rotted: {string.Join("; ", report.Notes)}");
    }

    private void Count(string row, bool occurred)
    {
        if (occurred)
        {
            universe.Faults.Hit($"recovery: {row}");
        }
    }

    private static bool Says(RecoveryReport report, string words) => report.Notes.Any(note => note.Contains(words, StringComparison.Ordinal));
}
