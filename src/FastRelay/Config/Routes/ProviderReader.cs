using System.Globalization;
using System.Text;

namespace FastRelay.Config;

/// <summary>One <c>[[provider]]</c>: whose hosts count as one.</summary>
/// <param name="Name">By which <c>[[site]]</c>, reply rules, suspensions and explain name it; lower case.</param>
/// <param name="Mx">Lower-case domains that its MX hosts are or are below; one at least.</param>
public sealed record ProviderConfig(string Name, IReadOnlyList<string> Mx);

/// <summary>Reads the <c>[[provider]]</c> tables.</summary>
internal static class ProviderReader
{
    /// <summary>Providers of a configuration at most, and domains of one: each plan's hosts are compared with all of them.</summary>
    public const int Max = 200;

    /// <summary>The providers, in their order.</summary>
    public static List<ProviderConfig> Read(TableReader root, ConfigReader owner)
    {
        var all = new List<ProviderConfig>();
        foreach (TableReader table in root.Tables("provider") ?? [])
        {
            if (all.Count == Max)
            {
                owner.Error(table.Line, "provider", $"there are more than {Max}");
                break;
            }
            string name = (table.Text("name", "example.net") ?? "").ToLowerInvariant();
            if (table.Node("name") is not { } node)
            {
                owner.Error(table.Line, table.Key("name"), "is missing: by which [[site]] and explain name it, as in \"example.net\"");
            }
            else if (node.Kind == NodeKind.Text && !RouteReader.IsHostName(name))
            {
                table.Error(node, "name", $"{node.Describe()} is no name: write it like a domain, as in \"example.net\"");
            }
            else if (all.Exists(earlier => earlier.Name == name))
            {
                table.Error(node, "name", $"\"{name}\" stands twice: give it all its domains in one mx");
            }
            List<string> mx = Mx(table);
            if (table.Node("mx") is null)
            {
                owner.Error(table.Line, table.Key("mx"), "is missing: the domains of its MX hosts, as in mx = [\"mx.example.net\"]");
            }
            table.Finish();
            all.Add(new ProviderConfig(name, mx));
        }
        return all;
    }

    /// <summary>Writes them as the file would.</summary>
    public static void Write(StringBuilder text, IReadOnlyList<ProviderConfig> providers, Func<string, string> quote)
    {
        foreach (ProviderConfig provider in providers)
        {
            text.Append(CultureInfo.InvariantCulture, $"\n[[provider]]\nname = {quote(provider.Name)}\nmx = [{string.Join(", ", provider.Mx.Select(quote))}]\n");
        }
    }

    private static List<string> Mx(TableReader table)
    {
        const string example = "[\"mx.example.net\"]";
        var all = new List<string>();
        foreach (ConfigNode item in table.List("mx", example) ?? [])
        {
            if (all.Count == Max)
            {
                table.Error(item, "mx", $"there are more than {Max}");
                break;
            }
            string domain = item.Kind == NodeKind.Text ? item.Text.ToLowerInvariant() : "";
            if (!RouteReader.IsHostName(domain))
            {
                table.Error(item, "mx", $"{item.Describe()} is no domain that hosts are or are below, as in {example}");
                continue;
            }
            all.Add(domain);
        }
        return all;
    }
}
