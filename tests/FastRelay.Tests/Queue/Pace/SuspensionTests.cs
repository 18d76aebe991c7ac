using FastRelay.Outside;
using FastRelay.Queue;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>The operator stops sites by name, now and after a restart, and starts them again.</summary>
public class SuspensionTests
{
    private const string File = QueueRig.Spool + "/suspensions";

    private static readonly QueueOptions s_options = new() { Jitter = 0, SuspensionsFile = File };

    private static QueueRig Rig(QueueRig? after = null)
    {
        QueueRig rig = new QueueRig(s_options, after: after).Domain("a.test").Domain("b.test", "mx.shared.b.test");
        Assert.Equal("", rig.Queue.RecallSuspensions());
        return rig;
    }

    private static string Suspend(QueueRig rig, string name, long forMs = 0) => rig.Loop.Wait(rig.Queue.SiteAdmin.SuspendAsync(name, forMs));

    private static string Resume(QueueRig rig, string name) => rig.Loop.Wait(rig.Queue.SiteAdmin.ResumeAsync(name));

    private static SiteView View(QueueRig rig, string site) => rig.ViewOf(site);

    [Theory]
    [InlineData("mx.a.test", true)]
    [InlineData("a.test", true)]
    [InlineData("MX.A.TEST", true)]
    [InlineData("b.test", false)]
    [InlineData("x.mx.a.test", false)]
    public void A_site_is_named_by_itself_or_by_a_domain_of_its_hosts(string name, bool suspended)
    {
        QueueRig rig = Rig();
        rig.Accept("s@x.test", "u@a.test");
        Assert.Equal("", Suspend(rig, name));
        Assert.Equal(suspended ? SiteGear.Suspended : SiteGear.Normal, View(rig, "mx.a.test").Gear);
        Assert.Equal(!suspended, rig.Queue.TryTake(rig.SiteOf("mx.a.test"), out _));
        Assert.Equal(suspended ? 1 : 0, rig.Loop.Wait(rig.Queue.SiteAdmin.MatchingAsync(name)));
    }

    [Fact]
    public void A_suspension_holds_for_sites_that_come_later_and_until_it_is_resumed()
    {
        QueueRig rig = Rig();
        Assert.Equal("", Suspend(rig, "a.test"));
        WaitReason first = rig.Loop.Wait(rig.Queue.Explainer.OfDomainAsync("a.test")).Waits;
        Assert.Equal(new WaitReason(WaitKind.Suspension, "the operator, who has suspended \"a.test\": the next message for it will wait"), first);
        var message = rig.Accept("s@x.test", "u@a.test");
        Assert.Empty(rig.Dispatcher.Calls);
        SiteView view = View(rig, "mx.a.test");
        Assert.Equal((SiteGear.Suspended, long.MaxValue, "the operator has suspended \"a.test\""), (view.Gear, view.GearMs, view.Reason));
        WaitReason wait = rig.Loop.Wait(rig.Queue.Explainer.OfDomainAsync("a.test")).Waits;
        Assert.Equal(new WaitReason(WaitKind.Suspension, "the operator: fastrelay queue resume ends the suspension of its site, because: the operator has suspended \"a.test\""), wait);
        Assert.Equal("the operator has suspended \"a.test\"", rig.ShowOne(message).Reason);
        // Retry is for what has failed, not for what the operator wants.
        rig.Loop.Wait(rig.Queue.Admin.RetryAsync(new QueueFilter()));
        Assert.Empty(rig.Dispatcher.Calls);
        Assert.Equal("", Resume(rig, "a.test"));
        rig.Loop.Settle();
        Assert.Equal(["mx.a.test"], rig.Dispatcher.Calls);
        Assert.Equal("\"a.test\" is not suspended", Resume(rig, "a.test"));
    }

    [Fact]
    public void It_survives_a_restart_with_its_end()
    {
        QueueRig rig = Rig();
        rig.Accept("s@x.test", "u@a.test");
        rig.Accept("s@x.test", "u@b.test");
        Suspend(rig, "a.test");
        Suspend(rig, "b.test", forMs: 3_600_000);
        rig.Loop.Pass(600_000);
        QueueRig next = Rig(rig);
        next.Loop.Settle();
        Assert.Equal((long.MaxValue, SiteGear.Suspended), (View(next, "mx.a.test").GearMs, View(next, "mx.a.test").Gear));
        Assert.InRange(View(next, "mx.shared.b.test").GearMs, 2_990_000, 3_000_000);
        Assert.Empty(next.Dispatcher.Calls);
        next.Loop.Pass(3_001_000);
        Assert.Equal(["mx.shared.b.test"], next.Dispatcher.Calls.Distinct());
        Assert.Equal(["a.test"], next.Queue.SiteAdmin.Suspensions.Select(one => one.Name));
    }

    [Fact]
    public void What_cannot_be_stored_is_said_and_changes_nothing()
    {
        QueueRig rig = Rig();
        rig.Accept("s@x.test", "u@a.test");
        rig.Disk.Fault = new DiskError(28, "write");
        Assert.Contains("write", Suspend(rig, "a.test"), StringComparison.Ordinal);
        Assert.Equal(SiteGear.Normal, View(rig, "mx.a.test").Gear);
        rig.Disk.Fault = default;
        Assert.Equal("", Suspend(rig, "a.test"));
        Assert.Equal("a site is 1 to 255 characters of printable ASCII", Suspend(rig, "a\tb"));
        Assert.Equal("a site is 1 to 255 characters of printable ASCII", Suspend(rig, "#a"));
        Assert.Equal("a site is 1 to 255 characters of printable ASCII", Suspend(rig, new string('a', 256)));
        Assert.Equal("", Suspend(rig, new string('a', 255)));
    }

    [Fact]
    public void What_is_stored_and_may_be_lost_is_in_force_and_said()
    {
        QueueRig rig = Rig();
        rig.Accept("s@x.test", "u@a.test");
        rig.Disk.FolderFault = new DiskError(5, "sync");
        Assert.Contains("it is in force, and may be lost when the power fails", Suspend(rig, "a.test"), StringComparison.Ordinal);
        Assert.Equal(SiteGear.Suspended, View(rig, "mx.a.test").Gear);
        rig.Disk.FolderFault = default;
        Assert.Equal(["a.test"], Rig(rig).Queue.SiteAdmin.Suspensions.Select(one => one.Name));
    }

    [Fact]
    public void There_are_so_many_and_no_more()
    {
        QueueRig rig = Rig();
        for (int i = 0; i < Suspensions.NamesMax; i++)
        {
            Assert.Equal("", Suspend(rig, $"{i}.test"));
        }
        Assert.Equal("there are 1000 suspensions already", Suspend(rig, "one.more.test"));
        Assert.Equal("", Suspend(rig, "7.test", forMs: 1_000));
        Assert.Equal(1_000, Rig(rig).Queue.SiteAdmin.Suspensions.Count);
    }

    [Fact]
    public void A_file_that_is_damaged_names_its_line()
    {
        QueueRig rig = Rig();
        rig.Disk.Open(File, DiskOpen.CreateNew, out DiskFile? file);
        file!.Write(0, "# head\na.test\t0\nb.test soon\n"u8);
        var next = new QueueRig(s_options, after: rig);
        Assert.Equal($"{File}: line 3: must be a site or tenant, a tab and a number, 1000 lines at most; mend or remove the file", next.Queue.RecallSuspensions());
    }
}
