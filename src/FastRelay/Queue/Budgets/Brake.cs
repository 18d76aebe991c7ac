namespace FastRelay.Queue;

/// <summary>What keeps hosts from getting anything: a backoff, and a suspension. A site has one for its hosts, a budget one for all that share it.</summary>
internal sealed class Brake
{
    /// <summary>Until when nothing is dialled, on the loop's scale; in the past when it does not back off.</summary>
    public long BackoffUntilMs { get; private set; }

    /// <summary>Failures in a row. While there are some, one session tries until something is served.</summary>
    public int Failures { get; set; }

    /// <summary>Only time, or the operator, ends the backoff: a login was refused, or a rule said so.</summary>
    public bool Lasts { get; private set; }

    /// <summary>Until when there is nothing at all, on the loop's scale; <see cref="long.MaxValue"/> until the operator resumes it, 0 when it is not suspended.</summary>
    public long SuspendedUntilMs { get; private set; }

    /// <summary>Why; empty when it is not suspended.</summary>
    public string SuspendReason { get; private set; } = "";

    /// <summary>The operator has suspended it, and not a rule.</summary>
    public bool IsByOperator { get; private set; }

    /// <summary>Until when nothing is dialled, for either reason.</summary>
    public long UntilMs => Math.Max(BackoffUntilMs, SuspendedUntilMs);

    private string _backoffReason = "";

    /// <summary>Why it backs off, or has failed last; empty when neither.</summary>
    public string BackoffReason(long nowMs) => Failures > 0 || nowMs < BackoffUntilMs ? _backoffReason : "";

    /// <summary>Begins a backoff, or changes it.</summary>
    /// <param name="untilMs">When it ends, on the loop's scale.</param>
    /// <param name="reason">Why.</param>
    /// <param name="lasts">What is served meanwhile does not end it, and one session tries afterwards.</param>
    public void BackOff(long untilMs, string reason, bool lasts)
    {
        Failures = lasts ? Math.Max(1, Failures) : Failures;
        Lasts = lasts;
        _backoffReason = reason;
        BackoffUntilMs = untilMs;
    }

    /// <summary>Something was served.</summary>
    /// <returns>True when that has ended a backoff. A pause without a failure runs its course.</returns>
    public bool Served(long nowMs)
    {
        // A connection that was let in before says nothing about a login that is refused now.
        if (Failures == 0 || (Lasts && nowMs < BackoffUntilMs))
        {
            return false;
        }
        EndBackoff();
        return true;
    }

    /// <summary>Ends a backoff at once.</summary>
    public void EndBackoff()
    {
        BackoffUntilMs = 0;
        _backoffReason = "";
        Failures = 0;
        Lasts = false;
    }

    /// <summary>Begins a suspension, or changes it.</summary>
    public void Suspend(long untilMs, string reason, bool byOperator)
    {
        SuspendedUntilMs = untilMs;
        SuspendReason = reason;
        IsByOperator = byOperator;
    }

    /// <summary>Ends a suspension.</summary>
    public void Resume() => Suspend(0, "", byOperator: false);
}
