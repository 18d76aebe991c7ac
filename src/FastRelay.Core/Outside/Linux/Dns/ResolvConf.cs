using System.Net;

namespace FastRelay.Outside.Linux;

/// <summary>The name servers of resolv.conf(5); search domains and options are none of a mail relay's business.</summary>
internal static class ResolvConf
{
    private const int ServersMax = 3;
    private const int DnsPort = 53;

    /// <summary>Servers in the file's order, at most three as the C library; 127.0.0.1 when none is given.</summary>
    public static IReadOnlyList<IPEndPoint> Parse(string text)
    {
        List<IPEndPoint> servers = [];
        foreach (string line in text.Split('\n'))
        {
            string[] words = line.Split([' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries);
            if (words.Length >= 2 && words[0] == "nameserver" && servers.Count < ServersMax
                && IPAddress.TryParse(words[1], out IPAddress? address))
            {
                servers.Add(new IPEndPoint(address, DnsPort));
            }
        }
        if (servers.Count == 0)
        {
            servers.Add(new IPEndPoint(IPAddress.Loopback, DnsPort));
        }
        return servers;
    }
}
