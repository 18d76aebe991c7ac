using System.Net;
using FastRelay.Outside;

namespace FastRelay.Load;

/// <summary>What a sink is told to do.</summary>
public sealed record SinkOptions
{
    /// <summary>Where it listens; at least one.</summary>
    public required IReadOnlyList<IPEndPoint> Listen { get; init; }

    /// <summary>How it behaves.</summary>
    public SinkScenario Scenario { get; init; } = new();

    /// <summary>For the report: the file that says so; null without one.</summary>
    public string? ScenarioName { get; init; }

    /// <summary>For the report: the seed of the world's chance, which draws the scenario's odds.</summary>
    public int Seed { get; init; }

    /// <summary>Reads the source's marks: body checksums, duplicates and the time since sending.</summary>
    public bool Check { get; init; }

    /// <summary>Ends when it has so many copies, one for each recipient of each message, and the last reply has left; null for no end of its own.</summary>
    public long? Copies { get; init; }

    /// <summary>Offers STARTTLS; null for a sink in clear.</summary>
    public ServerTls? Tls { get; init; }

    /// <summary>Starts TLS at once (RFC 8314 3.3).</summary>
    public bool ImplicitTls { get; init; }
}
