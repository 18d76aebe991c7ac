namespace FastRelay.Load;

/// <summary>What a sink has seen, for programs. Latencies are in µs.</summary>
public sealed record SinkReport
{
    /// <summary>Release of the program.</summary>
    public required string Version { get; init; }

    /// <summary>When it began, UTC.</summary>
    public DateTimeOffset StartedAt { get; init; }

    /// <summary>Seed of the scenario's odds.</summary>
    public int Seed { get; init; }

    /// <summary>The scenario's file, as it was named; null without one.</summary>
    public string? Scenario { get; init; }

    /// <summary>Copies that were to end it; null for a signal.</summary>
    public long? Copies { get; init; }

    /// <summary>It came to its own end: so many copies came as were to end it. Always where a signal was to.</summary>
    public bool IsComplete { get; init; }

    /// <summary><c>none</c>, <c>starttls</c> or <c>implicit</c>.</summary>
    public required string OffersTls { get; init; }

    /// <summary>Addresses.</summary>
    public required IReadOnlyList<string> Listen { get; init; }

    /// <summary>Seconds since it began.</summary>
    public double Seconds { get; init; }

    /// <summary>Connections accepted.</summary>
    public long Connections { get; init; }

    /// <summary>Most open at once.</summary>
    public long SessionsPeak { get; init; }

    /// <summary>Messages answered 250.</summary>
    public long Messages { get; init; }

    /// <summary>Messages answered otherwise.</summary>
    public long MessagesRefused { get; init; }

    /// <summary>Recipients of accepted messages.</summary>
    public long Recipients { get; init; }

    /// <summary>Octets of messages.</summary>
    public long Bytes { get; init; }

    /// <summary>Connections that ended within a message.</summary>
    public long Broken { get; init; }

    /// <summary>Connections that the scenario cut.</summary>
    public long Cut { get; init; }

    /// <summary>Connections secured.</summary>
    public long Tls { get; init; }

    /// <summary>Handshakes that failed.</summary>
    public long TlsFailed { get; init; }

    /// <summary>Bodies were checked.</summary>
    public bool Checked { get; init; }

    /// <summary>Bodies as they were sent.</summary>
    public long Intact { get; init; }

    /// <summary>Bodies that were not.</summary>
    public long Damaged { get; init; }

    /// <summary>Messages without a mark.</summary>
    public long Unmarked { get; init; }

    /// <summary>Different copies of marked messages.</summary>
    public long Distinct { get; init; }

    /// <summary>Copies that came again.</summary>
    public long Duplicates { get; init; }

    /// <summary>Own CPU time, s.</summary>
    public double CpuSeconds { get; init; }

    /// <summary>Own CPU time for 1,000 messages, ms.</summary>
    public double CpuMsPerThousand { get; init; }

    /// <summary>Longest lag of the loop, ms.</summary>
    public double WorstLagMs { get; init; }

    /// <summary>Replies by stage and code.</summary>
    public required IReadOnlyList<ReplyCount> Replies { get; init; }

    /// <summary>From reading to having answered, by stage, of the stages that occurred.</summary>
    public required IReadOnlyDictionary<string, LatencyFigures> Answers { get; init; }

    /// <summary>From 354 to the end of the content.</summary>
    public required LatencyFigures Content { get; init; }

    /// <summary>From sending at the source to here.</summary>
    public required LatencyFigures EndToEnd { get; init; }

    /// <summary>The same as a curve.</summary>
    public required IReadOnlyList<LatencyPoint> EndToEndCurve { get; init; }

    /// <summary>Second by second.</summary>
    public required IReadOnlyList<LoadSample> Samples { get; init; }

    /// <summary>Takes the figures of a sink.</summary>
    /// <param name="server">The sink.</param>
    /// <param name="sampler">Has looked at it.</param>
    /// <param name="version">Release of the program.</param>
    public static SinkReport Of(SinkServer server, Sampler sampler, string version)
    {
        SinkCounters c = server.Counters;
        double cpu = sampler.Cpu.TotalSeconds;
        return new SinkReport
        {
            Version = version,
            StartedAt = server.StartedAt,
            Seed = server.Options.Seed,
            Scenario = server.Options.ScenarioName,
            Copies = server.Options.Copies,
            IsComplete = server.Options.Copies is not { } copies || c.Recipients >= copies,
            OffersTls = server.Options.ImplicitTls ? "implicit" : server.Options.Tls is null ? "none" : "starttls",
            Listen = [.. server.EndPoints.Select(e => e.ToString())],
            Seconds = Math.Round(sampler.Seconds, 3),
            Connections = c.Connections,
            SessionsPeak = c.SessionsPeak,
            Messages = c.Messages,
            MessagesRefused = c.MessagesRefused,
            Recipients = c.Recipients,
            Bytes = c.Bytes,
            Broken = c.Broken,
            Cut = c.Cut,
            Tls = c.Tls,
            TlsFailed = c.TlsFailed,
            Checked = server.Options.Check,
            Intact = c.Intact,
            Damaged = c.Damaged,
            Unmarked = c.Unmarked,
            Distinct = c.Ledger.Distinct,
            Duplicates = c.Ledger.Duplicates,
            CpuSeconds = Math.Round(cpu, 3),
            CpuMsPerThousand = c.Messages == 0 ? 0 : Math.Round(cpu * 1_000_000 / c.Messages, 2),
            WorstLagMs = Math.Round(sampler.WorstLagMs, 1),
            Replies = [.. c.Replies.All()],
            Answers = Enum.GetValues<DialogueStage>()
                .Select(stage => (Name: stage.ToString().ToLowerInvariant(), Figures: c.Answers[(int)stage].Figures()))
                .Where(answer => answer.Figures.Count > 0)
                .ToDictionary(answer => answer.Name, answer => answer.Figures),
            Content = c.Content.Figures(),
            EndToEnd = c.EndToEnd.Figures(),
            EndToEndCurve = c.EndToEnd.Curve(),
            Samples = sampler.Samples,
        };
    }
}
