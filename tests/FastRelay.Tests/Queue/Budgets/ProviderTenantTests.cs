using FastRelay.Queue;
using FastRelay.Tests.Support;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>
/// A thousand customers of one provider share its sessions. A tenant with a backlog for all of them does not make another's single
/// message for one of them wait until each of the thousand has had its turn.
/// </summary>
public sealed class ProviderTenantTests
{
    private const int Customers = 1_000;
    private readonly QueueRig _rig = new(new QueueOptions { Jitter = 0 }, new Limits { SegmentBytes = 4 << 20 });
    private readonly Courier _courier;

    public ProviderTenantTests()
    {
        for (int i = 0; i < Customers; i++)
        {
            _rig.Domain($"c{i}.test", Mx(i));
        }
        _courier = new Courier(_rig);
    }

    private static string Mx(int customer) => $"c{customer}-test.mail.protection.outlook.com";

    private void Fill(string tenant, int each, int customers = Customers, int from = 0)
    {
        _rig.Tenant = tenant;
        for (int i = 0; i < customers * each; i++)
        {
            _rig.Commit("s@x.test", $"u{i}@c{from + (i % customers)}.test");
        }
        _rig.Loop.Settle();
    }

    /// <summary>How long each of ten messages of another tenant waits, all given at once, for customers all over the thousand, ms; in the order of their delivery.</summary>
    private List<long> WaitsOf(string tenant)
    {
        long at = _rig.Loop.Loop.NowMs;
        for (int i = 0; i < 10; i++)
        {
            Fill(tenant, each: 1, customers: 1, from: ((i * 617) + 40) % Customers);
        }
        var waits = new List<long>();
        while (waits.Count < 10)
        {
            _courier.Run(50);
            for (long delivered = _courier.DeliveredOf(tenant); waits.Count < delivered;)
            {
                waits.Add(_rig.Loop.Loop.NowMs - at);
            }
        }
        return waits;
    }

    [Theory]
    [InlineData(20_000)]
    [InlineData(150_000)]
    public void A_single_message_does_not_wait_for_a_round_over_another_tenants_backlogs(int afterMs)
    {
        // In the first round most have had no turn yet; in the second all have.
        Fill("bulk", each: 60);
        _courier.Run(afterMs);
        List<long> waits = WaitsOf("single");
        Console.WriteLine($"after {afterMs / 1000} s: {string.Join(" ", waits)}");
        Assert.InRange(waits.Max(), 1, 5_000);
        QueueRules.Hold(_rig);
    }

    [Fact]
    public void Two_tenants_with_backlogs_for_all_share_the_turns_and_many_with_few_do_not_starve_them()
    {
        Fill("first", each: 30);
        Fill("second", each: 30);
        _courier.Run(20_000);
        long before = _courier.DeliveredOf("first") + _courier.DeliveredOf("second");
        for (int i = 0; i < 300; i++)
        {
            // Each has something for few customers, and all of them together for three hundred.
            Fill($"few{i}", each: 1, customers: 1, from: i);
        }
        _courier.Run(60_000);
        Assert.Equal(300, Enumerable.Range(0, 300).Sum(i => _courier.DeliveredOf($"few{i}")));
        // Half of the turns were others', and in these the backlogs of the same customers went along.
        long after = _courier.DeliveredOf("first") + _courier.DeliveredOf("second");
        Assert.True(after - before > 60 * 50, $"{after - before} of the backlogs");
        double part = (double)_courier.DeliveredOf("first") / after;
        Assert.InRange(part, 0.4, 0.6);
        QueueRules.Hold(_rig);
    }

    [Fact]
    public void A_tenant_is_counted_where_it_has_something_to_be_taken_and_a_reload_takes_the_count_along()
    {
        Fill("few", each: 2, customers: SiteBudget.FewSites);
        Tenant few = _rig.Queue.State.Tenants.Find("few")!;
        SiteBudget budget = _rig.Queue.State.Sites.Budgets.Find("outlook.com")!;
        Assert.Equal(SiteBudget.FewSites, budget.SitesOf(few));
        Assert.True(_rig.SiteOf(Mx(SiteBudget.FewSites - 1)).Lanes.HasGuest);
        // One more is one too many to be served before others.
        Fill("few", each: 1, customers: 1, from: SiteBudget.FewSites);
        Assert.False(_rig.SiteOf(Mx(SiteBudget.FewSites)).Lanes.HasGuest);
        QueueRules.Hold(_rig);
        _rig.Loop.Wait(_rig.Queue.SiteAdmin.SuspendAsync("tenant:few", 0));
        Assert.Equal(0, budget.SitesOf(few));
        QueueRules.Hold(_rig);
        _rig.Loop.Wait(_rig.Queue.SiteAdmin.ResumeAsync("tenant:few"));
        Assert.Equal(SiteBudget.FewSites + 1, budget.SitesOf(few));
        _rig.Queue.Change(
            new QueueOptions { Jitter = 0, Sites = [new FastRelay.Config.SiteConfig(Mx(0), 2, 0, 0)] }, new Limits { SegmentBytes = 4 << 20 });
        _rig.Loop.Settle();
        Assert.Equal((SiteBudget.FewSites, 1), (budget.SitesOf(few), _rig.SiteOf(Mx(0)).Budget.SitesOf(few)));
        QueueRules.Hold(_rig);
        _courier.Run(60_000);
        Assert.Equal((0, 0L), (budget.SitesOf(few), _rig.Messages));
        QueueRules.Hold(_rig);
    }
}
