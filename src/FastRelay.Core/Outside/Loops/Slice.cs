using System.Runtime.CompilerServices;

namespace FastRelay.Outside;

/// <summary>
/// Cuts work that grows with the queue, so that no turn of the loop is long for it: a turn takes so many steps of it at most, and no
/// more once it has lasted for <see cref="TurnUs"/>. Whoever has more to do goes on in the next turn. A step is a look at one thing that
/// is likely not in the processor's cache, some 0.1 to 0.3 us; what costs more says so. Loop thread.
/// </summary>
/// <remarks>
/// Steps alone were not enough: on a busy host the same thousand of them took 0.3 or 4 ms. The clock is read every
/// <see cref="LookSteps"/>. In the simulator no time passes within a turn, so there the steps alone decide and a seed tells one story.
/// </remarks>
/// <param name="loop">Whose turns.</param>
/// <param name="steps">Steps of one turn at most, 1 and up.</param>
public sealed class Slice(Loop loop, int steps = Slice.Steps)
{
    /// <summary>Steps of one turn where nothing else is said.</summary>
    public const int Steps = 1_024;

    /// <summary>A turn that has lasted for so long takes no more steps, us: well within the 1 ms that an operator's wish may cost everybody else.</summary>
    public const long TurnUs = 400;

    /// <summary>What others do must not keep the work from coming to an end: in a turn that is long already it may go on for so long, us.</summary>
    public const long LeastUs = 100;

    private const int LookSteps = 32;
    private readonly Signal<bool> _next = new(loop);
    private long _turn = -1;
    private long _beganUs;
    private int _left;
    private int _unseen;

    /// <summary>This turn takes no more. The first step of each turn is always free.</summary>
    public bool IsOver => _turn == loop.Turns && _left <= 0;

    /// <summary>Spends steps of the turn.</summary>
    /// <param name="cost">How many.</param>
    /// <returns>False when the turn takes no more.</returns>
    public bool Spend(int cost = 1)
    {
        if (_turn != loop.Turns)
        {
            (_turn, _left, _unseen, _beganUs) = (loop.Turns, steps, LookSteps, loop.TurnUs);
        }
        _left -= cost;
        _unseen -= cost;
        if (_unseen <= 0 && _left > 0)
        {
            _unseen = LookSteps;
            long us = loop.TurnUs;
            _left = us >= TurnUs && us - _beganUs >= LeastUs ? 0 : _left;
        }
        return _left > 0;
    }

    /// <summary>Lets everybody else run: goes on in the next turn. One waiter at a time.</summary>
    public ValueTask<bool> NextAsync() => _next.YieldAsync(true);

    /// <summary>Spends steps, and goes on in the next turn when this one takes no more.</summary>
    /// <param name="cost">How many.</param>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    public async ValueTask PaceAsync(int cost = 1)
    {
        if (!Spend(cost))
        {
            await NextAsync();
        }
    }
}
