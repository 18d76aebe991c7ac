using System.Net;
using System.Text;

namespace FastRelay.Config;

/// <summary>How a commit group is made durable.</summary>
public enum SyncKind : byte
{
    /// <summary>One checked fdatasync a group, before any of its messages is answered 250.</summary>
    Group,

    /// <summary>No sync: for comparisons only. A crash of the machine loses mail that was answered 250.</summary>
    None,
}

/// <summary>What a listener offers of TLS.</summary>
public enum ListenTls : byte
{
    /// <summary>Clear text only.</summary>
    None,

    /// <summary>STARTTLS is announced (RFC 3207).</summary>
    StartTls,

    /// <summary>TLS begins with the connection (RFC 8314 3.3).</summary>
    Implicit,
}

/// <summary>What a delivery asks of TLS (RFC 3207), in the words of the configuration.</summary>
public enum DeliverTls : byte
{
    /// <summary>STARTTLS is never used.</summary>
    None,

    /// <summary>Used when offered, not verified; a failed handshake is redialled in clear.</summary>
    Opportunistic,

    /// <summary>Must be used, not verified; without it the delivery is deferred.</summary>
    Required,

    /// <summary>Must be used, with a certificate that verifies for the host's name; otherwise deferred.</summary>
    Verified,

    /// <summary>As verified, from the first octet (RFC 8314), usually on port 465; for routes.</summary>
    Implicit,
}

/// <summary>What becomes of content with octets of 8 bits for a host without 8BITMIME (RFC 6152 3).</summary>
public enum EightBitMode : byte
{
    /// <summary>It is sent as it is: nearly every host takes it.</summary>
    AsIs,

    /// <summary>Its parts are encoded; what is signed or cannot be encoded fails.</summary>
    Convert,

    /// <summary>It fails.</summary>
    Bounce,
}

/// <summary>Which of a host's addresses in DNS are tried, and in which order.</summary>
public enum DeliverFamilies : byte
{
    /// <summary>All of them, IPv4 before IPv6.</summary>
    Ipv4First,

    /// <summary>All of them, IPv6 before IPv4.</summary>
    Ipv6First,

    /// <summary>IPv4 only: AAAA is not asked for.</summary>
    Ipv4,

    /// <summary>IPv6 only: A is not asked for.</summary>
    Ipv6,
}

/// <summary>
/// The configuration in force: every value is present, checked and in base units. It is made by
/// <see cref="ConfigReader"/> from a file, or by <see cref="Default"/> when there is none.
/// </summary>
public sealed record RelayConfig
{
    /// <summary>Our own name: banner, EHLO, trace header, bounces. A host name in lower case.</summary>
    public required string HostName { get; init; }

    /// <summary>The folder of the journal. Relative to the configuration's folder in the file; resolved here.</summary>
    public string Spool { get; init; } = "spool";

    /// <summary>How commits are made durable.</summary>
    public SyncKind Sync { get; init; }

    /// <summary>Where clients are awaited; at least one.</summary>
    public IReadOnlyList<ListenConfig> Listen { get; init; } = [new(new IPEndPoint(IPAddress.Loopback, 2525), ListenTls.None)];

    /// <summary>Who may relay; nobody else. Loopback when nothing is said.</summary>
    public IReadOnlyList<IPNetwork> RelayFor { get; init; } = Loopback;

    /// <summary>Of <see cref="RelayFor"/>, those that are held to the rates of clients all the same.</summary>
    public IReadOnlyList<IPNetwork> Rated { get; init; } = [];

    /// <summary>Domains that anybody may send to: exact, or <c>.example.com</c> for what is below; lower case.</summary>
    public IReadOnlyList<string> RelayDomains { get; init; } = [];

    /// <summary>Users who have authenticated may relay.</summary>
    public bool RelayUsers { get; init; }

    /// <summary>SHA-256 fingerprints of the certificates whose owners may relay: 64 digits, lower case.</summary>
    public IReadOnlyList<string> RelayCertificates { get; init; } = [];

    /// <summary>The rows of <c>[[relay_for]]</c> that say whose mail their clients send, in order.</summary>
    public IReadOnlyList<InjectorConfig> Injectors { get; init; } = [];

    /// <summary>The rows of <c>[[relay_for]]</c> as they stand in the file, for those who show them.</summary>
    public IReadOnlyList<RelayForConfig> RelayRows { get; init; } = [new(new InjectorConfig(Loopback, false, [], "", false), false, [])];

    /// <summary>The file of the users that may authenticate, resolved; null when nobody may.</summary>
    public string? UsersFile { get; init; }

    /// <summary>Certificates.</summary>
    public TlsConfig Tls { get; init; } = new();

    /// <summary>Every bound, with what the file says about them.</summary>
    public Limits Limits { get; init; } = new();

    /// <summary>Keys of <see cref="LimitTable"/> that the file sets: what was asked for is given or refused, what was not is fitted to the host.</summary>
    public IReadOnlySet<string> LimitsSet { get; init; } = new HashSet<string>();

    /// <summary>Name servers; empty for those of /etc/resolv.conf.</summary>
    public IReadOnlyList<IPEndPoint> DnsServers { get; init; } = [];

    /// <summary>Waits between attempts, ms; the last repeats. At least one.</summary>
    public IReadOnlyList<long> RetryMs { get; init; } = [300_000, 600_000, 1_200_000, 2_400_000, 3_600_000, 7_200_000];

    /// <summary>After this long a message that was not delivered fails, ms (RFC 5321 4.5.4.1 advises 4 to 5 days).</summary>
    public long ExpireMs { get; init; } = 5 * 86_400_000L;

    /// <summary>The sender is told once that a message still waits, this long after its arrival, ms; 0 for never.</summary>
    public long WarnMs { get; init; } = 4 * 3_600_000L;

    /// <summary>How failures are told, where the tenant does not say so.</summary>
    public BounceNotice Bounce { get; init; }

    /// <summary>The header field in which named injectors name the tenant of a message.</summary>
    public string TenantHeader { get; init; } = TenantReader.UsualHeader;

    /// <summary>The header field in which named injectors name the priority of a message.</summary>
    public string PriorityHeader { get; init; } = TenantReader.UsualPriorityHeader;

    /// <summary>What is said about tenants; the others weigh 1.</summary>
    public IReadOnlyList<TenantConfig> Tenants { get; init; } = [];

    /// <summary>Who we may be to the hosts that are sent to.</summary>
    public IReadOnlyList<SourceConfig> Sources { get; init; } = [];

    /// <summary>Sources that share mail.</summary>
    public IReadOnlyList<PoolConfig> Pools { get; init; } = [];

    /// <summary>Delivery.</summary>
    public DeliverConfig Deliver { get; init; } = new();

    /// <summary>Providers besides those that are known, in order.</summary>
    public IReadOnlyList<ProviderConfig> Providers { get; init; } = [];

    /// <summary>The rules for sites, in order.</summary>
    public IReadOnlyList<SiteConfig> Sites { get; init; } = [];

    /// <summary>The configuration's own rules for replies, in order; those of <see cref="ProviderRules"/> come behind them.</summary>
    public IReadOnlyList<ReplyRuleConfig> ReplyRules { get; init; } = [];

    /// <summary>The route table, first match wins; MX delivery when none matches.</summary>
    public IReadOnlyList<RouteConfig> Routes { get; init; } = [];

    /// <summary>The certificates that routes name for us, each once.</summary>
    public IEnumerable<KeyPairConfig> ClientPairs => Routes.Select(static route => route.Certificate).OfType<KeyPairConfig>().Distinct();

    /// <summary>Address of the admin's HTTP; null when it is off.</summary>
    public IPEndPoint? AdminHttp { get; init; } = new(IPAddress.Loopback, 2580);

    /// <summary>This host.</summary>
    public static IReadOnlyList<IPNetwork> Loopback { get; } = [new(new IPAddress([127, 0, 0, 0]), 8), new(IPAddress.IPv6Loopback, 128)];

    /// <summary>The file with the admin's token, resolved; null when none is asked for.</summary>
    public string? AdminTokenFile { get; init; }

    /// <summary>The file of the event stream, resolved; <c>-</c> for standard output, null for none.</summary>
    public string? EventsFile { get; init; }

    /// <summary>Events that have waited longer for that file, when it is one, are lost, and a gap is told; ms.</summary>
    public long EventsAgeMs { get; init; } = 86_400_000;

    /// <summary>The admin's unix socket, resolved; null when it is off.</summary>
    public string? AdminSocket { get; init; }

    /// <summary>Where the keys that name files stand, as <c>file:line</c>; by the key with its tables, and what it says.</summary>
    public IReadOnlyDictionary<(string Key, string Value), string> Places { get; init; } = new Dictionary<(string, string), string>();

    /// <summary>The unix socket of a spool that is told of none; null where the path is longer than a socket's name may be.</summary>
    /// <param name="spool">The spool, resolved.</param>
    public static string? UsualSocket(string spool) =>
        Path.Combine(spool, SocketName) is var path && Encoding.UTF8.GetByteCount(path) <= SocketPathMax ? path : null;

    /// <summary>The socket's name in the spool.</summary>
    public const string SocketName = "admin.sock";

    /// <summary>Connections of the admin at one time, by each of address and socket; each is a descriptor.</summary>
    public const int AdminConnectionsMax = 256;

    /// <summary>Octets of a unix socket's path (sun_path of unix(7), less its end).</summary>
    public const int SocketPathMax = 107;

    /// <summary>What runs without a file: this host only, MX delivery by the system's name servers.</summary>
    /// <param name="systemName">The system's host name.</param>
    /// <param name="folder">Where relative paths begin.</param>
    public static RelayConfig Default(string systemName, string folder) => new()
    {
        HostName = systemName.ToLowerInvariant(),
        Spool = Path.GetFullPath("spool", folder),
        AdminSocket = UsualSocket(Path.GetFullPath("spool", folder)),
    };
}

/// <summary>A certificate with its chain and its key: paths, resolved.</summary>
/// <param name="Certificate">PEM.</param>
/// <param name="Key">PEM, not encrypted.</param>
public sealed record KeyPairConfig(string Certificate, string Key);

/// <summary><c>[tls]</c>: paths, resolved; null when not given.</summary>
public sealed record TlsConfig
{
    /// <summary>The server's certificate with its chain, PEM.</summary>
    public string? Certificate { get; init; }

    /// <summary>Its private key, PEM.</summary>
    public string? Key { get; init; }

    /// <summary>Other certificates, for clients that ask for a name in them.</summary>
    public IReadOnlyList<KeyPairConfig> More { get; init; } = [];

    /// <summary>Certificates of the server with their keys, the default first; none without one.</summary>
    public IEnumerable<KeyPairConfig> Pairs => Certificate is null ? [] : More.Prepend(new KeyPairConfig(Certificate, Key!));

    /// <summary>Certificate authorities for verified delivery, PEM; null for SSL_CERT_FILE or the system's usual places.</summary>
    public string? Authorities { get; init; }
}

/// <summary><c>[deliver]</c>; its timeouts stand in <see cref="Limits"/>.</summary>
public sealed record DeliverConfig
{
    /// <summary>Remote port of MX delivery and of routes that name none.</summary>
    public int Port { get; init; } = 25;

    /// <summary>True lets DNS lead to loopback, private and link-local addresses.</summary>
    public bool AllowPrivate { get; init; }

    /// <summary>Which addresses of hosts that DNS gives are tried, and in which order. One that a route or a recipient names by itself is tried as it is.</summary>
    public DeliverFamilies Families { get; init; }

    /// <summary>What deliveries ask of TLS when no route says otherwise.</summary>
    public DeliverTls Tls { get; init; } = DeliverTls.Opportunistic;

    /// <summary>What becomes of 8-bit content for a host without 8BITMIME, when neither site nor route says otherwise.</summary>
    public EightBitMode EightBit { get; init; }

    /// <summary>The rules that come with the program are in force too.</summary>
    public bool ProviderRules { get; init; } = true;

    /// <summary>Our address for outgoing connections where no source is named; null for the system's choice.</summary>
    public IPAddress? Source { get; init; }

    /// <summary>The source or pool of mail whose route and tenant name none; empty for <see cref="Source"/>.</summary>
    public string SourceName { get; init; } = "";
}

/// <summary>One <c>[[site]]</c>: what the operator allows for the sites that it matches; the first that matches counts.</summary>
/// <param name="Match">Lower case: a provider, or a domain that a host of the site is or is below.</param>
/// <param name="Sessions">Connections at most; 0 when not given.</param>
/// <param name="Messages">Messages in any window; 0 when not given.</param>
/// <param name="WindowMs">The window, ms.</param>
public sealed record SiteConfig(string Match, int Sessions, int Messages, long WindowMs)
{
    /// <summary>Messages that one connection may have in flight; 0 when not given.</summary>
    public int InFlight { get; init; }

    /// <summary>What becomes of 8-bit content for a host without 8BITMIME; null when not given.</summary>
    public EightBitMode? EightBit { get; init; }

    /// <summary>What deliveries ask of TLS; null when not given. Of a route that says it itself the stricter one holds.</summary>
    public DeliverTls? Tls { get; init; }

    /// <summary>Other rates: all of them hold at once.</summary>
    public IReadOnlyList<SiteRate> Rates { get; init; } = [];

    /// <summary><see cref="Messages"/> in <see cref="WindowMs"/> and <see cref="Rates"/>, in that order.</summary>
    public IEnumerable<SiteRate> AllRates => Messages > 0 ? Rates.Prepend(new SiteRate(SiteRateUnit.Messages, Messages, WindowMs)) : Rates;
}

/// <summary>One <c>[[route]]</c>.</summary>
/// <param name="Domain">A domain, <c>.domain</c> for those below it, or <c>*</c>; lower case.</param>
/// <param name="To">The next hop as written; what it means is Routing's.</param>
/// <param name="Tls">What its deliveries ask of TLS.</param>
/// <param name="User">Who we are to the next hop; null where it does not ask.</param>
/// <param name="PasswordFile">The file whose first line is the password, resolved; null exactly when there is no user.</param>
public sealed record RouteConfig(string Domain, string To, DeliverTls Tls, string? User = null, string? PasswordFile = null)
{
    /// <summary>The most that <see cref="InFlight"/> may be, of a route or a site: about 1 KiB of account each.</summary>
    public const int InFlightMost = 256;

    /// <summary>Messages that one connection may have in flight; 0 when not given, for one after another.</summary>
    public int InFlight { get; init; }

    /// <summary>What becomes of 8-bit content for a host without 8BITMIME; null when not given.</summary>
    public EightBitMode? EightBit { get; init; }

    /// <summary>The source or pool that its mail leaves from; empty where it names none.</summary>
    public string Source { get; init; } = "";

    /// <summary>The row says <see cref="Tls"/>, by its key, its user or its certificate; else it is that of <c>[deliver]</c>.</summary>
    public bool OwnTls { get; init; }

    /// <summary>Who we are to hosts that ask for a certificate; null for nobody.</summary>
    public KeyPairConfig? Certificate { get; init; }
}
