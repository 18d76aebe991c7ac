using System.Net;
using System.Net.Sockets;

namespace FastRelay.Config;

/// <summary>Reads who is listened to and who may relay: <c>[[listen]]</c>, <c>[[relay_for]]</c> and <c>[auth]</c>.</summary>
/// <param name="owner">Collects what is wrong.</param>
internal sealed class ListenReader(ConfigReader owner)
{
    private const string Sha256 = "sha256:";
    private static readonly IPAddress s_public = IPAddress.Parse("2000::");

    /// <summary>Reads <c>[auth]</c>; before the others, which depend on it.</summary>
    public RelayConfig Auth(TableReader auth, RelayConfig config)
    {
        string? users = owner.PathOf(auth, "users", "users");
        auth.Finish();
        return config with { UsersFile = users };
    }

    /// <summary>Reads <c>[[listen]]</c>.</summary>
    public List<ListenConfig> Listen(TableReader root, RelayConfig config)
    {
        ListenTls usual = config.Tls.Certificate is null ? ListenTls.None : ListenTls.StartTls;
        List<TableReader>? tables = root.Tables("listen");
        if (tables is null)
        {
            return [.. config.Listen.Select(l => l with { Tls = usual })];
        }
        var all = new List<ListenConfig>();
        foreach (TableReader table in tables)
        {
            IPEndPoint? address = owner.EndPoint(table, "address", "0.0.0.0:25", -1);
            ListenTls tls = Tls(table, usual, config);
            bool submission = table.Boolean("submission") ?? false;
            if (submission && config.UsersFile is not null && tls == ListenTls.None)
            {
                table.Error(table.Node("submission")!, "submission", "asks for AUTH, which is offered inside TLS only: set tls = \"starttls\" or \"implicit\"");
            }
            bool refuses = table.Choice("bare_newlines", "normalise", "refuse") == 1;
            IReadOnlyList<IPNetwork>? proxies = Proxies(table);
            string tenant = TenantReader.Name(table);
            bool tenantHeader = table.Boolean("tenant_header") ?? false;
            MailPriority? priority = TenantReader.Priority(table);
            bool priorityHeader = table.Boolean("priority_header") ?? false;
            table.Finish();
            if (address is null)
            {
                continue;
            }
            if (all.Find(l => Overlap(l.Address, address)) is { } other)
            {
                owner.Error(table.Line, table.Key("address"), other.Address.Equals(address)
                    ? $"{address} is listened on twice"
                    : $"{address} and {other.Address} cannot both be listened on: one of them is every address of the machine, with the same port");
            }
            all.Add(new ListenConfig(address, tls) { Submission = submission, RefuseBareNewlines = refuses, Proxies = proxies, Tenant = tenant, TenantHeader = tenantHeader, Priority = priority, PriorityHeader = priorityHeader });
        }
        if (tables.Count == 0)
        {
            root.Error(root.Node("listen")!, "listen", "is empty: a relay listens somewhere; without the key it is 127.0.0.1:2525");
        }
        return all;
    }

    /// <summary>Reads <c>[[relay_for]]</c>.</summary>
    public RelayConfig RelayFor(TableReader root, RelayConfig config)
    {
        List<TableReader>? tables = root.Tables("relay_for");
        if (tables is null)
        {
            return config;
        }
        var networks = new List<IPNetwork>();
        var domains = new List<string>();
        var certificates = new List<string>();
        var rated = new List<IPNetwork>();
        var injectors = new List<InjectorConfig>();
        var rows = new List<RelayForConfig>();
        bool users = false;
        foreach (TableReader table in tables)
        {
            int known = networks.Count;
            int shown = certificates.Count;
            int open = domains.Count;
            Networks(table, networks);
            bool rates = table.Boolean("rates") is true;
            rated.AddRange(rates ? networks.Skip(known) : []);
            Domains(table, domains);
            bool usersHere = Users(table, config);
            users |= usersHere;
            Certificates(table, config, certificates);
            var row = new InjectorConfig([.. networks.Skip(known)], usersHere, [.. certificates.Skip(shown)], TenantReader.Name(table), table.Boolean("tenant_header") ?? false)
            {
                Priority = TenantReader.Priority(table),
                PriorityHeader = table.Boolean("priority_header") ?? false,
            };
            Injector(table, row, injectors);
            rows.Add(new RelayForConfig(row, rates, [.. domains.Skip(open)]));
            if (table.Node("networks") is null && table.Node("domains") is null && table.Node("users") is null && table.Node("certificates") is null)
            {
                owner.Error(table.Line, table.Key("networks"), "is missing, as in networks = [\"127.0.0.0/8\", \"::1\"]; or users = true; or certificates = [\"sha256:...\"]; or domains = [\"example.com\"]");
            }
            table.Finish();
        }
        // Where no row speaks of its clients' mail, none needs to be asked.
        if (!injectors.Exists(static row => row.Speaks))
        {
            injectors.Clear();
        }
        return config with { RelayFor = networks, RelayDomains = domains, RelayUsers = users, RelayCertificates = certificates, Rated = rated, Injectors = injectors, RelayRows = rows };
    }

    /// <summary>True when the system gives one of the two and then not the other: the same port, and the same address or one that stands for all of its family.</summary>
    internal static bool Overlap(IPEndPoint one, IPEndPoint other) =>
        one.Port == other.Port && one.Port != 0 && one.AddressFamily == other.AddressFamily
        && (one.Address.Equals(other.Address) || IsAny(one.Address) || IsAny(other.Address));

    private static bool IsAny(IPAddress address) => address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any);

    private static void Injector(TableReader table, InjectorConfig row, List<InjectorConfig> into)
    {
        // A row that says nothing of its clients' mail stands before later ones all the same: they have no rights of theirs.
        bool hasClients = row.Networks.Count > 0 || row.Users || row.Certificates.Count > 0;
        if (row.Speaks && table.Node("networks") is null && !row.Users && table.Node("certificates") is null)
        {
            string key = row.Tenant.Length > 0 ? "tenant" : row.TenantHeader ? "tenant_header" : row.Priority is not null ? "priority" : "priority_header";
            table.Error(table.Node(key)!, key, "is for clients that are known: it needs networks, users or certificates in the same row");
        }
        if (row.Speaks || hasClients)
        {
            into.Add(row);
        }
    }

    private static ListenTls Tls(TableReader table, ListenTls usual, RelayConfig config)
    {
        int choice = table.Choice("tls", "none", "starttls", "implicit");
        if (table.Node("tls") is not { } node)
        {
            return usual;
        }
        ListenTls tls = choice < 0 ? ListenTls.None : (ListenTls)choice;
        if (tls != ListenTls.None && config.Tls.Certificate is null)
        {
            table.Error(node, "tls", $"\"{node.Text}\" needs [tls] with certificate and key");
        }
        return tls;
    }

    private static bool Users(TableReader table, RelayConfig config)
    {
        if (table.Boolean("users") is not true)
        {
            return false;
        }
        if (config.UsersFile is null)
        {
            table.Error(table.Node("users")!, "users", "needs [auth] with users = \"file\", which \"fastrelay user add\" writes");
        }
        else if (config.Listen.All(l => l.Tls == ListenTls.None))
        {
            table.Error(table.Node("users")!, "users", "needs a listener with TLS: nobody may authenticate in clear");
        }
        return true;
    }

    private List<IPNetwork>? Proxies(TableReader table)
    {
        bool expects = table.Boolean("proxy_protocol") ?? false;
        List<(ConfigNode, IPNetwork)> all = [.. NetworkList(table, "proxies")];
        if (table.Node("proxies") is not { } node)
        {
            return expects ? [.. RelayConfig.Loopback] : null;
        }
        if (!expects)
        {
            table.Error(node, "proxies", "says who may send PROXY headers: it needs proxy_protocol = true");
        }
        var networks = new List<IPNetwork>();
        foreach ((ConfigNode item, IPNetwork network) in all)
        {
            if (network.PrefixLength == 0)
            {
                owner.Warn(item.Line, table.Key("proxies"), $"\"{item.Text}\" lets everybody who reaches the listener say that he is somebody else");
            }
            networks.Add(network);
        }
        if (node.Kind == NodeKind.List && node.Items.Count == 0)
        {
            table.Error(node, "proxies", "is empty: nobody could connect; without the key it is this host");
        }
        return networks;
    }

    private IEnumerable<(ConfigNode Item, IPNetwork Network)> NetworkList(TableReader table, string key)
    {
        foreach (ConfigNode item in table.List(key, "[\"127.0.0.0/8\", \"::1\"]") ?? [])
        {
            string error = $"holds {item.Describe()}: every network is a text, as in \"10.0.0.0/8\"";
            IPNetwork network = default;
            if (item.Kind != NodeKind.Text || !ConfigText.TryParseNetwork(item.Text, out network, out error))
            {
                owner.Error(item.Line, table.Key(key), error);
                continue;
            }
            yield return (item, network);
        }
    }

    private void Certificates(TableReader table, RelayConfig config, List<string> into)
    {
        const string example = "[\"sha256:0123...\"]";
        foreach (ConfigNode item in table.List("certificates", example) ?? [])
        {
            string text = item.Kind == NodeKind.Text ? item.Text.ToLowerInvariant() : "";
            string digits = text.StartsWith(Sha256, StringComparison.Ordinal) ? text[Sha256.Length..].Replace(":", "", StringComparison.Ordinal) : "";
            if (digits.Length != 64 || !digits.All(char.IsAsciiHexDigit))
            {
                owner.Error(item.Line, table.Key("certificates"), $"{item.Describe()} is no fingerprint: write \"sha256:\" and 64 hexadecimal digits, as \"openssl x509 -noout -fingerprint -sha256\" shows them");
                continue;
            }
            into.Add(digits);
        }
        if (table.Node("certificates") is { } node && config.Listen.All(l => l.Tls == ListenTls.None))
        {
            table.Error(node, "certificates", "needs a listener with TLS: nobody shows a certificate in clear");
        }
    }

    private void Networks(TableReader table, List<IPNetwork> into)
    {
        foreach ((ConfigNode item, IPNetwork network) in NetworkList(table, "networks"))
        {
            // Whatever the listeners are: who is forwarded to one on loopback, by a container's port or a proxy, reaches it too.
            if (network.PrefixLength == 0)
            {
                owner.Warn(item.Line, table.Key("networks"), $"\"{item.Text}\" lets everybody who reaches the listeners send mail to anybody: an open relay");
            }
            else if (IsWide(network))
            {
                owner.Warn(item.Line, table.Key("networks"), $"\"{item.Text}\" is a large part of the internet: whoever is in it and reaches the listeners may send mail to anybody");
            }
            into.Add(network);
        }
    }

    // Nobody was ever given more of the public addresses than 8 bits of IPv4 or 16 of IPv6 leave; 2000::/3 are the public ones there (RFC 4291 2.4).
    private static bool IsWide(IPNetwork network) => network.BaseAddress.AddressFamily == AddressFamily.InterNetwork
        ? network.PrefixLength < 8
        : network.PrefixLength < 16 && (network.Contains(s_public) || (network.BaseAddress.GetAddressBytes()[0] & 0xE0) == 0x20);

    private void Domains(TableReader table, List<string> into)
    {
        foreach (ConfigNode item in table.List("domains", "[\"example.com\"]") ?? [])
        {
            string domain = item.Text.ToLowerInvariant();
            if (item.Kind != NodeKind.Text || !RouteReader.IsHostName(domain.StartsWith('.') ? domain[1..] : domain))
            {
                owner.Error(item.Line, table.Key("domains"), $"{item.Describe()} is no domain: write \"example.com\", or \".example.com\" for what is below it");
                continue;
            }
            into.Add(domain);
        }
    }
}
