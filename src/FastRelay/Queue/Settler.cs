using System.Runtime.CompilerServices;
using System.Text;
using FastRelay.Journal;
using FastRelay.Outside;
using FastRelay.Routing;
using FastRelay.Smtp;

namespace FastRelay.Queue;

/// <summary>
/// Settles what needs no attempt: expired and removed entries, and all mail of destinations whose plan says failed or
/// discarded. One entry after the other, at most a slice a turn; what it decides goes the same way as a next hop's
/// answer does.
/// </summary>
internal sealed class Settler
{
    private const long IoRetryMs = 60_000;

    // A record, lines of the log and of the event stream, and whoever is told.
    private const int SettleCost = 16;

    // Of a destination that has nothing to settle any more.
    private const int PassCost = 1;
    private readonly QueueState _queue;
    private readonly Signal<bool> _wake;
    private readonly Slice _slice;
    private EntryList _entries;
    private Destination? _first;
    private Destination? _last;
    private int[] _indexes = [];
    private RecipientReport[] _reports = [];
    private (string Text, byte[] Reply) _said = ("", []);
    private byte[] _lastWords = [];
    private (Outcome Outcome, string Text) _lastBounced;
    private bool _running;
    private bool _idle;

    /// <summary>Entries settled, or tried to, since the start.</summary>
    public long Settled { get; private set; }

    public Settler(QueueState queue)
    {
        _queue = queue;
        _wake = new Signal<bool>(queue.World.Loop);
        _slice = new Slice(queue.World.Loop);
    }

    /// <summary>An entry to settle for itself.</summary>
    public void Add(int handle)
    {
        _entries.AddLast(_queue.Slab, handle);
        Start();
    }

    /// <summary>A destination whose plan settles its ready mail.</summary>
    public void Add(Destination destination)
    {
        if (destination.Settling)
        {
            return;
        }
        destination.Settling = true;
        if (_last is null)
        {
            _first = destination;
        }
        else
        {
            _last.NextToSettle = destination;
        }
        _last = destination;
        Start();
    }

    private void Start()
    {
        if (!_queue.HasJournal)
        {
            return;
        }
        if (!_running)
        {
            _running = true;
            _ = RunAsync();
        }
        else if (_idle)
        {
            _idle = false;
            _wake.Set(true);
        }
    }

    /// <summary>The journal is there, or stopping was called off: begins with what there is.</summary>
    public void Resume()
    {
        if (_first is not null || _entries.Count > 0)
        {
            Start();
        }
    }

    private async Task RunAsync()
    {
        try
        {
            bool goesOn = false;
            while (true)
            {
                // Also the first time: never from inside the call that added the entry.
                if (!goesOn)
                {
                    await _slice.NextAsync();
                }
                goesOn = false;
                if (TryNext(out Delivery delivery, out bool byPlan))
                {
                    Settled++;
                    await SettleAsync(delivery, byPlan);
                    goesOn = _slice.Spend(SettleCost);
                }
                else if (!_slice.IsOver)
                {
                    _idle = true;
                    await _wake.WaitAsync();
                }
            }
        }
        catch (Exception e)
        {
            Check.Fatal(e.ToString());
        }
    }

    /// <returns>False when there is nothing to settle, or the turn takes no more.</returns>
    private bool TryNext(out Delivery delivery, out bool byPlan)
    {
        byPlan = false;
        if (_queue.Stopping || !_queue.MayFail)
        {
            // The journal closes soon, and what is left is found again at the next start; or bounces have to catch up.
            delivery = default;
            return false;
        }
        if (_entries.First is int handle and not 0)
        {
            _entries.Remove(_queue.Slab, handle);
            _queue.TakenOut(handle, EntryState.Settling);
            delivery = _queue.DeliveryOf(handle, null);
            return true;
        }
        while (_first is { } destination)
        {
            if (destination.IsSettledByPlan && destination.FirstReady is int ready and not 0)
            {
                _queue.TakeOut(ready);
                byPlan = true;
                delivery = _queue.DeliveryOf(ready, null);
                return true;
            }
            _first = destination.NextToSettle;
            _last = _first is null ? null : _last;
            destination.NextToSettle = null;
            destination.Settling = false;
            if (!_slice.Spend(PassCost))
            {
                break;
            }
        }
        delivery = default;
        return false;
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask SettleAsync(Delivery delivery, bool byPlan)
    {
        BodyReader body = _queue.Journal.OpenBody();
        body.Start(delivery.Message);
        BodyStatus status = await body.PrepareAsync();
        if (status == BodyStatus.IoError || _queue.Stopping)
        {
            body.Close();
            _queue.Moves.Landed(delivery.Entry);
            _queue.Defer(delivery.Entry, IoRetryMs, pastExpiry: true);
            return;
        }
        if (byPlan && (!delivery.Destination.IsSettledByPlan || _queue.Moves.IsWanted(delivery.Entry)))
        {
            // The configuration changed, or the operator moved it, while the message was read: what its old plan said is not done.
            body.Close();
            _queue.Reporter.MoveOn(delivery.Entry, 0, ReadyPlace.Released);
            return;
        }
        if (body.HasEnvelope)
        {
            Settle(delivery, body.Envelope);
        }
        else
        {
            _queue.Free(delivery.Entry);
            _queue.SetAside(delivery.Message);
        }
        body.Close();
    }

    private void Settle(in Delivery delivery, in Envelope envelope)
    {
        if (_indexes.Length == 0)
        {
            _indexes = new int[_queue.Limits.RecipientsPerTransaction];
            _reports = new RecipientReport[_queue.Limits.RecipientsPerTransaction];
        }
        int handle = delivery.Entry;
        ref Entry entry = ref _queue.Slab[handle];
        if (_queue.ExtraOrNone(handle)?.Struck is { } struck)
        {
            SettleStruck(delivery, envelope, struck);
            return;
        }
        (Outcome outcome, string text) = Verdict(in entry, delivery.Destination);
        byte[] reply = ReplyOf(text);
        int count = _queue.CollectRecipients(delivery, envelope, _indexes, out _);
        for (int i = 0; i < count; i++)
        {
            _reports[i] = new RecipientReport(_indexes[i], outcome, reply);
        }
        _queue.Reporter.Report(delivery, envelope, default(AttemptInfo) with { Host = "" }, _reports.AsSpan(0, count));
    }

    /// <summary>Those whom the operator has struck out, or as many as one report takes; the others of the entry go on.</summary>
    private void SettleStruck(in Delivery delivery, in Envelope envelope, Dictionary<int, byte[]?> struck)
    {
        int count = 0;
        foreach ((int index, byte[]? text) in struck)
        {
            if (count == _reports.Length)
            {
                break;
            }
            (Outcome outcome, string said) = text is null ? Removed : Bounced(text);
            _reports[count++] = new RecipientReport(index, outcome, ReplyOf(said));
        }
        _queue.Reporter.Report(delivery, envelope, default(AttemptInfo) with { Host = "" }, _reports.AsSpan(0, count));
    }

    private (Outcome Outcome, string Text) Verdict(in Entry entry, Destination destination)
    {
        if ((entry.Flags & EntryFlags.Removing) != 0)
        {
            return entry.IsDropped ? Removed : Bounced(_queue.Reasons.Text(entry.Reason));
        }
        if (destination.IsSettledByPlan && destination.Plan is { } plan)
        {
            return Verdict(plan);
        }
        string last = Encoding.Latin1.GetString(_queue.Reasons.Text(entry.Reason));
        if (destination.DnsReason.Length > 0)
        {
            last = destination.DnsReason;
        }
        else if (last.Length == 0)
        {
            last = _queue.StopOf(destination);
        }
        string text = last.Length == 0 ? "waited too long in the queue" : "waited too long in the queue; last: " + last;
        return (OutcomePolicy.From(SmtpStage.Connect, OutcomeCause.Expired), text);
    }

    private static (Outcome Outcome, string Text) Removed => (OutcomePolicy.From(SmtpStage.Connect, OutcomeCause.Removed), "removed by the operator");

    // The operator's own words, unless thousands of other texts have come since.
    private (Outcome Outcome, string Text) Bounced(ReadOnlySpan<byte> text)
    {
        text = text.IsEmpty ? "returned by the operator"u8 : text;
        if (!text.SequenceEqual(_lastWords))
        {
            _lastWords = text.ToArray();
            Outcome outcome = OutcomePolicy.From(SmtpStage.Connect, OutcomeCause.ByOperator) with { EnhancedCode = new EnhancedCode(5, 7, 1) };
            _lastBounced = Coded(outcome, text);
        }
        return _lastBounced;
    }

    // Of half a million that are removed or bounced each says the same: no garbage for them.
    private byte[] ReplyOf(string text)
    {
        if (!ReferenceEquals(text, _said.Text))
        {
            _said = (text, Encoding.ASCII.GetBytes(text));
        }
        return _said.Reply;
    }

    // Whoever fails mail may say the code, and of a failure it is of class 5 (RFC 3464 2.3.4): any other is a part of the text.
    private static (Outcome Outcome, string Text) Coded(Outcome failed, ReadOnlySpan<byte> text) =>
        EnhancedCode.TryParse(text, out EnhancedCode code, out int consumed) && code.Class == 5
            ? (failed with { EnhancedCode = code }, Encoding.ASCII.GetString(text[consumed..]).TrimStart())
            : (failed, Encoding.ASCII.GetString(text));

    private static (Outcome Outcome, string Text) Verdict(Plan plan)
    {
        switch (plan.Status)
        {
            case PlanStatus.Discard:
                return (OutcomePolicy.From(SmtpStage.Connect, OutcomeCause.Discarded), "discarded by the operator's route");
            case PlanStatus.Error:
                return Coded(OutcomePolicy.From(SmtpStage.Connect, OutcomeCause.ByRoute), Encoding.ASCII.GetBytes(plan.Reason));
            case PlanStatus.NullMx:
                return (OutcomePolicy.From(SmtpStage.Connect, OutcomeCause.NullMx), plan.Reason);
            case PlanStatus.Loop:
                return (OutcomePolicy.From(SmtpStage.Connect, OutcomeCause.MailLoop), plan.Reason);
            case PlanStatus.Refused:
                return (new Outcome(OutcomeClass.Failed, Reach.Message, OutcomeCause.ConnectFailed, 0, new EnhancedCode(5, 4, 4)), plan.Reason);
            case PlanStatus.NoHosts:
                return (OutcomePolicy.From(SmtpStage.Connect, OutcomeCause.NoSuchDomain) with { EnhancedCode = new EnhancedCode(5, 4, 4) }, plan.Reason);
            default:
                return (OutcomePolicy.From(SmtpStage.Connect, OutcomeCause.NoSuchDomain), plan.Reason);
        }
    }
}
