using System.Net;
using FastRelay.Config;
using FastRelay.Outside;

namespace FastRelay.Routing;

/// <summary>What planning came to.</summary>
public enum PlanStatus : byte
{
    /// <summary>There are addresses to try.</summary>
    Ok,

    /// <summary>DNS cannot say now: defer, 451 4.4.3.</summary>
    Temporary,

    /// <summary>The domain says that it takes no mail (RFC 7505): fail, 556 5.1.10.</summary>
    NullMx,

    /// <summary>The domain does not exist: fail, 550 5.1.2.</summary>
    NoSuchDomain,

    /// <summary>The best host for it is this relay (RFC 5321 5.1): fail, 554 5.4.6.</summary>
    Loop,

    /// <summary>It has only addresses that are refused (private, loopback and the like): fail, 550 5.4.4.</summary>
    Refused,

    /// <summary>It has no host with an address: fail, 550 5.4.4.</summary>
    NoHosts,

    /// <summary>The name cannot be asked of DNS (not ASCII, or malformed): fail, 553 5.6.7 or 550 5.1.2.</summary>
    BadName,

    /// <summary>The route throws its mail away: delivered at once.</summary>
    Discard,

    /// <summary>The route refuses: fail with <see cref="Plan.Reason"/>.</summary>
    Error,
}

/// <summary>A host of a plan.</summary>
/// <param name="Preference">Lower is tried first.</param>
/// <param name="Name">Its name in lower case, or the address in text: what TLS verifies and logs show.</param>
/// <param name="Addresses">Those of the family that is tried first before the others.</param>
public sealed record PlanHost(ushort Preference, string Name, IReadOnlyList<IPEndPoint> Addresses);

/// <summary>One address to try.</summary>
/// <param name="Host">Its host.</param>
/// <param name="EndPoint">Address and port.</param>
public readonly record struct PlanAddress(PlanHost Host, IPEndPoint EndPoint);

/// <summary>Where a destination's mail goes just now. Immutable; renewed when it expires.</summary>
public sealed class Plan
{
    private const int Shuffled = 64;
    private readonly PlanHost[] _hosts;

    internal Plan(Route route, PlanStatus status, string siteKey, string? provider, PlanHost[] hosts, long expiresMs, string reason, SiteTls? siteTls = null)
    {
        Check.That(hosts.Length > 0 == (status == PlanStatus.Ok), "a plan has hosts exactly when it is ok");
        Status = status;
        SiteKey = siteKey;
        Provider = provider;
        _hosts = hosts;
        ExpiresMs = expiresMs;
        Tls = siteTls?.Tls ?? route.Tls;
        TlsRule = siteTls?.Rule ?? "";
        Certificate = route.Certificate;
        Credentials = route.Credentials;
        InFlight = route.InFlight;
        EightBit = route.EightBit;
        Reason = reason;
    }

    /// <summary>What planning came to.</summary>
    public PlanStatus Status { get; }

    /// <summary>Name of the set of hosts: destinations with the same one share connections. Empty unless <see cref="PlanStatus.Ok"/>.</summary>
    public string SiteKey { get; }

    /// <summary>The large mail provider that runs the hosts, as in <c>google.com</c>; null when none that is known.</summary>
    public string? Provider { get; }

    /// <summary>Hosts by preference; empty unless <see cref="PlanStatus.Ok"/>.</summary>
    public IReadOnlyList<PlanHost> Hosts => _hosts;

    /// <summary>Until when it holds, on the scale of <see cref="Loop.NowMs"/>; <see cref="long.MaxValue"/> for fixed routes.</summary>
    public long ExpiresMs { get; }

    /// <summary>What deliveries ask of TLS.</summary>
    public TlsPolicy Tls { get; }

    /// <summary>The <c>match</c> of the <c>[[site]]</c> that says so; empty where none does.</summary>
    public string TlsRule { get; }

    /// <summary>Who we are to those of its hosts that ask for a certificate; null for nobody.</summary>
    public ClientCertificate? Certificate { get; }

    /// <summary>Who we are to its hosts; null where they do not ask.</summary>
    public Credentials? Credentials { get; }

    /// <summary>Messages that one connection may have in flight; 0 where the route does not say.</summary>
    public int InFlight { get; }

    /// <summary>What becomes of 8-bit content for a host without 8BITMIME; null where the route does not say.</summary>
    public EightBitMode? EightBit { get; }

    /// <summary>Why it is not ok, for people: printable ASCII, starts with the enhanced code for <see cref="PlanStatus.Error"/>. Empty when ok.</summary>
    public string Reason { get; }

    /// <summary>True when this is what an operator means by a name: its provider, or a domain that one of its hosts is or is below.</summary>
    public bool IsAt(string name)
    {
        bool isAt = Provider == name;
        // Asked for each rule at each failing reply: a lambda would be an object each time.
        for (int i = 0; i < _hosts.Length && !isAt; i++)
        {
            isAt = DomainNames.IsWithin(_hosts[i].Name, name);
        }
        return isAt;
    }

    /// <summary>
    /// The addresses of one attempt, best first: hosts by preference, equal ones in random order, each host's addresses
    /// of the family that is tried first before the others. When there are more than fit, every host keeps at least one, best hosts first.
    /// </summary>
    /// <param name="random">Spreads the load.</param>
    /// <param name="into">As many as the attempt may try.</param>
    /// <param name="isAvoided">Hosts that are tried after all others; null for none.</param>
    /// <returns>How many were written.</returns>
    public int Order(Random random, Span<PlanAddress> into, Func<PlanHost, bool>? isAvoided = null)
    {
        int count = Math.Min(_hosts.Length, Shuffled);
        Span<int> order = stackalloc int[Shuffled];
        order = order[..count];
        for (int start = 0; start < count;)
        {
            int end = start;
            while (end < count && _hosts[end].Preference == _hosts[start].Preference)
            {
                order[end] = end;
                end++;
            }
            random.Shuffle(order[start..end]);
            start = end;
        }
        PutLast(order, isAvoided);
        int written = 0;
        for (int i = 0; i < count && written < into.Length; i++)
        {
            int room = Math.Max(1, into.Length - written - (count - i - 1));
            written += OrderHost(_hosts[order[i]], random, into.Slice(written, room));
        }
        return written;
    }

    // Before the cut, so that there are hosts behind those that do not serve, however many these are. All others keep their order.
    private void PutLast(Span<int> order, Func<PlanHost, bool>? isAvoided)
    {
        int kept = 0;
        for (int i = 0; isAvoided is not null && i < order.Length; i++)
        {
            if (!isAvoided(_hosts[order[i]]))
            {
                int host = order[i];
                order[kept..i].CopyTo(order[(kept + 1)..]);
                order[kept++] = host;
            }
        }
    }

    private static int OrderHost(PlanHost host, Random random, Span<PlanAddress> into)
    {
        IReadOnlyList<IPEndPoint> addresses = host.Addresses;
        int count = Math.Min(addresses.Count, Shuffled);
        Span<int> order = stackalloc int[Shuffled];
        order = order[..count];
        int first = 0;
        for (int i = 0; i < count; i++)
        {
            order[i] = i;
            first += addresses[i].AddressFamily == addresses[0].AddressFamily ? 1 : 0;
        }
        random.Shuffle(order[..first]);
        random.Shuffle(order[first..]);
        int written = Math.Min(count, into.Length);
        for (int i = 0; i < written; i++)
        {
            into[i] = new PlanAddress(host, addresses[order[i]]);
        }
        return written;
    }
}
