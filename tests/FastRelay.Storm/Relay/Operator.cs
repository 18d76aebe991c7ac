using System.Text.Json;
using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Observe;
using FastRelay.Outside;
using FastRelay.Queue;
using FastRelay.Routing;

namespace FastRelay.Storm;

/// <summary>The operator of a storm: holds, releases, retries, removes and bounces mail, watches dialogues, and changes the configuration while it runs.</summary>
internal sealed class Operator(SimHost host, Relay relay, MailChecker checker, SimRandom random)
{
    private readonly RelayConfig _usual = relay.Config;
    private TraceWatcher? _watcher;

    /// <summary>Acts now and then, for ever.</summary>
    public async ValueTask RunAsync()
    {
        var sleeper = new Sleeper(host.Loop);
        while (true)
        {
            await sleeper.SleepAsync(random.Magnitude(1_000, 900_000));
            Watch();
            if (!host.Universe.Faults.On)
            {
                await ReleaseAllAsync();
                continue;
            }
            MailMessage[] queued = [.. checker.Messages.Where(IsQueued)];
            if (queued.Length > 0 && !relay.Queue.Stopping)
            {
                await ActAsync(random.Pick(queued));
            }
        }
    }

    /// <summary>Looks on for a while: whatever peers say, a trace is whole lines of JSON, and nothing else changes by it.</summary>
    private void Watch()
    {
        Tracer tracer = relay.Log.Tracer;
        if (_watcher is null || tracer.Take(_watcher) is not { } taken)
        {
            _watcher = random.OneIn(4) ? tracer.Watch(new TraceFilter()) : null;
            return;
        }
        host.Universe.Faults.Hit("operator: trace");
        ReadOnlySpan<byte> lines = taken.Lines;
        while (lines.IndexOf((byte)'\n') is >= 0 and int end)
        {
            var reader = new Utf8JsonReader(lines[..end]);
            // Throws on anything that is no JSON, which ends the storm.
            while (reader.Read())
            {
            }
            lines = lines[(end + 1)..];
        }
        host.Universe.Require(lines.IsEmpty, "a trace ends inside a line");
    }

    private async ValueTask ActAsync(MailMessage message)
    {
        if (!MessageId.TryParse(message.Id, out MessageId id))
        {
            return;
        }
        var only = new QueueFilter { Id = id };
        switch (random.Next(12))
        {
            case 9 or 10:
                await MoveAsync(message, only);
                break;
            case 11:
                await StopTenantAsync();
                break;
            case < 4:
                await SetHoldAsync(message, only);
                break;
            case 4 when random.OneIn(2):
                host.Universe.Faults.Hit("operator: bounce");
                message.Bouncing = true;
                message.Moved = null;
                await relay.Queue.Admin.BounceAsync(only, "5.2.1 the operator has closed the mailbox");
                break;
            case 4:
                host.Universe.Faults.Hit("operator: remove");
                message.Removing = true;
                await relay.Queue.Admin.RemoveAsync(only);
                break;
            case 5:
                host.Universe.Faults.Hit("operator: retry all");
                ForgetWaits(checker.Messages);
                await relay.Queue.Admin.RetryAsync(new QueueFilter());
                break;
            case 8:
                await ReloadAsync();
                break;
            default:
                host.Universe.Faults.Hit("operator: retry");
                ForgetWaits([message]);
                await relay.Queue.Admin.RetryAsync(only);
                break;
        }
    }

    /// <summary>Another table with the same ways, tighter bounds, or back to what it was: what is queued must not notice.</summary>
    private async ValueTask ReloadAsync()
    {
        host.Universe.Faults.Hit("operator: reload");
        Limits limits = _usual.Limits;
        RelayConfig next = random.OneIn(3) ? _usual : _usual with
        {
            Routes = [new RouteConfig($"{random.Next(3)}.test", "discard:", DeliverTls.None), .. _usual.Routes],
            Limits = limits with { MessagesPerConnection = 1 + random.Next(limits.MessagesPerConnection), SendSessionsPerSite = 1 + random.Next(limits.SendSessionsPerSite), SendSessions = 1 + random.Next(limits.SendSessions) },
        };
        string? wrong = Relay.Routes(next, StormSettings.Login, null, relay.Router.Table, out RouteTable? routes);
        long kept = wrong is null ? await relay.ReloadAsync(next, routes!, relay.Receiver.Tls, null, null) : 0;
        host.Universe.Require((wrong is null && kept == 0) || relay.Queue.Stopping, $"a reload changed too much: {wrong}, {kept} kept their route");
    }

    /// <summary>All of a message, or what of it is for one domain.</summary>
    private async ValueTask SetHoldAsync(MailMessage message, QueueFilter only)
    {
        string? domain = random.OneIn(2) ? null : random.Pick(message.Recipients.ToArray()).Domain;
        MailRecipient[] concerned = [.. message.Recipients.Where(one => domain is null || one.Domain == domain)];
        bool hold = !Array.Exists(concerned, static one => one.Held == true);
        host.Universe.Faults.Hit(hold ? "operator: hold" : "operator: release");
        host.Universe.Trace.Add("operator", $"{message.Token} {domain}", hold ? 1 : 0);
        // In between, which lasts while the disk is behind, either may be recorded.
        message.HoldGroup = MailMessage.UnderWay;
        foreach (MailRecipient one in concerned)
        {
            one.Held = null;
        }
        // What is released may be tried before the walk has ended.
        ForgetWaits([message]);
        QueueFilter filter = only with { Domain = domain };
        DeedTally tally = (await relay.Queue.Admin.PartAsync(hold ? QueueDeed.Hold : QueueDeed.Release, filter, 0, int.MaxValue)).Tally;
        // Of several destinations it says what came of one.
        bool done = domain is not null && tally[DeedResult.Done] + tally[DeedResult.Later] + tally[DeedResult.Already] > 0;
        message.HoldGroup = relay.Journal.Stats.Groups;
        message.HeldMs = host.Universe.Time.NowMs;
        ForgetWaits([message]);
        // What is ending is left alone, and what has ended is not shown: of these it is not known.
        foreach (QueuedDestination shown in (await relay.Queue.Admin.ShowAsync(only.Id!.Value))?.Destinations ?? [])
        {
            bool held = shown.State == QueuedState.Held || shown.Order == QueueOrder.Hold;
            bool ending = shown.State == QueuedState.Ending || shown.Order is QueueOrder.Remove or QueueOrder.Bounce;
            foreach (MailRecipient one in concerned.Where(one => !ending && shown.Recipients.Contains(one.Mailbox)))
            {
                host.Universe.Require(held == hold || !done, $"{one.Mailbox} is {(held ? "held" : "released")}, and the operator has {(hold ? "held" : "released")} it");
                one.Held = held;
            }
        }
    }

    /// <summary>To the host of route.test, or back.</summary>
    private async ValueTask MoveAsync(MailMessage message, QueueFilter only)
    {
        bool away = message.Moved == false || random.OneIn(3);
        host.Universe.Faults.Hit(away ? "operator: move" : "operator: move back");
        host.Universe.Trace.Add("operator moves", message.Token, away ? 1 : 0);
        MoveTarget? target = null;
        host.Universe.Require(!away || MoveTarget.TryParse("route:route.test", out target, out _), "a row is a target");
        message.MoveGroup = MailMessage.UnderWay;
        message.Moved = null;
        message.EverMoved |= away;
        ForgetWaits([message]);
        await relay.Queue.Admin.MoveAsync(only, target);
        ForgetWaits([message]);
        message.MoveGroup = relay.Journal.Stats.Groups;
        message.MovedMs = host.Universe.Time.NowMs;
        // What is failed or removed just now is not moved.
        if (!message.Bouncing && !message.Recipients.Exists(static one => one.Failed && !one.IsAccounted) && await relay.Queue.Admin.ShowAsync(only.Id!.Value) is { } shown && shown.Destinations.All(d => d.MovedTo.Length > 0 == away && d.State != QueuedState.Ending))
        {
            message.Moved = away;
        }
    }

    private async ValueTask StopTenantAsync()
    {
        string tenant = random.Pick(["", "few", "many"]);
        bool stop = !checker.Tenants.GetValueOrDefault(tenant).Stopped;
        host.Universe.Faults.Hit(stop ? "operator: suspend tenant" : "operator: resume tenant");
        checker.Tenants[tenant] = (stop, false, 0);
        string wrong = stop ? await relay.Queue.SiteAdmin.SuspendAsync("tenant:" + tenant, 0) : await relay.Queue.SiteAdmin.ResumeAsync("tenant:" + tenant);
        checker.Tenants[tenant] = (stop, wrong.Length == 0, host.Universe.Time.NowMs);
    }

    private async ValueTask ReleaseAllAsync()
    {
        checker.Tenants.Clear();
        foreach (Suspension one in relay.Queue.SiteAdmin.Suspensions)
        {
            await relay.Queue.SiteAdmin.ResumeAsync(one.Name);
        }
        foreach (MailMessage message in checker.Messages)
        {
            message.HoldGroup = MailMessage.UnderWay;
            foreach (MailRecipient one in message.Recipients)
            {
                // What is ending is left alone.
                one.Held = one.Held == false ? false : null;
            }
        }
        ForgetWaits(checker.Messages);
        await relay.Queue.Admin.ReleaseAsync(new QueueFilter());
        ForgetWaits(checker.Messages);
        // A walk ends early when the relay stops.
        foreach (MailMessage message in checker.Messages.Where(_ => !relay.Queue.Stopping))
        {
            message.HoldGroup = relay.Journal.Stats.Groups;
        }
    }

    private bool IsQueued(MailMessage message) =>
        MessageId.TryParse(message.Id, out MessageId id) && relay.Journal.TryFind(id, out _);

    private static void ForgetWaits(IEnumerable<MailMessage> messages)
    {
        foreach (MailRecipient recipient in messages.SelectMany(static m => m.Recipients))
        {
            recipient.NotBeforeMs = 0;
        }
    }
}
