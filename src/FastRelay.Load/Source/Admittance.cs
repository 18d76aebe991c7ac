using System.Diagnostics;

namespace FastRelay.Load;

/// <summary>Whether the server lets anybody in: how many connections can take messages, and since when none can. On the loop's thread.</summary>
internal sealed class Admittance
{
    private int _ready;
    private bool _turnedAway;
    private long _since = Stopwatch.GetTimestamp();

    /// <summary>Somebody was let in once.</summary>
    public bool Ever { get; private set; }

    /// <summary>How long nobody has been in although somebody tried, ms; 0 when somebody is in, or none has tried since the last was.</summary>
    public double NobodyMs => _ready == 0 && _turnedAway ? Stopwatch.GetElapsedTime(_since).TotalMilliseconds : 0;

    /// <summary>The run begins: until somebody is let in, time counts from here.</summary>
    public void Begin() => _since = Stopwatch.GetTimestamp();

    /// <summary>A connection can take messages.</summary>
    public void Enter()
    {
        _ready++;
        _turnedAway = false;
        Ever = true;
    }

    /// <summary>It cannot any more.</summary>
    public void Leave()
    {
        _ready--;
        _since = Stopwatch.GetTimestamp();
    }

    /// <summary>A connection could not be made, or was not let as far as a message.</summary>
    public void TurnedAway() => _turnedAway = true;
}
