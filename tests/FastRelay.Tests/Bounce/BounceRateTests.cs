using System.Text;
using FastRelay.Bounce;
using FastRelay.Journal;
using FastRelay.Queue;
using FastRelay.Smtp;
using FastRelay.Tests.Deliver.Rig;
using Xunit;

namespace FastRelay.Tests.Bounce;

/// <summary>More mail fails than the rate of bounces allows to tell: nobody is flooded, nothing is lost, and who asks is told why it waits.</summary>
public sealed class BounceRateTests : IDisposable
{
    private const string Body = "From: a@client.test\r\nSubject: hello\r\n\r\nline\r\n";
    private static readonly BounceOptions s_quick = new() { Hostname = "relay.example", PerMinute = 60_000_000 };
    private readonly ScriptedPeer _peer = new();
    private readonly ScriptedPeer _sender;

    public BounceRateTests()
    {
        _sender = new ScriptedPeer("127.0.0.2", _peer.Port);
        _peer.Answer = static (line, _) => line.StartsWith("RCPT TO:<no", StringComparison.Ordinal) ? "550 5.1.1 nobody of that name" : null;
    }

    public void Dispose()
    {
        _peer.Dispose();
        _sender.Dispose();
    }

    [Fact]
    public void Past_the_rate_bounces_wait_mail_is_delivered_and_all_are_told_once_when_the_rate_allows()
    {
        using DeliverRig rig = Rig(new Limits { BouncesPerMinute = 1 });
        for (int i = 0; i < 20; i++)
        {
            rig.Submit("a@client.test", Body, $"no{i}@far.test", $"yes{i}@far.test");
        }
        rig.Until(() => rig.Queue.Entries == 0 && rig.Counters.Bounced == 1 && rig.Bouncer.IsPaced, "one is told");
        Assert.Equal(20, _peer.Messages.Count);
        Assert.Equal((19, 19L), (rig.Queue.BouncesWaiting, rig.Journal.Stats.Messages));
        Assert.True(rig.Logged("event=bounces_paced", "per_minute=1"));
        Assert.Equal("", rig.Bouncer.Watch(0));
        rig.Bouncer.Change(s_quick);
        rig.UntilEmpty();
        Assert.Equal(20, _sender.Messages.Count);
        Assert.Equal(20, _sender.Messages.SelectMany(message => message.Data.Split("\r\n").Where(static line => line.StartsWith("Final-Recipient: ", StringComparison.Ordinal))).Distinct().Count());
        Assert.Equal((20L, 19L, 0L), (rig.Counters.Bounced, rig.Counters.BouncesPaced, rig.Counters.BouncesPutOff));
        Assert.Equal((0, 0), (rig.Queue.BouncesWaiting, rig.Journal.Stats.Messages));
    }

    [Fact]
    public void Who_asks_for_a_message_that_failed_is_told_what_its_bounce_waits_for()
    {
        using DeliverRig rig = Rig(new Limits { BouncesPerMinute = 1 });
        rig.Submit("a@client.test", Body, "no0@far.test");
        rig.Until(() => rig.Counters.Bounced == 1, "told");
        MessageId id = rig.Journal.UpcomingId;
        rig.Submit("a@client.test", Body, "no1@far.test", "no2@far.test");
        rig.Until(() => rig.Queue.Entries == 0 && rig.Bouncer.IsPaced, "waits");
        QueuedMessage shown = rig.Run(rig.Queue.Admin.ShowAsync(id))!;
        QueuedDestination failed = Assert.Single(shown.Destinations);
        Assert.Equal((QueuedState.Ending, "a@client.test", 2), (failed.State, shown.Sender, failed.RecipientCount));
        Assert.Equal(["no1@far.test", "no2@far.test"], failed.Recipients);
        Assert.Equal("failed; its bounce waits for the rate of bounces (limits.bounces_per_minute): 5.1.1 nobody of that name", failed.Reason);
        Explanation way = Assert.Single(rig.Run(rig.Queue.Explainer.OfMessageAsync(id, rig.Queue.Admin))!.Ways);
        Assert.Equal(WaitKind.Bounces, way.Waits.For);
        Assert.Contains("limits.bounces_per_minute", way.Waits.Text, StringComparison.Ordinal);
        rig.Bouncer.Change(s_quick);
        rig.UntilEmpty();
        Assert.Null(rig.Run(rig.Queue.Admin.ShowAsync(id)));
    }

    [Fact]
    public void Without_room_failures_are_put_off_with_the_reason_and_delivery_goes_on()
    {
        using DeliverRig rig = Rig(new Limits { BouncesPerMinute = 1, BouncesWaiting = 4 });
        MessageId last = default;
        for (int i = 0; i < 30; i++)
        {
            last = rig.Journal.UpcomingId;
            rig.Submit("a@client.test", Body, $"no{i}@far.test", $"yes{i}@far.test");
            rig.Until(() => _peer.Messages.Count == i + 1 && rig.Queue.InFlight == 0 && (i > 0 || (rig.Counters.Bounced == 1 && rig.Queue.BouncesWaiting == 0)), "attempted");
        }
        rig.Until(() => rig.Queue.Ready == 0, "all are attempted");
        // A tenant may have as many waiting as there is room left: two of four.
        Assert.Equal((2, true), (rig.Queue.BouncesWaiting, rig.Bouncer.IsPaced));
        Assert.Equal((27L, 27L), (rig.Queue.Deferred, rig.Counters.BouncesPutOff));
        QueuedDestination put = Assert.Single(rig.Run(rig.Queue.Admin.ShowAsync(last))!.Destinations);
        Assert.Equal((QueuedState.Deferred, "waits for the rate of bounces: 5.1.1 nobody of that name"), (put.State, put.Reason));
        Assert.Equal(["no29@far.test"], put.Recipients);
        Explanation way = Assert.Single(rig.Run(rig.Queue.Explainer.OfMessageAsync(last, rig.Queue.Admin))!.Ways);
        Assert.Contains("waits for the rate of bounces", way.Waits.Text, StringComparison.Ordinal);
        rig.Bouncer.Change(s_quick with { Waiting = 100 });
        rig.Until(() => rig.Queue.BouncesWaiting == 0, "told");
        rig.Run(rig.Queue.Admin.RetryAsync(new QueueFilter()));
        rig.UntilEmpty();
        Assert.Equal((30, 30), (_sender.Messages.Count, _peer.Messages.Count));
        Assert.Equal(30L, rig.Counters.Bounced);
    }

    [Fact]
    public void A_bounce_that_waits_is_its_message_s_and_not_that_of_the_next_in_the_same_place()
    {
        using DeliverRig rig = Rig(new Limits { BouncesPerMinute = 1 });
        rig.Submit("a@client.test", Body, "no0@far.test");
        rig.Until(() => rig.Counters.Bounced == 1, "told");
        MessageId first = rig.Journal.UpcomingId;
        rig.Submit("a@client.test", Body, "no1@far.test", "no2@far.test");
        rig.Until(() => rig.Queue.Entries == 0 && rig.Bouncer.IsPaced, "waits");
        Assert.True(rig.Journal.TryFind(first, out MessageHandle gone));
        // As when its envelope cannot be read any more.
        rig.Queue.SetAside(gone);
        rig.Until(() => rig.Journal.Stats.Messages == 0, "set aside");
        MessageId second = rig.Journal.UpcomingId;
        rig.Submit("a@client.test", Body, "no3@far.test");
        rig.Until(() => rig.Queue.Entries == 0, "failed");
        Assert.True(rig.Journal.TryFind(second, out MessageHandle next));
        Assert.Equal(gone, next);
        Assert.Equal(["no3@far.test"], Assert.Single(rig.Run(rig.Queue.Admin.ShowAsync(second))!.Destinations).Recipients);
        rig.Bouncer.Change(s_quick);
        rig.UntilEmpty();
        Assert.Contains("no3@far.test", _sender.Messages.Last().Data, StringComparison.Ordinal);
        Assert.Equal((2, 0L), (_sender.Messages.Count, rig.Journal.Stats.Messages));
    }

    [Fact]
    public void No_warning_is_begun_while_bounces_wait_for_their_rate()
    {
        using DeliverRig rig = Rig(new Limits { BouncesPerMinute = 1 });
        Assert.True(rig.Bouncer.MayWarn);
        rig.Submit("a@client.test", Body, "no0@far.test");
        rig.UntilEmpty();
        Assert.False(rig.Bouncer.MayWarn);
        rig.Bouncer.Change(s_quick);
        rig.Until(() => rig.Bouncer.MayWarn, "the new rate is full for a moment only");
    }

    [Fact]
    public void A_stop_leaves_what_waits_for_the_rate_pending_in_the_journal()
    {
        using DeliverRig rig = Rig(new Limits { BouncesPerMinute = 1 });
        for (int i = 0; i < 5; i++)
        {
            rig.Submit("a@client.test", Body, $"no{i}@far.test");
        }
        rig.Until(() => rig.Queue.Entries == 0 && rig.Counters.Bounced == 1 && rig.Bouncer.IsPaced, "one is told");
        rig.Run(rig.Bouncer.DrainAsync(rig.Loop.NowMs + 60_000));
        rig.Bouncer.Change(s_quick);
        Assert.Equal((4L, 1L), (rig.Journal.Stats.Messages, rig.Counters.Bounced));
    }

    [Fact]
    public void Who_asked_for_none_and_who_cannot_be_told_get_none_and_take_nothing_of_the_rate()
    {
        using DeliverRig rig = Rig(new Limits { BouncesPerMinute = 1 });
        rig.Submit("", Body, "no0@far.test");
        Submit(rig, "no1@far.test", NotifyOn.Never);
        Submit(rig, "no2@far.test", NotifyOn.Success | NotifyOn.Delay);
        rig.UntilEmpty();
        Assert.Equal((3L, 0L, 0L), (rig.Counters.Dropped, rig.Counters.Bounced, rig.Journal.Stats.Messages));
        Assert.True(rig.Bouncer.MayWarn);
        Submit(rig, "no3@far.test", NotifyOn.Failure);
        rig.UntilEmpty();
        Assert.Equal((3L, 1L), (rig.Counters.Dropped, rig.Counters.Bounced));
        Assert.Contains("no3@far.test", Assert.Single(_sender.Messages).Data, StringComparison.Ordinal);
    }

    private static void Submit(DeliverRig rig, string to, NotifyOn notify)
    {
        var writer = new MessageWriter(rig.Journal);
        var envelope = new EnvelopeBuilder();
        envelope.Start("a@client.test"u8, EnvelopeFlags.None, "127.0.0.1:9"u8, "client"u8);
        envelope.TryAddRecipient(Encoding.ASCII.GetBytes(to), (byte)notify, default);
        writer.Begin();
        MessageHandle message = rig.Run(writer.CommitAsync(envelope)).Message;
        rig.Queue.Add(message, envelope.View);
    }

    private DeliverRig Rig(Limits limits)
    {
        var rig = new DeliverRig(_peer.Port, limits);
        rig.Domain("far.test", "127.0.0.1");
        rig.Domain("client.test", "127.0.0.2");
        return rig;
    }
}
