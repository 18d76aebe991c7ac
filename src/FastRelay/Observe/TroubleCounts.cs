using FastRelay.Smtp;

namespace FastRelay.Observe;

/// <summary>One class of trouble in figures.</summary>
/// <param name="Class">A word of <see cref="BounceClass"/>.</param>
/// <param name="Deferred">Attempts for a recipient that were put off by it.</param>
/// <param name="Failed">Recipients that failed by it.</param>
public readonly record struct TroubleCount(string Class, long Deferred, long Failed);

/// <summary>What kept recipients from being delivered, by class, since the start. Owned by the loop.</summary>
public sealed class TroubleCounts
{
    private readonly long[] _deferred = new long[BounceClass.Names.Count];
    private readonly long[] _failed = new long[BounceClass.Names.Count];

    /// <summary>Counts one outcome; a delivery has no class and is left out.</summary>
    /// <param name="outcome">Deferred or failed.</param>
    /// <param name="kind">As <see cref="BounceClass.Of"/> says it.</param>
    public void Add(OutcomeClass outcome, ReadOnlySpan<byte> kind)
    {
        if (!kind.IsEmpty)
        {
            (outcome == OutcomeClass.Failed ? _failed : _deferred)[BounceClass.IndexOf(kind)]++;
        }
    }

    /// <summary>All of them, in the order of <see cref="BounceClass.Names"/>.</summary>
    public IReadOnlyList<TroubleCount> Read() => [.. BounceClass.Names.Select((name, i) => new TroubleCount(name, _deferred[i], _failed[i]))];
}
