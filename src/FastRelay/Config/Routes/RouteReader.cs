namespace FastRelay.Config;

/// <summary>Reads the <c>[[route]]</c> tables.</summary>
internal static class RouteReader
{
    /// <summary>The route table, in its order.</summary>
    public static List<RouteConfig> Read(TableReader root, RelayConfig config, ConfigReader owner)
    {
        var all = new List<RouteConfig>();
        foreach (TableReader table in root.Tables("route") ?? [])
        {
            string domain = (table.Text("domain", "example.com") ?? "").ToLowerInvariant();
            if (table.Node("domain") is not { } node)
            {
                owner.Error(table.Line, table.Key("domain"), "is missing: \"example.com\", \".example.com\" for what is below it, or \"*\"");
            }
            else if (node.Kind == NodeKind.Text && domain != "*" && !IsHostName(domain.StartsWith('.') ? domain[1..] : domain))
            {
                table.Error(node, "domain", $"{node.Describe()} is no domain: write \"example.com\", \".example.com\" for what is below it, or \"*\"");
            }
            else if (all.Find(r => r.Domain == domain || r.Domain == "*") is { } earlier)
            {
                owner.Warn(table.Line, table.Key("domain"), $"never matches: the route for \"{earlier.Domain}\" stands before it, and the first match wins");
            }
            string? to = table.Text("to", "smtp:[192.0.2.1]:25");
            if (to is null && table.Node("to") is null)
            {
                owner.Error(table.Line, table.Key("to"), "is missing, as in to = \"smtp:[192.0.2.1]:25\"");
            }
            if (to is not null && Judge(to, owner.CheckTarget) is { } problem)
            {
                table.Error(table.Node("to")!, "to", problem);
            }
            (string? user, string? file) = Login(table, to, owner);
            if (all.Find(r => r.To == to && r.User is not null && r.User == user && r.PasswordFile != file) is { } other)
            {
                table.Error(table.Node("password_file") ?? table.Node("password_env")!, "password_file", $"is not that of the route for \"{other.Domain}\", which has the same host and user");
            }
            KeyPairConfig? pair = Certificate(table, to, all, owner);
            DeliverTls tls = Tls(table, config.Deliver.Tls, user is not null, pair is not null);
            bool Shares(RouteConfig r) => r.To == to && r.User == user && r.Tls == tls && r.Certificate == pair;
            int inFlight = InFlight(table);
            if (inFlight > 0 && to?.StartsWith("smtp:", StringComparison.Ordinal) == false)
            {
                table.Error(table.Node("in_flight")!, "in_flight", $"is for a next hop \"smtp:host\", not for \"{to}\"; for hosts that DNS names it stands in [[site]]");
            }
            else if (all.Find(r => Shares(r) && r.InFlight != inFlight) is { } same)
            {
                owner.Error(table.Line, table.Key("in_flight"), $"is not that of the route for \"{same.Domain}\", which shares its connections");
            }
            EightBitMode? eightBit = EightBit(table);
            if (eightBit is not null && to?.StartsWith("smtp:", StringComparison.Ordinal) == false)
            {
                table.Error(table.Node("eight_bit")!, "eight_bit", $"is for a next hop \"smtp:host\", not for \"{to}\"; for hosts that DNS names it stands in [[site]]");
            }
            else if (all.Find(r => Shares(r) && r.EightBit != eightBit) is { } shared)
            {
                owner.Error(table.Line, table.Key("eight_bit"), $"is not that of the route for \"{shared.Domain}\", which shares its connections");
            }
            string source = SourceReader.Named(table, config);
            table.Later("sender");
            table.Later("tenant");
            table.Finish();
            bool ownTls = user is not null || pair is not null || table.Node("tls") is not null;
            all.Add(new RouteConfig(domain, to ?? "", tls, user, file) { InFlight = inFlight, EightBit = eightBit, Source = source, OwnTls = ownTls, Certificate = pair });
        }
        return all;
    }

    /// <summary>Messages that one connection may have in flight; 0 when not given or wrong.</summary>
    public static int InFlight(TableReader table) => (int)(table.Integer("in_flight", 1, RouteConfig.InFlightMost) ?? 0);

    /// <summary>What becomes of 8-bit content for a host without 8BITMIME; null when not given or wrong.</summary>
    public static EightBitMode? EightBit(TableReader table)
    {
        int choice = table.Choice("eight_bit", "as_is", "convert", "bounce");
        return choice < 0 ? null : (EightBitMode)choice;
    }

    private static (string? User, string? File) Login(TableReader table, string? to, ConfigReader owner)
    {
        string? user = table.Text("user", "relay@example.net");
        string? file = SecretPlace.Read(table, "password", owner.PathOf(table, "password_file", "/etc/fastrelay/password"), owner);
        if (user is null && file is null)
        {
            return (null, null);
        }
        string key = user is not null ? "user" : table.Node("password_env") is null ? "password_file" : "password_env";
        ConfigNode node = table.Node(key)!;
        if (user is null || file is null)
        {
            table.Error(node, key, user is null ? "needs user, whose password it holds" : "needs password_file, the file that holds the password, or password_env");
            return (null, null);
        }
        if (user.Length is 0 or > 255 || user.AsSpan().IndexOfAnyExceptInRange('!', '~') >= 0)
        {
            table.Error(node, key, "must be 1 to 255 characters of printable ASCII without spaces");
        }
        if (to?.StartsWith("smtp:", StringComparison.Ordinal) == false)
        {
            table.Error(node, key, $"is for a next hop \"smtp:host\", not for \"{to}\"");
        }
        return (user, file);
    }

    // Who we are: a certificate of one row is shown to no other's hosts.
    private static KeyPairConfig? Certificate(TableReader table, string? to, List<RouteConfig> all, ConfigReader owner)
    {
        string? certificate = owner.PathOf(table, "client_certificate", "/etc/fastrelay/client.crt");
        string? key = owner.PathOf(table, "client_key", "/etc/fastrelay/client.key");
        string named = table.Node("client_certificate") is null ? "client_key" : "client_certificate";
        if (table.Node(named) is not { } node)
        {
            return null;
        }
        if (certificate is null || key is null)
        {
            if (table.Node("client_certificate") is null || table.Node("client_key") is null)
            {
                table.Error(node, named, $"needs {(certificate is null ? "client_certificate" : "client_key")}: a certificate and its key belong together");
            }
            return null;
        }
        if (to?.StartsWith("smtp:", StringComparison.Ordinal) == false && to != "mx:")
        {
            table.Error(node, named, $"is for hosts, \"smtp:host\" or \"mx:\", not for \"{to}\"");
        }
        if (all.Find(r => r.Certificate is { } earlier && earlier.Certificate == certificate && earlier.Key != key) is { } other)
        {
            table.Error(table.Node("client_key")!, "client_key", $"is not that of the route for \"{other.Domain}\", which has the same certificate");
        }
        return new KeyPairConfig(certificate, key);
    }

    // A password is for one host: without a word about TLS that host has to prove who it is. So it is with a certificate of
    // ours: who asks for one has to be the host that is meant, and a handshake that fails must not end in clear text without it.
    private static DeliverTls Tls(TableReader table, DeliverTls usual, bool login, bool certificate)
    {
        int choice = table.Choice("tls", "none", "opportunistic", "required", "verified", "implicit");
        if (choice < 0)
        {
            return login || certificate ? DeliverTls.Verified : usual;
        }
        if ((login || certificate) && (DeliverTls)choice is DeliverTls.None or DeliverTls.Opportunistic)
        {
            table.Error(table.Node("tls")!, "tls", "must be \"verified\", \"implicit\" or \"required\" where there is a "
                + (login ? "user: a password is sent only inside TLS" : "client_certificate: it is shown only inside TLS, and without it mail must not go"));
        }
        return (DeliverTls)choice;
    }

    private static string? Judge(string to, TargetCheck check)
    {
        foreach (string later in (ReadOnlySpan<string>)["lmtp:", "maildir:", "mbox:", "pipe:"])
        {
            if (to.StartsWith(later, StringComparison.Ordinal))
            {
                return $"\"{later}\" is not available yet in this release";
            }
        }
        return check(to);
    }

    /// <summary>Labels of 1 to 63 letters, digits, hyphens and underscores, 253 characters in all; lower case.</summary>
    public static bool IsHostName(string name) =>
        name.Length is > 0 and <= 253 && name.Split('.').All(label =>
            label.Length is > 0 and <= 63 && !label.StartsWith('-') && !label.EndsWith('-')
            && label.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_'));
}
