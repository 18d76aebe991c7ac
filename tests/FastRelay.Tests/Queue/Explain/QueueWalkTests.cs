using FastRelay.Queue;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>What the operator asks about is looked for a slice a turn, however much there is.</summary>
public sealed class QueueWalkTests
{
    private const int Many = (2 * QueueWalk.PerTurn) + 10;
    private const int Turns = Many / QueueWalk.PerTurn;
    private readonly QueueRig _rig = new(new QueueOptions { Jitter = 0 });

    /// <summary>A customer of one provider for each number, with a site of its own.</summary>
    private void FillSites()
    {
        for (int i = 0; i < Many; i++)
        {
            _rig.Domain($"c{i}.test", Mx(i)).Commit("s@x.test", $"u@c{i}.test");
        }
        _rig.Loop.Settle();
        Assert.Equal(Many, _rig.Queue.SiteCount);
    }

    private void FillTenants()
    {
        _rig.Domain("a.test");
        for (int i = 0; i < Many; i++)
        {
            _rig.Tenant = $"t{i}";
            _rig.Commit("s@x.test", "u@a.test");
        }
        _rig.Loop.Settle();
    }

    private static string Mx(int customer) => $"c{customer}-test.mail.protection.outlook.com";

    private QueueWalk Walk => new(_rig.Queue.State);

    /// <summary>The answer, which must have taken so many turns of the loop at least.</summary>
    private T InSlices<T>(Func<ValueTask<T>> ask, int turns = Turns)
    {
        Task<T> task = ask().AsTask();
        int took = 0;
        while (!task.IsCompleted)
        {
            _rig.Loop.Loop.Turn(canSleep: false);
            Assert.True(++took < 1_000, "it never ends");
        }
        Assert.True(took >= turns, $"{took} turns");
        return task.GetAwaiter().GetResult();
    }

    [Fact]
    public void No_turn_looks_at_more_sites_than_a_slice_has()
    {
        FillSites();
        var looked = new Dictionary<long, int>();
        int count = InSlices(() => Walk.CountAsync(site =>
        {
            looked[_rig.Loop.Loop.Turns] = looked.GetValueOrDefault(_rig.Loop.Loop.Turns) + 1;
            return site.Key == Mx(7);
        }));
        Assert.Equal((1, Many), (count, looked.Values.Sum()));
        Assert.InRange(looked.Values.Max(), 1, QueueWalk.PerTurn);
    }

    [Fact]
    public void A_provider_a_site_and_what_a_suspension_is_for_are_found_in_slices()
    {
        FillSites();
        _rig.Commit("s@x.test", $"more@c{Many - 1}.test");
        _rig.Loop.Settle();
        Explanation busiest = InSlices(() => _rig.Queue.Explainer.OfSiteAsync("outlook.com"))!;
        Assert.Equal((Mx(Many - 1), 2), (busiest.Site!.Key, busiest.Site.Ready));
        Assert.Equal(Many, InSlices(() => _rig.Queue.SiteAdmin.MatchingAsync("outlook.com")));
        Assert.Equal($"c{Many - 1}.test", InSlices(() => Walk.AtAsync(_rig.SiteOf(Mx(Many - 1))))!.Key);
        // Where nothing is ready, one of its destinations is looked for.
        _rig.Loop.Wait(_rig.Queue.Admin.RemoveAsync(new QueueFilter { Domain = $"c{Many - 1}.test" }));
        _rig.Loop.Settle();
        Assert.Equal((Mx(Many - 1), 0), (InSlices(() => _rig.Queue.Explainer.OfSiteAsync(Mx(Many - 1)))!.Site!.Key, _rig.SiteOf(Mx(Many - 1)).Ready));
        Assert.Null(InSlices(() => _rig.Queue.Explainer.OfSiteAsync("nowhere.test"), turns: 0));
    }

    [Fact]
    public void The_ways_of_a_domain_are_found_among_many_tenants_in_slices()
    {
        FillTenants();
        Assert.True(InSlices(() => _rig.Queue.Explainer.KnowsAsync("a.test"), turns: 0));
        Assert.False(InSlices(() => _rig.Queue.Explainer.KnowsAsync("b.test")));
        Assert.Equal("a.test", InSlices(() => _rig.Queue.Explainer.OfDomainAsync("a.test")).Destination);
        IReadOnlyList<Explanation> others = InSlices(() => _rig.Queue.Explainer.OthersOfAsync("a.test"));
        Assert.Equal(Explainer.WaysShown, others.Count);
        Assert.Equal(Explainer.WaysShown, others.Select(static other => other.Tenant).Distinct().Count());
        Assert.Equal(Many, InSlices(() => _rig.Queue.Admin.CountAsync(new QueueFilter { Domain = "A.test" }), turns: 2 * Turns));
        Assert.Equal(0, InSlices(() => _rig.Queue.Admin.CountAsync(new QueueFilter { Domain = "b.test" })));
    }

    [Fact]
    public void Whoever_comes_or_goes_between_the_slices_does_no_harm()
    {
        FillSites();
        Task<int> count = _rig.Queue.SiteAdmin.MatchingAsync("outlook.com").AsTask();
        Task<Explanation?> busiest = _rig.Queue.Explainer.OfSiteAsync("outlook.com").AsTask();
        _rig.Loop.Loop.Turn(canSleep: false);
        Assert.False(count.IsCompleted);
        _rig.Loop.Wait(_rig.Queue.Admin.RemoveAsync(new QueueFilter()));
        _rig.Domain("late.test", "late-test.mail.protection.outlook.com").Accept("s@x.test", "u@late.test");
        _rig.Loop.Settle();
        Assert.InRange(count.GetAwaiter().GetResult(), 1, Many + 1);
        Assert.True(busiest.IsCompletedSuccessfully);
    }
}
