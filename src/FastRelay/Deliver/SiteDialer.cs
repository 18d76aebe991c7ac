using System.Net;
using System.Runtime.CompilerServices;
using FastRelay.Outside;
using FastRelay.Queue;
using FastRelay.Routing;
using FastRelay.Smtp;

namespace FastRelay.Deliver;

/// <summary>
/// Opens the connection of a <see cref="SendSession"/>: one address of a site after another, up to the end of EHLO, TLS
/// and AUTH, and remembers with whom. Owned by one session.
/// </summary>
internal sealed class SiteDialer
{
    private readonly Deliverer _owner;
    private readonly SendMachine _machine;
    private readonly SendDialogue _dialogue;
    private readonly PlanAddress[] _addresses;
    private readonly byte[] _reason = new byte[Limits.ReplyTextBytes];
    private PlanHost? _host;
    private int _count;
    private Outcome _failure;
    private bool _dialled;
    private bool _rests;
    private int _reasonLength;

    public SiteDialer(Deliverer owner, SendMachine machine, SendDialogue dialogue)
    {
        _owner = owner;
        _machine = machine;
        _dialogue = dialogue;
        _addresses = new PlanAddress[owner.Limits.MxAddressesTried];
    }

    /// <summary>Name of the host that is connected, or was tried last.</summary>
    public string HostName => _host!.Name;

    /// <summary>Its address.</summary>
    public IPEndPoint? Address { get; private set; }

    /// <summary>How the host has kept in step.</summary>
    public HostTrust? Trust { get; private set; }

    /// <summary>From dialling to the end of EHLO, TLS or AUTH, ms.</summary>
    public long ConnectMs { get; private set; }

    /// <summary>The connection is over.</summary>
    public void Forget()
    {
        _host = null;
        Address = null;
    }

    /// <summary>Connects to one of a site's hosts.</summary>
    /// <returns>
    /// False when none could be used, which the queue has been told; when the next address has to wait for the rate of connections, and
    /// another session goes on with it; or when the relay stops.
    /// </returns>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public async ValueTask<bool> DialAsync(Site site)
    {
        Plan plan = site.Plan;
        int count = _count = plan.Order(_owner.World.Random, _addresses, IsAvoided);
        Check.That(count > 0);
        List<PlanAddress>? tried = _owner.World.Loop.NowMs < site.TriedUntilMs ? site.Tried : null;
        site.Tried = null;
        int first = PutFirst(tried, count);
        _dialled = _rests = false;
        for (int i = first; i < count; i++)
        {
            if (_owner.IsDraining)
            {
                return false;
            }
            if (await DialAsync(site, plan, _addresses[i]))
            {
                for (int failed = 0; failed < i; failed++)
                {
                    // Each dial that began with it would cost a connect's time again.
                    Avoid(site, _addresses[failed].Host.Name);
                }
                return true;
            }
            _dialogue.Close();
            if (_rests)
            {
                tried ??= [];
                tried.AddRange(_addresses.AsSpan(first, i - first));
                if (tried.Count < count)
                {
                    // Its place is another's meanwhile. The site waits for the rate like any other, and goes on behind these.
                    site.Tried = tried;
                    site.TriedUntilMs = _owner.World.Loop.NowMs + HostTrust.AvoidMs;
                    return false;
                }
                break;
            }
            if (_machine.Stage == SmtpStage.Auth && _failure.Reach == Reach.Site)
            {
                // Another of its hosts has the same users, and a wrong password that is tried often locks the account.
                break;
            }
        }
        _owner.Queue.SiteFailed(site, _failure, _reason.AsSpan(0, _reasonLength));
        return false;
    }

    /// <summary>The host that is connected would not serve: true when the site has another one, which is tried first from now on.</summary>
    public bool AvoidHost(Site site)
    {
        long now = _owner.World.Loop.NowMs;
        // Of those that this try had in hand: each time the next ones are, until none is left.
        for (int i = 0; i < _count; i++)
        {
            string other = _addresses[i].Host.Name;
            if (other != HostName && !_owner.Trusts.IsAvoided(other, now))
            {
                _owner.Trusts.Of(HostName, now).Avoid(now);
                _owner.LogAvoided(site, HostName);
                return true;
            }
        }
        return false;
    }

    /// <summary>The host that is connected wants TLS or a login first.</summary>
    public void Refused(in Outcome outcome, bool inClear)
    {
        if (outcome.ReplyCode == 530 && inClear)
        {
            _owner.Tls.Forget(HostName);
        }
    }

    /// <summary>Puts the addresses that were dialled before in front of those that were not, which keep their order.</summary>
    /// <returns>The place of the first that was not; 0 when all were, and the plan has no other.</returns>
    private int PutFirst(List<PlanAddress>? tried, int count)
    {
        int first = 0;
        for (int i = 0; i < count && tried is not null; i++)
        {
            PlanAddress one = _addresses[i];
            if (tried.Exists(dialled => dialled.Host.Name == one.Host.Name && dialled.EndPoint.Equals(one.EndPoint)))
            {
                _addresses.AsSpan(first, i - first).CopyTo(_addresses.AsSpan(first + 1));
                _addresses[first++] = one;
            }
        }
        return first == count ? 0 : first;
    }

    private void Avoid(Site site, string host)
    {
        long now = _owner.World.Loop.NowMs;
        // Another address of the same host answered: then it is not the host.
        if (host != HostName && !_owner.Trusts.IsAvoided(host, now))
        {
            _owner.Trusts.Of(host, now).Avoid(now);
            _owner.LogAvoided(site, host);
        }
    }

    private bool IsAvoided(PlanHost host) => _owner.Trusts.IsAvoided(host.Name, _owner.World.Loop.NowMs);

    /// <summary>One address; a second time in clear when an opportunistic handshake failed.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<bool> DialAsync(Site site, Plan plan, PlanAddress target)
    {
        string host = target.Host.Name;
        StartTlsUse tls = _owner.Tls.UseFor(plan.Tls, host, _owner.World.Loop.NowMs);
        SendStep step = await DialOnceAsync(site, plan, tls, target);
        bool handshakeFailed = step == SendStep.Closed && !_rests && _failure.Cause == OutcomeCause.TlsFailed;
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
        _host = target.Host;
        Address = target.EndPoint;
        // The first connection of a session was asked for before it was put to work.
        _rests = _dialled && site.DialWaitMs > 0;
        if (_rests)
        {
            return SendStep.Closed;
        }
        _dialled = true;
        long started = loop.NowMs;
        _owner.Dialling(site);
        DialResult dialled = await _owner.World.Network.ConnectAsync(target.EndPoint, _owner.SourceFor(site, target.EndPoint), _owner.Limits.ConnectTimeoutMs);
        if (dialled.Link is null)
        {
            const int TimedOut = 110;
            OutcomeCause cause = dialled.Errno == TimedOut ? OutcomeCause.ConnectTimeout : OutcomeCause.ConnectFailed;
            Fail(site, OutcomePolicy.From(SmtpStage.Connect, cause), System.Text.Encoding.ASCII.GetBytes("connect: " + ErrnoText.Of(dialled.Errno)), SmtpStage.Connect, started);
            return SendStep.Closed;
        }
        SendStep step = await _dialogue.OpenAsync(dialled.Link, target.Host.Name, tls, plan.Credentials);
        if (step == SendStep.StartTls)
        {
            step = await _dialogue.SecureAsync(_owner.Tls.For(plan.Tls, target.Host.Name, plan.Certificate));
            bool failed = step != SendStep.Ready && _machine.Failure.Cause == OutcomeCause.TlsFailed;
            _owner.Counters.TlsOut += failed ? 0 : 1;
            _owner.Counters.TlsOutFailed += failed ? 1 : 0;
        }
        if (step != SendStep.Ready)
        {
            Fail(site, _machine.Failure, _machine.FailureReason.Span, _machine.Stage, started);
            return SendStep.Closed;
        }
        ConnectMs = loop.NowMs - started;
        Trust = _owner.Trusts.Of(target.Host.Name, loop.NowMs);
        return step;
    }

    private void Fail(Site site, Outcome failure, ReadOnlySpan<byte> reason, SmtpStage stage, long started)
    {
        _failure = failure;
        _reasonLength = Math.Min(reason.Length, _reason.Length);
        reason[.._reasonLength].CopyTo(_reason);
        _owner.Counters.ConnectionsOutFailed++;
        _owner.LogFailedDial(site, _host!, Address!, failure, reason, stage, started);
    }
}
