using FastRelay.Journal;
using FastRelay.Observe;
using FastRelay.Outside;
using FastRelay.Queue;
using FastRelay.Routing;

namespace FastRelay.Host.Admin;

/// <summary>What figures are read from; loop thread.</summary>
/// <param name="World">Network and log.</param>
/// <param name="Counters">Counts of the stages.</param>
/// <param name="Queue">The queue.</param>
/// <param name="Journal">The journal.</param>
/// <param name="Router">Its resolver cache.</param>
public sealed record FigureSource(World World, Counters Counters, MessageQueue Queue, MessageJournal Journal, Router Router)
{
    internal QueueCounts QueueCounts { get; init; } = new(0, 0, 0, 0, 0, 0, 0);

    internal JournalStats Stats { get; init; }

    internal long OldestMs { get; init; }
}

/// <summary>The relay in figures, all of one moment.</summary>
/// <param name="Values">As <see cref="Figure.All"/> reads them, in its order.</param>
/// <param name="Delays">From arrival to delivery.</param>
/// <param name="Oldest">The message that arrived first; null when nothing is queued.</param>
public sealed record RelayReading(IReadOnlyList<long> Values, DelayCounts Delays, OldestView? Oldest)
{
    /// <summary>What kept recipients from being delivered, by class.</summary>
    public IReadOnlyList<TroubleCount> Troubles { get; init; } = [];

    /// <summary>The values by name, in the units of the names.</summary>
    public IReadOnlyDictionary<string, double> ByName()
    {
        var all = new Dictionary<string, double>(Values.Count);
        for (int i = 0; i < Values.Count; i++)
        {
            all.Add(Figure.All[i].Name, Figure.All[i].Of(Values[i]));
        }
        return all;
    }
}

/// <summary>One number that the relay shows.</summary>
/// <param name="Name">Its metric without the prefix <c>fastrelay_</c>; a count since the start ends with <c>_total</c>.</param>
/// <param name="Help">What it counts.</param>
/// <param name="Read">Reads it.</param>
public sealed record Figure(string Name, string Help, Func<FigureSource, long> Read)
{
    /// <summary>What is read is in such parts of the unit that the name says: 1,000 for milliseconds where it says seconds.</summary>
    public int Parts { get; init; } = 1;

    /// <summary>What was read, in the unit that the name says.</summary>
    public double Of(long value) => value / (double)Parts;

    /// <summary>It is a count since the start; else it goes up and down.</summary>
    public bool IsCounter => Name.EndsWith("_total", StringComparison.Ordinal);

    /// <summary>All of them, in the order of /metrics.</summary>
    public static IReadOnlyList<Figure> All { get; } =
    [
        new("ready", "1 while new mail is taken; 0 while the relay stops or its spool takes none.", s => s.Journal.Admission == JournalStatus.Ok && !s.Queue.Stopping ? 1 : 0),
        new("connections_in_total", "Connections accepted.", s => s.Counters.ConnectionsIn),
        new("connections_refused_total", "Connections turned away by a limit.", s => s.Counters.ConnectionsRefused),
        new("proxy_refused_total", "Connections to listeners for proxies without a proxy's address or header.", s => s.Counters.ProxyRefused),
        new("sessions_in", "Receive sessions open.", s => s.Counters.SessionsIn),
        new("tls_in_total", "TLS sessions begun by clients.", s => s.Counters.TlsIn),
        new("tls_in_failed_total", "TLS handshakes of clients that failed.", s => s.Counters.TlsInFailed),
        new("auth_in_total", "AUTH commands of clients that succeeded.", s => s.Counters.AuthIn),
        new("auth_in_failed_total", "AUTH commands of clients that failed.", s => s.Counters.AuthInFailed),
        new("accepted_total", "Messages answered 250.", s => s.Counters.Accepted),
        new("accepted_bytes_total", "Octets of those messages.", s => s.Counters.AcceptedBytes),
        new("accepted_recipients_total", "Recipients of those messages.", s => s.Counters.AcceptedRecipients),
        new("refused_temporarily_total", "Commands and messages answered 4xx.", s => s.Counters.RefusedTemporarily),
        new("refused_permanently_total", "Commands and messages answered 5xx.", s => s.Counters.RefusedPermanently),
        new("delivered_total", "Recipients delivered.", s => s.Counters.Delivered),
        new("deferred_total", "Attempts for a recipient that were put off.", s => s.Counters.Deferred),
        new("failed_total", "Recipients that failed for good.", s => s.Counters.Failed),
        new("bounced_total", "Bounces written.", s => s.Counters.Bounced),
        new("told_by_event_total", "Failed recipients whose event was the notice, without a bounce.", s => s.Counters.ToldByEvent),
        new("delay_warnings_total", "Reports of a delay written.", s => s.Counters.Warned),
        new("bounces_waiting", "Failed recipients whose sender is still to be told.", s => s.Queue.BouncesWaiting),
        new("bounces_paced_total", "Bounces and delay warnings that waited for the rate of bounces.", s => s.Counters.BouncesPaced),
        new("bounces_put_off_total", "Failures that are tried again later, because too many wait for their bounce.", s => s.Counters.BouncesPutOff),
        new("dropped_total", "Failures that nobody could be told of.", s => s.Counters.Dropped),
        new("in_doubt_total", "Deliveries lost after the final dot.", s => s.Counters.InDoubt),
        new("damaged_messages_total", "Messages found damaged in the spool: never sent.", s => s.Counters.DamagedMessages),
        new("set_aside_total", "Damaged messages of which nobody could be told.", s => s.Counters.SetAside),
        new("stuck_total", "Mail, sites, plans and bounces that the watchdog found with nothing to wait for.", s => s.Counters.Stuck),
        new("connections_out_total", "Connections dialled.", s => s.Counters.ConnectionsOut),
        new("connections_out_failed_total", "Dials that failed.", s => s.Counters.ConnectionsOutFailed),
        new("rule_shifts_total", "Sites that a rule for replies has slowed, put in backoff or suspended.", s => s.Counters.RuleShifts),
        new("rate_refusals_total", "Attempts and connections that hosts refused because mail came too fast.", s => s.Counters.RateRefusals),
        new("rate_cuts_total", "Times that the rate learned for a site was lowered for it.", s => s.Counters.RateCuts),
        new("paced_sites", "Sites that a rate was learned for.", s => s.Queue.PacedSites),
        new("suspensions", "Suspensions of sites, sources and tenants by the operator in force.", s => s.Queue.SiteAdmin.Suspensions.Count),
        new("sessions_out", "Send sessions open.", s => s.Counters.SessionsOut),
        new("tls_out_total", "TLS handshakes with hosts that succeeded.", s => s.Counters.TlsOut),
        new("tls_out_failed_total", "TLS handshakes with hosts that failed.", s => s.Counters.TlsOutFailed),
        new("tls_fallbacks_total", "Opportunistic TLS handshakes that failed and were redialled in clear.", s => s.Counters.TlsFallbacks),
        new("queue_ready", "Deliveries that wait for their turn.", s => s.QueueCounts.Ready),
        new("queue_ready_high", "Those of high priority.", s => s.QueueCounts.ReadyHigh),
        new("queue_ready_low", "Those of low priority.", s => s.QueueCounts.ReadyLow),
        new("queue_delivering", "Deliveries under way.", s => s.QueueCounts.InFlight),
        new("queue_deferred", "Deliveries that wait for their next attempt.", s => s.QueueCounts.Deferred),
        new("queue_held", "Deliveries held by the operator.", s => s.QueueCounts.Held),
        new("destinations", "Destinations known.", s => s.QueueCounts.Destinations),
        new("sites", "Sites known.", s => s.QueueCounts.Sites),
        new("queue_messages", "Messages with a pending recipient.", s => s.Stats.Messages),
        new("queue_oldest_seconds", "Age of the message in the queue that arrived first, held ones too; 0 when nothing is queued.", s => s.OldestMs) { Parts = 1_000 },
        new("journal_syncs_total", "fdatasyncs of commit groups.", s => s.Stats.Syncs),
        new("journal_groups_total", "Commit groups made durable.", s => s.Stats.Groups),
        new("journal_records_total", "Records in them.", s => s.Stats.Records),
        new("journal_bytes_total", "Octets written for them.", s => s.Stats.Bytes),
        new("journal_live_bytes", "Octets of records that are still needed.", s => s.Stats.LiveBytes),
        new("journal_segments", "Segments in use.", s => s.Stats.Segments),
        new("journal_spares", "Segments ready for use.", s => s.Stats.Spares),
        new("journal_free_bytes", "Free on the spool's file system, as last looked.", s => s.Stats.FreeBytes),
        new("journal_disk_bytes", "Size of that file system.", s => s.Stats.DiskBytes),
        new("journal_floor_bytes", "Free bytes below which no new mail is taken: free_bytes_floor, or a tenth of a small disk.", s => s.Stats.FloorBytes),
        new("journal_failures_total", "Writes and syncs that failed.", s => s.Stats.Failures),
        new("journal_moved_total", "Records copied forward to reclaim segments.", s => s.Stats.Moved),
        new("journal_recycled_total", "Segments reclaimed.", s => s.Stats.Recycled),
        new("journal_staged_bytes", "Records that wait for the disk, octets.", s => s.Stats.StagedBytes),
        new("journal_kept_aside", "Damaged segments in the spool that nothing needs.", s => s.Stats.KeptAside),
        new("dns_queries_total", "Queries begun; each may ask several servers.", s => s.Router.Cache.Queries),
        new("dns_hits_total", "Questions answered from the cache.", s => s.Router.Cache.Hits),
        new("dns_misses_total", "Questions that were asked of a server.", s => s.Router.Cache.Misses),
        new("dns_stale_total", "Questions answered with an outdated answer, because no server did.", s => s.Router.Cache.Stale),
        new("dns_timeouts_total", "Queries that nobody answered.", s => s.Router.Cache.Timeouts),
        new("dns_failures_total", "Queries answered with a failure.", s => s.Router.Cache.Failures),
        new("dns_ignored_total", "Datagrams from name servers that were no reply to what was asked: late or forged ones.", s => s.Router.Cache.Ignored),
        new("dns_cache_entries", "Answers kept.", s => s.Router.Cache.Count),
        new("dns_cache_bytes", "Memory of those answers, octets.", s => s.Router.Cache.Bytes),
        new("loop_longest_turn_seconds", "The longest that the loop was busy with one turn, and everything else waited, since the start.", s => s.World.Loop.LongestTurnUs) { Parts = 1_000_000 },
        new("loop_stalls_total", "Turns of the loop that took more than 10 ms.", s => s.World.Loop.Stalls),
        new("links", "Connections open, both ways.", s => s.World.Network.OpenLinks),
        new("events_total", "Lines of the event stream.", s => s.Counters.Events),
        new("events_lost_total", "Events that are missing in the stream: its disk or reader was too slow.", s => s.Counters.EventsLost),
        new("log_lines_dropped_total", "Log lines lost to a reader that was too slow.", s => s.World.Output.Dropped),
        new("gc_allocated_bytes_total", "Octets allocated by managed code since the start.", _ => GC.GetTotalAllocatedBytes()),
        new("gc_heap_bytes", "Octets on the managed heap.", _ => GC.GetTotalMemory(forceFullCollection: false)),
        new("gc_collections_total", "Garbage collections.", _ => GC.CollectionCount(0)),
        new("resident_bytes", "Memory of the process that is resident, shared pages included.", _ => Environment.WorkingSet),
    ];

    /// <summary>Where <c>ready</c> stands in <see cref="All"/>; after it, because statics are made in order.</summary>
    public static int Ready { get; } = All.Select(static figure => figure.Name).ToList().IndexOf("ready");

    /// <summary>All figures of this moment; on the loop, in slices where the oldest message has to be looked for.</summary>
    public static async ValueTask<RelayReading> ReadAsync(FigureSource source)
    {
        OldestView? oldest = null;
        if (await source.Queue.Admin.OldestAsync() is { } first)
        {
            long ageMs = Math.Max(0, source.World.Time.GetUtcNow().ToUnixTimeMilliseconds() - first.ArrivalUnixMs);
            oldest = new OldestView(first.Id.ToString(), DateTimeOffset.FromUnixTimeMilliseconds(first.ArrivalUnixMs), ageMs / 1000.0);
        }
        FigureSource now = source with { QueueCounts = source.Queue.Admin.Counts(), Stats = source.Journal.Stats, OldestMs = (long)((oldest?.AgeSeconds ?? 0) * 1000) };
        var values = new long[All.Count];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = All[i].Read(now);
        }
        return new RelayReading(values, source.Counters.Delays.Read(), oldest) { Troubles = source.Counters.Troubles.Read() };
    }
}
