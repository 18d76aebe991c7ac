using System.Diagnostics;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using FastRelay.Bounce;
using FastRelay.Deliver;
using FastRelay.Journal;
using FastRelay.Observe;
using FastRelay.Outside;
using FastRelay.Outside.Linux;
using FastRelay.Queue;
using FastRelay.Routing;
using FastRelay.Tests.Routing;
using FastRelay.Tests.Support;

namespace FastRelay.Tests.Deliver.Rig;

/// <summary>The stages from the journal to the next hop on the real doors, with a DNS that the test writes. The test's thread is the loop.</summary>
internal sealed class DeliverRig : IDisposable
{
    private readonly World _world;
    private readonly string _folder = Directory.CreateTempSubdirectory("deliver").FullName;
    private readonly MessageWriter _writer;
    private readonly EnvelopeBuilder _envelope = new();

    public DeliverRig(int port, Limits? limits = null, TlsPolicy tls = TlsPolicy.Opportunistic, X509Certificate2Collection? authorities = null, RouteRule? route = null,
        IReadOnlyList<(string Suffix, string Provider)>? providers = null)
    {
        // Continuations run on the loop, as in production, and not where the test runner would take them.
        SynchronizationContext.SetSynchronizationContext(null);
        Limits = (limits ?? new Limits()) with { SegmentBytes = 4 << 20 };
        World linux = LinuxWorld.Create(new LinuxOptions());
        Dns = new ScriptedResolver(linux.Loop);
        _world = linux with { Resolver = Dns, Output = Output, Random = new Random(1) };
        Log = new Log(Output, _world.Time);
        Log log = Log;
        var router = new Router(
            _world,
            Limits,
            new RouterOptions { Rules = route is null ? [] : [route], RemotePort = port, AllowPrivate = true, Tls = tls, OwnNames = ["relay.example"], Providers = providers ?? [] },
            log);
        Queue = new MessageQueue(_world, router, new QueueOptions { Jitter = 0 }, Limits, log, Counters);
        JournalOpenResult opened = MessageJournal.Open(_world, new JournalOptions { Path = Path.Combine(_folder, "spool"), Sync = SyncMode.None, Limits = Limits }, Queue);
        Journal = opened.Journal ?? throw new InvalidOperationException(opened.Error);
        Queue.Attach(Journal);
        Deliverer = new Deliverer(_world, Queue, Journal, Limits, new DeliverOptions { HelloName = "relay.example", Authorities = authorities }, log, Counters);
        Bouncer = new Bouncer(_world, Journal, Queue, new BounceOptions { Hostname = "relay.example", Waiting = Limits.BouncesWaiting, PerMinute = Limits.BouncesPerMinute }, log, Counters);
        Queue.Dispatcher = Deliverer;
        Queue.Bounces = Bouncer;
        _writer = new MessageWriter(Journal);
    }

    public Limits Limits { get; }

    public ScriptedResolver Dns { get; }

    public MemoryOutput Output { get; } = new();

    public Log Log { get; }

    public Counters Counters { get; } = new();

    public MessageQueue Queue { get; }

    public MessageJournal Journal { get; }

    public Deliverer Deliverer { get; }

    public Bouncer Bouncer { get; }

    public Loop Loop => _world.Loop;

    /// <summary>A domain whose MX hosts have one address each, best first.</summary>
    public void Domain(string name, params string[] addresses)
    {
        string mx = "";
        for (int i = 0; i < addresses.Length; i++)
        {
            mx += $"{(i > 0 ? ", " : "")}{10 * (i + 1)} mx{i}.{name}";
            Dns.A($"mx{i}.{name}", addresses[i]);
        }
        Dns.Mx(name, mx);
    }

    /// <summary>Commits a message and gives it to the queue.</summary>
    public void Submit(string from, string body, params string[] to) => Submit(from, body, EnvelopeFlags.None, to);

    public void Submit(string from, string body, EnvelopeFlags flags, params string[] to)
    {
        SynchronizationContext.SetSynchronizationContext(null);
        CommitResult result = Run(WriteAsync(from, body, flags, to));
        if (result.Status != JournalStatus.Ok)
        {
            throw new InvalidOperationException("commit: " + result.Status);
        }
        Queue.Add(result.Message, _envelope.View);
    }

    /// <summary>Turns until it is so; a test that hangs fails after a generous while.</summary>
    public void Until(Func<bool> isSo, string what = "")
    {
        SynchronizationContext.SetSynchronizationContext(null);
        long started = Stopwatch.GetTimestamp();
        while (!isSo())
        {
            if (!Loop.Turn(canSleep: false))
            {
                Thread.Sleep(1);
            }
            if (Stopwatch.GetElapsedTime(started) > TimeSpan.FromSeconds(60))
            {
                throw new TimeoutException($"still waiting: {what}\n{string.Join('\n', Output.Lines)}");
            }
        }
    }

    /// <summary>Turns until nothing is left to send or bounce.</summary>
    public void UntilEmpty() => Until(() => Queue.Entries == 0 && Bouncer.Pending == 0, "the queue is not empty");

    public T Run<T>(ValueTask<T> operation)
    {
        SynchronizationContext.SetSynchronizationContext(null);
        Task<T> task = operation.AsTask();
        Until(() => task.IsCompleted);
        return task.GetAwaiter().GetResult();
    }

    public void Run(ValueTask operation)
    {
        SynchronizationContext.SetSynchronizationContext(null);
        Task task = operation.AsTask();
        Until(() => task.IsCompleted);
        task.GetAwaiter().GetResult();
    }

    public bool Logged(params string[] parts) => Output.Lines.Any(line => parts.All(part => line.Contains(part, StringComparison.Ordinal)));

    public void Dispose()
    {
        Queue.Stopping = true;
        Bouncer.Stop();
        Run(Deliverer.DrainAsync(0));
        Run(Journal.CloseAsync());
        LinuxWorld.Dispose(_world);
        Directory.Delete(_folder, recursive: true);
    }

    private async ValueTask<CommitResult> WriteAsync(string from, string body, EnvelopeFlags flags, string[] to)
    {
        _envelope.Start(Encoding.Latin1.GetBytes(from), flags, "127.0.0.1:9"u8, "client"u8);
        foreach (string mailbox in to)
        {
            _envelope.TryAddRecipient(Encoding.Latin1.GetBytes(mailbox));
        }
        _writer.Begin();
        byte[] bytes = Encoding.Latin1.GetBytes(body);
        int at = 0;
        while (at < bytes.Length)
        {
            if (_writer.IsFull)
            {
                JournalStatus status = await _writer.FlushAsync();
                if (status != JournalStatus.Ok)
                {
                    return new CommitResult(status, MessageHandle.None);
                }
            }
            at += Copy(bytes.AsSpan(at));
        }
        _writer.StuffedDots = body.Split("\n.").Length - 1;
        return await _writer.CommitAsync(_envelope);
    }

    private int Copy(ReadOnlySpan<byte> rest)
    {
        Span<byte> into = _writer.GetSpan(1);
        int length = Math.Min(rest.Length, into.Length);
        rest[..length].CopyTo(into);
        _writer.Advance(length);
        return length;
    }
}
