using FastRelay.Outside;

namespace FastRelay.Tests.Outside;

/// <summary>Counts how often it ran. The simulator's tests have their own: they see less of the loop.</summary>
internal sealed class Woken : LoopItem
{
    public int Times { get; private set; }

    protected internal override void Run() => Times++;
}
