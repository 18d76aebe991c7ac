using System.Runtime.CompilerServices;
using System.Text;
using FastRelay.Journal;
using FastRelay.Outside;
using FastRelay.Routing;
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
    private readonly string? _domain;
    private int _budget = SlotsPerTurn;

    /// <summary>Begins before a slot.</summary>
    public QueueScan(QueueState queue, QueueFilter filter, int from, int slots)
    {
        queue.World.Loop.CheckThread();
        _queue = queue;
        Filter = filter;
        Slot = from - 1;
        _sender = filter.Sender is { } sender ? Encoding.UTF8.GetBytes(sender == "<>" ? "" : sender) : null;
        _domain = filter.Domain?.ToLowerInvariant().TrimEnd('.');
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
            && (Filter.State is null || MessageLook.StateOf(entry.State) == Filter.State)
            && (Filter.Tenant is null || _queue.Destinations[entry.Destination].Tenant.Name == Filter.Tenant)
            && (Filter.Site is null || (_queue.Destinations[entry.Destination].Site is { } site && (site.Key == Filter.Site || site.Budget.Key == Filter.Site)));
    }

    /// <summary>True when the filter may select some recipients of an entry and not the others, as its envelope says: mail of several domains goes by one route.</summary>
    public bool Divides(int handle) =>
        _domain is not null && _queue.Destinations[_queue.Slab[handle].Destination].Origin.NextHop.Kind != NextHopKind.Mx;

    /// <summary>True when the filter selects a recipient of an entry that it <see cref="Divides"/>: by the domain of the address, and nothing else.</summary>
    public bool SelectsRecipient(ReadOnlySpan<byte> mailbox)
    {
        Span<char> domain = stackalloc char[DomainNames.MaxLength];
        return DomainNames.DomainOf(mailbox, domain) is > 0 and int length && domain[..length].SequenceEqual(_domain);
    }

    /// <summary>True when the envelope of the message at hand says what the filter selects of it.</summary>
    public bool ReadsEnvelope
    {
        get
        {
            bool reads = _sender is not null;
            for (int handle = _domain is null ? 0 : _queue.Messages[Slot]; handle != 0 && !reads; handle = _queue.Slab[handle].NextOfMessage)
            {
                reads = Selects(handle) && Divides(handle);
            }
            return reads;
        }
    }

    /// <summary>True when the filter selects this sender's mail. Only ASCII letters fold.</summary>
    public bool SelectsSender(ReadOnlySpan<byte> reversePath) => _sender is null || AsciiWord.Equals(reversePath, _sender);

    /// <summary>To the next message; false at the end, and at the end of the part.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public async ValueTask<bool> NextAsync()
    {
        if (_domain is not null && _destinations is null)
        {
            _destinations = [.. await new QueueWalk(_queue).AllOfAsync(_domain)];
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
