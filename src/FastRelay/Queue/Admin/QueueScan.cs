using System.Runtime.CompilerServices;
using System.Text;
using FastRelay.Journal;
using FastRelay.Outside;
using FastRelay.Smtp;

namespace FastRelay.Queue;

/// <summary>
/// Walks the messages that have an entry which a filter selects, a slice a turn: what it finds is true at the moment that
/// it is found. Loop thread.
/// </summary>
internal sealed class QueueScan
{
    /// <summary>Looks at a slot that one turn may cost.</summary>
    public const int SlotsPerTurn = 1_024;

    private readonly QueueState _queue;
    private readonly Signal<bool> _turn;
    // Not their numbers: one that is forgotten meanwhile leaves its number to another.
    private HashSet<Destination>? _destinations;
    private readonly long _stop;
    // Compared as octets: a string for each of a million messages kept the collector busy, and the loop waits for it (5.9 ms in one turn).
    private readonly byte[]? _sender;
    private int _budget = SlotsPerTurn;

    /// <summary>Begins before a slot.</summary>
    public QueueScan(QueueState queue, QueueFilter filter, int from, int slots)
    {
        queue.World.Loop.CheckThread();
        _queue = queue;
        Filter = filter;
        Slot = from - 1;
        _sender = filter.Sender is { } sender ? Encoding.UTF8.GetBytes(sender == "<>" ? "" : sender) : null;
        _stop = (long)from + slots;
        _turn = new Signal<bool>(queue.World.Loop);
    }

    public QueueFilter Filter { get; }

    /// <summary>The message at hand; at the end of a part the last slot that was looked at.</summary>
    public int Slot { get; private set; }

    /// <summary>There are no more.</summary>
    public bool Ended { get; private set; }

    /// <summary>True when the filter selects an entry.</summary>
    public bool Selects(int handle)
    {
        ref Entry entry = ref _queue.Slab[handle];
        return (_destinations?.Contains(_queue.Destinations[entry.Destination]) != false)
            && (Filter.State is null || QueueAdmin.StateOf(entry.State) == Filter.State)
            && (Filter.Tenant is null || _queue.Destinations[entry.Destination].Tenant.Name == Filter.Tenant)
            && (Filter.Site is null || (_queue.Destinations[entry.Destination].Site is { } site && (site.Key == Filter.Site || site.Budget.Key == Filter.Site)));
    }

    /// <summary>True when the filter selects this sender's mail. Only ASCII letters fold.</summary>
    public bool SelectsSender(ReadOnlySpan<byte> reversePath) => _sender is null || AsciiWord.Equals(reversePath, _sender);

    /// <summary>To the next message; false at the end, and at the end of the part.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public async ValueTask<bool> NextAsync()
    {
        if (Filter.Domain is { } domain && _destinations is null)
        {
            _destinations = [.. await new QueueWalk(_queue).AllOfAsync(domain.ToLowerInvariant().TrimEnd('.'))];
        }
        if (Ended || _destinations?.Count == 0)
        {
            Ended = true;
            return false;
        }
        if (Filter.Id is { } id)
        {
            Ended = true;
            if (!_queue.Journal.TryFind(id, out MessageHandle message))
            {
                return false;
            }
            Slot = message.Slot;
            return SelectsSlot();
        }
        while (Slot + 1 < _queue.Messages.End)
        {
            if (Slot + 1 >= _stop)
            {
                return false;
            }
            Slot++;
            // Before the look: nothing may happen between it and what is done about it.
            await PaceAsync(1);
            if (SelectsSlot())
            {
                return true;
            }
        }
        Ended = true;
        return false;
    }

    /// <summary>Spends work, and goes to the end of the run queue when the slice is used up.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    public async ValueTask PaceAsync(int work)
    {
        _budget -= work;
        if (_budget <= 0)
        {
            _budget = SlotsPerTurn;
            await _turn.YieldAsync(true);
        }
    }

    private bool SelectsSlot()
    {
        int first = _queue.Messages[Slot];
        if (first == 0 || (Filter.Before is { } before && _queue.Journal.IdOf(new MessageHandle(Slot)).Value >= before.Value) || (Filter.ArrivedByUnixMs > 0 && _queue.Journal.ArrivalUnixMs(new MessageHandle(Slot)) > Filter.ArrivedByUnixMs))
        {
            return false;
        }
        for (int handle = first; handle != 0; handle = _queue.Slab[handle].NextOfMessage)
        {
            if (Selects(handle))
            {
                return true;
            }
        }
        return false;
    }
}
