using FastRelay.Queue;
using FastRelay.Smtp;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>
/// Plays Deliver for many sites, with connections that take their time to be dialled, to send, and to end; and the provider
/// behind them, who takes everything unless the test says otherwise. It counts what the provider sees.
/// </summary>
internal sealed class Courier : Dispatcher
{
    private const int TickMs = 10;
    private const int SendMs = 100;
    private const int QuitMs = 20;
    private readonly QueueRig _rig;
    private readonly List<Session> _sessions = [];
    private readonly Dictionary<string, long> _delivered = [];

    public Courier(QueueRig rig)
    {
        _rig = rig;
        rig.Queue.Dispatcher = this;
    }

    private enum Doing
    {
        Dial,
        Take,
        Send,
        Idle,
        Quit,
    }

    /// <summary>How long a connection takes, ms.</summary>
    public int DialMs { get; set; } = 50;

    /// <summary>How long a connection is kept, ms.</summary>
    public int KeepMs { get; set; } = 10_000;

    /// <summary>Refuses, by the domain of the recipient; null takes.</summary>
    public Func<string, (Outcome Outcome, string Text)?> Refuses { get; set; } = static _ => null;

    /// <summary>Refuses connections, by the site's key; null takes them.</summary>
    public Func<string, Outcome?> RefusesDial { get; set; } = static _ => null;

    /// <summary>Messages that were begun: when, and at which site.</summary>
    public List<(long AtMs, string Site)> Begun { get; } = [];

    /// <summary>Messages of a tenant that were answered.</summary>
    public long DeliveredOf(string tenant) => _delivered.GetValueOrDefault(tenant);

    /// <summary>When each connection was dialled.</summary>
    public List<long> Dials { get; } = [];

    /// <summary>Most connections that were open at once.</summary>
    public int MostOpen { get; private set; }

    private long Now => _rig.Loop.Loop.NowMs;

    public override bool Dispatch(Site site)
    {
        Assert.True(site.CanRun);
        if (_sessions.Find(session => session.Site == site && session.Is == Doing.Idle) is { } idle)
        {
            idle.Next(Doing.Take, Now);
            site.Idle--;
            return true;
        }
        Assert.Equal(0, site.Idle);
        Dials.Add(Now);
        _sessions.Add(new Session(site).Next(Doing.Dial, Now));
        site.Sessions++;
        MostOpen = Math.Max(MostOpen, _sessions.Count);
        return true;
    }

    public override void CloseIdle(Site site)
    {
        _sessions.Find(session => session.Site == site && session.Is == Doing.Idle)!.Next(Doing.Quit, Now + QuitMs);
        site.Idle--;
    }

    /// <summary>Lets time pass.</summary>
    public void Run(long milliseconds)
    {
        for (long end = Now + milliseconds; Now < end;)
        {
            _rig.Loop.Time.Advance(TickMs);
            _rig.Loop.Settle();
            foreach (Session session in _sessions.ToArray())
            {
                if (session.DueMs <= Now)
                {
                    Step(session);
                }
            }
        }
    }

    private void Step(Session session)
    {
        switch (session.Is)
        {
            case Doing.Dial when !session.IsDialled:
                session.IsDialled = true;
                session.Site.Dialled();
                session.Next(Doing.Dial, Now + DialMs);
                return;
            case Doing.Dial when RefusesDial(session.Site.Key) is { } refusal:
                _rig.Queue.SiteFailed(session.Site, refusal, "5.7.1 refused"u8);
                End(session);
                return;
            case Doing.Send:
                (Outcome Outcome, string Text)? answer = null;
                string tenant = session.Delivery.Destination.Tenant.Name;
                _delivered[tenant] = DeliveredOf(tenant) + 1;
                _rig.Report(session.Delivery, to => (answer = Refuses(to[(to.IndexOf('@', StringComparison.Ordinal) + 1)..]))?.Outcome ?? QueueRig.Ok, session.Text);
                Take(session);
                return;
            case Doing.Idle:
                session.Site.Idle--;
                End(session);
                return;
            case Doing.Quit:
                End(session);
                return;
            default:
                Take(session);
                return;
        }
    }

    private void Take(Session session)
    {
        if (!_rig.Queue.TryTake(session.Site, out Delivery delivery))
        {
            session.Next(Doing.Idle, Now + KeepMs);
            session.Site.Idle++;
            return;
        }
        Begun.Add((Now, session.Site.Key));
        session.Delivery = delivery;
        string to = _rig.Recipients(delivery);
        session.Text = Refuses(to[(to.IndexOf('@', StringComparison.Ordinal) + 1)..])?.Text ?? "2.0.0 taken";
        session.Next(Doing.Send, Now + SendMs);
    }

    private void End(Session session)
    {
        _sessions.Remove(session);
        session.Site.Sessions--;
    }

    private sealed class Session(Site site)
    {
        public Site Site => site;

        public Doing Is { get; private set; }

        public long DueMs { get; private set; }

        public bool IsDialled { get; set; }

        public Delivery Delivery { get; set; }

        public string Text { get; set; } = "";

        public Session Next(Doing next, long dueMs)
        {
            (Is, DueMs) = (next, dueMs);
            return this;
        }
    }
}
