using System.Net;
using FastRelay.Smtp;

namespace FastRelay.Receive;

/// <summary>
/// What each client holds of us, and how fast it goes. This host is held to nothing; clients in networks that may relay are
/// counted by their address, and not held to the bound of a network or to rates unless the configuration says so. Loop thread.
/// </summary>
/// <param name="options">Bounds, and who may relay.</param>
internal sealed class ClientTable(ReceiveOptions options)
{
    private static readonly byte[] s_tooMany = Replies.TooManyConnections.ToArray();
    private static readonly byte[] s_tooFast = Replies.TooManyConnectionsLately.ToArray();

    private readonly Dictionary<IPAddress, int> _addresses = [];
    private readonly Dictionary<ClientKey, int> _networks = [];
    private readonly RateTable _rates = new(options.Limits);

    /// <summary>Bounds, and who may relay: whoever comes or goes on from now on is held to these.</summary>
    public ReceiveOptions Options
    {
        get;
        set
        {
            field = value;
            _rates.Limits = value.Limits;
        }
    } = options;

    /// <summary>Counts a session of a client.</summary>
    /// <param name="client">Its address.</param>
    /// <param name="nowMs">On the loop's scale.</param>
    /// <param name="others">Sessions of all clients that are open: the last tenth of <see cref="Limits.ReceiveSessions"/> is for those who may relay by their address.</param>
    /// <param name="known">False when the address is a proxy's that cannot name its client: it has none of the proxy's rights.</param>
    /// <returns>Null; or what the client is told when it has too many, and then it is not counted.</returns>
    public byte[]? Enter(IPAddress client, long nowMs, int others = 0, bool known = true)
    {
        int most = Options.Limits.ReceiveSessions;
        if (others >= most - (most / 10) && !(known && (IPAddress.IsLoopback(client) || Options.Policy.Trusts(client))))
        {
            return s_tooMany;
        }
        bool isHere = known && IPAddress.IsLoopback(client);
        bool isExempt = IsExempt(client, known);
        if ((!isHere && _addresses.GetValueOrDefault(client) >= Options.Limits.ReceiveSessionsPerAddress)
            || (!isExempt && _networks.GetValueOrDefault(ClientKey.OfNetwork(client)) >= Options.Limits.ReceiveSessionsPerNetwork))
        {
            return s_tooMany;
        }
        if (!isExempt && !_rates.TryTake(ClientKey.OfClient(client), ClientRate.Connections, nowMs))
        {
            return s_tooFast;
        }
        Add(_addresses, client, 1);
        // Everybody: who is exempt may change before a client leaves.
        Add(_networks, ClientKey.OfNetwork(client), 1);
        return null;
    }

    /// <summary>A counted session has ended.</summary>
    public void Leave(IPAddress client)
    {
        Add(_addresses, client, -1);
        Add(_networks, ClientKey.OfNetwork(client), -1);
    }

    /// <summary>True when a client may do one more of something now, and counts it.</summary>
    public bool MayGoOn(IPAddress client, ClientRate rate, long nowMs, bool known = true) =>
        IsExempt(client, known) || _rates.TryTake(ClientKey.OfClient(client), rate, nowMs);

    private bool IsExempt(IPAddress client, bool known) =>
        known && (IPAddress.IsLoopback(client) || RelayPolicy.Narrowest(Options.Policy.Networks, client) > RelayPolicy.Narrowest(Options.Rated, client));

    private static void Add<TKey>(Dictionary<TKey, int> counts, TKey key, int change)
        where TKey : notnull
    {
        int count = counts.GetValueOrDefault(key) + change;
        Check.That(count >= 0, "a client left that had not come");
        if (count == 0)
        {
            counts.Remove(key);
        }
        else
        {
            counts[key] = count;
        }
    }
}
