namespace FastRelay.Host.Admin;

/// <summary>Bounds how often something that others can cause is said in the log; any thread.</summary>
/// <param name="time">The clock.</param>
public sealed class RareLine(TimeProvider time)
{
    /// <summary>Seconds from one line to the next.</summary>
    public const int Seconds = 10;

    private readonly Lock _lock = new();
    private long? _last;
    private long _unsaid;

    /// <summary>It has happened.</summary>
    /// <returns>How often since the last line, this time included; 0 while nothing is to be said.</returns>
    public long Happened()
    {
        lock (_lock)
        {
            _unsaid++;
            if (_last is { } last && time.GetElapsedTime(last) < TimeSpan.FromSeconds(Seconds))
            {
                return 0;
            }
            _last = time.GetTimestamp();
            (long happened, _unsaid) = (_unsaid, 0);
            return happened;
        }
    }
}
