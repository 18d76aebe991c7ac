using System.Runtime.CompilerServices;
using System.Text;
using FastRelay.Bounce;
using FastRelay.Journal;
using FastRelay.Queue;
using FastRelay.Smtp;
using FastRelay.Tests.Deliver.Rig;
using MimeKit;
using Xunit;

namespace FastRelay.Tests.Bounce;

/// <summary>From a refusal to the notice in the sender's mailbox.</summary>
public sealed class BouncerTests : IDisposable
{
    private const string Body = "From: a@client.test\r\nSubject: hello\r\n\r\nline\r\n..dot\r\n";
    private readonly ScriptedPeer _peer = new();
    private readonly DeliverRig _rig;

    public BouncerTests()
    {
        _rig = new DeliverRig(_peer.Port);
        _rig.Domain("far.test", "127.0.0.1");
        _rig.Domain("client.test", "127.0.0.2");
        Sender = new ScriptedPeer("127.0.0.2", _peer.Port);
        _peer.Answer = static (line, _) => line.StartsWith("RCPT TO:<no", StringComparison.Ordinal) ? "550 5.1.1 nobody of that name" : null;
    }

    private ScriptedPeer Sender { get; }

    public void Dispose()
    {
        _rig.Dispose();
        _peer.Dispose();
        Sender.Dispose();
    }

    [Fact]
    public void A_refused_recipient_makes_one_report_from_the_null_path()
    {
        _rig.Submit("a@client.test", Body, "no@far.test");
        _rig.UntilEmpty();
        PeerMessage notice = Assert.Single(Sender.Messages);
        Assert.Equal("", notice.From);
        Assert.Equal(["a@client.test"], notice.To);
        MultipartReport report = ReportOf(notice);
        var status = (MessageDeliveryStatus)report[1];
        Assert.Equal("rfc822; no@far.test", status.StatusGroups[1]["Final-Recipient"]);
        Assert.Equal("5.1.1", status.StatusGroups[1]["Status"]);
        Assert.Contains("550 5.1.1 nobody of that name", status.StatusGroups[1]["Diagnostic-Code"], StringComparison.Ordinal);
        Assert.Equal("hello", ((MessagePart)report[2]).Message!.Subject);
        Assert.Equal(1, _rig.Counters.Bounced);
        Assert.Equal(0, _rig.Journal.Stats.Messages);
        Assert.True(_rig.Logged("event=bounce", "recipients=1"));
    }

    [Fact]
    public void Recipients_that_fail_together_are_told_together()
    {
        _rig.Submit("a@client.test", Body, "no1@far.test", "yes@far.test", "no2@far.test");
        _rig.UntilEmpty();
        MultipartReport report = ReportOf(Assert.Single(Sender.Messages));
        Assert.Equal(3, ((MessageDeliveryStatus)report[1]).StatusGroups.Count);
        Assert.Equal(["yes@far.test"], Assert.Single(_peer.Messages).To);
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_running")]
    private static extern ref int RunningOf(Bouncer bouncer);

    [Fact]
    public void A_bounce_that_nobody_works_at_is_found_and_written()
    {
        // As if its workers had ended without a look at the list.
        RunningOf(_rig.Bouncer) = 4;
        _rig.Submit("a@client.test", Body, "no@far.test");
        _rig.Until(() => _rig.Bouncer.Pending == 5, "waits");
        RunningOf(_rig.Bouncer) = 0;
        Assert.NotEqual("", _rig.Bouncer.Watch(60_000));
        _rig.UntilEmpty();
        Assert.Single(Sender.Messages);
        Assert.Equal("", _rig.Bouncer.Watch(0));
    }

    [Fact]
    public void A_bounce_that_fails_is_dropped_and_not_bounced()
    {
        Sender.Answer = static (line, _) => line.StartsWith("RCPT", StringComparison.Ordinal) ? "550 5.1.1 gone" : null;
        _rig.Submit("a@client.test", Body, "no@far.test");
        _rig.UntilEmpty();
        Assert.Equal(1, _rig.Counters.Bounced);
        Assert.Equal(1, _rig.Counters.Dropped);
        Assert.Empty(Sender.Messages);
        Assert.Equal(0, _rig.Journal.Stats.Messages);
    }

    [Fact]
    public void Of_a_large_message_only_the_header_is_returned()
    {
        string body = "Subject: large\r\n\r\n" + string.Concat(Enumerable.Repeat(new string('x', 76) + "\r\n", 1000));
        _rig.Submit("a@client.test", body, "no@far.test");
        _rig.UntilEmpty();
        PeerMessage notice = Assert.Single(Sender.Messages);
        Assert.Equal("large", Assert.IsType<TextRfc822Headers>(ReportOf(notice)[2]).Message!.Subject);
        Assert.True(notice.Data.Length < 8192);
    }

    [Fact]
    public void Eight_bit_content_is_declared_to_the_next_hop()
    {
        _rig.Submit("a@client.test", "Subject: x\r\n\r\ngr\u00FC\u00DFe\r\n", EnvelopeFlags.EightBit, "no@far.test");
        _rig.UntilEmpty();
        Assert.Contains(Sender.Lines, line => line.StartsWith("1 MAIL FROM:<>", StringComparison.Ordinal) && line.EndsWith("BODY=8BITMIME", StringComparison.Ordinal));
        Assert.Contains("gr\u00FC\u00DFe", Assert.Single(Sender.Messages).Data, StringComparison.Ordinal);
    }

    [Fact]
    public void Many_failures_are_all_told()
    {
        for (int i = 0; i < 40; i++)
        {
            _rig.Submit("a@client.test", Body, $"no{i}@far.test");
        }
        _rig.UntilEmpty();
        Assert.Equal(40, Sender.Messages.Count);
        Assert.Equal(40, Sender.Messages.Select(m => ((MessageDeliveryStatus)ReportOf(m)[1]).StatusGroups[1]["Final-Recipient"]).Distinct().Count());
    }

    [Fact]
    public void At_the_bound_there_is_no_room_and_there_is_again_when_one_was_told()
    {
        using var rig = new DeliverRig(_peer.Port, new Limits { BouncesWaiting = 6 });
        rig.Domain("far.test", "127.0.0.1");
        rig.Domain("client.test", "127.0.0.2");
        var writer = new MessageWriter(rig.Journal);
        var envelope = new EnvelopeBuilder();
        envelope.Start("a@client.test"u8, EnvelopeFlags.None, "127.0.0.1:9"u8, "client"u8);
        envelope.TryAddRecipient("no@far.test"u8);
        var messages = new MessageHandle[7];
        for (int i = 0; i < 7; i++)
        {
            writer.Begin();
            messages[i] = rig.Run(writer.CommitAsync(envelope)).Message;
        }
        for (int i = 0; i < 7; i++)
        {
            Assert.Equal(i < 6, rig.Bouncer.HasRoom);
            // What was under way when the bound was met is taken all the same.
            rig.Bouncer.Bounce(messages[i], [Failed(0)]);
        }
        Assert.False(rig.Bouncer.HasRoom);
        Assert.False(rig.Bouncer.IsStuck);
        rig.Until(() => rig.Bouncer.Pending == 0, "bounces are not written");
        Assert.True(rig.Bouncer.HasRoom);
        Assert.Equal(7, rig.Counters.Bounced);
    }

    [Fact]
    public void With_room_for_one_waiting_failure_all_are_told_all_the_same()
    {
        using var rig = new DeliverRig(_peer.Port, new Limits { BouncesWaiting = 1 });
        rig.Domain("far.test", "127.0.0.1");
        rig.Domain("client.test", "127.0.0.2");
        for (int i = 0; i < 40; i++)
        {
            rig.Submit("a@client.test", Body, $"no{i}@far.test");
        }
        rig.UntilEmpty();
        Assert.Equal(40, rig.Counters.Bounced);
        Assert.Equal(40, Sender.Messages.Count);
    }

    [Theory]
    [InlineData(10, 60_000)]
    [InlineData(10, 0)]
    public void A_stop_waits_for_reports_of_success_and_delivers_nobody_again_without_one(int messages, int forMs)
    {
        using var rig = new DeliverRig(_peer.Port);
        rig.Domain("client.test", "127.0.0.2");
        rig.Queue.Stopping = true;
        MessageHandle[] relayed = Commit(rig, messages);
        MessageId[] ids = [.. relayed.Select(rig.Journal.IdOf)];
        foreach (MessageHandle message in relayed)
        {
            rig.Bouncer.Bounce(message, [Relayed(0)]);
        }
        rig.Run(rig.Bouncer.DrainAsync(rig.Loop.NowMs + forMs));
        rig.Until(() => ids.All(id => !rig.Journal.TryFind(id, out _)), "the delivered stay pending");
        rig.Until(() => rig.Counters.Bounced == rig.Journal.Stats.Messages, "there is more than reports");
        Assert.Equal(forMs > 0, rig.Counters.Bounced == messages);
        Assert.Equal(forMs == 0, rig.Logged("event=report_given_up", "recipients=1"));
    }

    [Fact]
    public void Who_failed_stays_pending_when_a_stop_gives_the_report_up()
    {
        using var rig = new DeliverRig(_peer.Port);
        MessageHandle[] all = Commit(rig, 20, both: true);
        foreach (MessageHandle message in all)
        {
            rig.Bouncer.Bounce(message, [Relayed(0), Failed(1)]);
        }
        rig.Run(rig.Bouncer.DrainAsync(0));
        Assert.Equal((false, true), (rig.Journal.IsPending(all[^1], 0), rig.Journal.IsPending(all[^1], 1)));
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(2, 1)]
    public void A_full_queue_takes_no_report_of_a_delay(int entries, int warned)
    {
        using var rig = new DeliverRig(_peer.Port, new Limits { QueueEntries = entries });
        rig.Domain("client.test", "127.0.0.2");
        rig.Queue.Stopping = true;
        MessageHandle message = Commit(rig, 1)[0];
        rig.Bouncer.Warn(message, [new FailedRecipient(0, OutcomePolicy.From(SmtpStage.Rcpt, 450, default), "", []) { Kind = NoticeKind.Delayed }], DateTimeOffset.UnixEpoch);
        rig.Until(() => rig.Bouncer.Pending == 0, "the report is written or dropped");
        Assert.Equal((warned, 1 + warned), (rig.Counters.Warned, rig.Journal.Stats.Messages));
    }

    [Fact]
    public void A_report_of_success_is_not_shown_as_a_failure_and_a_failure_beside_it_is()
    {
        // Nobody works at them, so that they are there to be seen.
        RunningOf(_rig.Bouncer) = 4;
        MessageHandle message = Commit(_rig, 1, both: true)[0];
        MessageId id = _rig.Journal.IdOf(message);
        _rig.Bouncer.Bounce(message, [Relayed(0)]);
        Assert.Equal(5, _rig.Bouncer.Pending);
        Assert.Null(_rig.Run(_rig.Queue.Admin.ShowAsync(id)));
        Assert.Null(_rig.Run(_rig.Queue.Explainer.OfMessageAsync(id, _rig.Queue.Admin)));
        _rig.Bouncer.Bounce(message, [Failed(1)]);
        Assert.Equal(["2@far.test"], Assert.Single(_rig.Run(_rig.Queue.Admin.ShowAsync(id))!.Destinations).Recipients);
        RunningOf(_rig.Bouncer) = 0;
        Assert.NotEqual("", _rig.Bouncer.Watch(60_000));
        _rig.UntilEmpty();
        Assert.Null(_rig.Run(_rig.Queue.Admin.ShowAsync(id)));
    }

    [Fact]
    public void A_failure_that_waits_for_its_rate_is_shown_also_when_a_success_of_the_same_message_has_passed_it()
    {
        using var rig = new DeliverRig(_peer.Port, new Limits { BouncesPerMinute = 1 });
        rig.Domain("far.test", "127.0.0.1");
        rig.Domain("client.test", "127.0.0.2");
        rig.Submit("a@client.test", Body, "no@far.test");
        rig.Until(() => rig.Counters.Bounced == 1, "the minute's one is told");
        MessageHandle message = Commit(rig, 1, both: true)[0];
        rig.Bouncer.Bounce(message, [Failed(0)]);
        rig.Until(() => rig.Bouncer.IsPaced, "waits");
        rig.Bouncer.Bounce(message, [Relayed(1)]);
        rig.Until(() => rig.Counters.Bounced == 2 && !rig.Journal.IsPending(message, 1), "the success is told");
        QueuedDestination failed = Assert.Single(rig.Run(rig.Queue.Admin.ShowAsync(rig.Journal.IdOf(message)))!.Destinations);
        Assert.Equal(["1@far.test"], failed.Recipients);
        Assert.Contains("waits for the rate of bounces", failed.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_reload_that_gives_more_failures_room_sets_going_what_waits_for_it()
    {
        using var rig = new DeliverRig(_peer.Port, new Limits { BouncesWaiting = 2 });
        rig.Domain("far.test", "127.0.0.1");
        RunningOf(rig.Bouncer) = 4;
        rig.Submit("a@client.test", Body, "no1@far.test", "no2@far.test");
        rig.Until(() => !rig.Bouncer.HasRoom && rig.Queue.InFlight == 0, "the room is taken");
        MessageId id = rig.Journal.UpcomingId;
        rig.Submit("a@client.test", Body, "yes@far.test");
        // As long as there is something to do: it is offered to a session, which takes nothing.
        while (rig.Loop.Turn(canSleep: false))
        {
        }
        Explanation way = Assert.Single(rig.Run(rig.Queue.Explainer.OfMessageAsync(id, rig.Queue.Admin))!.Ways);
        Assert.Equal((WaitKind.Bounces, 1L, 0), (way.Waits.For, rig.Queue.Ready, _peer.Messages.Count));
        rig.Bouncer.Change(new BounceOptions { Hostname = "relay.example", Waiting = 3 });
        rig.Until(() => rig.Queue.Entries == 0, "it stands still");
        Assert.Equal(["yes@far.test"], Assert.Single(_peer.Messages).To);
        Assert.Equal(2, rig.Bouncer.Waiting);
    }

    private static FailedRecipient Failed(int index) => new(index, OutcomePolicy.From(SmtpStage.Rcpt, 550, new EnhancedCode(5, 1, 1)), "", []);

    private static FailedRecipient Relayed(int index) => new(index, OutcomePolicy.From(SmtpStage.Dot, 250, default), "mx.test", []) { Kind = NoticeKind.Relayed };

    private static MessageHandle[] Commit(DeliverRig rig, int count, bool both = false)
    {
        var writer = new MessageWriter(rig.Journal);
        var envelope = new EnvelopeBuilder();
        envelope.Start("a@client.test"u8, EnvelopeFlags.None, "127.0.0.1:9"u8, "client"u8);
        envelope.TryAddRecipient("1@far.test"u8);
        if (both)
        {
            envelope.TryAddRecipient("2@far.test"u8);
        }
        var messages = new MessageHandle[count];
        for (int i = 0; i < count; i++)
        {
            writer.Begin();
            messages[i] = rig.Run(writer.CommitAsync(envelope)).Message;
        }
        return messages;
    }

    private static MultipartReport ReportOf(PeerMessage message)
    {
        string unstuffed = ("\n" + message.Data).Replace("\n.", "\n", StringComparison.Ordinal)[1..];
        return Assert.IsType<MultipartReport>(MimeMessage.Load(new MemoryStream(Encoding.Latin1.GetBytes(unstuffed))).Body);
    }
}
