using System.Security.Cryptography;
using System.Text;

namespace FastRelay.Routing;

/// <summary>
/// Names of sites. Destinations whose MX hosts are the same, in the same order, are one site: any of its connections
/// can carry the mail of all of them. Beyond that, hosts of one large provider share the provider's name, by which they
/// have one budget; connections are not shared there, because many providers take a domain's mail only at the hosts that
/// the domain names.
/// </summary>
public static class SiteNames
{
    private const int MaxLength = 128;

    private static readonly (string Suffix, string Provider)[] s_providers =
    [
        ("google.com", "google.com"),
        ("googlemail.com", "google.com"),
        ("smtp.goog", "google.com"),
        ("mail.protection.outlook.com", "outlook.com"),
        ("olc.protection.outlook.com", "outlook.com"),
        ("mx.microsoft", "outlook.com"),
        ("yahoodns.net", "yahoodns.net"),
        ("pphosted.com", "pphosted.com"),
        ("ppe-hosted.com", "pphosted.com"),
        ("mimecast.com", "mimecast.com"),
        ("mimecast.co.za", "mimecast.com"),
        ("iphmx.com", "iphmx.com"),
        ("barracudanetworks.com", "barracudanetworks.com"),
        ("messagelabs.com", "messagelabs.com"),
        ("mail.icloud.com", "icloud.com"),
        ("mxhichina.com", "mxhichina.com"),
        ("qq.com", "qq.com"),
        ("mail.ru", "mail.ru"),
        ("yandex.net", "yandex.net"),
        ("yandex.ru", "yandex.net"),
        ("zoho.com", "zoho.com"),
        ("zoho.eu", "zoho.com"),
        ("messagingengine.com", "messagingengine.com"),
        ("secureserver.net", "secureserver.net"),
        ("emailsrvr.com", "emailsrvr.com"),
        ("mailspamprotection.com", "mailspamprotection.com"),
        ("trendmicro.com", "trendmicro.com"),
        ("trendmicro.eu", "trendmicro.com"),
        ("hornetsecurity.com", "hornetsecurity.com"),
        ("antispamcloud.com", "antispamcloud.com"),
        ("sophos.com", "sophos.com"),
        ("kundenserver.de", "ionos"),
        ("ionos.com", "ionos"),
        ("ovh.net", "ovh.net"),
        ("registrar-servers.com", "registrar-servers.com"),
    ];

    /// <summary>The name of a set of hosts: by preference, equal ones sorted and joined by <c>|</c>, steps by a comma; hashed when longer than 128 characters.</summary>
    /// <param name="hosts">By preference.</param>
    /// <param name="tls">Said when it is not opportunistic.</param>
    /// <param name="certificate">Who we are to them; said when it is somebody.</param>
    public static string Of(ReadOnlySpan<PlanHost> hosts, TlsPolicy tls, ClientCertificate? certificate = null)
    {
        var text = new StringBuilder();
        for (int start = 0; start < hosts.Length;)
        {
            int end = start;
            while (end < hosts.Length && hosts[end].Preference == hosts[start].Preference)
            {
                end++;
            }
            string[] equal = new string[end - start];
            for (int i = start; i < end; i++)
            {
                equal[i - start] = hosts[i].Name;
            }
            Array.Sort(equal, StringComparer.Ordinal);
            text.Append(start == 0 ? "" : ",").AppendJoin('|', equal);
            start = end;
        }
        string name = text.ToString();
        if (name.Length > MaxLength)
        {
            string hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name)).AsSpan(0, 8));
            name = $"{hosts[0].Name},~{hash}";
        }
        return Route.KeyOf(name, tls, certificate);
    }

    /// <summary>The provider whose hosts all of these are; null when there is none that is known.</summary>
    /// <param name="hosts">Of a plan.</param>
    /// <param name="more">Providers that are looked for before those that come with the program.</param>
    public static string? ProviderOf(ReadOnlySpan<PlanHost> hosts, IReadOnlyList<(string Suffix, string Provider)> more)
    {
        string? common = null;
        foreach (PlanHost host in hosts)
        {
            string? provider = ProviderOf(host.Name, more) ?? ProviderOf(host.Name, s_providers);
            if (provider is null || (common is not null && common != provider))
            {
                return null;
            }
            common = provider;
        }
        return common;
    }

    private static string? ProviderOf(string host, IReadOnlyList<(string Suffix, string Provider)> table)
    {
        foreach ((string suffix, string provider) in table)
        {
            if (DomainNames.IsWithin(host, suffix))
            {
                return provider;
            }
        }
        return null;
    }
}
