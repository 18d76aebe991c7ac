namespace FastRelay.Storm;

/// <summary>What must have occurred in a run of many seeds: a fault that never came, or a way of recovery never taken, proves nothing.</summary>
internal static class StormCoverage
{
    /// <summary>Seeds from which on everything here must have occurred.</summary>
    public const int Seeds = 200;

    private static readonly string[] s_verbs = ["banner", "EHLO", "MAIL", "RCPT", "DATA", "dot"];

    private static readonly string[] s_kinds =
    [
        // The disk.
        "disk write error", "disk sync error", "disk metadata", "disk read error", "disk full", "disk stall",
        "cut loses unsynced writes", "cut keeps unsynced writes", "cut scatters unsynced sectors", "cut tears a write",
        "cut reorders unsynced writes", "cut loses directory entries", "power cut", "kill",
        "rot in a body", "block lost: zeroed", "block lost: rubbish", "block lost: another block", "block lost: one bit",

        // The machine stops: on both sides of what must last.
        "cut before a recycle", "cut after a recycle", "cut before a sync", "cut after a sync", "relay: stopped cleanly",

        // The network.
        "link reset", "link stall", "link one-byte pieces", "link short flush", "dial 110", "dial 111", "dial 113", "dial silent",
        "tls handshake", "accept out of descriptors",

        // DNS.
        "dns SERVFAIL", "dns timeout", "dns no sense", "dns a name that is there, denied", "dns no such record",
        "dns addresses of nobody", "dns null MX", "dns hosts that do not exist", "dns names that are none", "dns the relay itself",

        // Next hops.
        .. s_verbs.SelectMany(static verb => (string[])[$"sink: 4xx at {verb}", $"sink: 5xx at {verb}", $"sink: 421 at {verb}", $"sink: close at {verb}", $"sink: stall at {verb}", $"sink: garbage at {verb}"]),
        "sink: greylisted", "sink: speaks of rates", "sink: 421 after some", "sink: closes after the dot", "sink: takes and closes", "sink: lied about PIPELINING",
        "sink: BDAT", "sink: BDAT with more behind it", "sink: RSET refused", "sink: kept open after a refused BDAT",
        "sink: AUTH", "sink: 535 at AUTH", "sink: 454 at AUTH", "sink: close at AUTH", "sink: close in AUTH", "sink: garbage at AUTH", "sink: DSN", "sink: SMTPUTF8",
        "sink: 354 without a recipient", "sink: a reply too many at RCPT", "sink: endless reply at RCPT", "sink: tls failed",

        // Clients and the operator.
        "client: leaves in the middle", "client: leaves after the dot", "client: tls failed",
        "operator: reload", "operator: hold", "operator: release", "operator: retry", "operator: retry all", "operator: remove", "operator: bounce", "operator: trace",
        "operator: move", "operator: move back", "operator: suspend tenant", "operator: resume tenant",

        // What the relay did about it.
        "relay: final reply 250", "relay: final reply 451", "relay: final reply 552", "relay: MAIL refused 452", "relay: too many recipients",
        "relay: bounce", "relay: put off for the rate of bounces", "relay: passing on told", "relay: converted", "relay: bounce dropped", "relay: delay told", "relay: in doubt", "relay: delivered again after doubt", "relay: tls fallback", "relay: damaged body",
        "relay: hold survived", "relay: hold of some survived", "relay: refusal in flight asked again", "relay: move survived", "relay: order to bounce survived", "relay: moved mail offered", "relay: tenant's suspension survived", "relay: due time survived", "relay: start failed",
        "journal: groups failed", "journal: records moved", "journal: segments recycled",
        "events: none missing", "events: accepted told again", "events: delivered told again", "events: failed told again", "events: lines lost with the power",

        // The ways of recovery.
        "recovery: clean end", "recovery: no clean end", "recovery: torn last group", "recovery: damaged group", "recovery: damaged message",
        "recovery: hole, goes on at the next good group", "recovery: a damaged group's good records are saved",
        "recovery: acknowledged groups at the end are missing", "recovery: first block damaged, groups read all the same",
    ];

    /// <summary>What is missing.</summary>
    public static string[] Missing(SimFaults faults) => [.. s_kinds.Where(kind => faults.Counts.GetValueOrDefault(kind) == 0)];
}
