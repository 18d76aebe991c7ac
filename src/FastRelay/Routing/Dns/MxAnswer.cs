using FastRelay.Outside;

namespace FastRelay.Routing;

/// <summary>What an MX answer asks to be done next.</summary>
internal enum MxVerdict
{
    /// <summary>Resolve the hosts.</summary>
    Hosts,

    /// <summary>No MX: the domain itself is the host (RFC 5321 5.1).</summary>
    Implicit,

    /// <summary>RFC 7505.</summary>
    NullMx,

    /// <summary>The domain does not exist.</summary>
    NoSuchDomain,

    /// <summary>Try later.</summary>
    Temporary,

    /// <summary>Only ourselves are left.</summary>
    Loop,

    /// <summary>No host has a name that can be asked for.</summary>
    NoHosts,
}

/// <summary>Reads an MX answer by RFC 5321 5.1 and RFC 7505; pure.</summary>
internal static class MxAnswer
{
    /// <summary>Decides, and lists the hosts to resolve by preference (then by name), without ourselves and whoever is not better.</summary>
    /// <param name="answer">To an MX question.</param>
    /// <param name="ownNames">Lower case.</param>
    /// <param name="hosts">Filled.</param>
    /// <param name="maxHosts">The most that are kept.</param>
    public static MxVerdict Read(DnsAnswer answer, IReadOnlySet<string> ownNames, List<MxRecord> hosts, int maxHosts)
    {
        hosts.Clear();
        switch (answer.Status)
        {
            case DnsStatus.NoData:
                return MxVerdict.Implicit;
            case DnsStatus.NxDomain:
                return MxVerdict.NoSuchDomain;
            case DnsStatus.Ok when answer.Mx.Count > 0:
                break;
            default:
                return MxVerdict.Temporary;
        }
        if (answer.Mx.Count == 1 && answer.Mx[0].Host.Length == 0)
        {
            return MxVerdict.NullMx;
        }
        int own = int.MaxValue;
        foreach (MxRecord record in answer.Mx)
        {
            // A null MX beside others says nothing (RFC 7505 section 3), and neither does a name that cannot be asked.
            if (DomainNames.IsHostName(record.Host))
            {
                hosts.Add(record);
            }
            if (ownNames.Contains(record.Host))
            {
                own = Math.Min(own, record.Preference);
            }
        }
        if (hosts.Count == 0)
        {
            return MxVerdict.NoHosts;
        }
        hosts.Sort(static (a, b) => a.Preference != b.Preference
            ? a.Preference.CompareTo(b.Preference)
            : string.CompareOrdinal(a.Host, b.Host));
        // Ourselves and everybody who is not better than us would hand it back.
        hosts.RemoveAll(record => record.Preference >= own);
        RemoveRepeated(hosts);
        if (hosts.Count > maxHosts)
        {
            hosts.RemoveRange(maxHosts, hosts.Count - maxHosts);
        }
        return hosts.Count > 0 ? MxVerdict.Hosts : MxVerdict.Loop;
    }

    private static void RemoveRepeated(List<MxRecord> hosts)
    {
        for (int i = hosts.Count - 1; i > 0; i--)
        {
            for (int j = 0; j < i; j++)
            {
                if (hosts[j].Host == hosts[i].Host)
                {
                    hosts.RemoveAt(i);
                    break;
                }
            }
        }
    }
}
