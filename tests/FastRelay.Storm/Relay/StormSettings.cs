using System.Net;
using FastRelay.Config;
using FastRelay.Routing;

namespace FastRelay.Storm;

/// <summary>What one seed makes of a whole relay: its bounds, its configuration, and how bad the world is.</summary>
internal sealed class StormSettings
{
    public const long HourMs = 3_600_000;

    public StormSettings(SimRandom random)
    {
        Limits = new Limits
        {
            SegmentBytes = random.OneIn(4) ? 4 << 20 : 2 << 20,
            FreeBytesFloor = 1 << 20,
            MessageBytes = 200_000,
            Recipients = 8,
            QueueEntries = random.OneIn(4) ? 25 : 10_000,
            ReceiveSessions = random.OneIn(4) ? 3 : 12,
            SendSessions = random.OneIn(4) ? 4 : 10,
            SendSessionsPerSite = 3,
            RecipientsPerTransaction = 5,
            MessagesPerConnection = 4,
            DnsQueries = random.OneIn(4) ? 2 : 6,
            InFlightBytes = random.OneIn(2) ? 64 << 10 : 1 << 20,
            BouncesPerMinute = random.OneIn(3) ? 1 + random.Next(4) : 6_000,
            BouncesWaiting = random.OneIn(3) ? 1 + random.Next(6) : 10_000,
        };
        Config = new RelayConfig
        {
            HostName = "relay.test",
            Spool = "spool",
            Listen = [new ListenConfig(Address, random.OneIn(2) ? ListenTls.StartTls : ListenTls.None) { TenantHeader = true }],
            Tenants = [new TenantConfig("few", 1, 1) { Priority = MailPriority.Low }, new TenantConfig("many", 3, 0) { Priority = MailPriority.High }],
            Limits = Limits,
            RetryMs = [60_000, 300_000, 1_800_000],
            ExpireMs = 12 * HourMs,
            Deliver = new DeliverConfig
            {
                AllowPrivate = true,
                Tls = random.Pick([DeliverTls.None, DeliverTls.Opportunistic]),
                EightBit = random.OneIn(2) ? EightBitMode.Convert : EightBitMode.AsIs,
            },
            Routes =
            [
                new RouteConfig("route.test", "smtp:[10.0.4.1]:2600", DeliverTls.None) { InFlight = random.OneIn(3) ? 0 : 2 + random.Next(8) },
                new RouteConfig("auth.test", "smtp:smart.test", DeliverTls.Required, SinkLogin.User, "password") { InFlight = random.OneIn(2) ? 0 : 2 + random.Next(4) },
            ],
            Providers = [new ProviderConfig("shared.test", ["d1.test", "d2.test", "dead.test", "reject.test"])],
            Sites = [.. from match in (string[])["a.test", "b.test", "c.test", "senders.test"] where !random.OneIn(3) select new SiteConfig(match, 0, 0, 0) { InFlight = 2 + random.Next(4) }],
        };
        Disk = DiskProfile.FromSeed(random) with { CapacityBytes = random.Pick([20L << 20, 64L << 20, 1L << 30]) };
        Messages = 30 + random.Next(90);
        Crashes = 1 + random.Next(5);
        DialFaultOneIn = random.OneIn(2) ? 0 : 5 + random.Next(40);
        DnsBadOneIn = random.OneIn(2) ? 0 : 4 + random.Next(30);
        RotOneIn = random.OneIn(3) ? 1 : 0;
        LoseOneIn = random.OneIn(4) ? 2 : 0;
        if (Messages % 3 == 0)
        {
            Config = Config with
            {
                Sources = [new SourceConfig("a", IPAddress.Parse("10.0.9.1"), null, "a.relay.test", 2), new SourceConfig("b", IPAddress.Parse("10.0.9.2"), null, null, 1)],
                Pools = [new PoolConfig("both", ["a", "b"])],
                Deliver = Config.Deliver with { SourceName = "both" },
            };
        }
    }

    /// <summary>Who the relay is to the next hop that asks; the same at every start and reload.</summary>
    public static Credentials Login(RouteConfig route) => new(route.User!, SinkLogin.Password, new byte[32]);

    /// <summary>Where the relay listens.</summary>
    public static IPEndPoint Address { get; } = new(IPAddress.Loopback, 2525);

    public Limits Limits { get; }

    public RelayConfig Config { get; }

    public DiskProfile Disk { get; init; }

    /// <summary>Messages that clients begin.</summary>
    public int Messages { get; }

    /// <summary>Crashes or stops in between.</summary>
    public int Crashes { get; }

    public int DialFaultOneIn { get; }

    public int DnsBadOneIn { get; }

    /// <summary>After a power cut, one time in so many, bits of a stored body are flipped; 0 never.</summary>
    public int RotOneIn { get; init; }

    /// <summary>After a power cut, one time in so many, a block of a segment is destroyed; 0 never.</summary>
    public int LoseOneIn { get; init; }
}
