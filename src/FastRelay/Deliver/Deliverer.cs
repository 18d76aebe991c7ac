using System.Net;
using System.Runtime.CompilerServices;
using System.Text;
using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Observe;
using FastRelay.Outside;
using FastRelay.Queue;
using FastRelay.Routing;
using FastRelay.Smtp;

namespace FastRelay.Deliver;

/// <summary>
/// Step 10 and 11 of a message's life: sends what the queue has ready. Owns the pool of <see cref="SendSession"/>s, the
/// connections that are kept for reuse, and the gate that shutdown closes.
/// </summary>
public sealed class Deliverer : Dispatcher
{
    /// <summary>After the links were cut their sessions end within a few turns; this is for a defect, ms.</summary>
    private const int CutMs = 5_000;

    private readonly RecipientReport[] _reports;
    private readonly int[] _recipients;
    private readonly IdleSessions _idle = new();
    private DeliverOptions _options;
    private readonly Log _log;
    private readonly Sleeper _drained;
    private SendSession? _pool;
    private SendSession? _open;
    private int _openCount;
    private bool _draining;

    /// <summary>Creates the stage; nothing is dialled before <see cref="MessageQueue"/> dispatches.</summary>
    public Deliverer(World world, MessageQueue queue, MessageJournal journal, Limits limits, DeliverOptions options, Log log, Counters counters)
    {
        World = world;
        Queue = queue;
        Journal = journal;
        Limits = limits;
        Counters = counters;
        _options = options;
        _log = log;
        HelloName = Encoding.ASCII.GetBytes(options.HelloName);
        Tls = new ClientTls(options);
        _reports = new RecipientReport[limits.RecipientsPerTransaction];
        _recipients = new int[limits.RecipientsPerTransaction];
        _drained = new Sleeper(world.Loop);
    }

    /// <summary>Sessions that have a site: dialling, sending, idle or saying QUIT.</summary>
    public int Sessions => _openCount;

    /// <summary>Those of <see cref="Sessions"/> whose connection is kept for the next message.</summary>
    public int IdleSessions => _idle.Count;

    /// <summary>The gate that is asked before a connect, before a transaction and before a final dot.</summary>
    public bool MaySend { get; private set; } = true;

    internal World World { get; }

    internal MessageQueue Queue { get; }

    internal MessageJournal Journal { get; }

    internal Limits Limits { get; private set; }

    internal Counters Counters { get; }

    /// <summary>Where a new session's dialogues can be watched.</summary>
    internal TraceTap Tap() => new(_log.Tracer, outgoing: true);

    internal ClientTls Tls { get; }

    internal HostTrusts Trusts { get; } = new();

    internal byte[] HelloName { get; }

    /// <summary>Room to collect the recipients of one transaction; used and forgotten within one call.</summary>
    internal Span<int> RecipientScratch => _recipients;

    /// <summary>
    /// Puts other options and limits in force: new connections go by them, those that are open by theirs. Our name, and the
    /// sizes of a transaction and of an attempt (<see cref="Limits.RecipientsPerTransaction"/>,
    /// <see cref="Limits.MxAddressesTried"/>), stay as they were at the start.
    /// </summary>
    public void Change(DeliverOptions options, Limits limits)
    {
        World.Loop.CheckThread();
        Check.That(limits.RecipientsPerTransaction == _recipients.Length && limits.MxAddressesTried == Limits.MxAddressesTried);
        _options = options;
        Limits = limits;
        Tls.Options = options;
    }

    /// <inheritdoc/>
    public override bool Dispatch(Site site)
    {
        World.Loop.CheckThread();
        if (_draining)
        {
            return false;
        }
        if (_idle.TryFind(site, out SendSession? idle))
        {
            Unpark(idle, site);
            return true;
        }
        if (_openCount >= Limits.SendSessions)
        {
            CloseOneIdle();
            return false;
        }
        SendSession session = Rent();
        site.Sessions++;
        session.Start(site);
        return true;
    }

    /// <inheritdoc/>
    public override bool MayHold(Site site, long takenMs)
    {
        for (SendSession? session = _open; session is not null; session = session.Next)
        {
            if (session.Site == site && session.InTransaction && session.InTransactionSinceMs <= takenMs)
            {
                return true;
            }
        }
        return false;
    }

    /// <inheritdoc/>
    public override void CloseIdle(Site site)
    {
        Check.That(_idle.TryFind(site, out SendSession? session), "a site without an idle connection has none to end");
        session.EndIdle();
        Unpark(session, site);
    }

    /// <inheritdoc/>
    public override HostMemory MemoryOf(string host, TlsPolicy tls) => Trusts.MemoryOf(host, World.Loop.NowMs) with
    {
        ClearMs = tls == TlsPolicy.Opportunistic ? Tls.ClearForMs(host, World.Loop.NowMs) : 0,
    };

    /// <inheritdoc/>
    public override void ForgiveHosts(Site site)
    {
        site.Tried = null;
        for (int i = 0; i < site.Plan.Hosts.Count; i++)
        {
            Trusts.Forgive(site.Plan.Hosts[i].Name);
            Tls.Forget(site.Plan.Hosts[i].Name);
        }
    }

    /// <summary>
    /// Stops: no new transaction; waits for the final replies that are owed. After <paramref name="timeoutMs"/> the
    /// connections are cut: what had its final dot is in doubt and logged so, the rest stays as it was.
    /// </summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    public async ValueTask DrainAsync(int timeoutMs)
    {
        World.Loop.CheckThread();
        _draining = true;
        while (_idle.Count > 0)
        {
            CloseOneIdle();
        }
        if (InTransaction > 0)
        {
            await _drained.SleepAsync(timeoutMs);
        }
        MaySend = false;
        if (InTransaction > 0)
        {
            _log.Warn("drain_cut"u8).Add("transactions"u8, InTransaction).Write();
            for (SendSession? session = _open; session is not null; session = session.Next)
            {
                session.Cut();
            }
            await _drained.SleepAsync(CutMs);
        }
    }

    private int InTransaction
    {
        get
        {
            int count = 0;
            for (SendSession? session = _open; session is not null; session = session.Next)
            {
                count += session.InTransaction ? 1 : 0;
            }
            return count;
        }
    }

    internal bool IsDraining => _draining;

    internal void TransactionEnded()
    {
        if (_draining && InTransaction == 0)
        {
            _drained.Wake();
        }
    }

    /// <summary>A connection that found nothing to take waits for more.</summary>
    internal void Park(SendSession session, Site site)
    {
        _idle.Add(session, site);
        if (_openCount >= Limits.SendSessions)
        {
            // Who waits for room asks again, and this one makes it.
            Queue.RoomAgain();
        }
    }

    /// <summary>An idle session gives up waiting by itself.</summary>
    internal void Withdraw(SendSession session, Site site) => _idle.Remove(session, site);

    internal void Ended(SendSession session, Site site)
    {
        if (session.Previous is null)
        {
            _open = session.Next;
        }
        else
        {
            session.Previous.Next = session.Next;
        }
        if (session.Next is not null)
        {
            session.Next.Previous = session.Previous;
        }
        session.Previous = null;
        session.Next = _pool;
        _pool = session;
        _openCount--;
        Counters.SessionsOut = _openCount;
        site.Sessions--;
        Queue.RoomAgain();
    }

    /// <summary>A connection is dialled: the rates of the site count it.</summary>
    internal void Dialling(Site site)
    {
        Counters.ConnectionsOut++;
        site.Dialled();
    }

    internal IPAddress? SourceFor(Site site, IPEndPoint target) => site.Source is { } source ? source.For(target.AddressFamily)
        : _options.Source?.AddressFamily == target.AddressFamily ? _options.Source : null;

    /// <summary>What becomes of 8-bit content that goes to a site's host without 8BITMIME.</summary>
    internal EightBitMode EightBitOf(Site site) => site.EightBit ?? _options.EightBit;

    /// <summary>A message of a site has to be looked at before a host can have it: it holds octets of 8 bits, or was said to.</summary>
    internal bool MustBeSevenBit(Site site, BodyReader body, in EhloCapabilities peer) =>
        (body.Envelope.Flags & EnvelopeFlags.EightBit) != 0 && !peer.Has(SmtpExtensions.EightBitMime) && EightBitOf(site) != EightBitMode.AsIs;

    /// <summary>What EHLO says to a site.</summary>
    internal byte[] HelloNameFor(Site site) => site.Source?.Ehlo ?? HelloName;

    /// <summary>Tells the queue what became of each recipient of a transaction.</summary>
    internal void Report(in Delivery delivery, in Envelope envelope, TransactionLedger ledger, in AttemptInfo attempt)
    {
        for (int i = 0; i < ledger.Count; i++)
        {
            Outcome outcome = ledger.OutcomeAt(i);
            Counters.InDoubt += outcome.Cause == OutcomeCause.InDoubt ? 1 : 0;
            _reports[i] = new RecipientReport(ledger.IndexAt(i), outcome, ledger.TextAt(i));
        }
        Queue.Report(delivery, envelope, attempt, _reports.AsSpan(0, ledger.Count));
    }

    /// <summary>
    /// The message could not be read. Damaged for good: it bounces, or is set aside when its envelope is damaged too, as
    /// nobody can be told then. The disk fails just now: it is looked at again with the usual waits.
    /// </summary>
    internal void ReportUnreadable(in Delivery delivery, BodyReader body, BodyStatus status, in AttemptInfo attempt)
    {
        bool corrupt = status == BodyStatus.Corrupt;
        Span<byte> id = stackalloc byte[MessageId.TextLength];
        Journal.IdOf(delivery.Message).Format(id);
        _log.Error("unreadable"u8).Add("id"u8, id).Add("status"u8, corrupt ? "corrupt"u8 : "io_error"u8)
            .Add("envelope"u8, body.HasEnvelope ? "intact"u8 : "unreadable"u8).Add("where"u8, body.Damage).Write();
        Counters.DamagedMessages += corrupt ? 1 : 0;
        if (corrupt && !body.HasEnvelope)
        {
            Queue.SetAside(delivery);
            return;
        }
        if (!body.HasEnvelope)
        {
            Queue.Report(delivery, default, attempt, default);
            return;
        }
        Outcome outcome = corrupt
            ? OutcomePolicy.From(SmtpStage.Mail, OutcomeCause.CorruptBody)
            : new Outcome(OutcomeClass.Deferred, Reach.Message, OutcomeCause.CorruptBody, 0, new EnhancedCode(4, 3, 0));
        ReadOnlyMemory<byte> text = corrupt ? FailureText.Of(OutcomeCause.CorruptBody) : FailureText.SpoolUnreadable;
        Envelope envelope = body.Envelope;
        int count = Queue.CollectRecipients(delivery, envelope, _recipients, out _);
        for (int i = 0; i < count; i++)
        {
            _reports[i] = new RecipientReport(_recipients[i], outcome, text);
        }
        Queue.Report(delivery, envelope, attempt, _reports.AsSpan(0, count));
    }

    internal void LogFailedDial(Site site, PlanHost host, IPEndPoint address, in Outcome failure, ReadOnlySpan<byte> reason, SmtpStage stage, long startedMs)
    {
        _log.Warn("connect"u8).Add("status"u8, "failed"u8).Add("site"u8, site.Key).Add("host"u8, host.Name).Add("address"u8, address)
            .Add("stage"u8, StageName(stage)).Add("code"u8, failure.ReplyCode).Add("reason"u8, reason)
            .AddSeconds("took"u8, World.Loop.NowMs - startedMs).Write();
        if (_log.Tracer.IsOn && stage == SmtpStage.Connect)
        {
            // No dialogue began: who watches sees why.
            TraceTap tap = Tap();
            tap.Begin(address, host.Name);
            tap.Note(reason);
        }
    }

    /// <summary>A host ends its connections after the same number of messages: we stop at it from now on.</summary>
    internal void LogBound(Site site, string host, int messages) =>
        _log.Line("host_bound"u8).Add("site"u8, site.Key).Add("host"u8, host).Add("messages"u8, messages).Write();

    /// <summary>The other hosts of a site are tried before this one for a while.</summary>
    internal void LogAvoided(Site site, string host) =>
        _log.Line("host_avoided"u8).Add("site"u8, site.Key).Add("host"u8, host).AddSeconds("for"u8, HostTrust.AvoidMs).Write();

    /// <summary>Opportunistic TLS failed; the same host is dialled in clear.</summary>
    internal void LogFallback(Site site, PlanHost host, IPEndPoint address)
    {
        Counters.TlsFallbacks++;
        _log.Warn("tls_fallback"u8).Add("site"u8, site.Key).Add("host"u8, host.Name).Add("address"u8, address).Write();
    }

    private static ReadOnlySpan<byte> StageName(SmtpStage stage) => stage switch
    {
        SmtpStage.Connect => "connect"u8,
        SmtpStage.Banner => "banner"u8,
        SmtpStage.Ehlo => "ehlo"u8,
        SmtpStage.Auth => "auth"u8,
        _ => "starttls"u8,
    };

    private SendSession Rent()
    {
        SendSession session = _pool ?? new SendSession(this);
        _pool = session.Next;
        session.Next = _open;
        session.Previous = null;
        if (_open is not null)
        {
            _open.Previous = session;
        }
        _open = session;
        _openCount++;
        Counters.SessionsOut = _openCount;
        return session;
    }

    private void Unpark(SendSession session, Site site)
    {
        _idle.Remove(session, site);
        session.Unpark();
    }

    // Room for a site that has work is worth more than a connection that may get some.
    private void CloseOneIdle()
    {
        if (_idle.AnySite is { } site)
        {
            CloseIdle(site);
        }
    }
}
