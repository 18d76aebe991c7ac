using System.Text;
using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Queue;
using FastRelay.Tests.Support;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>Tenants take turns at a site, whatever anybody has queued.</summary>
public class TenantTests
{
    private const string Site = "mx.big.test";
    private readonly EnvelopeBuilder _envelope = new();
    private int _slot;

    private static QueueRig Rig(Limits? limits = null, params TenantConfig[] tenants) =>
        new QueueRig(new QueueOptions { Tenants = tenants }, limits).Domain("big.test").Domain("small.test", Site);

    /// <summary>Queues mail whose record nobody reads: the journal would only take time.</summary>
    private void Add(QueueRig rig, string tenant, int count = 1, string domain = "big.test")
    {
        _envelope.Start("s@x.test"u8, EnvelopeFlags.None, "192.0.2.1:4711"u8, "client.test"u8);
        _envelope.SetTenant(Encoding.ASCII.GetBytes(tenant));
        _envelope.TryAddRecipient(Encoding.ASCII.GetBytes("u@" + domain));
        _envelope.SetArrival(rig.Queue.State.UnixMs);
        for (int i = 0; i < count; i++)
        {
            rig.Queue.Add(new MessageHandle(++_slot), _envelope.View);
        }
    }

    private static string Take(QueueRig rig) => Take(rig, out _);

    private static string Take(QueueRig rig, out Delivery delivery) =>
        rig.Queue.TryTake(rig.SiteOf(Site), out delivery) ? delivery.Destination.Tenant.Name : "nothing";

    /// <summary>As a report of a delivery that took the message.</summary>
    private static void Land(QueueRig rig, in Delivery delivery)
    {
        rig.Queue.State.Flights.TryEnd(delivery);
        DeliveryReporter.Landed(delivery);
        rig.Queue.State.Free(delivery.Entry);
    }

    [Fact]
    public void A_single_message_is_taken_within_one_round_of_a_million()
    {
        QueueRig rig = Rig();
        Add(rig, "bulk", 1_000_000);
        rig.Loop.Settle();
        var underWay = new Queue<Delivery>();
        for (int i = 0; i < 20; i++)
        {
            Assert.Equal("bulk", Take(rig, out Delivery delivery));
            underWay.Enqueue(delivery);
        }
        Add(rig, "single");
        rig.Loop.Settle();
        // One slot after the other comes free: the second of them at the latest is for the single message.
        var next = new List<string>();
        for (int i = 0; i < 2; i++)
        {
            Land(rig, underWay.Dequeue());
            next.Add(Take(rig, out Delivery delivery));
            underWay.Enqueue(delivery);
        }
        Assert.Contains("single", next);
        Assert.Equal("bulk", Take(rig));
        QueueRules.Hold(rig, journal: false);
    }

    [Fact]
    public void A_round_is_one_message_of_each_tenant_by_its_weight()
    {
        QueueRig rig = Rig(null, new TenantConfig("three", 3, 0), new TenantConfig("", 2, 0));
        foreach (string tenant in new[] { "three", "one", "" })
        {
            Add(rig, tenant, 100);
        }
        rig.Loop.Settle();
        var taken = new List<string>();
        for (int i = 0; i < 120; i++)
        {
            taken.Add(Take(rig));
        }
        Assert.Equal(["three", "three", "three", "one", "", "", "three"], taken[..7]);
        Assert.Equal((60, 20, 40), (taken.Count(t => t == "three"), taken.Count(t => t == "one"), taken.Count(t => t.Length == 0)));
        // Another weight from the next turn on; what a tenant did not use is not kept for later.
        rig.Queue.Change(new QueueOptions { Tenants = [new TenantConfig("one", TenantReader.WeightMax, 0)] }, new Limits());
        rig.Loop.Settle();
        taken.Clear();
        for (int i = 0; i < 84; i++)
        {
            taken.Add(Take(rig));
        }
        Assert.Equal(80, taken.Count(t => t == "one"));
        QueueRules.Hold(rig, journal: false);
    }

    [Fact]
    public void Within_a_tenant_destinations_take_turns()
    {
        QueueRig rig = Rig();
        Add(rig, "a", 10);
        Add(rig, "a", 2, "small.test");
        Add(rig, "b", 4, "small.test");
        rig.Loop.Settle();
        var taken = new List<string>();
        for (int i = 0; i < 8; i++)
        {
            Take(rig, out Delivery delivery);
            taken.Add($"{delivery.Destination.Tenant.Name}:{delivery.Destination.Key}");
        }
        Assert.Equal(["a:big.test", "b:small.test", "a:small.test", "b:small.test", "a:big.test", "b:small.test", "a:small.test", "b:small.test"], taken);
    }

    [Fact]
    public void A_tenant_at_its_bound_waits_for_its_own_deliveries_and_nobody_waits_for_it()
    {
        QueueRig rig = Rig(null, new TenantConfig("few", 1, 2));
        Add(rig, "few", 10);
        rig.Loop.Settle();
        // No session is dialled to stand idle.
        Assert.Equal(2, rig.Dispatcher.Calls.Count);
        Assert.Equal("few", Take(rig, out Delivery first));
        Assert.Equal("few", Take(rig));
        Assert.Equal("nothing", Take(rig));
        Site site = rig.SiteOf(Site);
        Assert.Equal((0, 8, 2), (site.Ready, site.Capped, site.InFlight));
        QueueRules.Hold(rig, journal: false);
        Add(rig, "other", 2);
        rig.Loop.Settle();
        Assert.Equal("other", Take(rig));
        site.Idle = 2;
        rig.Dispatcher.Calls.Clear();
        Land(rig, first);
        rig.Loop.Settle();
        Assert.NotEmpty(rig.Dispatcher.Calls);
        Assert.Equal("other few", Take(rig) + " " + Take(rig));
        Assert.Equal("nothing", Take(rig));
        // The bound goes by a change of the configuration, and comes back at less than is under way.
        rig.Queue.Change(new QueueOptions(), new Limits());
        rig.Loop.Settle();
        Assert.Equal("few", Take(rig, out Delivery third));
        rig.Queue.Change(new QueueOptions { Tenants = [new TenantConfig("few", 1, 1)] }, new Limits());
        rig.Loop.Settle();
        Land(rig, third);
        Assert.Equal("nothing", Take(rig));
        QueueRules.Hold(rig, journal: false);
    }

    [Fact]
    public void What_comes_back_unsent_frees_its_place()
    {
        QueueRig rig = Rig(null, new TenantConfig("few", 1, 1));
        Add(rig, "few", 2);
        rig.Loop.Settle();
        Take(rig, out Delivery delivery);
        Assert.Equal("nothing", Take(rig));
        rig.Queue.Release(delivery);
        Assert.Equal("few", Take(rig, out Delivery again));
        Assert.Equal(delivery.Entry, again.Entry);
    }

    [Fact]
    public void A_decision_costs_the_same_with_a_thousand_tenants_and_allocates_nothing()
    {
        QueueRig rig = Rig();
        rig.Output.Keep = false;
        for (int i = 0; i < 1_000; i++)
        {
            Add(rig, $"t{i}", 4);
        }
        rig.Loop.Settle();
        var seen = new HashSet<string>();
        for (int i = 0; i < 1_000; i++)
        {
            seen.Add(Take(rig, out Delivery delivery));
            Land(rig, delivery);
        }
        Assert.Equal(1_000, seen.Count);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1_000; i++)
        {
            rig.Queue.TryTake(rig.SiteOf(Site), out Delivery delivery);
            Land(rig, delivery);
        }
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        QueueRules.Hold(rig, journal: false);
    }

    [Fact]
    public void Tenants_survive_a_start_and_are_forgotten_with_their_last_destination()
    {
        QueueRig rig = Rig();
        rig.Tenant = "acme";
        rig.Accept("1@x.test", "u@big.test");
        rig.Tenant = "";
        rig.Accept("2@x.test", "u@big.test");
        rig.Loop.Settle();
        var after = new QueueRig(after: rig);
        after.Loop.Settle();
        Assert.Equal(2, after.Queue.DestinationCount);
        Assert.Equal(["", "acme"], after.Queue.State.Tenants.All.Select(static tenant => tenant.Name).Order());
        after.Deliver(Site);
        after.Deliver(Site);
        Assert.Equal(0, after.Messages);
        after.Loop.Pass(1_300_000, 30_000);
        Assert.Equal(0, after.Queue.DestinationCount);
        Assert.Equal([""], after.Queue.State.Tenants.All.Select(static tenant => tenant.Name));
    }

    [Fact]
    public void A_tenant_is_shown_and_selects()
    {
        QueueRig rig = Rig(null, new TenantConfig("few", 1, 1));
        rig.Tenant = "few";
        MessageHandle first = rig.Accept("1@x.test", "u@big.test");
        MessageHandle second = rig.Accept("2@x.test", "u@big.test");
        rig.Tenant = "";
        MessageHandle third = rig.Accept("3@x.test", "u@big.test");
        Assert.Equal(("few", ""), (rig.Show(first).Tenant, rig.Show(third).Tenant));
        Assert.Equal(2, rig.Loop.Wait(rig.Queue.Admin.CountAsync(new QueueFilter { Tenant = "few" })));
        Assert.Equal(1, rig.Loop.Wait(rig.Queue.Admin.CountAsync(new QueueFilter { Tenant = "" })));
        Assert.Equal(0, rig.Loop.Wait(rig.Queue.Admin.CountAsync(new QueueFilter { Tenant = "FEW" })));
        Assert.Equal(3, rig.Loop.Wait(rig.Queue.Admin.CountAsync(new QueueFilter { Domain = "big.test" })));
        Assert.Equal("few", Take(rig, out Delivery delivery));
        Explanation why = Assert.Single(rig.Loop.Wait(rig.Queue.Explainer.OfMessageAsync(rig.Journal.IdOf(second), rig.Queue.Admin))!.Ways);
        Assert.Equal(("few", WaitKind.Session), (why.Tenant, why.Waits.For));
        Assert.Contains("1 of its messages are under way at this site, and [[tenant]] \"few\" may have 1", why.Waits.Text);
        Assert.Contains(why.Limits, static use => use is { Name: "sessions of [[tenant]]", Used: 1, Most: 1, Binds: true });
        Explanation other = Assert.Single(rig.Loop.Wait(rig.Queue.Explainer.OfMessageAsync(rig.Journal.IdOf(third), rig.Queue.Admin))!.Ways);
        Assert.Equal(("", WaitKind.Turn), (other.Tenant, other.Waits.For));
        Assert.Contains("2 tenants who take turns", other.Waits.Text);
        rig.Queue.Release(delivery);
        rig.Loop.Settle();
    }

    [Fact]
    public void Each_tenant_has_its_own_way_through_deferrals_and_dns()
    {
        QueueRig rig = Rig();
        rig.Tenant = "a";
        MessageHandle first = rig.Accept("1@x.test", "u@big.test", "v@big.test");
        rig.Tenant = "b";
        rig.Accept("2@x.test", "u@big.test");
        Assert.Equal("u@big.test v@big.test", rig.Report(rig.Take(Site), _ => QueueRig.Later));
        Assert.Equal(QueuedState.Deferred, rig.ShowOne(first).State);
        Assert.Equal("u@big.test", rig.Deliver(Site));
        Assert.Contains(rig.Output.Lines, static line => line.Contains("event=delivery", StringComparison.Ordinal) && line.Contains("tenant=b", StringComparison.Ordinal));
        QueueRules.Hold(rig);
        rig.Loop.Pass(400_000);
        Assert.Equal("u@big.test v@big.test", rig.Deliver(Site));
        Assert.Equal(0, rig.Messages);
    }
}
