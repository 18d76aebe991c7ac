using FastRelay.Smtp;

namespace FastRelay.Queue;

/// <summary>Which recipients of an attempt go in another transaction at once, and not after a wait.</summary>
internal static class NextRound
{
    /// <summary>
    /// The first of them; <see cref="int.MaxValue"/> for none. Those that a host had no room for in a transaction in which it took others
    /// (RFC 5321 4.5.3.1.10): each such transaction delivers to somebody, so this ends. And those whose refusal among several messages
    /// in flight may be another's: they are asked for again by themselves, where it counts, unless others of the transaction have to wait.
    /// </summary>
    public static int FirstOf(ReadOnlySpan<RecipientReport> reports)
    {
        int room = int.MaxValue;
        int proof = int.MaxValue;
        bool delivered = false;
        bool waits = false;
        foreach (ref readonly RecipientReport report in reports)
        {
            delivered |= report.Outcome.Class == OutcomeClass.Delivered;
            waits |= report.Outcome.Class == OutcomeClass.Deferred && !Has(report.Outcome);
            room = IsTooMany(report.Outcome) ? Math.Min(room, report.Index) : room;
            proof = report.Outcome.Cause == OutcomeCause.Unproved ? Math.Min(proof, report.Index) : proof;
        }
        proof = waits ? int.MaxValue : proof;
        return delivered ? Math.Min(room, proof) : proof;
    }

    /// <summary>True for a recipient that is in the round when it is not before the first one.</summary>
    public static bool Has(in Outcome outcome) => outcome.Cause == OutcomeCause.Unproved || IsTooMany(outcome);

    private static bool IsTooMany(in Outcome outcome) =>
        outcome is { Class: OutcomeClass.Deferred, Cause: OutcomeCause.Reply, ReplyCode: 452 or 552 }
        && (outcome.EnhancedCode.IsNone || outcome.EnhancedCode is { Subject: 5, Detail: 3 });
}
