namespace FastRelay.Storm;

/// <summary>What one connection will suffer, decided when it is made.</summary>
public sealed record LinkProfile
{
    /// <summary>Least time of one piece on the way, ns.</summary>
    public long LatencyNs { get; init; } = 30_000;

    /// <summary>Up to so much more, ns.</summary>
    public long JitterNs { get; init; } = 100_000;

    /// <summary>Bytes that travel together at most.</summary>
    public int PieceBytes { get; init; } = 16_384;

    /// <summary>So many bytes of each direction arrive one by one first.</summary>
    public int SingleBytes { get; init; }

    /// <summary>Kernel send buffer; a flush waits for room here.</summary>
    public int SendBytes { get; init; } = 65_536;

    /// <summary>Kernel receive buffer; a peer that does not read stops being sent to.</summary>
    public int ReceiveBytes { get; init; } = 65_536;

    /// <summary>After so many bytes, counted over both directions, the network resets the connection; -1 never.</summary>
    public long ResetAfter { get; init; } = -1;

    /// <summary>After so many bytes everything stops for <see cref="StallNs"/>; -1 never.</summary>
    public long StallAfter { get; init; } = -1;

    /// <summary>Length of the stall, ns.</summary>
    public long StallNs { get; init; }

    /// <summary>The handshake fails.</summary>
    public bool BadTls { get; init; }

    /// <summary>A connection of a seed; plain when faults are off.</summary>
    public static LinkProfile FromSeed(SimRandom random, SimFaults faults)
    {
        var plain = new LinkProfile
        {
            LatencyNs = random.Magnitude(5_000, 20_000_000),
            JitterNs = random.Magnitude(1_000, 2_000_000),
            PieceBytes = (int)random.Magnitude(64, 65_536),
            SendBytes = (int)random.Magnitude(512, 65_536),
            ReceiveBytes = (int)random.Magnitude(512, 65_536),
        };
        if (!faults.On || random.OneIn(3))
        {
            return plain;
        }
        return plain with
        {
            SingleBytes = random.OneIn(8) ? random.Next(400) : 0,
            ResetAfter = random.OneIn(8) ? random.Magnitude(0, 30_000) : -1,
            StallAfter = random.OneIn(10) ? random.Magnitude(0, 20_000) : -1,
            StallNs = random.Magnitude(1_000_000_000, 900_000_000_000),
            BadTls = random.OneIn(6),
        };
    }
}
