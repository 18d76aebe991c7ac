using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace FastRelay.Config;

/// <summary>Reads <c>[[source]]</c> and <c>[[pool]]</c>, and where they are named.</summary>
internal static class SourceReader
{
    /// <summary>Most sources of a configuration.</summary>
    public const int SourcesMax = 1_000;

    /// <summary>Most sources of a pool: each message's choice looks at all of them.</summary>
    public const int PoolMax = 64;

    /// <summary>Most that a source may weigh.</summary>
    public const int WeightMax = 1_000;

    /// <summary>The sources and the pools.</summary>
    public static RelayConfig Read(TableReader root, RelayConfig config, ConfigReader owner)
    {
        var sources = new List<SourceConfig>();
        foreach (TableReader table in root.Tables("source") ?? [])
        {
            string name = Name(table, owner, sources, []);
            (IPAddress? four, IPAddress? six) = Addresses(table, owner);
            string? ehlo = table.Text("ehlo", "out1.example.net")?.ToLowerInvariant();
            if (ehlo is not null && !RouteReader.IsHostName(ehlo))
            {
                table.Error(table.Node("ehlo")!, "ehlo", $"\"{ehlo}\" is no host name");
            }
            int weight = (int)(table.Integer("weight", 1, WeightMax) ?? 1);
            if (sources.Count == SourcesMax)
            {
                owner.Error(table.Line, table.Key("name"), $"is one source too many: there may be {SourcesMax}");
                break;
            }
            table.Finish();
            sources.Add(new SourceConfig(name, four, six, ehlo, weight));
        }
        var pools = new List<PoolConfig>();
        foreach (TableReader table in root.Tables("pool") ?? [])
        {
            string name = Name(table, owner, sources, pools);
            pools.Add(new PoolConfig(name, Members(table, owner, sources)));
            table.Finish();
        }
        return config with { Sources = sources, Pools = pools };
    }

    /// <summary>The name of a source or pool; empty when the key is absent or wrong.</summary>
    public static string Named(TableReader table, RelayConfig config)
    {
        if (table.Text("source", "out1") is not { } name)
        {
            return "";
        }
        if (Knows(config, name))
        {
            return name;
        }
        table.Error(table.Node("source")!, "source", $"\"{name}\" is no [[source]] and no [[pool]]");
        return "";
    }

    /// <summary>True when there is a source or a pool of that name.</summary>
    public static bool Knows(RelayConfig config, string name) =>
        name.Length > 0 && (config.Sources.Any(one => one.Name == name) || config.Pools.Any(one => one.Name == name));

    /// <summary>Writes them as the file would.</summary>
    public static void Write(StringBuilder text, RelayConfig config, Func<string, string> quote)
    {
        foreach (SourceConfig source in config.Sources)
        {
            string addresses = string.Join(", ", new[] { source.Ipv4, source.Ipv6 }.OfType<IPAddress>().Select(address => quote(address.ToString())));
            text.Append(CultureInfo.InvariantCulture, $"\n[[source]]\nname = {quote(source.Name)}\naddress = [{addresses}]\n");
            if (source.Ehlo is { } ehlo)
            {
                text.Append(CultureInfo.InvariantCulture, $"ehlo = {quote(ehlo)}\n");
            }
            text.Append(CultureInfo.InvariantCulture, $"weight = {source.Weight}\n");
        }
        foreach (PoolConfig pool in config.Pools)
        {
            text.Append(CultureInfo.InvariantCulture, $"\n[[pool]]\nname = {quote(pool.Name)}\nsources = [{string.Join(", ", pool.Sources.Select(quote))}]\n");
        }
    }

    private static string Name(TableReader table, ConfigReader owner, List<SourceConfig> sources, List<PoolConfig> pools)
    {
        string name = table.Text("name", "out1") ?? "";
        if (table.Node("name") is not { } node)
        {
            owner.Error(table.Line, table.Key("name"), "is missing: [[route]], [[tenant]] and [deliver] name it");
        }
        else if (node.Kind == NodeKind.Text && (!TenantName.IsValid(name) || ConfigText.TryParseAddress(name, out _)))
        {
            table.Error(node, "name", $"{node.Describe()} is no name: 1 to {Limits.TenantBytes} letters, digits and . _ - @ +, and no address");
        }
        else if (sources.Exists(one => one.Name == name) || pools.Exists(one => one.Name == name))
        {
            table.Error(node, "name", $"\"{name}\" stands twice");
        }
        return name;
    }

    private static (IPAddress? Four, IPAddress? Six) Addresses(TableReader table, ConfigReader owner)
    {
        const string example = "[\"192.0.2.1\", \"2001:db8::1\"]";
        ConfigNode? node = table.Node("address");
        List<ConfigNode>? items = node is { Kind: NodeKind.Text } ? [node] : table.List("address", example);
        if (node is null)
        {
            owner.Error(table.Line, table.Key("address"), $"is missing, as in address = \"192.0.2.1\", or {example}");
            return default;
        }
        IPAddress? four = null;
        IPAddress? six = null;
        foreach (ConfigNode item in items ?? [])
        {
            if (item.Kind != NodeKind.Text || !ConfigText.TryParseAddress(item.Text, out IPAddress? address))
            {
                owner.Error(item.Line, table.Key("address"), $"{item.Describe()} is no address: write \"192.0.2.1\" or \"2001:db8::1\"");
                return default;
            }
            ref IPAddress? place = ref address!.AddressFamily == AddressFamily.InterNetwork ? ref four : ref six;
            if (place is not null)
            {
                owner.Error(item.Line, table.Key("address"), "holds two of one kind: a source has one IPv4 and one IPv6 address at most");
            }
            place = address;
            owner.DoubtSource(item.Line, table.Key("address"), address);
        }
        if (four is null && six is null && node.Kind == NodeKind.List)
        {
            table.Error(node, "address", "is empty");
        }
        return (four, six);
    }

    private static List<string> Members(TableReader table, ConfigReader owner, List<SourceConfig> sources)
    {
        var names = new List<string>();
        foreach (ConfigNode item in table.List("sources", "[\"out1\", \"out2\"]") ?? [])
        {
            if (item.Kind != NodeKind.Text || !sources.Exists(one => one.Name == item.Text))
            {
                owner.Error(item.Line, table.Key("sources"), $"{item.Describe()} is no [[source]]");
            }
            else if (names.Contains(item.Text))
            {
                owner.Error(item.Line, table.Key("sources"), $"\"{item.Text}\" stands twice: give it a weight instead");
            }
            else
            {
                names.Add(item.Text);
            }
        }
        if (table.Node("sources") is not { } node)
        {
            owner.Error(table.Line, table.Key("sources"), "is missing, as in sources = [\"out1\", \"out2\"]");
        }
        else if (node.Kind == NodeKind.List && node.Items.Count is 0 or > PoolMax)
        {
            table.Error(node, "sources", $"must be 1 to {PoolMax} sources");
        }
        return names;
    }
}
