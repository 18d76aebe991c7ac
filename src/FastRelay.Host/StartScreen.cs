using System.Globalization;
using System.Text;
using FastRelay.Config;
using FastRelay.Outside;

namespace FastRelay.Host;

/// <summary>What <c>serve</c> says when it runs: on one screen, what it does for whom and what it may cost.</summary>
/// <param name="config">In force.</param>
/// <param name="openFiles">Allowed by the system.</param>
/// <param name="authorities">The bundle in force, or null.</param>
public sealed class StartScreen(RelayConfig config, long openFiles, string? authorities)
{
    /// <summary>What is allowed and worth a second look.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>The screen.</summary>
    /// <param name="relay">Running.</param>
    /// <param name="listening">Bound addresses, in the order of the configuration.</param>
    public string Write(Relay relay, IReadOnlyList<string> listening)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"fastrelay {Versions.Product}, process {Environment.ProcessId}, {config.HostName}\n");
        Line(text, "listens on", string.Join(", ", listening.Select((address, i) => address + Offer(config.Listen[i]))));
        Line(text, "relays for", WhoMayRelay());
        Line(text, "delivers", Delivery());
        Line(text, "spool", Spool(relay.World));
        Line(text, "queue", $"{relay.Journal.Stats.Messages} messages, from {relay.Recovery.Segments} segments in {relay.RecoveryMs / 1000.0:F2} s{(relay.Recovery.CleanEnd || relay.Recovery.Segments == 0 ? "" : ", after an end that was not clean")}");
        Line(text, "sync", config.Sync == SyncKind.Group ? "group: 250 only after the commit group's fdatasync" : "none: FOR COMPARISONS ONLY, a crash of the machine loses mail");
        Line(text, "limits", $"at most {ConfigText.ShowSize(MemoryEstimate.Total(config))} of memory and {MemoryEstimate.Descriptors(config)} open files ({openFiles} allowed)");
        Line(text, "admin", string.Join(", ", Admin() is { Count: > 0 } doors ? doors : ["off"]));
        foreach (string note in Warnings.Concat(relay.Recovery.Notes))
        {
            text.Append("warning: ").Append(note).Append('\n');
        }
        return text.ToString();
    }

    private List<string> Admin() => [.. config.AdminHttp is { } http ? [$"http://{http}/"] : (string[])[], .. config.AdminSocket is { } socket ? [socket] : (string[])[]];

    private static string Offer(ListenConfig listen)
    {
        string tls = listen.Tls switch { ListenTls.StartTls => "STARTTLS", ListenTls.Implicit => "TLS", _ => "clear" };
        return $" ({tls}{(listen.Submission ? ", submission" : "")}{(listen.Proxies is null ? "" : ", behind a proxy")})";
    }

    private string WhoMayRelay()
    {
        string networks = string.Join(", ", config.RelayFor.Select(EffectiveConfig.Network));
        string domains = string.Join(", ", config.RelayDomains);
        string users = (config.RelayUsers ? ", users" : "") + config.RelayCertificates.Count switch { 0 => "", 1 => ", 1 certificate", int n => $", {n} certificates" };
        return (networks.Length > 0 ? networks : "no network") + users + (domains.Length > 0 ? "; anybody to " + domains : "");
    }

    private string Delivery()
    {
        string routes = config.Routes.Count == 1
            ? $"{config.Routes[0].Domain} to {config.Routes[0].To}"
            : $"by {config.Routes.Count} routes";
        if (config.Routes.Any(r => r.Domain == "*"))
        {
            return routes;
        }
        string dns = config.DnsServers.Count > 0 ? string.Join(", ", config.DnsServers) : "/etc/resolv.conf";
        string verified = authorities is null ? "; no bundle of certificate authorities found" : "";
        return $"{(config.Routes.Count == 0 ? "" : routes + ", else ")}to MX hosts, port {config.Deliver.Port}, DNS by {dns}{verified}";
    }

    private string Spool(World world)
    {
        if (!world.Disk.Space(config.Spool, out DiskSpace space).Ok)
        {
            return config.Spool;
        }
        return $"{config.Spool} on {space.Kind}, {ConfigText.ShowSize(space.FreeBytes)} free of {ConfigText.ShowSize(space.TotalBytes)}";
    }

    private static void Line(StringBuilder text, string key, string value) =>
        text.Append("  ").Append(key.PadRight(12)).Append(value).Append('\n');
}
