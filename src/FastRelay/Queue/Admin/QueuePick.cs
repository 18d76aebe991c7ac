using System.Runtime.CompilerServices;
using FastRelay.Journal;
using FastRelay.Outside;

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
    private readonly List<int> _handles = [];
    private readonly List<int> _matching = [];

    /// <summary>The entries that are selected, or may be in part.</summary>
    public IReadOnlyList<int> Handles => _handles;

    /// <summary>Some of them may be selected in part: the envelope says who.</summary>
    public bool Divides { get; private set; }

    /// <summary>True when an entry was left alone, because it can only be changed as a whole and has other recipients too.</summary>
    public bool Left { get; private set; }

    /// <summary>Looks at the entries of the message.</summary>
    /// <returns>True when there was a pause: some may be gone.</returns>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public async ValueTask<bool> FindAsync()
    {
        _handles.Clear();
        Left = Divides = false;
        bool paused = await scan.PickAsync(_handles);
        for (int i = 0; scan.MayDivide && !Divides && i < _handles.Count; i++)
        {
            // After a pause an entry may be another's: whether it still is the message's own is asked before anything is done to it.
            Divides = scan.StillSelects(_handles[i]) && scan.Divides(_handles[i]);
        }
        return paused;
    }

    /// <summary>Who of an entry that is there is selected; null when nobody is, or it is <see cref="Left"/> alone.</summary>
    /// <param name="handle">One of <see cref="Handles"/>.</param>
    /// <param name="deed">What is to be done.</param>
    /// <param name="body">With the envelope where <see cref="Divides"/>; else it may be null.</param>
    public PickedEntry? Of(int handle, QueueDeed deed, BodyReader? body)
    {
        if (!scan.Divides(handle))
        {
            return new PickedEntry(handle, null);
        }
        if (body is null)
        {
            return null;
        }
        bool all = MatchAll(handle, body.Envelope);
        if (_matching.Count == 0)
        {
            return null;
        }
        if (!all && deed.IsForWhole)
        {
            Left = true;
            return null;
        }
        return new PickedEntry(handle, all ? null : [.. _matching]);
    }

    /// <summary>Fills the list with the recipients of an entry that are selected.</summary>
    /// <returns>True when there are no others.</returns>
    private bool MatchAll(int handle, in Envelope envelope)
    {
        _matching.Clear();
        bool all = true;
        foreach (EnvelopeRecipient recipient in envelope)
        {
            if (MessageViewer.IsOf(queue, handle, recipient))
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
