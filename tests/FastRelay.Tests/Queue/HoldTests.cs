using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Outside;
using FastRelay.Queue;
using FastRelay.Routing;
using FastRelay.Smtp;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>A hold is for what was held, over restarts too; and an order that does nothing is not reported as done.</summary>
public class HoldTests
{
    private QueueRig _rig = Rig();

    private static QueueRig Rig(QueueRig? after = null, IReadOnlyList<RouteRule>? rules = null) =>
        new QueueRig(new QueueOptions { Jitter = 0 }, null, rules, after).Domain("a.test").Domain("b.test");

    private DeedTally Do(QueueDeed deed, QueueFilter? filter = null)
    {
        DeedTally tally = _rig.Loop.Wait(_rig.Queue.Admin.PartAsync(deed, filter ?? new QueueFilter(), 0, int.MaxValue)).Tally;
        _rig.Loop.Settle();
        QueueRules.Hold(_rig);
        return tally;
    }

    private void Restart(IReadOnlyList<RouteRule>? rules = null)
    {
        _rig = Rig(_rig, rules);
        _rig.Loop.Settle();
        QueueRules.Hold(_rig);
    }

    private string States(MessageHandle message) =>
        string.Join(' ', _rig.Show(message).Destinations.OrderBy(static one => one.Recipients[0], StringComparer.Ordinal).Select(static one => $"{one.Recipients[0]}:{one.State}"));

    [Theory]
    [InlineData(1)]
    [InlineData(90)]
    public void One_domain_of_a_message_is_held_or_released_and_the_others_are_not(int each)
    {
        string[] to = [.. Enumerable.Range(0, each).SelectMany(static i => (string[])[$"u{i}@a.test", $"v{i}@b.test"])];
        MessageHandle message = _rig.Accept("s@x.test", to);
        Assert.Equal(1, Do(QueueDeed.Hold, new QueueFilter { Id = _rig.Journal.IdOf(message) })[DeedResult.Done]);
        Assert.Equal(1, Do(QueueDeed.Release, new QueueFilter { Domain = "b.test" })[DeedResult.Done]);
        Assert.Equal("u0@a.test:Held v0@b.test:Ready", States(message));
        Restart();
        Assert.Equal("u0@a.test:Held v0@b.test:Ready", States(message));
        Assert.Equal(1, Do(QueueDeed.Release)[DeedResult.Done]);
        Assert.Equal(1, Do(QueueDeed.Hold, new QueueFilter { Domain = "b.test" })[DeedResult.Done]);
        Restart();
        Assert.Equal("u0@a.test:Ready v0@b.test:Held", States(message));
        Assert.Equal(string.Join(' ', to.Where(static one => one.EndsWith("@a.test", StringComparison.Ordinal))), _rig.Deliver("mx.a.test"));
        Restart();
        Assert.Equal("v0@b.test:Held", States(message));
        Do(QueueDeed.Release);
        Restart();
        Assert.Equal("v0@b.test:Ready", States(message));
        _rig.Deliver("mx.b.test");
        Assert.Equal((0, 0L), (_rig.Queue.Entries, _rig.Messages));
    }

    [Fact]
    public void What_is_moved_is_held_by_itself_too()
    {
        MessageHandle message = _rig.Accept("s@x.test", "u@a.test", "v@b.test");
        Assert.True(MoveTarget.TryParse("smtp:[8.8.4.4]:2600", out MoveTarget? target, out _));
        Do(QueueDeed.Move(target, 1_000), new QueueFilter { Domain = "a.test" });
        Do(QueueDeed.Hold, new QueueFilter { Domain = "a.test" });
        Restart();
        Assert.Equal("u@a.test:Held v@b.test:Ready", States(message));
        Assert.Equal("smtp:[8.8.4.4]:2600", _rig.Show(message).Destinations.Single(static one => one.State == QueuedState.Held).MovedTo);
    }

    [Fact]
    public void Where_a_change_of_the_table_joins_one_who_is_held_with_another_both_are()
    {
        MessageHandle message = _rig.Accept("s@x.test", "u@a.test", "v@b.test");
        Do(QueueDeed.Hold, new QueueFilter { Domain = "b.test" });
        Restart([new("*", new NextHop(NextHopKind.Smtp, "8.8.4.4", 2600, false, ""), TlsPolicy.Opportunistic)]);
        Assert.Equal((QueuedState.Held, 2), (_rig.ShowOne(message).State, _rig.ShowOne(message).RecipientCount));
        Do(QueueDeed.Release);
        Restart();
        Assert.Equal("u@a.test:Ready v@b.test:Ready", States(message));
    }

    [Fact]
    public void What_is_being_delivered_is_held_when_it_comes_back_and_that_is_shown_and_survives()
    {
        MessageHandle message = _rig.Accept("s@x.test", "u@a.test", "v@b.test");
        Delivery delivery = _rig.Take("mx.a.test");
        var only = new QueueFilter { Domain = "a.test" };
        Assert.Equal((1, 1), (Do(QueueDeed.Hold, only).Changed, Do(QueueDeed.Hold, only)[DeedResult.Already]));
        Assert.Equal(1, Do(QueueDeed.Retry, only)[DeedResult.Held]);
        QueuedDestination shown = _rig.Show(message).Destinations.Single(static one => one.State == QueuedState.InFlight);
        Assert.Equal(QueueOrder.Hold, shown.Order);
        Assert.Equal(1, Do(QueueDeed.Release, only)[DeedResult.Done]);
        Assert.Equal(1, Do(QueueDeed.Hold, only)[DeedResult.Later]);
        _rig.Report(delivery, _ => QueueRig.Later);
        Assert.Equal("u@a.test:Held v@b.test:Ready", States(message));
        Assert.Equal(QueueOrder.None, _rig.Show(message).Destinations.Single(static one => one.State == QueuedState.Held).Order);
        Restart();
        Assert.Equal("u@a.test:Held v@b.test:Ready", States(message));
    }

    [Fact]
    public void What_is_removed_or_bounced_takes_no_other_order_and_none_is_counted()
    {
        MessageHandle message = _rig.Accept("s@x.test", "u@a.test");
        Delivery delivery = _rig.Take("mx.a.test");
        Assert.Equal(1, Do(QueueDeed.Bounce("5.2.1 closed"))[DeedResult.Later]);
        Assert.Equal(QueueOrder.Bounce, _rig.ShowOne(message).Order);
        Assert.Equal(1, Do(QueueDeed.Bounce("5.2.1 other"))[DeedResult.Already]);
        Assert.Equal(1, Do(QueueDeed.Remove)[DeedResult.Later]);
        Assert.Equal(QueueOrder.Remove, _rig.ShowOne(message).Order);
        Assert.True(MoveTarget.TryParse("smtp:[8.8.4.4]:2600", out MoveTarget? target, out _));
        foreach (QueueDeed deed in (QueueDeed[])[QueueDeed.Hold, QueueDeed.Release, QueueDeed.Retry, QueueDeed.Bounce("no"), QueueDeed.Move(target, 1_000)])
        {
            DeedTally tally = Do(deed);
            Assert.Equal((0, 1, 1), (tally.Changed, tally[DeedResult.Ending], tally.Found));
        }
        Assert.Equal(1, Do(QueueDeed.Remove)[DeedResult.Already]);
        Assert.False(_rig.Journal.Holds.Has(message));
        _rig.Report(delivery, _ => QueueRig.Later);
        Assert.Equal((0, 0L), (_rig.Queue.Entries, _rig.Messages));
        Assert.Empty(_rig.Bounces.Seen);
    }

    [Fact]
    public void What_is_being_bounced_is_removed_at_once()
    {
        _rig.Accept("s@x.test", "u@a.test");
        _rig.Bounces.Room = false;
        Do(QueueDeed.Bounce("no"));
        Assert.Equal(EntryState.Settling, _rig.Queue.State.Slab[1].State);
        DeedTally tally = Do(QueueDeed.Remove);
        Assert.Equal((1, 0), (tally[DeedResult.Done], tally[DeedResult.Later]));
        _rig.Bounces.Room = true;
        _rig.Queue.BouncesMove();
        _rig.Loop.Settle();
        Assert.Empty(_rig.Bounces.Seen);
        Assert.Equal((0, 1L), (_rig.Queue.Entries, _rig.Counters.Removed));
    }

    [Fact]
    public void A_retry_of_what_is_held_while_it_is_delivered_is_no_wish_for_later()
    {
        MessageHandle message = _rig.Accept("s@x.test", "u@a.test");
        Delivery delivery = _rig.Take("mx.a.test");
        Do(QueueDeed.Hold);
        Assert.Equal(1, Do(QueueDeed.Retry)[DeedResult.Held]);
        Do(QueueDeed.Release);
        _rig.Report(delivery, _ => QueueRig.Later);
        Assert.Equal(QueuedState.Deferred, _rig.ShowOne(message).State);
    }

    [Fact]
    public void Ids_behind_a_full_disk_are_not_waited_for_one_by_one()
    {
        MessageId[] ids = [.. Enumerable.Range(0, 6).Select(_ => _rig.Journal.IdOf(_rig.Accept("s@x.test", "u@a.test")))];
        _rig.Disk.Fault = new DiskError(28, "write");
        Do(QueueDeed.Hold, new QueueFilter { Id = ids[0] });
        Assert.False(_rig.Journal.HasOutcomeRoom);
        Task<DeedTally> held = _rig.Queue.Admin.ChangeAsync(QueueDeed.Hold, ids, []).AsTask();
        _rig.Loop.Pass(40_000, step: 1_000);
        Assert.True(held.IsCompletedSuccessfully);
        Assert.InRange(held.Result.Found, 1, ids.Length - 1);
        _rig.Disk.Fault = DiskError.None;
    }

    [Fact]
    public void Of_a_message_with_several_destinations_the_most_counts()
    {
        MessageHandle message = _rig.Accept("s@x.test", "u@a.test", "v@b.test");
        Do(QueueDeed.Hold, new QueueFilter { Domain = "a.test" });
        DeedTally tally = Do(QueueDeed.Hold);
        Assert.Equal((1, 1, 0), (tally.Changed, tally[DeedResult.Done], tally[DeedResult.Already]));
        Assert.Equal(1, Do(QueueDeed.Hold)[DeedResult.Already]);
        Do(QueueDeed.Release);
        Assert.Equal(1, Do(QueueDeed.Release)[DeedResult.Already]);
        var missing = new List<MessageId>();
        MessageId id = _rig.Journal.IdOf(message);
        Assert.Equal(0, _rig.Loop.Wait(_rig.Queue.Admin.ChangeAsync(QueueDeed.Release, [id, new MessageId(999)], missing)).Changed);
        Assert.Equal([new MessageId(999)], missing);
    }

    [Fact]
    public void A_hold_of_older_releases_is_for_the_whole_message_and_one_of_its_domains_can_be_released()
    {
        MessageHandle message = _rig.Accept("s@x.test", "u@a.test", "v@b.test");
        _rig.Journal.Holds.Set(message, true);
        _rig.Loop.Settle();
        Restart();
        Assert.Equal("u@a.test:Held v@b.test:Held", States(message));
        Do(QueueDeed.Release, new QueueFilter { Domain = "a.test" });
        Restart();
        Assert.Equal("u@a.test:Ready v@b.test:Held", States(message));
    }
}
