namespace FastRelay.Load;

/// <summary>How a sink behaves: like an ideal server unless told otherwise.</summary>
public sealed record SinkScenario
{
    /// <summary>The name in the banner.</summary>
    public string HostName { get; init; } = "sink.test";

    /// <summary>Offers PIPELINING (RFC 2920).</summary>
    public bool Pipelining { get; init; } = true;

    /// <summary>Offers CHUNKING (RFC 3030): takes messages by BDAT too.</summary>
    public bool Chunking { get; init; } = true;

    /// <summary>Open connections; one more is told 421 4.3.2 and closed.</summary>
    public int Sessions { get; init; } = int.MaxValue;

    /// <summary>Open connections of one client address; one more is told 421 4.7.0 and closed.</summary>
    public int SessionsPerAddress { get; init; } = int.MaxValue;

    /// <summary>Messages of a connection; the next MAIL is told 421 4.7.0 and the connection closed.</summary>
    public int MessagesPerSession { get; init; } = int.MaxValue;

    /// <summary>Recipients of a message; the next is told 452 4.5.3.</summary>
    public int Recipients { get; init; } = int.MaxValue;

    /// <summary>Octets of a message in wire form, announced by SIZE; 0 for no limit. A longer one is told 552 5.3.4.</summary>
    public long MessageBytes { get; init; }

    /// <summary>A new (client, sender, recipient) is told 451 4.7.1 for this long, ms; 0 for no greylisting.</summary>
    public long GreylistMs { get; init; }

    /// <summary>Holds every flight of replies back for this long, ms, as a distant network would; 0 for none.</summary>
    public int RoundTripMs { get; init; }

    /// <summary>Caps over sliding windows.</summary>
    public IReadOnlyList<RateRule> Rates { get; init; } = [];

    /// <summary>Faults; at each stage the first that strikes decides, in this order.</summary>
    public IReadOnlyList<FaultRule> Faults { get; init; } = [];
}
