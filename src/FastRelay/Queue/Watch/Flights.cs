namespace FastRelay.Queue;

/// <summary>A delivery that is under way.</summary>
internal struct Flight
{
    /// <summary>The entry; 0 for a place that is free.</summary>
    public int Entry;

    /// <summary>Tells it from others that had the place; never 0.</summary>
    public int Number;

    /// <summary>The next free place.</summary>
    public int NextFree;

    /// <summary>What it was taken for.</summary>
    public Site? Site;

    /// <summary>What it was taken from.</summary>
    public TenantLane? Lane;

    /// <summary>When, on the loop's scale.</summary>
    public long TakenMs;
}

/// <summary>
/// The deliveries that were taken for a site and have not ended. Each ends once: one that the watchdog has given up has no
/// say any more when it comes after all. Beginning and ending are O(1) and allocate nothing once the places are there.
/// </summary>
internal sealed class Flights
{
    private Flight[] _places = new Flight[64];
    private int _end = 1;
    private int _free;
    private int _number;
    private readonly HashSet<int> _givenUp = [];

    /// <summary>Places, free ones too, from 1 on.</summary>
    public int End => _end;

    /// <summary>A place.</summary>
    public ref Flight this[int place] => ref _places[place];

    /// <summary>A delivery was taken.</summary>
    /// <returns>Its place.</returns>
    public int Begin(int entry, Site site, TenantLane lane, long takenMs)
    {
        int place = _free;
        if (place != 0)
        {
            _free = _places[place].NextFree;
        }
        else
        {
            if (_end == _places.Length)
            {
                Array.Resize(ref _places, _places.Length * 2);
            }
            place = _end++;
        }
        _number = _number == int.MaxValue ? 1 : _number + 1;
        _places[place] = new Flight { Entry = entry, Number = _number, Site = site, Lane = lane, TakenMs = takenMs };
        return place;
    }

    /// <summary>A delivery is over.</summary>
    /// <returns>False when it was given up before: nothing of it counts any more.</returns>
    public bool TryEnd(in Delivery delivery)
    {
        if (!Holds(delivery))
        {
            Check.That(_givenUp.Remove(delivery.FlightNumber), "a delivery is ended once");
            return false;
        }
        if (delivery.Flight != 0)
        {
            Free(delivery.Flight);
        }
        return true;
    }

    /// <summary>True for a delivery that has not ended; also for one of no site, which has no place.</summary>
    public bool Holds(in Delivery delivery) => delivery.Flight == 0 || _places[delivery.Flight].Number == delivery.FlightNumber;

    /// <summary>Ends what is at a place, of which nobody is expected to say more; what comes all the same is known then.</summary>
    public void GiveUp(int place)
    {
        _givenUp.Add(_places[place].Number);
        Free(place);
    }

    private void Free(int place)
    {
        _places[place] = new Flight { NextFree = _free };
        _free = place;
    }
}
