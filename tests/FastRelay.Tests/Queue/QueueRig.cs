using System.Text;
using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Observe;
using FastRelay.Outside;
using FastRelay.Queue;
using FastRelay.Routing;
using FastRelay.Smtp;
using FastRelay.Tests.Routing;
using FastRelay.Tests.Support;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>The queue over a real journal on a disk in memory, with a scripted DNS; the test plays Deliver and Bounce.</summary>
public sealed class QueueRig
{
    public const string Spool = "/spool";

    private readonly Limits _limits;
    private readonly MessageWriter _writer;
    private readonly EnvelopeBuilder _envelope = new();

    public QueueRig(QueueOptions? options = null, Limits? limits = null, IReadOnlyList<RouteRule>? rules = null, QueueRig? after = null)
    {
        _limits = limits ?? new Limits { SegmentBytes = 4 << 20 };
        Dns = after is null ? new ScriptedResolver(Loop.Loop) : after.Dns.On(Loop.Loop);
        Disk = after?.Disk ?? new PlainDisk(Loop.Loop);
        Disk.Move(Loop.Loop);
        if (after is not null)
        {
            Loop.Time.JumpWall(after.Loop.Time.GetUtcNow() - Loop.Time.GetUtcNow());
        }
        World = TestWorld.Make(Loop, Dns, Output, Disk);
        var log = new Log(Output, Loop.Time);
        Router = new Router(World, _limits, new RouterOptions { OwnNames = ["relay.test"], Rules = rules ?? [] }, log);
        Queue = new MessageQueue(World, Router, options ?? new QueueOptions(), _limits, log, Counters);
        JournalOpenResult opened = MessageJournal.Open(World, new JournalOptions { Path = Spool, Limits = _limits }, Queue);
        Assert.True(opened.Journal is not null, opened.Error);
        Journal = opened.Journal;
        Queue.Attach(Journal);
        Dispatcher = new Sessions(this);
        Bounces = new Bounced(this);
        Queue.Dispatcher = Dispatcher;
        Queue.Bounces = Bounces;
        _writer = new MessageWriter(Journal);
    }

    public ManualLoop Loop { get; } = new();

    public MemoryOutput Output { get; } = new();

    public Counters Counters { get; } = new();

    public ScriptedResolver Dns { get; }

    public PlainDisk Disk { get; }

    public World World { get; }

    public Router Router { get; }

    public MessageQueue Queue { get; }

    public MessageJournal Journal { get; }

    public Sessions Dispatcher { get; }

    public Bounced Bounces { get; }

    /// <summary>Whose mail is committed from now on.</summary>
    public string Tenant { get; set; } = "";

    /// <summary>How urgent it is.</summary>
    public MailPriority Priority { get; set; }

    public long Messages => Journal.Stats.Messages;

    public static Outcome Ok { get; } = OutcomePolicy.From(SmtpStage.Dot, 250, default);

    public static Outcome Later { get; } = OutcomePolicy.From(SmtpStage.Rcpt, 451, new EnhancedCode(4, 7, 1));

    public static Outcome Never { get; } = OutcomePolicy.From(SmtpStage.Rcpt, 550, new EnhancedCode(5, 1, 1));

    public static Outcome TooMany { get; } = OutcomePolicy.From(SmtpStage.Rcpt, 452, new EnhancedCode(4, 5, 3));

    public static Outcome Unreachable { get; } = OutcomePolicy.From(SmtpStage.Connect, OutcomeCause.ConnectTimeout);

    /// <summary>A domain with one MX host of its own, or of a name that is given.</summary>
    public QueueRig Domain(string domain, string? mx = null)
    {
        mx ??= "mx." + domain;
        Dns.Mx(domain, "10 " + mx, 86_400).A(mx, "8.8.8.8", 86_400).Aaaa(mx, "nodata", 3_600);
        return this;
    }

    public MessageHandle Accept(string from, params string[] to)
    {
        MessageHandle message = Commit(from, to);
        Loop.Settle();
        return message;
    }

    /// <summary>Commits and adds, without letting the queue work.</summary>
    public MessageHandle Commit(string from, params string[] to) => Commit(from, NotifyOn.Unspecified, to);

    /// <summary>Commits mail for one recipient with NOTIFY, and lets the queue work.</summary>
    public MessageHandle CommitNotify(string from, string to, NotifyOn notify)
    {
        MessageHandle message = Commit(from, notify, to);
        Loop.Settle();
        return message;
    }

    /// <summary>Commits; <see cref="Add"/> is the caller's, who may have the queue at work in between.</summary>
    public MessageHandle Store(string from, params string[] to) => Store(from, NotifyOn.Unspecified, to);

    /// <summary>Adds what was committed last.</summary>
    public void Add(MessageHandle message) => Queue.Add(message, _envelope.View);

    private MessageHandle Commit(string from, NotifyOn notify, params string[] to)
    {
        MessageHandle message = Store(from, notify, to);
        Add(message);
        return message;
    }

    private MessageHandle Store(string from, NotifyOn notify, params string[] to)
    {
        _envelope.Start(Encoding.UTF8.GetBytes(from), EnvelopeFlags.None, "192.0.2.1:4711"u8, "client.test"u8);
        _envelope.SetTenant(Encoding.ASCII.GetBytes(Tenant));
        _envelope.SetPriority(Priority);
        foreach (string mailbox in to)
        {
            Assert.True(_envelope.TryAddRecipient(Encoding.UTF8.GetBytes(mailbox), (byte)notify));
        }
        _writer.Begin();
        "Subject: x\r\n\r\nbody\r\n"u8.CopyTo(_writer.GetSpan(64));
        _writer.Advance(20);
        CommitResult result = Loop.Wait(_writer.CommitAsync(_envelope));
        Assert.Equal(JournalStatus.Ok, result.Status);
        return result.Message;
    }

    public Site SiteOf(string key) => Queue.State.Sites.Find(key) ?? throw new InvalidOperationException("no site " + key);

    public Delivery Take(string site)
    {
        Assert.True(Queue.TryTake(SiteOf(site), out Delivery delivery), "nothing to take at " + site);
        return delivery;
    }

    /// <summary>A site as explain shows it.</summary>
    public SiteView ViewOf(string key) => new BusySites(Queue.State).View(SiteOf(key));

    public bool HasWork(string site) => Queue.State.Sites.Find(site) is { Ready: > 0 };

    /// <summary>The recipients of a delivery as one text.</summary>
    public string Recipients(in Delivery delivery)
    {
        BodyReader body = Open(delivery.Message);
        Span<int> indexes = stackalloc int[256];
        int count = Queue.CollectRecipients(delivery, body.Envelope, indexes, out _);
        string text = "";
        foreach (int index in indexes[..count])
        {
            text += (text.Length == 0 ? "" : " ") + Encoding.UTF8.GetString(body.Envelope.Recipient(index));
        }
        body.Close();
        return text;
    }

    /// <summary>Reports every collected recipient by its mailbox, then lets the loop work.</summary>
    public string Report(in Delivery delivery, Func<string, Outcome> judge, string reply = "said so", bool hasDsn = false)
    {
        BodyReader body = Open(delivery.Message);
        Span<int> indexes = stackalloc int[256];
        int count = Queue.CollectRecipients(delivery, body.Envelope, indexes, out _);
        var reports = new RecipientReport[count];
        string text = "";
        for (int i = 0; i < count; i++)
        {
            string mailbox = Encoding.UTF8.GetString(body.Envelope.Recipient(indexes[i]));
            text += (text.Length == 0 ? "" : " ") + mailbox;
            reports[i] = new RecipientReport(indexes[i], judge(mailbox), Encoding.UTF8.GetBytes(reply));
        }
        Queue.Report(delivery, body.Envelope, new AttemptInfo("mx.test", new System.Net.IPEndPoint(0x08080808, 25), null, 3, false) { HasDsn = hasDsn }, reports);
        body.Close();
        Loop.Settle();
        return text;
    }

    public string Deliver(string site) => Report(Take(site), _ => Ok);

    public QueuedMessage Show(MessageHandle message) => Loop.Wait(Queue.Admin.ShowAsync(Journal.IdOf(message))) ?? throw new InvalidOperationException("not there");

    public QueuedDestination ShowOne(MessageHandle message) => Assert.Single(Show(message).Destinations);

    public string Mailbox(MessageHandle message, int index)
    {
        BodyReader body = Open(message);
        string mailbox = Encoding.UTF8.GetString(body.Envelope.Recipient(index));
        body.Close();
        return mailbox;
    }

    private BodyReader Open(MessageHandle message)
    {
        BodyReader body = Journal.OpenBody();
        body.Start(message);
        Assert.Equal(BodyStatus.Ok, Loop.Wait(body.PrepareAsync()));
        return body;
    }

    /// <summary>Counts sessions as Deliver does; they take when the test says.</summary>
    public sealed class Sessions(QueueRig rig) : Dispatcher
    {
        public List<string> Calls { get; } = [];

        public int Room { get; set; } = int.MaxValue;

        /// <summary>A session works at whatever was taken.</summary>
        public bool Holds { get; set; } = true;

        public override bool MayHold(Site site, long takenMs) => Holds;

        public override bool Dispatch(Site site)
        {
            Assert.True(site.CanRun);
            Assert.True(rig.Loop.Loop.IsCurrent);
            if (Room == 0)
            {
                return false;
            }
            Room--;
            Calls.Add(site.Key);
            if (site.Idle > 0)
            {
                site.Idle--;
            }
            else
            {
                site.Sessions++;
            }
            return true;
        }

        /// <summary>Messages after which every host ends its connections; 0 for none that is known.</summary>
        public int ClosesAfter { get; set; }

        public override HostMemory MemoryOf(string host, TlsPolicy tls) => new() { MessagesMost = ClosesAfter };

        public override void CloseIdle(Site site)
        {
            Calls.Add("close " + site.Key);
            site.Idle--;
            site.Sessions--;
        }
    }

    public sealed class Bounced(QueueRig rig) : BounceSink
    {
        public List<string> Seen { get; } = [];

        public List<(MessageHandle Message, FailedRecipient Failed)> All { get; } = [];

        public bool Room { get; set; } = true;

        public bool Stuck { get; set; }

        public List<string> Warned { get; } = [];

        public override void Warn(MessageHandle message, ReadOnlySpan<FailedRecipient> delayed, DateTimeOffset until, string tenant = "")
        {
            foreach (FailedRecipient one in delayed)
            {
                Assert.True(rig.Journal.IsPending(message, one.Index));
                Assert.Equal(NoticeKind.Delayed, one.Kind);
                Warned.Add($"{one.Index} {one.Outcome.EnhancedCode} {Encoding.ASCII.GetString(one.ReplyText)} until {until:HH:mm:ss}");
            }
        }

        public List<int> Told { get; } = [];

        public override void ToldByEvent(MessageHandle message, ReadOnlySpan<int> recipients)
        {
            foreach (int index in recipients)
            {
                Assert.True(rig.Journal.IsPending(message, index), "a failure stays pending until its event is written");
                Told.Add(index);
            }
        }

        public override bool HasRoom => Room;

        public override bool MayWarn => Room;

        public override bool IsStuck => Stuck;

        public override void Bounce(MessageHandle message, ReadOnlySpan<FailedRecipient> failed, string tenant = "")
        {
            Assert.True(rig.Loop.Loop.IsCurrent);
            foreach (FailedRecipient one in failed)
            {
                Assert.True(rig.Journal.IsPending(message, one.Index), "a failure stays pending until its bounce is durable");
                All.Add((message, one));
                Seen.Add($"{one.Index} {one.Outcome.Cause} {one.Outcome.EnhancedCode} {one.HostText} {Encoding.ASCII.GetString(one.ReplyText)}");
            }
        }
    }
}
