using System.Globalization;
using System.Text;

namespace FastRelay.Config;

/// <summary>Reads the <c>[[tenant]]</c> tables, and what other tables say about tenants.</summary>
internal static class TenantReader
{
    /// <summary>The header field that names a tenant when nothing is said.</summary>
    public const string UsualHeader = "X-FastRelay-Tenant";

    /// <summary>The header field that names a priority when nothing is said.</summary>
    public const string UsualPriorityHeader = "X-FastRelay-Priority";

    /// <summary>Most octets of the header field's name.</summary>
    public const int HeaderMax = 64;

    /// <summary>Most that a tenant may weigh: a round over the tenants of a site is at most so many messages of each.</summary>
    public const int WeightMax = 100;

    private static readonly string[] s_bounces = ["dsn", "event", "both"];

    /// <summary>The tenants, in their order.</summary>
    public static List<TenantConfig> Read(TableReader root, RelayConfig config, ConfigReader owner)
    {
        var all = new List<TenantConfig>();
        foreach (TableReader table in root.Tables("tenant") ?? [])
        {
            string name = table.Text("name", "acme") ?? "";
            if (table.Node("name") is not { } node)
            {
                owner.Error(table.Line, table.Key("name"), "is missing: as users, listeners or the header name the tenant; \"\" for mail that names none");
            }
            else if (node.Kind == NodeKind.Text && name.Length > 0 && !TenantName.IsValid(name))
            {
                table.Error(node, "name", NoName(node));
            }
            else if (all.Exists(earlier => earlier.Name == name))
            {
                table.Error(node, "name", $"\"{name}\" stands twice");
            }
            int weight = (int)(table.Integer("weight", 1, WeightMax) ?? 1);
            int sessions = (int)(table.Integer("sessions", 1, 1_000_000) ?? 0);
            string source = SourceReader.Named(table, config);
            BounceNotice? bounce = Bounce(table, config, owner);
            int bounces = (int)(table.Integer("bounces_per_minute", 1, 60_000_000) ?? 0);
            MailPriority? priority = Priority(table);
            table.Finish();
            all.Add(new TenantConfig(name, weight, sessions) { Source = source, Bounce = bounce, Priority = priority, BouncesPerMinute = bounces });
        }
        return all;
    }

    /// <summary>How failures are told, of one tenant or of all; null when the key is absent or wrong.</summary>
    public static BounceNotice? Bounce(TableReader table, RelayConfig config, ConfigReader owner)
    {
        int choice = table.Choice("bounce", s_bounces);
        if (choice < 0)
        {
            return null;
        }
        if (choice != (int)BounceNotice.Dsn && config.EventsFile is null)
        {
            owner.Error(table.Node("bounce")!.Line, table.Key("bounce"), $"\"{s_bounces[choice]}\" needs the event stream: without a file in [events] nobody would be told");
        }
        if (choice == (int)BounceNotice.Event && config.EventsFile == "-")
        {
            // A pipe that nobody reads any more swallows lines: the only notice of a failure would be lost unseen.
            owner.Error(table.Node("bounce")!.Line, table.Key("bounce"), "\"event\" needs events.file to be a file: what is written to standard output may reach nobody");
        }
        return (BounceNotice)choice;
    }

    /// <summary>As the file writes it.</summary>
    public static string Word(BounceNotice bounce) => s_bounces[(int)bounce];

    /// <summary>A tenant's name; empty when the key is absent or wrong.</summary>
    public static string Name(TableReader table)
    {
        if (table.Text("tenant", "acme") is not { } name)
        {
            return "";
        }
        if (TenantName.IsValid(name))
        {
            return name;
        }
        table.Error(table.Node("tenant")!, "tenant", NoName(table.Node("tenant")!));
        return "";
    }

    /// <summary>How urgent mail is; null when the key is absent or wrong.</summary>
    public static MailPriority? Priority(TableReader table)
    {
        int choice = table.Choice("priority", "high", "normal", "low");
        return choice < 0 ? null : choice == 0 ? MailPriority.High : choice == 1 ? MailPriority.Normal : MailPriority.Low;
    }

    /// <summary>The names of the header fields by which named injectors speak of a message.</summary>
    public static RelayConfig Headers(TableReader table, RelayConfig config)
    {
        config = config with
        {
            TenantHeader = Header(table, "tenant_header_name", UsualHeader) ?? config.TenantHeader,
            PriorityHeader = Header(table, "priority_header_name", UsualPriorityHeader) ?? config.PriorityHeader,
        };
        if (string.Equals(config.TenantHeader, config.PriorityHeader, StringComparison.OrdinalIgnoreCase))
        {
            ConfigNode node = table.Node("priority_header_name") ?? table.Node("tenant_header_name")!;
            table.Error(node, "priority_header_name", $"\"{config.PriorityHeader}\" names the tenant already");
        }
        return config;
    }

    /// <summary>The name of a header field; null when the key is absent or wrong.</summary>
    private static string? Header(TableReader table, string key, string usual)
    {
        if (table.Text(key, usual) is not { } name)
        {
            return null;
        }
        // RFC 5322 2.2: printable ASCII without the colon. A dot in front would be stuffed.
        if (name.Length is > 0 and <= HeaderMax && name.AsSpan().IndexOfAnyExceptInRange('!', '~') < 0 && !name.Contains(':', StringComparison.Ordinal) && name[0] != '.')
        {
            return name;
        }
        table.Error(table.Node(key)!, key, $"\"{name}\" is no name of a header field: 1 to {HeaderMax} characters without spaces and colons, as in \"{usual}\"");
        return null;
    }

    /// <summary>Writes them as the file would.</summary>
    public static void Write(StringBuilder text, IReadOnlyList<TenantConfig> tenants, Func<string, string> quote)
    {
        foreach (TenantConfig tenant in tenants)
        {
            text.Append("\n[[tenant]]\n");
            text.Append(CultureInfo.InvariantCulture, $"name = {quote(tenant.Name)}\nweight = {tenant.Weight}\n");
            if (tenant.Sessions > 0)
            {
                text.Append(CultureInfo.InvariantCulture, $"sessions = {tenant.Sessions}\n");
            }
            if (tenant.Source.Length > 0)
            {
                text.Append(CultureInfo.InvariantCulture, $"source = {quote(tenant.Source)}\n");
            }
            if (tenant.Priority is { } priority)
            {
                text.Append(CultureInfo.InvariantCulture, $"priority = {quote(priority.Word())}\n");
            }
            if (tenant.Bounce is { } bounce)
            {
                text.Append(CultureInfo.InvariantCulture, $"bounce = {quote(Word(bounce))}\n");
            }
            if (tenant.BouncesPerMinute > 0)
            {
                text.Append(CultureInfo.InvariantCulture, $"bounces_per_minute = {tenant.BouncesPerMinute}\n");
            }
        }
    }

    private static string NoName(ConfigNode node) => $"{node.Describe()} is no tenant's name: 1 to {Limits.TenantBytes} letters, digits and . _ - @ +";
}
