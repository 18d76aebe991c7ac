using System.Net;

namespace FastRelay.Outside.Linux;

/// <summary>The servers in use, and which of them are silent: those are asked last. For any thread.</summary>
/// <param name="servers">In the operator's order; at least one.</param>
/// <param name="timeoutMs">One try.</param>
/// <param name="silentMs">How long one that does not answer is put last, ms.</param>
internal sealed class DnsServers(IReadOnlyList<IPEndPoint> servers, int timeoutMs, long silentMs)
{
    /// <summary>Tries of one query, so that it ends after so many timeouts at most, whoever answers.</summary>
    public const int TriesMax = 3;

    /// <summary>How long a server that does not answer is put last, ms.</summary>
    public const long SilentMs = 30_000;

    // 0 while it answers.
    private readonly long[] _silentUntilMs = new long[servers.Count];

    /// <summary>All of them.</summary>
    public IReadOnlyList<IPEndPoint> All => servers;

    /// <summary>
    /// Whom one query asks, by place, best first: those that answer in the operator's order, then the silent ones, the longest
    /// silent first. A single one is asked twice, as a datagram may be lost; of several each is asked once.
    /// </summary>
    /// <param name="nowMs">On the scale of <see cref="Environment.TickCount64"/>.</param>
    public IReadOnlyList<int> Order(long nowMs)
    {
        if (servers.Count == 1)
        {
            return [0, 0];
        }
        List<int> good = [];
        List<(long Until, int Server)> silent = [];
        for (int i = 0; i < servers.Count; i++)
        {
            long until = Volatile.Read(ref _silentUntilMs[i]);
            // When its time is over one query finds out whether it is back; for the others it stays silent.
            if (until == 0 || (until <= nowMs && Interlocked.CompareExchange(ref _silentUntilMs[i], nowMs + timeoutMs, until) == until))
            {
                good.Add(i);
            }
            else
            {
                silent.Add((until, i));
            }
        }
        return [.. good.Concat(silent.Order().Select(static server => server.Server)).Take(TriesMax)];
    }

    /// <summary>It answered, be it with an error.</summary>
    public void Answered(int server) => Volatile.Write(ref _silentUntilMs[server], 0);

    /// <summary>It did not.</summary>
    public void Silent(int server, long nowMs) => Volatile.Write(ref _silentUntilMs[server], nowMs + silentMs);
}
