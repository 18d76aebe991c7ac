using System.Globalization;
using System.Text;
using FastRelay.Journal;

namespace FastRelay.Storm;

/// <summary>
/// What a journal must bring back: everything acknowledged, nothing refused, nothing settled for certain, no pending
/// recipient lost, due times and holds no older than what was durable for certain.
/// </summary>
internal sealed class JournalChecker(SimUniverse universe) : IReplay
{
    private readonly Dictionary<string, ModelMessage> _messages = [];
    private readonly List<ReplayedMessage> _replayed = [];
    private readonly List<ModelMessage> _live = [];
    private readonly HashSet<MessageId> _ids = [];

    /// <summary>All messages of this storm, in order of their making.</summary>
    public List<ModelMessage> Messages { get; } = [];

    /// <summary>Counts the order of records; 0 is before everything.</summary>
    public long Now { get; private set; }

    public IReadOnlyList<ModelMessage> Live => _live;

    public long Tick() => ++Now;

    public void Add(ModelMessage message)
    {
        Messages.Add(message);
        _messages.Add(message.Token, message);
    }

    /// <summary>A commit that began at a moment was reported: all that was recorded until then is durable.</summary>
    public void DurableUntil(long moment)
    {
        foreach (ModelMessage message in Messages)
        {
            if (message.State == ModelState.Refused)
            {
                message.RefusedForCertain = true;
                continue;
            }
            foreach (ModelRecipient recipient in message.Recipients)
            {
                recipient.SettledForCertain |= recipient.SettledAt != 0 && recipient.SettledAt <= moment && recipient.SettledBy is null;
                Forget(recipient.Deferred, moment, static d => d.At);
                Forget(recipient.Holds, moment, static h => h.At);
            }
        }
    }

    public void Acknowledge(ModelMessage message, MessageHandle handle)
    {
        universe.Require(_ids.Add(message.Id), $"id {message.Id} of {message.Token} was given before");
        message.State = ModelState.Acknowledged;
        message.Handle = handle;
        _live.Add(message);
        foreach (ModelRecipient settled in SettledBy(message))
        {
            settled.SettledForCertain = true;
            settled.SettledBy = null;
        }
        _live.RemoveAll(static m => m.IsSettled);
    }

    public void Refuse(ModelMessage message)
    {
        message.State = ModelState.Refused;
        foreach (ModelRecipient settled in SettledBy(message))
        {
            settled.SettledAt = 0;
            settled.SettledBy = null;
        }
    }

    public void Settled(ModelMessage message)
    {
        if (message.IsSettled)
        {
            _live.Remove(message);
        }
    }

    /// <summary>A journal is about to be opened.</summary>
    public void BeginReplay() => _replayed.Clear();

    public void Message(MessageHandle message, in Envelope envelope, in ReplayState state)
    {
        string token = Encoding.ASCII.GetString(envelope.ReversePath);
        var pending = new bool[envelope.RecipientCount];
        var held = new bool[envelope.RecipientCount];
        var deferred = new (int, long)?[envelope.RecipientCount];
        foreach ((int index, ReadOnlySpan<byte> mailbox) in envelope)
        {
            universe.Require(
                Encoding.ASCII.GetString(mailbox) == Mailbox(token, index),
                $"recipient {index} of {token} is another one now");
            pending[index] = state.IsPending(index);
            held[index] = state.IsHeld(index);
            if (state.TryGetDeferred(index, out DeferredSet set))
            {
                deferred[index] = (set.Attempts, set.NextDueUnixMs);
                universe.Require(
                    Encoding.ASCII.GetString(set.Reason) == Reason(set.Attempts) && Encoding.ASCII.GetString(set.Move.Target) == Target(set.Attempts),
                    $"reason of recipient {index} of {token} is another one now");
            }
        }
        universe.Trace.Add("replay", $"{token} {string.Concat(pending.Select(static p => p ? '1' : '0'))} {string.Join(' ', deferred)}", message.Slot);
        _replayed.Add(new ReplayedMessage(token, message, pending, held, deferred));
    }

    /// <summary>Checks what was replayed and takes it over as the state that is now certain.</summary>
    public void EndReplay(MessageJournal journal)
    {
        _live.Clear();
        var seen = new Dictionary<string, ReplayedMessage>();
        foreach (ReplayedMessage replayed in _replayed)
        {
            universe.Require(seen.TryAdd(replayed.Token, replayed), $"{replayed.Token} came back twice");
            universe.Require(_messages.ContainsKey(replayed.Token), $"{replayed.Token} was never sent");
        }
        // Bounces first: whether one came back decides what must be pending in its original.
        foreach (ModelMessage message in Messages)
        {
            if (message.State == ModelState.InDoubt)
            {
                DecideInDoubt(message, seen.ContainsKey(message.Token));
            }
        }
        foreach (ModelMessage message in Messages)
        {
            Check(message, seen.GetValueOrDefault(message.Token), journal);
        }
    }

    public static string Mailbox(string token, int index) => string.Create(CultureInfo.InvariantCulture, $"r{index}.{token}@x");

    /// <summary>Where the operator has moved those with as many attempts to: every third goes as the configuration says.</summary>
    public static string Target(int attempts) => attempts % 3 == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"smtp:[192.0.2.{attempts}]:25");

    public static string Reason(int attempts) => string.Create(CultureInfo.InvariantCulture, $"451 later {attempts}");

    private void DecideInDoubt(ModelMessage message, bool cameBack)
    {
        universe.Faults.Hit(cameBack ? "journal: in doubt, kept" : "journal: in doubt, lost");
        if (cameBack)
        {
            message.State = ModelState.Acknowledged;
            foreach (ModelRecipient settled in SettledBy(message))
            {
                settled.SettledForCertain = true;
                settled.SettledBy = null;
            }
        }
        else
        {
            Refuse(message);
            message.RefusedForCertain = true;
        }
    }

    private void Check(ModelMessage message, ReplayedMessage? replayed, MessageJournal journal)
    {
        if (replayed is null)
        {
            bool mayBeGone = message.State == ModelState.Refused || message.IsSettled;
            universe.Require(mayBeGone, $"{message.Token} was acknowledged and is lost");
            foreach (ModelRecipient recipient in message.Recipients)
            {
                recipient.SettledForCertain = true;
            }
            if (message.State == ModelState.Refused)
            {
                message.RefusedForCertain = true;
            }
            return;
        }
        if (message.State == ModelState.Refused)
        {
            universe.Require(!message.RefusedForCertain, $"{message.Token} was refused and came back");
            universe.Faults.Hit("journal: refused just before a crash, kept");
            message.State = ModelState.Acknowledged;
        }
        universe.Require(!message.IsSettledForCertain, $"{message.Token} was settled and came back");
        universe.Require(journal.BodyLength(replayed.Handle) == message.BodyLength, $"{message.Token} has another length now");
        message.Handle = replayed.Handle;
        universe.Require(journal.IdOf(replayed.Handle) == message.Id, $"{message.Token} has another id now");
        for (int i = 0; i < message.Recipients.Count; i++)
        {
            CheckRecipient(message, i, replayed);
        }
        universe.Require(!message.IsSettled, $"{message.Token} came back with nothing pending");
        _live.Add(message);
    }

    private void CheckRecipient(ModelMessage message, int index, ReplayedMessage replayed)
    {
        ModelRecipient recipient = message.Recipients[index];
        if (replayed.Pending[index])
        {
            universe.Require(!recipient.SettledForCertain, $"recipient {index} of {message.Token} was settled and is pending again");
            if (recipient.SettledAt != 0)
            {
                universe.Faults.Hit("journal: outcome lost in a crash");
            }
            recipient.SettledAt = 0;
            recipient.SettledBy = null;
        }
        else
        {
            universe.Require(recipient.SettledAt != 0, $"recipient {index} of {message.Token} is settled and never was");
            recipient.SettledForCertain = true;
            return;
        }
        bool held = replayed.Held[index];
        universe.Require(recipient.Holds.Any(h => h.Hold == held), $"recipient {index} of {message.Token} is {(held ? "held" : "released")} after a start");
        recipient.Holds.Clear();
        recipient.Holds.Add((0, held));
        (int Attempts, long DueUnixMs)? got = replayed.Deferred[index];
        bool known = got is null
            ? recipient.Deferred.Count == 0 || recipient.Deferred[0].At != 0
            : recipient.Deferred.Exists(d => d.Attempts == got.Value.Attempts && d.DueUnixMs == got.Value.DueUnixMs);
        universe.Require(known, $"recipient {index} of {message.Token} has a due time that is not its last: {got}, not one of {string.Join(' ', recipient.Deferred)}");
        recipient.Deferred.Clear();
        if (got is not null)
        {
            recipient.Deferred.Add((0, got.Value.Attempts, got.Value.DueUnixMs));
        }
    }

    private IEnumerable<ModelRecipient> SettledBy(ModelMessage bounce) =>
        Messages.SelectMany(static m => m.Recipients).Where(r => r.SettledBy == bounce);

    /// <summary>Drops what a later durable entry has replaced; the one that remains is certain: its time becomes 0.</summary>
    private static void Forget<T>(List<T> list, long moment, Func<T, long> at)
    {
        int last = list.FindLastIndex(e => at(e) <= moment);
        if (last > 0)
        {
            list.RemoveRange(0, last);
        }
    }
}
