using FastRelay.Journal;
using FastRelay.Queue;
using FastRelay.Smtp;
using FastRelay.Tests.Support;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>A sender hears once that mail still waits, however it waits, unless he does not want to.</summary>
public class WarnerTests
{
    private const long Hour = 3_600_000;

    private static readonly QueueOptions s_options = new() { Jitter = 0, WarnMs = 4 * Hour, ExpireMs = 24 * Hour };

    private readonly QueueRig _rig = new QueueRig(s_options).Domain("a.test").Domain("b.test");

    private void Pass(long ms) => _rig.Loop.Pass(ms, 10_000);

    [Fact]
    public void Deferred_mail_is_told_of_once_with_the_last_reply()
    {
        _rig.Accept("s@x.test", "u@a.test");
        _rig.Report(_rig.Take("mx.a.test"), _ => QueueRig.Later, "4.7.1 greylisted");
        _rig.Dispatcher.Room = 0;
        Pass((4 * Hour) - 120_000);
        Assert.Empty(_rig.Bounces.Warned);
        Pass(180_000);
        Assert.StartsWith("0 4.7.1 4.7.1 greylisted until ", Assert.Single(_rig.Bounces.Warned));
        Pass(10 * Hour);
        Assert.Single(_rig.Bounces.Warned);
    }

    [Fact]
    public void Mail_for_a_site_that_is_down_is_told_of_with_the_reason_of_its_site()
    {
        _rig.Accept("s@x.test", "1@a.test", "2@b.test", "3@a.test");
        Site site = _rig.SiteOf("mx.a.test");
        for (int i = 0; i < 30; i++)
        {
            _rig.Queue.SiteFailed(site, QueueRig.Unreachable, "no route"u8);
            Pass(600_000);
        }
        Assert.Equal(["0 4.0.0 no route", "1 4.0.0 ", "2 4.0.0 no route"], _rig.Bounces.Warned.Select(text => text[..text.IndexOf(" until", StringComparison.Ordinal)]).Order());
    }

    [Theory]
    [InlineData(NotifyOn.Unspecified, 1)]
    [InlineData(NotifyOn.Delay, 1)]
    [InlineData(NotifyOn.Failure | NotifyOn.Delay, 1)]
    [InlineData(NotifyOn.Failure, 0)]
    [InlineData(NotifyOn.Success, 0)]
    [InlineData(NotifyOn.Never, 0)]
    public void NOTIFY_says_who_wants_to_hear_of_a_delay(NotifyOn notify, int told)
    {
        _rig.CommitNotify("s@x.test", "u@a.test", notify);
        _rig.Dispatcher.Room = 0;
        Pass(5 * Hour);
        Assert.Equal(told, _rig.Bounces.Warned.Count);
    }

    [Fact]
    public void Nobody_is_told_of_a_bounce_of_held_mail_or_where_it_is_off()
    {
        _rig.Accept("", "u@a.test");
        MessageHandle held = _rig.Accept("s@x.test", "u@b.test");
        _rig.Loop.Wait(_rig.Queue.Admin.HoldAsync(new QueueFilter { Id = _rig.Journal.IdOf(held) }));
        _rig.Dispatcher.Room = 0;
        Pass(5 * Hour);
        Assert.Empty(_rig.Bounces.Warned);
        QueueRig off = new QueueRig(s_options with { WarnMs = 0 }).Domain("a.test");
        off.Accept("s@x.test", "u@a.test");
        off.Dispatcher.Room = 0;
        off.Loop.Pass(23 * Hour, 10_000);
        Assert.Empty(off.Bounces.Warned);
    }

    [Fact]
    public void A_restart_tells_nobody_again_and_tells_of_what_becomes_old_later()
    {
        _rig.Dispatcher.Room = 0;
        _rig.Accept("s@x.test", "1@a.test");
        Pass(3 * Hour);
        _rig.Accept("s@x.test", "2@a.test");
        Pass(2 * Hour);
        Assert.Single(_rig.Bounces.Warned);
        var next = new QueueRig(s_options, after: _rig);
        next.Dispatcher.Room = 0;
        next.Loop.Pass(Hour, 10_000);
        Assert.Empty(next.Bounces.Warned);
        next.Loop.Pass((Hour / 2) + Hour, 10_000);
        Assert.Single(next.Bounces.Warned);
    }

    [Fact]
    public void Another_expiry_tells_nobody_before_his_time()
    {
        _rig.Dispatcher.Room = 0;
        _rig.Accept("s@x.test", "1@a.test");
        Pass(Hour);
        _rig.Queue.Change(s_options with { ExpireMs = 240 * Hour }, new FastRelay.Limits { SegmentBytes = 4 << 20 });
        Pass(2 * Hour);
        Assert.Empty(_rig.Bounces.Warned);
        _rig.Queue.Change(s_options with { ExpireMs = 12 * Hour }, new FastRelay.Limits { SegmentBytes = 4 << 20 });
        Pass((Hour / 2) + 60_000);
        Assert.Empty(_rig.Bounces.Warned);
        Pass(Hour);
        Assert.Single(_rig.Bounces.Warned);
    }

    [Fact]
    public void Failures_come_first_when_there_is_no_room_for_reports()
    {
        _rig.Dispatcher.Room = 0;
        _rig.Accept("s@x.test", "u@a.test");
        _rig.Bounces.Room = false;
        Pass(5 * Hour);
        Assert.Empty(_rig.Bounces.Warned);
        _rig.Bounces.Room = true;
        Pass(60_000);
        Assert.Single(_rig.Bounces.Warned);
    }

    [Theory]
    [InlineData(NotifyOn.Success, false, true, true)]
    [InlineData(NotifyOn.Success | NotifyOn.Failure, false, true, true)]
    [InlineData(NotifyOn.Success, true, true, false)]
    [InlineData(NotifyOn.Success, false, false, false)]
    [InlineData(NotifyOn.Failure, false, true, false)]
    [InlineData(NotifyOn.Unspecified, false, true, false)]
    public void Success_is_told_where_the_next_host_does_not(NotifyOn notify, bool hasDsn, bool room, bool told)
    {
        MessageHandle message = _rig.CommitNotify("s@x.test", "u@a.test", notify);
        _rig.Bounces.Room = true;
        Delivery delivery = _rig.Take("mx.a.test");
        _rig.Bounces.Room = room;
        _rig.Report(delivery, _ => QueueRig.Ok, "2.0.0 thanks", hasDsn);
        Assert.Equal(told, _rig.Bounces.All.Count == 1 && _rig.Bounces.All[0].Failed.Kind == NoticeKind.Relayed);
        // The report's own record settles it.
        Assert.Equal(told ? 1 : 0, _rig.Messages);
        Assert.Equal((1L, 0), (_rig.Counters.Delivered, _rig.Queue.Entries));
        Assert.True(!told || _rig.Journal.IsPending(message, 0));
    }
}
