using System.Runtime.InteropServices;

namespace FastRelay.Receive;

/// <summary>
/// How fast each client goes: for each rate a bucket that a minute fills and each use empties by one, kept as the time at
/// which it is full again (the generic cell rate algorithm). Its size has a bound that no crowd of clients can turn
/// against others: a client whose buckets are full is forgotten without loss, and while there is nobody to forget, a new
/// client is served and not held to rates, rather than anybody who is known being forgotten. Pure: it is told the time.
/// </summary>
/// <param name="limits">Rates; 0 for none.</param>
/// <param name="clientsMax">Clients that are known at a time.</param>
internal sealed class RateTable(Limits limits, int clientsMax = Limits.RateTableBytes / RateTable.ClientBytes)
{
    /// <summary>What one client costs at most, with its place in the table.</summary>
    public const int ClientBytes = 64;

    private const long MinuteUs = 60_000_000;
    private const long SweepMs = 1_000;

    private readonly Dictionary<ClientKey, Buckets> _clients = [];
    private long _sweptMs = -SweepMs;

    /// <summary>Rates; 0 for none.</summary>
    public Limits Limits { get; set; } = limits;

    /// <summary>Clients known.</summary>
    public int Count => _clients.Count;

    /// <summary>Takes one from a client's bucket.</summary>
    /// <returns>False when it is empty; then nothing is taken.</returns>
    public bool TryTake(ClientKey client, ClientRate rate, long nowMs)
    {
        int perMinute = rate switch
        {
            ClientRate.Connections => Limits.ConnectionsPerMinute,
            ClientRate.Messages => Limits.MessagesPerMinute,
            _ => Limits.RecipientsPerMinute,
        };
        if (perMinute == 0)
        {
            return true;
        }
        if (_clients.Count >= clientsMax && !_clients.ContainsKey(client) && !Sweep(nowMs))
        {
            return true;
        }
        long nowUs = nowMs * 1000;
        ref Buckets buckets = ref CollectionsMarshal.GetValueRefOrAddDefault(_clients, client, out _);
        ref long full = ref buckets[rate];
        long next = Math.Max(full, nowUs) + (MinuteUs / perMinute);
        if (next - nowUs > MinuteUs)
        {
            return false;
        }
        full = next;
        return true;
    }

    /// <summary>Forgets who has not gone fast lately; at most once a second.</summary>
    /// <returns>True when there is room.</returns>
    private bool Sweep(long nowMs)
    {
        if (nowMs - _sweptMs < SweepMs)
        {
            return false;
        }
        _sweptMs = nowMs;
        foreach ((ClientKey client, Buckets buckets) in _clients)
        {
            if (buckets.AreFull(nowMs * 1000))
            {
                // Removing the current one is allowed while a dictionary is walked.
                _clients.Remove(client);
            }
        }
        return _clients.Count < clientsMax;
    }

    [System.Runtime.CompilerServices.InlineArray(3)]
    private struct Times
    {
        private long _first;
    }

    private struct Buckets
    {
        private Times _full;

        [System.Diagnostics.CodeAnalysis.UnscopedRef]
        public ref long this[ClientRate rate] => ref _full[(int)rate];

        public readonly bool AreFull(long nowUs) => Math.Max(_full[0], Math.Max(_full[1], _full[2])) <= nowUs;
    }
}
