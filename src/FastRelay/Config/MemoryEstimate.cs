using FastRelay.Outside;

namespace FastRelay.Config;

/// <summary>One part of the worst case.</summary>
/// <param name="What">For people.</param>
/// <param name="Count">How many.</param>
/// <param name="EachBytes">What one costs at worst.</param>
public readonly record struct MemoryPart(string What, long Count, long EachBytes)
{
    /// <summary>The product.</summary>
    public long Bytes => Count * EachBytes;
}

/// <summary>
/// The memory that the limits add up to when all of them are reached at once: what a host must have so that no
/// client, peer or queue can make the process larger. Pages of the journal's maps are the page cache's and not counted.
/// </summary>
public static class MemoryEstimate
{
    /// <summary>One entry of the index: (message, destination), queue and journal side.</summary>
    public const int IndexEntryBytes = 150;

    /// <summary>A session's own objects while a message is under way: link, pipes, machine, timers. A silent client has under 1 KiB of them.</summary>
    private const int SessionBytes = 4 * 1024;

    /// <summary>The account of one message in flight among others: its recipients, their outcomes and the replies.</summary>
    private const int InFlightBytes = 1024;

    /// <summary>Two pieces of 16 KiB of a content that is converted to 7 bits, and what the converter remembers of its structure.</summary>
    private const int SevenBitBytes = 44 * 1024;

    /// <summary>Buffers of one TLS session, ours and OpenSSL's.</summary>
    private const int TlsBytes = 64 * 1024;

    /// <summary>One query in flight: socket, a datagram's buffer, the objects around it.</summary>
    private const int DnsQueryBytes = 8 * 1024;

    /// <summary>The runtime, code and what does not grow.</summary>
    private const int BaseBytes = 32 << 20;

    /// <summary>By which a session knows that it has a recipient already: at most eight places of its hash each.</summary>
    private const int KnownRecipientBytes = 64;

    /// <summary>A failed recipient that waits for its bounce: the reply's text and the objects around it.</summary>
    private const int BounceBytes = 1024;

    /// <summary>The parts, the largest first.</summary>
    public static IReadOnlyList<MemoryPart> Parts(RelayConfig config)
    {
        Limits limits = config.Limits;
        int links = Link.ReadBufferBytes + Link.WriteBufferBytes + SessionBytes;
        bool tlsIn = config.Listen.Any(l => l.Tls != ListenTls.None);
        // An ORCPT (RFC 3461 4.2) may fill the rest of its line, and the envelope keeps it.
        long envelope = Math.Min(Limits.EnvelopeBytes, (long)limits.Recipients * limits.CommandLineBytes) + ((long)limits.Recipients * KnownRecipientBytes);
        List<MemoryPart> parts =
        [
            new("queue index, an entry each", limits.QueueEntries, IndexEntryBytes),
            new($"clients in DATA{(tlsIn ? " under TLS" : "")}", limits.ReceiveSessions, links + Limits.ChunkBytes + limits.CommandLineBytes + (tlsIn ? TlsBytes : 0)),
            new("their envelopes, all recipients with addresses that fill the line", limits.ReceiveSessions, envelope),
            new("deliveries under TLS", limits.SendSessions, links + Limits.ReplyTextBytes + TlsBytes),
            new("resolver cache", 1, limits.DnsCacheBytes),
            new("clients and their rates", 1, Limits.RateTableBytes),
            new("failed recipients that wait for their bounce", limits.BouncesWaiting, BounceBytes),
            new("DNS queries in flight", limits.DnsQueries, DnsQueryBytes),
            new("staging of the journal", 2, Limits.StagingBytes),
            new("log lines that wait", 1, Limits.LogBytes),
            new("the program itself", 1, BaseBytes),
        ];
        int inFlight = config.Routes.Select(r => r.InFlight).Concat(config.Sites.Select(s => s.InFlight)).DefaultIfEmpty().Max();
        if (inFlight > 1)
        {
            parts.Add(new("messages in flight, in_flight a connection", (long)limits.SendSessions * inFlight, InFlightBytes));
        }
        if (config.Deliver.EightBit != EightBitMode.AsIs || config.Routes.Any(r => r.EightBit > EightBitMode.AsIs) || config.Sites.Any(s => s.EightBit > EightBitMode.AsIs))
        {
            parts.Add(new("deliveries in 7 bits, eight_bit", limits.SendSessions, SevenBitBytes));
        }
        if (config.EventsFile is not (null or "-"))
        {
            parts.Add(new("events that wait", 1, Limits.EventBytes));
        }
        parts.Sort((a, b) => b.Bytes.CompareTo(a.Bytes));
        return parts;
    }

    /// <summary>The sum, bytes.</summary>
    public static long Total(RelayConfig config) => Parts(config).Sum(p => p.Bytes);

    /// <summary>Descriptors that the limits add up to: sessions both ways, DNS sockets, listeners, journal segments and what the process itself holds.</summary>
    public static long Descriptors(RelayConfig config) =>
        (long)config.Limits.ReceiveSessions + config.Limits.SendSessions + config.Limits.DnsQueries + config.Listen.Count + OwnDescriptors;

    /// <summary>Journal segments, epoll, events, admin connections, standard streams.</summary>
    private const int OwnDescriptors = 192 + (2 * RelayConfig.AdminConnectionsMax);
}
