namespace FastRelay.Receive;

/// <summary>
/// How fast content comes. Only the time that was spent waiting for the client counts, so that a slow disk of ours is
/// nobody's fault. Pure; a mutable struct.
/// </summary>
/// <param name="octetsPerSecond">Least rate; 0 for none.</param>
internal struct ContentPace(int octetsPerSecond)
{
    /// <summary>The time over which the rate is looked at, ms of waiting.</summary>
    public const long WindowMs = 60_000;

    private long _waitedMs;
    private long _octets;

    /// <summary>A wait has ended.</summary>
    /// <param name="waitedMs">It took so long.</param>
    /// <param name="octets">Octets that came.</param>
    /// <returns>True when too little came in a whole window.</returns>
    public bool IsTooSlow(long waitedMs, long octets)
    {
        _waitedMs += waitedMs;
        _octets += octets;
        if (_waitedMs < WindowMs)
        {
            return false;
        }
        bool tooSlow = _octets < octetsPerSecond * _waitedMs / 1000;
        _waitedMs = 0;
        _octets = 0;
        return tooSlow;
    }
}
