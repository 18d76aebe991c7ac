using System.Text;
using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Observe;
using FastRelay.Outside;
using FastRelay.Queue;

namespace FastRelay.Host.Admin;

/// <summary>The desk of a running relay: every question goes to its loop by mailbox.</summary>
/// <param name="source">What figures are read from, and the queue.</param>
/// <param name="config">In force.</param>
/// <param name="listening">Bound addresses.</param>
/// <param name="reload">Reads the configuration again and puts it in force.</param>
/// <param name="effective">What is in force, as TOML.</param>
/// <param name="tracer">Shows dialogues.</param>
public sealed class RelayDesk(FigureSource source, RelayConfig config, IReadOnlyList<string> listening, Func<Task<ReloadView>> reload, Func<string> effective, Tracer tracer)
    : AdminDesk
{
    private static readonly TimeSpan s_soon = TimeSpan.FromSeconds(10);

    // A domain that no mail was for has to be asked of DNS: an MX question and then its addresses, each with its timeout.
    private static readonly TimeSpan s_dns = TimeSpan.FromSeconds(60);

    // A walk over ten million messages goes on in slices between the sessions' work.
    private static readonly TimeSpan s_walk = TimeSpan.FromMinutes(10);

    /// <summary>Characters of a bounce's text.</summary>
    public const int BounceTextMax = 160;

    private readonly Loop _loop = source.World.Loop;
    private readonly QueueAdmin _queue = source.Queue.Admin;
    private readonly RareLine _wrongTokens = new(source.World.Time);
    private readonly RareLine _crowded = new(source.World.Time);
    private readonly DateTimeOffset _started = source.World.Time.GetUtcNow();

    /// <summary>The configuration file that a reload reads, absolute; null for none.</summary>
    public string? ConfigPath { get; init; }

    /// <summary>Knows when our certificates end; any thread.</summary>
    public Func<IReadOnlyList<CertificateTerm>> Terms { get; init; } = static () => [];

    /// <summary>Told of what cannot be answered; null for nobody.</summary>
    public Log? Log { get; init; }

    /// <summary>True once the relay stops; any thread.</summary>
    public bool Stopping { get; set; }

    /// <inheritdoc/>
    public override Task<QueuePage> ListAsync(QueueQuery query, int max, int from, int slots)
    {
        QueueFilter filter = FilterOf(query);
        return AdminRequest<QueuePage>.AskAsync(
            _loop,
            async () =>
            {
                QueueListing listing = await _queue.ListAsync(filter, max, from, slots);
                return new QueuePage([.. listing.Messages.Select(View)], listing.Next < 0 ? null : listing.Next) { End = listing.End };
            },
            s_walk);
    }

    /// <inheritdoc/>
    public override Task<long> CountAsync(QueueQuery query)
    {
        QueueFilter filter = FilterOf(query);
        return AdminRequest<long>.AskAsync(_loop, () => _queue.CountAsync(filter), s_walk);
    }

    /// <inheritdoc/>
    public override Task<QueueItem?> ShowAsync(string id)
    {
        MessageId wanted = IdOf(id);
        return AdminRequest<QueueItem?>.AskAsync(
            _loop,
            async () => await _queue.ShowAsync(wanted) is { } message ? View(message) : null,
            s_soon);
    }

    /// <inheritdoc/>
    public override Task<ExplainView?> ExplainAsync(string target) =>
        AdminRequest<ExplainView?>.AskAsync(_loop, () => new ExplainDesk(source.Queue, View).ExplainAsync(target), s_dns);

    /// <inheritdoc/>
    public override Task<QueueChange> ChangeAsync(QueueAction action, QueueSelection selection)
    {
        MoveTarget? target = TargetOf(action, selection.To);
        QueueDeed deed = DeedOf(action, selection.Text, target, source.World.Time.GetUtcNow().ToUnixTimeMilliseconds());
        if (selection.Ids is null)
        {
            QueueFilter filter = FilterOf(selection.Filter ?? new QueueQuery()) with { Before = selection.Before is { } before ? IdOf(before) : null };
            return AdminRequest<QueueChange>.AskAsync(
                _loop,
                async () =>
                {
                    await CheckAsync(selection.From == 0 ? target : null);
                    QueuePart part = await _queue.PartAsync(deed, filter, selection.From, selection.Slots ?? int.MaxValue);
                    return Change(part.Tally, []) with { Left = part.Left > 0 ? part.Left : null, Next = part.Next < 0 ? null : part.Next, End = part.End, Before = part.Before.ToString() };
                },
                s_walk);
        }
        List<MessageId> ids = [.. selection.Ids.Select(IdOf).Distinct()];
        return AdminRequest<QueueChange>.AskAsync(
            _loop,
            async () =>
            {
                await CheckAsync(target);
                var missing = new List<MessageId>();
                DeedTally tally = await _queue.ChangeAsync(deed, ids, missing);
                return Change(tally, [.. missing.Select(static id => id.ToString())]);
            },
            s_walk);
    }

    /// <inheritdoc/>
    public override Task<SiteSuspensions> SuspendAsync(SiteSuspension wanted, bool suspend)
    {
        string site = SiteAdmin.NameOf(wanted.Site);
        if (wanted.ForSeconds is < 1 or > 31_536_000)
        {
            throw new AdminException("a suspension is for 1 second to a year; without an end it holds until it is resumed");
        }
        return AdminRequest<SiteSuspensions>.AskAsync(
            _loop,
            async () =>
            {
                string wrong = suspend ? await source.Queue.SiteAdmin.SuspendAsync(site, (wanted.ForSeconds ?? 0) * 1000) : await source.Queue.SiteAdmin.ResumeAsync(site);
                return wrong.Length == 0 ? Suspensions(site, suspend ? await source.Queue.SiteAdmin.MatchingAsync(site) : null) : throw new AdminException(wrong);
            },
            s_soon);
    }

    /// <inheritdoc/>
    public override Task<SiteSuspensions> SuspensionsAsync() =>
        AdminRequest<SiteSuspensions>.AskAsync(_loop, () => new ValueTask<SiteSuspensions>(Suspensions()), s_soon);

    /// <inheritdoc/>
    public override Task<bool> ReadyAsync() =>
        AdminRequest<bool>.AskAsync(_loop, () => new ValueTask<bool>(Figure.All[Figure.Ready].Read(source) == 1), s_soon);

    /// <inheritdoc/>
    public override Task<RelayReading> FiguresAsync() =>
        AdminRequest<RelayReading>.AskAsync(_loop, () => Figure.ReadAsync(source), s_soon);

    /// <inheritdoc/>
    public override Task<IReadOnlyList<SourceView>> SourcesAsync() => AdminRequest<IReadOnlyList<SourceView>>.AskAsync(
        _loop,
        () =>
        {
            IReadOnlyDictionary<string, Suspension> suspended = source.Queue.SiteAdmin.OfSources();
            return new ValueTask<IReadOnlyList<SourceView>>([.. source.Queue.Sources.Select(one => View(one, suspended.GetValueOrDefault(one.Name)))]);
        },
        s_soon);

    /// <inheritdoc/>
    public override IReadOnlyList<CertificateTerm> Certificates() => Terms();

    /// <inheritdoc/>
    public override Task<IReadOnlyList<TenantView>> TenantsAsync(int max) => AdminRequest<IReadOnlyList<TenantView>>.AskAsync(
        _loop, async () => [.. (await _queue.BusiestTenantsAsync(max)).Select(View)], s_soon);

    /// <inheritdoc/>
    public override Task<IReadOnlyList<ExplainSite>> SitesAsync(int max) => AdminRequest<IReadOnlyList<ExplainSite>>.AskAsync(
        _loop, async () => [.. (await _queue.BusiestSitesAsync(max)).Select(ExplainDesk.Site)], s_soon);

    /// <inheritdoc/>
    public override Task<ReloadView> ReloadAsync() => reload();

    /// <inheritdoc/>
    public override IAsyncEnumerable<ReadOnlyMemory<byte>> TraceAsync(TraceQuery query, CancellationToken until) =>
        new TraceDesk(_loop, tracer).WatchAsync(query.Filter(), until);

    /// <inheritdoc/>
    public override void Failed(string path, string problem) =>
        Log?.Error("admin_error"u8).Add("path"u8, path).Add("error"u8, Encoding.UTF8.GetBytes(problem)).Write();

    /// <inheritdoc/>
    public override void Acted(OperatorAct act)
    {
        if (Log is { } log)
        {
            LogLine line = log.Line("operator"u8).Add("act"u8, act.Act).Add("by"u8, act.By).Add("peer"u8, act.Peer).Add("target"u8, act.Target).Add("error"u8, act.Error);
            if (act.Count is { } count)
            {
                line = line.Add("count"u8, count);
            }
            line.Write();
        }
    }

    /// <inheritdoc/>
    public override void WrongToken(string peer, string path)
    {
        source.Counters.CountWrongToken();
        if (_wrongTokens.Happened() is > 0 and long count)
        {
            Log?.Warn("admin_token"u8).Add("peer"u8, peer).Add("path"u8, path).Add("count"u8, count).Write();
        }
    }

    /// <inheritdoc/>
    public override void Crowded(string peer)
    {
        source.Counters.CountCrowded();
        if (_crowded.Happened() is > 0 and long count)
        {
            Log?.Warn("admin_crowded"u8).Add("peer"u8, peer).Add("count"u8, count).Write();
        }
    }

    /// <inheritdoc/>
    public override string Config() => effective();

    /// <inheritdoc/>
    public override StatusView Status() => new()
    {
        Version = Versions.Product,
        Pid = Environment.ProcessId,
        HostName = config.HostName,
        UptimeSeconds = (long)(source.World.Time.GetUtcNow() - _started).TotalSeconds,
        Sync = config.Sync == SyncKind.Group ? "group" : "none",
        Config = ConfigPath,
        Listening = listening,
        Stopping = Stopping,
    };

    private SiteSuspensions Suspensions(string counted = "", int? sites = null) => new([.. source.Queue.SiteAdmin.Suspensions.Select(one =>
        new SiteSuspension(one.Name, null, EndOf(one))
        {
            Sites = one.Name == counted ? sites : null,
        })]);

    /// <summary>What is asked for, checked.</summary>
    /// <exception cref="AdminException">The text is wrong.</exception>
    internal static QueueDeed DeedOf(QueueAction action, string? text, MoveTarget? target = null, long unixMs = 0)
    {
        if (text is not null && action != QueueAction.Bounce)
        {
            throw new AdminException("text is for a bounce, whose sender reads it");
        }
        if (text is not null && (text.Length is 0 or > BounceTextMax || text.AsSpan().IndexOfAnyExceptInRange(' ', '~') >= 0))
        {
            throw new AdminException($"the text of a bounce is 1 to {BounceTextMax} characters of printable ASCII");
        }
        return action switch
        {
            QueueAction.Retry => QueueDeed.Retry,
            QueueAction.Remove => QueueDeed.Remove,
            QueueAction.Hold => QueueDeed.Hold,
            QueueAction.Bounce => QueueDeed.Bounce(text ?? "5.7.1 returned by the operator"),
            QueueAction.Move => QueueDeed.Move(target, unixMs),
            _ => QueueDeed.Release,
        };
    }

    /// <summary>Where a move goes to; null for other actions, and where it takes moves back.</summary>
    /// <exception cref="AdminException">The text is wrong.</exception>
    internal static MoveTarget? TargetOf(QueueAction action, string? to)
    {
        if ((to is null) == (action == QueueAction.Move))
        {
            throw new AdminException(to is null ? "to is missing: where the mail is moved to" : "to is for a move");
        }
        return to is null or MoveTarget.Back ? null : MoveTarget.TryParse(to, out MoveTarget? target, out string error) ? target : throw new AdminException(error);
    }

    private static QueueChange Change(DeedTally tally, IReadOnlyList<string> missing)
    {
        long? Of(DeedResult result) => tally[result] > 0 ? tally[result] : null;
        return new QueueChange(tally.Changed, missing)
        {
            Later = Of(DeedResult.Later),
            Already = Of(DeedResult.Already),
            Held = Of(DeedResult.Held),
            Ending = Of(DeedResult.Ending),
            Unreadable = Of(DeedResult.Unreadable),
        };
    }

    private async ValueTask CheckAsync(MoveTarget? target)
    {
        if (target is not null && await _queue.RefusalOfAsync(target) is { Length: > 0 } refusal)
        {
            throw new AdminException(refusal);
        }
    }

    private QueueFilter FilterOf(QueueQuery query) => new()
    {
        Id = query.Id is { } id ? IdOf(id) : null,
        Sender = query.Sender,
        Domain = query.Domain,
        Site = query.Site,
        ArrivedByUnixMs = query.OlderSeconds is { } older ? Math.Max(1, source.World.Time.GetUtcNow().ToUnixTimeMilliseconds() - (older * 1000)) : 0,
        Tenant = query.Tenant,
        State = query.State switch
        {
            null => null,
            "ready" => QueuedState.Ready,
            "delivering" => QueuedState.InFlight,
            "deferred" => QueuedState.Deferred,
            "held" => QueuedState.Held,
            _ => QueuedState.Ending,
        },
    };

    private static MessageId IdOf(string text) => MessageId.TryParse(text, out MessageId id)
        ? id
        : throw new AdminException($"\"{text}\" is no id: 13 characters, as in the reply \"250 2.0.0 queued as 01ABCDEFGHJKM\"");

    private static TenantView View(TenantState tenant) => new(
        tenant.Name, tenant.Entries, tenant.InFlight, tenant.Weight, tenant.Sessions > 0 ? tenant.Sessions : null, tenant.Suspension is not null, EndOf(tenant.Suspension));

    private static SourceView View(EgressSource one, Suspension? suspension) => new(one.Name, one.Counts.Delivered, one.Counts.Deferred, one.Counts.Failed)
    {
        Addresses = [.. new[] { one.Ipv4, one.Ipv6 }.OfType<System.Net.IPAddress>().Select(static address => address.ToString())],
        Sessions = one.Counts.Sessions,
        Queued = one.Counts.Entries,
        Suspended = suspension is not null,
        Until = EndOf(suspension),
    };

    private static DateTimeOffset? EndOf(Suspension? suspension) =>
        suspension is { UntilUnixMs: > 0 } ? DateTimeOffset.FromUnixTimeMilliseconds(suspension.UntilUnixMs) : null;

    private static QueueItem View(QueuedMessage message) => new(
        message.Id.ToString(),
        message.Sender,
        DateTimeOffset.FromUnixTimeMilliseconds(message.ArrivalUnixMs),
        message.Size,
        [.. message.Destinations.Select(View)])
    {
        Tenant = message.Tenant.Length > 0 ? message.Tenant : null,
        Priority = message.Priority.Word(),
    };

    private static QueueDestination View(QueuedDestination destination) => new(
        destination.Key,
        destination.Site.Length > 0 ? destination.Site : null,
        destination.State switch
        {
            QueuedState.Ready => "ready",
            QueuedState.InFlight => "delivering",
            QueuedState.Deferred => "deferred",
            QueuedState.Held => "held",
            _ => "ending",
        },
        destination.Attempts,
        destination.NextUnixMs > 0 ? DateTimeOffset.FromUnixTimeMilliseconds(destination.NextUnixMs) : null,
        DateTimeOffset.FromUnixTimeMilliseconds(destination.ExpiresUnixMs),
        destination.Reason.Length > 0 ? destination.Reason : null,
        destination.Recipients,
        destination.RecipientCount)
    {
        MovedTo = destination.MovedTo.Length > 0 ? destination.MovedTo : null,
        Moved = destination.MovedUnixMs > 0 ? DateTimeOffset.FromUnixTimeMilliseconds(destination.MovedUnixMs) : null,
        Order = destination.Order switch
        {
            QueueOrder.Hold => "hold",
            QueueOrder.Remove => "remove",
            QueueOrder.Bounce => "bounce",
            _ => null,
        },
    };
}
