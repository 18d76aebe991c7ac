using System.Text.Json.Serialization;
using FastRelay.Load;

namespace FastRelay.Host.Commands;

/// <summary>One run of a scenario.</summary>
internal sealed record BenchRunReport
{
    /// <summary>Messages accepted a second while they were sent.</summary>
    public double AcceptedPerSecond { get; init; }

    /// <summary>Messages that reached the sink a second, from the first sent (in a drain: from the sink's start) to the last arrived; null without a sink.</summary>
    public double? RelayedPerSecond { get; init; }

    /// <summary>The subject's CPU time for 1,000 messages, ms; null for a server that is not ours to look at, and when none is sent.</summary>
    public double? CpuMsPerThousand { get; init; }

    /// <summary>The subject's own memory (RssAnon) before, KiB; null as before.</summary>
    public long? AnonBeforeKiB { get; init; }

    /// <summary>The most of it.</summary>
    public long? AnonPeakKiB { get; init; }

    /// <summary>The most resident memory, KiB.</summary>
    public long? RssPeakKiB { get; init; }

    /// <summary>From starting the process to its banner, ms: of the last start.</summary>
    public double? StartMs { get; init; }

    /// <summary>fdatasyncs for 1,000 messages; null also when the process that counted them was killed.</summary>
    public double? SyncsPerThousand { get; init; }

    /// <summary>Recipients that no sink saw; null without a sink.</summary>
    public long? Missing { get; init; }

    /// <summary>Copies that came to a sink again.</summary>
    public long? Duplicates { get; init; }

    /// <summary>Bodies that came to a sink and were not as sent.</summary>
    public long? Damaged { get; init; }

    /// <summary>The source's report.</summary>
    public LoadReport? Load { get; init; }

    /// <summary>The sink's report.</summary>
    public SinkReport? Sink { get; init; }

    /// <summary>The slow sink's report.</summary>
    public SinkReport? SlowSink { get; init; }

    /// <summary>The source's intervals, on the run's clock.</summary>
    public IReadOnlyList<LoadSample> LoadSamples { get; init; } = [];

    /// <summary>The sink's intervals, on the run's clock.</summary>
    public IReadOnlyList<LoadSample> SinkSamples { get; init; } = [];

    /// <summary>The subject's CPU and memory over time.</summary>
    public IReadOnlyList<ProcessSample> Subject { get; init; } = [];

    /// <summary>What went wrong; null when nothing did.</summary>
    public string? Problem { get; init; }
}

/// <summary>A scenario, run once or several times.</summary>
internal sealed record BenchReport
{
    /// <summary>Scenario.</summary>
    public required string Scenario { get; init; }

    /// <summary>What it measures.</summary>
    public required string About { get; init; }

    /// <summary>fastrelay, or an address.</summary>
    public required string Subject { get; init; }

    /// <summary>group, none, or unknown.</summary>
    public required string Sync { get; init; }

    /// <summary>When, UTC.</summary>
    public DateTimeOffset Started { get; init; }

    /// <summary>Messages of a run; sessions when they are held.</summary>
    public long Messages { get; init; }

    /// <summary>Sessions of the source.</summary>
    public int Sessions { get; init; }

    /// <summary>Where.</summary>
    public required MachineFacts Machine { get; init; }

    /// <summary>Why runs are missing; null when none is.</summary>
    public string? Problem { get; init; }

    /// <summary>All runs that were asked for are here.</summary>
    public bool IsComplete => Problem is null;

    /// <summary>The runs, in their order.</summary>
    public required IReadOnlyList<BenchRunReport> Runs { get; init; }
}

/// <summary>The report as JSON, written by generated code.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(BenchReport))]
internal sealed partial class BenchJson : JsonSerializerContext;
