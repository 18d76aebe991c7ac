using System.Net;
using System.Runtime.CompilerServices;
using FastRelay.Journal;
using FastRelay.Outside;
using FastRelay.Queue;
using FastRelay.Routing;
using FastRelay.Smtp;

namespace FastRelay.Deliver;

/// <summary>
/// One outgoing connection at a time: dials a site, then takes its deliveries until there are none, the peer has had
/// enough, or the relay stops. Pooled: its root runs for ever and sleeps between assignments.
/// </summary>
internal sealed class SendSession
{
    private readonly Deliverer _owner;
    private readonly SendMachine _machine;
    private readonly SendDialogue _dialogue;
    private readonly PlanAddress[] _addresses;
    private readonly Signal<Site?> _assigned;
    private readonly Sleeper _idle;
    private readonly byte[] _reason = new byte[Limits.ReplyTextBytes];
    private HostTrust? _trust;
    private Delivery _nextDelivery;
    private BodyReader? _nextBody;
    private ValueTask<BodyStatus> _nextPrepared;
    private long _dotMs;
    private bool _parked;
    private bool _endWanted;
    private PlanHost? _host;
    private IPEndPoint? _address;
    private Outcome _failure;
    private int _reasonLength;
    private long _connectMs;
    private bool _reused;

    public SendSession(Deliverer owner)
    {
        _owner = owner;
        _machine = new SendMachine(owner.HelloName, owner.Limits.RecipientsPerTransaction);
        _dialogue = new SendDialogue(owner.World, owner.Limits, _machine);
        _addresses = new PlanAddress[owner.Limits.MxAddressesTried];
        _assigned = new Signal<Site?>(owner.World.Loop);
        _idle = new Sleeper(owner.World.Loop);
        _ = RunAsync();
    }

    /// <summary>The site it works for; null in the pool.</summary>
    public Site? Site { get; private set; }

    /// <summary>A transaction is under way.</summary>
    public bool InTransaction { get; private set; }

    /// <summary>The gate before a final dot.</summary>
    public bool MaySend => _owner.MaySend;

    /// <summary>Links of the lists of its owner.</summary>
    public SendSession? Next { get; set; }

    /// <summary>Links of the lists of its owner.</summary>
    public SendSession? Previous { get; set; }

    /// <summary>Links of the idle sessions of a site.</summary>
    public SendSession? NextIdle { get; set; }

    /// <summary>Puts a pooled session to work.</summary>
    public void Start(Site site)
    {
        Check.That(Site is null);
        Site = site;
        _dialogue.Start(_owner.Limits, _owner.HelloNameFor(site));
        _assigned.Set(site);
    }

    /// <summary>Ends the wait of an idle session, which its owner took off the idle list.</summary>
    public void Unpark()
    {
        Check.That(_parked);
        _parked = false;
        _idle.Wake();
    }

    /// <summary>The owner wants an idle connection closed; <see cref="Unpark"/> follows.</summary>
    public void EndIdle() => _endWanted = true;

    /// <summary>Cuts a transaction under way: the relay stops.</summary>
    public void Cut() => _dialogue.Cut(OutcomeCause.ShuttingDown);

    private bool MayTakeMore => _machine.IsUsable && !_dialogue.IsOutOfTurn && !_owner.IsDraining
        && _machine.Completed < _owner.Limits.MessagesPerConnection;

    private async Task RunAsync()
    {
        try
        {
            while (true)
            {
                Site? site = await _assigned.WaitAsync();
                if (site is null)
                {
                    return;
                }
                await ServeAsync(site);
                _dialogue.Close();
                _host = null;
                _address = null;
                Site = null;
                _owner.Ended(this, site);
            }
        }
        catch (Exception broken)
        {
            // What a peer or the network does never throws: this is a defect of ours, and the queue may be half told.
            Check.Fatal("a send session failed: " + broken);
        }
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask ServeAsync(Site site)
    {
        _endWanted = false;
        if (!await DialSiteAsync(site))
        {
            return;
        }
        while (MayTakeMore)
        {
            if (_owner.Queue.TryTake(site, out Delivery delivery))
            {
                InTransaction = true;
                await TransactAsync(site, delivery);
                InTransaction = false;
                _owner.TransactionEnded();
            }
            else if (!await IdleAsync(site) || !_dialogue.IsQuiet())
            {
                break;
            }
        }
        if (_machine.CanQuit && !_dialogue.IsOutOfTurn)
        {
            await _dialogue.ConverseAsync(_machine.Quit());
        }
    }

    /// <summary>Waits for more work of the site.</summary>
    /// <returns>False when there was none for long enough, or the owner wants the connection closed.</returns>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<bool> IdleAsync(Site site)
    {
        _parked = true;
        _owner.Park(this, site);
        await _idle.SleepAsync(_owner.Limits.ReuseIdleMs);
        if (_parked)
        {
            _parked = false;
            _owner.Withdraw(this, site);
            return false;
        }
        return !_endWanted;
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<bool> DialSiteAsync(Site site)
    {
        Plan plan = site.Plan;
        int count = plan.Order(_owner.World.Random, _addresses);
        Check.That(count > 0);
        for (int i = 0; i < count; i++)
        {
            if (_owner.IsDraining)
            {
                return false;
            }
            if (await DialAsync(site, plan, _addresses[i]))
            {
                return true;
            }
            _dialogue.Close();
            if (_machine.Stage == SmtpStage.Auth && _failure.Reach == Reach.Site)
            {
                // Another of its hosts has the same users, and a wrong password that is tried often locks the account.
                break;
            }
        }
        _owner.Queue.SiteFailed(site, _failure, _reason.AsSpan(0, _reasonLength));
        return false;
    }

    /// <summary>One address; a second time in clear when an opportunistic handshake failed.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<bool> DialAsync(Site site, Plan plan, PlanAddress target)
    {
        string host = target.Host.Name;
        StartTlsUse tls = _owner.Tls.UseFor(plan.Tls, host, _owner.World.Loop.NowMs);
        SendStep step = await DialOnceAsync(site, plan, tls, target);
        bool handshakeFailed = step == SendStep.Closed && _failure.Cause == OutcomeCause.TlsFailed;
        if (handshakeFailed && tls == StartTlsUse.WhenOffered && !_owner.IsDraining)
        {
            _owner.Tls.Remember(host, _owner.World.Loop.NowMs);
            _owner.LogFallback(site, target.Host, target.EndPoint);
            _dialogue.Close();
            step = await DialOnceAsync(site, plan, StartTlsUse.Never, target);
        }
        return step == SendStep.Ready;
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<SendStep> DialOnceAsync(Site site, Plan plan, StartTlsUse tls, PlanAddress target)
    {
        Loop loop = _owner.World.Loop;
        long started = loop.NowMs;
        _host = target.Host;
        _address = target.EndPoint;
        _owner.Counters.ConnectionsOut++;
        DialResult dialled = await _owner.World.Network.ConnectAsync(target.EndPoint, _owner.SourceFor(site, target.EndPoint), _owner.Limits.ConnectTimeoutMs);
        if (dialled.Link is null)
        {
            const int TimedOut = 110;
            OutcomeCause cause = dialled.Errno == TimedOut ? OutcomeCause.ConnectTimeout : OutcomeCause.ConnectFailed;
            Fail(site, OutcomePolicy.From(SmtpStage.Connect, cause), System.Text.Encoding.ASCII.GetBytes("connect: " + ErrnoText.Of(dialled.Errno)), SmtpStage.Connect, started);
            return SendStep.Closed;
        }
        SendStep step = await _dialogue.OpenAsync(dialled.Link, tls, plan.Credentials);
        if (step == SendStep.StartTls)
        {
            step = await _dialogue.SecureAsync(_owner.Tls.For(plan.Tls, target.Host.Name));
        }
        if (step != SendStep.Ready)
        {
            Fail(site, _machine.Failure, _machine.FailureReason.Span, _machine.Stage, started);
            return SendStep.Closed;
        }
        _connectMs = loop.NowMs - started;
        _trust = _owner.Trusts.Of(target.Host.Name, loop.NowMs);
        return step;
    }

    private void Fail(Site site, Outcome failure, ReadOnlySpan<byte> reason, SmtpStage stage, long started)
    {
        _failure = failure;
        _reasonLength = Math.Min(reason.Length, _reason.Length);
        reason[.._reasonLength].CopyTo(_reason);
        _owner.Counters.ConnectionsOutFailed++;
        _owner.LogFailedDial(site, _host!, _address!, failure, reason, stage, started);
    }

    /// <summary>
    /// Sends one message, and those whose envelopes leave behind its final dot. A message is taken before the one in
    /// front of it is answered: its body is read, or its envelope under way, while the peer stores that one.
    /// </summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask TransactAsync(Site site, Delivery delivery)
    {
        BodyReader body = _owner.Journal.OpenBody();
        body.Start(delivery.Message);
        BodyStatus status = await body.PrepareAsync();
        bool joined = false;
        while (true)
        {
            _reused = _machine.Completed > 0;
            _dialogue.SetBody(body);
            if (status != BodyStatus.Ok)
            {
                _owner.ReportUnreadable(delivery, body, status, Attempt());
            }
            else if (TryBegin(delivery, body, joined, out SendStep step))
            {
                step = await _dialogue.ConverseAsync(step);
                if (step == SendStep.Body)
                {
                    step = await _dialogue.SendBodyAsync(this);
                    step = await _dialogue.ConverseAsync(step);
                }
                Check.That(step == SendStep.Done, "a transaction that did not end");
                Report(site, delivery, body.Envelope);
            }
            _dialogue.SetBody(null);
            body.Close();
            if (_nextBody is null)
            {
                return;
            }
            (delivery, body, _nextBody) = (_nextDelivery, _nextBody, null);
            joined = _machine.HasFollowing;
            status = await _nextPrepared;
            if (!joined && !MayTakeMore)
            {
                _owner.Queue.Release(delivery);
                body.Close();
                return;
            }
        }
    }

    /// <summary>Asked when the final dot has gone out: takes the site's next message, and lets its envelope follow at once when the host is known to keep in step.</summary>
    /// <returns>The message whose envelope is to be written; null when nothing may be.</returns>
    public BodyReader? Join()
    {
        long now = _owner.World.Loop.NowMs;
        _dotMs = now;
        bool isLast = _machine.Completed + 1 >= _owner.Limits.MessagesPerConnection;
        if (isLast || _owner.IsDraining || !_trust!.MayJoin(now) || !_owner.Queue.TryTake(Site!, out _nextDelivery))
        {
            return null;
        }
        _nextBody = _owner.Journal.OpenBody();
        _nextBody.Start(_nextDelivery.Message);
        ValueTask<BodyStatus> prepared = _nextBody.PrepareAsync();
        if (!prepared.IsCompletedSuccessfully)
        {
            _nextPrepared = prepared;
            return null;
        }
        BodyStatus status = prepared.Result;
        _nextPrepared = new ValueTask<BodyStatus>(status);
        long contentBytes = _nextBody.Length - _nextBody.StuffedDots;
        if (status != BodyStatus.Ok)
        {
            return null;
        }
        Envelope envelope = _nextBody.Envelope;
        if (!_machine.CanJoin(contentBytes, (envelope.Flags & EnvelopeFlags.SmtpUtf8) != 0))
        {
            return null;
        }
        Span<int> indexes = _owner.RecipientScratch;
        int count = _owner.Queue.CollectRecipients(_nextDelivery, envelope, indexes, out _);
        if (count == 0)
        {
            return null;
        }
        _machine.Join(indexes[..count], contentBytes, (envelope.Flags & EnvelopeFlags.EightBit) != 0);
        return _nextBody;
    }

    private bool TryBegin(in Delivery delivery, BodyReader body, bool joined, out SendStep step)
    {
        if (joined)
        {
            step = _machine.Follow();
            return true;
        }
        Envelope envelope = body.Envelope;
        Span<int> indexes = _owner.RecipientScratch;
        int count = _owner.Queue.CollectRecipients(delivery, envelope, indexes, out _);
        if (count == 0)
        {
            // All of them were settled meanwhile, by the operator.
            step = SendStep.Done;
            _owner.Queue.Report(delivery, envelope, Attempt(), default);
            return false;
        }
        step = _machine.Begin(indexes[..count], body.Length - body.StuffedDots, (envelope.Flags & EnvelopeFlags.EightBit) != 0, (envelope.Flags & EnvelopeFlags.SmtpUtf8) != 0);
        return true;
    }

    private void Report(Site site, in Delivery delivery, in Envelope envelope)
    {
        if (_machine.NotAttempted || (!_owner.MaySend && Deliverer.WasCutShort(_machine.Ledger)))
        {
            if (_machine.NotAttempted && _machine.Failure.Cause == OutcomeCause.Reply)
            {
                _owner.Queue.SiteReplied(site, _machine.Failure, _machine.FailureReason.Span);
            }
            _owner.Queue.Release(delivery);
            return;
        }
        Judge(site);
        _owner.Report(delivery, envelope, _machine.Ledger, Attempt());
        if (_machine.IsSiteTrouble)
        {
            _owner.Queue.SiteFailed(site, _machine.Failure, _machine.FailureReason.Span, counted: true);
        }
    }

    // How the host keeps in step, and whether it is quick enough to be given one message after another.
    private void Judge(Site site)
    {
        long now = _owner.World.Loop.NowMs;
        if (_dialogue.IsOutOfTurn || _machine.DotInDoubt)
        {
            _trust!.Doubted(now);
        }
        else if (_machine.DotAnswered)
        {
            _trust!.Answered();
            if (now - _dotMs <= HostTrust.QuickReplyMs)
            {
                site.QuickUntilMs = now + Site.QuickMs;
            }
        }
    }

    private AttemptInfo Attempt() => new(_host!.Name, _address, _dialogue.Link?.TlsName, _reused ? 0 : _connectMs, _reused)
    {
        HasDsn = _machine.Capabilities.Has(SmtpExtensions.Dsn),
    };
}
