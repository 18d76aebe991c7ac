using FastRelay.Config;
using FastRelay.Queue;
using FastRelay.Routing;
using FastRelay.Smtp;
using FastRelay.Tests.Support;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>A reload counts hosts with others, or for themselves: what they have taught goes along, and of two that meet the stricter holds.</summary>
public sealed class BudgetMoveTests
{
    private const long HourMs = 3_600_000;
    private static readonly Limits s_limits = new() { SegmentBytes = 4 << 20 };
    private static readonly Outcome s_later = OutcomePolicy.From(SmtpStage.Mail, 421, new EnhancedCode(4, 7, 0));

    private static readonly ReplyRuleConfig[] s_rules =
    [
        new("", "slow down", 1, 0, ReplyAction.Slow, HourMs),
        new("", "come back", 1, 0, ReplyAction.Backoff, HourMs),
        new("", "blocked", 1, 0, ReplyAction.Suspend, HourMs),
    ];

    private readonly QueueRig _rig;

    public BudgetMoveTests()
    {
        _rig = new QueueRig(Options(), s_limits).Domain("a.test").Domain("b.test");
        _rig.Accept("s@x.test", "u@a.test");
        _rig.Accept("s@x.test", "u@b.test");
    }

    private Site A => _rig.SiteOf("mx.a.test");

    private Site B => _rig.SiteOf("mx.b.test");

    private static QueueOptions Options(params SiteConfig[] sites) => new() { Jitter = 0, ReplyRules = s_rules, Sites = sites };

    private void Together(params SiteConfig[] sites) => Reload(Options(sites), ("a.test", "ab.test"), ("b.test", "ab.test"));

    private void Apart() => Reload(Options());

    private void Reload(QueueOptions options, params (string, string)[] providers)
    {
        _rig.Router.Change(new RouterOptions { OwnNames = ["relay.test"], Providers = providers }, s_limits);
        _rig.Queue.Change(options, s_limits);
        _rig.Loop.Settle();
        QueueRules.Hold(_rig);
    }

    private SiteGear GearOf(Site site) => _rig.Queue.State.Gears.Of(site);

    /// <summary>So many got through in the last second, and then a host said that it was too much.</summary>
    private void Learn(Site site, int through)
    {
        for (int i = 0; i < through; i++)
        {
            site.Budget.Through.Add(_rig.Loop.Loop.NowMs);
        }
        _rig.Queue.State.Shaper.Refused(site, s_later, "too fast"u8, HourMs, -1);
    }

    [Fact]
    public void A_learned_rate_goes_along_into_another_budget_and_back()
    {
        Learn(A, 10);
        double learned = A.Budget.Learned!.PerMinute;
        Assert.Equal((1, 600.0), (_rig.Queue.PacedSites, learned));
        Together();
        Assert.Same(A.Budget, B.Budget);
        Assert.Equal((1, learned, true), (_rig.Queue.PacedSites, A.Budget.Learned!.PerMinute, A.Budget.Learned.IsClosed));
        Apart();
        // Each of the two goes by it now, for itself.
        Assert.NotSame(A.Budget.Learned, B.Budget.Learned);
        Assert.Equal((2, learned, learned), (_rig.Queue.PacedSites, A.Budget.Learned!.PerMinute, B.Budget.Learned!.PerMinute));
        _rig.Loop.Wait(_rig.Queue.Admin.RetryAsync(new QueueFilter { Domain = "a.test" }));
        Assert.Equal((1, true), (_rig.Queue.PacedSites, A.Budget.Learned is null));
        _rig.Loop.Pass(2 * HourMs, 60_000);
        Assert.Null(_rig.Queue.State.Shaper.View(B.Budget));
    }

    [Theory]
    [InlineData(10, 100)]
    [InlineData(100, 10)]
    public void Where_two_rates_meet_the_lower_holds(int a, int b)
    {
        Learn(A, a);
        Learn(B, b);
        Together();
        Assert.Equal((1, 600.0), (_rig.Queue.PacedSites, A.Budget.Learned!.PerMinute));
    }

    [Fact]
    public void A_rate_that_is_refused_just_now_is_the_stricter_one()
    {
        Learn(A, 5);
        _rig.Loop.Pass(2_000, 100);
        long now = _rig.Loop.Loop.NowMs;
        Assert.True(A.Budget.Learned!.GotThrough(now, now, A.Budget.Through));
        Learn(B, 100);
        Together();
        Assert.True(A.Budget.Learned!.IsClosed);
        Assert.Equal(6_000, A.Budget.Learned.PerMinute);
    }

    [Theory]
    [InlineData("slow down", SiteGear.Slow)]
    [InlineData("come back", SiteGear.Backoff)]
    [InlineData("blocked", SiteGear.Suspended)]
    public void The_gear_of_a_rule_goes_along_to_its_end(string said, SiteGear gear)
    {
        _rig.Queue.State.Gears.Replied(A, s_later, System.Text.Encoding.ASCII.GetBytes(said));
        long endMs = _rig.Queue.State.Gears.EndOf(A);
        Assert.Equal(gear, GearOf(A));
        Assert.Equal(SiteGear.Normal, GearOf(B));
        Together();
        Assert.Equal((gear, gear, endMs), (GearOf(A), GearOf(B), _rig.Queue.State.Gears.EndOf(B)));
        Assert.Contains(said, _rig.Queue.State.Gears.ReasonOf(B));
        // A part of the provider's hosts that is counted for itself has it, too.
        Together(new SiteConfig("mx.a.test", 2, 0, 0));
        Assert.Equal(("ab.test:mx.a.test", gear, endMs), (A.Budget.Key, GearOf(A), _rig.Queue.State.Gears.EndOf(A)));
        Assert.Equal(gear, GearOf(B));
        Apart();
        Assert.Equal((gear, gear), (GearOf(A), GearOf(B)));
        _rig.Loop.Pass(HourMs + 60_000, 1_000);
        // Backoff ends with what is taken, and nobody sends here.
        Assert.Equal(gear == SiteGear.Backoff ? SiteGear.Backoff : SiteGear.Normal, GearOf(A));
        Assert.True(_rig.Queue.State.Gears.EndOf(A) <= _rig.Loop.Loop.NowMs);
    }

    [Fact]
    public void What_the_operator_has_suspended_by_name_goes_nowhere_with_a_site()
    {
        Together();
        _rig.Loop.Wait(_rig.Queue.SiteAdmin.SuspendAsync("ab.test", 0));
        Assert.Equal(SiteGear.Suspended, GearOf(A));
        Apart();
        Assert.Equal((SiteGear.Normal, SiteGear.Normal), (GearOf(A), GearOf(B)));
        Together();
        Assert.Equal((SiteGear.Suspended, SiteGear.Suspended), (GearOf(A), GearOf(B)));
    }

    [Fact]
    public void Sessions_that_were_seen_to_be_borne_go_along_where_nobody_knows_better()
    {
        A.Budget.Window = 2;
        Together();
        // The first to come brings it along; the other finds it.
        Assert.Equal(2, A.Budget.Window);
        A.Budget.Window = 9;
        Together(new SiteConfig("mx.a.test", 0, 0, 0));
        Assert.Equal((9.0, 9.0), (A.Budget.Window, B.Budget.Window));
        A.Budget.Window = 1;
        Together();
        Assert.Equal(9, A.Budget.Window);
    }
}
