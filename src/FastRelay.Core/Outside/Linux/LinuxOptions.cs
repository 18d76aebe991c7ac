using System.Net;

namespace FastRelay.Outside.Linux;

/// <summary>What <see cref="LinuxWorld.Create"/> has to know.</summary>
public sealed record LinuxOptions
{
    /// <summary>DNS servers, asked in this order; empty: those of /etc/resolv.conf, or 127.0.0.1 when there is none.</summary>
    public IReadOnlyList<IPEndPoint> DnsServers { get; init; } = [];

    /// <summary>One query to one server, ms.</summary>
    public int DnsTimeoutMs { get; init; } = 5_000;

    /// <summary>Threads for CPU-heavy jobs; 0: one a core.</summary>
    public int OffloadThreads { get; init; }

    /// <summary>
    /// Sockets that listen already and were handed to this process (socket activation): one whose address is asked for is
    /// used in place of a new one. Closing it stops no one who holds it too, so that clients wait instead of being refused.
    /// </summary>
    public IReadOnlyList<int> Listening { get; init; } = [];

    /// <summary>Where log lines go; 1 is standard output.</summary>
    public int OutputFd { get; init; } = 1;

    /// <summary>JOURNAL_STREAM of systemd.exec(5), "device:inode" of the descriptor that leads to the journal; null when there is none.</summary>
    public string? JournalStream { get; init; }
}
