namespace FastRelay.Queue;

/// <summary>What one tenant has at one site: its destinations with ready work, which take turns, one message each.</summary>
internal sealed class TenantLane(Tenant tenant)
{
    public Tenant Tenant => tenant;

    /// <summary>Its destinations that are linked to the site.</summary>
    public int Destinations { get; set; }

    /// <summary>What its destinations in the ring have ready.</summary>
    public int Ready { get; set; }

    /// <summary>Its deliveries taken and not yet reported.</summary>
    public int InFlight { get; set; }

    /// <summary>Those of <see cref="Ready"/> that wait for nothing but a session.</summary>
    public int Open { get; set; }

    /// <summary>The others: as many are under way as <see cref="Tenant.Sessions"/> allows, or will be with those that are open.</summary>
    public int Capped { get; set; }

    /// <summary>All of <see cref="Ready"/> when its tenant is suspended, else none.</summary>
    public int Stopped { get; set; }

    /// <summary>Messages that it may still take in this round.</summary>
    public int Left { get; set; }

    /// <summary>The destination whose turn is next; null while none has ready work.</summary>
    public Destination? Turn { get; private set; }

    /// <summary>Ring of the lanes that may take; null when not in it.</summary>
    public TenantLane? Next { get; set; }

    public TenantLane? Previous { get; set; }

    /// <summary>The turn of its destination is over.</summary>
    public void Pass() => Turn = Turn!.NextInSite;

    /// <summary>Adds a destination with ready work; its turn comes last.</summary>
    public void Join(Destination destination)
    {
        Ready += destination.ReadyList.Count;
        if (Turn is null)
        {
            destination.NextInSite = destination.PreviousInSite = destination;
            Turn = destination;
            return;
        }
        destination.NextInSite = Turn;
        destination.PreviousInSite = Turn.PreviousInSite;
        Turn.PreviousInSite!.NextInSite = destination;
        Turn.PreviousInSite = destination;
    }

    /// <summary>Takes a destination out, with what it still has ready.</summary>
    public void Leave(Destination destination)
    {
        Ready -= destination.ReadyList.Count;
        if (destination.NextInSite == destination)
        {
            Turn = null;
        }
        else
        {
            destination.NextInSite!.PreviousInSite = destination.PreviousInSite;
            destination.PreviousInSite!.NextInSite = destination.NextInSite;
            if (Turn == destination)
            {
                Turn = destination.NextInSite;
            }
        }
        destination.NextInSite = destination.PreviousInSite = null;
    }
}
