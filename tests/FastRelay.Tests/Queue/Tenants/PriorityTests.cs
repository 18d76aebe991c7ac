using System.Text;
using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Queue;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>What is urgent goes first among a tenant's mail, and the rest is not starved.</summary>
public class PriorityTests
{
    private const string Site = "mx.big.test";
    private readonly EnvelopeBuilder _envelope = new();
    private int _slot;

    private static QueueRig Rig(params TenantConfig[] tenants) =>
        new QueueRig(new QueueOptions { Tenants = tenants }).Domain("big.test").Domain("small.test", Site);

    /// <summary>Queues mail whose record nobody reads: the journal would only take time.</summary>
    private void Add(QueueRig rig, MailPriority priority, int count = 1, string domain = "big.test", string tenant = "")
    {
        _envelope.Start("s@x.test"u8, EnvelopeFlags.None, "192.0.2.1:4711"u8, "client.test"u8);
        _envelope.SetTenant(Encoding.ASCII.GetBytes(tenant));
        _envelope.SetPriority(priority);
        _envelope.TryAddRecipient(Encoding.ASCII.GetBytes("u@" + domain));
        _envelope.SetArrival(rig.Queue.State.UnixMs);
        for (int i = 0; i < count; i++)
        {
            rig.Queue.Add(new MessageHandle(++_slot), _envelope.View);
        }
    }

    private static string Take(QueueRig rig) => Take(rig, out _);

    private static string Take(QueueRig rig, out Delivery delivery) => rig.Queue.TryTake(rig.SiteOf(Site), out delivery)
        ? delivery.Destination.Tenant.Name + rig.Queue.State.Slab[delivery.Entry].Priority.Word() : "nothing";

    /// <summary>As a report of a delivery that took the message.</summary>
    private static void Land(QueueRig rig, in Delivery delivery)
    {
        Assert.True(rig.Queue.State.Flights.TryEnd(delivery));
        DeliveryReporter.Landed(delivery);
        rig.Queue.State.Free(delivery.Entry);
    }

    [Fact]
    public void A_high_message_goes_in_the_next_slot_before_100_000_low_ones()
    {
        QueueRig rig = Rig();
        Add(rig, MailPriority.Low, 100_000);
        rig.Loop.Settle();
        var underWay = new Queue<Delivery>();
        for (int i = 0; i < 20; i++)
        {
            Assert.Equal("low", Take(rig, out Delivery delivery));
            underWay.Enqueue(delivery);
        }
        // Of another domain at the same site: the priority is the tenant's, not the domain's.
        Add(rig, MailPriority.High, 1, "small.test");
        Add(rig, MailPriority.Normal);
        rig.Loop.Settle();
        Assert.Equal((1, 99_980), (rig.SiteOf(Site).Lanes.ReadyHigh, rig.SiteOf(Site).Lanes.ReadyLow));
        Assert.Equal((1L, 99_980L), (rig.Queue.Admin.Counts().ReadyHigh, rig.Queue.Admin.Counts().ReadyLow));
        Land(rig, underWay.Dequeue());
        Assert.Equal("high", Take(rig));
        Assert.Equal("normal", Take(rig));
        Assert.Equal("low", Take(rig));
        QueueRules.Hold(rig, journal: false);
    }

    [Fact]
    public void Under_a_steady_stream_of_high_ones_the_lower_lanes_move_by_their_share()
    {
        QueueRig rig = Rig();
        Add(rig, MailPriority.Low, 500);
        Add(rig, MailPriority.Normal, 500);
        var taken = new List<string>();
        for (int i = 0; i < 1_100; i++)
        {
            Add(rig, MailPriority.High);
            rig.Loop.Settle();
            taken.Add(Take(rig, out Delivery delivery));
            Land(rig, delivery);
        }
        Assert.Equal([.. Enumerable.Repeat("high", 9), "low", "normal", .. Enumerable.Repeat("high", 8), "low", "high", "normal"], taken[..22]);
        // One in ten that could have passed it is of the low lane; the normal one lets high ones pass it, and low ones that are due.
        Assert.Equal(110, taken.Count(t => t == "low"));
        Assert.InRange(taken.Count(t => t == "normal"), 98, 100);
        QueueRules.Hold(rig, journal: false);
    }

    [Fact]
    public void A_lane_that_was_empty_has_no_credit()
    {
        QueueRig rig = Rig();
        Add(rig, MailPriority.High, 100);
        rig.Loop.Settle();
        for (int i = 0; i < 50; i++)
        {
            Assert.Equal("high", Take(rig));
        }
        Add(rig, MailPriority.Low, 2);
        rig.Loop.Settle();
        Assert.Equal(9, Enumerable.Range(0, 9).Count(_ => Take(rig) == "high"));
        Assert.Equal("low", Take(rig));
        Assert.Equal("high", Take(rig));
    }

    [Fact]
    public void Another_tenants_turn_is_not_taken_by_high_mail()
    {
        QueueRig rig = Rig(new TenantConfig("a", 2, 0));
        Add(rig, MailPriority.High, 100, tenant: "a");
        Add(rig, MailPriority.Low, 100, tenant: "b");
        rig.Loop.Settle();
        string[] taken = [.. Enumerable.Range(0, 30).Select(_ => Take(rig))];
        Assert.Equal((20, 10), (taken.Count(t => t == "ahigh"), taken.Count(t => t == "blow")));
    }

    [Fact]
    public void What_comes_back_is_first_of_its_lane_and_what_is_taken_out_leaves_it()
    {
        QueueRig rig = Rig();
        MessageHandle low = Accept(rig, MailPriority.Low, "1@x.test");
        MessageHandle normal = Accept(rig, MailPriority.Normal, "2@x.test");
        MessageHandle high = Accept(rig, MailPriority.High, "3@x.test");
        Accept(rig, MailPriority.High, "4@x.test");
        Assert.Equal((MailPriority.Low, MailPriority.Normal, MailPriority.High), (rig.Show(low).Priority, rig.Show(normal).Priority, rig.Show(high).Priority));
        rig.Queue.TryTake(rig.SiteOf(Site), out Delivery first);
        Assert.Equal(high, first.Message);
        rig.Queue.Release(first);
        rig.Queue.TryTake(rig.SiteOf(Site), out Delivery again);
        Assert.Equal(high, again.Message);
        QueueRules.Hold(rig);
        rig.Loop.Wait(rig.Queue.Admin.HoldAsync(new QueueFilter { Id = rig.Journal.IdOf(normal) }));
        Assert.Equal("u@big.test", rig.Report(again, _ => QueueRig.Later));
        QueueRules.Hold(rig);
        Assert.Equal("high", Take(rig, out Delivery other));
        rig.Report(other, _ => QueueRig.Ok);
        rig.Queue.TryTake(rig.SiteOf(Site), out Delivery last);
        Assert.Equal(low, last.Message);
        rig.Report(last, _ => QueueRig.Ok);
        QueueRules.Hold(rig);
        Assert.Contains(rig.Output.Lines, static line => line.Contains("event=delivery status=delivered", StringComparison.Ordinal) && line.Contains("priority=low", StringComparison.Ordinal));
    }

    private static MessageHandle Accept(QueueRig rig, MailPriority priority, string from)
    {
        rig.Priority = priority;
        return rig.Accept(from, "u@big.test");
    }

    [Fact]
    public void Lanes_survive_a_start()
    {
        QueueRig rig = Rig();
        Accept(rig, MailPriority.Low, "1@x.test");
        Accept(rig, MailPriority.Normal, "2@x.test");
        Accept(rig, MailPriority.High, "3@x.test");
        var after = new QueueRig(after: rig);
        after.Loop.Settle();
        Assert.Equal("high normal low nothing", string.Join(' ', Take(after), Take(after), Take(after), Take(after)));
    }

    [Fact]
    public void A_decision_allocates_nothing()
    {
        QueueRig rig = Rig();
        rig.Output.Keep = false;
        Add(rig, MailPriority.Low, 2_000);
        Add(rig, MailPriority.High, 2_000, "small.test");
        rig.Loop.Settle();
        long before = 0;
        for (int i = 0; i < 1_100; i++)
        {
            if (i == 100)
            {
                before = GC.GetAllocatedBytesForCurrentThread();
            }
            rig.Queue.TryTake(rig.SiteOf(Site), out Delivery delivery);
            rig.Queue.State.Flights.TryEnd(delivery);
            DeliveryReporter.Landed(delivery);
            rig.Queue.State.Free(delivery.Entry);
        }
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void An_entry_has_forty_octets_still() => Assert.Equal(40, System.Runtime.CompilerServices.Unsafe.SizeOf<Entry>());

    [Fact]
    public void Explain_says_how_many_are_more_urgent()
    {
        QueueRig rig = Rig();
        Accept(rig, MailPriority.High, "1@x.test");
        MessageHandle low = Accept(rig, MailPriority.Low, "2@x.test");
        Explanation why = Assert.Single(rig.Loop.Wait(rig.Queue.Explainer.OfMessageAsync(rig.Journal.IdOf(low), rig.Queue.Admin))!.Ways);
        Assert.Equal("its turn among the 2 that are ready for its site (1 of high priority, 1 of low)", why.Waits.Text);
    }
}
