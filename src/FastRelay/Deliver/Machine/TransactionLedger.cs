using FastRelay.Smtp;

namespace FastRelay.Deliver;

/// <summary>
/// The recipients of one outgoing transaction: which of them the peer took, and what became of each, with the reply
/// that decided it. The exact accounting of <see cref="SendMachine"/>; bounded by the recipients of a transaction.
/// </summary>
public sealed class TransactionLedger
{
    private enum State : byte
    {
        Open,
        Accepted,
        Decided,
    }

    private struct Slot
    {
        public State State;
        public Outcome Outcome;
        public int TextStart;
        public int TextLength;
    }

    private const int FirstTextBytes = 512;
    private const int FirstSlots = 4;
    private readonly int _recipientsMax;
    private int[] _indexes = new int[FirstSlots];
    private Slot[] _slots = new Slot[FirstSlots];
    private byte[] _text = new byte[FirstTextBytes];
    private int _textLength;

    /// <summary>Creates a ledger.</summary>
    /// <param name="recipientsMax">Recipients of one transaction at most (<see cref="Limits.RecipientsPerTransaction"/>).</param>
    public TransactionLedger(int recipientsMax)
    {
        Check.That(recipientsMax > 0);
        _recipientsMax = recipientsMax;
    }

    /// <summary>Recipients of the transaction.</summary>
    public int Count { get; private set; }

    /// <summary>Recipients that the peer took and whose fate is not known yet.</summary>
    public int Accepted { get; private set; }

    /// <summary>Recipients whose fate is known.</summary>
    public int Decided { get; private set; }

    /// <summary>Starts a transaction.</summary>
    /// <param name="indexes">The envelope indexes of its recipients, in ascending order; 1 to the bound.</param>
    public void Begin(ReadOnlySpan<int> indexes)
    {
        Check.That(indexes.Length > 0 && indexes.Length <= _recipientsMax);
        if (indexes.Length > _slots.Length)
        {
            int slots = Math.Min(_recipientsMax, (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)indexes.Length));
            _indexes = new int[slots];
            _slots = new Slot[slots];
        }
        if (_text.Length > 16 * FirstTextBytes)
        {
            // One transaction with many long refusals must not make the session keep their room.
            _text = new byte[FirstTextBytes];
        }
        indexes.CopyTo(_indexes);
        _slots.AsSpan(0, indexes.Length).Clear();
        Count = indexes.Length;
        Accepted = 0;
        Decided = 0;
        _textLength = 0;
    }

    /// <summary>Gives back the room of many or long replies; they are reported.</summary>
    public void Trim()
    {
        if (_text.Length > FirstTextBytes)
        {
            _text = new byte[FirstTextBytes];
        }
    }

    /// <summary>The envelope index of a recipient.</summary>
    public int IndexAt(int position)
    {
        Check.That(position < Count);
        return _indexes[position];
    }

    /// <summary>What became of a recipient.</summary>
    public Outcome OutcomeAt(int position)
    {
        Check.That(_slots[position].State == State.Decided);
        return _slots[position].Outcome;
    }

    /// <summary>The reply's text, or the reason in our words; valid until <see cref="Begin"/>.</summary>
    public ReadOnlyMemory<byte> TextAt(int position) =>
        _text.AsMemory(_slots[position].TextStart, _slots[position].TextLength);

    /// <summary>The peer took a recipient; nothing happens to one that is decided already (a refused MAIL).</summary>
    public void Accept(int position)
    {
        if (_slots[position].State == State.Open)
        {
            _slots[position].State = State.Accepted;
            Accepted++;
        }
    }

    /// <summary>Decides one recipient; nothing happens to one that is decided already.</summary>
    public void Decide(int position, Outcome outcome, ReadOnlySpan<byte> text)
    {
        if (_slots[position].State != State.Decided)
        {
            Set(position, outcome, Keep(text), text.Length);
        }
    }

    /// <summary>Decides every recipient that the peer took.</summary>
    public void DecideAccepted(Outcome outcome, ReadOnlySpan<byte> text) => DecideAll(State.Accepted, outcome, text);

    /// <summary>Decides every recipient that is not decided.</summary>
    public void DecideRest(Outcome outcome, ReadOnlySpan<byte> text)
    {
        DecideAll(State.Open, outcome, text);
        DecideAll(State.Accepted, outcome, text);
    }

    /// <summary>The replies cannot be told apart, or may not be: a refusal for good may be another recipient's, and is put off.</summary>
    /// <param name="outcome">A deferral; <see cref="OutcomeCause.Unproved"/> keeps the codes of the reply.</param>
    /// <param name="text">Why; empty for what the reply said.</param>
    public void Doubt(Outcome outcome, ReadOnlySpan<byte> text)
    {
        int start = text.IsEmpty ? 0 : Keep(text);
        foreach (ref Slot slot in _slots.AsSpan(0, Count))
        {
            if (slot is not { State: State.Decided, Outcome: { Class: OutcomeClass.Failed, Cause: OutcomeCause.Reply } })
            {
                continue;
            }
            slot.Outcome = outcome.Cause == OutcomeCause.Unproved ? slot.Outcome with { Class = OutcomeClass.Deferred, Reach = Reach.Recipient, Cause = OutcomeCause.Unproved } : outcome;
            if (!text.IsEmpty)
            {
                (slot.TextStart, slot.TextLength) = (start, text.Length);
            }
        }
    }

    /// <summary>Nothing but the stop of the relay kept its recipients from being told.</summary>
    public bool WasCutShort => IsAll(static outcome => outcome.Cause == OutcomeCause.ShuttingDown);

    /// <summary>The host would not serve, and said nothing of the message, its recipients or who we are: another one of its site may take it.</summary>
    public bool ConcernsHost => IsAll(static outcome =>
        outcome is { Class: OutcomeClass.Deferred, Reach: Reach.Host, EnhancedCode.Subject: not 7 } && outcome.Cause != OutcomeCause.ShuttingDown);

    /// <summary>The host asks for TLS or a login before anything else.</summary>
    public bool ConcernsSite => IsAll(static outcome => outcome is { Class: OutcomeClass.Deferred, Reach: Reach.Site });

    private bool IsAll(Func<Outcome, bool> holds)
    {
        for (int i = 0; i < Count; i++)
        {
            if (!holds(OutcomeAt(i)))
            {
                return false;
            }
        }
        return true;
    }

    private void DecideAll(State from, Outcome outcome, ReadOnlySpan<byte> text)
    {
        int start = -1;
        for (int i = 0; i < Count; i++)
        {
            if (_slots[i].State == from)
            {
                if (start < 0)
                {
                    start = Keep(text);
                }
                Set(i, outcome, start, text.Length);
            }
        }
    }

    private void Set(int position, Outcome outcome, int textStart, int textLength)
    {
        ref Slot slot = ref _slots[position];
        if (slot.State == State.Accepted)
        {
            Accepted--;
        }
        slot.State = State.Decided;
        slot.Outcome = outcome;
        slot.TextStart = textStart;
        slot.TextLength = textLength;
        Decided++;
    }

    private int Keep(ReadOnlySpan<byte> text)
    {
        int start = _textLength;
        if (start + text.Length > _text.Length)
        {
            // Bounded by the recipients of a transaction and the kept text of a reply.
            Array.Resize(ref _text, Math.Max(_text.Length * 2, start + text.Length));
        }
        text.CopyTo(_text.AsSpan(start));
        _textLength += text.Length;
        return start;
    }
}
