using System.Net;
using FastRelay.Config;
using FastRelay.Outside;

namespace FastRelay.Routing;

/// <summary>
/// The working memory of one planning, pooled by <see cref="Router"/>: waiters for the MX question and for each host's
/// two address questions, which are all asked at once.
/// </summary>
internal sealed class PlanJob(Loop loop)
{
    private static readonly CachedAnswer s_notAsked = new(DnsAnswer.Empty(DnsStatus.NoData, 0), long.MaxValue, false);

    private readonly List<Lookup> _four = [];
    private readonly List<Lookup> _six = [];
    private DeliverFamilies _families;

    public Lookup Mx { get; } = new(loop);

    /// <summary>Hosts to resolve, by preference.</summary>
    public List<MxRecord> Hosts { get; } = [];

    /// <summary>Hosts that can be dialled, by preference.</summary>
    public List<PlanHost> Usable { get; } = [];

    /// <summary>The least expiry of what the plan rests on.</summary>
    public long ExpiresMs { get; set; }

    /// <summary>The domain exists for the operator, not for a stranger: private addresses are fine.</summary>
    public bool Trusted { get; set; }

    public ushort Port { get; set; }

    /// <summary>What was wrong with the last host that could not be used.</summary>
    public string Trouble { get; set; } = "";

    /// <summary>Preference of the best host that is ourselves; above any when there is none.</summary>
    public int OwnPreference { get; set; }

    public bool AnyTemporary { get; set; }

    public bool AnyLoop { get; set; }

    public bool AnyRefused { get; set; }

    public void Clear()
    {
        Hosts.Clear();
        Usable.Clear();
        ExpiresMs = long.MaxValue;
        Trusted = false;
        Trouble = "";
        OwnPreference = int.MaxValue;
        AnyTemporary = AnyLoop = AnyRefused = false;
    }

    public void Expires(long atMs) => ExpiresMs = Math.Min(ExpiresMs, atMs);

    public void StartAddresses(ResolverCache cache, DeliverFamilies families)
    {
        _families = families;
        while (_four.Count < Hosts.Count)
        {
            _four.Add(new Lookup(loop));
            _six.Add(new Lookup(loop));
        }
        for (int i = 0; i < Hosts.Count; i++)
        {
            if (families != DeliverFamilies.Ipv6)
            {
                cache.Start(_four[i], Hosts[i].Host, DnsType.A);
            }
            if (families != DeliverFamilies.Ipv4)
            {
                cache.Start(_six[i], Hosts[i].Host, DnsType.Aaaa);
            }
        }
    }

    public ValueTask<CachedAnswer> FourAsync(int host) =>
        _families == DeliverFamilies.Ipv6 ? new ValueTask<CachedAnswer>(s_notAsked) : _four[host].AnswerAsync();

    public ValueTask<CachedAnswer> SixAsync(int host) =>
        _families == DeliverFamilies.Ipv4 ? new ValueTask<CachedAnswer>(s_notAsked) : _six[host].AnswerAsync();

    /// <summary>Behind "no address", where only one family was asked for.</summary>
    public string OtherFamily => _families switch
    {
        DeliverFamilies.Ipv4 => " of IPv4, and deliver.families wants no other",
        DeliverFamilies.Ipv6 => " of IPv6, and deliver.families wants no other",
        _ => "",
    };

    public static string Name(DnsStatus status) => status switch
    {
        DnsStatus.Timeout => "no server answered in time",
        DnsStatus.ServFail => "the server failed",
        DnsStatus.Bad => "the answer makes no sense",
        DnsStatus.NxDomain => "no such name",
        _ => "no address",
    };

    public IPAddress[] Sorted(CachedAnswer four, CachedAnswer six)
    {
        var all = new List<IPAddress>();
        foreach (IPAddress address in four.Answer.Addresses)
        {
            all.Add(address);
        }
        foreach (IPAddress address in six.Answer.Addresses)
        {
            IPAddress normal = AddressRules.Normal(address);
            if (!all.Contains(normal))
            {
                all.Add(normal);
            }
        }
        int first = _families is DeliverFamilies.Ipv4First or DeliverFamilies.Ipv4 ? 0 : 1;
        if (_families is DeliverFamilies.Ipv4 or DeliverFamilies.Ipv6)
        {
            // An AAAA record may hold a mapped IPv4 address.
            all.RemoveAll(address => AddressRules.Family(address) != first);
        }
        return [.. all.OrderBy(address => AddressRules.Family(address) == first ? 0 : 1)];
    }
}
