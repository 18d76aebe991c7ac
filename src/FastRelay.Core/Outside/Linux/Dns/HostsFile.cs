using System.Net;
using System.Net.Sockets;

namespace FastRelay.Outside.Linux;

/// <summary>The names of hosts(5): they go before DNS, as everywhere on the host. Pure: it is given the text.</summary>
internal sealed class HostsFile
{
    /// <summary>How long an answer holds, s: the file may change at any time.</summary>
    private const uint TtlSeconds = 60;

    private readonly Dictionary<string, List<IPAddress>> _names = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Reads the file's text. Lines that are none are left out, as the C library does.</summary>
    public static HostsFile Parse(string text)
    {
        var hosts = new HostsFile();
        foreach (string line in text.Split('\n'))
        {
            string[] words = line.Split('#', 2)[0].Split([' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries);
            if (words.Length < 2 || !IPAddress.TryParse(words[0], out IPAddress? address))
            {
                continue;
            }
            foreach (string name in words[1..])
            {
                if (!hosts._names.TryGetValue(name, out List<IPAddress>? addresses))
                {
                    hosts._names.Add(name, addresses = []);
                }
                addresses.Add(address);
            }
        }
        return hosts;
    }

    /// <summary>The file has this name.</summary>
    public bool Has(string name) => _names.ContainsKey(name);

    /// <summary>The answer for a name that the file has; null where DNS is to be asked. A name with addresses of one family has none of the other.</summary>
    public DnsAnswer? Find(string name, DnsType type)
    {
        if (type == DnsType.Mx || !_names.TryGetValue(name, out List<IPAddress>? addresses))
        {
            return null;
        }
        AddressFamily family = type == DnsType.A ? AddressFamily.InterNetwork : AddressFamily.InterNetworkV6;
        IPAddress[] found = [.. addresses.Where(address => address.AddressFamily == family)];
        return found.Length == 0 ? DnsAnswer.Empty(DnsStatus.NoData, TtlSeconds) : new DnsAnswer(DnsStatus.Ok, TtlSeconds, [], found);
    }
}
