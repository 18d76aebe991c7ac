using FastRelay.Journal;
using FastRelay.Queue;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>Failures that wait for their bounces are in memory only, so there is a bound, and the queue keeps to it.</summary>
public class BounceRoomTests
{
    private static readonly QueueOptions s_short = new() { Jitter = 0, ExpireMs = 3_600_000 };

    [Fact]
    public void Nothing_is_taken_while_bounces_have_to_catch_up()
    {
        QueueRig rig = new QueueRig().Domain("a.test");
        rig.Accept("s@x.test", "u@a.test");
        rig.Bounces.Room = false;
        Assert.False(rig.Queue.TryTake(rig.SiteOf("mx.a.test"), out _));
        rig.Bounces.Room = true;
        rig.Queue.BouncesMove();
        Assert.Equal("u@a.test", rig.Deliver("mx.a.test"));
    }

    [Fact]
    public void While_the_journal_takes_no_bounce_good_mail_is_delivered_and_what_fails_is_tried_again()
    {
        QueueRig rig = new QueueRig(s_short).Domain("a.test");
        MessageHandle message = rig.Accept("s@x.test", "bad@a.test", "good@a.test");
        (rig.Bounces.Room, rig.Bounces.Stuck) = (false, true);
        rig.Report(rig.Take("mx.a.test"), mailbox => mailbox[0] == 'g' ? QueueRig.Ok : QueueRig.Never);
        Assert.Empty(rig.Bounces.Seen);
        Assert.Equal(1, rig.Journal.PendingCount(message));
        Assert.True(rig.Journal.IsPending(message, 0));
        rig.Loop.Pass(59_000);
        Assert.False(rig.HasWork("mx.a.test"));
        rig.Loop.Pass(2_000);
        (rig.Bounces.Room, rig.Bounces.Stuck) = (true, false);
        Assert.Equal("bad@a.test", rig.Report(rig.Take("mx.a.test"), _ => QueueRig.Never));
        Assert.Single(rig.Bounces.Seen);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_message_that_cannot_be_bounced_is_set_aside_when_its_last_delivery_ends(bool delivered)
    {
        QueueRig rig = new QueueRig(s_short).Domain("a.test").Domain("b.test");
        MessageHandle message = rig.Accept("s@x.test", "u@a.test", "u@b.test");
        rig.Report(rig.Take("mx.a.test"), _ => QueueRig.Never);
        Delivery under = rig.Take("mx.b.test");
        // What the bouncer does with an envelope that it cannot read.
        rig.Queue.SetAside(message);
        Assert.Equal(0, rig.Counters.SetAside);
        rig.Report(under, _ => delivered ? QueueRig.Ok : QueueRig.Never);
        Assert.Equal(delivered ? 1 : 0, rig.Counters.SetAside);
        Assert.Equal(delivered ? 1 : 2, rig.Bounces.Seen.Count);
        if (!delivered)
        {
            // The other failure has a bounce of its own, which finds the same.
            rig.Queue.SetAside(message);
        }
        Assert.Equal(1, rig.Counters.SetAside);
        Assert.Equal(0, rig.Messages);
    }

    [Fact]
    public void Expired_mail_waits_in_the_queue_until_its_senders_can_be_told()
    {
        QueueRig rig = new QueueRig(s_short).Domain("a.test");
        MessageHandle message = rig.Accept("s@x.test", "u@a.test");
        rig.Report(rig.Take("mx.a.test"), _ => QueueRig.Later);
        rig.Dispatcher.Room = 0;
        rig.Bounces.Room = false;
        rig.Loop.Pass(2 * 3_600_000, 10_000);
        Assert.Empty(rig.Bounces.Seen);
        Assert.Equal(1, rig.Queue.Entries);
        Assert.Equal(1, rig.Journal.PendingCount(message));
        rig.Bounces.Room = true;
        rig.Queue.BouncesMove();
        rig.Loop.Pass(3_600_000, 10_000);
        Assert.Contains("Expired", Assert.Single(rig.Bounces.Seen), StringComparison.Ordinal);
        Assert.Equal(0, rig.Queue.Entries);
    }
}
