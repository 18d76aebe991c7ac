using System.Runtime.CompilerServices;
using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Outside;
using FastRelay.Queue;
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
    private readonly SiteDialer _dialer;
    private readonly Signal<Site?> _assigned;
    private readonly Sleeper _idle;
    private WindowSession? _window;
    private SevenBitContent? _sevenBit;
    private Delivery _nextDelivery;
    private BodyReader? _nextBody;
    private ValueTask<BodyStatus> _nextPrepared;
    private long _dotMs;
    private bool _parked;
    private bool _endWanted;
    private bool _reused;

    public SendSession(Deliverer owner)
    {
        _owner = owner;
        _machine = new SendMachine(owner.HelloName, owner.Limits.RecipientsPerTransaction);
        _dialogue = new SendDialogue(owner.World, owner.Limits, _machine, owner.Tap());
        _dialer = new SiteDialer(owner, _machine, _dialogue);
        _assigned = new Signal<Site?>(owner.World.Loop);
        _idle = new Sleeper(owner.World.Loop);
        _ = RunAsync();
    }

    /// <summary>The site it works for; null in the pool.</summary>
    public Site? Site { get; private set; }

    /// <summary>A transaction is under way.</summary>
    public bool InTransaction { get; private set; }

    /// <summary>Since when, on the loop's scale: nothing that it works at was taken before.</summary>
    public long InTransactionSinceMs { get; private set; }

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

    /// <summary>Nothing more is sent on this connection: the host does not serve.</summary>
    public bool Leaves { get; private set; }

    /// <summary>Messages that the connection may serve before QUIT: our bound, or the one that the host has shown.</summary>
    public int MessagesMost => Math.Min(_owner.Limits.MessagesPerConnection, _dialer.Trust!.MessagesMost(_owner.World.Loop.NowMs));

    private bool MayTakeMore => !Leaves && _machine.IsUsable && !_dialogue.IsOutOfTurn && !_owner.IsDraining && _machine.Completed < MessagesMost;

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
                _dialer.Forget();
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
        _endWanted = Leaves = false;
        if (!await _dialer.DialAsync(site))
        {
            return;
        }
        while (MayTakeMore)
        {
            if (_owner.Queue.TryTake(site, out Delivery delivery))
            {
                InTransaction = true;
                InTransactionSinceMs = delivery.TakenMs;
                await SendAsync(site, delivery);
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

    /// <summary>Sends a message and what may follow it at once: many in flight where the operator has said so, else one after another.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask SendAsync(Site site, Delivery delivery)
    {
        int inFlight = site.InFlightMost;
        if (inFlight > 1 && _machine.CanOpenWindow && _dialer.Trust!.MayFill(_owner.World.Loop.NowMs))
        {
            if (_window?.Size != inFlight)
            {
                _window = new WindowSession(_owner, this, _dialogue, inFlight);
            }
            WindowEnd end = await _window.RunAsync(site, _dialer.Trust, delivery);
            _machine.CloseWindow(end.Completed, end.IsOpen);
            if (end.Left is not { } left)
            {
                return;
            }
            if (!MayTakeMore)
            {
                _owner.Queue.Release(left);
                return;
            }
            delivery = left;
        }
        await TransactAsync(site, delivery);
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
            SevenBitVerdict verdict = SevenBitVerdict.Unneeded;
            if (status == BodyStatus.Ok && !joined && _owner.MustBeSevenBit(site, body, _machine.Capabilities))
            {
                verdict = await (_sevenBit ??= new SevenBitContent(_owner.World)).LookAtAsync(body);
            }
            bool converts = verdict == SevenBitVerdict.Convertible && _owner.EightBitOf(site) == EightBitMode.Convert;
            _dialogue.SetBody(body, converts ? _sevenBit : null);
            if (status != BodyStatus.Ok)
            {
                _owner.ReportUnreadable(delivery, body, status, Attempt());
            }
            else if (TryBegin(delivery, body, joined, verdict, converts, out SendStep step))
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
        bool isLast = _machine.Completed + 1 >= MessagesMost;
        if (isLast || _owner.IsDraining || !_dialer.Trust!.MayJoin(now) || !_owner.Queue.TryTake(Site!, out _nextDelivery))
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
        if (_owner.MustBeSevenBit(Site!, _nextBody, _machine.Capabilities) || !_machine.CanJoin(contentBytes, (envelope.Flags & EnvelopeFlags.SmtpUtf8) != 0))
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

    private bool TryBegin(in Delivery delivery, BodyReader body, bool joined, SevenBitVerdict verdict, bool converts, out SendStep step)
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
        // A report that cannot be converted goes as it is: nobody would be told that it is lost.
        OutcomeCause hindrance = verdict == SevenBitVerdict.Unneeded || converts || (envelope.Flags & EnvelopeFlags.Bounce) != 0 ? OutcomeCause.None
            : verdict == SevenBitVerdict.Signed ? OutcomeCause.EightBitSigned : OutcomeCause.EightBit;
        step = _machine.Begin(indexes[..count], converts ? _sevenBit!.ContentBytes : body.Length - body.StuffedDots,
            (envelope.Flags & EnvelopeFlags.EightBit) != 0, (envelope.Flags & EnvelopeFlags.SmtpUtf8) != 0, hindrance);
        return true;
    }

    private void Report(Site site, in Delivery delivery, in Envelope envelope)
    {
        TransactionLedger ledger = _machine.Ledger;
        Judge(site);
        if (_machine.NotAttempted || (!_owner.MaySend && ledger.WasCutShort))
        {
            if (_machine.NotAttempted && _machine.Failure.Cause is OutcomeCause.Reply or OutcomeCause.ConnectionLost)
            {
                EndedAfter(site, _machine.Completed);
            }
            if (_machine.NotAttempted && _machine.Failure.Cause == OutcomeCause.Reply)
            {
                _owner.Queue.SiteReplied(site, _machine.Failure, _machine.FailureReason.Span, delivery.TakenMs);
            }
            _owner.Queue.Release(delivery);
            return;
        }
        if (ledger.ConcernsSite)
        {
            // Mostly all others would hear the same; but it may be about this sender, so its message waits by its own times.
            RefusedUntilTls(ledger.OutcomeAt(0));
            _owner.Report(delivery, envelope, ledger, Attempt());
            if (!_reused)
            {
                _owner.Queue.SiteFailed(site, ledger.OutcomeAt(0), ledger.TextAt(0).Span, counted: true);
            }
            return;
        }
        bool toAnother = ledger.ConcernsHost && LeaveHost(site);
        if (toAnother && ledger.OutcomeAt(0) is { Cause: not OutcomeCause.Reply } or { EnhancedCode.Subject: 3 })
        {
            // The connection or the host's system failed: the next host gets it at once (RFC 5321 5.1). Another 421 may be about us.
            _owner.Queue.Release(delivery);
            return;
        }
        _owner.Report(delivery, envelope, ledger, Attempt());
        if (_machine.IsSiteTrouble && !toAnother)
        {
            _owner.Queue.SiteFailed(site, _machine.Failure, _machine.FailureReason.Span, counted: true);
        }
    }

    /// <summary>The host does not serve: true when the connection ends and another host of the site is tried first.</summary>
    public bool LeaveHost(Site site) => Leaves = _dialer.AvoidHost(site);

    /// <summary>A host that was dialled in clear since its handshake failed, and that says 530, gets a handshake again.</summary>
    public void RefusedUntilTls(in Outcome outcome)
    {
        Leaves = true;
        _dialer.Refused(outcome, inClear: _dialogue.Link?.TlsName is null);
    }

    /// <summary>The host ended the connection when it was to hear of another message.</summary>
    public void EndedAfter(Site site, int messages)
    {
        if (_dialer.Trust!.EndedAfter(messages, _owner.World.Loop.NowMs))
        {
            _owner.LogBound(site, _dialer.HostName, messages);
        }
    }

    // How the host keeps in step, and whether it is quick enough to be given one message after another.
    private void Judge(Site site)
    {
        long now = _owner.World.Loop.NowMs;
        if (_dialogue.IsOutOfTurn || _machine.LosesTrust)
        {
            _dialer.Trust!.Doubted(now);
        }
        else if (_machine.DotAnswered)
        {
            _dialer.Trust!.Answered();
            if (now - _dotMs <= HostTrust.QuickReplyMs)
            {
                site.QuickUntilMs = now + Site.QuickMs;
            }
        }
    }

    private AttemptInfo Attempt() => Attempt(_reused);

    /// <summary>With whom a message was tried.</summary>
    /// <param name="reused">The connection had served before.</param>
    public AttemptInfo Attempt(bool reused) => new(_dialer.HostName, _dialer.Address, _dialogue.Link?.TlsName, reused ? 0 : _dialer.ConnectMs, reused)
    {
        HasDsn = _machine.Capabilities.Has(SmtpExtensions.Dsn),
    };
}
