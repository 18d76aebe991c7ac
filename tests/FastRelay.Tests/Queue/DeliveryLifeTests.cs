using FastRelay.Journal;
using FastRelay.Queue;
using FastRelay.Routing;
using FastRelay.Smtp;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>One message from its commit to its end.</summary>
public class DeliveryLifeTests
{
    [Fact]
    public void A_message_is_planned_dispatched_taken_and_settled()
    {
        QueueRig rig = new QueueRig().Domain("a.test");
        rig.Accept("s@x.test", "u@A.test");
        Assert.Equal(["mx.a.test"], rig.Dispatcher.Calls);
        Assert.Equal((1, 1), (rig.Queue.Ready, rig.SiteOf("mx.a.test").Ready));
        Delivery delivery = rig.Take("mx.a.test");
        Assert.Equal((0L, 1L, 1), (rig.Queue.Ready, rig.Queue.InFlight, rig.SiteOf("mx.a.test").InFlight));
        Assert.Equal("u@A.test", rig.Report(delivery, _ => QueueRig.Ok));
        Assert.Equal((0, 0L, 1L), (rig.Queue.Entries, rig.Messages, rig.Counters.Delivered));
        Assert.Equal(0, rig.SiteOf("mx.a.test").InFlight);
        string line = Assert.Single(rig.Output.Lines, line => line.Contains("event=delivery", StringComparison.Ordinal));
        Assert.Contains("status=delivered", line, StringComparison.Ordinal);
        Assert.Contains("from=s@x.test to=u@A.test site=mx.a.test host=mx.test addr=8.8.8.8:25", line, StringComparison.Ordinal);
        Assert.Contains("code=250", line, StringComparison.Ordinal);
    }

    [Fact]
    public void Each_destination_of_a_message_goes_its_own_way_with_its_own_recipients()
    {
        QueueRig rig = new QueueRig().Domain("a.test").Domain("b.test");
        MessageHandle message = rig.Accept("s@x.test", "1@a.test", "2@b.test", "3@A.TEST", "4@b.test", "5@a.test");
        Assert.Equal(2, rig.Queue.Entries);
        Assert.Equal("1@a.test 3@A.TEST 5@a.test", rig.Deliver("mx.a.test"));
        Assert.Equal(2, rig.Journal.PendingCount(message));
        Assert.Equal("2@b.test 4@b.test", rig.Deliver("mx.b.test"));
        Assert.Equal((0, 0L), (rig.Queue.Entries, rig.Messages));
    }

    [Fact]
    public void A_deferral_waits_for_the_schedule_and_says_why()
    {
        QueueRig rig = new QueueRig(new QueueOptions { Jitter = 0 }).Domain("a.test");
        MessageHandle message = rig.Accept("s@x.test", "u@a.test");
        long[] waits = [300, 600, 1200, 2400, 3600, 7200, 7200];
        for (int i = 0; i < waits.Length; i++)
        {
            Delivery delivery = rig.Take("mx.a.test");
            Assert.Equal(i, delivery.Attempts);
            rig.Report(delivery, _ => QueueRig.Later, "451 4.7.1 greylisted");
            QueuedDestination shown = rig.ShowOne(message);
            Assert.Equal((QueuedState.Deferred, i + 1, "451 4.7.1 greylisted"), (shown.State, shown.Attempts, shown.Reason));
            rig.Loop.Pass((waits[i] * 1000) - 1000, 10_000);
            Assert.False(rig.HasWork("mx.a.test"));
            rig.Loop.Pass(2_000);
            Assert.True(rig.HasWork("mx.a.test"), $"after wait {i}");
        }
        rig.Deliver("mx.a.test");
        Assert.Equal(0, rig.Messages);
    }

    [Fact]
    public void Waits_spread_by_the_jitter()
    {
        QueueRig rig = new QueueRig().Domain("a.test");
        for (int i = 0; i < 200; i++)
        {
            rig.Accept("s@x.test", "u@a.test");
            rig.Report(rig.Take("mx.a.test"), _ => QueueRig.Later);
        }
        rig.Loop.Pass(239_000);
        Assert.Equal(200, rig.Queue.Deferred);
        rig.Loop.Pass(61_000);
        Assert.InRange(rig.Queue.Deferred, 60, 140);
        rig.Loop.Pass(62_000);
        Assert.Equal(0, rig.Queue.Deferred);
    }

    [Fact]
    public void In_doubt_waits_its_whole_interval()
    {
        QueueRig rig = new QueueRig().Domain("a.test");
        Outcome inDoubt = OutcomePolicy.From(SmtpStage.Dot, OutcomeCause.ConnectionLost);
        for (int i = 0; i < 100; i++)
        {
            rig.Accept("s@x.test", "u@a.test");
            rig.Report(rig.Take("mx.a.test"), _ => inDoubt);
        }
        rig.Loop.Pass(299_000);
        Assert.Equal(100, rig.Queue.Deferred);
    }

    [Fact]
    public void Recipients_of_one_transaction_may_fare_differently()
    {
        QueueRig rig = new QueueRig().Domain("a.test");
        MessageHandle message = rig.Accept("s@x.test", "ok@a.test", "later@a.test", "never@a.test", "later2@a.test");
        rig.Report(rig.Take("mx.a.test"), Judge, "550 5.1.1 nobody");
        Assert.Equal(["2 Reply 5.1.1 mx.test (8.8.8.8) 550 5.1.1 nobody"], rig.Bounces.Seen);
        Assert.Equal((1L, 2L, 1L, 0L), (rig.Counters.Delivered, rig.Counters.Deferred, rig.Counters.Failed, rig.Counters.Dropped));
        Assert.False(rig.Journal.IsPending(message, 0));
        Assert.Equal(["later@a.test", "later2@a.test"], rig.ShowOne(message).Recipients);
        rig.Loop.Pass(400_000);
        // The bounce is not durable yet, so the failed one is pending in the journal; it is not sent again all the same.
        Assert.Equal("later@a.test later2@a.test", rig.Deliver("mx.a.test"));
        Assert.Equal((0, 1), (rig.Queue.Entries, rig.Journal.PendingCount(message)));
    }

    [Fact]
    public void Nobody_is_told_when_the_reverse_path_is_null()
    {
        QueueRig rig = new QueueRig().Domain("a.test");
        rig.Accept("", "never@a.test");
        rig.Report(rig.Take("mx.a.test"), Judge);
        Assert.Empty(rig.Bounces.Seen);
        Assert.Equal((1L, 1L, 0L, 0), (rig.Counters.Failed, rig.Counters.Dropped, rig.Messages, rig.Queue.Entries));
    }

    [Fact]
    public void Recipients_beyond_what_the_host_takes_go_in_the_next_transaction_at_once()
    {
        QueueRig rig = new QueueRig().Domain("a.test");
        rig.Accept("s@x.test", "ok1@a.test", "ok2@a.test", "many1@a.test", "many2@a.test");
        Assert.Equal("ok1@a.test ok2@a.test many1@a.test many2@a.test", rig.Report(rig.Take("mx.a.test"), Judge));
        Delivery next = rig.Take("mx.a.test");
        Assert.Equal(0, next.Attempts);
        Assert.Equal("many1@a.test many2@a.test", rig.Report(next, _ => QueueRig.Ok));
        Assert.Equal((0, 0L), (rig.Queue.Entries, rig.Messages));
    }

    [Fact]
    public void Too_many_without_any_delivery_is_an_ordinary_deferral()
    {
        QueueRig rig = new QueueRig().Domain("a.test");
        MessageHandle message = rig.Accept("s@x.test", "many1@a.test", "many2@a.test");
        rig.Report(rig.Take("mx.a.test"), Judge);
        Assert.False(rig.HasWork("mx.a.test"));
        Assert.Equal((QueuedState.Deferred, 1), (rig.ShowOne(message).State, rig.ShowOne(message).Attempts));
    }

    [Fact]
    public void More_recipients_than_a_transaction_holds_go_in_rounds_and_count_as_one_attempt()
    {
        QueueRig rig = new QueueRig(new QueueOptions { Jitter = 0 }, new Limits { SegmentBytes = 4 << 20, RecipientsPerTransaction = 3 }).Domain("a.test");
        MessageHandle message = rig.Accept("s@x.test", "ok1@a.test", "later2@a.test", "never3@a.test", "later4@a.test", "ok5@a.test", "ok6@a.test", "ok7@a.test");
        Assert.Equal("ok1@a.test later2@a.test never3@a.test", rig.Report(rig.Take("mx.a.test"), Judge));
        Delivery second = rig.Take("mx.a.test");
        Assert.Equal("later4@a.test ok5@a.test ok6@a.test", rig.Recipients(second));
        // Not attempted after all: the same recipients come again.
        rig.Queue.Release(second);
        second = rig.Take("mx.a.test");
        Assert.Equal("later4@a.test ok5@a.test ok6@a.test", rig.Report(second, Judge));
        Assert.Equal("ok7@a.test", rig.Report(rig.Take("mx.a.test"), Judge));
        Assert.Equal((QueuedState.Deferred, 1, 2), (rig.ShowOne(message).State, rig.ShowOne(message).Attempts, rig.ShowOne(message).RecipientCount));
        rig.Loop.Pass(301_000);
        Assert.Equal("later2@a.test later4@a.test", rig.Deliver("mx.a.test"));
        Assert.Equal(0, rig.Queue.Entries);
        Assert.Single(rig.Bounces.Seen);
    }

    [Fact]
    public void A_released_delivery_is_first_again_with_its_attempts_unchanged()
    {
        QueueRig rig = new QueueRig().Domain("a.test");
        MessageHandle first = rig.Accept("s@x.test", "1@a.test");
        rig.Accept("s@x.test", "2@a.test");
        Delivery delivery = rig.Take("mx.a.test");
        rig.Queue.Release(delivery);
        Delivery again = rig.Take("mx.a.test");
        Assert.Equal((first, 0), (again.Message, again.Attempts));
        Assert.Throws<CheckFailedException>(() => rig.Queue.Add(first, default));
    }

    [Fact]
    public void A_delivery_is_ended_once()
    {
        QueueRig rig = new QueueRig().Domain("a.test");
        rig.Accept("s@x.test", "1@a.test");
        Delivery delivery = rig.Take("mx.a.test");
        rig.Queue.Release(delivery);
        Assert.Throws<CheckFailedException>(() => rig.Queue.Release(delivery));
    }

    [Fact]
    public void Nothing_is_taken_while_stopping()
    {
        QueueRig rig = new QueueRig().Domain("a.test");
        rig.Accept("s@x.test", "1@a.test");
        rig.Queue.Stopping = true;
        Assert.False(rig.SiteOf("mx.a.test").CanRun);
        Assert.False(rig.Queue.TryTake(rig.SiteOf("mx.a.test"), out _));
        rig.Queue.Stopping = false;
        rig.Deliver("mx.a.test");
        Assert.Equal(0, rig.Messages);
    }

    [Fact]
    public void Discard_and_error_routes_settle_without_a_session()
    {
        QueueRig rig = new(rules:
        [
            new RouteRule("void.test", new NextHop(NextHopKind.Discard, "", 0, false, ""), TlsPolicy.Opportunistic),
            new RouteRule("no.test", new NextHop(NextHopKind.Error, "", 0, false, "5.7.1 not wanted here"), TlsPolicy.Opportunistic),
        ]);
        MessageHandle message = rig.Accept("s@x.test", "1@void.test", "2@no.test", "3@void.test");
        Assert.Equal(["1 ByRoute 5.7.1  not wanted here"], rig.Bounces.Seen);
        Assert.Equal((2L, 1, 0), (rig.Counters.Delivered, rig.Journal.PendingCount(message), rig.Queue.Entries));
        Assert.Empty(rig.Dispatcher.Calls);
    }

    internal static Outcome Judge(string mailbox) => mailbox switch
    {
        _ when mailbox.StartsWith("ok", StringComparison.Ordinal) => QueueRig.Ok,
        _ when mailbox.StartsWith("later", StringComparison.Ordinal) => QueueRig.Later,
        _ when mailbox.StartsWith("many", StringComparison.Ordinal) => QueueRig.TooMany,
        _ => QueueRig.Never,
    };
}
