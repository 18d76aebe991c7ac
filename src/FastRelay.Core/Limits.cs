namespace FastRelay;

/// <summary>
/// Every bound of the product, in one place, each with the sketch that justifies it. Every settable key may stand under
/// <c>[limits]</c> in the configuration (in snake case); <c>docs/LIMITS.md</c> says for each what the peer is told.
/// Constants are bounds of the format or the protocol and cannot be set.
/// </summary>
public sealed record Limits
{
    // ---- Receiving -------------------------------------------------------------------------------------------------

    /// <summary>Sessions that may be open at once on all listeners. One more is told 421 4.3.2. 10,000 sessions with input cost 10,000 x 48 KiB at worst.</summary>
    public int ReceiveSessions { get; init; } = 10_000;

    /// <summary>Sessions that one client address may hold; one more is told 421 4.7.0. Loopback is not counted.</summary>
    public int ReceiveSessionsPerAddress { get; init; } = 1_000;

    /// <summary>Sessions that the clients of one network (24 bits of IPv4, 64 of IPv6) may hold; one more is told 421 4.7.0. Networks that may relay are not counted.</summary>
    public int ReceiveSessionsPerNetwork { get; init; } = 2_000;

    /// <summary>Connections a minute of one client, an IPv4 address or an IPv6 network of 64 bits; one more is told 421 4.7.0. 0 for no bound; networks that may relay are not held to it.</summary>
    public int ConnectionsPerMinute { get; init; } = 600;

    /// <summary>MAIL commands a minute of one client, as for connections; one more is told 450 4.7.1.</summary>
    public int MessagesPerMinute { get; init; } = 600;

    /// <summary>RCPT commands a minute of one client, as for connections; one more is told 450 4.7.1.</summary>
    public int RecipientsPerMinute { get; init; } = 6_000;

    /// <summary>What is known of the rates of clients, bytes: 64 each.</summary>
    public const int RateTableBytes = 4 << 20;

    /// <summary>Octets of a command line with its CRLF. RFC 5321 4.5.3.1.4 asks for 512, extensions for more. Longer: 500 5.5.2, once.</summary>
    public int CommandLineBytes { get; init; } = 2_048;

    /// <summary>Octets of a message in stored form. More: 552 5.3.4. Announced by SIZE (RFC 1870).</summary>
    public long MessageBytes { get; init; } = 50L << 20;

    /// <summary>Octets of a message's header section. More: 552 5.3.4.</summary>
    public int HeaderBytes { get; init; } = 1 << 20;

    /// <summary>Recipients of one message; RFC 5321 4.5.3.1.8 asks for 100. More: 452 4.5.3, and the accepted ones are served.</summary>
    public int Recipients { get; init; } = 1_000;

    /// <summary>Received fields that a message may carry; RFC 5321 6.3 asks for at least 100. More: 554 5.4.6.</summary>
    public int Hops { get; init; } = 100;

    /// <summary>Bad commands in one session before 421 4.7.0 and the end.</summary>
    public int SessionErrors { get; init; } = 20;

    /// <summary>From the half of <see cref="SessionErrors"/> on the answer to a bad command waits this long, ms: whoever guesses, guesses slowly.</summary>
    public int ErrorDelayMs { get; init; } = 1_000;

    /// <summary>Failed AUTH commands of one session before 421 4.7.0 and the end.</summary>
    public int SessionAuthFailures { get; init; } = 3;

    /// <summary>The answer 535 waits this long, ms, each time twice as long as before.</summary>
    public int AuthDelayMs { get; init; } = 1_000;

    /// <summary>Passwords that wait to be checked, one after another; one more is told 454 4.7.0. A check costs a few ms, so that the last of them waits less than a second.</summary>
    public int PasswordChecks { get; init; } = 100;

    /// <summary>Messages of one session before 421 4.7.0 and the end; bulk senders reuse theirs for long.</summary>
    public int SessionMessages { get; init; } = 1_000_000;

    /// <summary>Wait for the next command, ms (RFC 5321 4.5.3.2.7: 5 minutes). Then 421 4.4.2.</summary>
    public int IdleTimeoutMs { get; init; } = 300_000;

    /// <summary>Wait for the next piece of a message, ms (RFC 5321 4.5.3.2.5 is 3 minutes for the sender's side).</summary>
    public int DataTimeoutMs { get; init; } = 180_000;

    /// <summary>Octets a second that content must come with, over each minute that was waited for it; 0 for no bound. Then 421 4.4.2: one octet every few seconds outlasts every timeout.</summary>
    public int MinimumRateBytes { get; init; } = 100;

    /// <summary>From MAIL to the end of the message, ms. A drip-feeding client ends here.</summary>
    public int TransactionTimeoutMs { get; init; } = 3_600_000;

    /// <summary>A TLS handshake, ms, on both sides.</summary>
    public int TlsHandshakeTimeoutMs { get; init; } = 30_000;

    /// <summary>A whole PROXY header, ms, on listeners that ask for one; its specification wants 3 s or more. Then closed without a word.</summary>
    public int ProxyTimeoutMs { get; init; } = 5_000;

    // ---- Journal and queue -----------------------------------------------------------------------------------------

    /// <summary>Messages in the queue. At the bound: 452 4.3.1. 10 million cost at most 1.5 GiB of index.</summary>
    public long QueueEntries { get; init; } = 10_000_000;

    /// <summary>Octets of live records in the spool. At the bound: 452 4.3.1.</summary>
    public long QueueBytes { get; init; } = 1L << 40;

    /// <summary>Free bytes that the file system keeps: below, new mail is told 452 4.3.1 and delivery goes on.</summary>
    public long FreeBytesFloor { get; init; } = 64L << 20;

    /// <summary>A segment of the journal, bytes; start-up takes a smaller one on a small file system.</summary>
    public int SegmentBytes { get; init; } = 64 << 20;

    /// <summary>Damaged segments that are kept for the operator once nothing needs them; the next ones are used again like any other.</summary>
    public int DamagedSegments { get; init; } = 16;

    /// <summary>One body chunk, and the largest message that is one record, bytes. A session in DATA owns one such buffer.</summary>
    public const int ChunkBytes = 32 * 1024;

    /// <summary>A commit group with its frame closes at this size, bytes: 1 MiB less 8 KiB, what a replicated stream's message may hold.</summary>
    public const int GroupBytes = (1 << 20) - (8 << 10);

    /// <summary>Staging, bytes: two buffers of this size.</summary>
    public const int StagingBytes = 8 << 20;

    /// <summary>Recipients whose address and state one envelope record can hold, bytes of the whole envelope.</summary>
    public const int EnvelopeBytes = 512 * 1024;

    /// <summary>Octets of a tenant's name: letters, digits and <c>. _ - @ +</c>. Another name in the header counts as none.</summary>
    public const int TenantBytes = 64;

    // ---- Routing ---------------------------------------------------------------------------------------------------

    /// <summary>Answers in the resolver cache.</summary>
    public int DnsCacheEntries { get; init; } = 100_000;

    /// <summary>Octets of those answers: an ordinary one has 500, one of 100 MX hosts with long names 55,000, and strangers say which it is.</summary>
    public long DnsCacheBytes { get; init; } = 64L << 20;

    /// <summary>DNS queries in flight; each holds a socket.</summary>
    public int DnsQueries { get; init; } = 256;

    /// <summary>One DNS query, ms, per server.</summary>
    public int DnsTimeoutMs { get; init; } = 5_000;

    /// <summary>Least time that an answer is kept, seconds, whatever its TTL.</summary>
    public int DnsTtlFloorSeconds { get; init; } = 5;

    /// <summary>Most time that an answer is kept, seconds.</summary>
    public int DnsTtlCapSeconds { get; init; } = 86_400;

    /// <summary>Most time that a negative answer is kept, seconds (RFC 2308 section 5 advises 1 to 3 hours).</summary>
    public int DnsNegativeTtlCapSeconds { get; init; } = 3_600;

    /// <summary>MX hosts considered of one domain; the rest is ignored after ordering.</summary>
    public int MxHosts { get; init; } = 20;

    /// <summary>Addresses tried in one delivery attempt (RFC 5321 5.1 wants at least two).</summary>
    public int MxAddressesTried { get; init; } = 5;

    /// <summary>
    /// What has waited so long without anything that it could wait for is a defect of ours: it is said, counted, and set going
    /// again, ms. Half of it passes between two looks.
    /// </summary>
    public int WatchdogMs { get; init; } = 600_000;

    // ---- Bouncing --------------------------------------------------------------------------------------------------

    /// <summary>
    /// Failed recipients that wait in memory for their bounce, about 1 KiB each: they are pending in the journal until it is
    /// written. At the bound nothing is begun that may fail until some are told. When the journal takes no bounces,
    /// delivery goes on and what fails is tried again a minute later. What is under way at the bound comes on top.
    /// </summary>
    public int BouncesWaiting { get; init; } = 10_000;

    /// <summary>
    /// Bounces and warnings begun in any minute: a hundred a second is what a large sender's own host can bear, and a million failures
    /// at once are told in three hours. What is over it waits, and when <see cref="BouncesWaiting"/> do, failures are put off.
    /// </summary>
    public int BouncesPerMinute { get; init; } = 6_000;

    // ---- Delivering ------------------------------------------------------------------------------------------------

    /// <summary>Outgoing connections in all.</summary>
    public int SendSessions { get; init; } = 2_000;

    /// <summary>Outgoing connections to one site from one source.</summary>
    public int SendSessionsPerSite { get; init; } = 20;

    /// <summary>Messages down one connection before QUIT.</summary>
    public int MessagesPerConnection { get; init; } = 1_000;

    /// <summary>
    /// Messages that may wait for each busy connection to a host that answers within 10 ms, before another connection
    /// is put to work: each leaves with the final dot of the one before it (RFC 2920 3.1), which saves a flight both ways.
    /// </summary>
    public int JoinedAhead { get; init; } = 8;

    /// <summary>Octets of content that one connection may have in flight where <c>in_flight</c> is set; a larger message goes alone, by DATA. So many are sent for nothing at most when the host refuses their MAIL.</summary>
    public int InFlightBytes { get; init; } = 1 << 20;

    /// <summary>Recipients in one outgoing transaction; the rest go in the next.</summary>
    public int RecipientsPerTransaction { get; init; } = 100;

    /// <summary>Connecting, ms (the RFC leaves it open; TCP's own limit is minutes).</summary>
    public int ConnectTimeoutMs { get; init; } = 30_000;

    /// <summary>Banner, EHLO, MAIL and RCPT replies, ms (RFC 5321 4.5.3.2.1 to 3: 5 minutes).</summary>
    public int CommandTimeoutMs { get; init; } = 300_000;

    /// <summary>The reply to DATA, ms (RFC 5321 4.5.3.2.4: 2 minutes).</summary>
    public int DataReplyTimeoutMs { get; init; } = 120_000;

    /// <summary>One block of data to the peer, ms (RFC 5321 4.5.3.2.5: 3 minutes).</summary>
    public int DataBlockTimeoutMs { get; init; } = 180_000;

    /// <summary>The reply to the final dot, ms (RFC 5321 4.5.3.2.6: 10 minutes).</summary>
    public int FinalDotTimeoutMs { get; init; } = 600_000;

    /// <summary>An idle connection is kept for the next message this long, ms.</summary>
    public int ReuseIdleMs { get; init; } = 2_000;

    /// <summary>Octets of one reply from a peer; more ends the session.</summary>
    public const int ReplyBytes = 64 * 1024;

    /// <summary>Octets of a reply's text that are kept for logs, bounces and <c>queue show</c>.</summary>
    public const int ReplyTextBytes = 512;

    // ---- Stopping --------------------------------------------------------------------------------------------------

    /// <summary>
    /// After SIGTERM, wait for the final replies that hosts owe, ms; the rest is marked in doubt. The doors are open meanwhile. Once they
    /// are closed, it bounds the wait for commits under way.
    /// </summary>
    public int DrainTimeoutMs { get; init; } = 30_000;

    /// <summary>Once the doors are closed, a client that sends content may go on so long, ms: nobody is served meanwhile, and a start with a million messages takes a second more.</summary>
    public int ContentGraceMs { get; init; } = 500;

    /// <summary>Log bytes that wait for a slow reader; lines past it are dropped and counted.</summary>
    public const int LogBytes = 1 << 20;

    /// <summary>Octets of events that wait for a slow disk or reader of <c>events.file</c>; those past it are counted, and a gap is told.</summary>
    public const int EventBytes = 8 << 20;
}
