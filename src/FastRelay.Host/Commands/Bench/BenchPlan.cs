namespace FastRelay.Host.Commands;

/// <summary>What a scenario does with its processes.</summary>
internal enum BenchShape
{
    /// <summary>Source through relay to sink; ends when the sink has everything.</summary>
    Through,

    /// <summary>Source to relay, which discards.</summary>
    Accept,

    /// <summary>Sessions held open.</summary>
    Hold,

    /// <summary>The sink is away until everything is queued.</summary>
    Drain,

    /// <summary>As Drain, and the relay is killed and started in between.</summary>
    Restart,
}

/// <summary>One scenario of <c>fastrelay bench</c>.</summary>
/// <param name="Name">As it is typed.</param>
/// <param name="About">What it measures, in one sentence.</param>
/// <param name="Shape">What it does.</param>
/// <param name="Messages">Messages unless told otherwise; sessions for Hold.</param>
/// <param name="Sessions">Sessions of the source.</param>
/// <param name="Load">Further options of the source.</param>
internal sealed record BenchPlan(string Name, string About, BenchShape Shape, long Messages, int Sessions, params string[] Load)
{
    /// <summary>The scenario file of the sink; empty for an ideal one.</summary>
    public string SinkScenario { get; init; } = "";

    /// <summary>TLS on both sides.</summary>
    public bool Tls { get; init; }

    /// <summary>A second sink, slow, for one domain in ten.</summary>
    public bool SlowSink { get; init; }

    /// <summary>Why it cannot measure another server; null when it can.</summary>
    public string? OwnRelay => Shape switch
    {
        BenchShape.Drain => "its sink is away at first, and when another server tries again is that server's affair",
        BenchShape.Restart => "it kills the relay and starts it again",
        _ => SlowSink ? "it routes ten of 100 domains to a second sink" : null,
    };

    /// <summary>Messages go on to a sink.</summary>
    public bool HasSink => Shape is not (BenchShape.Accept or BenchShape.Hold);

    /// <summary>All of them.</summary>
    public static IReadOnlyList<BenchPlan> All { get; } =
    [
        new("accept", "Durable accept: 64 reused sessions, 4 KiB messages, every one discarded after its commit.", BenchShape.Accept, 200_000, 64, "--size", "4KiB"),
        new("relay", "End to end: 64 reused sessions, 4 KiB messages, one destination.", BenchShape.Through, 100_000, 64, "--size", "4KiB"),
        new("single", "As relay, with a new connection for every message.", BenchShape.Through, 50_000, 64, "--size", "4KiB", "--per-session", "1"),
        new("idle", "Sessions that are open and silent: what each costs, and whether all still answer.", BenchShape.Hold, 19_000, 19_000, "--source", "127.0.1.0/24"),
        new("recipients", "Messages with 100 recipients each.", BenchShape.Through, 2_000, 16, "--size", "4KiB", "--recipients", "100"),
        new("large", "Messages of 10 MiB, 16 sessions.", BenchShape.Through, 200, 16, "--size", "10MiB"),
        new("tls", "As relay, with STARTTLS on both sides, 10 messages a connection.", BenchShape.Through, 20_000, 64, "--size", "4KiB", "--per-session", "10", "--tls", "starttls") { Tls = true },
        new("drain", "A backlog that is queued while its destination is away, and how fast it leaves once it is back.", BenchShape.Drain, 100_000, 64, "--size", "4KiB"),
        new("slow", "100 destinations, ten of which take 5 s a message: what the others notice.", BenchShape.Through, 20_000, 64, "--size", "4KiB", "--to", "user@d{}.test", "--spread", "100") { SlowSink = true },
        new("restart", "A full queue, kill -9, and a start: until the banner, the memory, and whether everything still arrives.", BenchShape.Restart, 100_000, 64, "--size", "4KiB"),
        new("rtt40", "As relay, to a destination that is a round trip of 40 ms away.", BenchShape.Through, 20_000, 64, "--size", "4KiB") { SinkScenario = "round_trip = \"40ms\"\n" },
    ];
}
