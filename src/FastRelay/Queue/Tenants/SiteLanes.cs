namespace FastRelay.Queue;

/// <summary>
/// The ready work of a site, fairly among tenants: deficit round robin over their lanes with a message as the unit
/// (docs/decisions/0014). A tenant takes as many messages as it weighs, then the next one's turn comes; one that has
/// nothing ready keeps nothing for later. Every step is O(1) and allocates nothing.
/// </summary>
internal sealed class SiteLanes
{
    private TenantLane? _only;
    private Dictionary<Tenant, TenantLane>? _more;
    private TenantLane? _turn;
    private SiteBudget? _shared;

    /// <summary>Deliveries that wait for nothing but a session.</summary>
    public int Ready { get; private set; }

    /// <summary>Deliveries that wait until their tenant may have more under way here.</summary>
    public int Capped { get; private set; }

    /// <summary>Deliveries that wait until their tenant is resumed.</summary>
    public int Stopped { get; private set; }

    /// <summary>What is ready or capped with high priority.</summary>
    public int ReadyHigh { get; private set; }

    /// <summary>The same with low priority.</summary>
    public int ReadyLow { get; private set; }

    /// <summary>Since it last had a turn, a tenant has got mail here who has some for few of the sites that share the budget.</summary>
    public bool HasGuest { get; set; }

    /// <summary>Tenants with a destination or a delivery here.</summary>
    public int Count => (_only is null ? 0 : 1) + (_more?.Count ?? 0);

    /// <summary>The destination whose turn is next; null when nothing may be taken.</summary>
    public Destination? Turn => _turn?.Turn;

    /// <summary>The entry of <see cref="Turn"/> that goes next; 0 when nothing may be taken.</summary>
    public int TurnEntry => _turn?.TurnEntry ?? 0;

    /// <summary>A destination was linked to the site.</summary>
    public void Link(Destination destination)
    {
        destination.Lane = Of(destination.Tenant);
        destination.Lane.Destinations++;
    }

    /// <summary>A destination was unlinked, out of the ring.</summary>
    public void Unlink(Destination destination)
    {
        TenantLane lane = destination.Lane!;
        destination.Lane = null;
        lane.Destinations--;
        Forget(lane);
    }

    /// <summary>Adds a destination with ready work; its turn comes last among its tenant's, and a tenant's among tenants.</summary>
    public void Join(Destination destination)
    {
        TenantLane lane = destination.Lane!;
        lane.Join(destination);
        ReadyHigh += destination.Lanes[0].List.Count;
        ReadyLow += destination.Lanes[2].List.Count;
        Update(lane);
    }

    /// <summary>Takes a destination out, with what it still has ready.</summary>
    public void Leave(Destination destination)
    {
        TenantLane lane = destination.Lane!;
        lane.Leave(destination);
        ReadyHigh -= destination.Lanes[0].List.Count;
        ReadyLow -= destination.Lanes[2].List.Count;
        Update(lane);
    }

    /// <summary>A destination that has joined has one more ready of a priority, or one fewer.</summary>
    /// <param name="destination">Which.</param>
    /// <param name="rank">See <see cref="Config.MailPriorities.Rank"/>.</param>
    /// <param name="by">1 or -1.</param>
    public void Changed(Destination destination, int rank, int by)
    {
        destination.Lane!.Changed(destination, rank, by);
        ReadyHigh += rank == 0 ? by : 0;
        ReadyLow += rank == 2 ? by : 0;
        Update(destination.Lane);
    }

    /// <summary>A message of <see cref="Turn"/> is about to be taken: whose turn comes next.</summary>
    public void Pass()
    {
        TenantLane lane = _turn!;
        lane.Pass();
        if (--lane.Left <= 0)
        {
            Begin(lane.Next!);
        }
    }

    /// <summary>A delivery has been taken.</summary>
    public void Took(TenantLane lane)
    {
        lane.InFlight++;
        Update(lane);
    }

    /// <summary>A delivery is over.</summary>
    /// <returns>True when its tenant may have another here, which waited for that.</returns>
    public bool Landed(TenantLane lane)
    {
        lane.InFlight--;
        Check.That(lane.InFlight >= 0, "a tenant has no fewer than no deliveries");
        int open = lane.Open;
        Update(lane);
        Forget(lane);
        return lane.Open > open;
    }

    /// <summary>Weights and bounds of tenants are others now.</summary>
    public void Change()
    {
        if (_only is not null)
        {
            Update(_only);
        }
        foreach (TenantLane lane in (IEnumerable<TenantLane>?)_more?.Values ?? [])
        {
            Update(lane);
        }
    }

    /// <summary>The site has another budget: that of several sites, or null for one of its own.</summary>
    public void Share(SiteBudget? budget)
    {
        TenantLane? lane = _turn;
        do
        {
            if (lane is null)
            {
                break;
            }
            _shared?.Closed(lane.Tenant);
            HasGuest |= budget?.Opened(lane.Tenant) == true;
            lane = lane.Next;
        }
        while (lane != _turn);
        _shared = budget;
    }

    /// <summary>A tenant was suspended or resumed.</summary>
    public void Change(TenantLane lane) => Update(lane);

    private TenantLane Of(Tenant tenant)
    {
        if (_only?.Tenant == tenant)
        {
            return _only;
        }
        if (_only is null)
        {
            return _more?.GetValueOrDefault(tenant) ?? (_only = new TenantLane(tenant));
        }
        // Most sites have one tenant.
        _more ??= [];
        if (!_more.TryGetValue(tenant, out TenantLane? lane))
        {
            lane = new TenantLane(tenant);
            _more.Add(tenant, lane);
        }
        return lane;
    }

    private void Forget(TenantLane lane)
    {
        if (lane.Destinations > 0 || lane.InFlight > 0)
        {
            return;
        }
        if (_only == lane)
        {
            _only = null;
        }
        else
        {
            _more?.Remove(lane.Tenant);
        }
    }

    /// <summary>Counts a lane anew after a change, and has it take turns while it may take something.</summary>
    private void Update(TenantLane lane)
    {
        int most = lane.Tenant.Sessions;
        int stopped = lane.Tenant.IsSuspended ? lane.Ready : 0;
        int open = stopped > 0 ? 0 : most > 0 ? Math.Clamp(most - lane.InFlight, 0, lane.Ready) : lane.Ready;
        int capped = lane.Ready - open - stopped;
        Ready += open - lane.Open;
        Stopped += stopped - lane.Stopped;
        Capped += capped - lane.Capped;
        lane.Stopped = stopped;
        lane.Open = open;
        lane.Capped = capped;
        if (open > 0 && lane.Next is null)
        {
            Insert(lane);
        }
        else if (open == 0 && lane.Next is not null)
        {
            Remove(lane);
        }
    }

    private void Insert(TenantLane lane)
    {
        HasGuest |= _shared?.Opened(lane.Tenant) == true;
        if (_turn is null)
        {
            lane.Next = lane.Previous = lane;
            Begin(lane);
            return;
        }
        lane.Next = _turn;
        lane.Previous = _turn.Previous;
        _turn.Previous!.Next = lane;
        _turn.Previous = lane;
    }

    private void Remove(TenantLane lane)
    {
        _shared?.Closed(lane.Tenant);
        if (lane.Next == lane)
        {
            _turn = null;
            HasGuest = false;
        }
        else
        {
            lane.Next!.Previous = lane.Previous;
            lane.Previous!.Next = lane.Next;
            if (_turn == lane)
            {
                Begin(lane.Next);
            }
        }
        lane.Next = lane.Previous = null;
    }

    private void Begin(TenantLane lane)
    {
        _turn = lane;
        lane.Left = lane.Tenant.Weight;
    }
}
