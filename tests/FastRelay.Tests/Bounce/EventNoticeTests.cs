using System.Text;
using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Observe;
using FastRelay.Outside;
using FastRelay.Queue;
using FastRelay.Smtp;
using FastRelay.Tests.Deliver.Rig;
using FastRelay.Tests.Queue;
using FastRelay.Tests.Support;
using Xunit;

namespace FastRelay.Tests.Bounce;

/// <summary>Where the event is the notice: nothing is mailed, and a recipient is settled when its line is written.</summary>
public sealed class EventNoticeTests : IDisposable
{
    private const string Body = "From: a@client.test\r\nSubject: hello\r\n\r\nline\r\n";
    private readonly ScriptedPeer _peer = new();
    private readonly DeliverRig _rig;
    private readonly SlowFile _file = new();

    public EventNoticeTests()
    {
        _rig = new DeliverRig(_peer.Port, new Limits { BouncesWaiting = 3 });
        _rig.Domain("far.test", "127.0.0.1");
        _rig.Domain("client.test", "127.0.0.2");
        _rig.Log.Events = new EventStream(_file, TimeProvider.System, _rig.Counters, _rig.Log);
        Sender = new ScriptedPeer("127.0.0.2", _peer.Port);
        _peer.Answer = static (line, _) => line.StartsWith("RCPT TO:<no", StringComparison.Ordinal) ? "550 5.1.1 nobody of that name" : null;
        Tell(BounceNotice.Event);
    }

    private ScriptedPeer Sender { get; }

    public void Dispose()
    {
        _rig.Dispose();
        _peer.Dispose();
        Sender.Dispose();
    }

    private void Tell(BounceNotice all, params TenantConfig[] tenants) =>
        _rig.Queue.Change(new QueueOptions { Jitter = 0, Bounce = all, Tenants = tenants }, _rig.Limits);

    private int Failed(string to) => _file.Lines.Count(line => line.Contains("\"event\":\"failed\"", StringComparison.Ordinal) && line.Contains($"\"to\":\"{to}\"", StringComparison.Ordinal));

    [Fact]
    public void Nothing_is_mailed_and_the_recipient_is_settled_when_its_line_is_written_and_not_before()
    {
        _file.Writes = false;
        _rig.Submit("a@client.test", Body, "no@far.test", "yes@far.test");
        _rig.Until(() => Failed("no@far.test") == 1 && _rig.Bouncer.Told == 1, "told");
        _rig.Until(() => _rig.Queue.Entries == 0, "sent");
        Assert.Equal(1, _rig.Journal.Stats.Messages);
        _file.Writes = true;
        _rig.UntilEmpty();
        Assert.Equal(0, _rig.Journal.Stats.Messages);
        Assert.Equal((0L, 1L, 1L), (_rig.Counters.Bounced, _rig.Counters.ToldByEvent, _rig.Counters.Failed));
        Assert.Empty(Sender.Messages);
    }

    [Fact]
    public void A_tenant_says_otherwise_than_the_rest()
    {
        Tell(BounceNotice.Event, new TenantConfig("", 1, 0) { Bounce = BounceNotice.Both });
        _rig.Submit("a@client.test", Body, "no@far.test");
        _rig.UntilEmpty();
        Assert.Single(Sender.Messages);
        Assert.Equal(1, Failed("no@far.test"));
        Tell(BounceNotice.Dsn, new TenantConfig("", 1, 0) { Bounce = BounceNotice.Event });
        _rig.Submit("a@client.test", Body, "no2@far.test");
        _rig.UntilEmpty();
        Assert.Single(Sender.Messages);
        Assert.Equal(1, Failed("no2@far.test"));
    }

    [Fact]
    public void A_line_that_finds_no_room_is_told_later()
    {
        _file.Room = false;
        _rig.Submit("a@client.test", Body, "no@far.test");
        _rig.Until(() => _rig.Queue.Deferred == 1, "put off");
        Assert.Equal((0, 0), (Failed("no@far.test"), _rig.Bouncer.Told));
        Assert.Equal(1, _rig.Journal.Stats.Messages);
        _file.Room = true;
        _rig.Run(_rig.Queue.Admin.RetryAsync(new QueueFilter()));
        _rig.UntilEmpty();
        Assert.Equal(1, Failed("no@far.test"));
        Assert.Equal(0, _rig.Journal.Stats.Messages);
    }

    [Fact]
    public void A_report_with_more_lines_than_the_stream_holds_is_told_in_parts_and_loses_none()
    {
        string[] all = [.. Enumerable.Range(0, 90).Select(static i => $"no{i}@far.test")];
        // About fifteen lines, when nothing waits.
        _file.Capacity = (3 * EventStream.LineBytes) + 5_000;
        _rig.Submit("a@client.test", Body, all);
        int rounds = 0;
        int before = 0;
        while (_rig.Journal.Stats.Messages > 0)
        {
            _rig.Until(() => _rig.Journal.Stats.Messages == 0 || (_rig.Queue.Deferred == 1 && _file.Lines.Count > before && _rig.Bouncer.Told == 0), "told as many as find room");
            // Before they are tried again: the whole round may be over when the order has been given.
            before = _file.Lines.Count;
            _file.Clear();
            rounds++;
            _rig.Run(_rig.Queue.Admin.RetryAsync(new QueueFilter()));
        }
        Assert.All(all, to => Assert.Equal(1, Failed(to)));
        // Lines that nobody waits for, of those who were put off, found no room: a gap says so.
        Assert.Equal(all.Length, _rig.Counters.ToldByEvent);
        Assert.InRange(rounds, 2, all.Length);
    }

    [Fact]
    public void A_stream_that_stands_still_holds_up_no_delivery()
    {
        _file.Writes = false;
        for (int i = 0; i < 5; i++)
        {
            _rig.Submit("a@client.test", Body, $"no{i}@far.test");
        }
        // At the bound nothing more is begun, until the stream has not moved for so long that waiting for it helps nobody.
        _rig.Until(() => !_rig.Bouncer.HasRoom, "the bound");
        _rig.Submit("a@client.test", Body, "yes@far.test");
        _rig.Until(() => _rig.Bouncer.IsStuck && _peer.Messages.Count == 1, "delivered all the same");
        _file.Writes = true;
        _rig.Until(() => _rig.Bouncer.Told == 0 && !_rig.Bouncer.IsStuck, "written");
        _rig.Run(_rig.Queue.Admin.RetryAsync(new QueueFilter()));
        _rig.UntilEmpty();
        Assert.Equal(0, _rig.Journal.Stats.Messages);
        Assert.All(Enumerable.Range(0, 5), i => Assert.True(Failed($"no{i}@far.test") >= 1));
        Assert.Empty(Sender.Messages);
    }

    [Fact]
    public void A_stop_gives_up_what_is_not_written_and_it_stays_in_the_spool()
    {
        _file.Writes = false;
        _rig.Submit("a@client.test", Body, "no@far.test");
        _rig.Until(() => _rig.Bouncer.Told == 1, "told");
        _rig.Run(_rig.Bouncer.DrainAsync(_rig.Loop.NowMs + 100));
        Assert.Equal((0, 1L), (_rig.Bouncer.Told, _rig.Journal.Stats.Messages));
    }

    [Fact]
    public void Those_who_asked_to_hear_of_success_or_delay_do_not_by_mail()
    {
        QueueOptions options = new() { Bounce = BounceNotice.Event, WarnMs = 3_600_000 };
        QueueRig rig = new QueueRig(options).Domain("a.test");
        rig.CommitNotify("s@x.test", "u@a.test", NotifyOn.Success | NotifyOn.Delay);
        rig.Deliver("mx.a.test");
        Assert.Equal((0, 0L), (rig.Bounces.All.Count, rig.Messages));
        rig.CommitNotify("s@x.test", "v@a.test", NotifyOn.Delay | NotifyOn.Failure);
        rig.Report(rig.Take("mx.a.test"), _ => QueueRig.Later);
        rig.Loop.Pass(4_000_000, 20_000);
        Assert.Empty(rig.Bounces.Warned);
        rig.Report(rig.Take("mx.a.test"), _ => QueueRig.Never);
        Assert.Equal([0], rig.Bounces.Told);
        Assert.Equal((0, 1L, 0), (rig.Bounces.All.Count, rig.Messages, rig.Queue.Entries));
        // A start before the line is written finds it pending, and it fails again.
        var after = new QueueRig(options, after: rig);
        Assert.Equal(1, after.Queue.Entries);
    }

    /// <summary>A file that the test stops.</summary>
    private sealed class SlowFile : Output
    {
        private long _taken;
        private long _waiting;

        /// <summary>Octets that find room before <see cref="Clear"/>.</summary>
        public long Capacity { get; set; } = long.MaxValue;

        public void Clear() => _waiting = 0;

        public List<string> Lines { get; } = [];

        public bool Writes { get; set; } = true;

        public bool Room { get; set; } = true;

        public override long Dropped => 0;

        public override bool HasRoom(long octets) => Room && octets <= Capacity - _waiting;

        public override long Taken => _taken;

        public override long Passed => Writes ? _taken : 0;

        public override bool TryWrite(ReadOnlySpan<byte> line)
        {
            if (!Room || line.Length > Capacity - _waiting)
            {
                return false;
            }
            _waiting += line.Length;
            Lines.Add(Encoding.UTF8.GetString(line));
            _taken += line.Length;
            return true;
        }
    }
}
