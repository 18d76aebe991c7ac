using System.Net;
using FastRelay.Config;
using FastRelay.Load;
using FastRelay.Queue;
using FastRelay.Smtp;

namespace FastRelay.Tests.Queue;

/// <summary>
/// A large provider that nobody has told us anything about, on a clock that the test moves: a cap over a sliding window,
/// greylisting, replies about reputation, and a block of our address. It plays the hosts with the rules of
/// <c>fastrelay sink</c>, and Deliver with sessions that take their time. The queue in front of it always has mail.
/// </summary>
internal sealed class ProviderSimulation
{
    private const int TickMs = 10;
    private const int DialMs = 60;
    private const int IdleMs = 2_000;
    private const int Backlog = 300;
    private readonly Random _random = new(7);
    private readonly SinkRules _rules;
    private readonly Queue<long> _admitted = new();
    private readonly List<Session> _sessions = [];
    private readonly QueueRig _rig;
    private RateWindow _window = new(1, 1);
    private long _windowMs;
    private int _cap;
    private int _sent;

    public ProviderSimulation(IReadOnlyList<ReplyRuleConfig> rules)
    {
        _rules = new SinkRules(
            new SinkScenario
            {
                GreylistMs = 60_000,
                Faults = [new FaultRule { At = DialogueStage.Dot, Kind = FaultKind.Reply, Reply = [.. "451 4.7.0 put off: reputation of your address\r\n"u8], Odds = 0.03 }],
            },
            _random);
        _rig = new QueueRig(new QueueOptions { ReplyRules = rules }).Domain("a.test");
        _rig.Queue.Dispatcher = new Dialler(this);
    }

    /// <summary>Attempts at MAIL, those that the cap refused, and those that it let in, minute by minute.</summary>
    public List<(int Tried, int Refused, int Admitted)> Minutes { get; } = [(0, 0, 0)];

    public bool IsBlocked { get; set; }

    public long Delivered => _rig.Counters.Delivered;

    public long Deferred => _rig.Queue.Deferred;

    public LearnedRateView? Learned => _rig.Queue.State.Sites.Find("mx.a.test") is null ? null : _rig.ViewOf("mx.a.test").Learned;

    private long Now => _rig.Loop.Loop.NowMs;

    /// <summary>Another cap; what was let in under the one before counts on.</summary>
    public void Cap(int count, long windowMs)
    {
        (_cap, _windowMs) = (count, windowMs);
        _window = new RateWindow(count, windowMs);
        foreach (long at in _admitted.Skip(_admitted.Count - count))
        {
            _window.TryAdmit(at);
        }
    }

    /// <summary>Lets time pass.</summary>
    public void Run(long milliseconds)
    {
        for (long end = Now + milliseconds; Now < end;)
        {
            if (Now % 1_000 == 0)
            {
                TopUp();
            }
            _rig.Loop.Time.Advance(TickMs);
            _rig.Loop.Settle();
            foreach (Session session in _sessions.ToArray())
            {
                Step(session);
            }
            if (Now % 60_000 == 0)
            {
                Minutes.Add((0, 0, 0));
            }
        }
    }

    private void TopUp()
    {
        for (; _rig.Queue.Ready < Backlog + (_cap * 1_000 / _windowMs * 2); _sent++)
        {
            // One in twenty is somebody new, whom the provider puts off at first.
            _rig.Commit("s@x.test", _sent % 20 == 0 ? $"new{_sent}@a.test" : $"user{_sent % 200}@a.test");
        }
    }

    private void Step(Session session)
    {
        if (session.DueMs > Now)
        {
            return;
        }
        if (session.Dials)
        {
            session.Dials = false;
            if (IsBlocked)
            {
                End(session);
                _rig.Queue.SiteFailed(session.Site, OutcomePolicy.From(SmtpStage.Banner, 554, new EnhancedCode(5, 7, 1)), "5.7.1 your address is blocked"u8);
                return;
            }
        }
        if (session.IsIdle)
        {
            session.Site.Idle--;
            End(session);
            return;
        }
        if (session.Answer is { } answer)
        {
            session.Answer = null;
            _rig.Report(session.Delivery, _ => answer.Outcome, answer.Text);
        }
        Take(session);
    }

    private void Take(Session session)
    {
        if (!_rig.Queue.TryTake(session.Site, out Delivery delivery))
        {
            session.IsIdle = true;
            session.Site.Idle++;
            session.DueMs = Now + IdleMs;
            return;
        }
        if (IsBlocked)
        {
            _rig.Queue.SiteReplied(session.Site, OutcomePolicy.From(SmtpStage.Mail, 421, new EnhancedCode(4, 7, 1)), "4.7.1 your address is blocked"u8, delivery.TakenMs);
            _rig.Queue.Release(delivery);
            End(session);
            return;
        }
        session.Delivery = delivery;
        session.Answer = Judge(_rig.Recipients(delivery));
        session.DueMs = Now + (session.Answer.Value.Outcome.Class == OutcomeClass.Delivered ? _random.Next(60, 160) : 40);
    }

    private (Outcome Outcome, string Text) Judge(string recipient)
    {
        (int tried, int refused, int admitted) = Minutes[^1];
        bool open = _window.TryAdmit(Now);
        Minutes[^1] = (tried + 1, refused + (open ? 0 : 1), admitted + (open ? 1 : 0));
        if (!open)
        {
            return (OutcomePolicy.From(SmtpStage.Mail, 450, new EnhancedCode(4, 7, 1)), "4.7.1 Message rate exceeded, slow down");
        }
        _admitted.Enqueue(Now);
        if (_rules.Judge(DialogueStage.Rcpt, IPAddress.Loopback, 1, "s@x.test"u8, System.Text.Encoding.ASCII.GetBytes(recipient), Now).Kind == FaultKind.Reply)
        {
            return (OutcomePolicy.From(SmtpStage.Rcpt, 451, new EnhancedCode(4, 7, 1)), "4.7.1 Greylisted, please try again later");
        }
        return _rules.Judge(DialogueStage.Dot, IPAddress.Loopback, 1, default, default, Now).Kind == FaultKind.Reply
            ? (OutcomePolicy.From(SmtpStage.Dot, 451, new EnhancedCode(4, 7, 0)), "4.7.0 put off: reputation of your address")
            : (QueueRig.Ok, "2.0.0 taken");
    }

    private void End(Session session)
    {
        _sessions.Remove(session);
        session.Site.Sessions--;
    }

    private sealed class Session(Site site)
    {
        public Site Site => site;

        public bool Dials { get; set; } = true;

        public bool IsIdle { get; set; }

        public long DueMs { get; set; }

        public Delivery Delivery { get; set; }

        public (Outcome Outcome, string Text)? Answer { get; set; }
    }

    private sealed class Dialler(ProviderSimulation simulation) : Dispatcher
    {
        public override bool Dispatch(Site site)
        {
            if (simulation._sessions.Find(static session => session.IsIdle) is { } idle)
            {
                idle.IsIdle = false;
                idle.DueMs = simulation.Now;
                site.Idle--;
            }
            else
            {
                simulation._sessions.Add(new Session(site) { DueMs = simulation.Now + DialMs });
                site.Sessions++;
            }
            return true;
        }

        public override void CloseIdle(Site site) => throw new NotSupportedException("one site shares its budget with none");
    }
}
