namespace FastRelay.Load;

/// <summary>
/// An exact sliding window: a ring of the last admitted times. One more is admitted when the oldest of them has left
/// the window, so that no window of that length, wherever it begins, holds more than the cap.
/// </summary>
public sealed class RateWindow(int count, long windowMs)
{
    private readonly long[] _times = Filled(count);
    private int _next;

    /// <summary>Admits one, or says no and counts nothing.</summary>
    public bool TryAdmit(long nowMs)
    {
        if (_times[_next] > nowMs - windowMs)
        {
            return false;
        }
        _times[_next] = nowMs;
        _next = _next + 1 == _times.Length ? 0 : _next + 1;
        return true;
    }

    private static long[] Filled(int count)
    {
        var times = new long[count];
        Array.Fill(times, long.MinValue / 2);
        return times;
    }
}
