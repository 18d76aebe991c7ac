using System.Globalization;
using System.Net;
using System.Text;

namespace FastRelay.Config;

/// <summary>Writes a configuration as the TOML that would give it, with everything that is in force.</summary>
public static class EffectiveConfig
{
    /// <summary>The words for <see cref="DeliverFamilies"/>.</summary>
    internal static readonly string[] Families = ["ipv4-first", "ipv6-first", "ipv4", "ipv6"];

    private static readonly string[] s_tls = ["none", "opportunistic", "required", "verified", "implicit"];

    private static readonly string[] s_listenTls = ["none", "starttls", "implicit"];

    /// <summary>The document; reading it again gives the same configuration.</summary>
    public static string Write(RelayConfig config)
    {
        var text = new StringBuilder();
        Line(text, "hostname", Quote(config.HostName));
        Line(text, "spool", Quote(config.Spool));
        Line(text, "sync", config.Sync == SyncKind.Group ? "\"group\"" : "\"none\"");
        Clients(text, config);
        text.Append("\n[auth]\n");
        text.Append(config.UsersFile is { } users ? $"users = {Quote(users)}\n" : "# users: no file, so that nobody may authenticate\n");
        Tls(text, config.Tls);
        LimitLines(text, config.Limits);
        text.Append("\n[dns]\n");
        if (config.DnsServers.Count == 0)
        {
            text.Append("# servers: those of /etc/resolv.conf\n");
        }
        else
        {
            Line(text, "servers", List(config.DnsServers.Select(s => s.ToString())));
        }
        text.Append("\n[queue]\n");
        Line(text, "retry", List(config.RetryMs.Select(ConfigText.FormatDuration)));
        Line(text, "expire", Quote(ConfigText.FormatDuration(config.ExpireMs)));
        Line(text, "warn", Quote(ConfigText.FormatDuration(config.WarnMs)));
        Line(text, "bounce", Quote(TenantReader.Word(config.Bounce)));
        Line(text, "tenant_header_name", Quote(config.TenantHeader));
        Line(text, "priority_header_name", Quote(config.PriorityHeader));
        text.Append("\n[deliver]\n");
        Line(text, "port", config.Deliver.Port.ToString(CultureInfo.InvariantCulture));
        Line(text, "allow_private", config.Deliver.AllowPrivate ? "true" : "false");
        Line(text, "families", Quote(Families[(int)config.Deliver.Families]));
        Line(text, "provider_rules", config.Deliver.ProviderRules ? "true" : "false");
        Line(text, "tls", Quote(s_tls[(int)config.Deliver.Tls]));
        EightBit(text, config.Deliver.EightBit);
        if (config.Deliver.Source is { } source)
        {
            Line(text, "source", Quote(source.ToString()));
        }
        else if (config.Deliver.SourceName.Length > 0)
        {
            Line(text, "source", Quote(config.Deliver.SourceName));
        }
        Routes(text, config.Routes);
        ProviderReader.Write(text, config.Providers, Quote);
        Sites(text, config.Sites);
        ReplyRuleReader.Write(text, config.ReplyRules, Quote);
        SourceReader.Write(text, config, Quote);
        TenantReader.Write(text, config.Tenants, Quote);
        Admin(text, config);
        return text.ToString();
    }

    private static void Admin(StringBuilder text, RelayConfig config)
    {
        text.Append("\n[admin]\n");
        Line(text, "http", Quote(config.AdminHttp?.ToString() ?? ""));
        if (config.AdminTokenFile is { } token)
        {
            Secret(text, "token", token);
        }
        else
        {
            text.Append("# token_file: none, so whoever reaches http may do everything\n");
        }
        Line(text, "socket", Quote(config.AdminSocket ?? ""));
        text.Append("\n[events]\n");
        text.Append(config.EventsFile is { } events ? $"file = {Quote(events)}\n" : "# file: none\n");
        Line(text, "max_age", Quote(ConfigText.FormatDuration(config.EventsAgeMs)));
    }

    /// <summary>A network as the configuration writes it; one host without its prefix length.</summary>
    public static string Network(IPNetwork network)
    {
        int bits = network.BaseAddress.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork ? 32 : 128;
        return network.PrefixLength == bits ? network.BaseAddress.ToString() : network.ToString();
    }

    // Where clients come, and which of them may relay.
    private static void Clients(StringBuilder text, RelayConfig config)
    {
        foreach (ListenConfig listen in config.Listen)
        {
            text.Append("\n[[listen]]\n");
            Line(text, "address", Quote(listen.Address.ToString()));
            Line(text, "tls", Quote(s_listenTls[(int)listen.Tls]));
            Line(text, "submission", listen.Submission ? "true" : "false");
            Line(text, "bare_newlines", listen.RefuseBareNewlines ? "\"refuse\"" : "\"normalise\"");
            if (listen.Proxies is { } proxies)
            {
                Line(text, "proxy_protocol", "true");
                Line(text, "proxies", List(proxies.Select(Network)));
            }
            Tenant(text, listen.Tenant, listen.TenantHeader);
            Priority(text, listen.Priority, listen.PriorityHeader);
        }
        // Row by row as in the file: changes are told by the number of the row.
        foreach (RelayForConfig row in config.RelayRows)
        {
            RelayFor(text, row, config.RelayUsers);
        }
        // A reload may have to keep users whose row is gone.
        if (config.RelayUsers && !config.RelayRows.Any(static row => row.Clients.Users))
        {
            RelayFor(text, new RelayForConfig(new InjectorConfig([], true, [], "", false), false, []), users: true);
        }
    }

    private static void RelayFor(StringBuilder text, RelayForConfig row, bool users)
    {
        InjectorConfig clients = row.Clients;
        users &= clients.Users;
        text.Append("\n[[relay_for]]\n");
        if (clients.Networks.Count > 0 || (row.Domains.Count == 0 && clients.Certificates.Count == 0 && !users))
        {
            Line(text, "networks", List(clients.Networks.Select(Network)));
            Line(text, "rates", row.Rates ? "true" : "false");
        }
        if (row.Domains.Count > 0)
        {
            Line(text, "domains", List(row.Domains));
        }
        if (users)
        {
            Line(text, "users", "true");
        }
        if (clients.Certificates.Count > 0)
        {
            Line(text, "certificates", List(clients.Certificates.Select(static digits => "sha256:" + digits)));
        }
        Tenant(text, clients.Tenant, clients.TenantHeader);
        Priority(text, clients.Priority, clients.PriorityHeader);
    }

    private static void Tenant(StringBuilder text, string tenant, bool header)
    {
        if (tenant.Length > 0)
        {
            Line(text, "tenant", Quote(tenant));
        }
        if (header)
        {
            Line(text, "tenant_header", "true");
        }
    }

    private static void Priority(StringBuilder text, MailPriority? priority, bool header)
    {
        if (priority is { } said)
        {
            Line(text, "priority", Quote(said.Word()));
        }
        if (header)
        {
            Line(text, "priority_header", "true");
        }
    }

    private static void Tls(StringBuilder text, TlsConfig tls)
    {
        text.Append("\n[tls]\n");
        if (tls.Certificate is not null)
        {
            Line(text, "certificate", Quote(tls.Certificate));
            Line(text, "key", Quote(tls.Key!));
        }
        else
        {
            text.Append("# certificate, key: none, so no listener offers STARTTLS\n");
        }
        if (tls.Authorities is not null)
        {
            Line(text, "ca", Quote(tls.Authorities));
        }
        else
        {
            text.Append("# ca: SSL_CERT_FILE, else the system's usual places\n");
        }
        foreach (KeyPairConfig pair in tls.More)
        {
            text.Append("\n[[tls.also]]\n");
            Line(text, "certificate", Quote(pair.Certificate));
            Line(text, "key", Quote(pair.Key));
        }
    }

    private static void Routes(StringBuilder text, IReadOnlyList<RouteConfig> routes)
    {
        foreach (RouteConfig route in routes)
        {
            text.Append("\n[[route]]\n");
            Line(text, "domain", Quote(route.Domain));
            Line(text, "to", Quote(route.To));
            text.Append(route.OwnTls ? $"tls = {Quote(s_tls[(int)route.Tls])}\n" : "# tls: that of [deliver]\n");
            if (route.Certificate is { } pair)
            {
                Line(text, "client_certificate", Quote(pair.Certificate));
                Line(text, "client_key", Quote(pair.Key));
            }
            if (route.User is { } user)
            {
                Line(text, "user", Quote(user));
                Secret(text, "password", route.PasswordFile!);
            }
            InFlight(text, route.InFlight);
            EightBit(text, route.EightBit);
            if (route.Source.Length > 0)
            {
                Line(text, "source", Quote(route.Source));
            }
        }
    }

    private static void Sites(StringBuilder text, IReadOnlyList<SiteConfig> sites)
    {
        foreach (SiteConfig site in sites)
        {
            text.Append("\n[[site]]\n");
            Line(text, "match", Quote(site.Match));
            if (site.Sessions > 0)
            {
                Line(text, "sessions", site.Sessions.ToString(CultureInfo.InvariantCulture));
            }
            if (site.Messages > 0)
            {
                Line(text, "rate", Quote(SiteReader.Show(site.Messages, site.WindowMs)));
            }
            if (site.Rates.Count > 0)
            {
                Line(text, "rates", List(site.Rates.Select(static rate => rate.ToString())));
            }
            InFlight(text, site.InFlight);
            EightBit(text, site.EightBit);
            if (site.Tls is { } tls)
            {
                Line(text, "tls", Quote(s_tls[(int)tls]));
            }
        }
    }

    private static void InFlight(StringBuilder text, int messages)
    {
        if (messages > 0)
        {
            Line(text, "in_flight", messages.ToString(CultureInfo.InvariantCulture));
        }
    }

    private static void EightBit(StringBuilder text, EightBitMode? mode)
    {
        if (mode is { } given)
        {
            Line(text, "eight_bit", Quote(given switch
            {
                EightBitMode.Convert => "convert",
                EightBitMode.Bounce => "bounce",
                _ => "as_is",
            }));
        }
    }

    private static void LimitLines(StringBuilder text, Limits limits)
    {
        text.Append("\n[limits]\n");
        var usual = new Limits();
        foreach (LimitRow row in LimitTable.Rows)
        {
            long value = row.Get(limits);
            string written = row.Format(value);
            text.Append(row.Key).Append(" = ").Append(row.Unit == LimitUnit.Count ? written : Quote(written));
            if (value != row.Get(usual))
            {
                text.Append("  # default: ").Append(row.Format(row.Get(usual)));
            }
            text.Append('\n');
        }
    }

    private static void Secret(StringBuilder text, string key, string place)
    {
        string? variable = SecretPlace.VariableOf(place);
        Line(text, key + (variable is null ? "_file" : "_env"), Quote(variable ?? place));
    }

    private static void Line(StringBuilder text, string key, string value) => text.Append(key).Append(" = ").Append(value).Append('\n');

    private static string List(IEnumerable<string> items) => "[" + string.Join(", ", items.Select(Quote)) + "]";

    private static string Quote(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (char c in text)
        {
            if (c is '"' or '\\')
            {
                quoted.Append('\\').Append(c);
            }
            else if (char.IsControl(c))
            {
                quoted.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:X4}");
            }
            else
            {
                quoted.Append(c);
            }
        }
        return quoted.Append('"').ToString();
    }
}
