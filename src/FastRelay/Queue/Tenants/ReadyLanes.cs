using System.Runtime.CompilerServices;
using FastRelay.Config;

namespace FastRelay.Queue;

/// <summary>What a destination has ready of one priority, and its place in the ring of those of its tenant that have such at the site.</summary>
internal struct ReadyLane
{
    public EntryList List;

    /// <summary>The ring; null when not in it.</summary>
    public Destination? Next;

    public Destination? Previous;
}

/// <summary>One for each priority, by <see cref="MailPriorities.Rank"/>.</summary>
[InlineArray(MailPriorities.Count)]
internal struct ReadyLanes
{
    private ReadyLane _first;
}

/// <summary>The destinations of a tenant at a site that have something ready of one priority; they take turns.</summary>
internal struct PriorityRing
{
    /// <summary>The destination whose turn is next; null while none has.</summary>
    public Destination? Turn;

    /// <summary>Messages of higher priorities that have gone while something waited here.</summary>
    public int Waited;
}

/// <summary>One for each priority, by <see cref="MailPriorities.Rank"/>.</summary>
[InlineArray(MailPriorities.Count)]
internal struct PriorityRings
{
    private PriorityRing _first;
}
