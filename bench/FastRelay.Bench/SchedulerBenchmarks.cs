using BenchmarkDotNet.Attributes;
using FastRelay.Journal;
using FastRelay.Observe;
using FastRelay.Outside;
using FastRelay.Queue;
using FastRelay.Routing;
using FastRelay.Tests.Routing;
using FastRelay.Tests.Support;

namespace FastRelay.Bench;

/// <summary>One decision of the queue: which site's turn it is, and which message. It must not depend on how many sites there are.</summary>
public class SchedulerBenchmarks
{
    private readonly ManualLoop _manual = new();
    private MessageQueue _queue = null!;
    private Turns _turns = null!;

    /// <summary>Sites that have work, one message each.</summary>
    [Params(10, 100_000)]
    public int Sites { get; set; }

    /// <summary>Fills queue and DNS.</summary>
    [GlobalSetup]
    public void Fill()
    {
        var dns = new ScriptedResolver(_manual.Loop);
        var output = new MemoryOutput { Keep = false };
        World world = TestWorld.Make(_manual, dns, output, new PlainDisk(_manual.Loop));
        var limits = new Limits { SegmentBytes = 16 << 20, SendSessions = 1_000_000 };
        var log = new Log(output, _manual.Time);
        var router = new Router(world, limits, new RouterOptions { OwnNames = ["relay.test"] }, log);
        _queue = new MessageQueue(world, router, new QueueOptions(), limits, log, new Counters());
        JournalOpenResult opened = MessageJournal.Open(world, new JournalOptions { Path = "/spool", Limits = limits }, _queue);
        MessageJournal journal = opened.Journal ?? throw new InvalidOperationException(opened.Error);
        _queue.Attach(journal);
        _turns = new Turns();
        _queue.Dispatcher = _turns;
        var writer = new MessageWriter(journal);
        for (int i = 0; i < Sites; i++)
        {
            dns.Mx($"d{i}.test", $"10 mx.d{i}.test", 86_400).A($"mx.d{i}.test", "8.8.8.8", 86_400).Aaaa($"mx.d{i}.test", "nodata", 3_600);
            EnvelopeBuilder envelope = Samples.Envelope($"user@d{i}.test");
            writer.Begin();
            "Subject: x\r\n\r\nbody\r\n"u8.CopyTo(writer.GetSpan(64));
            writer.Advance(20);
            _queue.Add(_manual.Wait(writer.CommitAsync(envelope)).Message, envelope.View);
        }
        _manual.Settle();
        Check.That(_turns.Waiting.Count == Sites, "every site has one session to give work to");
    }

    /// <summary>A session takes its site's next message, gives it back and ends; the queue finds who works next.</summary>
    [Benchmark]
    public int Decide()
    {
        Site site = _turns.Waiting.Dequeue();
        Check.That(_queue.TryTake(site, out Delivery delivery), "the site has work");
        _queue.Release(delivery);
        site.Sessions--;
        int before = _turns.Waiting.Count;
        while (_turns.Waiting.Count == before)
        {
            _manual.Loop.Turn(canSleep: false);
        }
        return before;
    }

    private sealed class Turns : Dispatcher
    {
        public Queue<Site> Waiting { get; } = [];

        public override bool Dispatch(Site site)
        {
            site.Sessions++;
            Waiting.Enqueue(site);
            return true;
        }

        public override void CloseIdle(Site site) => throw new NotSupportedException("nothing is kept");
    }
}
