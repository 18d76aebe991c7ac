using FastRelay.Host;
using FastRelay.Host.Admin;
using FastRelay.Observe;

namespace FastRelay.Tests.Host;

/// <summary>A desk with three messages that remembers what it was asked.</summary>
internal class ScriptedDesk : AdminDesk
{
    public static readonly QueueItem[] Items =
    [
        Item("0000000000001", "a@sender.test", "deferred", "one.test", "451 4.2.1 mailbox busy"),
        Item("0000000000002", "", "ready", "two.test", null),
        Item("0000000000003", "c@sender.test", "held", "two.test", "line one\r\nline \u001b[31m two"),
    ];

    public List<string> Asked { get; } = [];

    public List<string> Cursors { get; } = [];

    /// <summary>Of each change so many messages were so before.</summary>
    public long? Already { get; set; }

    /// <summary>Parts in which a change is done.</summary>
    public int Parts { get; set; } = 1;

    private long _taken;

    public override Task<QueuePage> ListAsync(QueueQuery query, int max, int from, int slots)
    {
        Asked.Add($"list {query} {max} {from}{(slots == int.MaxValue ? "" : $" {slots}")}");
        QueueItem[] all = [.. Items.Where(i => Matches(i, query))];
        int end = Math.Min(all.Length, from + Math.Min(max, 2));
        return Task.FromResult(new QueuePage(all[Math.Min(from, all.Length)..end], end < all.Length ? end : null));
    }

    public override Task<long> CountAsync(QueueQuery query) => Task.FromResult((long)Items.Count(i => Matches(i, query)));

    public override Task<QueueItem?> ShowAsync(string id) => id.Length == 13
        ? Task.FromResult(Items.FirstOrDefault(i => i.Id == id))
        : throw new AdminException($"\"{id}\" is no id");

    public override Task<ExplainView?> ExplainAsync(string target)
    {
        Asked.Add("explain " + target);
        if (target.StartsWith("defect ", StringComparison.Ordinal))
        {
            throw new InvalidOperationException(target);
        }
        QueueItem? item = Items.FirstOrDefault(i => i.Id == target);
        return Task.FromResult(target == "nothing here" ? null : new ExplainView(target, item, [ExplainCommandTests.Way]));
    }

    public override Task<QueueChange> ChangeAsync(QueueAction action, QueueSelection selection)
    {
        string more = (selection.Filter?.OlderSeconds is { } older ? $" older={older}" : "") + (selection.Text is { } text ? $" text={text}" : "") + (selection.To is { } to ? $" to={to}" : "");
        Asked.Add($"{action} ids={string.Join('+', selection.Ids ?? [])} domain={selection.Filter?.Domain} all={selection.All}{more}");
        Cursors.Add($"{selection.From} {selection.Slots}");
        if (Parts > 1)
        {
            return Task.FromResult(new QueueChange(1, []) { Next = --Parts == 0 ? null : selection.From + 100, End = 300 });
        }
        string[] ids = [.. selection.Ids ?? []];
        string[] missing = [.. ids.Where(id => Items.All(i => i.Id != id))];
        return Task.FromResult(new QueueChange(selection.All ? Items.Length : Math.Max(1, ids.Length - missing.Length), missing) { Already = Already });
    }

    public override Task<SiteSuspensions> SuspendAsync(SiteSuspension wanted, bool suspend)
    {
        Asked.Add($"{(suspend ? "suspend" : "resume")} {wanted.Site} {wanted.ForSeconds}");
        return wanted.Site == "wrong" ? throw new AdminException("\"wrong\" is not suspended") : wanted.Site != "typo.test" ? SuspensionsAsync() : Task.FromResult(new SiteSuspensions([new SiteSuspension("typo.test") { Sites = 0 }]));
    }

    public override Task<SiteSuspensions> SuspensionsAsync() => Task.FromResult(new SiteSuspensions(
        [new SiteSuspension("one.test"), new SiteSuspension("two.test", null, new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero))]));

    /// <summary>From arrival to delivery.</summary>
    public DelayHistogram Delays { get; } = new();

    public override Task<bool> ReadyAsync() => Task.FromResult(true);

    public override Task<RelayReading> FiguresAsync() => Task.FromResult(new RelayReading(
        [.. Figure.All.Select(f => f.Name switch
        {
            "ready" => 1,
            "accepted_total" => 42L,
            "log_lines_dropped_total" => 7L,
            "loop_longest_turn_seconds" => 1_250L,
            _ => 0L,
        })],
        Delays.Read(),
        new OldestView(Items[0].Id, Items[0].Arrived, 12.5)));

    public override IReadOnlyList<CertificateTerm> Certificates() => [new("tls.certificate", "/etc/relay.crt", DateTime.UnixEpoch, DateTime.UnixEpoch.AddSeconds(1_000))];

    public override Task<IReadOnlyList<SourceView>> SourcesAsync() => Task.FromResult<IReadOnlyList<SourceView>>(
        [new SourceView("out1", 5, 2, 1) { Addresses = ["192.0.2.7"], Sessions = 3, Queued = 9, Suspended = true }]);

    public override Task<IReadOnlyList<TenantView>> TenantsAsync(int max) => Task.FromResult<IReadOnlyList<TenantView>>(
        [new TenantView("acme", 12, 2, 3, 40, false, null), new TenantView("", 4, 0, 1, null, false, null)]);

    public override Task<IReadOnlyList<ExplainSite>> SitesAsync(int max) => Task.FromResult<IReadOnlyList<ExplainSite>>(
        [new ExplainSite("<script>alert(1)</script>", "one.example", "backoff", "421 4.7.0 slow down", 30, 2, 5, 1, 1) { Limit = 4, Sites = 12, Deferred = 70, ReadyHigh = 2, ReadyLow = 1, Taken = _taken += 10 }]);

    public override Task<ReloadView> ReloadAsync()
    {
        Asked.Add("reload");
        return Task.FromResult(Reloaded ?? throw new AdminException("relay.toml:3: limits.hops: must be 1 to 1000\nrelay.toml:7: sync: \"x\" is none of group, none"));
    }

    /// <summary>What a reload comes to; null: the file is wrong.</summary>
    public ReloadView? Reloaded { get; set; }

    public override async IAsyncEnumerable<ReadOnlyMemory<byte>> TraceAsync(TraceQuery query, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken until)
    {
        Asked.Add($"trace {query.Peer} {query.Domain} {query.Id}");
        query.Filter();
        await Task.Yield();
        yield return ReadOnlyMemory<byte>.Empty;
        yield return "{\"ts\":\"2026-01-02T03:04:05Z\",\"way\":\"out\",\"session\":7,\"peer\":\"192.0.2.1:25\",\"host\":\"mx.test\",\"from\":\"server\",\"text\":\"250 \\u001b[31m\"}\n"u8.ToArray();
        yield return "{\"lost\":12}\n"u8.ToArray();
        if (query.Domain == "defect.test")
        {
            throw new InvalidOperationException("in the middle");
        }
        if (query.Domain == "endless.test")
        {
            await Task.Delay(Timeout.Infinite, until);
        }
    }

    /// <summary>What could not be answered: path, a space, the exception.</summary>
    public List<string> Failures { get; } = [];

    public override void Failed(string path, string problem) => Failures.Add($"{path} {problem}");

    /// <summary>What was done, by whom and about what.</summary>
    public List<string> Acts { get; } = [];

    public override void Acted(OperatorAct act) => Acts.Add($"{act.Act} {act.By} {(act.Peer is null ? "" : "peer ")}{act.Target} {act.Count}{act.Error}");

    /// <summary>What was asked for with a wrong token.</summary>
    public List<string> WrongTokens { get; } = [];

    public override void WrongToken(string peer, string path) => WrongTokens.Add($"{System.Net.IPEndPoint.Parse(peer).Address} {path}");

    /// <summary>Times that all places were taken.</summary>
    public int TimesCrowded => _timesCrowded;

    private int _timesCrowded;

    public override void Crowded(string peer) => Interlocked.Increment(ref _timesCrowded);

    public override string Config() => "hostname = \"relay.test\"\n\n[limits]\nhops = 100\n";

    public override StatusView Status() => new() { Version = "1.2.3", Sync = "group", HostName = "relay.test", Config = ConfigPath };

    /// <summary>The file that the relay says it reads.</summary>
    public string? ConfigPath { get; set; }

    private static bool Matches(QueueItem item, QueueQuery query) =>
        (query.Sender is null || query.Sender == item.Sender)
        && (query.Id is null || query.Id == item.Id)
        && (query.State is null || item.Destinations[0].State == query.State)
        && (query.Domain is null || item.Destinations[0].Destination == query.Domain);

    private static QueueItem Item(string id, string sender, string state, string domain, string? reason) => new(
        id,
        sender,
        new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero),
        1536,
        [new QueueDestination(domain, $"mx.{domain}", state, 2, null, new DateTimeOffset(2026, 1, 7, 3, 4, 5, TimeSpan.Zero), reason, [$"r@{domain}"], 1)]);
}

/// <summary>The admin's HTTP over a <see cref="ScriptedDesk"/>, on a port of the system's choice, with a configuration that names it.</summary>
internal sealed class ScriptedAdmin : IAsyncDisposable
{
    private readonly AdminServer _server;

    private ScriptedAdmin(ScriptedDesk desk, AdminServer server, string folder)
    {
        Desk = desk;
        _server = server;
        ConfigFile = Path.Combine(folder, "fastrelay.toml");
        File.WriteAllText(ConfigFile, $"[admin]\nhttp = \"{server.EndPoint}\"\nsocket = \"{server.SocketPath}\"\n");
    }

    public ScriptedDesk Desk { get; }

    public AdminServer Server => _server;

    public string ConfigFile { get; }

    public int Port => _server.EndPoint!.Port;

    public string SocketPath => Path.Combine(Path.GetDirectoryName(ConfigFile)!, "admin.sock");

    public static async Task<ScriptedAdmin> StartAsync(string? token = null, bool socket = true)
    {
        var desk = new ScriptedDesk();
        string folder = Directory.CreateTempSubdirectory("fastrelay-").FullName;
        var server = new AdminServer(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0), socket ? Path.Combine(folder, "admin.sock") : null, "relay.test", desk, token);
        Assert.Empty(await server.StartAsync());
        return new ScriptedAdmin(desk, server, folder);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.StopAsync();
        _server.Dispose();
        Directory.Delete(Path.GetDirectoryName(ConfigFile)!, recursive: true);
    }
}
