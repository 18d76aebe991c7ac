using System.Diagnostics;
using FastRelay.Outside;

namespace FastRelay.Load;

/// <summary>What a source has done, for programs. Latencies are in µs.</summary>
public sealed record LoadReport
{
    // EADDRNOTAVAIL: what connect says when an address has no port left.
    private const int AddressNotAvailable = 99;

    // In less, starting costs more than sending, and nothing can be said of the source's share.
    private const double JudgedSeconds = 1;

    /// <summary>Release of the program.</summary>
    public required string Version { get; init; }

    /// <summary>When it began, UTC.</summary>
    public DateTimeOffset StartedAt { get; init; }

    /// <summary>Seed of sizes and arrivals.</summary>
    public int Seed { get; init; }

    /// <summary>The server, as it was named.</summary>
    public required string Target { get; init; }

    /// <summary>Its addresses, taken in turn by the connections.</summary>
    public required IReadOnlyList<string> Addresses { get; init; }

    /// <summary><c>closed</c>, <c>open</c> or <c>hold</c>.</summary>
    public required string Loop { get; init; }

    /// <summary>Open loop: messages offered a second.</summary>
    public double OfferedRate { get; init; }

    /// <summary>How it was told to send.</summary>
    public required LoadParameters Parameters { get; init; }

    /// <summary>Sessions asked for.</summary>
    public int Sessions { get; init; }

    /// <summary>Recipients of a message.</summary>
    public int RecipientsEach { get; init; }

    /// <summary>Seconds from the start to the last session's end.</summary>
    public double Seconds { get; init; }

    /// <summary>Messages asked for; 0 when only the time was.</summary>
    public long Messages { get; init; }

    /// <summary>The time asked for, s; 0 when only messages were.</summary>
    public double DurationSeconds { get; init; }

    /// <summary>Messages begun.</summary>
    public long Started { get; init; }

    /// <summary>Accepted.</summary>
    public long Accepted { get; init; }

    /// <summary>Refused.</summary>
    public long Refused { get; init; }

    /// <summary>Lost with their connection.</summary>
    public long Lost { get; init; }

    /// <summary>Open loop: due before the end, and no session was free to begin them.</summary>
    public long NotStarted { get; init; }

    /// <summary>Accepted a second.</summary>
    public double AcceptedPerSecond { get; init; }

    /// <summary>Recipients accepted.</summary>
    public long RecipientsAccepted { get; init; }

    /// <summary>Recipients refused.</summary>
    public long RecipientsRefused { get; init; }

    /// <summary>Octets of accepted messages.</summary>
    public long Bytes { get; init; }

    /// <summary>Connections made.</summary>
    public long Connections { get; init; }

    /// <summary>Connections that failed.</summary>
    public long ConnectFailed { get; init; }

    /// <summary>Connections that were not let as far as a message.</summary>
    public long NotGreeted { get; init; }

    /// <summary>TLS handshakes that failed.</summary>
    public long TlsFailed { get; init; }

    /// <summary>Most sessions open at once.</summary>
    public long SessionsPeak { get; init; }

    /// <summary>Sessions held open and idle.</summary>
    public long Held { get; init; }

    /// <summary>Those of them that answered NOOP.</summary>
    public long HeldAnswered { get; init; }

    /// <summary>Own CPU time, s.</summary>
    public double CpuSeconds { get; init; }

    /// <summary>Own CPU time over elapsed time; 1 is a whole core, which is all that one loop can use.</summary>
    public double CpuShare { get; init; }

    /// <summary>Longest lag of the loop, ms.</summary>
    public double WorstLagMs { get; init; }

    /// <summary>What the run measured instead of the server, when it did; else null.</summary>
    public string? Bottleneck { get; init; }

    /// <summary>It came to its own end: no signal stopped it before, and it did not give the server up.</summary>
    public bool IsComplete { get; init; }

    /// <summary>Why it ended early, or who was not there at its end; null when nothing of the kind happened.</summary>
    public string? Problem { get; init; }

    /// <summary>Replies by stage and code.</summary>
    public required IReadOnlyList<ReplyCount> Replies { get; init; }

    /// <summary>Dialling.</summary>
    public required LatencyFigures Connect { get; init; }

    /// <summary>Connection to banner.</summary>
    public required LatencyFigures Banner { get; init; }

    /// <summary>MAIL (closed loop) or intended start (open loop) to 250; of those lost, until then; of those not started, to the end. Not of those refused.</summary>
    public required LatencyFigures Message { get; init; }

    /// <summary>Final dot to reply.</summary>
    public required LatencyFigures Dot { get; init; }

    /// <summary>Open loop: intended start to start.</summary>
    public required LatencyFigures StartLag { get; init; }

    /// <summary><see cref="Message"/> as a curve.</summary>
    public required IReadOnlyList<LatencyPoint> MessageCurve { get; init; }

    /// <summary>Second by second.</summary>
    public required IReadOnlyList<LoadSample> Samples { get; init; }

    /// <summary>
    /// True when all that was asked for was accepted, or held and answered. Where the time ended the run, every session must
    /// have been let in too: those turned away would have sent.
    /// </summary>
    public bool IsClean => IsComplete && Problem is null && Refused == 0 && Lost == 0 && NotStarted == 0 && RecipientsRefused == 0
        && (Loop == "hold" ? HeldAnswered == Sessions
            : (Messages > 0 && Accepted == Messages) || (DurationSeconds > 0 && Accepted > 0 && NotGreeted + ConnectFailed == 0));

    /// <summary>Takes the figures of a run that has ended.</summary>
    /// <param name="run">The run.</param>
    /// <param name="sampler">Has looked at it.</param>
    /// <param name="version">Release of the program.</param>
    public static LoadReport Of(LoadRun run, Sampler sampler, string version)
    {
        LoadCounters c = run.Counters;
        double seconds = (run.EndTimestamp > 0 ? Stopwatch.GetElapsedTime(run.StartTimestamp, run.EndTimestamp) : Stopwatch.GetElapsedTime(run.StartTimestamp)).TotalSeconds;
        double share = sampler.Cpu.TotalSeconds / seconds;
        LatencyFigures lag = c.StartLag.Figures();
        bool holds = run.Options.HoldMs > 0;
        return new LoadReport
        {
            Version = version,
            StartedAt = run.StartedAt,
            Seed = run.Options.Seed,
            Target = run.Options.Target,
            Addresses = [.. run.Options.Targets.Select(static target => target.Address.ToString())],
            Loop = holds ? "hold" : run.Options.Rate > 0 ? "open" : "closed",
            OfferedRate = run.Options.Rate,
            Parameters = LoadParameters.Of(run.Options),
            Sessions = run.Options.Sessions,
            RecipientsEach = run.Options.Recipients,
            Seconds = Math.Round(seconds, 3),
            Messages = run.Options.Messages,
            DurationSeconds = run.Options.DurationMs / 1000.0,
            Started = c.Started,
            NotStarted = c.NotStarted,
            Accepted = c.Accepted,
            Refused = c.Refused,
            Lost = c.Lost,
            AcceptedPerSecond = Math.Round(c.Accepted / seconds, 1),
            RecipientsAccepted = c.RecipientsAccepted,
            RecipientsRefused = c.RecipientsRefused,
            Bytes = c.Bytes,
            Connections = c.Connections,
            ConnectFailed = c.ConnectFailed,
            NotGreeted = c.NotGreeted,
            TlsFailed = c.TlsFailed,
            SessionsPeak = c.SessionsPeak,
            Held = c.Held,
            HeldAnswered = c.HeldAnswered,
            CpuSeconds = Math.Round(sampler.Cpu.TotalSeconds, 3),
            CpuShare = Math.Round(share, 3),
            WorstLagMs = Math.Round(sampler.WorstLagMs, 1),
            // A server that lets nobody in is no reason for more sessions: the problem names it.
            Bottleneck = Suspect(
                holds ? seconds < JudgedSeconds ? 0 : share : WorkingShare(sampler.Samples), sampler.WorstLagMs,
                run.Options.Rate > 0 && c.SessionsPeak >= run.Options.Sessions && run.NobodyMs == 0 ? run.Options.Sessions : 0,
                run.NobodyMs == 0 ? c.NotStarted : 0, lag, c.LastErrno),
            IsComplete = !run.IsStopped && !run.GaveUp,
            Problem = ProblemOf(run),
            Replies = [.. c.Replies.All()],
            Connect = c.Connect.Figures(),
            Banner = c.Banner.Figures(),
            Message = c.Message.Figures(),
            Dot = c.Dot.Figures(),
            StartLag = lag,
            MessageCurve = c.Message.Curve(),
            Samples = sampler.Samples,
        };
    }

    /// <summary>Why a run ended early, or who was not there at its end.</summary>
    private static string? ProblemOf(LoadRun run)
    {
        string? stopped = run.IsStopped ? $"stopped by a signal after {Stopwatch.GetElapsedTime(run.StartTimestamp, run.EndTimestamp).TotalSeconds:F1} s" : null;
        string any = run.Admittance.Ever ? $" any more, for {run.NobodyMs / 1000:F1} s" : "";
        string? absent = run.NobodyMs == 0 ? null
            : run.Counters.LastRefusal is { } why ? $"{run.Options.Target} takes no mail{any}: {why}"
            : $"nothing answers on {run.Options.Target}{any}: {ErrnoText.Of(run.Counters.LastErrno)}";
        return stopped is not null && absent is not null ? $"{stopped}; {absent}" : stopped ?? absent;
    }

    /// <summary>
    /// The CPU share of the intervals in which messages were accepted: a server that stalls at the end hides no busy source.
    /// 0 when they are too short to say anything.
    /// </summary>
    internal static double WorkingShare(IReadOnlyList<LoadSample> samples)
    {
        double cpu = 0;
        double time = 0;
        double before = 0;
        foreach (LoadSample sample in samples)
        {
            double length = sample.Seconds - before;
            before = sample.Seconds;
            cpu += sample.Messages > 0 ? sample.CpuShare * length : 0;
            time += sample.Messages > 0 ? length : 0;
        }
        return time >= JudgedSeconds ? cpu / time : 0;
    }

    /// <summary>What the run measured instead of the server; null when nothing points at that.</summary>
    /// <param name="share">CPU time of the source over elapsed time, while messages were accepted.</param>
    /// <param name="lagMs">Longest lag of its loop.</param>
    /// <param name="sessions">Sessions asked for in an open loop, when all of them were open at once; else 0.</param>
    /// <param name="notStarted">Messages that were due and not begun.</param>
    /// <param name="startLag">Intended start to start.</param>
    /// <param name="errno">Of the last connection that failed; 0 for none.</param>
    internal static string? Suspect(double share, double lagMs, int sessions, long notStarted, LatencyFigures startLag, int errno)
    {
        if (errno == AddressNotAvailable)
        {
            return "connections failed because no local port was free: give more addresses with --source";
        }
        if (share > 0.85)
        {
            return $"this source used {share:P0} of a core, all that one loop has: rates and latencies are its own";
        }
        if (notStarted > 0)
        {
            return $"{notStarted} messages were due and no session was free to begin them: more sessions, or a lower rate";
        }
        if (sessions > 0 && startLag.P99 > 20_000)
        {
            return $"all {sessions} sessions were busy and messages waited for one (p99 {startLag.P99 / 1000} ms): the latencies count it, more sessions may change it";
        }
        return lagMs > 100 ? $"this source's loop stood still for up to {lagMs:F0} ms: the machine had no CPU for it" : null;
    }
}
