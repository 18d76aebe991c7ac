namespace FastRelay.Config;

/// <summary>How a limit is written.</summary>
public enum LimitUnit : byte
{
    /// <summary>A whole number.</summary>
    Count,

    /// <summary>A size, as in <c>50MiB</c>; a bare number is octets.</summary>
    Bytes,

    /// <summary>A duration, kept in ms.</summary>
    Milliseconds,

    /// <summary>A duration, kept in seconds.</summary>
    Seconds,
}

/// <summary>One settable limit.</summary>
/// <param name="Key">As under <c>[limits]</c>: the property's name in snake case; a duration's key names no unit, its value does.</param>
/// <param name="Unit">How it is written.</param>
/// <param name="Min">Least value, in base units.</param>
/// <param name="Max">Most, in base units.</param>
/// <param name="Get">Reads it.</param>
/// <param name="Set">Gives a copy with another value.</param>
public sealed record LimitRow(string Key, LimitUnit Unit, long Min, long Max, Func<Limits, long> Get, Func<Limits, long, Limits> Set)
{
    /// <summary>As the configuration writes a value of this limit, without quotes.</summary>
    public string Format(long value) => Unit switch
    {
        LimitUnit.Bytes => ConfigText.FormatSize(value),
        LimitUnit.Milliseconds => ConfigText.FormatDuration(value),
        LimitUnit.Seconds => ConfigText.FormatDuration(value * 1000),
        _ => value.ToString(System.Globalization.CultureInfo.InvariantCulture),
    };
}

/// <summary>
/// Every settable property of <see cref="Limits"/> by its key. A table and not reflection, so that the published file
/// keeps it; a test proves that nothing is missing here or in docs/LIMITS.md.
/// </summary>
public static class LimitTable
{
    private const long Day = 86_400_000;

    /// <summary>All rows, in the order of Limits.cs.</summary>
    public static IReadOnlyList<LimitRow> Rows { get; } =
    [
        Count("receive_sessions", 1, 1_000_000, l => l.ReceiveSessions, (l, v) => l with { ReceiveSessions = (int)v }),
        Count("receive_sessions_per_address", 1, 1_000_000, l => l.ReceiveSessionsPerAddress, (l, v) => l with { ReceiveSessionsPerAddress = (int)v }),
        Count("receive_sessions_per_network", 1, 1_000_000, l => l.ReceiveSessionsPerNetwork, (l, v) => l with { ReceiveSessionsPerNetwork = (int)v }),
        Count("connections_per_minute", 0, 60_000_000, l => l.ConnectionsPerMinute, (l, v) => l with { ConnectionsPerMinute = (int)v }),
        Count("messages_per_minute", 0, 60_000_000, l => l.MessagesPerMinute, (l, v) => l with { MessagesPerMinute = (int)v }),
        Count("recipients_per_minute", 0, 60_000_000, l => l.RecipientsPerMinute, (l, v) => l with { RecipientsPerMinute = (int)v }),
        Bytes("command_line_bytes", 512, 8 << 10, l => l.CommandLineBytes, (l, v) => l with { CommandLineBytes = (int)v }),
        Bytes("message_bytes", 1 << 10, 16L << 30, l => l.MessageBytes, (l, v) => l with { MessageBytes = v }),
        Bytes("header_bytes", 1 << 10, 64 << 20, l => l.HeaderBytes, (l, v) => l with { HeaderBytes = (int)v }),
        Count("recipients", 1, 100_000, l => l.Recipients, (l, v) => l with { Recipients = (int)v }),
        Count("hops", 1, 1_000, l => l.Hops, (l, v) => l with { Hops = (int)v }),
        Count("session_errors", 1, 1_000_000, l => l.SessionErrors, (l, v) => l with { SessionErrors = (int)v }),
        Ms("error_delay", 0, 60_000, l => l.ErrorDelayMs, (l, v) => l with { ErrorDelayMs = (int)v }),
        Count("session_auth_failures", 1, 1_000, l => l.SessionAuthFailures, (l, v) => l with { SessionAuthFailures = (int)v }),
        Ms("auth_delay", 0, 60_000, l => l.AuthDelayMs, (l, v) => l with { AuthDelayMs = (int)v }),
        Count("password_checks", 1, 10_000, l => l.PasswordChecks, (l, v) => l with { PasswordChecks = (int)v }),
        Count("session_messages", 1, int.MaxValue, l => l.SessionMessages, (l, v) => l with { SessionMessages = (int)v }),
        Ms("idle_timeout", 100, Day, l => l.IdleTimeoutMs, (l, v) => l with { IdleTimeoutMs = (int)v }),
        Ms("data_timeout", 100, Day, l => l.DataTimeoutMs, (l, v) => l with { DataTimeoutMs = (int)v }),
        Bytes("minimum_rate_bytes", 0, 1 << 20, l => l.MinimumRateBytes, (l, v) => l with { MinimumRateBytes = (int)v }),
        Ms("transaction_timeout", 1_000, 7 * Day, l => l.TransactionTimeoutMs, (l, v) => l with { TransactionTimeoutMs = (int)v }),
        Ms("tls_handshake_timeout", 100, Day, l => l.TlsHandshakeTimeoutMs, (l, v) => l with { TlsHandshakeTimeoutMs = (int)v }),
        Ms("proxy_timeout", 100, 600_000, l => l.ProxyTimeoutMs, (l, v) => l with { ProxyTimeoutMs = (int)v }),

        Count("queue_entries", 1, 1_000_000_000, l => l.QueueEntries, (l, v) => l with { QueueEntries = v }),
        Bytes("queue_bytes", 1 << 20, 1L << 50, l => l.QueueBytes, (l, v) => l with { QueueBytes = v }),
        Bytes("free_bytes_floor", 0, 1L << 50, l => l.FreeBytesFloor, (l, v) => l with { FreeBytesFloor = v }),
        Bytes("segment_bytes", 4 << 20, 256 << 20, l => l.SegmentBytes, (l, v) => l with { SegmentBytes = (int)v }),
        Count("damaged_segments", 0, 10_000, l => l.DamagedSegments, (l, v) => l with { DamagedSegments = (int)v }),

        Count("dns_cache_entries", 16, 10_000_000, l => l.DnsCacheEntries, (l, v) => l with { DnsCacheEntries = (int)v }),
        Bytes("dns_cache_bytes", 1 << 20, 16L << 30, l => l.DnsCacheBytes, (l, v) => l with { DnsCacheBytes = v }),
        Count("dns_queries", 1, 10_000, l => l.DnsQueries, (l, v) => l with { DnsQueries = (int)v }),
        Ms("dns_timeout", 100, 60_000, l => l.DnsTimeoutMs, (l, v) => l with { DnsTimeoutMs = (int)v }),
        Seconds("dns_ttl_floor", 0, 3_600, l => l.DnsTtlFloorSeconds, (l, v) => l with { DnsTtlFloorSeconds = (int)v }),
        Seconds("dns_ttl_cap", 1, 604_800, l => l.DnsTtlCapSeconds, (l, v) => l with { DnsTtlCapSeconds = (int)v }),
        Seconds("dns_negative_ttl_cap", 1, 604_800, l => l.DnsNegativeTtlCapSeconds, (l, v) => l with { DnsNegativeTtlCapSeconds = (int)v }),
        Count("mx_hosts", 1, 100, l => l.MxHosts, (l, v) => l with { MxHosts = (int)v }),
        Count("mx_addresses_tried", 1, 100, l => l.MxAddressesTried, (l, v) => l with { MxAddressesTried = (int)v }),

        Ms("watchdog", 10_000, Day, l => l.WatchdogMs, (l, v) => l with { WatchdogMs = (int)v }),
        Count("bounces_waiting", 1, 1_000_000, l => l.BouncesWaiting, (l, v) => l with { BouncesWaiting = (int)v }),
        Count("bounces_per_minute", 1, 60_000_000, l => l.BouncesPerMinute, (l, v) => l with { BouncesPerMinute = (int)v }),
        Count("send_sessions", 1, 1_000_000, l => l.SendSessions, (l, v) => l with { SendSessions = (int)v }),
        Count("send_sessions_per_site", 1, 1_000_000, l => l.SendSessionsPerSite, (l, v) => l with { SendSessionsPerSite = (int)v }),
        Count("messages_per_connection", 1, int.MaxValue, l => l.MessagesPerConnection, (l, v) => l with { MessagesPerConnection = (int)v }),
        Count("joined_ahead", 0, 1_000, l => l.JoinedAhead, (l, v) => l with { JoinedAhead = (int)v }),
        Bytes("in_flight_bytes", 64 << 10, 64 << 20, l => l.InFlightBytes, (l, v) => l with { InFlightBytes = (int)v }),
        Count("recipients_per_transaction", 1, 10_000, l => l.RecipientsPerTransaction, (l, v) => l with { RecipientsPerTransaction = (int)v }),
        Ms("connect_timeout", 100, 600_000, l => l.ConnectTimeoutMs, (l, v) => l with { ConnectTimeoutMs = (int)v }),
        Ms("command_timeout", 100, Day, l => l.CommandTimeoutMs, (l, v) => l with { CommandTimeoutMs = (int)v }),
        Ms("data_reply_timeout", 100, Day, l => l.DataReplyTimeoutMs, (l, v) => l with { DataReplyTimeoutMs = (int)v }),
        Ms("data_block_timeout", 100, Day, l => l.DataBlockTimeoutMs, (l, v) => l with { DataBlockTimeoutMs = (int)v }),
        Ms("final_dot_timeout", 100, Day, l => l.FinalDotTimeoutMs, (l, v) => l with { FinalDotTimeoutMs = (int)v }),
        Ms("reuse_idle", 0, 600_000, l => l.ReuseIdleMs, (l, v) => l with { ReuseIdleMs = (int)v }),

        Ms("drain_timeout", 0, 3_600_000, l => l.DrainTimeoutMs, (l, v) => l with { DrainTimeoutMs = (int)v }),
        Ms("content_grace", 0, 600_000, l => l.ContentGraceMs, (l, v) => l with { ContentGraceMs = (int)v }),
    ];

    /// <summary>The row of a key, or null.</summary>
    public static LimitRow? Find(string key)
    {
        foreach (LimitRow row in Rows)
        {
            if (row.Key == key)
            {
                return row;
            }
        }
        return null;
    }

    private static LimitRow Count(string key, long min, long max, Func<Limits, long> get, Func<Limits, long, Limits> set) =>
        new(key, LimitUnit.Count, min, max, get, set);

    private static LimitRow Bytes(string key, long min, long max, Func<Limits, long> get, Func<Limits, long, Limits> set) =>
        new(key, LimitUnit.Bytes, min, max, get, set);

    private static LimitRow Ms(string key, long min, long max, Func<Limits, long> get, Func<Limits, long, Limits> set) =>
        new(key, LimitUnit.Milliseconds, min, max, get, set);

    private static LimitRow Seconds(string key, long min, long max, Func<Limits, long> get, Func<Limits, long, Limits> set) =>
        new(key, LimitUnit.Seconds, min, max, get, set);
}
