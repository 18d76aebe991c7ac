using System.Globalization;
using BenchmarkDotNet.Attributes;
using FastRelay.Journal;
using FastRelay.Observe;
using FastRelay.Outside;
using FastRelay.Queue;
using FastRelay.Routing;
using FastRelay.Tests.Routing;
using FastRelay.Tests.Support;

namespace FastRelay.Bench;

/// <summary>
/// One decision of the queue: which site's turn it is, and which message. It must not depend on how many sites and messages
/// there are, and cost less than 3 us with a million messages over 100,000 sites.
/// </summary>
public class SchedulerBenchmarks
{
    private const int Writers = 512;
    private readonly ManualLoop _manual = new();
    private MessageQueue _queue = null!;
    private Turns _turns = null!;

    /// <summary>Sites that have work, and the messages that wait.</summary>
    [Params("10 of 10", "100,000 of 100,000", "1,000,000 of 100,000")]
    public string Waiting { get; set; } = "";

    /// <summary>
    /// For perf/scale: processor time and managed octets of a decision, the least of five rounds of a million. Time on a clock
    /// would be that of whatever else the machine does.
    /// </summary>
    /// <param name="arguments"><c>decide MESSAGES SITES</c>.</param>
    /// <returns>The exit code.</returns>
    public static int Run(string[] arguments)
    {
        const int rounds = 5, decisions = 1_000_000;
        if (arguments.Length != 3 || !int.TryParse(arguments[1], CultureInfo.InvariantCulture, out int messages) || !int.TryParse(arguments[2], CultureInfo.InvariantCulture, out int sites) || sites < 1 || messages < sites)
        {
            Console.Error.WriteLine("usage: FastRelay.Bench decide MESSAGES SITES");
            return 2;
        }
        var bench = new SchedulerBenchmarks { Waiting = string.Create(CultureInfo.InvariantCulture, $"{messages} of {sites}") };
        bench.Fill();
        double least = double.MaxValue;
        long octets = long.MaxValue;
        for (int round = 0; round < rounds; round++)
        {
            TimeSpan before = Environment.CpuUsage.TotalTime;
            long allocated = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < decisions; i++)
            {
                bench.Decide();
            }
            octets = Math.Min(octets, GC.GetAllocatedBytesForCurrentThread() - allocated);
            least = Math.Min(least, (Environment.CpuUsage.TotalTime - before).TotalMicroseconds / decisions);
        }
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{least:F3} {(double)octets / decisions:F3}"));
        return 0;
    }

    /// <summary>Fills queue and DNS.</summary>
    [GlobalSetup]
    public void Fill()
    {
        int[] counts = [.. Waiting.Replace(",", "", StringComparison.Ordinal).Split(" of ").Select(int.Parse)];
        (int messages, int sites) = (counts[0], counts[1]);
        var dns = new ScriptedResolver(_manual.Loop);
        var output = new MemoryOutput { Keep = false };
        World world = TestWorld.Make(_manual, dns, output, new PlainDisk(_manual.Loop));
        var limits = new Limits { SegmentBytes = 16 << 20, SendSessions = 1_000_000, QueueEntries = 2_000_000 };
        var log = new Log(output, _manual.Time);
        var router = new Router(world, limits, new RouterOptions { OwnNames = ["relay.test"] }, log);
        _queue = new MessageQueue(world, router, new QueueOptions(), limits, log, new Counters());
        JournalOpenResult opened = MessageJournal.Open(world, new JournalOptions { Path = "/spool", Limits = limits }, _queue);
        MessageJournal journal = opened.Journal ?? throw new InvalidOperationException(opened.Error);
        _queue.Attach(journal);
        _turns = new Turns();
        _queue.Dispatcher = _turns;
        // Many in a commit group: each group is pages of the disk in memory.
        MessageWriter[] writers = [.. Enumerable.Range(0, Writers).Select(_ => new MessageWriter(journal))];
        var commits = new Task<CommitResult>[Writers];
        for (int i = 0; i < sites; i++)
        {
            dns.Mx($"d{i}.test", $"10 mx.d{i}.test", 86_400).A($"mx.d{i}.test", "8.8.8.8", 86_400).Aaaa($"mx.d{i}.test", "nodata", 3_600);
        }
        for (int first = 0; first < messages; first += Writers)
        {
            int count = Math.Min(Writers, messages - first);
            for (int i = 0; i < count; i++)
            {
                writers[i].Begin();
                "Subject: x\r\n\r\nbody\r\n"u8.CopyTo(writers[i].GetSpan(64));
                writers[i].Advance(20);
                commits[i] = writers[i].CommitAsync(Samples.Envelope($"user@d{(first + i) % sites}.test")).AsTask();
            }
            for (int i = 0; i < count; i++)
            {
                _queue.Add(_manual.Wait(new ValueTask<CommitResult>(commits[i])).Message, Samples.Envelope($"user@d{(first + i) % sites}.test").View);
            }
        }
        _manual.Settle();
        Check.That(_turns.Waiting.Count >= sites, "every site has sessions to give work to");
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
