namespace FastRelay.Queue;

/// <summary>
/// About how much was counted in the last window: two numbers, for people to read. The part of the earlier window that is
/// still inside is taken as evenly spread; what is allowed is never decided by it.
/// </summary>
internal struct WindowCount
{
    private long _sinceMs;
    private long _now;
    private long _before;

    /// <summary>Counts.</summary>
    /// <param name="nowMs">The loop's time.</param>
    /// <param name="windowMs">The window; the same in every call.</param>
    /// <param name="amount">How much.</param>
    public void Add(long nowMs, long windowMs, long amount)
    {
        Move(nowMs, windowMs);
        _now += amount;
    }

    /// <summary>How much was counted in the window that ends now.</summary>
    public long InLast(long nowMs, long windowMs)
    {
        Move(nowMs, windowMs);
        return _now + (long)(_before * (1 - ((double)(nowMs - _sinceMs) / windowMs)));
    }

    private void Move(long nowMs, long windowMs)
    {
        long windows = (nowMs - _sinceMs) / windowMs;
        if (windows > 0)
        {
            _before = windows == 1 ? _now : 0;
            _now = 0;
            _sinceMs += windows * windowMs;
        }
    }
}
