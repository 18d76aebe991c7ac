using System.Net;
using DnsClient;
using DnsClient.Protocol;

namespace FastRelay.Outside.Linux;

/// <summary>What a DNS message means for the question that was asked.</summary>
internal static class DnsAnswers
{
    private const int CnameDepth = 10;
    private const int MxMax = 100;
    private const int AddressesMax = 50;

    /// <summary>Judges a reply.</summary>
    public static DnsAnswer Read(DnsReply reply, string name, DnsType type)
    {
        if (reply.Code is not (DnsHeaderResponseCode.NoError or DnsHeaderResponseCode.NotExistentDomain))
        {
            return DnsAnswer.Empty(DnsStatus.ServFail, 0);
        }
        uint ttl = uint.MaxValue;
        string? owner = FollowAliases(reply, Plain(name), ref ttl);
        if (owner is null)
        {
            return DnsAnswer.Empty(DnsStatus.Bad, 0);
        }
        List<MxRecord> mx = [];
        List<IPAddress> addresses = [];
        foreach (DnsResourceRecord record in reply.Answers)
        {
            if (Plain(record.DomainName.Value) == owner && Take(record, type, mx, addresses))
            {
                ttl = Math.Min(ttl, Ttl(record));
            }
        }
        if (mx.Count + addresses.Count > 0)
        {
            // The best are kept, wherever they stand; arrays, as lists keep room for more.
            return new DnsAnswer(DnsStatus.Ok, ttl, [.. mx.OrderBy(static record => record.Preference).Take(MxMax)], [.. addresses]);
        }
        if (reply.Code == DnsHeaderResponseCode.NoError && !reply.Knows)
        {
            // Delegated to others, or an alias of a name that others have: a server that is not a resolver, and mail waits for one.
            return DnsAnswer.Empty(DnsStatus.ServFail, 0);
        }
        DnsStatus status = reply.Code == DnsHeaderResponseCode.NotExistentDomain ? DnsStatus.NxDomain : DnsStatus.NoData;
        return DnsAnswer.Empty(status, Math.Min(ttl, NegativeTtl(reply.Soa)));
    }

    /// <summary>The name at the end of the CNAMEs within the message; null for a loop, or too many.</summary>
    private static string? FollowAliases(DnsReply reply, string name, ref uint ttl)
    {
        for (int depth = 0; depth <= CnameDepth; depth++)
        {
            CNameRecord? alias = null;
            foreach (DnsResourceRecord record in reply.Answers)
            {
                if (record is CNameRecord cname && Plain(cname.DomainName.Value) == name)
                {
                    alias = cname;
                    break;
                }
            }
            if (alias is null)
            {
                return name;
            }
            ttl = Math.Min(ttl, Ttl(alias));
            name = Plain(alias.CanonicalName.Value);
        }
        return null;
    }

    private static bool Take(DnsResourceRecord record, DnsType type, List<MxRecord> mx, List<IPAddress> addresses)
    {
        switch (record)
        {
            case DnsClient.Protocol.MxRecord r when type == DnsType.Mx:
                mx.Add(new MxRecord(r.Preference, Plain(r.Exchange.Value)));
                return true;
            case ARecord r when type == DnsType.A && addresses.Count < AddressesMax:
                addresses.Add(r.Address);
                return true;
            case AaaaRecord r when type == DnsType.Aaaa && addresses.Count < AddressesMax:
                addresses.Add(r.Address);
                return true;
            default:
                return false;
        }
    }

    /// <summary>RFC 2308 section 5: the lesser of the SOA's own TTL and its MINIMUM; 0 without an SOA.</summary>
    private static uint NegativeTtl(SoaRecord? soa) => soa is null ? 0 : Math.Min(Ttl(soa), soa.Minimum);

    /// <summary>RFC 2181 section 8: a TTL with the top bit set is 0.</summary>
    private static uint Ttl(DnsResourceRecord record)
    {
        uint ttl = unchecked((uint)record.InitialTimeToLive);
        return ttl > int.MaxValue ? 0 : ttl;
    }

    /// <summary>Lower case, without the final dot; empty for the root.</summary>
    private static string Plain(string name) => name.TrimEnd('.').ToLowerInvariant();
}
