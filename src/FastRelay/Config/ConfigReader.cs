using System.Net;
using System.Text;

namespace FastRelay.Config;

/// <summary>Judges a route's <c>to</c>: null when it is right, else what is wrong with it. What a next hop means is Routing's.</summary>
public delegate string? TargetCheck(string to);

/// <summary>Judges an address that mail is to leave from: null when connections can be made from it, else what is wrong with it. Which addresses a machine has is the host's to say.</summary>
public delegate string? SourceCheck(IPAddress address);

/// <summary>
/// Reads a configuration from text into a <see cref="RelayConfig"/>. It collects every error, each with its line, and
/// touches no file: whether paths can be read is the host's to say.
/// </summary>
public sealed class ConfigReader
{
    private readonly ConfigFileSet _files;
    private readonly string _folder;
    private readonly SourceCheck? _checkSource;
    private KeyRecorder? _recorder;
    private readonly List<ConfigError> _errors = [];
    private readonly List<ConfigError> _warnings = [];
    private readonly Dictionary<(string Key, string Value), string> _places = [];

    private ConfigReader(string folder, TargetCheck checkTarget, IncludeFinder? include, SourceCheck? checkSource = null)
    {
        _folder = folder;
        CheckTarget = checkTarget;
        _checkSource = checkSource;
        _files = new ConfigFileSet(include, _errors);
    }

    /// <summary>Reads a document.</summary>
    /// <param name="text">TOML.</param>
    /// <param name="file">Its name, for errors.</param>
    /// <param name="folder">Absolute: where relative paths begin, in it and in what it includes.</param>
    /// <param name="systemName">The system's host name, for a document that names none.</param>
    /// <param name="checkTarget">Judges the targets of routes.</param>
    /// <param name="include">Finds what it includes; null where nothing can be.</param>
    /// <param name="checkSource">Judges the addresses that mail leaves from: what it says is a warning, since an address may come later. Null takes any.</param>
    public static ConfigResult Read(string text, string file, string folder, string systemName, TargetCheck checkTarget, IncludeFinder? include = null, SourceCheck? checkSource = null)
    {
        var reader = new ConfigReader(folder, checkTarget, include, checkSource);
        ConfigNode root = reader._files.Read(text, file, Path.GetFullPath(Path.GetFileName(file), folder));
        RelayConfig? config = reader._errors.Count == 0 ? reader.Root(root, RelayConfig.Default(systemName, folder)) with { Places = reader._places } : null;
        List<ConfigError> errors = [.. reader._errors.OrderBy(e => reader._files.OrderOf(e.File)).ThenBy(e => e.Line)];
        return new ConfigResult(errors.Count == 0 ? config : null, errors, reader._warnings);
    }

    /// <summary>Reads nothing, and notes every key that would be looked for.</summary>
    internal static KeyRecorder Record()
    {
        var reader = new ConfigReader("/", static _ => null, null) { _recorder = new KeyRecorder() };
        reader.Root(reader._files.Read("", "", "/"), RelayConfig.Default("relay.example.net", "/"));
        return reader._recorder;
    }

    /// <summary>Judges the targets of routes.</summary>
    internal TargetCheck CheckTarget { get; }

    internal void Error(int line, string key, string message) => _errors.Add(Place(line, key, message));

    internal void Warn(int line, string key, string message) => _warnings.Add(Place(line, key, message));

    /// <summary>Warns of an address that no connection can be made from.</summary>
    internal void DoubtSource(int line, string key, IPAddress address)
    {
        if (_checkSource?.Invoke(address) is { } wrong)
        {
            Warn(line, key, $"{address} {wrong}");
        }
    }

    private ConfigError Place(int line, string key, string message)
    {
        (string file, int at) = _files.PlaceOf(line);
        return new ConfigError(file, at, key, message);
    }

    private RelayConfig Root(ConfigNode node, RelayConfig config)
    {
        var root = new TableReader(node, "", Error, _recorder);
        // Read before, with the files themselves.
        root.List("include", "[\"conf.d/*.toml\"]");
        config = HostName(root, config);
        if (root.Text("spool", "/var/lib/fastrelay") is { } spool)
        {
            config = config with { Spool = Keep(root, "spool", Path.GetFullPath(spool, _folder)) };
        }
        if (root.Choice("sync", "group", "none") == 1)
        {
            config = config with { Sync = SyncKind.None };
            Warn(root.Node("sync")!.Line, "sync", "\"none\" is for comparisons: a crash of the machine loses mail that was answered 250");
        }
        // TLS and users first: what a listener offers depends on them.
        config = config with { Tls = Tls(root.Table("tls")) };
        var listen = new ListenReader(this);
        config = listen.Auth(root.Table("auth"), config);
        config = config with { Listen = listen.Listen(root, config) };
        config = listen.RelayFor(root, config);
        config = Limits(root.Table("limits"), config);
        // Events first: whether failures can be told by them depends on it.
        config = Events(root.Table("events"), config);
        config = Dns(root.Table("dns"), config);
        config = Queue(root.Table("queue"), config);
        // Sources first: routes, tenants and delivery name them.
        config = SourceReader.Read(root, config, this);
        config = Deliver(root.Table("deliver"), config);
        config = config with { Tenants = TenantReader.Read(root, config, this) };
        config = config with { Routes = RouteReader.Read(root, config, this) };
        config = config with { Providers = ProviderReader.Read(root, this), Sites = SiteReader.Read(root, this), ReplyRules = ReplyRuleReader.Read(root, Error) };
        config = Admin(root.Table("admin"), config);
        root.Later("submission");
        root.Finish();
        return config;
    }

    private static RelayConfig HostName(TableReader root, RelayConfig config)
    {
        string? name = root.Text("hostname", "relay.example.net");
        if (name is null)
        {
            return config;
        }
        string lower = name.ToLowerInvariant();
        if (!RouteReader.IsHostName(lower))
        {
            root.Error(root.Node("hostname")!, "hostname", $"\"{name}\" is no host name: labels of letters, digits and hyphens with dots between, as in \"relay.example.net\"");
        }
        return config with { HostName = lower };
    }

    private TlsConfig Tls(TableReader tls)
    {
        string? certificate = PathOf(tls, "certificate", "relay.crt");
        string? key = PathOf(tls, "key", "relay.key");
        if ((certificate is null) != (key is null))
        {
            string missing = certificate is null ? "certificate" : "key";
            Error(tls.Line, tls.Key(missing), "is missing: a certificate and its key belong together");
        }
        string? authorities = PathOf(tls, "ca", "/etc/ssl/certs/ca-certificates.crt");
        var more = new List<KeyPairConfig>();
        foreach (TableReader table in tls.Tables("also") ?? [])
        {
            string? another = PathOf(table, "certificate", "other.crt");
            string? its = PathOf(table, "key", "other.key");
            table.Finish();
            if (another is not null && its is not null)
            {
                more.Add(new KeyPairConfig(another, its));
            }
            else if (table.Node("certificate") is null || table.Node("key") is null)
            {
                Error(table.Line, table.Key(another is null ? "certificate" : "key"), "is missing: a certificate and its key belong together");
            }
            if (certificate is null)
            {
                Error(table.Line, table.Key("certificate"), "is for clients that ask for one of its names; the others need certificate and key in [tls]");
            }
        }
        tls.Finish();
        return new TlsConfig { Certificate = certificate, Key = key, Authorities = authorities, More = more };
    }

    /// <summary>A path, resolved; null when the key is absent or wrong.</summary>
    internal string? PathOf(TableReader table, string key, string example) =>
        table.Text(key, example, "path") is { } path ? Keep(table, key, Path.GetFullPath(path, _folder)) : null;

    /// <summary>Remembers where a key stands that names a file: what is wrong with the file is told there.</summary>
    internal string Keep(TableReader table, string key, string value)
    {
        if (table.Node(key) is { } node)
        {
            (string file, int line) = _files.PlaceOf(node.Line);
            _places[(table.Key(key), value)] = $"{file}:{line}";
        }
        return value;
    }

    /// <summary>An address with a port; null when the key is absent, which is an error, or wrong.</summary>
    internal IPEndPoint? EndPoint(TableReader table, string key, string example, int defaultPort)
    {
        string? text = table.Text(key, example, "address");
        if (text is null)
        {
            if (table.Node(key) is null)
            {
                Error(table.Line, table.Key(key), $"is missing, as in {key} = \"{example}\"");
            }
            return null;
        }
        if (!ConfigText.TryParseEndPoint(text, defaultPort, out IPEndPoint? endPoint))
        {
            table.Error(table.Node(key)!, key, $"\"{text}\" is no address with a port: write \"{example}\", or \"[::]:25\" for IPv6");
        }
        return endPoint;
    }

    private RelayConfig Limits(TableReader table, RelayConfig config)
    {
        Limits limits = config.Limits;
        var set = new HashSet<string>();
        foreach (LimitRow row in LimitTable.Rows)
        {
            long? value = row.Unit switch
            {
                LimitUnit.Bytes => table.Size(row.Key, row.Min, row.Max),
                LimitUnit.Milliseconds => table.Duration(row.Key, row.Min, row.Max),
                LimitUnit.Seconds => table.Duration(row.Key, row.Min * 1000, row.Max * 1000) / 1000,
                _ => table.Integer(row.Key, row.Min, row.Max),
            };
            if (value is { } known)
            {
                limits = row.Set(limits, known);
                set.Add(row.Key);
            }
        }
        table.Finish();
        if (limits.DnsTtlFloorSeconds > limits.DnsTtlCapSeconds)
        {
            Error(table.Line, table.Key("dns_ttl_floor"), "must not be above dns_ttl_cap");
        }
        return config with { Limits = limits, LimitsSet = set };
    }

    /// <summary>A limit that also has a name in its own section; it may stand in one of the two places.</summary>
    private static RelayConfig SameLimit(TableReader table, string key, string limit, RelayConfig config)
    {
        LimitRow row = LimitTable.Find(limit)!;
        if (table.Duration(key, row.Min, row.Max) is not { } value)
        {
            return config;
        }
        if (config.LimitsSet.Contains(limit))
        {
            table.Error(table.Node(key)!, key, $"is the same as limits.{limit}, which is set too: keep one of them");
        }
        return config with { Limits = row.Set(config.Limits, value), LimitsSet = new HashSet<string>(config.LimitsSet) { limit } };
    }

    private RelayConfig Dns(TableReader table, RelayConfig config)
    {
        var servers = new List<IPEndPoint>();
        foreach (ConfigNode item in table.List("servers", "[\"127.0.0.1:53\"]") ?? [])
        {
            if (item.Kind == NodeKind.Text && ConfigText.TryParseEndPoint(item.Text, 53, out IPEndPoint? server) && server!.Port > 0)
            {
                servers.Add(server);
            }
            else
            {
                Error(item.Line, table.Key("servers"), $"{item.Describe()} is no address of a name server: write \"127.0.0.1\", \"127.0.0.1:5353\" or \"[::1]:53\"");
            }
        }
        config = SameLimit(table, "timeout", "dns_timeout", config);
        table.Finish();
        return config with { DnsServers = servers };
    }

    private RelayConfig Queue(TableReader table, RelayConfig config)
    {
        const long day = 86_400_000;
        const string example = "[\"5m\", \"10m\", \"1h\"]";
        if (table.List("retry", example) is { } items)
        {
            var waits = new List<long>();
            foreach (ConfigNode item in items)
            {
                waits.Add(table.Duration(item, "retry", 100, 7 * day) ?? 0);
            }
            if (waits.Count == 0)
            {
                table.Error(table.Node("retry")!, "retry", $"needs at least one wait, as in {example}");
            }
            config = config with { RetryMs = waits };
        }
        config = config with { ExpireMs = table.Duration("expire", 1_000, 365 * day) ?? config.ExpireMs, WarnMs = table.Duration("warn", 0, 365 * day) ?? config.WarnMs };
        DoubtTimes(table, config);
        config = config with { Bounce = TenantReader.Bounce(table, config, this) ?? config.Bounce };
        config = TenantReader.Headers(table, config);
        table.Finish();
        return config;
    }

    // A time of two that were meant for each other may be the wrong one, so both are named.
    private void DoubtTimes(TableReader table, RelayConfig config)
    {
        string expire = ConfigText.FormatDuration(config.ExpireMs);
        string key = table.Node("expire") is null ? "retry" : "expire";
        if (table.Node(key) is { } times && config.RetryMs.Count > 0 && config.RetryMs[0] >= config.ExpireMs)
        {
            Warn(times.Line, table.Key(key), $"expire, \"{expire}\", is over before the first wait of retry, \"{ConfigText.FormatDuration(config.RetryMs[0])}\": mail that is put off once is not tried again");
        }
        if (table.Node("warn") is { } warn && config.WarnMs >= config.ExpireMs)
        {
            Warn(warn.Line, table.Key("warn"), $"\"{ConfigText.FormatDuration(config.WarnMs)}\" is not before expire, \"{expire}\": nobody is told of a delay");
        }
    }

    private RelayConfig Deliver(TableReader table, RelayConfig config)
    {
        DeliverConfig deliver = config.Deliver;
        deliver = deliver with
        {
            Port = (int)(table.Integer("port", 1, 65535) ?? deliver.Port),
            AllowPrivate = table.Boolean("allow_private") ?? deliver.AllowPrivate,
            Families = (DeliverFamilies)Math.Max(0, table.Choice("families", EffectiveConfig.Families)),
            ProviderRules = table.Boolean("provider_rules") ?? deliver.ProviderRules,
            Tls = TlsOf(table, deliver.Tls),
            EightBit = RouteReader.EightBit(table) ?? deliver.EightBit,
        };
        if (table.Text("source", "192.0.2.1") is { } text)
        {
            if (ConfigText.TryParseAddress(text, out IPAddress? source))
            {
                deliver = deliver with { Source = source };
                DoubtSource(table.Node("source")!.Line, table.Key("source"), source!);
            }
            else if (SourceReader.Knows(config, text))
            {
                deliver = deliver with { SourceName = text };
            }
            else
            {
                table.Error(table.Node("source")!, "source", $"\"{text}\" is no address and no [[source]] or [[pool]]: write \"192.0.2.1\" or \"2001:db8::1\", or its name");
            }
        }
        config = SameLimit(table, "connect_timeout", "connect_timeout", config);
        table.Finish();
        return config with { Deliver = deliver };
    }

    internal static DeliverTls TlsOf(TableReader table, DeliverTls usual)
    {
        int choice = table.Choice("tls", "none", "opportunistic", "required", "verified");
        return choice < 0 ? usual : (DeliverTls)choice;
    }

    private RelayConfig Events(TableReader table, RelayConfig config)
    {
        string? file = table.Text("file", "/var/log/fastrelay/events.ndjson");
        const long day = 86_400_000;
        long? age = table.Duration("max_age", 1_000, 30 * day);
        table.Finish();
        config = config with { EventsAgeMs = age ?? config.EventsAgeMs };
        return config with { EventsFile = string.IsNullOrEmpty(file) ? null : file == "-" ? file : Keep(table, "file", Path.GetFullPath(file, _folder)) };
    }

    private RelayConfig Admin(TableReader table, RelayConfig config)
    {
        string? text = table.Text("http", "127.0.0.1:2580");
        if (text == "")
        {
            config = config with { AdminHttp = null };
        }
        else if (text is not null)
        {
            config = config with { AdminHttp = EndPoint(table, "http", "127.0.0.1:2580", -1) };
        }
        config = config with { AdminTokenFile = SecretPlace.Read(table, "token", PathOf(table, "token_file", "admin.token"), this) };
        if (config is { AdminHttp: { } http, AdminTokenFile: null } && !IPAddress.IsLoopback(http.Address))
        {
            table.Error(table.Node("http")!, "http", $"{http} is reached from elsewhere, and whoever reaches it could read and empty the queue: name a token_file, or listen on a loopback address");
        }
        Apart(table, config);
        string? socket = table.Text("socket", "/run/fastrelay/admin.sock");
        config = config with { AdminSocket = socket is null ? RelayConfig.UsualSocket(config.Spool) : socket.Length == 0 ? null : Path.GetFullPath(socket, _folder) };
        if (config.AdminSocket is { } path && Encoding.UTF8.GetByteCount(path) > RelayConfig.SocketPathMax)
        {
            table.Error(table.Node("socket")!, "socket", $"{path} is longer than the {RelayConfig.SocketPathMax} octets that a socket's path may have");
        }
        table.Finish();
        return config;
    }

    // Mail would go on without its admin, and nobody would find out before he needs it.
    private void Apart(TableReader table, RelayConfig config)
    {
        // A socket on every IPv6 address takes the IPv4 ones too.
        bool Takes(IPEndPoint http, IPEndPoint listener) => ListenReader.Overlap(http, listener) || (http.Port == listener.Port && http.Port != 0 && http.Address.Equals(IPAddress.IPv6Any));

        if (config.AdminHttp is { } http && config.Listen.FirstOrDefault(listen => Takes(http, listen.Address)) is { } listener)
        {
            Error(table.Node("http")?.Line ?? table.Line, table.Key("http"), $"{http} is taken by the listener on {listener.Address}: SMTP and the admin need a port each");
        }
    }
}
