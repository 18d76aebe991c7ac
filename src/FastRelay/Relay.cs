using System.Security.Cryptography.X509Certificates;
using System.Text;
using FastRelay.Bounce;
using FastRelay.Config;
using FastRelay.Deliver;
using FastRelay.Journal;
using FastRelay.Observe;
using FastRelay.Outside;
using FastRelay.Queue;
using FastRelay.Receive;
using FastRelay.Routing;

namespace FastRelay;

/// <summary>What <see cref="Relay.Start"/> came to.</summary>
/// <param name="Relay">The running relay; null when it could not start.</param>
/// <param name="Error">For people: what is wrong and where; empty when it started.</param>
public readonly record struct RelayStartResult(Relay? Relay, string Error);

/// <summary>
/// READ FIRST. Builds the stages in the order in which a message meets them, recovers the journal, opens the doors, and
/// later drains and stops. Everything here runs on the world's loop, before it turns or on it.
/// </summary>
public sealed class Relay : LoopItem
{
    /// <summary>At the stop, for the last events to be written.</summary>
    private const long EventsTimeoutMs = 1_000;

    private bool _stopping;

    private Relay(World world, RelayConfig config)
    {
        World = world;
        Config = config;
        Log = new Log(world.Output, world.Time);
    }

    /// <summary>The doors to the outside.</summary>
    public World World { get; }

    /// <summary>The configuration in force.</summary>
    public RelayConfig Config { get; private set; }

    /// <summary>The log.</summary>
    public Log Log { get; }

    /// <summary>Counts since the start.</summary>
    public Counters Counters { get; } = new();

    /// <summary>Stage 8: where.</summary>
    public Router Router { get; private set; } = null!;

    /// <summary>Stages 7, 9 and 14: when.</summary>
    public MessageQueue Queue { get; private set; } = null!;

    /// <summary>Stages 4, 5 and 13: durable.</summary>
    public MessageJournal Journal { get; private set; } = null!;

    /// <summary>Stages 10 to 12: us to the next hop.</summary>
    public Deliverer Deliverer { get; private set; } = null!;

    /// <summary>Stage 15: when it failed.</summary>
    public Bouncer Bouncer { get; private set; } = null!;

    /// <summary>Stages 1 to 3 and 6: client to us.</summary>
    public Receiver Receiver { get; private set; } = null!;

    /// <summary>What recovery found in the spool.</summary>
    public RecoveryReport Recovery { get; private set; } = null!;

    /// <summary>How long it took to read, ms: the larger part of a start with much mail.</summary>
    public long RecoveryMs { get; private set; }

    /// <summary>Builds and starts a relay on a world whose loop does not turn yet.</summary>
    /// <param name="world">The doors.</param>
    /// <param name="config">Checked configuration.</param>
    /// <param name="serverTls">The listeners' certificate; STARTTLS is offered when given.</param>
    /// <param name="authorities">Trusted certificate authorities for verified delivery; null for the system's.</param>
    /// <param name="users">Who may authenticate; null when nobody may.</param>
    /// <param name="credentials">Reads the password of a route that has a user.</param>
    /// <param name="certificates">Who we are to hosts that ask, by the file that a route names.</param>
    /// <param name="events">Opens the event stream, once the spool is ours; null for none.</param>
    public static RelayStartResult Start(
        World world,
        RelayConfig config,
        ServerTls? serverTls = null,
        X509Certificate2Collection? authorities = null,
        UserTable? users = null,
        Func<RouteConfig, Credentials?>? credentials = null,
        IReadOnlyDictionary<string, ClientCertificate>? certificates = null,
        Func<Relay, EventStream>? events = null)
    {
        var relay = new Relay(world, config);
        string error = Routes(config, credentials, certificates, null, out RouteTable? routes) ?? relay.Build(routes!, serverTls, authorities, users, events);
        return new RelayStartResult(error.Length == 0 ? relay : null, error);
    }

    /// <summary>Told on the loop that the doors are closed: whatever else holds a stop up begins to end. Must not wait.</summary>
    public Action? DoorsClosed { get; set; }

    /// <summary>Begins to stop, from any thread: what hosts owe is waited for, then the doors are closed, and the loop ends.</summary>
    public void Stop() => World.Loop.Post(this);

    /// <summary>Puts other certificates and users in force, from any thread: new handshakes and sessions use them, those under way go on.</summary>
    /// <param name="config">That named their files. When another one is in force by then, they are dropped: its own were read with it.</param>
    /// <param name="serverTls">The listeners' certificate; null changes nothing of that, as with the others.</param>
    /// <param name="users">Who may authenticate.</param>
    /// <param name="certificates">Who we are to hosts that ask, by file.</param>
    public void Renew(RelayConfig config, ServerTls? serverTls, UserTable? users, IReadOnlyDictionary<string, ClientCertificate>? certificates = null) =>
        World.Loop.Post(new Renewal(this, config, serverTls, users, certificates));

    /// <summary>
    /// Puts another configuration in force, all of it or nothing, between two items of the loop: what begins from now on goes
    /// by it, sessions and transactions under way keep what they began with, and what is queued is brought under it in slices. Loop thread.
    /// </summary>
    /// <param name="config">Checked; differs from <see cref="Config"/> in nothing that <see cref="ConfigReload"/> calls fixed.</param>
    /// <param name="routes">What <see cref="Routes"/> made of it.</param>
    /// <param name="serverTls">The listeners' certificate.</param>
    /// <param name="authorities">As for <see cref="Start"/>.</param>
    /// <param name="users">Who may authenticate.</param>
    /// <returns>When all of it is in force: entries of the queue whose route is not in the table any more, who keep it; -1 when the relay stops, and nothing was changed.</returns>
    public async ValueTask<long> ReloadAsync(RelayConfig config, RouteTable routes, ServerTls? serverTls, X509Certificate2Collection? authorities, UserTable? users)
    {
        World.Loop.CheckThread();
        if (_stopping)
        {
            return -1;
        }
        Config = config;
        bool plansHold = Router.Change(RoutingOf(config, routes), config.Limits);
        Journal.Change(config.Limits);
        Deliverer.Change(DeliveryOf(config, authorities), config.Limits);
        Bouncer.Change(BouncesOf(config));
        Receiver.Options = ReceivingOf(config);
        Receiver.Tls = serverTls;
        Receiver.Users = users;
        long routesKept = await Queue.ChangeAsync(QueueOf(config), config.Limits, plansHold);
        if (_stopping)
        {
            return -1;
        }
        Log.Line("reloaded"u8).Add("users"u8, users?.Count ?? 0).Add("routes_kept"u8, routesKept).Write();
        return routesKept;
    }

    /// <summary>On the loop, after <see cref="Stop"/>.</summary>
    protected override void Run()
    {
        if (!_stopping)
        {
            _stopping = true;
            _ = DrainAsync();
        }
    }

    private string Build(RouteTable routes, ServerTls? serverTls, X509Certificate2Collection? authorities, UserTable? users, Func<Relay, EventStream>? events)
    {
        Limits limits = Config.Limits;
        Router = new Router(World, limits, RoutingOf(Config, routes), Log);
        Queue = new MessageQueue(World, Router, QueueOf(Config), limits, Log, Counters);

        SyncMode sync = Config.Sync == SyncKind.Group ? SyncMode.Group : SyncMode.None;
        long began = World.Time.GetTimestamp();
        // Every start is a recovery: the journal replays what is live into the queue.
        var options = new JournalOptions { Path = Config.Spool, Sync = sync, Limits = limits, Events = events is null ? null : () => Log.Events = events(this) };
        JournalOpenResult opened = MessageJournal.Open(World, options, Queue);
        if (opened.Journal is null)
        {
            return opened.Error;
        }
        Journal = opened.Journal;
        Recovery = opened.Report;
        RecoveryMs = (long)World.Time.GetElapsedTime(began).TotalMilliseconds;
        // Under the spool's lock, like the journal.
        if (Queue.RecallSuspensions() is { Length: > 0 } unread)
        {
            return unread;
        }
        Queue.Attach(Journal);

        Deliverer = new Deliverer(World, Queue, Journal, limits, DeliveryOf(Config, authorities), Log, Counters);
        Bouncer = new Bouncer(World, Journal, Queue, BouncesOf(Config), Log, Counters);
        Queue.Dispatcher = Deliverer;
        Queue.Bounces = Bouncer;

        if (Journal.Stats.Messages > 0)
        {
            // What a start leaves on the heap is gone through once, while nobody waits, and not when an operator's first wish allocates (0036).
            GC.Collect();
        }
        Receiver = new Receiver(World, Journal, Queue, ReceivingOf(Config), Log, Counters) { Tls = serverTls, Users = users };
        foreach (ListenConfig listen in Config.Listen)
        {
            if (Receiver.Listen(listen) is { } wrong)
            {
                return wrong;
            }
        }
        Log.Line("start"u8)
            .Add("hostname"u8, Config.HostName)
            .Add("spool"u8, Config.Spool)
            .Add("sync"u8, Config.Sync == SyncKind.Group ? "group"u8 : "none"u8)
            .Add("queued"u8, Journal.Stats.Messages)
            .AddSeconds("recovery"u8, RecoveryMs)
            .Write();
        return "";
    }

    /// <summary>The route table of a configuration. Any thread: thousands of rows take some ms, which the loop has not.</summary>
    /// <param name="config">Checked.</param>
    /// <param name="credentials">As for <see cref="Start"/>.</param>
    /// <param name="certificates">As for <see cref="Start"/>.</param>
    /// <param name="before">The one in force, which stays when the other would send everything the same way; null for none.</param>
    /// <param name="table">The table; null when something is wrong.</param>
    /// <returns>Null, or what is wrong.</returns>
    public static string? Routes(
        RelayConfig config,
        Func<RouteConfig, Credentials?>? credentials,
        IReadOnlyDictionary<string, ClientCertificate>? certificates,
        RouteTable? before,
        out RouteTable? table)
    {
        table = null;
        var rules = new List<RouteRule>();
        foreach (RouteConfig route in config.Routes)
        {
            if (!NextHop.TryParse(route.To, out NextHop hop, out string wrong))
            {
                return $"route {route.Domain}: {wrong}";
            }
            Credentials? login = route.User is null ? null : credentials?.Invoke(route);
            if (route.User is not null && login is null)
            {
                return $"route {route.Domain}: the password of {route.User} could not be had";
            }
            if (login is not null)
            {
                // A password is for the host that is named, not for one that DNS names in its place.
                hop = hop with { LookupMx = false };
            }
            ClientCertificate? certificate = route.Certificate is null ? null : certificates?.GetValueOrDefault(route.Certificate.Certificate);
            if (route.Certificate is not null && certificate is null)
            {
                return $"route {route.Domain}: the certificate {route.Certificate.Certificate} could not be had";
            }
            rules.Add(new RouteRule(route.Domain, hop, SiteTls.Of(route.Tls), login)
            {
                InFlight = route.InFlight,
                EightBit = route.EightBit,
                Source = route.Source,
                OwnTls = route.OwnTls,
                Certificate = certificate,
            });
        }
        table = before?.IsSame(rules) == true ? before : new RouteTable(rules);
        return null;
    }

    // What hosts owe comes first, with open doors: however long it takes, clients are served. From their closing on nobody is,
    // until the next process has read the spool (docs/decisions/0038).
    private async Task DrainAsync()
    {
        long began = World.Loop.NowMs;
        Log.Line("stopping"u8).Add("sessions_in"u8, Receiver.Serving).Add("sessions_out"u8, Counters.SessionsOut).Write();
        Queue.Stopping = true;
        await Deliverer.DrainAsync(Config.Limits.DrainTimeoutMs);
        await Bouncer.DrainAsync(began + Config.Limits.DrainTimeoutMs);
        long closed = World.Loop.NowMs;
        DoorsClosed?.Invoke();
        await Receiver.CloseAsync();
        if (Journal.EventCursor is { } cursor)
        {
            await cursor.CloseAsync(World.Loop.NowMs + EventsTimeoutMs);
        }
        await Journal.CloseAsync();
        Log.Line("stopped"u8).AddSeconds("drain"u8, World.Loop.NowMs - began).AddSeconds("closed"u8, World.Loop.NowMs - closed)
            .Add("queued"u8, Journal.Stats.Messages).Write();
        World.Loop.Stop();
    }

    // What each stage is told of a configuration: at the start, and again when another one is put in force.

    private static RouterOptions RoutingOf(RelayConfig config, RouteTable routes) => new()
    {
        Table = routes,
        RemotePort = config.Deliver.Port,
        AllowPrivate = config.Deliver.AllowPrivate,
        Tls = SiteTls.Of(config.Deliver.Tls),
        Sites = config.Sites,
        Families = config.Deliver.Families,
        Providers = [.. config.Providers.SelectMany(static one => one.Mx.Select(mx => (mx, one.Name)))],
        OwnNames = [config.HostName, .. config.Sources.Select(static source => source.Ehlo).OfType<string>()],
        Listening = [.. config.Listen.Select(l => l.Address)],
    };

    private static QueueOptions QueueOf(RelayConfig config) => new()
    {
        RetryMs = config.RetryMs,
        ExpireMs = config.ExpireMs,
        WarnMs = config.WarnMs,
        Sites = config.Sites,
        Bounce = config.Bounce,
        Tenants = config.Tenants,
        Sources = config.Sources,
        Pools = config.Pools,
        Source = config.Deliver.SourceName,
        ReplyRules = config.Deliver.ProviderRules ? [.. config.ReplyRules, .. ProviderRules.All] : config.ReplyRules,
        SuspensionsFile = Path.Combine(config.Spool, SegmentNames.Suspensions),
    };

    private static DeliverOptions DeliveryOf(RelayConfig config, X509Certificate2Collection? authorities) =>
        new() { HelloName = config.HostName, Source = config.Deliver.Source, Authorities = authorities, EightBit = config.Deliver.EightBit };

    private static BounceOptions BouncesOf(RelayConfig config) =>
        new()
        {
            Hostname = config.HostName,
            Waiting = config.Limits.BouncesWaiting,
            PerMinute = config.Limits.BouncesPerMinute,
            TenantsPerMinute = config.Tenants.Where(static one => one.BouncesPerMinute > 0).ToDictionary(static one => one.Name, static one => one.BouncesPerMinute, StringComparer.Ordinal),
        };

    private ReceiveOptions ReceivingOf(RelayConfig config) =>
        new(Encoding.ASCII.GetBytes(config.HostName), new RelayPolicy(config.RelayFor, config.RelayDomains, config.RelayUsers, config.RelayCertificates), config.Limits)
        {
            Tenants = new TenantPolicy(config.Injectors, config.TenantHeader, config.PriorityHeader, config.Tenants),
            Refuses = Router.RefusalOf,
            Rated = config.Rated,
        };

    private sealed class Renewal(Relay relay, RelayConfig config, ServerTls? serverTls, UserTable? users, IReadOnlyDictionary<string, ClientCertificate>? certificates) : LoopItem
    {
        protected override void Run()
        {
            if (!ReferenceEquals(config, relay.Config))
            {
                return;
            }
            relay.Receiver.Tls = serverTls ?? relay.Receiver.Tls;
            relay.Receiver.Users = users ?? relay.Receiver.Users;
            if (certificates is not null)
            {
                relay.Router.Table.Renew(certificates);
            }
            relay.Log.Line("renewed"u8).Add("users"u8, relay.Receiver.Users?.Count ?? 0).Write();
        }
    }
}
