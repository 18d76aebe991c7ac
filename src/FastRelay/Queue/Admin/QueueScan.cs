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
    /// <summary>An envelope is brought in and read.</summary>
    public const int ReadCost = 32;

    private readonly QueueState _queue;
    private readonly Slice _slice;
    private readonly DomainMail? _domain;
    private readonly string? _domainName;
    private readonly long _stop;
    // Compared as octets: a string for each of a million messages kept the collector busy, and the loop waits for it (5.9 ms in one turn).
    private readonly byte[]? _sender;

    /// <summary>Begins before a slot.</summary>
    public QueueScan(QueueState queue, QueueFilter filter, int from, int slots)
    {
        queue.World.Loop.CheckThread();
        _queue = queue;
        Filter = filter;
        Slot = from - 1;
        _domainName = filter.Domain?.ToLowerInvariant().TrimEnd('.');
        _domain = _domainName is null ? null : new DomainMail(_domainName);
        _sender = filter.Sender is { } sender ? Encoding.UTF8.GetBytes(sender == "<>" ? "" : sender) : null;
        _stop = (long)from + slots;
        _slice = new Slice(queue.World.Loop);
    }

    public QueueFilter Filter { get; }

    /// <summary>The message at hand; at the end of a part the last slot that was looked at.</summary>
    public int Slot { get; private set; }

    /// <summary>Its id: the slot may be another's after a pause.</summary>
    public MessageId Id { get; private set; }

    /// <summary>There are no more.</summary>
    public bool Ended { get; private set; }

    /// <summary>The message at hand is still there.</summary>
    public bool IsThere => _queue.Messages[Slot] != 0 && _queue.Journal.IdOf(new MessageHandle(Slot)) == Id;

    /// <summary>True when the filter selects an entry.</summary>
    public bool Selects(int handle)
    {
        ref Entry entry = ref _queue.Slab[handle];
        if (Filter.State is not null && QueueAdmin.StateOf(entry.State) != Filter.State)
        {
            return false;
        }
        if (_domain is null && Filter.Tenant is null && Filter.Site is null)
        {
            return true;
        }
        Destination destination = _queue.Destinations[entry.Destination];
        return _domain?.Has(destination) != false
            && (Filter.Tenant is null || destination.Tenant.Name == Filter.Tenant)
            && (Filter.Site is null || (destination.Site is { } site && (site.Key == Filter.Site || site.Budget.Key == Filter.Site)));
    }

    /// <summary>False when no entry can be so that the filter <see cref="Divides"/> it.</summary>
    public bool MayDivide => _domainName is not null;

    /// <summary>True when the filter may select some recipients of an entry and not the others, as its envelope says: mail of several domains goes by one route.</summary>
    public bool Divides(int handle) =>
        _domainName is not null && _queue.Destinations[_queue.Slab[handle].Destination].Origin.NextHop.Kind != NextHopKind.Mx;

    /// <summary>True when the filter selects a recipient of an entry that it <see cref="Divides"/>: by the domain of the address, and nothing else.</summary>
    public bool SelectsRecipient(ReadOnlySpan<byte> mailbox)
    {
        Span<char> domain = stackalloc char[DomainNames.MaxLength];
        return DomainNames.DomainOf(mailbox, domain) is > 0 and int length && domain[..length].SequenceEqual(_domainName);
    }

    /// <summary>An entry of the message at hand that the filter selects is still there.</summary>
    public bool StillSelects(int handle) => IsThere && _queue.IsOf(handle, Slot) && Selects(handle);

    /// <summary>True when the filter selects this sender's mail. Only ASCII letters fold.</summary>
    public bool SelectsSender(ReadOnlySpan<byte> reversePath) => _sender is null || AsciiWord.Equals(reversePath, _sender);

    /// <summary>To the next message; false at the end, and at the end of the part.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public async ValueTask<bool> NextAsync()
    {
        if (Ended)
        {
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
            return IsCandidate() && (Selects(_queue.Messages[Slot]) || await FirstAsync() != 0);
        }
        while (Slot + 1 < _queue.Messages.End)
        {
            if (Slot + 1 >= _stop)
            {
                return false;
            }
            Slot++;
            // Before the look: nothing may happen between it and what is done about it.
            if (!_slice.Spend())
            {
                await _slice.NextAsync();
            }
            if (IsCandidate() && (Selects(_queue.Messages[Slot]) || await FirstAsync() != 0))
            {
                return true;
            }
        }
        Ended = true;
        return false;
    }

    /// <summary>All entries of the message at hand that the filter selects.</summary>
    /// <param name="into">Gets them; after a pause some may be gone.</param>
    /// <returns>True when there was a pause.</returns>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public async ValueTask<bool> PickAsync(List<int> into)
    {
        bool paused = false;
        for (int handle = _queue.Messages[Slot]; handle != 0;)
        {
            if (Selects(handle))
            {
                into.Add(handle);
            }
            handle = _queue.Slab[handle].NextOfMessage;
            if (handle != 0 && !_slice.Spend())
            {
                await _slice.NextAsync();
                paused = true;
                if (!IsThere || !_queue.IsOf(handle, Slot))
                {
                    // The one that is next has gone, and with it the way to those behind it.
                    into.Clear();
                    handle = IsThere ? _queue.Messages[Slot] : 0;
                }
            }
        }
        return paused;
    }

    /// <summary>Spends steps.</summary>
    /// <returns>False when the turn takes no more: <see cref="PauseAsync"/>.</returns>
    public bool Spend(int cost) => _slice.Spend(cost);

    /// <summary>Goes on in the next turn: nothing that was seen is sure.</summary>
    public ValueTask<bool> PauseAsync() => _slice.NextAsync();

    private bool IsCandidate()
    {
        if (_queue.Messages[Slot] == 0)
        {
            return false;
        }
        Id = _queue.Journal.IdOf(new MessageHandle(Slot));
        return !(Filter.Before is { } before && Id.Value >= before.Value)
            && !(Filter.ArrivedByUnixMs > 0 && _queue.Journal.ArrivalUnixMs(new MessageHandle(Slot)) > Filter.ArrivedByUnixMs);
    }

    /// <summary>The first entry that the filter selects; 0 when there is none. A message may have thousands.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<int> FirstAsync()
    {
        int handle = _queue.Messages[Slot];
        while (handle != 0 && !Selects(handle))
        {
            handle = _queue.Slab[handle].NextOfMessage;
            if (handle != 0 && !_slice.Spend())
            {
                await _slice.NextAsync();
                // Begins again where this one went meanwhile.
                handle = !IsThere ? 0 : _queue.IsOf(handle, Slot) ? handle : _queue.Messages[Slot];
            }
        }
        return handle;
    }
}
