using System.Globalization;
using FastRelay.Journal;
using FastRelay.Queue;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>The operator stops a tenant's mail, and nobody else's, now and after a restart.</summary>
public class TenantStopTests
{
    private const string Site = "mx.big.test";
    private static readonly QueueOptions s_options = new() { Jitter = 0, SuspensionsFile = QueueRig.Spool + "/suspensions" };

    private static QueueRig Rig(QueueRig? after = null)
    {
        QueueRig rig = new QueueRig(s_options, after: after).Domain("big.test").Domain("small.test", Site);
        Assert.Equal("", rig.Queue.RecallSuspensions());
        return rig;
    }

    private static void Suspend(QueueRig rig, string name, long forMs = 0)
    {
        Assert.Equal("", rig.Loop.Wait(rig.Queue.SiteAdmin.SuspendAsync(name, forMs)));
        rig.Loop.Settle();
        QueueRules.Hold(rig);
    }

    private static void Resume(QueueRig rig, string name)
    {
        Assert.Equal("", rig.Loop.Wait(rig.Queue.SiteAdmin.ResumeAsync(name)));
        rig.Loop.Settle();
        QueueRules.Hold(rig);
    }

    private static MessageHandle Accept(QueueRig rig, string tenant, string to = "u@big.test")
    {
        rig.Tenant = tenant;
        return rig.Accept("s@x.test", to);
    }

    private static string Take(QueueRig rig) => rig.Queue.TryTake(rig.SiteOf(Site), out Delivery delivery) ? delivery.Destination.Tenant.Name : "nothing";

    [Fact]
    public void The_tenants_with_the_most_mail_are_found_in_slices_with_what_is_under_way_and_stopped()
    {
        QueueRig rig = Rig();
        for (int i = 0; i < 2_100; i++)
        {
            Accept(rig, $"t{i}");
        }
        Accept(rig, "t7");
        Accept(rig, "t7");
        Accept(rig, "t1500");
        Suspend(rig, "tenant:t1500");
        Task<IReadOnlyList<TenantState>> asked = rig.Queue.Admin.BusiestTenantsAsync(2).AsTask();
        int turns = 0;
        for (; !asked.IsCompleted; turns++)
        {
            Assert.True(turns < 100);
            rig.Loop.Loop.Turn(canSleep: false);
        }
        Assert.InRange(turns, 2, 5);
        Assert.Equal(["t7 3 False", "t1500 2 True"], asked.Result.Select(static one => $"{one.Name} {one.Entries} {one.Suspension is not null}"));
        Delivery taken = rig.Take(Site);
        string whose = taken.Destination.Tenant.Name;
        Assert.Equal(1, taken.Destination.Tenant.InFlight);
        rig.Report(taken, static _ => QueueRig.Ok);
        rig.Loop.Settle();
        Assert.Equal(0, rig.Queue.State.Tenants.Find(whose)?.InFlight ?? 0);
    }

    [Fact]
    public void Its_mail_waits_at_every_site_and_nobody_else_s()
    {
        QueueRig rig = Rig();
        MessageHandle stopped = Accept(rig, "bulk");
        Accept(rig, "bulk", "u@small.test");
        Accept(rig, "Bulk");
        Accept(rig, "");
        Suspend(rig, "tenant:bulk");
        Accept(rig, "bulk", "v@small.test");
        SiteView view = rig.ViewOf(Site);
        Assert.Equal((SiteGear.Normal, 2, 3L), (view.Gear, view.Ready, view.Stopped));
        Assert.Equal(["", "Bulk"], new[] { Take(rig), Take(rig) }.Order(StringComparer.Ordinal));
        Assert.Equal("nothing", Take(rig));
        Assert.Equal((QueuedState.Ready, "the operator has suspended \"tenant:bulk\"", 0L), (rig.ShowOne(stopped).State, rig.ShowOne(stopped).Reason, rig.ShowOne(stopped).NextUnixMs));
        Explanation why = Assert.Single(rig.Loop.Wait(rig.Queue.Explainer.OfMessageAsync(rig.Journal.IdOf(stopped), rig.Queue.Admin))!.Ways);
        Assert.Equal(new WaitReason(WaitKind.Suspension, "the operator, who has suspended tenant \"bulk\": fastrelay queue resume --tenant \"bulk\" ends it"), why.Waits);
        // Retry is for what has failed, not for what the operator wants.
        rig.Loop.Wait(rig.Queue.Admin.RetryAsync(new QueueFilter()));
        Assert.Equal("nothing", Take(rig));
        Resume(rig, "tenant:bulk");
        Assert.Equal(["bulk", "bulk", "bulk", "nothing"], [Take(rig), Take(rig), Take(rig), Take(rig)]);
    }

    [Fact]
    public void What_is_under_way_ends_and_what_it_leaves_behind_waits_ready_when_it_comes_due()
    {
        QueueRig rig = Rig();
        MessageHandle message = Accept(rig, "bulk");
        Delivery delivery = rig.Take(Site);
        Suspend(rig, "tenant:bulk");
        rig.Report(delivery, _ => QueueRig.Later);
        Assert.Equal(QueuedState.Deferred, rig.ShowOne(message).State);
        rig.Loop.Pass(400_000);
        Assert.Equal((QueuedState.Ready, 1), (rig.ShowOne(message).State, rig.ShowOne(message).Attempts));
        Assert.Equal("nothing", Take(rig));
        QueueRules.Hold(rig);
    }

    [Fact]
    public void It_survives_a_restart_with_its_end_and_without_a_tenant_of_its_name()
    {
        QueueRig rig = Rig();
        Suspend(rig, "tenant:later");
        Suspend(rig, "tenant:bulk", forMs: 3_600_000);
        Accept(rig, "bulk");
        Accept(rig, "later");
        Accept(rig, "");
        rig.Loop.Pass(600_000);
        rig = Rig(rig);
        rig.Loop.Settle();
        QueueRules.Hold(rig);
        Assert.Equal(["", "nothing"], [Take(rig), Take(rig)]);
        rig.Loop.Pass(2_990_000);
        Assert.Equal("nothing", Take(rig));
        rig.Loop.Pass(20_000);
        QueueRules.Hold(rig);
        Assert.Equal(["bulk", "nothing"], [Take(rig), Take(rig)]);
        Assert.Equal(["tenant:later"], rig.Queue.SiteAdmin.Suspensions.Select(static one => one.Name));
    }

    [Fact]
    public void The_default_tenant_is_suspended_by_no_name_and_sites_are_named_as_before()
    {
        QueueRig rig = Rig();
        Accept(rig, "");
        Accept(rig, "bulk");
        Suspend(rig, "tenant:");
        Assert.Equal(["bulk", "nothing"], [Take(rig), Take(rig)]);
        Resume(rig, "tenant:");
        Assert.Equal(["", "nothing"], [Take(rig), Take(rig)]);
        Assert.Equal(("mx.example.com", "tenant:Acme"), (SiteAdmin.NameOf("MX.Example.com"), SiteAdmin.NameOf("tenant:Acme")));
    }

    [Fact]
    public void Its_mail_expires_like_any_other_and_says_why()
    {
        QueueRig rig = Rig();
        Accept(rig, "bulk");
        Suspend(rig, "tenant:bulk");
        rig.Loop.Pass(s_options.ExpireMs + 120_000, step: 600_000);
        Assert.Equal(["0 Expired 5.4.7  waited too long in the queue; last: the operator has suspended \"tenant:bulk\""], rig.Bounces.Seen);
        Assert.Equal(0, rig.Queue.Entries);
    }

    [Fact]
    public void A_tenant_that_is_forgotten_and_comes_again_is_suspended_still()
    {
        QueueRig rig = Rig();
        Accept(rig, "bulk");
        rig.Report(rig.Take(Site), _ => QueueRig.Ok);
        Suspend(rig, "tenant:bulk", forMs: 7_200_000);
        rig.Loop.Pass(1_300_000, step: 60_000);
        Assert.Null(rig.Queue.State.Tenants.Find("bulk"));
        Accept(rig, "bulk");
        Assert.Equal("nothing", Take(rig));
        rig.Loop.Pass(6_000_000, step: 60_000);
        Assert.Equal("bulk", Take(rig));
    }

    [Fact]
    public void Thousands_of_destinations_are_stopped_in_slices()
    {
        const int Domains = 3_000;
        QueueRig rig = Rig();
        rig.Tenant = "bulk";
        for (int i = 0; i < Domains; i++)
        {
            rig.Domain(string.Create(CultureInfo.InvariantCulture, $"d{i}.test"));
            rig.Commit("s@x.test", $"u@d{i}.test");
        }
        rig.Loop.Settle();
        int Stopped() => rig.Queue.State.Sites.All.Sum(static site => site.Stopped);
        Task<string> stopping = rig.Queue.SiteAdmin.SuspendAsync("tenant:bulk", 0).AsTask();
        int most = 0;
        for (int stopped = 0; !stopping.IsCompleted;)
        {
            rig.Loop.Loop.Turn(canSleep: false);
            most = Math.Max(most, Stopped() - stopped);
            stopped = Stopped();
        }
        Assert.Equal(("", Domains), (stopping.Result, Stopped()));
        Assert.InRange(most, 1, 1_024);
        QueueRules.Hold(rig);
    }
}
