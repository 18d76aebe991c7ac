namespace FastRelay.Config;

/// <summary>A key whose values differ between two configurations.</summary>
/// <param name="Key">With its table, as in <c>limits.hops</c> or <c>route[2].to</c>; the first of several is 1.</param>
/// <param name="Before">As the file writes it; null when it was not there.</param>
/// <param name="After">As the file writes it; null when it is gone.</param>
public sealed record ConfigChange(string Key, string? Before, string? After);

/// <summary>What another configuration changes in a relay that runs, and what of it has to wait for a restart. Pure.</summary>
public static class ConfigReload
{
    // Sizes of what was made at the start, and what belongs to files that are there.
    private static readonly string[] s_fixedLimits =
        ["segment_bytes", "free_bytes_floor", "damaged_segments", "dns_timeout", "mx_addresses_tried", "recipients_per_transaction"];

    /// <summary>The configuration that a running relay can take over: what is wanted, with what is fixed as it runs.</summary>
    public static RelayConfig Merge(RelayConfig running, RelayConfig wanted)
    {
        Limits limits = wanted.Limits;
        foreach (LimitRow row in s_fixedLimits.Select(static key => LimitTable.Find(key)!))
        {
            limits = row.Set(limits, row.Get(running.Limits));
        }
        // A listener that offers TLS cannot lose its certificate.
        TlsConfig tls = wanted.Tls.Certificate is null && running.Listen.Any(static listen => listen.Tls != ListenTls.None)
            ? wanted.Tls with { Certificate = running.Tls.Certificate, Key = running.Tls.Key }
            : wanted.Tls;
        // AUTH is for TLS only: users would shut out everybody from a submission listener that runs without.
        bool clear = running.Listen.Any(static listen => listen.Submission && listen.Tls == ListenTls.None);
        return wanted with
        {
            // Without the key the system's authorities count, which are looked for at the start.
            Tls = tls with { Authorities = tls.Authorities ?? running.Tls.Authorities },
            UsersFile = clear ? running.UsersFile : wanted.UsersFile,
            RelayUsers = clear ? running.RelayUsers : wanted.RelayUsers,
            HostName = running.HostName,
            Spool = running.Spool,
            Sync = running.Sync,
            Listen = running.Listen,
            DnsServers = running.DnsServers,
            AdminHttp = running.AdminHttp,
            AdminTokenFile = running.AdminTokenFile,
            AdminSocket = running.AdminSocket,
            EventsFile = running.EventsFile,
            // Without a stream that runs, the event is no notice.
            Bounce = running.EventsFile is null ? BounceNotice.Dsn : wanted.Bounce,
            Tenants = running.EventsFile is null ? [.. wanted.Tenants.Select(static tenant => tenant with { Bounce = null })] : wanted.Tenants,
            EventsAgeMs = running.EventsAgeMs,
            Limits = limits,
        };
    }

    /// <summary>The keys whose values differ, in the order of the file.</summary>
    /// <param name="before">As <see cref="EffectiveConfig"/> writes it.</param>
    /// <param name="after">The same.</param>
    public static IReadOnlyList<ConfigChange> Compare(string before, string after)
    {
        Dictionary<string, string> old = Flatten(before);
        Dictionary<string, string> now = Flatten(after);
        var changes = new List<ConfigChange>();
        foreach ((string key, string value) in now)
        {
            string? was = old.GetValueOrDefault(key);
            if (was != value)
            {
                changes.Add(new ConfigChange(key, was, value));
            }
        }
        changes.AddRange(old.Where(pair => !now.ContainsKey(pair.Key)).Select(static pair => new ConfigChange(pair.Key, pair.Value, null)));
        return changes;
    }

    // Only what EffectiveConfig writes is read here: one key a line, a remark only behind two spaces.
    private static Dictionary<string, string> Flatten(string text)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        string table = "";
        foreach (string line in text.Split('\n'))
        {
            if (line.StartsWith("[[", StringComparison.Ordinal))
            {
                string name = line[2..line.IndexOf(']', StringComparison.Ordinal)];
                int number = counts.GetValueOrDefault(name) + 1;
                counts[name] = number;
                table = $"{name}[{number}].";
            }
            else if (line.StartsWith('['))
            {
                table = line[1..line.IndexOf(']', StringComparison.Ordinal)] + ".";
            }
            else if (line.Length > 0 && line[0] != '#' && line.IndexOf(" = ", StringComparison.Ordinal) is > 0 and int at)
            {
                int remark = line.LastIndexOf("  # default: ", StringComparison.Ordinal);
                values[table + line[..at]] = remark > at ? line[(at + 3)..remark] : line[(at + 3)..];
            }
        }
        return values;
    }
}
