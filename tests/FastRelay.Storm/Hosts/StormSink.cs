using System.Net;
using FastRelay.Outside;

namespace FastRelay.Storm;

/// <summary>How a next hop behaves while faults are on; "one in n", 0 is never.</summary>
internal sealed record SinkProfile
{
    public bool Pipelining { get; init; }

    /// <summary>Claims PIPELINING and throws away what comes ahead.</summary>
    public bool LiesAboutPipelining { get; init; }

    public bool StartTls { get; init; }

    /// <summary>Offers CHUNKING; a host that throws away what comes ahead does not.</summary>
    public bool Chunking { get; init; }

    public bool Dsn { get; init; }

    public bool SmtpUtf8 { get; init; }

    /// <summary>Offers 8BITMIME, as whoever offers SMTPUTF8 must (RFC 6531 3.1).</summary>
    public bool EightBitMime { get; init; } = true;

    /// <summary>Takes mail from its one user only.</summary>
    public bool Auth { get; init; }

    /// <summary>By AUTH LOGIN alone.</summary>
    public bool AuthByLogin { get; init; }

    /// <summary>A recipient is told 451 for some minutes after it came for the first time.</summary>
    public bool Greylists { get; init; }

    /// <summary>421 after so many messages of a session; 0 never.</summary>
    public int MessagesBefore421 { get; init; }

    /// <summary>What it puts off it puts off in words about the rate; those who end sessions after two messages.</summary>
    public bool SpeaksOfRates => MessagesBefore421 == 2;

    /// <summary>Something goes wrong at a verb.</summary>
    public int FaultOneIn { get; init; }

    /// <summary>All content is refused for good.</summary>
    public bool RejectsContent { get; init; }

    public static SinkProfile FromSeed(SimRandom random)
    {
        SinkProfile profile = Usual(random);
        bool utf8 = random.OneIn(2);
        return profile with
        {
            Chunking = !profile.LiesAboutPipelining && random.OneIn(2),
            Dsn = random.OneIn(2),
            SmtpUtf8 = utf8,
            EightBitMime = utf8 || !random.OneIn(2),
        };
    }

    private static SinkProfile Usual(SimRandom random) => new()
    {
        Pipelining = !random.OneIn(3),
        LiesAboutPipelining = random.OneIn(12),
        StartTls = random.OneIn(2),
        Greylists = random.OneIn(3),
        MessagesBefore421 = random.OneIn(3) ? 1 + random.Next(5) : 0,
        FaultOneIn = random.OneIn(4) ? 0 : 6 + random.Next(80),
    };
}

/// <summary>A simulated next hop: listens, and gives every connection a session.</summary>
internal sealed class StormSink(SimHost host, IPEndPoint address, SinkProfile profile, MailChecker checker, Limits limits)
{
    private readonly Dictionary<string, long> _greylistedMs = [];

    public SimHost Host => host;

    public SinkProfile Profile => profile;

    public MailChecker Checker => checker;

    public Limits Limits => limits;

    public SimRandom Random { get; } = host.Universe.Random.Fork("sink");

    /// <summary>Called when a connection arrives, to look at the relay's limits.</summary>
    public Action Arrived { get; set; } = static () => { };

    public void Start()
    {
        host.Network.Listen(address, out Listener? listener);
        host.Spawn(async () =>
        {
            while (await listener!.AcceptAsync() is { } link)
            {
                Arrived();
                host.Spawn(() => new SinkSession(this, link).RunAsync());
            }
        });
    }

    /// <summary>True while a recipient has to come again later.</summary>
    public bool IsGreylisted(string mailbox)
    {
        if (!profile.Greylists || !host.Universe.Faults.On)
        {
            return false;
        }
        _greylistedMs.TryAdd(mailbox, host.Universe.Time.NowMs);
        bool early = host.Universe.Time.NowMs < _greylistedMs[mailbox] + 120_000;
        if (early)
        {
            host.Universe.Faults.Hit("sink: greylisted");
        }
        return early;
    }
}
