namespace FastRelay.Journal;

/// <summary>What the operator holds, recipient by recipient, as the journal keeps it. Loop thread only.</summary>
public sealed class MessageHolds
{
    private readonly MessageJournal _journal;
    private readonly RecordStager _stager;

    internal MessageHolds(MessageJournal journal, RecordStager stager)
    {
        _journal = journal;
        _stager = stager;
    }

    /// <summary>True while a recipient that is not settled is held.</summary>
    public bool Has(MessageHandle message) => _journal.Index.Holds.IsHeld(_journal.SlotOf(message));

    /// <summary>True when a recipient is held.</summary>
    public bool Has(MessageHandle message, int recipientIndex) => _journal.Index.Holds.IsHeld(_journal.SlotOf(message), recipientIndex);

    /// <summary>Holds or releases all recipients of a message; recorded, and never waits.</summary>
    public void Set(MessageHandle message, bool hold) => Set(message, [], hold);

    /// <summary>Holds or releases recipients; recorded when it changes something, and never waits.</summary>
    /// <param name="message">The message.</param>
    /// <param name="recipients">Bit i of the words, lowest first: recipient i is meant; empty means all.</param>
    /// <param name="hold">False releases.</param>
    public void Set(MessageHandle message, ReadOnlySpan<ulong> recipients, bool hold)
    {
        int slot = _journal.SlotOf(message);
        if (_journal.Index.Holds.Set(slot, recipients, hold))
        {
            _stager.Control(slot, hold ? ControlFacts.Hold : ControlFacts.Release, recipients);
        }
    }
}
