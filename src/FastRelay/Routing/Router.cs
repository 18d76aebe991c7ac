using System.Net;
using System.Runtime.CompilerServices;
using FastRelay.Config;
using FastRelay.Observe;
using FastRelay.Outside;

namespace FastRelay.Routing;

/// <summary>
/// Says where a recipient's mail goes: the route table decides the way, and for a way through DNS a plan names the
/// hosts (RFC 5321 section 5, RFC 7505). Loop thread only.
/// </summary>
public sealed class Router
{
    /// <summary>A plan that misses hosts, because DNS did not answer for them, is renewed after this, ms.</summary>
    public const int PartialMs = 60_000;

    private readonly World _world;
    private Limits _limits;
    private RouterOptions _options;
    private readonly Log _log;
    private readonly HashSet<string> _ownNames = new(StringComparer.Ordinal);
    private readonly Stack<PlanJob> _idle = new();

    /// <summary>Creates a router with an empty cache.</summary>
    /// <param name="world">Loop and resolver.</param>
    /// <param name="limits">Bounds of the cache and of plans.</param>
    /// <param name="options">Configuration.</param>
    /// <param name="log">One line for a plan that refuses or fails.</param>
    public Router(World world, Limits limits, RouterOptions options, Log log)
    {
        _world = world;
        _limits = limits;
        _options = options;
        _log = log;
        Table = options.Table ?? new RouteTable(options.Rules);
        NameOurselves();
        Cache = new ResolverCache(world.Resolver, world.Loop, limits);
    }

    /// <summary>The route table in force. A table that was in force before still says which mail belonged to its routes.</summary>
    public RouteTable Table { get; private set; }

    /// <summary>
    /// Puts other options and limits in force for plans that are made from now on. Where it says so, the queue makes
    /// those that are there anew.
    /// </summary>
    /// <returns>True when routes and plans that are there need not be made anew: all that they are made by is the same.</returns>
    public bool Change(RouterOptions options, Limits limits)
    {
        _world.Loop.CheckThread();
        bool hold = options.PlansAs(_options) && limits.MxHosts == _limits.MxHosts;
        _options = options;
        _limits = limits;
        Cache.Limits = limits;
        NameOurselves();
        RouteTable before = Table;
        Table = options.Table ?? (Table.IsSame(options.Rules) ? Table : new RouteTable(options.Rules));
        return hold && Table == before;
    }

    /// <summary>Which addresses of hosts are asked for, and in which order they are tried.</summary>
    public DeliverFamilies Families => _options.Families;

    /// <summary>Answers of DNS.</summary>
    public ResolverCache Cache { get; }

    private void NameOurselves()
    {
        _ownNames.Clear();
        foreach (string name in _options.OwnNames)
        {
            _ownNames.Add(name.ToLowerInvariant().TrimEnd('.'));
        }
    }

    /// <summary>
    /// The route of a recipient's domain when a row of the table sends it elsewhere than to its MX hosts; null for MX
    /// delivery, whose route is <see cref="MxRoute"/>. No allocation.
    /// </summary>
    /// <param name="domain">Lower case (<see cref="DomainNames.DomainOf"/>), or an address literal with its brackets.</param>
    public Route? FixedRoute(ReadOnlySpan<char> domain) => Table.FixedRoute(domain);

    /// <summary>
    /// What an <c>error:</c> route says to a recipient, so that it can be refused at RCPT instead of bounced; null when
    /// no such route matches. Starts with an enhanced code of class 5. No allocation.
    /// </summary>
    /// <param name="mailbox">As in an envelope.</param>
    public string? RefusalOf(ReadOnlySpan<byte> mailbox)
    {
        Span<char> domain = stackalloc char[DomainNames.MaxLength];
        int length = DomainNames.DomainOf(mailbox, domain);
        return length > 0 && FixedRoute(domain[..length]) is { NextHop.Kind: NextHopKind.Error } route ? route.NextHop.ErrorText : null;
    }

    /// <summary>The route of MX delivery to a domain or address literal; a new object each time.</summary>
    public Route MxRoute(string domain)
    {
        int row = Table.Match(domain);
        if (row < 0)
        {
            return new Route(domain, domain, NextHop.Mx, _options.Tls);
        }
        RouteRule rule = Table.Rule(row);
        string key = Route.KeyOf(domain, rule.Tls == _options.Tls ? TlsPolicy.Opportunistic : rule.Tls);
        return new Route(key, domain, NextHop.Mx, rule.Tls) { OwnTls = rule.OwnTls, Source = rule.Source, Certificate = rule.Certificate };
    }

    /// <summary>
    /// A way to a host that no row of the table names: with the TLS of a row that does not say, and without a password, since
    /// only a row has one (docs/decisions/0007). A new object each time.
    /// </summary>
    public Route HopRoute(NextHop hop)
    {
        Check.That(hop.Kind == NextHopKind.Smtp);
        return new Route(Route.KeyOf(hop.ToString(), _options.Tls), "", hop, _options.Tls);
    }

    /// <summary>The pattern of the row of the route table that decides for a domain; empty when none matches, so that DNS does.</summary>
    public string PatternOf(ReadOnlySpan<char> domain)
    {
        int row = Table.Match(domain);
        return row < 0 ? "" : Table.Rule(row).Pattern;
    }

    /// <summary>Plans a destination now. Never fails: what is wrong is the plan's status. Completes on the loop.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public async ValueTask<Plan> PlanAsync(Route route)
    {
        _world.Loop.CheckThread();
        PlanJob job = _idle.Count > 0 ? _idle.Pop() : new PlanJob(_world.Loop);
        job.Clear();
        Plan plan = await PlanAsync(route, job);
        _idle.Push(job);
        if (plan.Status is not (PlanStatus.Ok or PlanStatus.Discard or PlanStatus.Error))
        {
            _log.Warn("plan"u8).Add("destination"u8, route.Key).Add("status"u8, Name(plan.Status)).Add("reason"u8, plan.Reason).Write();
        }
        return plan;
    }

    /// <summary>A status as logs and reports show it.</summary>
    public static string Name(PlanStatus status) => status switch
    {
        PlanStatus.Ok => "ok",
        PlanStatus.Temporary => "temporary",
        PlanStatus.NullMx => "null-mx",
        PlanStatus.NoSuchDomain => "no-such-domain",
        PlanStatus.Loop => "loop",
        PlanStatus.Refused => "refused",
        PlanStatus.NoHosts => "no-hosts",
        PlanStatus.BadName => "bad-name",
        PlanStatus.Discard => "discard",
        _ => "error",
    };

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<Plan> PlanAsync(Route route, PlanJob job)
    {
        NextHop hop = route.NextHop;
        job.Port = (ushort)(hop.Port == 0 ? _options.RemotePort : hop.Port);
        job.Trusted = hop.Kind == NextHopKind.Smtp || _options.AllowPrivate;
        switch (hop.Kind)
        {
            case NextHopKind.Discard:
                return new Plan(route, PlanStatus.Discard, "", null, [], long.MaxValue, "");
            case NextHopKind.Error:
                return new Plan(route, PlanStatus.Error, "", null, [], long.MaxValue, hop.ErrorText);
        }
        string name = hop.Kind == NextHopKind.Mx ? route.Domain : hop.Host;
        if (hop.Kind == NextHopKind.Mx ? DomainNames.TryParseLiteral(name, out IPAddress? address) : DomainNames.TryParseAddress(name, out address))
        {
            AddHost(job, new MxRecord(0, address.ToString()), [AddressRules.Normal(address)]);
            return Finish(route, job, name);
        }
        if (!DomainNames.IsHostName(name))
        {
            return Fail(route, PlanStatus.BadName, long.MaxValue, $"\"{Printable(name)}\" is no domain that can be looked up");
        }
        if (hop.LookupMx)
        {
            Cache.Start(job.Mx, name, DnsType.Mx);
            CachedAnswer answer = await job.Mx.AnswerAsync();
            job.Expires(answer.ExpiresMs);
            if (ReadMx(route, job, name, answer) is { } failed)
            {
                return failed;
            }
        }
        else
        {
            job.Hosts.Add(new MxRecord(0, name));
        }
        await ResolveAsync(job);
        return Finish(route, job, name);
    }

    /// <summary>Lists the hosts to resolve, or says why there are none.</summary>
    private Plan? ReadMx(Route route, PlanJob job, string name, in CachedAnswer answer)
    {
        switch (MxAnswer.Read(answer.Answer, _ownNames, job.Hosts, _limits.MxHosts))
        {
            case MxVerdict.Hosts:
                return null;
            case MxVerdict.Implicit:
                job.Hosts.Add(new MxRecord(0, name));
                return null;
            case MxVerdict.NullMx:
                return Fail(route, PlanStatus.NullMx, answer.ExpiresMs, $"{name} accepts no mail (null MX)");
            case MxVerdict.NoSuchDomain:
                return Fail(route, PlanStatus.NoSuchDomain, answer.ExpiresMs, $"the domain {name} does not exist");
            case MxVerdict.Loop:
                return Fail(route, PlanStatus.Loop, answer.ExpiresMs, $"mail for {name} loops back to this relay");
            case MxVerdict.NoHosts:
                return Fail(route, PlanStatus.NoHosts, answer.ExpiresMs, $"no MX host of {name} has a usable name");
            default:
                return Fail(route, PlanStatus.Temporary, answer.ExpiresMs, $"MX of {name}: {PlanJob.Name(answer.Answer.Status)}");
        }
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask ResolveAsync(PlanJob job)
    {
        job.StartAddresses(Cache, _options.Families);
        for (int i = 0; i < job.Hosts.Count; i++)
        {
            CachedAnswer four = await job.FourAsync(i);
            CachedAnswer six = await job.SixAsync(i);
            MxRecord host = job.Hosts[i];
            IPAddress[] addresses = job.Sorted(four, six);
            bool failed = IsFailure(four) || IsFailure(six);
            if (failed)
            {
                // What is missing may be back soon: ask again before the TTL of the rest is over.
                job.Expires(_world.Loop.NowMs + PartialMs);
            }
            job.Expires(IsFailure(four) ? long.MaxValue : four.ExpiresMs);
            job.Expires(IsFailure(six) ? long.MaxValue : six.ExpiresMs);
            if (addresses.Length > 0)
            {
                AddHost(job, host, addresses);
                continue;
            }
            job.AnyTemporary |= failed;
            DnsStatus status = IsFailure(four) ? four.Answer.Status : IsFailure(six) ? six.Answer.Status : four.Answer.Status;
            job.Trouble = $"address of {host.Host}: {PlanJob.Name(status)}{(failed ? "" : job.OtherFamily)}";
        }
    }

    private static bool IsFailure(in CachedAnswer answer) =>
        answer.Answer.Status is DnsStatus.ServFail or DnsStatus.Timeout or DnsStatus.Bad;

    private void AddHost(PlanJob job, in MxRecord host, ReadOnlySpan<IPAddress> addresses)
    {
        foreach (IPAddress address in addresses)
        {
            if (IsOurselves(address, job.Port))
            {
                job.AnyLoop = true;
                job.Trouble = $"{host.Host} is this relay ({address})";
                // This one and all that are not better would hand it back, whether resolved already or later.
                ushort own = host.Preference;
                job.Usable.RemoveAll(usable => usable.Preference >= own);
                job.OwnPreference = Math.Min(job.OwnPreference, own);
                return;
            }
        }
        if (host.Preference >= job.OwnPreference)
        {
            return;
        }
        var allowed = new List<IPEndPoint>();
        foreach (IPAddress address in addresses)
        {
            if (job.Trusted || !AddressRules.IsPrivate(address))
            {
                allowed.Add(new IPEndPoint(address, job.Port));
            }
            else
            {
                job.AnyRefused = true;
                job.Trouble = $"{host.Host} has the address {address}, which is not on the public internet";
            }
        }
        if (allowed.Count > 0)
        {
            job.Usable.Add(new PlanHost(host.Preference, host.Host, allowed.ToArray()));
        }
    }

    private bool IsOurselves(IPAddress address, int port)
    {
        foreach (IPEndPoint listening in _options.Listening)
        {
            if (listening.Port == port
                && (listening.Address.Equals(address) || (AddressRules.IsAny(listening.Address) && (AddressRules.IsAny(address) || _world.Network.IsOwnAddress(address)))))
            {
                return true;
            }
        }
        return false;
    }

    private Plan Finish(Route route, PlanJob job, string name)
    {
        if (job.Usable.Count > 0)
        {
            PlanHost[] hosts = [.. job.Usable];
            bool byDns = route.NextHop.Kind == NextHopKind.Mx;
            // Named after all hosts: one whose address cannot be had just now must not make a second site of the others,
            // with connections and a backoff of its own.
            PlanHost[] named = job.Hosts.Count == 0 ? hosts : [.. job.Hosts.Select(static host => new PlanHost(host.Preference, host.Host, []))];
            string? provider = byDns ? SiteNames.ProviderOf(named, _options.Providers) : null;
            SiteTls? site = SiteTls.Of(route, named, provider, _options.Sites);
            TlsPolicy tls = site?.Tls ?? route.Tls;
            // What is asked of TLS is a part of the name: no connection serves mail that asks something else.
            string key = byDns ? SiteNames.Of(named, tls, route.Certificate) : tls == route.Tls ? route.Key : $"{route.Key} site-tls={tls.ToString().ToLowerInvariant()}";
            return new Plan(route, PlanStatus.Ok, key, provider, hosts, job.ExpiresMs, "", site);
        }
        // An unanswered host may be the one that takes it, so nothing is given up while there is one.
        (PlanStatus status, string reason) = job switch
        {
            { AnyTemporary: true } => (PlanStatus.Temporary, job.Trouble),
            { AnyLoop: true } => (PlanStatus.Loop, $"mail for {name} loops back to this relay: {job.Trouble}"),
            { AnyRefused: true } => (PlanStatus.Refused, job.Trouble),
            _ => (PlanStatus.NoHosts, $"no host of {name} has an address: {job.Trouble}"),
        };
        return Fail(route, status, job.ExpiresMs, reason);
    }

    private static Plan Fail(Route route, PlanStatus status, long expiresMs, string reason) =>
        new(route, status, "", null, [], expiresMs, reason);

    private static string Printable(string name) =>
        string.Create(name.Length, name, static (into, from) =>
        {
            for (int i = 0; i < into.Length; i++)
            {
                into[i] = from[i] is >= ' ' and <= '~' ? from[i] : '?';
            }
        });
}
