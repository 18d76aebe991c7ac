using FastRelay.Journal;

namespace FastRelay.Queue;

/// <summary>An entry that a filter selects.</summary>
/// <param name="Handle">The entry.</param>
/// <param name="Only">The recipients that it selects, by number, where it selects not all; else null.</param>
internal readonly record struct PickedEntry(int Handle, int[]? Only);

/// <summary>What a filter selects of the message at hand; used again for the next one. Loop thread.</summary>
/// <param name="queue">The queue.</param>
/// <param name="scan">At a message.</param>
internal sealed class QueuePick(QueueState queue, QueueScan scan)
{
    private readonly List<PickedEntry> _entries = [];
    private readonly List<int> _matching = [];

    /// <summary>What is selected.</summary>
    public IReadOnlyList<PickedEntry> Entries => _entries;

    /// <summary>True when an entry was left alone, because it can only be changed as a whole and has other recipients too.</summary>
    public bool Left { get; private set; }

    /// <summary>Looks at the message.</summary>
    /// <param name="deed">What is to be done.</param>
    /// <param name="body">With the envelope where <see cref="QueueScan.ReadsEnvelope"/> says that it is wanted; else null.</param>
    public void Take(QueueDeed deed, BodyReader? body)
    {
        _entries.Clear();
        Left = false;
        for (int handle = queue.Messages[scan.Slot]; handle != 0; handle = queue.Slab[handle].NextOfMessage)
        {
            if (!scan.Selects(handle))
            {
                continue;
            }
            bool all = !scan.Divides(handle) || MatchAll(handle, body!.Envelope);
            if (all && (_matching.Count > 0 || !scan.Divides(handle)))
            {
                _entries.Add(new PickedEntry(handle, null));
            }
            else if (_matching.Count > 0 && deed.IsForWhole)
            {
                Left = true;
            }
            else if (_matching.Count > 0)
            {
                _entries.Add(new PickedEntry(handle, [.. _matching]));
            }
        }
    }

    /// <summary>Fills the list with the recipients of an entry that are selected.</summary>
    /// <returns>True when there are no others.</returns>
    private bool MatchAll(int handle, in Envelope envelope)
    {
        _matching.Clear();
        bool all = true;
        foreach (EnvelopeRecipient recipient in envelope)
        {
            if (MessageLook.IsOf(queue, handle, recipient))
            {
                bool selected = scan.SelectsRecipient(recipient.Mailbox);
                all &= selected;
                if (selected)
                {
                    _matching.Add(recipient.Index);
                }
            }
        }
        return all;
    }
}
