using FastRelay.Journal;
using FastRelay.Queue;
using FastRelay.Routing;
using FastRelay.Smtp;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>What the operator does to chosen mail, part by part.</summary>
public class QueueDeedTests
{
    private readonly QueueRig _rig = new QueueRig(new QueueOptions { Jitter = 0 }).Domain("a.test").Domain("b.test");

    private long Do(Func<QueueAdmin, ValueTask<long>> operation)
    {
        long count = _rig.Loop.Wait(operation(_rig.Queue.Admin));
        _rig.Loop.Settle();
        return count;
    }

    private long Bounce(QueueFilter filter, string text = "returned by the operator") => Do(admin => admin.BounceAsync(filter, text));

    [Theory]
    [InlineData("returned by the operator", "5.7.1", "returned by the operator")]
    [InlineData("5.2.1 the mailbox is closed", "5.2.1", "the mailbox is closed")]
    [InlineData("4.2.1 mailbox busy", "5.7.1", "4.2.1 mailbox busy")]
    [InlineData("2.0.0 fine", "5.7.1", "2.0.0 fine")]
    public void Bounced_mail_fails_and_its_sender_is_told_why(string text, string code, string reply)
    {
        _rig.Accept("s@x.test", "u@a.test", "v@a.test", "w@b.test");
        MessageHandle other = _rig.Accept("t@x.test", "u@b.test");
        Assert.Equal(1, Bounce(new QueueFilter { Domain = "a.test" }, text));
        Assert.Equal([$"0 ByOperator {code}  {reply}", $"1 ByOperator {code}  {reply}"], _rig.Bounces.Seen);
        Assert.Equal("w@b.test", _rig.Deliver("mx.b.test"));
        Assert.Equal(1, _rig.Queue.Entries);
        Assert.Equal(QueuedState.Ready, _rig.ShowOne(other).State);
    }

    [Fact]
    public void Held_and_deferred_mail_is_bounced_and_a_bounce_of_a_bounce_is_dropped()
    {
        _rig.Accept("held@x.test", "u@a.test");
        Do(admin => admin.HoldAsync(new QueueFilter()));
        _rig.Accept("deferred@x.test", "u@b.test");
        _rig.Report(_rig.Take("mx.b.test"), _ => QueueRig.Later);
        _rig.Accept("", "u@a.test");
        Assert.Equal(3, Bounce(new QueueFilter()));
        Assert.Equal(2, _rig.Bounces.Seen.Count);
        Assert.Equal(0, _rig.Queue.Entries);
        Assert.Contains(_rig.Output.Lines, line => line.Contains("event=drop", StringComparison.Ordinal));
    }

    [Fact]
    public void What_is_being_delivered_is_delivered_or_bounced_when_it_comes_back()
    {
        _rig.Accept("s@x.test", "good@a.test", "later@a.test");
        Delivery delivery = _rig.Take("mx.a.test");
        Assert.Equal(1, Bounce(new QueueFilter(), "5.2.1 closed"));
        Assert.Empty(_rig.Bounces.Seen);
        _rig.Report(delivery, mailbox => mailbox[0] == 'g' ? QueueRig.Ok : QueueRig.Later);
        Assert.Equal(["1 ByOperator 5.2.1  closed"], _rig.Bounces.Seen);
        Assert.Equal(0, _rig.Queue.Entries);
    }

    [Fact]
    public void What_the_operator_has_removed_is_not_bounced_retried_or_held_and_what_he_bounces_he_may_still_remove()
    {
        _rig.Accept("s@x.test", "u@a.test");
        Delivery delivery = _rig.Take("mx.a.test");
        Do(admin => admin.RemoveAsync(new QueueFilter()));
        Bounce(new QueueFilter());
        Do(admin => admin.RetryAsync(new QueueFilter()));
        Do(admin => admin.HoldAsync(new QueueFilter()));
        _rig.Report(delivery, _ => QueueRig.Later);
        Assert.Equal((0, 0L), (_rig.Queue.Entries, _rig.Messages));

        _rig.Accept("s@x.test", "u@a.test");
        delivery = _rig.Take("mx.a.test");
        Do(admin => admin.RetryAsync(new QueueFilter()));
        Bounce(new QueueFilter());
        Do(admin => admin.RemoveAsync(new QueueFilter()));
        _rig.Report(delivery, _ => QueueRig.Later);
        Assert.Equal((0, 0L), (_rig.Queue.Entries, _rig.Messages));
        Assert.Empty(_rig.Bounces.Seen);
    }

    [Fact]
    public void While_nobody_can_be_told_a_bounce_waits_and_the_mail_is_not_delivered_meanwhile()
    {
        _rig.Accept("s@x.test", "u@a.test");
        (_rig.Bounces.Room, _rig.Bounces.Stuck) = (false, true);
        Bounce(new QueueFilter(), "5.2.1 closed");
        Assert.Equal(1, _rig.Queue.Entries);
        for (int minute = 0; minute < 3; minute++)
        {
            _rig.Loop.Pass(61_000);
            Assert.False(_rig.HasWork("mx.a.test"));
            Assert.Empty(_rig.Bounces.Seen);
        }
        (_rig.Bounces.Room, _rig.Bounces.Stuck) = (true, false);
        _rig.Loop.Pass(61_000);
        Assert.Equal(["0 ByOperator 5.2.1  closed"], _rig.Bounces.Seen);
        Assert.Equal(0, _rig.Queue.Entries);
    }

    private QueueRig Restarted(params RouteRule[] rules)
    {
        QueueRig after = new QueueRig(new QueueOptions { Jitter = 0 }, rules: rules, after: _rig).Domain("a.test").Domain("b.test");
        after.Loop.Settle();
        QueueRules.Hold(after);
        return after;
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_restart_bounces_what_is_still_to_be_bounced_with_its_text_and_nothing_else(bool held)
    {
        _rig.Accept("s@x.test", "u@a.test", "v@a.test", "w@b.test");
        if (held)
        {
            Do(admin => admin.HoldAsync(new QueueFilter()));
        }
        (_rig.Bounces.Room, _rig.Bounces.Stuck) = (false, true);
        Assert.Equal(1, Bounce(new QueueFilter { Domain = "a.test" }, "5.2.1 closed"));
        Assert.Empty(_rig.Bounces.Seen);
        QueueRig after = Restarted();
        Assert.Equal(["0 ByOperator 5.2.1  closed", "1 ByOperator 5.2.1  closed"], after.Bounces.Seen);
        Assert.Equal((1, held ? 1L : 0), (after.Queue.Entries, after.Queue.Held));
        after.Loop.Wait(after.Queue.Admin.ReleaseAsync(new QueueFilter()));
        Assert.Equal("w@b.test", after.Deliver("mx.b.test"));
        Assert.Equal(0, after.Queue.Entries);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_restart_bounces_what_was_being_delivered_too_whatever_a_host_has_said_since(bool reported)
    {
        MessageHandle message = _rig.Accept("s@x.test", "u@a.test");
        Delivery delivery = _rig.Take("mx.a.test");
        (_rig.Bounces.Room, _rig.Bounces.Stuck) = (false, true);
        Bounce(new QueueFilter(), "5.2.1 closed");
        if (reported)
        {
            _rig.Report(delivery, _ => QueueRig.Later, "come again");
            Assert.Equal(QueuedState.Deferred, _rig.ShowOne(message).State);
            Assert.Equal("", _rig.ShowOne(message).MovedTo);
        }
        Assert.Equal(["0 ByOperator 5.2.1  closed"], Restarted().Bounces.Seen);
    }

    [Fact]
    public void Mail_that_was_bounced_and_then_removed_is_gone_after_a_restart()
    {
        _rig.Accept("s@x.test", "u@a.test");
        (_rig.Bounces.Room, _rig.Bounces.Stuck) = (false, true);
        Bounce(new QueueFilter());
        Do(admin => admin.RemoveAsync(new QueueFilter()));
        QueueRig after = Restarted();
        Assert.Equal((0, 0L), (after.Queue.Entries, after.Messages));
        Assert.Empty(after.Bounces.Seen);
    }

    [Theory]
    [InlineData("a.test")]
    [InlineData("b.test")]
    public void Where_a_change_of_the_table_has_joined_the_bounced_with_others_nobody_is_bounced_who_was_not_to_be(string bounced)
    {
        const string Host = "smtp:[8.8.4.4]:2600";
        Assert.True(NextHop.TryParse(Host, out NextHop hop, out _));
        _rig.Accept("s@x.test", "u@a.test", "v@b.test");
        (_rig.Bounces.Room, _rig.Bounces.Stuck) = (false, true);
        Bounce(new QueueFilter { Domain = bounced });
        QueueRig after = Restarted(new RouteRule("*", hop, TlsPolicy.Opportunistic));
        Assert.Empty(after.Bounces.Seen);
        Assert.Equal("u@a.test v@b.test", after.Deliver(Host));
    }

    [Fact]
    public void Mail_is_selected_by_its_age()
    {
        _rig.Accept("old@x.test", "u@a.test");
        _rig.Loop.Pass(3_600_000, step: 60_000);
        _rig.Accept("new@x.test", "u@a.test");
        long now = _rig.World.Time.GetUtcNow().ToUnixTimeMilliseconds();
        Assert.Equal(2, Do(admin => admin.CountAsync(new QueueFilter { ArrivedByUnixMs = now })));
        Assert.Equal(1, Do(admin => admin.CountAsync(new QueueFilter { ArrivedByUnixMs = now - 1_800_000 })));
        Assert.Equal(0, Do(admin => admin.CountAsync(new QueueFilter { ArrivedByUnixMs = now - 7_200_000 })));
        Assert.Equal("old@x.test", Assert.Single(_rig.Loop.Wait(_rig.Queue.Admin.ListAsync(new QueueFilter { ArrivedByUnixMs = now - 1_800_000 }, 10)).Messages).Sender);
    }

    public static TheoryData<string, string> ActionsByFilter
    {
        get
        {
            var all = new TheoryData<string, string>();
            foreach (string action in (string[])["count", "retry", "hold", "release", "bounce", "remove", "move"])
            {
                foreach (string by in (string[])["id", "sender", "domain", "site", "tenant", "state", "age"])
                {
                    all.Add(action, by);
                }
            }
            return all;
        }
    }

    [Theory]
    [MemberData(nameof(ActionsByFilter))]
    public void Every_action_takes_every_filter(string action, string by)
    {
        _rig.Tenant = "acme";
        MessageHandle wanted = _rig.Accept("wanted@x.test", "u@a.test");
        _rig.Loop.Wait(_rig.Queue.Admin.HoldAsync(new QueueFilter()));
        _rig.Loop.Pass(10_000);
        _rig.Tenant = "";
        MessageHandle other = _rig.Accept("other@x.test", "u@b.test");
        QueueFilter filter = by switch
        {
            "id" => new QueueFilter { Id = _rig.Journal.IdOf(wanted) },
            "sender" => new QueueFilter { Sender = "WANTED@x.test" },
            "domain" => new QueueFilter { Domain = "a.test" },
            "site" => new QueueFilter { Site = "mx.a.test" },
            "tenant" => new QueueFilter { Tenant = "acme" },
            "state" => new QueueFilter { State = QueuedState.Held },
            _ => new QueueFilter { ArrivedByUnixMs = _rig.Journal.ArrivalUnixMs(other) - 5_000 },
        };
        Assert.True(MoveTarget.TryParse("smtp:[8.8.4.4]", out MoveTarget? target, out _));
        // It is held: that is no news, and it stays so when it is retried.
        Assert.Equal(action is "hold" or "retry" ? 0 : 1, Do(admin => action switch
        {
            "count" => admin.CountAsync(filter),
            "retry" => admin.RetryAsync(filter),
            "hold" => admin.HoldAsync(filter),
            "release" => admin.ReleaseAsync(filter),
            "bounce" => admin.BounceAsync(filter, "no"),
            "remove" => admin.RemoveAsync(filter),
            _ => admin.MoveAsync(filter, target),
        }));
        QueuedDestination left = _rig.ShowOne(other);
        Assert.Equal((QueuedState.Ready, ""), (left.State, left.MovedTo));
        bool gone = action is "bounce" or "remove";
        Assert.Equal(gone ? 1 : 2, _rig.Queue.Entries);
        if (!gone)
        {
            QueuedDestination changed = _rig.ShowOne(wanted);
            Assert.Equal((action == "release" ? QueuedState.Ready : QueuedState.Held, action == "move" ? "smtp:[8.8.4.4]" : ""), (changed.State, changed.MovedTo));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(1_000)]
    public void Parts_cover_the_whole_queue_once(int slots)
    {
        for (int i = 0; i < 40; i++)
        {
            _rig.Commit("s@x.test", "u@a.test");
        }
        _rig.Loop.Settle();
        long count = 0;
        int parts = 0;
        for (int from = 0; from >= 0;)
        {
            QueuePart part = _rig.Loop.Wait(_rig.Queue.Admin.PartAsync(QueueDeed.Hold, new QueueFilter(), from, slots));
            Assert.InRange(part.Count, 0, slots);
            Assert.True(part.Next < 0 || part.Next == from + slots);
            Assert.True(part.Next <= part.End);
            (count, from) = (count + part.Count, part.Next);
            parts++;
        }
        Assert.Equal(40, count);
        Assert.Equal(40, _rig.Queue.Admin.Counts().Held);
        Assert.InRange(parts, 16_384 / slots, (16_384 / slots) + 1);
    }

    [Fact]
    public void A_change_reaches_what_was_there_when_it_was_asked_for()
    {
        for (int i = 0; i < 10; i++)
        {
            _rig.Commit("s@x.test", "u@a.test");
        }
        _rig.Loop.Settle();
        QueuePart part = _rig.Loop.Wait(_rig.Queue.Admin.PartAsync(QueueDeed.Hold, new QueueFilter(), 0, 5));
        MessageHandle later = _rig.Commit("s@x.test", "v@a.test");
        _rig.Loop.Settle();
        long count = part.Count;
        while (part.Next >= 0)
        {
            part = _rig.Loop.Wait(_rig.Queue.Admin.PartAsync(QueueDeed.Hold, new QueueFilter { Before = part.Before }, part.Next, 5_000));
            count += part.Count;
        }
        Assert.Equal(10, count);
        Assert.Equal(QueuedState.Ready, _rig.ShowOne(later).State);
    }

    [Fact]
    public void A_message_with_many_destinations_is_changed_in_slices_too_and_what_ends_between_them_is_left_alone()
    {
        const int Destinations = 600;
        string[] to = [.. Enumerable.Range(0, Destinations).Select(i => $"u@d{i}.test")];
        for (int i = 0; i < Destinations; i++)
        {
            _rig.Domain($"d{i}.test");
        }
        _rig.Accept("s@x.test", to);
        Task<long> hold = _rig.Queue.Admin.HoldAsync(new QueueFilter()).AsTask();
        while (_rig.Queue.Admin.Counts().Held == 0)
        {
            Assert.False(hold.IsCompleted);
            _rig.Loop.Loop.Turn(canSleep: false);
        }
        long held = _rig.Queue.Admin.Counts().Held;
        Assert.InRange(held, 1, 128);
        // One that the operator's slices have not reached yet is taken for delivery meanwhile.
        string left = Enumerable.Range(0, Destinations).Select(i => $"mx.d{i}.test").First(_rig.HasWork);
        Delivery taken = _rig.Take(left);
        int turns = 0;
        while (!hold.IsCompleted)
        {
            Assert.True(turns++ < 1_000);
            _rig.Loop.Loop.Turn(canSleep: false);
            long now = _rig.Queue.Admin.Counts().Held;
            Assert.InRange(now - held, 0, 128);
            held = now;
        }
        Assert.Equal((1, Destinations - 1), (hold.Result, held));
        _rig.Report(taken, _ => QueueRig.Ok);
        Assert.Equal(Destinations - 1, _rig.Queue.Entries);
    }

    [Fact]
    public void The_busiest_sites_are_found_in_slices_with_what_is_deferred_and_taken()
    {
        const int Sites = 3_000;
        for (int i = 0; i < Sites; i++)
        {
            _rig.Domain($"d{i}.test");
            _rig.Commit("s@x.test", $"u@d{i}.test");
        }
        _rig.Accept("1@x.test", "u@a.test");
        _rig.Accept("2@x.test", "u@a.test");
        _rig.Deliver("mx.a.test");
        _rig.Accept("3@x.test", "u@a.test");
        _rig.Report(_rig.Take("mx.a.test"), _ => QueueRig.Later);
        Task<IReadOnlyList<SiteView>> asked = _rig.Queue.Admin.BusiestSitesAsync(2).AsTask();
        int turns = 0;
        for (; !asked.IsCompleted; turns++)
        {
            Assert.True(turns < 100);
            _rig.Loop.Loop.Turn(canSleep: false);
        }
        // Each turn looks at 1,024 destinations or sites, of 3,001 each.
        Assert.InRange(turns, 4, 10);
        SiteView first = asked.Result[0];
        Assert.Equal(2, asked.Result.Count);
        Assert.Equal(("mx.a.test", 1, 1L, 1L), (first.Key, first.Ready, first.Deferred, first.Taken));
    }
}
