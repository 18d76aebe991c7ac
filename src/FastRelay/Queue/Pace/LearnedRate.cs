namespace FastRelay.Queue;

/// <summary>
/// The rate that a site has been seen to allow, where a host has said that mail comes too fast. Pure: time is given.
/// </summary>
/// <remarks>
/// After a refusal the site is closed: one message tries it after 1 s, 2 s, 4 s and so on, up to 5 minutes. When the first
/// of these gets through, the rate was a little too high: it is cut to 92 %. When a later one does, it is also no more than
/// what got through over the time that it took, the closed time counted: for a provider that counts over a window the
/// closed time is what is left of the window, however long it is.
/// Then the rate creeps, half a per cent a step, for 20 steps; so that the messages of a window show what a step has done
/// before the next ones, and few are refused at the top. When even 10 % more is borne it leaps, each step twice the one
/// before: the cap is another one. A step without enough mail to fill the rate changes nothing. Constants and why:
/// docs/decisions/0016.
/// </remarks>
internal sealed class LearnedRate
{
    /// <summary>It is never lower than this: 1 message a minute.</summary>
    public const double LeastPerMs = 1.0 / 60_000;

    /// <summary>It is never higher; nobody is.</summary>
    public const double MostPerMs = 100;

    /// <summary>The longest time between two tries of a site that refuses, ms.</summary>
    public const long PauseMsMax = 300_000;

    private const long FirstPauseMs = 1_000;
    private const double Cut = 0.92;
    private const double Creep = 0.005;
    private const int CreepSteps = 20;
    private const double LeapMax = 0.25;

    /// <summary>Where a rate begins to grow that rests on fewer than <see cref="KnownCount"/> messages: with leaps.</summary>
    private const int LeapSteps = CreepSteps + 3;

    private const int KnownCount = 20;
    private const long StepMsMin = 5_000;
    private const long CreepMsMax = 300_000;
    private const long LeapMsMax = 60_000;

    /// <summary>A step grows only when this part of the rate was used in it: what was not tried is not known to be borne.</summary>
    private const double UsedPart = 0.8;

    /// <summary>What comes due between two looks of a loop whose timers are up to 16 ms late.</summary>
    private const double SlackMs = 32;

    private const long MinuteMs = 60_000;
    private double _perMs;
    private double _emptyAtMs = double.MinValue;
    private int _closedBy;
    private long _closedAtMs;
    private long _refusedAtMs = -1;
    private long _openAtMs;
    private int _steps;
    private long _stepSinceMs;
    private int _stepTook;
    private bool _known;
    private long _keepMs;
    private WindowCount _used;

    /// <summary>Learned from a first refusal, which <see cref="Refuse"/> is told of next.</summary>
    /// <param name="nowMs">The loop's time.</param>
    /// <param name="through">What got through until then.</param>
    public LearnedRate(long nowMs, in ThroughMeter through)
    {
        SinceMs = nowMs;
        // Of a time below a second one cannot tell a rate from a burst.
        _perMs = through.Count == 0 ? 1.0 / FirstPauseMs : (double)through.Count / Math.Max(FirstPauseMs, nowMs - through.SinceMs);
        Bound();
    }

    /// <summary>The same for another budget: from now on each goes its own way.</summary>
    public LearnedRate Copy() => (LearnedRate)MemberwiseClone();

    /// <summary>Does it let less go than another does? One that is refused just now does.</summary>
    public bool IsStricterThan(LearnedRate other) => IsClosed == other.IsClosed ? _perMs < other._perMs : IsClosed;

    /// <summary>Since when there is one, on the loop's scale.</summary>
    public long SinceMs { get; }

    /// <summary>What the host said last.</summary>
    public string Reason { get; set; } = "";

    /// <summary>Attempts that were refused for it, those included that were under way together.</summary>
    public long Refused { get; private set; }

    /// <summary>Messages a minute.</summary>
    public double PerMinute => _perMs * MinuteMs;

    /// <summary>It is refused: only one message at a time tries.</summary>
    public bool IsClosed => _closedBy > 0;

    /// <summary>When the last refusal came, on the loop's scale.</summary>
    public long ToldAtMs { get; private set; }

    /// <summary>How long no refusal has come is long enough to forget it: that time is over.</summary>
    public bool IsOver(long nowMs) => KeptMs(nowMs) == 0;

    /// <summary>For how long it is kept when nothing is refused any more, ms; 0 when that is over.</summary>
    public long KeptMs(long nowMs) => Math.Max(0, _refusedAtMs + _keepMs - nowMs);

    /// <summary>When it grows next if the mail is there to use it, ms from now; 0 while it is closed.</summary>
    public long GrowsInMs(long nowMs) => IsClosed ? 0 : Math.Max(0, _stepSinceMs + StepMs - nowMs);

    /// <summary>About how many were begun in the last minute.</summary>
    public long Used(long nowMs) => _used.InLast(nowMs, MinuteMs);

    /// <summary>How long the next message has to wait, ms; 0 when it may go now.</summary>
    public long WaitMs(long nowMs) => IsClosed
        ? Math.Max(0, _openAtMs - nowMs)
        : (long)Math.Max(0, Math.Ceiling(_emptyAtMs - SlackMs - nowMs));

    /// <summary>A message was begun.</summary>
    public void Took(long nowMs)
    {
        _used.Add(nowMs, MinuteMs, 1);
        if (IsClosed)
        {
            // The one that tries is alone until it is answered, or for as long again: it may be lost on the way.
            _openAtMs = nowMs + PauseMs;
            return;
        }
        if (nowMs - _stepSinceMs >= StepMs)
        {
            Step(nowMs);
        }
        _stepTook++;
        _emptyAtMs = Math.Max(_emptyAtMs, nowMs) + (1 / _perMs);
    }

    /// <summary>A message that was begun was not attempted. One that tried a closed site leaves its place to another, unless a refusal came meanwhile.</summary>
    public void GaveBack(long nowMs, long takenMs)
    {
        if (!IsClosed)
        {
            _emptyAtMs -= 1 / _perMs;
            _stepTook = Math.Max(0, _stepTook - 1);
        }
        else if (ToldAtMs < takenMs)
        {
            _openAtMs = Math.Min(_openAtMs, nowMs);
        }
    }

    /// <summary>A host has refused a message, or a connection, for the rate.</summary>
    /// <param name="nowMs">The loop's time.</param>
    /// <param name="takenMs">When the message was taken; -1 for what belongs to none.</param>
    /// <param name="keepMs">How long it is kept from now on, without another refusal.</param>
    /// <returns>False for one that was under way when the one before it was refused: it tells nothing new.</returns>
    public bool Refuse(long nowMs, long takenMs, long keepMs)
    {
        Refused++;
        ToldAtMs = nowMs;
        if (takenMs < 0 ? IsClosed && nowMs < _openAtMs : takenMs <= _refusedAtMs)
        {
            return false;
        }
        _closedAtMs = IsClosed ? _closedAtMs : nowMs;
        _closedBy++;
        _refusedAtMs = nowMs;
        _openAtMs = nowMs + PauseMs;
        _keepMs = keepMs;
        return true;
    }

    /// <summary>A message got through, or was judged for itself.</summary>
    /// <param name="nowMs">The loop's time.</param>
    /// <param name="takenMs">When it was taken.</param>
    /// <param name="through">What got through before it.</param>
    /// <returns>True when the site has been closed until now.</returns>
    public bool GotThrough(long nowMs, long takenMs, in ThroughMeter through)
    {
        if (!IsClosed || takenMs <= _refusedAtMs)
        {
            return false;
        }
        _known |= through.Count >= KnownCount;
        _perMs *= Cut;
        if (_closedBy > 1)
        {
            long sinceMs = through.Count > 0 ? Math.Min(through.SinceMs, _closedAtMs) : _closedAtMs;
            // Fewer than ten are no measure; a rate that is too low for them finds its way up.
            _perMs = Math.Min(_perMs, Math.Max(through.Count, 10) / (double)(nowMs - sinceMs));
        }
        Bound();
        _steps = _known ? 0 : LeapSteps;
        _closedBy = 0;
        _emptyAtMs = nowMs + (1 / _perMs);
        Begin(nowMs);
        return true;
    }

    private long PauseMs => Math.Min(PauseMsMax, FirstPauseMs << Math.Min(_closedBy - 1, 16));

    private long StepMs => _steps < CreepSteps
        ? (long)Math.Clamp(50 / _perMs, StepMsMin, CreepMsMax)
        : (long)Math.Clamp(10 / _perMs, StepMsMin, LeapMsMax);

    private void Step(long nowMs)
    {
        if (_stepTook >= UsedPart * _perMs * (nowMs - _stepSinceMs))
        {
            _perMs *= 1 + (_steps < CreepSteps ? Creep : Math.Min(LeapMax, Creep * (1 << Math.Min(_steps - CreepSteps + 1, 16))));
            _steps++;
            Bound();
        }
        Begin(nowMs);
    }

    private void Begin(long nowMs)
    {
        _stepSinceMs = nowMs;
        _stepTook = 0;
    }

    private void Bound() => _perMs = Math.Clamp(_perMs, LeastPerMs, MostPerMs);
}
