using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Queue;
using FastRelay.Routing;
using FastRelay.Smtp;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>A filter by domain is by the domain of recipients' addresses, also where one route has the mail of all domains.</summary>
public class DomainFilterTests
{
    private const string Way = "smtp:[8.8.8.8]:2500";
    private static readonly QueueFilter s_typo = new() { Domain = "Typo.test." };

    private readonly QueueRig _rig = new(
        new QueueOptions { Jitter = 0, RetryMs = [600_000] },
        new Limits { SegmentBytes = 4 << 20, RecipientsPerTransaction = 3 },
        [new RouteRule("*", NextHop.TryParse(Way, out NextHop hop, out _) ? hop : default, TlsPolicy.Opportunistic)]);

    private long Do(Func<QueueAdmin, ValueTask<long>> operation)
    {
        long count = _rig.Loop.Wait(operation(_rig.Queue.Admin));
        _rig.Loop.Settle();
        QueueRules.Hold(_rig);
        return count;
    }

    private long Remove() => Do(admin => admin.RemoveAsync(s_typo));

    private long Bounce(string text = "5.1.2 typo.test is no domain") => Do(admin => admin.BounceAsync(s_typo, text));

    /// <summary>What a host said of the first recipients, who were in its transaction before the operator was heard.</summary>
    private void Report(in Delivery delivery, params Outcome[] outcomes)
    {
        BodyReader body = _rig.Journal.OpenBody();
        body.Start(delivery.Message);
        Assert.Equal(BodyStatus.Ok, _rig.Loop.Wait(body.PrepareAsync()));
        _rig.Queue.Report(delivery, body.Envelope, new AttemptInfo("mx.test", null, null, 0, false), [.. outcomes.Select(static (outcome, i) => new RecipientReport(i, outcome, "said so"u8.ToArray()))]);
        body.Close();
        _rig.Loop.Settle();
    }

    private int Logged(string status) => _rig.Output.Lines.Count(line => line.Contains($"event=delivery status={status} ", StringComparison.Ordinal));

    [Fact]
    public void Mail_of_other_domains_is_neither_shown_nor_counted_nor_touched()
    {
        MessageHandle other = _rig.Accept("s@x.test", "u@good.test");
        _rig.Accept("s@x.test", "typo.test@good.test", "typo.test");
        Assert.Equal(0, Do(admin => admin.CountAsync(s_typo)));
        Assert.Empty(_rig.Loop.Wait(_rig.Queue.Admin.ListAsync(s_typo, 10)).Messages);
        Assert.Equal((0, 0), (Remove(), Bounce()));
        Assert.Equal(0, Do(admin => admin.HoldAsync(s_typo)));
        Assert.Equal((2, 0, 0L), (_rig.Queue.Entries, _rig.Bounces.Seen.Count, _rig.Queue.Admin.Counts().Held));
        MessageHandle mixed = _rig.Accept("s@x.test", "u@good.test", "v@TYPO.test", "w@typo.test.");
        QueuedDestination shown = Assert.Single(Assert.Single(_rig.Loop.Wait(_rig.Queue.Admin.ListAsync(s_typo, 10)).Messages).Destinations);
        Assert.Equal(2, shown.RecipientCount);
        Assert.Equal(3, _rig.ShowOne(mixed).RecipientCount);
        Assert.Equal((1L, 3L), (Do(admin => admin.CountAsync(s_typo)), Do(admin => admin.CountAsync(new QueueFilter { Domain = "good.test" }))));
        Assert.Equal(1, Do(admin => admin.CountAsync(new QueueFilter { Domain = "typo.test", Sender = "S@x.test", State = QueuedState.Ready })));
        Assert.Equal(QueuedState.Ready, _rig.ShowOne(other).State);
    }

    [Theory]
    [InlineData(QueuedState.Ready)]
    [InlineData(QueuedState.Deferred)]
    [InlineData(QueuedState.Held)]
    public void Removing_is_for_the_recipients_of_the_domain_and_the_others_stay_as_they_are(QueuedState state)
    {
        MessageHandle message = _rig.Accept("s@x.test", "u@good.test", "v@typo.test", "w@good.test");
        if (state == QueuedState.Deferred)
        {
            _rig.Report(_rig.Take(Way), _ => QueueRig.Later);
        }
        else if (state == QueuedState.Held)
        {
            Do(admin => admin.HoldAsync(new QueueFilter()));
        }
        QueuedDestination before = _rig.ShowOne(message);
        Assert.Equal(state, before.State);
        Assert.Equal(1, Remove());
        QueuedDestination after = _rig.ShowOne(message);
        Assert.Equal((before.State, before.Attempts, before.NextUnixMs, before.Reason), (after.State, after.Attempts, after.NextUnixMs, after.Reason));
        Assert.Equal(["u@good.test", "w@good.test"], after.Recipients);
        Assert.Empty(_rig.Bounces.Seen);
        Assert.Equal((0, 0L, 1L), (Logged("failed"), _rig.Counters.Failed, _rig.Counters.Removed));
        Assert.Equal(0, _rig.Counters.Troubles.Read().Sum(static one => one.Failed));
        string line = Assert.Single(_rig.Output.Lines, static line => line.Contains("status=removed", StringComparison.Ordinal));
        Assert.Contains("level=info", line, StringComparison.Ordinal);
        Assert.Contains($" to=v@typo.test site={Way}", line.Replace("\"", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Contains($" attempts={before.Attempts} ", line, StringComparison.Ordinal);
        if (state == QueuedState.Held)
        {
            Do(admin => admin.ReleaseAsync(new QueueFilter()));
        }
        _rig.Loop.Pass(601_000, step: 10_000);
        Assert.Equal("u@good.test w@good.test", _rig.Deliver(Way));
        Assert.Equal((0, 0L), (_rig.Queue.Entries, _rig.Messages));
    }

    [Fact]
    public void Bouncing_tells_of_the_recipients_of_the_domain_alone()
    {
        MessageHandle message = _rig.Accept("s@x.test", "u@good.test", "v@typo.test", "w@typo.test");
        Assert.Equal(1, Bounce());
        Assert.Equal(["1 ByOperator 5.1.2  typo.test is no domain", "2 ByOperator 5.1.2  typo.test is no domain"], _rig.Bounces.Seen);
        Assert.Equal(["u@good.test"], _rig.ShowOne(message).Recipients);
        // They are in a bounce already.
        Assert.Equal((0L, 0L), (Bounce(), Remove()));
        Assert.Equal("u@good.test", _rig.Deliver(Way));
        Assert.Equal(2, _rig.Bounces.Seen.Count);
    }

    [Fact]
    public void When_all_recipients_are_of_the_domain_the_entry_ends()
    {
        _rig.Accept("s@x.test", "v@typo.test", "w@typo.test");
        _rig.Accept("s@x.test", "x@typo.test");
        Assert.Equal(2, Remove());
        Assert.Equal((0, 0L, 3L), (_rig.Queue.Entries, _rig.Messages, _rig.Counters.Removed));
    }

    [Fact]
    public void More_than_one_transaction_has_are_struck_out_and_the_rest_is_delivered()
    {
        string[] to = [.. Enumerable.Range(0, 20).Select(static i => i % 2 == 0 ? $"v{i}@typo.test" : $"u{i}@good.test")];
        _rig.Accept("s@x.test", to);
        Assert.Equal(1, Remove());
        Assert.Equal(10, _rig.Counters.Removed);
        var served = new List<string>();
        while (_rig.HasWork(Way))
        {
            served.AddRange(_rig.Deliver(Way).Split(' '));
        }
        Assert.Equal(to.Where(static one => one.EndsWith("good.test", StringComparison.Ordinal)), served);
        Assert.Equal((0, 0L), (_rig.Queue.Entries, _rig.Messages));
    }

    [Fact]
    public void What_is_being_delivered_is_struck_out_when_it_comes_back_and_is_in_no_transaction_after()
    {
        _rig.Accept("s@x.test", "1@typo.test", "2@good.test", "3@typo.test", "4@typo.test", "5@good.test");
        Delivery delivery = _rig.Take(Way);
        Assert.Equal("1@typo.test 2@good.test 3@typo.test", _rig.Recipients(delivery));
        Assert.Equal(1, Remove());
        Assert.Equal(0, _rig.Counters.Removed);
        // The one was delivered before the operator was heard; of a failure nobody is told.
        Report(delivery, QueueRig.Ok, QueueRig.Later, QueueRig.Never);
        Assert.Equal((1L, 1L, 0L), (_rig.Counters.Delivered, _rig.Counters.Removed, _rig.Counters.Dropped));
        Assert.Empty(_rig.Bounces.Seen);
        Assert.Equal("5@good.test", _rig.Deliver(Way));
        _rig.Loop.Pass(601_000, step: 10_000);
        Assert.Equal("2@good.test", _rig.Deliver(Way));
        Assert.Equal((0, 0L), (_rig.Queue.Entries, _rig.Messages));
    }

    [Fact]
    public void The_last_word_counts()
    {
        _rig.Accept("s@x.test", "u@good.test", "v@typo.test");
        Delivery delivery = _rig.Take(Way);
        Bounce();
        Remove();
        Bounce();
        _rig.Report(delivery, _ => QueueRig.Later);
        Assert.Equal((0, 1L), (_rig.Bounces.Seen.Count, _rig.Counters.Removed));

        // One of the domain is removed and then all are bounced; or all are removed.
        _rig.Loop.Pass(601_000, step: 10_000);
        delivery = _rig.Take(Way);
        Do(admin => admin.BounceAsync(new QueueFilter { Domain = "good.test" }, "no"));
        _rig.Report(delivery, _ => QueueRig.Later);
        Assert.Equal(["0 ByOperator 5.7.1  no"], _rig.Bounces.Seen);
        _rig.Accept("s@x.test", "u@good.test", "v@typo.test");
        delivery = _rig.Take(Way);
        Remove();
        Do(admin => admin.BounceAsync(new QueueFilter(), "all"));
        _rig.Report(delivery, _ => QueueRig.Later);
        Assert.Equal(["0 ByOperator 5.7.1  no", "0 ByOperator 5.7.1  all"], _rig.Bounces.Seen);
        Assert.Equal((0, 2L), (_rig.Queue.Entries, _rig.Counters.Removed));
    }

    [Fact]
    public void Holding_and_retrying_is_for_what_goes_one_way_and_moving_for_nobody_else()
    {
        MessageHandle mixed = _rig.Accept("s@x.test", "u@good.test", "v@typo.test");
        MessageHandle alone = _rig.Accept("s@x.test", "v@typo.test");
        Assert.Equal(2, Do(admin => admin.HoldAsync(s_typo)));
        Assert.Equal((QueuedState.Held, QueuedState.Held), (_rig.ShowOne(mixed).State, _rig.ShowOne(alone).State));
        Assert.Equal(2, Do(admin => admin.ReleaseAsync(s_typo)));
        Assert.True(MoveTarget.TryParse("smtp:[8.8.4.4]:2600", out MoveTarget? target, out _));
        QueuePart part = _rig.Loop.Wait(_rig.Queue.Admin.PartAsync(QueueDeed.Move(target, 1), s_typo, 0, int.MaxValue));
        Assert.Equal((1L, 1L), (part.Count, part.Left));
        _rig.Loop.Settle();
        Assert.Equal(("", "smtp:[8.8.4.4]:2600"), (_rig.ShowOne(mixed).MovedTo, _rig.ShowOne(alone).MovedTo));
        // Mail that was moved is found by its recipients' domain as before.
        Assert.Equal(2, Do(admin => admin.CountAsync(s_typo)));
    }

    [Fact]
    public void While_nobody_can_be_told_the_others_go_on()
    {
        MessageHandle message = _rig.Accept("s@x.test", "u@good.test", "v@typo.test");
        (_rig.Bounces.Room, _rig.Bounces.Stuck) = (false, true);
        Assert.Equal((1L, 0L), (Bounce(), Bounce()));
        _rig.Report(_rig.Take(Way), _ => QueueRig.Later);
        Assert.Equal(QueuedState.Deferred, _rig.ShowOne(message).State);
        _rig.Loop.Pass(601_000, step: 10_000);
        Assert.Equal("u@good.test", _rig.Deliver(Way));
        for (int minute = 0; minute < 3; minute++)
        {
            _rig.Loop.Pass(61_000);
            Assert.Empty(_rig.Bounces.Seen);
            Assert.False(_rig.HasWork(Way));
        }
        (_rig.Bounces.Room, _rig.Bounces.Stuck) = (true, false);
        _rig.Loop.Pass(61_000);
        Assert.Equal(["1 ByOperator 5.1.2  typo.test is no domain"], _rig.Bounces.Seen);
        Assert.Equal(0, _rig.Queue.Entries);
    }

    [Fact]
    public void Others_that_would_end_as_well_wait_with_them_and_nothing_goes_round()
    {
        _rig.Accept("s@x.test", "u@good.test", "v@typo.test");
        (_rig.Bounces.Room, _rig.Bounces.Stuck) = (false, true);
        Bounce();
        long before = _rig.Queue.State.Settler.Settled;
        Do(admin => admin.BounceAsync(new QueueFilter(), "all"));
        _rig.Loop.Pass(300_000, step: 10_000);
        Assert.InRange(_rig.Queue.State.Settler.Settled - before, 1, 12);
        (_rig.Bounces.Room, _rig.Bounces.Stuck) = (true, false);
        _rig.Loop.Pass(61_000);
        Assert.Equal(["1 ByOperator 5.1.2  typo.test is no domain", "0 ByOperator 5.7.1  all"], _rig.Bounces.Seen);
        Assert.Equal(0, _rig.Queue.Entries);
    }

    [Fact]
    public void What_the_operator_asks_for_meanwhile_holds_for_the_others()
    {
        MessageHandle message = _rig.Accept("s@x.test", "u@good.test", "v@typo.test");
        (_rig.Bounces.Room, _rig.Bounces.Stuck) = (false, true);
        Bounce();
        Do(admin => admin.HoldAsync(new QueueFilter()));
        (_rig.Bounces.Room, _rig.Bounces.Stuck) = (true, false);
        _rig.Loop.Pass(61_000);
        Assert.Single(_rig.Bounces.Seen);
        Assert.Equal((QueuedState.Held, 1), (_rig.ShowOne(message).State, _rig.ShowOne(message).RecipientCount));
    }
}
