namespace FastRelay.EndToEnd.Rig;

/// <summary>Tests that load the whole machine: they run after the others, one at a time.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
