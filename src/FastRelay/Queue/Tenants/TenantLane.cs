using FastRelay.Config;

namespace FastRelay.Queue;

/// <summary>
/// What one tenant has at one site: its destinations with ready work, which take turns, one message each. What is more
/// urgent goes first, but of every <see cref="Share"/> messages that pass a lower priority by, the next is of it
/// (docs/decisions/0024).
/// </summary>
internal sealed class TenantLane(Tenant tenant)
{
    /// <summary>So many messages of higher priorities may go before one that waits.</summary>
    public const int Share = 9;

    private PriorityRings _rings;
    private int _inFlight;

    public Tenant Tenant => tenant;

    /// <summary>Its destinations that are linked to the site.</summary>
    public int Destinations { get; set; }

    /// <summary>What its destinations in the ring have ready.</summary>
    public int Ready { get; private set; }

    /// <summary>Its deliveries taken and not yet reported.</summary>
    public int InFlight
    {
        get => _inFlight;
        set
        {
            tenant.InFlight += value - _inFlight;
            _inFlight = value;
        }
    }

    /// <summary>Those of <see cref="Ready"/> that wait for nothing but a session.</summary>
    public int Open { get; set; }

    /// <summary>The others: as many are under way as <see cref="Tenant.Sessions"/> allows, or will be with those that are open.</summary>
    public int Capped { get; set; }

    /// <summary>All of <see cref="Ready"/> when its tenant is suspended, else none.</summary>
    public int Stopped { get; set; }

    /// <summary>Messages that it may still take in this round.</summary>
    public int Left { get; set; }

    /// <summary>The rank of what goes next: the most urgent, or what was passed by often enough.</summary>
    public int Rank
    {
        get
        {
            int first = MailPriorities.Count - 1;
            for (int rank = MailPriorities.Count - 1; rank >= 0; rank--)
            {
                if (_rings[rank].Turn is null)
                {
                    continue;
                }
                if (_rings[rank].Waited >= Share)
                {
                    return rank;
                }
                first = rank;
            }
            return first;
        }
    }

    /// <summary>The destination whose turn is next; null while none has ready work.</summary>
    public Destination? Turn => _rings[Rank].Turn;

    /// <summary>The entry whose turn is next; 0 while there is none.</summary>
    public int TurnEntry
    {
        get
        {
            int rank = Rank;
            return _rings[rank].Turn is { } destination ? destination.Lanes[rank].List.First : 0;
        }
    }

    /// <summary>Ring of the lanes that may take; null when not in it.</summary>
    public TenantLane? Next { get; set; }

    public TenantLane? Previous { get; set; }

    /// <summary>The turn of its destination is over.</summary>
    public void Pass()
    {
        int rank = Rank;
        ref PriorityRing ring = ref _rings[rank];
        ring.Turn = ring.Turn!.Lanes[rank].Next;
        ring.Waited = 0;
        for (int lower = rank + 1; lower < MailPriorities.Count; lower++)
        {
            _rings[lower].Waited += _rings[lower].Turn is null ? 0 : 1;
        }
    }

    /// <summary>Adds a destination with ready work; its turn comes last.</summary>
    public void Join(Destination destination)
    {
        destination.InSite = true;
        for (int rank = 0; rank < MailPriorities.Count; rank++)
        {
            Ready += destination.Lanes[rank].List.Count;
            Look(destination, rank);
        }
    }

    /// <summary>Takes a destination out, with what it still has ready.</summary>
    public void Leave(Destination destination)
    {
        destination.InSite = false;
        for (int rank = 0; rank < MailPriorities.Count; rank++)
        {
            Ready -= destination.Lanes[rank].List.Count;
            Look(destination, rank);
        }
    }

    /// <summary>A destination that has joined has one more ready of a priority, or one fewer.</summary>
    public void Changed(Destination destination, int rank, int by)
    {
        Ready += by;
        Look(destination, rank);
    }

    /// <summary>Puts a destination into the ring of a priority, or takes it out, as it has work there.</summary>
    private void Look(Destination destination, int rank)
    {
        ref ReadyLane own = ref destination.Lanes[rank];
        ref PriorityRing ring = ref _rings[rank];
        bool belongs = destination.InSite && own.List.Count > 0;
        if (belongs == (own.Next is not null))
        {
            return;
        }
        if (!belongs)
        {
            Unlink(ref ring, destination, rank);
        }
        else if (ring.Turn is null)
        {
            own.Next = own.Previous = destination;
            ring = new PriorityRing { Turn = destination };
        }
        else
        {
            Destination last = ring.Turn.Lanes[rank].Previous!;
            own.Next = ring.Turn;
            own.Previous = last;
            last.Lanes[rank].Next = destination;
            ring.Turn.Lanes[rank].Previous = destination;
        }
    }

    private static void Unlink(ref PriorityRing ring, Destination destination, int rank)
    {
        ref ReadyLane own = ref destination.Lanes[rank];
        if (own.Next == destination)
        {
            ring = default;
        }
        else
        {
            own.Next!.Lanes[rank].Previous = own.Previous;
            own.Previous!.Lanes[rank].Next = own.Next;
            ring.Turn = ring.Turn == destination ? own.Next : ring.Turn;
        }
        own.Next = own.Previous = null;
    }
}
