using FastRelay.Outside;

namespace FastRelay.Tests.Outside;

/// <summary>Counts how often it ran; for the rules that are shared with the real links' tests.</summary>
internal sealed class Woken : LoopItem
{
    public int Times { get; private set; }

    protected override void Run() => Times++;
}
